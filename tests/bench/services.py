# SPDX-License-Identifier: MIT
"""vaultd with vaults in it, and the distance to it."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from support.paths import BUILD, REPO, VAULTD, environment
from support.service import Service

from .tools import check, end, first_line, run_for_json, tool

SEEDS = BUILD / "bench-seeds"


class BenchService(Service):
    """A vaultd that does not log its requests: whoever counts them stands between
    it and the mount."""

    def start(self):
        command = [VAULTD, "--data", self.data]
        command += ["--listen", f"127.0.0.1:{self.port}", *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(self.directory),
            )
        line = first_line(self.process, "vaultd")
        match = re.match(r"listening on http://127\.0\.0\.1:(\d+)", line)
        check(match, f"vaultd said {line!r}")
        self.port = int(match[1])
        return self


def vault_name(number):
    return f"vault-{number:04}"


def file_name(number):
    """Of a credential; numbers count through all vaults, which get them in turn."""
    return f"server-{number}.json"


def make_vaults(service, names):
    """Empty ones; returns their ids by name."""
    return {name: service.make_vault(name)["id"] for name in names}


def create_load(service, clients, count, vaults):
    """Vaults that are named by vault_name(), with that many credentials in all."""
    token = write_token(service)
    return run_for_json("create_load", service.origin, token, clients, count, vaults)


def write_token(service):
    """A file with the token, which only we can read."""
    path = service.directory / "token"
    path.touch(0o600)
    path.write_text(service.token + "\n")
    return path


# What decides how a seed is stored, and what is in it.
SOURCES = ("fs/vaultd/schema.c", "fs/vaultd/seal.c", "tests/bench/create_load.c")


def fingerprint():
    texts = [(REPO / source).read_bytes() for source in SOURCES]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def seed(vaults, credentials):
    """A data directory with that many in it, made once and kept."""
    kept = SEEDS / f"{vaults}x{credentials}-{fingerprint()}"
    if not kept.exists():
        place = SEEDS / f"new.{os.getpid()}"
        shutil.rmtree(place, ignore_errors=True)
        service = BenchService(place).start()
        try:
            create_load(service, 8, vaults * credentials, vaults)
        finally:
            service.stop()
        for old in SEEDS.glob(f"{vaults}x{credentials}-*"):
            if old != kept:
                shutil.rmtree(old)
        try:
            service.data.rename(kept)
        except OSError:
            if not kept.exists():  # else somebody made the same meanwhile
                raise
        shutil.rmtree(place)
    return kept


@contextlib.contextmanager
def serving(directory, vaults=0, credentials=0):
    """A vaultd with that many vaults of that many credentials."""
    service = BenchService(directory)
    if vaults:
        shutil.copytree(seed(vaults, credentials), service.data)
    try:
        yield service.start()
    finally:
        service.stop()


class Distance:
    """A delay line in front of a port. It counts the requests that pass."""

    def __init__(self, directory, port, delay_ms, is_wire=False):
        self._path = Path(directory) / "distance"
        command = [tool("delay_proxy"), "--listen", "0", "--to", f"127.0.0.1:{port}"]
        command += ["--delay-ms", delay_ms, "--control", self._path]
        command += ["--wire"] if is_wire else []
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self.port = int(first_line(self._process, "delay_proxy"))

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(20)
            control.connect(str(self._path))
            control.sendall(line.encode() + b"\n")
            with control.makefile() as replies:
                reply = replies.readline()
        return json.loads(reply) if reply.startswith("{") else None

    def reset(self):
        self.ask("reset")

    @property
    def requests(self):
        """Since the last reset."""
        return self.ask("counts")["requests"]

    def stop(self):
        end(self._process)
        self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def distant(directory, port, delay_ms, is_wire=False):
    distance = Distance(directory, port, delay_ms, is_wire)
    try:
        yield distance
    finally:
        distance.stop()
