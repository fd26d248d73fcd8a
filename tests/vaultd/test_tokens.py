# SPDX-License-Identifier: MIT
"""Tokens are issued, shown once, and end: by time, or by being revoked."""

import concurrent.futures
import contextlib
import datetime
import itertools
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.process import wait_for  # noqa: E402

from vaultd_server import ANTHROPIC, EXCHANGE, VAULTD, Client  # noqa: E402

READ, BOTH = ["vaults:read"], ["vaults:read", "vaults:write"]
KINDS = ["token", "key"]
PREFIXES = {"token": ("pt-", "tok_"), "key": ("sak-", "key_")}
NO_ID = "0" * 32
CREDENTIALS = f"/vaults/vault_{NO_ID}/credentials"

# Every route that is not for keys, by what it does.
ROUTES = [
    ("GET", "/vaults"), ("POST", "/vaults"),
    ("GET", f"/vaults/vault_{NO_ID}"), ("POST", f"/vaults/vault_{NO_ID}"),
    ("DELETE", f"/vaults/vault_{NO_ID}"),
    ("POST", f"/vaults/vault_{NO_ID}/archive"),
    ("GET", CREDENTIALS), ("POST", CREDENTIALS),
    ("GET", f"{CREDENTIALS}/vcred_{NO_ID}"),
    ("POST", f"{CREDENTIALS}/vcred_{NO_ID}"),
    ("DELETE", f"{CREDENTIALS}/vcred_{NO_ID}"),
    ("POST", f"{CREDENTIALS}/vcred_{NO_ID}/archive"),
    ("POST", f"{CREDENTIALS}/vcred_{NO_ID}/mcp_oauth_validate"),
    ("GET", "/nothing"), ("POST", "/nothing"), ("PUT", "/vaults"),
]


def message(reply):
    return reply.json["error"]["message"]


def entry(vaultd, identity, kind="token"):
    (found,) = [e for e in vaultd.issued(kind) if e["id"] == identity]
    return found


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


# Creating.

@pytest.mark.parametrize("kind", KINDS)
def test_the_token_alone_is_on_standard_output(vaultd, kind):
    done = vaultd.command(kind, "create", "--name", "läptop")
    prefix, id_prefix = PREFIXES[kind]
    assert re.fullmatch(prefix + r"[A-Za-z0-9_-]{43}\n", done.stdout)
    assert re.fullmatch(rf"id {id_prefix}[0-9a-f]{{32}}\n", done.stderr)
    vaultd.secrets.append(done.stdout.rstrip("\n"))
    (known,) = vaultd.issued(kind)
    assert known["id"] == done.stderr.split()[1]
    assert known["name"] == "läptop" and known["scopes"] == BOTH
    assert known["state"] == "active"
    assert known["expires_at"] is known["last_used_at"] is None


@pytest.mark.parametrize("words", [
    ["--expires", "0d"], ["--expires", "30"], ["--expires", "30y"],
    ["--expires", ""], ["--expires", "d"], ["--expires", "1d2h"],
    ["--expires", "-1d"], ["--expires", "1 d"], ["--expires", "5300w"],
    ["--expires", "99999999999999999999999w"],
    ["--expires", "2020-01-01T00:00:00Z"], ["--expires", "2030-02-30T00:00:00Z"],
    ["--expires", "2030-01-01"], ["--expires", "2999-01-01T00:00:00Z"],
    ["--scope", ""], ["--scope", "vaults"], ["--scope", "vaults:read,"],
    ["--scope", "vaults:read;vaults:write"], ["--scope", "VAULTS:READ"],
    ["--name", "a\nb"], ["--name", "\x1b[31mred"], ["--name", "x" * 256],
    ["--name", b"\xff"], ["--name", "pt-" + "A" * 43], ["--name"], ["--json"],
    ["surplus"], ["--data", ""]])
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_created_exits_1_and_makes_nothing(tmp_path, kind,
                                                          words):
    done = subprocess.run([VAULTD, kind, "create", *words], timeout=30,
                          capture_output=True, text=True,
                          env={"HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("vaultd: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words, scopes", [
    ([], BOTH), (["--scope", "vaults:read"], READ),
    (["--scope", "vaults:write"], BOTH),
    (["--scope", "vaults:read", "--scope", "vaults:write"], BOTH),
    (["--scope", "vaults:read,vaults:read"], READ),
    (["--scope", "vaults:read,vaults:write"], BOTH)])
