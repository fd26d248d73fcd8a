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

PREFIX = "/api/v1/cloud"

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
    """A running vaultd. Counts requests by its own log."""

    def __init__(self, directory, *options):
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

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self):
        return self.origin + PREFIX

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

    def request(self, method, path, body=None):
        """Returns the status and the parsed body; a path is below the prefix."""
        headers = {"Authorization": f"Bearer {self.token}"}
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
                self._local.connection.request(method, PREFIX + path, data, headers)
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
        """A credential as another client makes it: without a file name."""
        body = dict(spec)
        if name is not None:
            body["metadata"] = body.get("metadata", {}) | {"vaultfs.name": name}
        return self.ok("POST", f"/vaults/{vault_id}/credentials", body)

    def _all(self, path):
        objects, cursor = [], ""
        while True:
            page = self.ok("GET", f"{path}?limit=100{cursor}")
            objects += page["data"]
            if not page["next_page"]:
                return objects
            cursor = f"&page={page['next_page']}"

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
        return {
            c["metadata"].get("vaultfs.name"): c
            for c in self.credentials(self.vault(vault_name)["id"])
        }

    # What vaultd was asked.

    def requests(self):
        """Every request so far. Waits until the log has caught up."""
        marker = f"sync-{next(self._syncs)}-"
        self.request("GET", f"/vaults/{marker}")
        wait_for(lambda: marker in self.log.read_text(), what="the log line")
        requests = []
        for line in self.log.read_text().splitlines():
            match = REQUEST.search(line)
            if match and "/vaults/sync-" not in match[2]:
                requests.append(Request(match[1], match[2], line))
        return requests

    # What vaultd keeps.

    def rows_digest(self, credential_id):
        """A digest of what the store holds of a credential, secrets (sealed)
        included."""
        digest = hashlib.sha256()
        with sqlite3.connect(f"file:{self.data}/vaults.db?mode=ro", uri=True) as db:
            tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
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
