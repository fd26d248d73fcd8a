# SPDX-License-Identifier: MIT
"""A service-account key is exchanged for a token of short life."""

import concurrent.futures
import re
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.process import wait_for  # noqa: E402

from vaultd_server import ANTHROPIC, EXCHANGE, PREFIX, Client  # noqa: E402

PATH = "/api/v1/serviceToken/exchange"


@pytest.fixture
def account(client):
    """Requests with a key."""
    key, identity = client.server.issue("--name", "robot", kind="key")
    account = Client(client.server, key)
    account.id = identity
    return account


def token_of(reply):
    assert reply.status == 200, reply.text
    return reply.json["access_token"]


def rows(vaultd, sql):
    with sqlite3.connect(f"file:{vaultd.data}/vaults.db?mode=ro",
                         uri=True) as db:
        found = db.execute(sql).fetchall()
    db.close()
    return found


@pytest.mark.parametrize("dialect", ["qoder", "qoder-flat"])
def test_a_key_is_exchanged_for_a_token(vaultd, speaking, dialect):
    speaking(dialect)
    account = Client(vaultd, vaultd.issue(kind="key")[0])
    reply = account.exchange({**EXCHANGE, "ttl_seconds": 3600})
    body = reply.json
    assert re.fullmatch(r"sat-[A-Za-z0-9_-]{43}", body.pop("access_token"))
    assert body == {"token_type": "Bearer", "expires_in": 3600,
                    "scope": "qca.access"}
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Type"] == "application/json"
    guest = Client(vaultd, reply.json["access_token"])
    shown = guest.get("/vaults")
    assert shown.status == 200
    assert shown.headers["x-oauth-scopes"] == "vaults:read, vaults:write"
    assert "Cache-Control" not in shown.headers
    guest.vault()


def test_anthropic_knows_no_exchange(vaultd, anthropic):
    account = Client(vaultd, vaultd.issue(kind="key")[0])
    for headers in (None, ANTHROPIC):
        for each in (account, anthropic):
            assert each.exchange(headers=headers).error[:2] == (
                404, "not_found_error")
    refused = Client(vaultd, account.token, prefix="/v1",
                     headers=ANTHROPIC).get("/vaults")
    assert refused.error[0] == 401


@pytest.mark.parametrize("change, param", [
    ({"grant_type": "password"}, "grant_type"),
    ({"grant_type": None}, "grant_type"), ({"grant_type": 1}, "grant_type"),
    ({"grant_type": "client_credentials\0"}, "grant_type"),
    ({"audience": "Qoder"}, "audience"), ({"audience": ["qoder"]}, "audience"),
    ({"scope": "qca.access vaults:write"}, "scope"), ({"scope": ""}, "scope"),
    ({"ttl_seconds": 0}, "ttl_seconds"), ({"ttl_seconds": -1}, "ttl_seconds"),
    ({"ttl_seconds": 43201}, "ttl_seconds"),
    ({"ttl_seconds": 2 ** 64}, "ttl_seconds"),
    ({"ttl_seconds": 60.0}, "ttl_seconds"),
    ({"ttl_seconds": "60"}, "ttl_seconds"),
    ({"ttl_seconds": True}, "ttl_seconds"),
    ({"ttl_seconds": None}, "ttl_seconds"), ({"surplus": 1}, "surplus")])
def test_what_is_wrong_is_400_and_named(account, change, param):
    refused = account.exchange({**EXCHANGE, **change})
    assert refused.error == (400, "invalid_request_error", param)
    assert rows(account.server,
                "SELECT * FROM issued WHERE kind = 'exchanged'") == []


@pytest.mark.parametrize("missing", list(EXCHANGE))
def test_what_is_missing_is_400_and_named(account, missing):
    body = {k: v for k, v in EXCHANGE.items() if k != missing}
    assert account.exchange(body).error[2] == missing


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null"])
def test_a_body_that_is_no_object_is_400(account, body):
    assert account.exchange(body).error[:2] == (400, "invalid_request_error")


@pytest.mark.parametrize("ttl", [1, 3600, 43200])
def test_the_life_is_what_was_asked_for(account, ttl):
    reply = account.exchange({**EXCHANGE, "ttl_seconds": ttl})
    assert reply.json["expires_in"] == ttl
    ((life,),) = rows(account.server, "SELECT expires_us - created_us"
                      " FROM issued WHERE kind = 'exchanged'")
    assert ttl - 5 < life / 1e6 <= ttl


def test_a_token_lives_no_longer_than_its_key(client):
    vaultd = client.server
    account = Client(vaultd, vaultd.issue("--expires", "1h", kind="key")[0])
    reply = account.exchange({**EXCHANGE, "ttl_seconds": 43200})
    assert 3500 < reply.json["expires_in"] <= 3600
    ((left,),) = rows(vaultd, "SELECT max(expires_us) - min(expires_us)"
                      " FROM issued WHERE expires_us IS NOT NULL")
    assert left == 0


def test_a_token_ends_by_its_time(account):
    token = token_of(account.exchange({**EXCHANGE, "ttl_seconds": 1}))
    guest = Client(account.server, token)
    refused = wait_for(lambda: (r := guest.get("/vaults")).status != 200 and r)
    assert refused.error == (401, "authentication_error", None)
    assert "the token expired on 20" in refused.json["error"]["message"]


