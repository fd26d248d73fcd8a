# SPDX-License-Identifier: MIT
"""Nothing acknowledged is lost, nothing is done twice, every secret opens."""

import concurrent.futures
import http.client
import socket
import sqlite3
import threading
import uuid

import pytest

from vaultd_server import Client


def keyed(key=None):
    return {"Idempotency-Key": key or str(uuid.uuid4())}


def test_the_same_request_under_one_key_is_one_effect(client):
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    headers, body = keyed(), client.bearer()
    first = client.post(path, body, headers=headers)
    again = client.post(path, body, headers=headers)
    assert (first.status, first.text) == (again.status, again.text)
    assert len(client.get(path).json["data"]) == 1


def test_another_request_under_one_key_is_409(client):
    vault, headers = client.vault(), keyed()
    path = f"/vaults/{vault}/credentials"
    body = client.bearer()
    assert client.post(path, body, headers=headers).status == 200
    for call in [("POST", path, client.bearer()),
                 ("POST", f"/vaults/{client.vault()}/credentials", body),
                 ("DELETE", f"/vaults/{vault}", None)]:
        assert client.call(*call, headers=headers).error == (
            409, "conflict_error", "Idempotency-Key")
    assert client.get(f"/vaults/{vault}").status == 200


def test_a_repeated_delete_is_answered_as_the_first(client):
    vault, headers = client.vault(), keyed()
    for _ in range(2):
        reply = client.delete(f"/vaults/{vault}", headers=headers)
        assert reply.json == {"id": vault, "type": "vault_deleted"}
    assert client.delete(f"/vaults/{vault}").status == 404


def test_a_refused_request_does_not_use_its_key_up(client):
    vault, headers = client.vault(), keyed()
    path = f"/vaults/{vault}/credentials"
    client.credential(vault)
    assert client.post(path, client.bearer(), headers=headers).status == 409
    assert client.post(path, client.bearer("https://b"),
                       headers=headers).status == 200


def test_a_key_outlives_the_server_and_serves_every_token(client):
    headers, body = keyed(), {"display_name": "once"}
    first = client.post("/vaults", body, headers=headers)
    client.server.kill()
    client.server.start()
    other = Client(client.server, client.server.token())
    assert other.post("/vaults", body, headers=headers).text == first.text
    assert len(other.get("/vaults").json["data"]) == 1


def test_a_key_is_forgotten_after_24_hours(client):
    headers, body = keyed(), {"display_name": "twice"}
    first = client.post("/vaults", body, headers=headers).json
    for age, is_new in ((23.9, False), (24.1, True)):
        client.server.stop()
        with sqlite3.connect(client.server.data / "vaults.db") as db:
            db.execute("UPDATE idempotency SET created_us = created_us - ?",
                       (int(age * 3600e6),))
        db.close()
        client.server.start()
        again = Client(client.server, client.token).post(
            "/vaults", body, headers=headers).json
        assert (again != first) == is_new
        with sqlite3.connect(client.server.data / "vaults.db") as db:
            db.execute("UPDATE idempotency SET created_us = created_us + ?",
                       (int(age * 3600e6),))
        db.close()


def test_requests_at_the_same_time_under_one_key_are_one_effect(client):
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    clients = [Client(client.server, client.token) for _ in range(16)]
    for each in clients:
        each.connection.connect()
    for round_number in range(10):
        body = client.bearer(f"https://example.com/{round_number}")
        headers = keyed()
        barrier = threading.Barrier(len(clients))

        def post(each):
            barrier.wait()
            return each.post(path, body, headers=headers).text

        with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
            replies = set(pool.map(post, clients))
        assert len(replies) == 1
    assert len(client.get(f"{path}?limit=100").json["data"]) == 10


def test_writers_of_one_group_fail_alone(client):
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    clients = [Client(client.server, client.token) for _ in range(8)]

    def post(number):
        url = f"https://example.com/{number % 50}"
        return clients[number % 8].post(path, client.bearer(url)).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        lanes = pool.map(lambda lane: [post(n) for n in range(lane, 400, 8)],
                         range(8))
        statuses = [status for lane in lanes for status in lane]
    assert statuses.count(200) == 50 and statuses.count(409) == 350
    assert "credentials 50\nsecrets 50\nok" in (
        client.server.command("verify").stdout)


class Writer(threading.Thread):
    """Creates, rotates and deletes until the server dies; remembers what was
    acknowledged, and what was under way when it died."""

    def __init__(self, server, token, vault, number, enough):
        super().__init__()
        self.client = Client(server, token)
        self.path = f"/vaults/{vault}/credentials"
        self.number = number
        self.enough = enough
        self.there = {}  # id -> updated_at
        self.gone = set()
        self.unsure = None

    def step(self, turn):
        client, path = self.client, self.path
        body = client.bearer(f"https://example.com/{self.number}/{turn}")
        shown = client.post(path, body).json
        self.there[shown["id"]] = shown["updated_at"]
        if turn % 3 == 1:
            self.unsure = shown["id"]
            shown = client.post(f"{path}/{shown['id']}", {"auth": {
                "type": "static_bearer",
                "token": client.server.secret()}}).json
            self.there[shown["id"]] = shown["updated_at"]
        if turn % 3 == 2:
            self.unsure = shown["id"]
            assert client.delete(f"{path}/{shown['id']}").status == 200
            del self.there[shown["id"]]
            self.gone.add(shown["id"])
        self.unsure = None

    def run(self):
        turn = 0
        try:
            while True:
                self.step(turn)
                turn += 1
                self.enough.release()
        except (OSError, http.client.HTTPException):
            pass


