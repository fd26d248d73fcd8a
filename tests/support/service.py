# SPDX-License-Identifier: MIT
"""vaultd on a directory of the test, and a second client that talks to it."""

import hashlib
import http.client
import itertools
import json
import re
import signal
import sqlite3
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from .paths import VAULTD, environment
from .process import run, wait_for


@dataclass(frozen=True)
class Dialect:
    """How a client of one dialect asks."""

    prefix: str = "/api/v1/cloud"
    token_header: str = "Authorization"
    token_scheme: str = "Bearer "
    headers: tuple = ()
    # A list's next cursor: the member of a page, and the query that takes it.
    cursor: tuple = ("next_page", "page")
    # Where the file name of a credential is kept: dotted; None for nowhere.
    name_at: str | None = "metadata.vaultfs.name"


DIALECTS = {
    "qoder": Dialect(),
    "qoder-flat": Dialect(cursor=("last_id", "after"), name_at=None),
    "anthropic": Dialect(
        prefix="/v1",
        token_header="x-api-key",
        token_scheme="",
        headers=(
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "managed-agents-2026-04-01"),
        ),
        name_at="display_name",
    ),
}

PREFIX = DIALECTS["qoder"].prefix

VAULTS = r"/vaults$"
VAULT = r"/vaults/[^/]+$"
CREDENTIALS = r"/vaults/[^/]+/credentials$"
CREDENTIAL = r"/vaults/[^/]+/credentials/[^/]+$"


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # without its query
    line: str

    def matches(self, method, pattern):
        return self.method == method and re.search(pattern, self.path) is not None


# Text and JSON log alike: a method, then the path.
REQUEST = re.compile(r'\b(GET|POST|DELETE|PUT|PATCH|HEAD)\b[^/\n]*?(/[^\s"?]*)')


