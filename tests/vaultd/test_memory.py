# SPDX-License-Identifier: MIT
"""Once a request is answered, its secrets are in no memory of the server."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.memory import PIECE, Canary, scan_process  # noqa: E402
from support.paths import is_sanitized  # noqa: E402
from support.process import wait_for  # noqa: E402

from vaultd_server import VAULTD, Client  # noqa: E402

pytestmark = pytest.mark.skipif(
    is_sanitized(VAULTD),
    reason="sanitizers bring their own allocator, which wipes nothing")

URL = "https://mcp.example.com/sse"


def bearer(token, **more):
    return {"auth": {"type": "static_bearer", "mcp_server_url": URL,
                     "token": token}, **more}


def flat(token, **more):
    return {"mcp_server_url": URL, "protocol": "sse", "type": "static_bearer",
            "access_token": token, **more}


def paths(vault):
    return "/vaults", f"/vaults/{vault}/credentials"


# (dialect, below vaults or below a vault, body of a token, status)
REQUESTS = [
    ("qoder", 1, bearer, 200),
    ("qoder", 1, lambda t: bearer(t, surplus=1), 400),
    ("anthropic", 1, lambda t: bearer(t, display_name="a.json"), 200),
    ("anthropic", 1, lambda t: bearer(t, display_name=""), 400),
    ("anthropic", 1, lambda t: bearer("x" * 8192 + t), 400),
    ("qoder-flat", 1, flat, 201),
    ("qoder-flat", 1, lambda t: flat(t, protocol="none"), 400),
    ("qoder-flat", 0, lambda t: {"display_name": "v", "credentials": [flat(t)]},
     201),
    ("qoder-flat", 0, lambda t: {"display_name": "v", "credentials": [
        flat(t), flat("x")]}, 409),
]


class Issued:
    """A token that vaultd made: any 12 bytes after its prefix give it away."""

    def __init__(self, name, text):
        self.name = name
        data = text.partition("-")[2].encode()
        self._pieces = [data[i : i + PIECE]
                        for i in range(len(data) - PIECE + 1)]

    def find(self, data):
        return [data.find(piece) for piece in self._pieces if piece in data]


def wait_until_gone(vaultd, canaries):
    try:
        wait_for(lambda: not scan_process(vaultd.process.pid, canaries), 2,
                 "a memory without them")
    except PermissionError as reason:
        pytest.skip(f"the memory of others cannot be read: {reason.strerror}")


@pytest.mark.parametrize("size", [24, 3000, 8000])
@pytest.mark.parametrize("dialect, at, make, status", REQUESTS)
def test_a_secret_is_gone_with_its_request(vaultd, speaking, dialect, at, make,
                                           status, size):
    client = speaking(dialect)
    path = paths(client.vault())[at]
    canary = Canary("token", size)
    vaultd.secrets.append(canary.text)
    reply = client.post(path, json.dumps(make(canary.text)).encode())
    assert reply.status == status
    wait_until_gone(vaultd, [canary])


@pytest.mark.parametrize("dialect", ["qoder", "qoder-flat"])
def test_a_token_is_gone_with_the_request_that_it_came_with(vaultd, speaking,
                                                            dialect):
    owner = speaking(dialect)
    key, _ = vaultd.issue(kind="key")
    account = Client(vaultd, key)
    sat = account.exchange().json["access_token"]
    guest = Client(vaultd, sat)
    assert owner.get("/vaults").status == guest.get("/vaults").status == 200
    assert account.get("/vaults").status == guest.exchange().status == 401
    # The connections are kept alive.
    wait_until_gone(vaultd, [Issued("token", owner.token), Issued("key", key),
                             Issued("exchanged", sat)])


def test_a_token_that_was_issued_is_found_where_it_is():
    """The search itself: it finds a piece, and nothing in other bytes."""
    issued = Issued("x", "sat-" + "0123456789abcdefghij")
    assert issued.find(b"...456789abcdef...") and not issued.find(b"sat-01234")