@pytest.mark.parametrize("steps", [1, 40, 200, 500])
def test_kill_9_under_8_writers_loses_nothing_acknowledged(client, steps):
    server = client.server
    vault = client.vault()
    enough = threading.Semaphore(0)
    writers = [Writer(server, client.token, vault, i, enough)
               for i in range(8)]
    for writer in writers:
        writer.start()
    for _ in range(steps):
        assert enough.acquire(timeout=60)
    server.kill()
    for writer in writers:
        writer.join()
    verified = server.command("verify")
    assert verified.returncode == 0 and verified.stdout.endswith("ok\n")
    server.start()
    after = Client(server, client.token)
    for writer in writers:
        for credential, updated_at in writer.there.items():
            reply = after.get(f"{writer.path}/{credential}")
            if credential != writer.unsure:
                assert reply.json["updated_at"] == updated_at
        for credential in writer.gone:
            assert after.get(f"{writer.path}/{credential}").status == 404


def test_a_request_under_way_is_answered_before_the_server_ends(client):
    connections = []
    body = b'{"display_name":"late"}'
    for _ in range(3):
        connection = client.server.connect()
        connection.putrequest("POST", "/vaults")
        connection.putheader("Authorization", f"Bearer {client.token}")
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        go_on = b"HTTP/1.1 100 Continue\r\n\r\n"  # the head was taken in
        assert connection.sock.recv(len(go_on), socket.MSG_WAITALL) == go_on
        connections.append(connection)
    client.server.process.terminate()
    for connection in connections:
        connection.send(body)
    statuses = [connection.getresponse().status for connection in connections]
    assert statuses == [200, 200, 200]
    assert client.server.process.wait(timeout=30) == 0
    client.server.process.stdout.close()
    client.server.process = None


def test_ids_grow_over_a_restart(client):
    before = client.vault()
    client.server.kill()
    client.server.start()
    assert Client(client.server, client.token).vault() > before


def test_a_key_file_that_others_can_read_is_refused(vaultd):
    vaultd.token()
    (vaultd.data / "key").chmod(0o640)
    done = vaultd.command("token", "create")
    assert done.returncode == 2 and "chmod 600" in done.stderr


def test_a_wrong_missing_or_short_key_is_refused_and_never_replaced(vaultd):
    vaultd.token()
    key = vaultd.data / "key"
    right = key.read_bytes()
    for wrong in (bytes(32), right[:31], None):
        key.unlink(missing_ok=True)
        if wrong is not None:
            key.touch(0o600)
            key.write_bytes(wrong)
        done = vaultd.command("token", "create")
        assert done.returncode != 0 and str(key) in done.stderr
        assert (key.read_bytes() if key.exists() else None) == wrong
    key.touch(0o600)
    key.write_bytes(right)
    assert vaultd.command("token", "create").returncode == 0


def test_verify_finds_a_secret_that_was_changed_or_moved(client):
    vault = client.vault()
    client.credential(vault, client.bearer("https://a"))
    client.credential(vault, client.bearer("https://b"))
    client.server.stop()
    with sqlite3.connect(client.server.data / "vaults.db") as db:
        (one, first), (other, second) = db.execute(
            "SELECT credential_id, sealed FROM box").fetchall()
        db.execute("UPDATE box SET sealed = ? WHERE credential_id = ?",
                   (second, one))
        db.execute("UPDATE box SET sealed = ? WHERE credential_id = ?",
                   (second[:-1] + bytes([second[-1] ^ 1]), other))
    db.close()
    done = client.server.command("verify")
    assert done.returncode == 2
    assert "secrets 0\ndamaged" in done.stdout
    assert one in done.stderr and other in done.stderr


def test_verify_does_not_make_what_it_looks_for(vaultd):
    assert vaultd.command("verify").returncode == 2
    assert not vaultd.data.exists()


def test_a_file_that_is_no_database_is_named_and_left_alone(vaultd):
    vaultd.token()
    for name in ("vaults.db-wal", "vaults.db-shm"):
        (vaultd.data / name).unlink(missing_ok=True)
    path = vaultd.data / "vaults.db"
    path.write_bytes(b"precious " * 1000)
    done = vaultd.command("verify")
    assert done.returncode == 2
    assert f"{path}: file is not a database" in done.stderr
    assert path.read_bytes() == b"precious " * 1000


def test_a_database_of_a_newer_version_is_left_alone(vaultd):
    vaultd.token()
    with sqlite3.connect(vaultd.data / "vaults.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    done = vaultd.command("token", "create")
    assert done.returncode == 2 and "version 99" in done.stderr


def test_300_idle_connections_leave_room_for_work(client):
    idle = [Client(client.server, client.token) for _ in range(300)]
    for each in idle:
        assert each.get("/vaults?limit=1").status == 200
    assert client.vault()
    for each in idle:
        assert each.get("/vaults?limit=1").status == 200
