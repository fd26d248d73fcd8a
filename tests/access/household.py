# SPDX-License-Identifier: MIT
"""A user with a mount of their own, and all places where a token of theirs could
come to light."""

import os
from pathlib import Path

import pytest

from support.memory import random_text
from support.mount import daemons_of, mounts_at
from support.process import spawn
from support.sources import content_for, give
from support.tokens import token_leaks, token_of

CONTROLS = ("status", "last_error", "errors", "metrics")

# Sources whose token can be replaced while a mount lives.
REREAD = {
    "token_file",
    "token_command",
    "token_command, JSON",
    "service_account_key_file",
    "env_file",
    "credentials directory",
}


class Household:
    def __init__(self, home, service, issuer, proxy):
        self.home = home
        self.service = service
        self.issuer = issuer
        self.proxy = proxy
        self.point = home.point()
        self.tokens = {}
        self.is_stuck = False  # the mount waits for something: leave it alone
        self.own = set()  # files that hold a token because the user put it there
        for name in ("RUNTIME_DIR", "STATE_HOME", "CACHE_HOME", "CONFIG_HOME"):
            path = home.path / name.lower()
            path.mkdir(mode=0o700)
            home.env[f"XDG_{name}"] = str(path)

    def issue(self, source, name):
        """A token, or a key, that the service takes."""
        is_key = source == "service_account_key_file"
        make = self.issuer.key if is_key else self.issuer.token
        self.tokens[name] = make(name)
        return self.tokens[name]

    def revoke(self, source, name):
        is_key = source == "service_account_key_file"
        (self.issuer.revoke_key if is_key else self.issuer.revoke)(name)

    def invent(self):
        self.tokens["unknown"] = "pt-" + random_text(43)
        return self.tokens["unknown"]

    def give(self, source, token, **more):
        content = content_for(source, token, **more)
        given = give(source, self.home.path / "mine", content)
        if given.file is not None:
            self.own.add(given.file)
        return given

    def spawn(self, given, *options, **env):
        """Starts `vaultfs mount` in the background."""
        command = given.command("mount", self.proxy.url, self.point, *options)
        env = self.home.env | given.env | env
        return spawn(command, env=env, cwd=self.home.path)

    def pid(self):
        (pid,) = daemons_of(self.point)
        return pid

    def note_exchanged(self):
        """Tokens that keys were exchanged for; only the wire knows them."""
        for request in self.proxy.requests:
            token = token_of(request)
            if token not in self.tokens.values():
                self.tokens[f"exchanged {len(self.tokens)}"] = token

    def places(self):
        """What anybody may come to see, by the name of where it is."""
        for directory in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                yield directory / name
        yield from (path for path in self._files() if path not in self.own)
        if mounts_at(self.point) and not self.is_stuck:
            yield from (self.point / ".vaultfs" / name for name in CONTROLS)
        yield self.service.log
        yield from self.service.data.rglob("*")

    def _files(self):
        """Below the home, and on the mount as far as it shows any."""
        for directory, inner, names in os.walk(self.home.path):
            if self.is_stuck and self.point.name in inner:
                inner.remove(self.point.name)
            yield from (Path(directory) / name for name in names)

    def found(self, *said):
        """Where a token is that should not be there. said: what programs
        printed."""
        self.note_exchanged()
        assert self.tokens
        found = []
        for text in said:
            found += [("output", name) for name in token_leaks(self.tokens, text)]
        for path in self.places():
            try:
                data = path.read_bytes()
            except OSError:
                continue  # a process that ended, a directory, a socket
            found += [(str(path), name) for name in token_leaks(self.tokens, data)]
        return found

    def assert_clean(self, *said):
        assert self.found(*said) == []


@pytest.fixture
def house(home, service, issuer, proxy):
    return Household(home, service, issuer, proxy)
