# SPDX-License-Identifier: MIT
"""The floor and the distance that scripts/bench measures with."""

import contextlib
import filecmp
import http.client
import http.server
import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.paths import BUILD  # noqa: E402
from support.process import ends_within, wait_for  # noqa: E402

BARE_FUSE = BUILD / "tests" / "bench" / "bare_fuse"
DELAY_PROXY = BUILD / "tests" / "bench" / "delay_proxy"
MEBIBYTE = bytes(range(256)) * 4096

# Everything that could hang has this deadline.
TIMEOUT = 20


def first_line(process):
    assert select.select([process.stdout], [], [], TIMEOUT)[0], "it says nothing"
    return process.stdout.readline().decode().strip()


@contextlib.contextmanager
def started(*command):
    """A tool, with the first line that it said; killed at the end."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE)
    try:
        yield process, first_line(process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


# --- bare_fuse ---


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "source"
    (source / "a vault").mkdir(parents=True, mode=0o700)
    (source / "empty").mkdir()
    for number in range(300):  # more than one reply holds
        (source / "a vault" / f"{number:03}-{'x' * 40}.json").write_text(str(number))
    (source / "big").write_bytes(MEBIBYTE)
    (source / "big").chmod(0o600)
    (source / "nothing").touch()
    return source


@pytest.fixture
def mountpoint(tmp_path):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse cannot be opened")
    mountpoint = tmp_path / "mountpoint"
    mountpoint.mkdir()
    yield mountpoint
    subprocess.run(["umount", "-l", mountpoint], capture_output=True, check=False)


def tree_of(directory):
    """What stat tells of everything in it, by path."""
    paths = [directory, *directory.rglob("*")]
    stats = ((path.relative_to(directory), path.lstat()) for path in paths)
    return {
        path: (s.st_mode, s.st_size, s.st_mtime_ns, s.st_uid, s.st_gid, s.st_ino)
        for path, s in stats
    }


def test_bare_fuse_shows_the_source(source, mountpoint):
    with started(BARE_FUSE, source, mountpoint) as (_, line):
        assert line == "ready"
        assert mountpoint.is_mount()
        assert tree_of(mountpoint) == tree_of(source)
        for path in filter(Path.is_file, source.rglob("*")):
            shown = mountpoint / path.relative_to(source)
            assert filecmp.cmp(path, shown, shallow=False), shown
        assert os.statvfs(mountpoint).f_blocks == os.statvfs(source).f_blocks
        with pytest.raises(FileNotFoundError):
            (mountpoint / "big!").lstat()
        with pytest.raises(OSError):
            (mountpoint / "new").touch()


def test_bare_fuse_ends_upon_sigterm(source, mountpoint):
    with started(BARE_FUSE, source, mountpoint) as (process, _):
        process.terminate()
        assert process.wait(TIMEOUT) == 0
        assert not mountpoint.is_mount()


def test_bare_fuse_ends_upon_umount(source, mountpoint):
    with started(BARE_FUSE, source, mountpoint) as (process, _):
        subprocess.run(["umount", mountpoint], check=True)
        assert process.wait(TIMEOUT) == 0


# --- delay_proxy ---


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent; holds what is sent to /held."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/held":
            assert self.server.release.wait(TIMEOUT)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class EchoServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128


@pytest.fixture
def echo():
    server = EchoServer(("127.0.0.1", 0), Echo)
    server.release = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Distance:
    """A delay_proxy."""

    def __init__(self, process, port, control):
        self.process = process
        self.port = int(port)
        self._control = control

    def ask(self, *lines):
        """The answers to these lines, all sent at once."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(TIMEOUT)
            control.connect(str(self._control))
            control.sendall("".join(line + "\n" for line in lines).encode())
            with control.makefile() as answers:
                return [json.loads(answers.readline()) for _ in lines]

    def counts(self):
        return self.ask("counts")[0]

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def dial(self):
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT)


