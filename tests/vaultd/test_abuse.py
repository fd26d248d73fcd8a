# SPDX-License-Identifier: MIT
"""Strangers, and clients that are slow or greedy, cost the others nothing."""

import re
import resource
import socket
import time

import pytest

from vaultd_server import PREFIX, Client

HALF_HEAD = b"POST /vaults HTTP/1.1\r\nHost: x\r\nX-"


@pytest.fixture
def strangers(client):
    """Opens connections that send some bytes, and closes them at the end."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    opened = []

    def open_one(data=HALF_HEAD, index=0):
        connection = client.server.connect(index)
        connection.connect()
        connection.sock.sendall(data)
        opened.append(connection.sock)
        return connection.sock

    yield open_one
    for each in opened:
        each.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def head(client, *lines):
    return "\r\n".join(["POST " + PREFIX + "/vaults HTTP/1.1", "Host: x",
                        "Authorization: Bearer " + client.token, *lines,
                        "", ""]).encode()


def answer(sock):
    """What comes until the other side closes."""
    reply = b""
    while piece := sock.recv(65536):
        reply += piece
    return reply


def test_1100_half_requests_of_strangers_leave_room(client, strangers):
    known = Client(client.server, client.token)
    assert known.get("/vaults").status == 200
    for _ in range(1100):
        strangers()
    for _ in range(20):
        assert Client(client.server, client.token).get("/vaults").status == 200
    assert known.get("/vaults").status == 200


def test_a_stranger_who_drips_is_cut_off(client, strangers):
    silent, sock = strangers(b""), strangers()
    known = Client(client.server, client.token)
    assert known.get("/vaults").status == 200
    for _ in range(120):
        try:
            sock.sendall(b"x")
        except (BrokenPipeError, ConnectionResetError):
            break
        time.sleep(0.25)
    else:
        pytest.fail("still there after half a minute")
    assert silent.recv(1) == b""
    known.connection.auto_open = 0  # the same connection or none
    assert known.get("/vaults").status == 200


def test_a_listener_works_while_another_ones_strangers_have_all(vaultd):
    token = vaultd.token()
    vaultd.start(listen=("127.0.0.1:0", f"unix:{vaultd.data}/s"),
                 under=("prlimit", "--nofile=100:100"))
    crowd = []
    for _ in range(200):
        crowd.append(vaultd.connect(0))
        crowd[-1].connect()
    assert Client(vaultd, token, 1).get("/vaults").status == 200
    for each in crowd:
        each.close()


def test_too_few_descriptors_for_any_connection_are_refused(vaultd):
    with pytest.raises(RuntimeError, match="ulimit -n"):
        vaultd.start(under=("prlimit", "--nofile=64:64"))
    vaultd.process.stdout.close()
    vaultd.process = None


@pytest.mark.parametrize("lines", [
    ["Content-Length: 2", "Content-Length: 2"],
    ["Content-Length: 2", "Content-Length: 50"],
    ["Content-Length: 50", "content-length: 2"],
    ["Content-Length: 2", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 50"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: gzip, chunked"],
    ["Transfer-Encoding: identity"],
    ["Content-Length: 2, 2"],
    ["Content-Length: +2"],
], ids=str)
def test_a_body_whose_end_is_in_doubt_is_400_and_the_last(client, strangers,
                                                          lines):
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    sock = strangers(head(client, *lines) + b"{}0\r\n\r\n" + smuggled)
    reply = answer(sock)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"HTTP/1.1 2" not in reply
    assert "smuggled" not in client.server.log()


def test_a_chunked_body_is_taken(client, strangers):
    sock = strangers(head(client, "Transfer-Encoding: Chunked",
                          "Connection: close") +
                     b'14\r\n{"display_name":"c"}\r\n0\r\n\r\n')
    assert answer(sock).startswith(b"HTTP/1.1 200 ")


def locked_kib(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        locked = int(re.search(r"VmLck:\s+(\d+) kB", status.read())[1])
    if locked == 0:  # not even the keys
        pytest.skip("a sanitizer's mlock() does nothing")
    return locked


def test_what_is_announced_is_not_yet_held(client, strangers):
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
    before = locked_kib(client.server)
    for _ in range(50):
        sock = strangers(head(client, "Content-Length: 4000000",
                              "Expect: 100-continue"))
        assert sock.recv(len(go_on), socket.MSG_WAITALL) == go_on
        sock.sendall(b"{")
    while locked_kib(client.server) == before:
        pass  # the first of them has arrived
    assert client.get("/vaults").status == 200
    assert locked_kib(client.server) <= before + 50 * 8


def test_bodies_have_a_bound_together(vaultd):
    token = vaultd.token()
    vaultd.start(under=("prlimit", "--memlock=8388608:8388608"))
    big = b'{"display_name": "%s"}' % (b"x" * 3_000_000)
    first = Client(vaultd, token).connection
    first.putrequest("POST", PREFIX + "/vaults")
    first.putheader("Authorization", f"Bearer {token}")
    first.putheader("Content-Length", str(len(big)))
    first.endheaders()
    first.send(big[:2 ** 21 + 1])
    while locked_kib(vaultd) < 2 ** 12:
        time.sleep(0.01)  # until that last byte made it grow
    refused = Client(vaultd, token).post("/vaults", big)
    assert refused.error == (503, "api_error", None)
    assert refused.headers["Retry-After"] == "1"
    assert Client(vaultd, token).vault()  # a small one fits
    first.send(big[2 ** 21 + 1:])
    assert first.getresponse().status == 400  # too long a name, but taken in
    for _ in range(3):  # and what it held is free again
        assert Client(vaultd, token).post("/vaults", big).status == 400
    assert locked_kib(vaultd) < 1000
