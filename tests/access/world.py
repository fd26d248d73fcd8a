# SPDX-License-Identifier: MIT
"""A service, what it takes, and a user who has nothing yet."""

import json
import os

import pytest

from support.memory import random_text
from support.mount import daemons_of, mounts_at
from support.tokens import token_leaks


class World:
    def __init__(self, home, service, issuer):
        self.home = home
        self.url = service.url
        self.token = issuer.token("mine")
        self.key = issuer.key("mine")
        self.unknown = "pt-" + random_text(43)

    def good(self, source):
        """What the service takes, as this source has it."""
        return self.key if source == "service_account_key_file" else self.token

    def secrets(self):
        return {"token": self.token, "key": self.key, "unknown": self.unknown}


@pytest.fixture
def world(home, service, issuer):
    return World(home, service, issuer)


def check(world, given, *options):
    """The exit status of `vaultfs check --json`, and what it printed."""
    result = given.run(world.home, "check", world.url, "--json", *options)
    assert result.out.count("\n") >= 1, result
    return result.status, json.loads(result.out), result


def mount(world, given, *options, **env):
    """Mounts in the background; unmounts what came of it."""
    point = world.home.point()
    result = given.run(world.home, "mount", world.url, point, *options, **env)
    is_mounted = mounts_at(point) == 1
    assert is_mounted == (result.status == 0), result
    if is_mounted:
        assert os.listdir(point) == []
        account = json.loads((point / ".vaultfs/status").read_text())["account"]
        assert account["state"] == "ok"
        assert world.home.vaultfs("umount", point)
    else:
        assert daemons_of(point) == []
    return result


def assert_says_nothing_secret(world, *results):
    for result in results:
        assert token_leaks(world.secrets(), result.out + result.err) == [], result