@pytest.fixture
def distances(tmp_path):
    """Starts a delay_proxy: distances(port, 20, "--wire")."""
    with contextlib.ExitStack() as stack:

        def start(to, delay_ms, *options):
            control = tmp_path / "control"
            to = to if isinstance(to, str) else f"127.0.0.1:{to}"
            command = [DELAY_PROXY, "--listen", 0, "--to", to, "--delay-ms", delay_ms]
            command += ["--control", control, *options]
            process, port = stack.enter_context(started(*command))
            return Distance(process, port, control)

        yield start


def post(connection, body=b"x", path="/"):
    connection.request("POST", path, body)
    return connection.getresponse().read()


def seconds_of(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def test_requests_are_counted_exactly(echo, distances):
    distance = distances(echo.server_port, 0)
    for requests in (3, 4):
        connection = distance.connect()
        for _ in range(requests):
            post(connection)
        connection.close()
    post(distance.connect(), MEBIBYTE)  # in many parts
    counts = distance.counts()
    assert counts["requests"] == 8
    assert counts["connections"] == 3
    assert counts["most_in_flight"] == 1
    assert counts["in_flight"] == 0
    assert counts["bytes_to_server"] > len(MEBIBYTE)
    assert counts["bytes_to_client"] > len(MEBIBYTE)
    wait_for(lambda: distance.counts()["open"] <= 1, what="the ends of connections")


@pytest.mark.parametrize("options", [[], ["--wire"]])
def test_many_bytes_pass_unharmed_both_ways(echo, distances, options):
    distance = distances(echo.server_port, 10, *options)
    connection = distance.connect()
    for _ in range(3):
        assert post(connection, MEBIBYTE * 4) == MEBIBYTE * 4


def test_a_reader_who_waits_gets_everything(distances):
    """More than all buffers between them hold, and then the end."""
    size = 64 * len(MEBIBYTE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        distance = distances(listener.getsockname()[1], 5, "--wire")

        def serve():
            with listener.accept()[0] as server:
                server.sendall(MEBIBYTE * 64)

        thread = threading.Thread(target=serve)
        thread.start()
        with distance.dial() as client:
            # The proxy has stopped reading: it does not gather without bounds.
            wait_for(lambda: distance.counts()["bytes_to_client"] >= 16 << 20)
            assert distance.counts()["bytes_to_client"] < size
            got = bytearray()
            while part := client.recv(1 << 20):
                got += part
        thread.join()
    assert got == MEBIBYTE * 64


def test_a_request_takes_the_delay_at_least(echo, distances):
    distance = distances(echo.server_port, 25.5)
    connection = distance.connect()
    for _ in range(3):
        assert seconds_of(lambda: post(connection)) >= 0.0255


def test_a_wire_costs_a_round_trip_more_when_it_is_new(echo, distances):
    distance = distances(echo.server_port, 30, "--wire")
    connection = distance.connect()
    assert seconds_of(lambda: post(connection)) >= 0.060
    assert seconds_of(lambda: post(connection)) >= 0.030


def test_a_wire_delays_what_the_server_says_too(distances):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        distance = distances(listener.getsockname()[1], 0, "--wire")
        with distance.dial() as client, listener.accept()[0] as server:
            distance.ask("delay 100")
            start = time.monotonic()
            server.sendall(b"x")
            assert client.recv(1) == b"x"
            assert time.monotonic() - start >= 0.050


def test_requests_on_many_connections_overlap(echo, distances):
    distance = distances(echo.server_port, 5)
    connections = [distance.connect() for _ in range(16)]
    for connection in connections:
        connection.request("POST", "/held", b"x")
    wait_for(lambda: distance.counts()["in_flight"] == 16, what="16 at once")
    echo.release.set()
    for connection in connections:
        assert connection.getresponse().read() == b"x"
    counts = distance.counts()
    assert (counts["requests"], counts["most_in_flight"]) == (16, 16)
    assert counts["in_flight"] == 0


def test_a_delay_holds_up_no_other_connection(echo, distances):
    """What waits a minute is passed by what came later and waits none."""
    distance = distances(echo.server_port, 60000)
    slow = distance.connect()
    slow.request("POST", "/", b"slow")
    wait_for(lambda: distance.counts()["in_flight"] == 1)
    distance.ask("delay 0")
    assert post(distance.connect()) == b"x"
    assert distance.counts()["in_flight"] == 1


def test_order_is_kept_when_the_delay_shrinks(distances):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        distance = distances(listener.getsockname()[1], 200)
        with distance.dial() as client, listener.accept()[0] as server:
            client.sendall(b"first")
            wait_for(lambda: distance.counts()["bytes_to_server"] == 5)
            distance.ask("delay 0")
            client.sendall(b"second")
            client.shutdown(socket.SHUT_WR)
            with server.makefile("rb") as reader:
                assert reader.read() == b"firstsecond"


def test_a_half_closed_connection_still_answers(distances):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        distance = distances(listener.getsockname()[1], 5)
        with distance.dial() as client, listener.accept()[0] as server:
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            with server.makefile("rb") as reader:
                assert reader.read() == b"question"
            server.sendall(b"answer")
            assert client.recv(100) == b"answer"
            assert distance.counts()["open"] == 1
            server.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
    wait_for(lambda: distance.counts()["open"] == 0, what="the end")


@pytest.mark.parametrize("who", ["client", "server"])
def test_who_goes_away_ends_the_connection(distances, who):
    """With a reset, while bytes are on their way to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        distance = distances(listener.getsockname()[1], 100, "--wire")
        with distance.dial() as client, listener.accept()[0] as server:
            gone, other = (client, server) if who == "client" else (server, client)
            other.sendall(b"too late")
            wait_for(lambda: distance.counts()[f"bytes_to_{who}"] == 8)
            linger = struct.pack("ii", 1, 0)
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            gone.close()
            other.settimeout(TIMEOUT)
            assert other.recv(100) == b""
        wait_for(lambda: distance.counts()["open"] == 0, what="the end")
        assert distance.counts()["in_flight"] == 0


def test_who_is_refused_is_closed(distances):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    distance = distances(port, 0)
    with distance.dial() as client:
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    counts = distance.counts()
    assert (counts["connections"], counts["open"]) == (1, 0)


def test_a_unix_socket_is_a_server_too(distances, tmp_path):
    path = tmp_path / "server"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        distance = distances(f"unix:{path}", 0)
        with distance.dial() as client, listener.accept()[0] as server:
            client.sendall(b"question")
            assert server.recv(100) == b"question"


@pytest.fixture
def descriptors():
    """As many as a process of ours may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_connections(distances, descriptors):
    if descriptors < 2500:
        pytest.skip(f"a process may have {descriptors} descriptors only")
    with socket.create_server(("127.0.0.1", 0), backlog=2000) as listener:
        distance = distances(listener.getsockname()[1], 1)
        with contextlib.ExitStack() as stack:
            pairs = []
            for _ in range(1000):
                client = stack.enter_context(distance.dial())
                server = stack.enter_context(listener.accept()[0])
                client.sendall(b"x")
                pairs.append((client, server))
            for client, server in pairs:
                server.settimeout(TIMEOUT)
                assert server.recv(1) == b"x"
            assert distance.counts()["most_in_flight"] == len(pairs)
            for client, server in pairs:
                server.sendall(b"y")
                assert client.recv(1) == b"y"
            assert distance.counts()["in_flight"] == 0
    wait_for(lambda: distance.counts()["open"] == 0, what="the ends")


def test_control_answers_with_what_was_before(echo, distances):
    distance = distances(echo.server_port, 1.5)
    post(distance.connect())
    before, reset, after, wrong, empty = distance.ask(
        "counts", "reset", "delay 20", "delay soon", ""
    )
    assert before["requests"] == reset["requests"] == 1
    assert after["requests"] == after["bytes_to_client"] == 0
    assert (after["delay_ms"], distance.counts()["delay_ms"]) == (1.5, 20)
    assert "error" in wrong and "error" in empty
    distance.ask("quit")
    assert distance.process.wait(TIMEOUT) == 0


def test_delay_proxy_ends_upon_sigterm(echo, distances, tmp_path):
    distance = distances(echo.server_port, 60000)
    connection = distance.connect()
    connection.request("POST", "/", b"x")
    distance.process.terminate()
    assert ends_within(distance.process, TIMEOUT)
    assert distance.process.returncode == 0
    assert not (tmp_path / "control").exists()