def test_those_that_ended_are_swept_with_an_exchange(account):
    vaultd = account.server
    kept = token_of(account.exchange())
    short = Client(vaultd, token_of(
        account.exchange({**EXCHANGE, "ttl_seconds": 1})))
    wait_for(lambda: short.get("/vaults").status == 401)
    count = "SELECT count(*) FROM issued WHERE kind = 'exchanged'"
    assert rows(vaultd, count) == [(2,)]
    account.exchange()
    assert rows(vaultd, count) == [(2,)]
    assert Client(vaultd, kept).get("/vaults").status == 200
    assert "not known" in short.get("/vaults").json["error"]["message"]


def test_a_key_is_no_token_and_a_token_no_key(client, account):
    vaultd = client.server
    sat = Client(vaultd, token_of(account.exchange()))
    for each in (client, sat):
        assert each.exchange().error == (401, "authentication_error", None)
    for method, path in [("GET", "/vaults"), ("POST", "/vaults"),
                         ("PUT", "/vaults")]:
        refused = account.call(method, path, b"{}" if method == "POST" else None)
        assert refused.status == (405 if method == "PUT" else 401)
    assert client.get("/vaults").json["data"] == []
    for stranger in ("sak-" + "x" * 43, "", "pt-x"):
        assert Client(vaultd, stranger).exchange().error[0] == 401
    assert client.exchange(headers={"Authorization": None}).error[0] == 401


def test_with_a_key_its_tokens_are_revoked_at_once(client, account):
    vaultd = client.server
    guests = [Client(vaultd, token_of(account.exchange())) for _ in range(3)]
    other = Client(vaultd, vaultd.issue(kind="key")[0])
    stays = Client(vaultd, token_of(other.exchange()))
    assert all(guest.get("/vaults").status == 200 for guest in guests)
    assert vaultd.command("key", "revoke", "robot").returncode == 0
    for guest in guests:
        refused = guest.get("/vaults")
        assert refused.error[0] == 401
        assert refused.json["error"]["message"] == "the token was revoked"
    refused = account.exchange()
    assert refused.error[0] == 401
    assert refused.json["error"]["message"] == "the key was revoked"
    assert stays.get("/vaults").status == client.get("/vaults").status == 200


def test_no_token_outlives_a_key_that_is_revoked_meanwhile(client, account):
    vaultd = client.server
    accounts = [Client(vaultd, account.token) for _ in range(8)]

    def exchange(each):
        tokens = []
        while (reply := each.exchange()).status == 200:
            tokens.append(reply.json["access_token"])
        assert reply.error[0] == 401
        return tokens

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(exchange, each) for each in accounts]
        wait_for(lambda: rows(vaultd, "SELECT 1 FROM issued"
                              " WHERE kind = 'exchanged'"))
        assert vaultd.command("key", "revoke", account.id).returncode == 0
        tokens = [token for run in runs for token in run.result()]
    assert tokens
    guest = Client(vaultd, "")
    for token in tokens:
        assert guest.get("/vaults", headers={
            "Authorization": f"Bearer {token}"}).status == 401


def test_an_expired_key_is_401(client):
    vaultd = client.server
    account = Client(vaultd, vaultd.issue("--expires", "1s", kind="key")[0])
    refused = wait_for(lambda: (r := account.exchange()).status != 200 and r)
    assert refused.error[0] == 401
    assert "the key expired on 20" in refused.json["error"]["message"]


def test_the_token_can_do_what_its_key_can(client):
    vaultd = client.server
    account = Client(vaultd, vaultd.issue("--scope", "vaults:read",
                                          kind="key")[0])
    guest = Client(vaultd, token_of(account.exchange()))
    shown = guest.get("/vaults")
    assert shown.status == 200
    assert shown.headers["x-oauth-scopes"] == "vaults:read"
    assert guest.post("/vaults", {"display_name": "x"}).error == (
        403, "permission_error", None)


def test_exchanged_tokens_are_in_no_list_and_a_key_shows_its_last_use(account):
    vaultd = account.server
    assert vaultd.issued("key")[0]["last_used_at"] is None
    token = token_of(account.exchange())
    assert Client(vaultd, token).get("/vaults").status == 200
    assert len(vaultd.issued()) == len(vaultd.issued("key")) == 1
    assert vaultd.issued("key")[0]["last_used_at"] is not None
    ((identity,),) = rows(vaultd,
                          "SELECT id FROM issued WHERE kind = 'exchanged'")
    for kind in ("token", "key"):
        assert vaultd.command(kind, "revoke", identity).returncode == 1


def test_no_exchange_is_answered_again(account):
    """Its reply is a secret: nothing keeps it, whatever the request asks."""
    vaultd = account.server
    again = {"Idempotency-Key": "the-same"}
    tokens = {token_of(account.exchange(headers=again)) for _ in range(3)}
    assert len(tokens) == 3
    assert rows(vaultd, "SELECT * FROM idempotency") == []


def test_it_lies_outside_the_prefix_and_takes_post(client, account):
    inside = client.post(PATH, EXCHANGE, prefix=PREFIX)
    assert inside.error[:2] == (404, "not_found_error")
    refused = account.get(PATH, prefix="")
    assert refused.status == 405 and refused.headers["Allow"] == "POST"
    assert account.post(PATH + "/", EXCHANGE, prefix="").status == 404
