# SPDX-License-Identifier: MIT
"""A source that takes long while the token in hand works: nobody waits for it for
long, and nobody for ever, not even when it lies in the mount itself."""

import errno
import os
from pathlib import Path

import pytest

from support.errnos import errno_of
from support.faultproxy import Hold
from support.mount import mounts_at
from support.paths import VAULTFS
from support.process import ends_within, run, wait_for
from support.specs import bearer
from support.tokens import EXCHANGE, write_private

# All of it: quick runs do without.
pytestmark = pytest.mark.slow

# Seconds. Much longer than a caller waits.
AT_ONCE = 10


@pytest.fixture
def stocked(service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(), "f.json")
    return service


# One that is asked again


@pytest.fixture
def hanging(bare_mounts, stocked, command):
    """A mount that was told to look at its source, which does not answer."""
    mount = bare_mounts(
        "--ttl",
        "600",
        "--timeout",
        "2",
        "--token-command-timeout",
        "60",
        "--token-command",
        command.text,
    )
    command.hang()
    assert mount.sh("touch .vaultfs/refresh")
    return mount


def test_a_look_that_hangs_breaks_no_access(hanging, command):
    result = hanging.sh("ls && ls prod && mkdir d")
    assert result and result.out == "prod\nf.json\n", result
    assert command.runs == 2 and command.processes(), "it does not hang"
    assert hanging.account["state"] == "ok"
    assert hanging.records() == []


def test_a_look_that_hangs_brings_its_token_in_the_end(hanging, command, issuer):
    assert hanging.sh("ls")
    command.wait_until_it_hangs(2)
    command.print_token(issuer.token("second"))
    issuer.revoke("first")
    command.go_on()
    (_, sleeper) = command.processes()
    os.kill(int(sleeper), 15)
    assert hanging.sh("mkdir d")
    # touch opens the file and sets its times: that may be two looks.
    assert command.runs in (2, 3)


def test_a_changed_key_whose_exchange_hangs_breaks_no_access(
    bare_mounts, stocked, proxy, issuer, tmp_path
):
    key_file = write_private(tmp_path / "key", issuer.key("mine") + "\n")
    mount = bare_mounts(
        "--ttl",
        "0",
        "--timeout",
        "2",
        "--service-account-key-file",
        key_file,
        source=proxy.url,
    )
    hold = Hold()
    proxy.on("POST", EXCHANGE, hold)
    os.utime(key_file)
    result = mount.sh("ls && ls prod")
    assert result and result.out == "prod\nf.json\n", result
    assert hold.held == 1, "one exchange for all"
    hold.release()


# One that lies in the mount itself


def states_of(pid):
    """The state of each thread of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/stat")
    return [task.read_text().rpartition(")")[2].split()[0] for task in tasks]


# A file that is there, one that is not, and a directory.
PLACES = ["prod/f.json", "token", "prod"]


@pytest.mark.parametrize("place", PLACES)
def test_R_wait_a_token_file_that_leads_into_the_mount_holds_nobody(
    bare_mounts, stocked, issuer, tmp_path, children, place
):
    """A link that was good when it was mounted."""
    token = write_private(tmp_path / "token", issuer.token("first") + "\n")
    link = tmp_path / "link"
    link.symlink_to(token)
    mount = bare_mounts("--ttl", "0", "--token-file", link)
    link.unlink()
    link.symlink_to(mount / place)
    for command in (["ls"], ["ls", "prod"], ["mkdir", "d"], ["cat", "prod/f.json"]):
        process = children(mount.spawn(command))
        assert ends_within(process, AT_ONCE), f"{command} waits for itself"
        assert process.returncode == 0, process.stderr.read()
    wait_for(lambda: "D" not in states_of(mount.pid), what="the end of its own wait")
    assert mount.account["state"] == "ok"
    link.unlink()
    link.symlink_to(token)
    assert mount.sh("mkdir e")
    told = [r for r in mount.records() if r["operation"] == "token"]
    assert len(told) <= 1, told


@pytest.fixture
def refused(bare_mounts, stocked, proxy, gate, issuer, tmp_path):
    """Starts a mount that needs another token, and finds none but in itself."""

    def start(timeout):
        token = write_private(tmp_path / "token", issuer.token("first") + "\n")
        options = ("--ttl", "0", "--timeout", timeout, "--token-file", token)
        mount = bare_mounts(*options, source=proxy.url)
        token.unlink()
        token.symlink_to(mount / "prod/f.json")
        gate.refuses_all = True
        return mount

    return start


def test_R_wait_who_has_no_other_token_fails_by_the_deadline(refused):
    mount = refused(2)
    assert errno_of(os.listdir, mount.path) == errno.EKEYREJECTED
    # Its own look may be on its way out of it still.
    wait_for(lambda: run([VAULTFS, "umount", mount.path], env=mount.env), AT_ONCE)
    assert ends_within(mount.process, AT_ONCE)
    assert mount.process.returncode == 0


# What is mounted no more is gone when nobody is inside any more: by the deadline.
ENDS = {
    "umount -l": (4, lambda m: run([VAULTFS, "umount", "-l", m.path], env=m.env)),
    "SIGTERM": (30, lambda m: m.process.terminate()),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_mount_that_waits_for_itself_can_be_ended(refused, gate, children, end):
    timeout, end_it = ENDS[end]
    mount = refused(timeout)
    process = children(mount.spawn(["ls"]))
    # Its files are not to be looked at meanwhile: the kernel would wait, too.
    wait_for(lambda: 401 in gate.answers, what="the refusal")
    end_it(mount)
    assert ends_within(process, AT_ONCE)
    assert ends_within(mount.process, AT_ONCE), states_of(mount.pid)
    assert mounts_at(mount.path) == 0
