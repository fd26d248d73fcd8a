# SPDX-License-Identifier: MIT
"""An HTTP proxy that only makes tunnels, and keeps all that clients send it."""

import contextlib
import select
import socket
import threading

import pytest


def tunnel(connection, target):
    """Be a pipe between the client and whom it asked for."""
    host, _, port = target.rpartition(":")
    try:
        upstream = socket.create_connection((host.strip("[]"), int(port)))
    except OSError:
        return refuse(502)(connection, target)
    with upstream:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ends = {connection: upstream, upstream: connection}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return None
                ends[end].sendall(data)


def refuse(status, *headers):
    """Answer with a status instead."""
    lines = [f"HTTP/1.1 {status} No", *headers, "Content-Length: 0", "", ""]

    def action(connection, target):
        connection.sendall("\r\n".join(lines).encode())

    return action


def hang_up(connection, target):
    """Read what is asked, and go."""


class Recording:
    """A client's connection that remembers what came over it."""

    def __init__(self, connection):
        self._connection = connection
        self.received = b""

    def fileno(self):
        return self._connection.fileno()

    def recv(self, size):
        data = self._connection.recv(size)
        self.received += data
        return data

    def sendall(self, data):
        self._connection.sendall(data)

    def shutdown(self):
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.shutdown()
        self._connection.close()

    @property
    def head(self):
        """The request, a list of its lines."""
        return self.received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")


class ConnectProxy:
    def __init__(self):
        self.action = tunnel
        self.connections = []
        self._lock = threading.Lock()
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Listen; at the port that it had before, if it had one."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        """Refuse connections from now on, and end those that are open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self):
        """End the tunnels that are open."""
        with self._lock:
            for connection in self.connections:
                connection.shutdown()

    def requests(self):
        """The first line of each request so far."""
        with self._lock:
            return [c.head[0] for c in self.connections]

    def received(self):
        """All bytes that clients have sent so far."""
        with self._lock:
            return b"".join(c.received for c in self.connections)

    def _accept(self):
        while True:
            try:
                connection = Recording(self._listener.accept()[0])
            except OSError:
                return
            with self._lock:
                self.connections.append(connection)
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            ).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in connection.received:
                if not connection.recv(4096):
                    raise ConnectionError
            method, target, _ = connection.head[0].split(" ")
            action = self.action if method == "CONNECT" else refuse(405)
            action(connection, target)
        connection.close()


@pytest.fixture
def connect_proxy():
    proxy = ConnectProxy()
    yield proxy
    proxy.stop()
