# SPDX-License-Identifier: MIT
"""on_auth_expired: the command that tells the user."""

import errno
import os
import shlex
from pathlib import Path

import pytest

from support.errnos import errno_of
from support.process import is_alive, wait_for
from support.tokens import write_private

# The words of a service that is no friend: each would be a command, if a shell
# saw it as some kind of text.
HOSTILE = {
    "substitution": "$(touch pwned)",
    "backquotes": "`touch pwned`",
    "in double quotes": '"; touch pwned; "',
    "in single quotes": "'; touch pwned; '",
    "bare": "x; touch pwned #",
    "a second line": "x\ntouch pwned\n",
    "a here document": "x\nEOF\ntouch pwned\n",
}

# What a terminal would obey, or a format.
UGLY = "\x1b[31mred\x1b[0m \x07 \r \\ %s %n ${HOME}\u202e \u2028"


def is_expired(mount):
    return errno_of(os.mkdir, mount / "never") == errno.EKEYREJECTED


@pytest.fixture
def token_file(issuer, tmp_path):
    return write_private(tmp_path / "token", issuer.token("token0") + "\n")


class Hook:
    """A command that keeps its environment, a file for each run."""

    def __init__(self, directory, then=""):
        self.directory = directory
        directory.mkdir()
        self.text = (
            f"cd {shlex.quote(str(directory))} && env -0 >$$.new && mv $$.new $$.run"
            f"\n{then}"
        )

    def runs(self):
        return sorted(self.directory.glob("*.run"), key=os.path.getmtime)

    def wait(self, count=1):
        wait_for(lambda: len(self.runs()) >= count, what="the command")

    def wait_for_end(self):
        """Of the first run."""
        self.wait()
        pid = self.runs()[0].stem
        wait_for(lambda: not is_alive(pid), what="the end of the command")

    def environment(self, number=0):
        text = self.runs()[number].read_text(errors="surrogateescape")
        return dict(line.split("=", 1) for line in text.split("\0") if line)


@pytest.fixture
def hook(tmp_path):
    return lambda then="": Hook(tmp_path / "it's a hook", then)


def told(mount):
    return [r for r in mount.records() if r["operation"] == "on_auth_expired"]


def test_it_runs_once_until_a_token_works_again(bare_mounts, issuer, token_file, hook):
    """However many fail, and whatever is tried in vain. That none ran too often
    shows when the next one has."""
    hook = hook()
    mount = bare_mounts("--token-file", token_file, "--on-auth-expired", hook.text)
    assert hook.runs() == []
    for number in range(3):
        issuer.revoke(f"token{number}")
        for _ in range(20):
            assert is_expired(mount)
        hook.wait(number + 1)
        for wrong in ("pt-wrong", "two words", "pt-no-better"):
            token_file.write_text(f"{wrong}\n")
            assert is_expired(mount)
        token_file.write_text(issuer.token(f"token{number + 1}") + "\n")
        os.mkdir(mount / f"d{number}")
        assert len(hook.runs()) == number + 1
    assert told(mount) == []


def test_its_environment_says_where_and_why(
    bare_mounts, service, issuer, token_file, hook, tmp_path
):
    hook = hook()
    mount = bare_mounts(
        "--token-file",
        token_file,
        "--on-auth-expired",
        hook.text,
        directory=tmp_path / "it's \"my\" $HOME",
    )
    token = token_file.read_text().strip()
    issuer.revoke("token0")
    assert is_expired(mount)
    hook.wait()
    env = hook.environment()
    assert env["VAULTFS_MOUNTPOINT"] == str(mount.path)
    assert env["VAULTFS_SOURCE"] == service.url
    assert env["VAULTFS_REASON"] == "EKEYREJECTED"
    assert "revoked" in env["VAULTFS_MESSAGE"]
    assert token not in str(env)


@pytest.mark.parametrize("words", HOSTILE)
def test_nothing_that_the_service_says_is_executed(
    bare_mounts, proxy, gate, token_file, hook, words
):
    hook = hook('echo "$VAULTFS_MESSAGE" >message')
    mount = bare_mounts(
        "--token-file", token_file, "--on-auth-expired", hook.text, source=proxy.url
    )
    gate.message = HOSTILE[words]
    gate.refuses_all = True
    assert is_expired(mount)
    hook.wait_for_end()
    assert not (hook.directory / "pwned").exists()
    assert not Path("/pwned").exists()
    message = hook.environment()["VAULTFS_MESSAGE"]
    assert "touch pwned" in message and "\n" not in message


