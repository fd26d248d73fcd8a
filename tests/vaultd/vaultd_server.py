# SPDX-License-Identifier: MIT
"""A vaultd on a directory of its own, and a client that shows raw replies."""

import http.client
import json
import os
import pathlib
import secrets
import signal
import socket
import sqlite3
import subprocess

BUILD = pathlib.Path(os.environ.get("VAULTFS_BUILD", "build")).resolve()
VAULTD = BUILD / "fs" / "vaultd"
PREFIX = "/api/v1/cloud"
ANTHROPIC = {"anthropic-version": "2023-06-01",
             "anthropic-beta": "managed-agents-2026-04-01"}

EXCHANGE = {"grant_type": "client_credentials", "audience": "qoder",
            "scope": "qca.access"}

# What a version of the database added, undone; in order.
UNDO = {
    3: """
        CREATE TABLE token (hash BLOB PRIMARY KEY, name TEXT NOT NULL,
            created_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        INSERT INTO token SELECT hash, name, created_us FROM issued
            WHERE kind = 'token';
        DROP TABLE issued;
    """,
    2: """
        DROP TABLE dialect;
        ALTER TABLE credential DROP COLUMN display_name;
        UPDATE box SET version = 1;
    """,
}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def request_id(self):
        """By whichever header the dialect has."""
        ids = [self.headers[name] for name in ("x-request-id", "request-id")
               if name in self.headers]
        assert len(ids) == 1
        return ids[0]

    @property
    def error(self):
        """(status, type, param) of a refusal, its envelope checked."""
        body = self.json
        assert set(body) == {"type", "request_id", "error"}
        assert body["type"] == "error"
        assert body["request_id"] == self.request_id
        assert set(body["error"]) - {"param"} == {"type", "message"}
        assert body["error"]["message"]
        return self.status, body["error"]["type"], body["error"].get("param")


class Vaultd:
    """One data directory, with a server on it or not."""

    def __init__(self, directory):
        self.data = directory / "data"
        self.log_path = directory / "log"
        self.process = None
        self.names = []
        self.replies = []
        self.secrets = []

    def start(self, *options, listen=("127.0.0.1:0",), data=None, under=()):
        """under: a command that runs the command after it."""
        ready, told = os.pipe()
        command = [*under, VAULTD, "--data", data or self.data,
                   "--ready-fd", str(told)]
        for where in listen:
            command += ["--listen", where]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*command, "--log-requests", *options],
                stdout=subprocess.PIPE, stderr=log, pass_fds=[told], text=True)
        os.close(told)
        byte = os.read(ready, 1)
        os.close(ready)
        if byte != b"\0":
            raise RuntimeError(f"exit {self.process.wait()}: {self.log()}")
        prefix = "listening on "
        self.names = []
        for _ in listen or ("default",):
            line = self.process.stdout.readline().rstrip("\n")
            assert line.startswith(prefix)
            self.names.append(line[len(prefix):])
        return self

    def stop(self, signal_number=signal.SIGTERM):
        if self.process is None:
            return None
        self.process.send_signal(signal_number)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.process = None
        return status

    def kill(self):
        return self.stop(signal.SIGKILL)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def command(self, *words):
        return subprocess.run([VAULTD, *words, "--data", self.data],
                              capture_output=True, text=True, timeout=60)

    def token(self, *words, kind="token"):
        done = self.command(kind, "create", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def issue(self, *words, kind="token"):
        """A token that must never be seen again, and its id."""
        done = self.command(kind, "create", *words)
        assert done.returncode == 0, done.stderr
        value = done.stdout.rstrip("\n")
        self.secrets.append(value)
        return value, done.stderr.removeprefix("id ").rstrip("\n")

    def issued(self, kind="token"):
        """What is known of each, oldest first."""
        done = self.command(kind, "list", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def make_older(self, version):
        """Bring the database back to a version; no server is on it."""
        with sqlite3.connect(self.data / "vaults.db") as db:
            for newer in sorted(UNDO, reverse=True):
                if newer > version:
                    db.executescript(f"""{UNDO[newer]}
                        DELETE FROM migration WHERE version = {newer};
                        PRAGMA user_version = {newer - 1};""")
        db.close()

    def secret(self, size=24):
        """A value that must never be seen again."""
        value = "canary-" + secrets.token_hex(size)
        self.secrets.append(value)
        return value

    def connect(self, index=0):
        name = self.names[index]
        if name.startswith("unix:"):
            return UnixConnection(name[len("unix:"):])
        return http.client.HTTPConnection(name.removeprefix("http://"),
                                          timeout=30)


class Client:
    """Requests with a token, over one kept-alive connection."""

    def __init__(self, server, token, index=0, prefix=PREFIX, headers=None):
        self.server = server
        self.token = token
        self.prefix = prefix
        self.headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        self.connection = server.connect(index)

    def call(self, method, path, body=None, headers=None, prefix=None):
        headers = {**self.headers, **(headers or {})}
        prefix = self.prefix if prefix is None else prefix
        headers = {k: v for k, v in headers.items() if v is not None}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        self.connection.request(method, prefix + path, body, headers)
        reply = Reply(self.connection.getresponse())
        self.server.replies.append(reply.text)
        return reply

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.call("POST", path, body, **kwargs)

    def delete(self, path, **kwargs):
        return self.call("DELETE", path, **kwargs)

    def exchange(self, body=None, **kwargs):
        """Ask for a token with a key. The reply is not kept: it is a secret."""
        body = EXCHANGE if body is None else body
        reply = self.post("/api/v1/serviceToken/exchange", body, prefix="",
                          **kwargs)
        if reply.status == 200:
            self.server.replies.pop()
            self.server.secrets.append(reply.json["access_token"])
        return reply

    def vault(self, name="v", **more):
        reply = self.post("/vaults", {"display_name": name, **more})
        assert reply.status in (200, 201), reply.text
        return reply.json["id"]

    def bearer(self, url="https://example.com/mcp", **more):
        return {"auth": {"type": "static_bearer", "mcp_server_url": url,
                         "token": self.server.secret()}, **more}

    def oauth(self, url="https://example.com/oauth", refresh=None, **more):
        auth = {"type": "mcp_oauth", "mcp_server_url": url,
                "access_token": self.server.secret(), **more}
        if refresh:
            auth["refresh"] = {
                "client_id": "client", "token_endpoint": "https://id.example/t",
                "refresh_token": self.server.secret(),
                "token_endpoint_auth": {
                    "type": "client_secret_post",
                    "client_secret": self.server.secret()}}
        return {"auth": auth}

    def variable(self, name="API_KEY", **more):
        return {"auth": {"type": "environment_variable", "secret_name": name,
                         "secret_value": self.server.secret(), **more}}

    def flat(self, url="https://example.com/mcp", **more):
        return {"mcp_server_url": url, "protocol": "sse",
                "type": "static_bearer", "access_token": self.server.secret(),
                **more}

    def credential(self, vault, body=None):
        reply = self.post(f"/vaults/{vault}/credentials", body or self.bearer())
        assert reply.status in (200, 201), reply.text
        return reply.json["id"]
