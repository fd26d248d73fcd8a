# SPDX-License-Identifier: MIT
"""The sources of a token, and how each is given to the program.

A builder takes a directory for what it needs, and the content that is to be in
the place of the token; None leaves the place empty."""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from .paths import VAULTFS
from .process import run
from .tokens import write_private

VARIABLE = "MY_TOKEN"
DEFAULT_VARIABLES = ("QODER_PERSONAL_ACCESS_TOKEN", "QODER_PAT", "QODER_ACCESS_TOKEN")


@dataclass
class Given:
    options: tuple = ()
    env: dict = field(default_factory=dict)
    fd: int | None = None  # a descriptor that holds the content of a file
    file: Path | None = None  # where the content is; with fd, None: it is closed

    def command(self, *args, program=VAULTFS):
        """The program with these arguments and with this source."""
        words = [str(program), *map(str, args), *map(str, self.options)]
        if self.fd is None:
            return words
        if self.file is None:
            return ["/bin/bash", "-c", f'exec "$0" "$@" {self.fd}<&-', *words]
        feed = f'exec "$@" {self.fd}< <(exec cat "$0")'
        return ["/bin/bash", "-c", feed, str(self.file), *words]

    def run(self, home, *args, **env):
        """Run it as the user of a home."""
        command = self.command(*args)
        env = home.env | self.env | env
        return run(command, 30, env=env, cwd=home.path)


def put(path, content):
    return path if content is None else write_private(path, content)


def token_file(place, content):
    path = put(place / "token", content)
    return Given(("--token-file", path), file=path)


def descriptor(number):
    def build(place, content):
        path = None if content is None else put(place / f"fd{number}", content)
        return Given(("--token-fd", number), fd=number, file=path)

    return build


def token_command(place, content):
    path = put(place / "printed", content)
    return Given(("--token-command", f"cat {shlex.quote(str(path))}"), file=path)


def key_file(place, content):
    path = put(place / "key", content)
    return Given(("--service-account-key-file", path), file=path)


def token_env(place, content):
    return Given(("--token-env", VARIABLE), env_of(VARIABLE, content))


def env_file(place, content):
    line = None if content is None else f"# mine\n{VARIABLE}={content}\n"
    path = put(place / ".env", line)
    return Given(("--token-env", VARIABLE, "--env-file", path), file=path)


def credentials_directory(place, content):
    directory = place / "credentials"
    directory.mkdir(exist_ok=True)
    path = put(directory / "vaultfs-token", content)
    return Given(env={"CREDENTIALS_DIRECTORY": str(directory)}, file=path)


def default_variable(place, content):
    return Given(env=env_of(DEFAULT_VARIABLES[0], content))


def env_of(name, content):
    # What a shell's NAME=$(cat file) leaves.
    return {} if content is None else {name: content.rstrip("\n")}


# In the order in which they win.
SOURCES = {
    "token_file": token_file,
    "token_fd 0": descriptor(0),
    "token_fd 9": descriptor(9),
    "token_command": token_command,
    "token_command, JSON": token_command,
    "service_account_key_file": key_file,
    "token_env": token_env,
    "env_file": env_file,
    "credentials directory": credentials_directory,
    "default variable": default_variable,
}

# Those that are one source in two forms, and cannot be given beside each other.
SAME = [
    {"token_fd 0", "token_fd 9"},
    {"token_command", "token_command, JSON"},
    {"token_env", "env_file"},
]

# How a user hears of each.
NAMES = {
    "token_file": r"token file /.*/token",
    "token_fd 0": r"descriptor 0",
    "token_fd 9": r"descriptor 9",
    "token_command": r"command",
    "token_command, JSON": r"command",
    "service_account_key_file": r"key file /.*/key",
    "token_env": VARIABLE,
    "env_file": rf"{VARIABLE} in .*/\.env|\.env",
    "credentials directory": r"vaultfs-token",
    "default variable": DEFAULT_VARIABLES[0],
}


def content_for(source, token, **more):
    """A token as the source holds it."""
    if source.endswith("JSON"):
        return json.dumps({"access_token": token} | more) + "\n"
    return token + "\n"


def give(source, place, content):
    place.mkdir(parents=True, exist_ok=True)
    return SOURCES[source](place, content)
