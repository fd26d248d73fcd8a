# SPDX-License-Identifier: MIT
"""An HTTP/1.1 proxy in front of vaultd that fails as the test tells it to.

    proxy.on("POST", CREDENTIALS, reply(500), times=1)

The first rule that matches a request and is not used up decides; without one
the request is forwarded. Every request is recorded as it arrives, whatever
becomes of it.
"""

import contextlib
import http.client
import json
import re
import socket
import threading
from dataclasses import dataclass, field

from .service import PREFIX


@dataclass
class Recorded:
    connection: int  # counted from 1
    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes

    @property
    def key(self):
        return self.headers.get("idempotency-key")

    def matches(self, method, pattern):
        path = self.path.partition("?")[0]
        return self.method == method and re.search(pattern, path) is not None


@dataclass
class Rule:
    method: str
    pattern: str
    action: object
    times: int | None  # None: for ever
    hits: int = field(default=0)

    def takes(self, request):
        if self.times is not None and self.hits >= self.times:
            return False
        return request.matches(self.method, self.pattern)


class Exchange:
    """One request in the hands of an action."""

    def __init__(self, proxy, connection, request):
        self.proxy = proxy
        self.connection = connection
        self.request = request

    def upstream(self):
        """Forward, and return status, headers and body."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream_port)
        try:
            upstream.request(
                self.request.method,
                self.request.path,
                self.request.body or None,
                {k: v for k, v in self.request.headers.items() if k != "connection"},
            )
            reply = upstream.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        finally:
            upstream.close()

    def send(self, status, headers, body, cut_at=None):
        """Answer; cut_at sends only that many bytes of the promised body."""
        dropped = {"content-length", "connection", "transfer-encoding", "keep-alive"}
        lines = [f"HTTP/1.1 {status} Because"]
        lines += [f"{k}: {v}" for k, v in headers if k.lower() not in dropped]
        lines += [f"Content-Length: {len(body)}", "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        self.connection.sendall(head + body[:cut_at])


# Actions take an exchange and return whether the connection stays open.


def forward(exchange):
    exchange.send(*exchange.upstream())
    return True


def reply(status, body=b"", content_type="application/json", headers=None):
    """Answer without asking vaultd."""
    fields = [("Content-Type", content_type), *(headers or {}).items()]

    def action(exchange):
        exchange.send(status, fields, body)
        return True

    return action


def error(status, kind="some_error", message="a reason", param=None, **headers):
    """An error in the service's envelope, with its request id."""
    detail = {"type": kind, "message": message}
    if param is not None:
        detail["param"] = param
    envelope = {"type": "error", "request_id": "req-4711", "error": detail}
    fields = {"x-request-id": "req-4711"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return reply(status, json.dumps(envelope).encode(), headers=fields)


def echoing(status):
    """An error whose message repeats the request's body."""

    def action(exchange):
        message = "cannot take " + exchange.request.body.decode()
        return error(status, "invalid_request_error", message)(exchange)

    return action


garbage = reply(200, b'\x00\xff{]"', "application/json")
html = reply(200, b"<!DOCTYPE html><title>Log in</title>", "text/html")
not_an_object = reply(200, b'{"hello": "world"}')


def cut(exchange):
    """A reply that ends before its promised length."""
    exchange.send(200, [("Content-Type", "application/json")], b'{"id":' * 80, 20)
    return False


def close_unanswered(exchange):
    """The request was read; not a byte comes back."""
    return False


def act_then_close(exchange):
    """vaultd acted; the reply is lost."""
    exchange.upstream()
    return False


class Hold:
    """Holds requests until the test lets them go.

    before_acting: vaultd has not seen the request yet; else it has, and its
    reply is what is held.
    """

    def __init__(self, then=forward, before_acting=True):
        self.then = then
        self.before_acting = before_acting
        self.held = 0
        self._changed = threading.Condition()
        self._open = threading.Event()

    def __call__(self, exchange):
        answer = None if self.before_acting else exchange.upstream()
        with self._changed:
            self.held += 1
            self._changed.notify_all()
        self._open.wait(120)
        if answer is None:
            return self.then(exchange)
        exchange.send(*answer)
        return True

    def wait(self, count=1, timeout=10):
        """Wait until that many requests have arrived here."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: self.held >= count, timeout)
        assert arrived, f"{self.held} of {count} requests arrived in {timeout} s"

    def release(self):
        self._open.set()


class FaultProxy:
    exchange = Exchange  # what actions get

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.requests = []
        self.connections = 0
        self.dropping = False  # close every new connection before reading
        self._rules = []
        self._holds = []
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    def on(self, method, pattern, action, times=None):
        """Add a rule before the others, and return it."""
        rule = Rule(method, pattern, action, times)
        with self._lock:
            self._rules.insert(0, rule)
            if isinstance(action, Hold):
                self._holds.append(action)
        return rule

    def clear(self):
        """Forget the rules and let everything go that is held."""
        with self._lock:
            self._rules.clear()
        for hold in self._holds:
            hold.release()

    def of(self, method, pattern=""):
        """The requests so far that match."""
        with self._lock:
            return [r for r in self.requests if r.matches(method, pattern)]

    def stop(self):
        """Refuse connections from now on, and end those that are open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.clear()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.dropping:
                connection.close()
                continue
            with self._lock:
                self.connections += 1
                self._open.add(connection)
                number = self.connections
            threading.Thread(
                target=self._serve, args=(connection, number), daemon=True
            ).start()

    def _serve(self, connection, number):
        reader = connection.makefile("rb")
        try:
            while True:
                request = read_request(reader, number)
                if request is None:
                    return
                action = self._decide(request)
                if not action(self.exchange(self, connection, request)):
                    return
        except (OSError, http.client.HTTPException):
            return  # the other side went away, or vaultd did
        finally:
            with self._lock:
                self._open.discard(connection)
            reader.close()
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _decide(self, request):
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.takes(request):
                    rule.hits += 1
                    return rule.action
        return forward


def read_request(reader, number):
    """The next request of a connection; None at its end."""
    line = reader.readline(65536)
    if not line.strip():
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := reader.readline(65536)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    if headers.get("transfer-encoding", "").lower() == "chunked":
        del headers["transfer-encoding"]
        body = read_chunks(reader)
    headers.pop("content-length", None)
    return Recorded(number, method, path, headers, body)


def read_chunks(reader):
    body = b""
    while size := int(reader.readline(64).partition(b";")[0], 16):
        body += reader.read(size)
        reader.readline(8)
    reader.readline(8)
    return body
