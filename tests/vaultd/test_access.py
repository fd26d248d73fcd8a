# SPDX-License-Identifier: MIT
"""Who gets in, how requests are named, and where the server listens."""

import fcntl
import os
import re
import socket
import stat
import subprocess

import pytest

from vaultd_server import VAULTD, Client


@pytest.mark.parametrize("headers", [
    {"Authorization": None},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer pt-wrong"},
    {"Authorization": "Basic dTpw"},
    {"Authorization": None, "x-api-key": "pt-x"},
    {"x-api-key": "pt-x"},
])
def test_without_a_known_token_everything_is_401(client, headers):
    for method, path in [("GET", "/vaults"), ("POST", "/vaults"),
                         ("GET", "/nothing"), ("PUT", "/vaults")]:
        reply = client.call(method, path, headers=headers)
        assert reply.error == (401, "authentication_error", None)
        assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_a_refused_body_is_read_so_that_the_reply_arrives(client):
    for _ in range(2):
        reply = client.post("/vaults", b"x" * 3_000_000,
                            headers={"Authorization": "Bearer no"})
        assert reply.status == 401


def test_a_token_that_is_made_beside_the_server_works_at_once(client):
    token = client.server.token("--name", "laptop")
    assert re.match(r"pt-[A-Za-z0-9_-]{43}$", token)
    client.server.secrets.append(token)
    assert Client(client.server, token).get("/vaults").status == 200
    assert client.get("/vaults", headers={
        "Authorization": f"bearer {token}"}).status == 200


def test_a_request_id_is_echoed_or_made(client):
    given = client.get("/vaults", headers={"x-request-id": "abc-1"})
    assert given.headers["x-request-id"] == "abc-1"
    for bad in (None, "", "a b", "x" * 129, "é".encode("latin-1")):
        made = client.get("/vaults", headers={"x-request-id": bad})
        assert re.match(r"[0-9a-f-]{36}$", made.headers["x-request-id"])
    assert client.get("/none", headers={
        "x-request-id": "find-me"}).json["request_id"] == "find-me"


def test_the_log_has_a_line_a_request_and_no_secret(client):
    client.post("/vaults", {"display_name": "x"}, headers={
        "x-request-id": "rid", "Idempotency-Key": "ikey"})
    lines = [line for line in client.server.log().splitlines() if "rid" in line]
    assert len(lines) == 1
    assert lines[0].endswith("POST /api/v1/cloud/vaults 200 request-id=rid "
                             "idempotency-key=ikey")


def test_files_are_for_the_owner_alone(vaultd):
    os.umask(0)
    try:
        vaultd.start(listen=())
    finally:
        os.umask(0o022)
    assert vaultd.names == [f"unix:{vaultd.data}/socket"]
    modes = {p.name: stat.S_IMODE(p.stat().st_mode)
             for p in vaultd.data.iterdir()}
    assert {"key", "vaults.db", "vaults.db-wal", "socket"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(vaultd.data.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o720, 0o702, 0o755, 0o777])
@pytest.mark.parametrize("words", [[], ["token", "create"], ["verify"]])
def test_a_directory_that_others_may_enter_is_refused(vaultd, mode, words):
    vaultd.token()
    vaultd.data.chmod(mode)
    done = vaultd.command(*words)
    assert done.returncode == 2
    assert f"{vaultd.data} is open to others: chmod 700" in done.stderr
    vaultd.data.chmod(0o700)
    assert vaultd.command("verify").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give it away")
def test_a_directory_of_somebody_else_is_refused(vaultd):
    vaultd.data.mkdir(0o700)
    os.chown(vaultd.data, 65534, 65534)
    done = vaultd.command("token", "create")
    assert done.returncode == 2
    assert f"{vaultd.data} belongs to somebody else" in done.stderr
    assert list(vaultd.data.iterdir()) == []


def test_several_listeners_show_one_store(vaultd):
    token = vaultd.token()
    vaultd.start(listen=("127.0.0.1:0", "[::1]:0", f"unix:{vaultd.data}/s"))
    vault = Client(vaultd, token, 0).vault()
    for i in (0, 1, 2):
        assert Client(vaultd, token, i).get(f"/vaults/{vault}").status == 200


