# SPDX-License-Identifier: MIT
"""Tokens: who issues them, where they are kept, and commands that print them."""

import contextlib
import datetime
import json
import os
import re
import shlex
import signal
from pathlib import Path

import pytest

from .faultproxy import error
from .fixtures import stop_all
from .mount import Mount
from .paths import VAULTD, environment
from .process import is_alive, run, wait_for

EXCHANGE = r"/api/v1/serviceToken/exchange$"


class Issuer:
    """The commands of a vaultd that make tokens and keys, and take them back."""

    def __init__(self, service):
        self.service = service

    def command(self, kind, verb, *args):
        """What is run, as a list."""
        return [str(VAULTD), kind, verb, "--data", str(self.service.data), *args]

    def _do(self, *args):
        result = run(self.command(*args), env=environment(self.service.directory))
        assert result, result
        return result.out.strip()

    def token(self, name, *options):
        return self._do("token", "create", "--name", name, *options)

    def revoke(self, name):
        self._do("token", "revoke", name)

    def key(self, name, *options):
        return self._do("key", "create", "--name", name, *options)

    def revoke_key(self, name):
        self._do("key", "revoke", name)


def held_by(service):
    """The file names in each vault; a name that is there twice is told twice."""
    return {
        vault["display_name"]: sorted(
            str(service.file_name(c)) for c in service.credentials(vault["id"])
        )
        for vault in service.vaults()
    }


# Three ways in which people put a new token where the old one was.


def write_private(path, text):
    """A file that only its owner can read, made or written over in place."""
    path = Path(path)
    path.touch(0o600)
    path.write_text(text)
    return path


def replace_file(path, text):
    """As editors and configuration management do: another file takes the name."""
    os.replace(write_private(f"{path}.next", text), path)


def switch_link(path, text):
    """As for secrets of a cluster: the name is a link, and leads to a new place."""
    path = Path(path)
    place = path.parent / f"{path.name}.places"
    place.mkdir(exist_ok=True)
    target = write_private(place / str(len(os.listdir(place))), text)
    link = place / "link"
    link.symlink_to(target)
    os.replace(link, path)


WAYS = {
    "written over": write_private,
    "replaced": replace_file,
    "link switched": switch_link,
}


def seconds_from_now(seconds):
    """A time of the service; seconds ahead, the fraction dropped."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Command:
    """A shell command whose answer is a file, and which notes that it ran.

    It can be told to fail, or to hang: then a child of it hangs too."""

    def __init__(self, directory, name="command"):
        self.directory = Path(directory) / name
        self.directory.mkdir()
        self._answer = self.directory / "answer"
        self._runs = self.directory / "runs"
        self._hangs = self.directory / "hangs"
        self.text = "\n".join(
            [
                f"cd {shlex.quote(str(self.directory))} || exit 90",
                "if [ -e hangs ]; then",
                "    sleep 1000 & echo $$ $! >>runs; wait",
                "else",
                "    echo $$ >>runs",
                "fi",
                "cat answer",
            ]
        )

    def print_text(self, text):
        """What it prints from now on."""
        replace_file(self._answer, text)

    def print_token(self, token, expires_at=None):
        """A token, or JSON when its end is told."""
        told = {"access_token": token, "expires_at": expires_at}
        self.print_text(json.dumps(told) if expires_at else token + "\n")

    def fail(self):
        """It prints nothing from now on, and its exit status is 1."""
        self._answer.unlink()

    def hang(self):
        self._hangs.touch()

    def go_on(self):
        """The next run does not hang."""
        self._hangs.unlink()

    def _lines(self):
        with contextlib.suppress(FileNotFoundError):
            return self._runs.read_text().splitlines()
        return []

    @property
    def runs(self):
        """How often it ran."""
        return len(self._lines())

    def wait_until_it_hangs(self, runs=1):
        wait_for(lambda: self.runs >= runs, what="the command")

    def processes(self):
        """Those of all its runs that still live, their children too."""
        pids = [pid for line in self._lines() for pid in line.split()]
        return [pid for pid in pids if is_alive(pid)]


class Gate:
    """What a service in front of vaultd makes of tokens. As an action of a proxy
    it passes on what has a good one, and keeps account of the answers."""

    def __init__(self, message="the token was refused"):
        self.message = message
        self.refused = set()
        self.refuses_all = False
        self.answers = []  # a status for each request

    def __call__(self, exchange):
        if self.refuses_all or token_of(exchange.request) in self.refused:
            self.answers.append(401)
            refusal = error(401, "authentication_error", self.message)
            return refusal(exchange)
        answer = exchange.upstream()
        self.answers.append(answer[0])
        exchange.send(*answer)
        return True


def token_of(request):
    """The token of a recorded request."""
    value = request.headers.get("x-api-key") or request.headers["authorization"]
    return value.removeprefix("Bearer ")


def watch(proxy, gate):
    """All requests for vaults go through a gate."""
    for method in ("GET", "POST", "DELETE"):
        proxy.on(method, r"/vaults", gate)
    return gate


# Mounts that bring their own source of a token


class BareMount(Mount):
    """A mount that is given no token; its options or its environment do that."""

    def __init__(self, source, directory, *options, env=None):
        super().__init__(source, directory, None, *options, env=env)

    @property
    def account(self):
        """What the status says of the token."""
        return json.loads((self.path / ".vaultfs/status").read_text())["account"]


def token_leaks(tokens, data, piece=12):
    """The names of those tokens of which some bytes hold any piece. A token's
    prefix, which is no secret, is left out."""
    data = data if isinstance(data, bytes) else data.encode()
    found = []
    for name, token in tokens.items():
        secret = re.sub(r"^[a-z]+-", "", token).encode()
        pieces = (secret[i : i + piece] for i in range(len(secret) - piece + 1))
        if any(p in data for p in pieces):
            found.append(name)
    return found


@pytest.fixture
def issuer(service):
    return Issuer(service)


@pytest.fixture
def bare_mounts(service, tmp_path, watchdog):
    """Starts a mount: bare_mounts("--token-file", path, source=proxy.url)."""
    started = []

    def start(*options, source=None, env=None, directory=None, **popen):
        place = directory or tmp_path / f"bare{len(started)}"
        mount = BareMount(source or service.url, place, *options, env=env)
        started.append(mount)
        watchdog.mounts.append(mount)
        return mount.start(**popen)

    yield start
    stop_all(started)


@pytest.fixture
def gate(proxy):
    """All requests for vaults through the proxy go through it."""
    return watch(proxy, Gate())


@pytest.fixture
def command(issuer, tmp_path):
    """A command that prints the token "first", until it is told otherwise."""
    command = Command(tmp_path)
    command.print_token(issuer.token("first"))
    yield command
    for pid in command.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