def test_scopes_are_both_unless_said_and_write_implies_read(vaultd, words,
                                                            scopes):
    _, identity = vaultd.issue(*words)
    assert entry(vaultd, identity)["scopes"] == scopes


@pytest.mark.parametrize("words, seconds", [
    ("90s", 90), ("15m", 900), ("12h", 43200), ("30d", 30 * 86400),
    ("8w", 56 * 86400)])
def test_an_end_is_counted_from_now(vaultd, words, seconds):
    known = entry(vaultd, vaultd.issue("--expires", words)[1])
    life = time_of(known["expires_at"]) - time_of(known["created_at"])
    assert abs(life.total_seconds() - seconds) < 10


def test_an_end_may_be_a_time_with_an_offset(vaultd):
    known = entry(vaultd, vaultd.issue(
        "--expires", "2099-12-31T23:59:59.5+02:00")[1])
    assert known["expires_at"] == "2099-12-31T21:59:59.5Z"


def full_device():
    return open("/dev/full", "wb")


def pipe_that_nobody_reads():
    read_end, write_end = os.pipe()
    os.close(read_end)
    return open(write_end, "wb")


@pytest.mark.parametrize("output", [full_device, pipe_that_nobody_reads])
def test_a_token_that_could_not_be_shown_is_good_for_nothing(vaultd, output):
    with output() as stdout:
        done = subprocess.run([VAULTD, "token", "create", "--data", vaultd.data],
                              stdout=stdout, stderr=subprocess.PIPE, text=True,
                              timeout=30)
    assert done.returncode == 2 and "standard output" in done.stderr
    (known,) = vaultd.issued()
    assert known["state"] == "revoked"


@pytest.mark.parametrize("path, kind", [
    ("/vaults", "token"), ("/api/v1/serviceToken/exchange", "key")])
