# SPDX-License-Identifier: MIT
"""nginx with TLS in front of vaultd, or of whoever listens at the port that it is
given.

Its log says what arrived. It never holds a token: only whether there was one.
"""

import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from .process import is_alive, wait_for
from .service import PREFIX

PROGRAM = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

CONFIG = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{}}
http {{
    log_format seen escape=json '{{"connection": $connection,'
        '"protocol": "$server_protocol", "tls": "$ssl_protocol",'
        '"method": "$request_method", "path": "$uri", "status": $status,'
        '"key": "$http_idempotency_key", "has_token": $has_token}}';
    access_log {directory}/access.log seen;
    map "$http_authorization$http_x_api_key$http_cookie" $has_token {{
        "" false;
        default true;
    }}
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    lingering_close off;
    server {{
        listen 127.0.0.1:{port} ssl{http2};
        ssl_certificate {certificate.path};
        ssl_certificate_key {certificate.key};
        ssl_protocols {protocols};
        ssl_ciphers {ciphers};
        location / {{
            {answer}
            proxy_http_version 1.1;
            proxy_next_upstream off;
            proxy_pass http://127.0.0.1:{upstream_port};
        }}
    }}
    server {{
        listen 127.0.0.1:{own_port};
        return 204;
    }}
}}
"""


@dataclass(frozen=True)
class Request:
    connection: int
    protocol: str
    tls: str
    method: str
    path: str
    status: int
    key: str
    has_token: bool

    def matches(self, method, pattern):
        return self.method == method and re.search(pattern, self.path) is not None


class Nginx:
    """A running nginx. What can be changed while it runs:

    http2       whether it offers HTTP/2
    protocols   the versions of TLS, as in its own configuration
    answer      what to do with requests instead of passing them on, in its own
                words: "return 302 https://elsewhere/;"
    """

    def __init__(self, directory, upstream_port, certificate, **changes):
        self.directory = Path(directory)
        self.directory.mkdir()
        self.log = self.directory / "access.log"
        self.error_log = self.directory / "error.log"
        self._config = self.directory / "nginx.conf"
        self.port = self._own_port = 0
        self._syncs = itertools.count()
        self._settings = {
            "upstream_port": upstream_port,
            "certificate": certificate,
            "http2": True,
            "protocols": "TLSv1.2 TLSv1.3",
            "ciphers": "DEFAULT",
            "answer": "",
        }
        self._settings |= changes
        self.process = None

    @property
    def origin(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def url(self):
        return self.origin + PREFIX

    def start(self):
        """At the ports it had before, if it had some."""
        # nginx takes over sockets that listen already, as from its predecessor
        # in an upgrade; so nobody can take a port between us and it.
        ports = (self.port, self._own_port)
        sockets = [socket.create_server(("127.0.0.1", p), backlog=511) for p in ports]
        self.port, self._own_port = (s.getsockname()[1] for s in sockets)
        self._write_config()
        descriptors = [s.fileno() for s in sockets]
        self.process = subprocess.Popen(
            [PROGRAM, "-p", self.directory, "-c", self._config, "-e", self.error_log],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=descriptors,
            env={"NGINX": "".join(f"{fd};" for fd in descriptors)},
        )
        for listener in sockets:
            listener.close()
        wait_for(self._workers, what="a worker of nginx")
        return self

    def stop(self):
        if self.process is None:
            return
        workers = self._workers()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.process = None
        for pid in workers:
            wait_for(lambda pid=pid: not is_alive(pid), what="nginx's end")

    def change(self, **changes):
        """Change settings. Connections that are idle are closed, and whatever
        comes after the return finds the new ones."""
        unknown = changes.keys() - self._settings.keys()
        assert not unknown, unknown
        self._settings |= changes
        self._write_config()
        before = self._workers()
        self.process.send_signal(signal.SIGHUP)

        def is_changed():
            workers = self._workers()
            return workers and not workers & before

        wait_for(is_changed, what=f"the change of nginx ({self.error_log})")

    def requests(self):
        """Every request so far."""
        marker = f"/sync-{next(self._syncs)}-"
        connection = http.client.HTTPConnection("127.0.0.1", self._own_port)
        connection.request("GET", marker)
        assert connection.getresponse().status == 204
        connection.close()
        wait_for(lambda: marker in self.log.read_text(), what="the log line")
        seen = map(json.loads, self.log.read_text().splitlines())
        return [Request(**s) for s in seen if not s["path"].startswith("/sync-")]

    def of(self, method, pattern=""):
        return [r for r in self.requests() if r.matches(method, pattern)]

    def _write_config(self):
        settings = self._settings | {
            "directory": self.directory,
            "port": self.port,
            "own_port": self._own_port,
            # Nobody else may look into a test's directory.
            "user": "user root;" if os.geteuid() == 0 else "",
            "http2": " http2" if self._settings["http2"] else "",
        }
        self._config.write_text(CONFIG.format(**settings))

    def _workers(self):
        assert self.process.poll() is None, self.error_log.read_text()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(map(int, children.read_text().split()))


@pytest.fixture
def nginxes(service, certificate, tmp_path):
    """Starts an nginx: nginxes(http2=False, upstream_port=proxy.port)."""
    if PROGRAM is None:
        pytest.skip("nginx is not installed")
    started = []

    def start(**settings):
        known = {"upstream_port": service.port, "certificate": certificate}
        nginx = Nginx(tmp_path / f"nginx{len(started)}", **known | settings)
        started.append(nginx)
        return nginx.start()

    yield start
    for nginx in started:
        nginx.stop()


@pytest.fixture
def nginx(nginxes):
    return nginxes()