def test_what_a_terminal_would_obey_is_escaped(
    bare_mounts, proxy, gate, token_file, hook
):
    hook = hook()
    mount = bare_mounts(
        "--token-file", token_file, "--on-auth-expired", hook.text, source=proxy.url
    )
    gate.message = UGLY
    gate.refuses_all = True
    assert is_expired(mount)
    hook.wait()
    message = hook.environment()["VAULTFS_MESSAGE"]
    assert message.isprintable() and "%s %n ${HOME}" in message


def test_a_long_message_is_cut(bare_mounts, proxy, gate, token_file, hook):
    hook = hook()
    mount = bare_mounts(
        "--token-file", token_file, "--on-auth-expired", hook.text, source=proxy.url
    )
    gate.message = "\x01" * 300_000
    gate.refuses_all = True
    assert is_expired(mount)
    hook.wait()
    assert len(hook.environment()["VAULTFS_MESSAGE"]) < 10_000


def test_one_that_fetches_a_token_brings_access_back(
    bare_mounts, proxy, issuer, service, tmp_path, hook
):
    """Its success is a reason to look, also where no file is watched."""
    first, second = issuer.token("token0"), issuer.token("token1")
    answer = write_private(tmp_path / "answer", first)
    hook = hook(f"printf %s {second} >{shlex.quote(str(answer))}")
    mount = bare_mounts(
        "--token-command",
        f"cat {shlex.quote(str(answer))}",
        "--on-auth-expired",
        hook.text,
        source=proxy.url,
    )
    issuer.revoke("token0")
    assert is_expired(mount)
    wait_for(lambda: not is_expired(mount), 10, "access")
    assert len(hook.runs()) == 1


def test_one_that_fails_is_told_and_swallowed(bare_mounts, issuer, token_file, hook):
    hook = hook("echo no bell here >&2; exit 7")
    mount = bare_mounts("--token-file", token_file, "--on-auth-expired", hook.text)
    issuer.revoke("token0")
    assert is_expired(mount)
    wait_for(lambda: told(mount), what="the record")
    (record,) = told(mount)
    assert "7" in record["message"] and record["errno"] == "ECHILD"
    assert is_expired(mount)
    token_file.write_text(issuer.token("token1") + "\n")
    os.mkdir(mount / "d")
    assert len(hook.runs()) == len(told(mount)) == 1


def test_one_that_hangs_holds_nobody_up(bare_mounts, issuer, token_file, hook):
    hook = hook("sleep 1000 & echo $! >sleeper; wait")
    mount = bare_mounts("--token-file", token_file, "--on-auth-expired", hook.text)
    issuer.revoke("token0")
    assert is_expired(mount)
    sleeper = hook.directory / "sleeper"
    wait_for(lambda: sleeper.exists() and sleeper.read_text().strip())
    assert is_expired(mount)
    token_file.write_text(issuer.token("token1") + "\n")
    os.mkdir(mount / "d")
    assert is_alive(sleeper.read_text().strip()), "it came to its end before the test"
    assert mount.stop() == 0
    assert not is_alive(sleeper.read_text().strip())


@pytest.mark.slow
def test_one_that_hangs_is_killed_with_its_children_and_told(
    bare_mounts, issuer, token_file, hook
):
    hook = hook("sleep 1000 & echo $! >sleeper; wait")
    mount = bare_mounts("--token-file", token_file, "--on-auth-expired", hook.text)
    issuer.revoke("token0")
    assert is_expired(mount)
    wait_for(lambda: told(mount), 30, "the record")
    (record,) = told(mount)
    assert record["errno"] == "ETIMEDOUT"
    assert not is_alive((hook.directory / "sleeper").read_text().strip())


def test_one_that_cannot_be_found_is_told(bare_mounts, issuer, token_file):
    mount = bare_mounts(
        "--token-file", token_file, "--on-auth-expired", "no-such-program"
    )
    issuer.revoke("token0")
    assert is_expired(mount)
    wait_for(lambda: told(mount), what="the record")
    assert is_expired(mount)


def test_it_does_not_run_at_a_start_that_fails(home, service, hook):
    hook = hook()
    result = home.vaultfs(
        "mount",
        service.url,
        home.point(),
        "--on-auth-expired",
        hook.text,
        QODER_PAT="pt-wrong",
    )
    assert result.status == 2, result
    assert hook.runs() == []
