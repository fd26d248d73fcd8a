# SPDX-License-Identifier: MIT
"""A real vaultd for each test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vaultd_server import ANTHROPIC, PREFIX, Client, Vaultd  # noqa: E402


@pytest.fixture
def vaultd(tmp_path):
    server = Vaultd(tmp_path)
    yield server
    if server.process is not None:
        assert server.stop() == 0
    # Whatever a test was about: no secret may be anywhere afterwards.
    places = {str(p): p.read_bytes() for p in tmp_path.rglob("*")
              if p.is_file()}
    places["replies"] = b"\n".join(server.replies)
    for value in server.secrets:
        for place, content in places.items():
            assert value.encode() not in content, f"a secret is in {place}"


@pytest.fixture
def client(vaultd):
    token = vaultd.token()
    vaultd.secrets.append(token)
    vaultd.start()
    return Client(vaultd, token)


def speak(vaultd, dialect, *options):
    """Serve a dialect, and speak it."""
    token = vaultd.token()
    vaultd.secrets.append(token)
    vaultd.start("--dialect", dialect, *options)
    if dialect == "anthropic":
        return Client(vaultd, token, prefix="/v1", headers=ANTHROPIC)
    return Client(vaultd, token, prefix=PREFIX)


@pytest.fixture
def speaking(vaultd):
    """speaking("qoder-flat", "--no-update", "404") is a client of that."""
    return lambda dialect, *options: speak(vaultd, dialect, *options)


@pytest.fixture
def flat(vaultd):
    return speak(vaultd, "qoder-flat")


@pytest.fixture
def anthropic(vaultd):
    return speak(vaultd, "anthropic")