class Service:
    """A running vaultd. Counts requests by its own log.

    dialect, if it is given, is the name of one and is said to vaultd; otherwise
    it is the one that the options name.
    """

    def __init__(self, directory, *options, dialect=None):
        if dialect is not None:
            options = ("--dialect", dialect, *options)
        options = tuple(map(str, options))
        self.dialect_name = "qoder"
        if "--dialect" in options:
            self.dialect_name = options[options.index("--dialect") + 1]
        self.dialect = DIALECTS[self.dialect_name]
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = self.directory / "data"
        self.log = self.directory / "vaultd.log"
        self.options = options
        self.process = None
        self.port = 0
        self._local = threading.local()
        self._syncs = itertools.count()
        self._token = None
        self._requests = []
        self._log_read = 0  # bytes of the log that are in _requests

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self):
        return self.origin + self.dialect.prefix

    @property
    def pid(self):
        return self.process.pid

    @property
    def token(self):
        """The token of the second client, made when it is first needed."""
        if self._token is None:
            self._token = self.make_token("another client")
        return self._token

    def start(self):
        command = [VAULTD, "--data", self.data, "--log-requests"]
        command += ["--listen", f"127.0.0.1:{self.port}", *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(self.directory),
            )
        line = self.process.stdout.readline().decode()
        match = re.match(r"listening on http://127\.0\.0\.1:(\d+)", line)
        assert match, f"vaultd said {line!r}\n{self.log.read_text()}"
        self.port = int(match[1])
        return self

    def stop(self, with_signal=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(with_signal)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process.stdout.close()
        self.process = None
        self._local = threading.local()

    def make_token(self, name):
        result = run(
            [VAULTD, "token", "create", "--data", self.data, "--name", name],
            env=environment(self.directory),
        )
        assert result, result
        return result.out.strip()

    # The second client.

    def headers(self):
        """What every request of the second client says."""
        dialect = self.dialect
        return {dialect.token_header: dialect.token_scheme + self.token} | dict(
            dialect.headers
        )

    def request(self, method, path, body=None):
        """Returns the status and the parsed body; a path is below the prefix."""
        headers = self.headers()
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        for attempt in (0, 1):
            if not hasattr(self._local, "connection"):
                self._local.connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=20
                )
            try:
                self._local.connection.request(
                    method, self.dialect.prefix + path, data, headers
                )
                reply = self._local.connection.getresponse()
                text = reply.read()
                return reply.status, json.loads(text) if text else None
            except (http.client.RemoteDisconnected, ConnectionError):
                # An idle connection that vaultd closed meanwhile.
                self._local.connection.close()
                del self._local.connection
                if attempt:
                    raise
        raise AssertionError("unreachable")

    def ok(self, method, path, body=None):
        status, reply = self.request(method, path, body)
        assert status in (200, 201, 204), (method, path, status, reply)
        return reply

    def make_vault(self, name, metadata=None):
        body = {"display_name": name}
        if metadata:
            body["metadata"] = metadata
        return self.ok("POST", "/vaults", body)

    def make_credential(self, vault_id, spec, name=None):
        """A credential as another client makes it: without a file name, unless it
        is given one."""
        body = dict(spec)
        if name is not None:
            where, _, key = self.dialect.name_at.partition(".")
            if key:
                body[where] = body.get(where, {}) | {key: name}
            else:
                body[where] = name
        return self.ok("POST", f"/vaults/{vault_id}/credentials", body)

    def _all(self, path):
        objects, cursor = [], ""
        while True:
            page = self.ok("GET", f"{path}?limit=100{cursor}")
            objects += page["data"]
            member, query = self.dialect.cursor
            if not page.get("has_more", page.get("next_page")):
                return objects
            cursor = f"&{query}={page[member]}"

    def vaults(self):
        return self._all("/vaults")

    def vault(self, name):
        """The one vault of that display name."""
        (vault,) = [v for v in self.vaults() if v["display_name"] == name]
        return vault

    def credentials(self, vault_id):
        return self._all(f"/vaults/{vault_id}/credentials")

    def credentials_of(self, vault_name):
        """The credentials of a vault by the file name that each is kept under."""
        assert self.dialect.name_at, "this dialect keeps no file names"
        return {
            self.file_name(c): c
            for c in self.credentials(self.vault(vault_name)["id"])
        }

    def file_name(self, credential):
        """The file name that a credential is kept under, or None."""
        where, _, key = (self.dialect.name_at or "").partition(".")
        value = credential.get(where)
        return value.get(key) if key else value

    # What vaultd was asked.

    def requests(self):
        """Every request so far. Waits until the log has caught up."""
        marker = f"sync-{next(self._syncs)}-"
        self.request("GET", f"/vaults/{marker}")
        wait_for(lambda: self._read_log(marker), what="the log line")
        return list(self._requests)

    def _read_log(self, marker):
        """Read on in the log; whether the marker has come."""
        with self.log.open("rb") as log:
            log.seek(self._log_read)
            lines, _, _ = log.read().rpartition(b"\n")
        self._log_read += len(lines) + 1 if lines else 0
        for line in lines.decode(errors="replace").splitlines():
            match = REQUEST.search(line)
            if match and "/vaults/sync-" not in match[2]:
                self._requests.append(Request(match[1], match[2], line))
        return marker.encode() in lines

    # What vaultd keeps.

    def rows_digest(self, credential_id):
        """A digest of what the store holds of a credential, secrets (sealed)
        included."""
        return self._digest(credential_id, "type = 'table'")

    def sealed_digest(self, credential_id):
        """A digest of its sealed secrets alone: it stays when only metadata is
        changed, and changes whenever a secret is written, be it the same."""
        return self._digest(credential_id, "name = 'box'")

    def _digest(self, credential_id, which):
        digest = hashlib.sha256()
        with sqlite3.connect(f"file:{self.data}/vaults.db?mode=ro", uri=True) as db:
            tables = db.execute(f"SELECT name FROM sqlite_master WHERE {which}")
            for (table,) in sorted(tables.fetchall()):
                for row in db.execute(f'SELECT * FROM "{table}"'):
                    if credential_id in row:
                        digest.update(repr((table, row)).encode())
        return digest.hexdigest()


class Counter:
    """The requests that vaultd gets while a block runs:

    with Counter(service) as sent: ...
    assert sent.count("GET", CREDENTIALS) == 1
    """

    def __init__(self, service):
        self.service = service
        self.requests = []

    def __enter__(self):
        self._before = len(self.service.requests())
        return self

    def __exit__(self, *_):
        self.requests = self.service.requests()[self._before :]

    def count(self, method, pattern=""):
        return sum(r.matches(method, pattern) for r in self.requests)

    @property
    def total(self):
        return len(self.requests)