@pytest.mark.parametrize("where", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"])
def test_an_address_that_is_not_loopback_is_refused(vaultd, where):
    with pytest.raises(RuntimeError, match="listen-anywhere"):
        vaultd.start(listen=(where,))
    assert "TLS" in vaultd.log()
    vaultd.process.stdout.close()
    vaultd.process = None


def test_listen_anywhere_allows_it(vaultd):
    vaultd.start("--listen-anywhere", listen=("0.0.0.0:0",))
    assert vaultd.names[0].startswith("http://0.0.0.0:")


@pytest.mark.parametrize("where", ["", "x", "localhost", ":80", "1.2.3.4:x",
                                   "127.0.0.1:65536", "::1:80",
                                   "unix:" + "x" * 108, "unix:"])
def test_a_listener_that_is_none_is_refused(vaultd, where):
    with pytest.raises(RuntimeError):
        vaultd.start(listen=(where,))
    vaultd.process.stdout.close()
    vaultd.process = None


def test_a_second_server_on_one_directory_does_not_start(vaultd):
    vaultd.start(listen=())
    done = subprocess.run([VAULTD, "--data", vaultd.data], timeout=30,
                          capture_output=True, text=True)
    assert done.returncode == 2 and "another vaultd" in done.stderr
    vaultd.connect().connect()  # the first one is still there


def test_a_socket_left_by_a_killed_server_is_replaced(vaultd):
    vaultd.start(listen=())
    vaultd.kill()
    assert (vaultd.data / "socket").exists()
    vaultd.start(listen=())
    assert vaultd.stop() == 0
    assert not (vaultd.data / "socket").exists()


def test_a_socket_that_answers_and_a_plain_file_are_left_alone(vaultd,
                                                               tmp_path):
    (tmp_path / "file").write_text("precious")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        for name in ("file", "other"):
            with pytest.raises(RuntimeError):
                vaultd.start(listen=(f"unix:{tmp_path}/{name}",))
            vaultd.process.stdout.close()
    vaultd.process = None
    assert (tmp_path / "file").read_text() == "precious"
    assert (tmp_path / "other").exists()


def test_it_ends_when_the_last_lock_goes(vaultd, tmp_path):
    path = tmp_path / "mounts.lock"
    holders = [open(path, "w"), open(path, "w")]
    for holder in holders:
        fcntl.flock(holder, fcntl.LOCK_SH)
    vaultd.start("--until-unused", str(path), listen=())
    holders[0].close()
    with pytest.raises(subprocess.TimeoutExpired):
        vaultd.process.wait(timeout=0.3)
    holders[1].close()
    assert vaultd.process.wait(timeout=30) == 0
    assert not (vaultd.data / "socket").exists()
    vaultd.process.stdout.close()
    vaultd.process = None


@pytest.mark.parametrize("options", [
    ["--nonsense"], ["--data"], ["--duplicate", "maybe"],
    ["--create-status", "202"], ["--max-credentials", "-1"],
    ["--ready-fd", "777"], ["surplus"], ["token"], ["token", "delete"],
    ["verify", "--name", "x"]])
def test_a_command_line_that_is_not_understood_exits_1(options, tmp_path):
    done = subprocess.run([VAULTD, *options], timeout=30, text=True,
                          capture_output=True,
                          env={"HOME": str(tmp_path)})
    assert done.returncode == 1 and done.stderr.startswith("vaultd: ")
    assert list(tmp_path.iterdir()) == []


def test_switches_for_what_the_documentation_leaves_open(vaultd):
    token = vaultd.token()
    vaultd.start("--create-status", "201", "--duplicate", "allow",
                 "--max-credentials", "2", "--archive-again", "ok",
                 "--add-to-archived", "allow")
    client = Client(vaultd, token)
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    first = client.post(path, client.bearer())
    assert first.status == 201
    assert client.post(path, client.bearer()).status == 201
    assert client.post(path, client.bearer()).error[:2] == (
        400, "invalid_request_error")
    for _ in range(2):
        assert client.post(f"{path}/{first.json['id']}/archive").status == 200
        assert client.post(f"/vaults/{vault}/archive").status == 200
    assert client.post(path, client.bearer()).status == 201


def test_a_duplicate_is_409_and_names_what_is_the_same(client):
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    client.credential(vault)
    client.credential(vault, client.variable())
    assert client.post(path, client.oauth("https://example.com/mcp")).error == (
        409, "conflict_error", "auth.mcp_server_url")
    assert client.post(path, client.variable()).error == (
        409, "conflict_error", "auth.secret_name")
    assert client.post(f"/vaults/{client.vault()}/credentials",
                       client.bearer()).status == 200