def test_one_revoked_before_the_body_was_there_does_nothing(client, path, kind):
    vaultd = client.server
    token, identity = vaultd.issue(kind=kind)
    with contextlib.closing(vaultd.connect()) as connection:
        body = json.dumps({"display_name": "late"} if kind == "token"
                          else EXCHANGE).encode()
        head = (f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                f"Authorization: Bearer {token}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        connection.connect()
        connection.sock.sendall(head.encode())
        assert connection.sock.recv(99).startswith(b"HTTP/1.1 100 ")
        assert vaultd.command(kind, "revoke", identity).returncode == 0
        connection.sock.sendall(body)
        assert connection.sock.recv(99).startswith(b"HTTP/1.1 401 ")
    assert client.get("/vaults").json["data"] == []


# Scopes.

@pytest.mark.parametrize("dialect", ["qoder", "qoder-flat", "anthropic"])
def test_a_token_that_may_read_is_403_for_all_that_changes(vaultd, speaking,
                                                           dialect):
    owner = speaking(dialect)
    vault = owner.vault()
    token, _ = vaultd.issue("--scope", "vaults:read")
    reader = Client(vaultd, token, prefix=owner.prefix,
                    headers=ANTHROPIC if dialect == "anthropic" else None)
    for method, path in ROUTES:
        path = path.replace(f"vault_{NO_ID}", vault)
        reply = reader.call(method, path, b"{}" if method == "POST" else None)
        if method == "GET":
            assert reply.status in (200, 404), path
        else:
            assert reply.error == (403, "permission_error", None), path
            assert "vaults:write" in message(reply)
            assert owner.call(method, "/nothing").status == 404
        assert reply.headers["x-oauth-scopes"] == "vaults:read"
    shown = owner.get("/vaults").json["data"]
    assert [each["id"] for each in shown] == [vault]
    assert not shown[0].get("archived_at")
    assert shown[0]["display_name"] == "v"


def test_403_comes_before_the_body_is_looked_at(client):
    reader = Client(client.server,
                    client.server.issue("--scope", "vaults:read")[0])
    for body in (b"{", b"x" * 5_000_000):
        assert reader.post("/vaults", body).error[0] == 403
    assert client.post("/vaults", b"x" * 5_000_000).error[0] == 413
    key = {"Idempotency-Key": "once"}
    client.post("/vaults", {"display_name": "v"}, headers=key)
    assert reader.post("/vaults", {"display_name": "v"},
                       headers=key).error[0] == 403


def test_head_is_reading(client):
    reader = Client(client.server,
                    client.server.issue("--scope", "vaults:read")[0])
    for each in (reader, client):
        assert each.call("HEAD", "/vaults").status == 405


def test_every_answer_to_a_good_token_says_what_it_may_do(client):
    for method, path, body, status in [
            ("GET", "/vaults", None, 200), ("GET", "/nothing", None, 404),
            ("PUT", "/vaults", None, 405), ("POST", "/vaults", b"{", 400)]:
        reply = client.call(method, path, body)
        assert reply.status == status
        assert reply.headers["x-oauth-scopes"] == "vaults:read, vaults:write"
    for headers in ({"Authorization": None},
                    {"Authorization": "Bearer pt-unknown"}):
        reply = client.get("/vaults", headers=headers)
        assert reply.status == 401 and "x-oauth-scopes" not in reply.headers


# The end of a token.

def test_an_expired_token_is_401_and_says_since_when(client):
    token, identity = client.server.issue("--expires", "1s")
    guest = Client(client.server, token)
    refused = wait_for(lambda: (r := guest.get("/vaults")).status != 200 and r)
    assert refused.error == (401, "authentication_error", None)
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert "x-oauth-scopes" not in refused.headers
    known = entry(client.server, identity)
    assert known["state"] == "expired"
    assert f"expired on {known['expires_at'][:19]}" in message(refused)
    assert datetime.datetime.now(datetime.timezone.utc) >= time_of(
        known["expires_at"])
    assert client.get("/vaults").status == 200


def test_a_token_works_until_its_end(client):
    token, _ = client.server.issue("--expires", "1h")
    assert Client(client.server, token).get("/vaults").status == 200


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_revoked_token_is_401_with_the_next_request(client, by):
    vaultd = client.server
    token, identity = vaultd.issue("--name", "lost laptop")
    guest = Client(vaultd, token)
    assert guest.get("/vaults").status == 200
    for _ in range(2):  # revoking again changes nothing
        done = vaultd.command("token", "revoke",
                              identity if by == "id" else "lost laptop")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    since = entry(vaultd, identity)["revoked_at"]
    for method in ("GET", "POST"):
        refused = guest.call(method, "/vaults")
        assert refused.error == (401, "authentication_error", None)
        assert message(refused) == "the token was revoked"
    assert client.get("/vaults").status == 200
    vaultd.kill()
    vaultd.start()
    assert Client(vaultd, token).get("/vaults").status == 401
    assert entry(vaultd, identity)["revoked_at"] == since


def test_a_revoked_token_does_not_come_back_as_expired(client):
    token, identity = client.server.issue("--expires", "1s")
    client.server.command("token", "revoke", identity)
    guest = Client(client.server, token)
    assert message(guest.get("/vaults")) == "the token was revoked"
    assert entry(client.server, identity)["state"] == "revoked"


def states(vaultd, kind="token"):
    return [each["state"] for each in vaultd.issued(kind)]


def test_a_name_must_mean_one_active_token(vaultd):
    first, second = (vaultd.issue("--name", "twin")[1] for _ in range(2))
    done = vaultd.command("token", "revoke", "twin")
    assert done.returncode == 1 and "twin: the name of more than one" in (
        done.stderr)
    assert states(vaultd) == ["active", "active"]
    assert vaultd.command("token", "revoke", first).returncode == 0
    assert vaultd.command("token", "revoke", "twin").returncode == 0
    assert states(vaultd) == ["revoked", "revoked"]
    third = vaultd.issue("--name", "twin")[1]
    assert vaultd.command("token", "revoke", "twin").returncode == 0
    assert entry(vaultd, third)["state"] == "revoked"
    assert vaultd.command("token", "revoke", "twin", second).returncode == 0


def test_an_id_means_its_token_whatever_others_are_called(vaultd):
    wanted = vaultd.issue()[1]
    vaultd.issue("--name", wanted)
    assert vaultd.command("token", "revoke", wanted).returncode == 0
    assert states(vaultd) == ["revoked", "active"]


@pytest.mark.parametrize("unknown", ["nobody", f"tok_{NO_ID}", "", "%", "TWIN"])
def test_all_are_revoked_or_none(vaultd, unknown):
    vaultd.issue("--name", "twin")
    vaultd.issue()
    done = vaultd.command("token", "revoke", "twin", unknown)
    assert done.returncode == 1 and "no such token" in done.stderr
    assert "nothing was revoked" in done.stderr
    assert states(vaultd) == ["active", "active"]


def test_keys_and_tokens_are_revoked_apart(vaultd):
    token, key = vaultd.issue("--name", "x"), vaultd.issue("--name", "x",
                                                           kind="key")
    assert vaultd.command("token", "revoke", key[1]).returncode == 1
    assert vaultd.command("key", "revoke", token[1]).returncode == 1
    assert vaultd.command("key", "revoke", "x").returncode == 0
    assert states(vaultd) == ["active"] and states(vaultd, "key") == ["revoked"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_in_the_place_of_its_id_is_not_shown(vaultd, kind):
    value, _ = vaultd.issue(kind=kind)
    done = vaultd.command(kind, "revoke", value)
    assert done.returncode == 1 and f"that is a {kind}" in done.stderr
    assert value[8:20] not in done.stderr + done.stdout


@pytest.mark.parametrize("words", [["token", "revoke"], ["key", "revoke"],
                                   ["token", "revoke", "--name", "x"],
                                   ["key", "list", "x"], ["key"]])
def test_a_command_line_that_is_not_understood_exits_1(vaultd, words):
    vaultd.token()
    done = vaultd.command(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("vaultd: ")


@pytest.mark.parametrize("words", [["token", "list"], ["token", "revoke", "x"],
                                   ["key", "list"], ["verify"]])
def test_looking_makes_no_store(vaultd, words):
    done = vaultd.command(*words)
    assert done.returncode == 2 and "No such file" in done.stderr
    assert not vaultd.data.exists()


def test_sixteen_writers_while_their_token_is_revoked(client):
    vaultd = client.server
    token, identity = vaultd.issue()
    revoked = threading.Event()
    barrier = threading.Barrier(17)

    def write(number):
        writer, done, late = Client(vaultd, token), [], []
        barrier.wait()
        for turn in itertools.count():
            is_late = revoked.is_set()
            reply = writer.post("/vaults", {"display_name": f"{number}/{turn}"})
            if reply.status == 200:
                done.append(f"{number}/{turn}")
                late += [turn] if is_late else []
            else:
                assert reply.error[0] == 401
                return done, late

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        writers = [pool.submit(write, number) for number in range(16)]
        barrier.wait()
        wait_for(lambda: client.get("/vaults?limit=1").json["has_more"])
        assert vaultd.command("token", "revoke", identity).returncode == 0
        revoked.set()
        results = [writer.result() for writer in writers]
    assert not any(late for _, late in results)
    told = {name for done, _ in results for name in done}
    with sqlite3.connect(vaultd.data / "vaults.db") as db:
        there = {name for (name,) in db.execute("SELECT display_name FROM vault")}
    db.close()
    assert there == told and told


def test_commands_work_beside_each_other_and_a_busy_server(client):
    vaultd = client.server
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(vaultd.issue, "--name", str(number),
                            kind=KINDS[number % 2]) for number in range(16)]
        while not all(run.done() for run in runs):
            client.vault()
        issued = [run.result() for run in runs]
        assert len(set(issued)) == 16
        done = pool.map(lambda number: vaultd.command(
            KINDS[number % 2], "revoke", str(number)).returncode, range(16))
        assert set(done) == {0}
    assert states(vaultd, "key") == ["revoked"] * 8
    assert states(vaultd) == ["active"] + ["revoked"] * 8


# The list.

def test_the_list_has_a_line_each_oldest_first(vaultd):
    ids = [vaultd.issue("--name", name)[1]
           for name in ("first", "a name that is long", "")]
    vaultd.command("token", "revoke", ids[1])
    title, *lines = vaultd.command("token", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ids
    assert [line.split()[-1] for line in lines] == ["active", "revoked",
                                                    "active"]
    for column in ("NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED",
                   "STATE"):
        at = title.index(column)
        for line in lines:
            assert line[at - 2:at] == "  " and line[at] != " "
    assert [each["id"] for each in vaultd.issued()] == ids


def test_an_empty_list_is_one(vaultd):
    vaultd.token()
    assert vaultd.issued("key") == []
    assert len(vaultd.command("key", "list").stdout.splitlines()) == 1


def test_the_list_shows_no_value_and_no_hash(client):
    vaultd = client.server
    for kind in KINDS:
        vaultd.issue("--name", "x", kind=kind)
    with sqlite3.connect(vaultd.data / "vaults.db") as db:
        hashes = [bytes(each) for (each,) in db.execute(
            "SELECT hash FROM issued")]
    db.close()
    assert len(hashes) == 3
    for kind in KINDS:
        for words in ([], ["--json"]):
            shown = vaultd.command(kind, "list", *words).stdout
            for value in vaultd.secrets:
                assert value not in shown and value[4:16] not in shown
            for each in hashes:
                assert each.hex()[:12] not in shown.lower()


def test_a_list_that_nobody_takes_is_told(vaultd):
    vaultd.token()
    with open("/dev/full", "wb") as full:
        done = subprocess.run([VAULTD, "token", "list", "--data", vaultd.data],
                              stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=30)
    assert done.returncode == 2 and "standard output" in done.stderr


def test_the_last_use_is_shown(client):
    vaultd = client.server
    _, identity = vaultd.issue()
    used = wait_for(lambda: client.get("/vaults").status == 200
                    and vaultd.issued()[0]["last_used_at"])
    assert time_of(vaultd.issued()[0]["created_at"]) <= time_of(used)
    assert entry(vaultd, identity)["last_used_at"] is None


def test_a_use_that_is_refused_is_one_but_no_stranger_is(client):
    vaultd = client.server
    token, identity = vaultd.issue("--scope", "vaults:read")
    assert client.get("/vaults", headers={
        "Authorization": "Bearer pt-stranger"}).status == 401
    assert Client(vaultd, token).post("/vaults", b"{}").status == 403
    wait_for(lambda: entry(vaultd, identity)["last_used_at"])


# Older stores.

def test_tokens_of_version_2_can_do_everything_and_get_an_id(vaultd):
    tokens = [vaultd.issue("--name", name)[0] for name in ("old", "older")]
    before = {each["name"]: each["created_at"] for each in vaultd.issued()}
    vaultd.start()
    client = Client(vaultd, tokens[0])
    vault = client.vault("kept")
    client.credential(vault)
    vaultd.stop()
    vaultd.make_older(2)
    with sqlite3.connect(vaultd.data / "vaults.db") as db:
        db.execute("UPDATE token SET name = char(27) || '[31m' "
                   "WHERE name = 'older'")
    db.close()
    vaultd.start()
    for token in tokens:
        reply = Client(vaultd, token).get(f"/vaults/{vault}")
        assert reply.status == 200
        assert reply.headers["x-oauth-scopes"] == "vaults:read, vaults:write"
    known = vaultd.issued()
    assert {each["created_at"] for each in known} == set(before.values())
    assert len({each["id"] for each in known}) == 2
    for each in known:
        assert re.fullmatch(r"tok_[0-9a-f]{32}", each["id"])
        assert each["scopes"] == BOTH and each["state"] == "active"
    shown = vaultd.command("token", "list").stdout
    assert "\x1b" not in shown and r"\x1B[31m" in shown
    assert vaultd.command("token", "revoke", "old").returncode == 0
    assert Client(vaultd, tokens[0]).get("/vaults").status == 401
    assert Client(vaultd, tokens[1]).get("/vaults").status == 200
    assert vaultd.command("verify").stdout.endswith("secrets 1\nok\n")


def test_an_upgrade_under_a_running_server_serves_nobody_in_vain(vaultd):
    """What another command upgraded is no longer served by what went before:
    it would not see who was revoked."""
    token, _ = vaultd.issue()
    vaultd.make_older(2)
    with sqlite3.connect(vaultd.data / "vaults.db") as db:
        assert db.execute("SELECT count(*) FROM token").fetchone() == (1,)
    db.close()
    assert len(vaultd.issued()) == 1
    with sqlite3.connect(vaultd.data / "vaults.db") as db:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            db.execute("SELECT count(*) FROM token")
    db.close()
    vaultd.start()
    assert Client(vaultd, token).get("/vaults").status == 200


# The help.

@pytest.mark.parametrize("words, wanted", [
    (["--help"], ["token create", "token list", "token revoke", "key create",
                  "key list", "key revoke", "verify", "--listen"]),
    (["token", "--help"], ["token create", "token list", "token revoke",
                           "--expires", "--scope", "--name", "--json"]),
    (["key", "--help"], ["key create", "--expires"]),
    (["key", "revoke", "--help"], ["ID|NAME", "--data"]),
    (["verify", "--help"], ["verify", "--data"])])
def test_the_help_is_complete(words, wanted):
    done = subprocess.run([VAULTD, *words], capture_output=True, text=True,
                          timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    for each in wanted:
        assert each in done.stdout
