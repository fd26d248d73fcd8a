# SPDX-License-Identifier: MIT
"""A token command that does not end: who waits for it, and who ends it."""

import errno
import os
import signal

import pytest

from support.mount import daemons_of, mounts_at
from support.paths import VAULTFS
from support.process import ends_within, spawn, wait_for
from support.specs import bearer

# Commands may take 60 s here, and requests too. "At once" is a small part of it.
PATIENT = ("--token-command-timeout", "60", "--timeout", "60")
AT_ONCE = 10


def assert_gone(command):
    wait_for(lambda: not command.processes(), what="the end of all its processes")


@pytest.fixture
def hanging(bare_mounts, service, issuer, command):
    """A mount whose next request waits for the command."""
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(), "f.json")
    mount = bare_mounts(
        "--ttl", "600", *PATIENT, "--token-command", command.text
    )
    os.stat(mount / "prod")
    issuer.revoke("first")
    command.hang()
    return mount


WAITING = {
    "cat": ["cat", "prod/f.json"],
    "ls": ["ls", "prod"],
    "mkdir": ["mkdir", "d"],
    "echo": "echo '{}' > prod/new.json; cat prod/f.json",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("what", WAITING)
def test_R_wait_who_waits_for_the_command_can_leave(
    hanging, command, children, what, number
):
    process = children(hanging.spawn(WAITING[what]))
    command.wait_until_it_hangs(2)
    process.send_signal(number)
    assert ends_within(process, AT_ONCE), f"{what} is deaf to {number.name}"
    assert process.returncode != 0
    assert command.processes(), "nobody told the command to end"


def test_what_needs_no_token_does_not_wait(hanging, command, children):
    children(hanging.spawn(["ls", "prod"]))
    command.wait_until_it_hangs(2)
    assert hanging.sh("ls && cat .vaultfs/status && cat .vaultfs/errors", timeout=10)


def test_all_go_on_when_it_answers(hanging, command, children, issuer):
    """It was slow, not dead."""
    waiting = [children(hanging.spawn(["ls", "prod"])) for _ in range(4)]
    command.wait_until_it_hangs(2)
    command.print_token(issuer.token("second"))
    command.go_on()
    (_, sleeper) = command.processes()
    os.kill(int(sleeper), signal.SIGTERM)
    for process in waiting:
        assert process.wait(AT_ONCE) == 0
    assert command.runs == 2


def test_SIGTERM_ends_a_daemon_whose_command_hangs(hanging, command, children):
    process = children(hanging.spawn(["ls", "prod"]))
    command.wait_until_it_hangs(2)
    hanging.process.send_signal(signal.SIGTERM)
    assert ends_within(hanging.process, AT_ONCE), "it waits for the command"
    assert hanging.process.returncode == 0
    assert ends_within(process, AT_ONCE)
    assert mounts_at(hanging.path) == 0
    assert_gone(command)


def test_umount_does_not_wait_for_the_command(hanging, command, children):
    process = children(hanging.spawn(["ls", "prod"]))
    command.wait_until_it_hangs(2)
    result = hanging.sh(f"{VAULTFS} umount -l {hanging.path}", cwd="/", timeout=AT_ONCE)
    assert result, result
    process.kill()
    assert ends_within(process, AT_ONCE)
    assert ends_within(hanging.process, AT_ONCE)
    assert_gone(command)


def test_a_caller_waits_for_it_no_longer_than_for_a_request(
    bare_mounts, service, issuer, command
):
    mount = bare_mounts(
        "--timeout",
        "2",
        "--token-command-timeout",
        "60",
        "--token-command",
        command.text,
    )
    issuer.revoke("first")
    command.hang()
    for http_status in (401, 0):  # the second asks nobody
        with pytest.raises(OSError) as raised:
            os.mkdir(mount / "d")
        assert raised.value.errno == errno.EKEYREJECTED
        record = mount.record("/d")
        assert record.get("http_status", 0) == http_status
        assert "no answer in time" in record["message"]
    assert command.runs == 2, "one run serves them all"
    assert "d" not in [v["display_name"] for v in service.vaults()]


def test_its_own_deadline_ends_it_and_access(bare_mounts, issuer, command):
    mount = bare_mounts(
        "--token-command-timeout", "2", "--token-command", command.text
    )
    issuer.revoke("first")
    command.hang()
    with pytest.raises(OSError) as raised:
        os.mkdir(mount / "d")
    assert raised.value.errno == errno.EKEYREJECTED
    assert_gone(command)
    command.go_on()
    command.print_token(issuer.token("second"))
    mount.refresh()

    def works():
        try:
            os.mkdir(mount / "d")
        except OSError:
            return False
        return True

    wait_for(works, 10, "access")


# At the start


@pytest.mark.parametrize("verb", ["mount", "mount -f", "check"])
def test_one_that_hangs_at_the_start_is_exit_status_2(home, service, command, verb):
    command.hang()
    point = home.point()
    verb, *flags = verb.split()
    args = [verb, service.url, *([point, *flags] if verb == "mount" else [])]
    result = home.vaultfs(
        *args, "--token-command", command.text, "--token-command-timeout", "1"
    )
    assert result.status == 2, result
    assert "command" in result.err
    assert mounts_at(point) == 0 and daemons_of(point) == []
    assert_gone(command)


@pytest.fixture
def start(home, service, command, children):
    """Starts one that waits for its command."""

    def start(verb, timeout):
        command.hang()
        verb, *flags = verb.split()
        args = [verb, service.url, *([home.point(), *flags] if verb == "mount" else [])]
        args += ["--token-command", command.text, "--token-command-timeout", timeout]
        process = children(spawn([str(VAULTFS), *map(str, args)], env=home.env))
        command.wait_until_it_hangs()
        return process

    return start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("verb", ["mount -f", "check"])
def test_Ctrl_C_at_the_start_ends_the_command_too(home, start, command, verb, number):
    """It has a process group of its own, which the terminal does not reach."""
    process = start(verb, 60)
    process.send_signal(number)
    assert ends_within(process, AT_ONCE), f"{verb} is deaf to {number.name}"
    assert process.returncode == -number
    assert_gone(command)
    assert mounts_at(home.point()) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_does_not_wait_for_a_mount_gets_none(home, start, command, number):
    """The daemon to be hears of it when its command has had its time."""
    process = start("mount", 2)
    process.send_signal(number)
    assert ends_within(process, AT_ONCE)
    assert process.returncode == -number
    assert_gone(command)
    wait_for(lambda: not daemons_of(home.point()), what="the daemon's end")
    assert mounts_at(home.point()) == 0
