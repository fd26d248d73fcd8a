# SPDX-License-Identifier: MIT
"""R-wait: who waits for the network, and how the wait ends."""

import errno
import json
import os
import signal
import sys
import time

import pytest

from support.faultproxy import Hold, error
from support.mount import mounts_at
from support.process import ends_within, finish, wait_for
from support.service import CREDENTIAL, CREDENTIALS, VAULT, VAULTS
from support.specs import bearer, text

# The mounts here wait 60 s for an answer. "At once" is a small part of that.
TIMEOUT = "60"
AT_ONCE = 10

ECHO = f"echo '{json.dumps(bearer(host='new.example'))}' > prod/new.json"
CAT = f"cat > prod/new.json <<'JSON'\n{json.dumps(bearer(host='new.example'))}\nJSON"

# operation: the command, the request that hangs
HANGING = {
    "ls": (["ls", "unseen"], "GET", CREDENTIALS),
    "cat": (["cat", "unseen/old.json"], "GET", CREDENTIALS),
    "stat": (["stat", "unseen/old.json"], "GET", CREDENTIALS),
    "echo": (ECHO, "POST", CREDENTIALS),
    "cp": (["cp", "../spec.json", "prod/new.json"], "POST", CREDENTIALS),
    "rotate": (["cp", "../old.json", "prod/old.json"], "POST", CREDENTIAL),
    "mkdir": (["mkdir", "fresh"], "POST", VAULTS),
    "rm": (["rm", "prod/old.json"], "DELETE", CREDENTIAL),
    "rmdir": (["rmdir", "empty"], "DELETE", VAULT),
}


@pytest.fixture
def mount(mounts, proxy, service):
    for name in ("prod", "empty", "unseen"):
        vault = service.make_vault(name)
        if name != "empty":
            service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
    mount = mounts("--ttl", "600", "--timeout", TIMEOUT, source=proxy.url)
    mount.ls("prod")
    mount.ls("empty")
    # The kernel holds a directory's lock over mkdir: who looks up a name there
    # that it does not know yet waits behind it.
    os.stat(mount / "unseen")
    (mount.directory / "spec.json").write_bytes(text(bearer(host="new.example")))
    (mount.directory / "old.json").write_bytes(text(bearer(host="old.example")))
    return mount


@pytest.fixture
def hang(proxy):
    """Holds the next request of a kind."""

    def add(method, pattern, **options):
        hold = Hold(**options)
        proxy.on(method, pattern, hold, times=1)
        return hold

    yield add
    proxy.clear()


@pytest.mark.parametrize("operation", HANGING)
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name
)
def test_R_wait_a_deadly_signal_ends_the_wait_at_once(
    mount, hang, children, operation, number
):
    command, method, pattern = HANGING[operation]
    hold = hang(method, pattern)
    process = children(mount.spawn(command))
    hold.wait()
    process.send_signal(number)
    assert ends_within(process, AT_ONCE), f"{operation} is deaf to {number.name}"
    assert process.returncode != 0


def test_R_wait_a_second_signal_is_seen_although_the_kernel_tells_only_once(
    mount, hang, children
):
    hold = hang("POST", CREDENTIALS)
    process = children(mount.spawn(ECHO))
    hold.wait()
    process.send_signal(signal.SIGCHLD)  # bash has a handler: an INTERRUPT
    assert not ends_within(process, 0.5)
    process.send_signal(signal.SIGINT)
    assert ends_within(process, AT_ONCE)


def test_R_wait_a_child_that_ends_does_not_break_the_shells_write(
    mount, hang, children, service, tmp_path
):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    hold = hang("POST", CREDENTIALS)
    process = children(
        mount.spawn(f"cat '{fifo}' > /dev/null & {ECHO}; status=$?; wait; exit $status")
    )
    hold.wait()
    os.close(os.open(fifo, os.O_WRONLY))  # cat sees the end, and ends
    assert not ends_within(process, 0.5)
    hold.release()
    result = finish(process)
    assert result, result
    assert "new.json" in service.credentials_of("prod")


@pytest.mark.parametrize(
    "number",
    [signal.SIGCHLD, signal.SIGWINCH, signal.SIGALRM],
    ids=lambda n: n.name,
)
def test_R_wait_other_signals_do_not_break_a_write(
    mount, hang, children, service, number
):
    # Not os.write(), which repeats an interrupted call for itself.
    script = f"""
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
signal.signal({int(number)}, lambda *_: None)
signal.siginterrupt({int(number)}, True)
fd = os.open("prod/new.json", os.O_WRONLY | os.O_CREAT, 0o600)
document = open("../spec.json", "rb").read()
written = libc.write(fd, document, len(document))
assert written == len(document), os.strerror(ctypes.get_errno())
os.close(fd)
"""
    hold = hang("POST", CREDENTIALS)
    process = children(mount.spawn([sys.executable, "-c", script]))
    hold.wait()
    for _ in range(3):
        process.send_signal(number)
        assert not ends_within(process, 0.2)
    hold.release()
    result = finish(process)
    assert result, result.err
    assert "new.json" in service.credentials_of("prod")


# What was interrupted is not cancelled


def interrupted(mount, hold, children, command):
    process = children(mount.spawn(command))
    hold.wait()
    process.send_signal(signal.SIGINT)
    assert ends_within(process, AT_ONCE)
    assert process.returncode != 0


def test_R_wait_an_interrupted_create_runs_to_its_end(
    mount, hang, proxy, children, service
):
    hold = hang("POST", CREDENTIALS)
    interrupted(mount, hold, children, ["cp", "../spec.json", "prod/new.json"])
    assert "new.json" not in service.credentials_of("prod")
    # The next operation on the name waits for the outcome.
    look = children(mount.spawn(["cat", "prod/new.json"]))
    assert not ends_within(look, 0.5)
    hold.release()
    result = finish(look)
    assert result, result
    created = service.credentials_of("prod")["new.json"]
    assert json.loads(result.out)["id"] == created["id"]
    assert mount.ls("prod") == ["new.json", "old.json"]
    assert len(proxy.of("POST", CREDENTIALS)) == 1


def test_R_wait_an_interrupted_create_that_fails_leaves_no_file(
    mount, hang, children, service
):
    hold = hang("POST", CREDENTIALS, then=error(400))
    interrupted(mount, hold, children, ["cp", "../spec.json", "prod/new.json"])
    look = children(mount.spawn(["cat", "prod/new.json"]))
    hold.release()
    result = finish(look)
    assert result.status != 0 and os.strerror(errno.ENOENT) in result.err
    assert mount.ls("prod") == ["old.json"]
    assert mount.record("/prod/new.json")["errno"] == "EINVAL"


def test_R_wait_the_same_write_again_after_an_interrupt_is_one_credential(
    mount, hang, children, service
):
    hold = hang("POST", CREDENTIALS)
    interrupted(mount, hold, children, ECHO)
    again = children(mount.spawn(ECHO))
    hold.release()
    result = finish(again)
    assert result, result
    assert sorted(service.credentials_of("prod")) == ["new.json", "old.json"]
    assert mount.ls("prod") == ["new.json", "old.json"]


def test_R_wait_an_interrupted_delete_runs_to_its_end(mount, hang, children, service):
    hold = hang("DELETE", CREDENTIAL)
    interrupted(mount, hold, children, ["rm", "prod/old.json"])
    assert "old.json" in service.credentials_of("prod")
    look = children(mount.spawn(["cat", "prod/old.json"]))
    hold.release()
    result = finish(look)
    assert result.status != 0 and os.strerror(errno.ENOENT) in result.err
    assert service.credentials_of("prod") == {}
    assert mount.ls("prod") == []


def test_R_wait_an_interrupted_mkdir_runs_to_its_end(mount, hang, children, service):
    hold = hang("POST", VAULTS)
    interrupted(mount, hold, children, ["mkdir", "fresh"])
    look = children(mount.spawn(["ls", "-A", "fresh"]))
    hold.release()
    result = finish(look)
    assert result.out.split() == [".vault.json"]
    names = [v["display_name"] for v in service.vaults()]
    assert names.count("fresh") == 1


INTERRUPTED_WRITE = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGINT, lambda *_: None)
signal.siginterrupt(signal.SIGINT, True)
fd = os.open("prod/new.json", os.O_WRONLY | os.O_CREAT, 0o600)
document = open("../spec.json", "rb").read()
print(libc.write(fd, document, len(document)), ctypes.get_errno(), flush=True)
print(libc.write(fd, document, len(document)), ctypes.get_errno(), flush=True)
os.close(fd)
"""


def test_R_wait_the_same_bytes_again_join_the_request_in_flight(
    mount, hang, proxy, children, service
):
    hold = hang("POST", CREDENTIALS)
    process = children(mount.spawn([sys.executable, "-c", INTERRUPTED_WRITE]))
    hold.wait()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == f"-1 {errno.EINTR}\n".encode()
    assert not ends_within(process, 0.5)  # the second write waits, too
    hold.release()
    result = finish(process)
    assert result, result.err
    assert int(result.out.split()[0]) == len(text(bearer(host="new.example")))
    assert len(proxy.of("POST", CREDENTIALS)) == 1
    assert "new.json" in service.credentials_of("prod")


def test_R_wait_a_python_write_survives_a_handled_interrupt(
    mount, hang, proxy, children, service
):
    # PEP 475: os.write() repeats the call for itself.
    script = """
import os, signal
signal.signal(signal.SIGINT, lambda *_: None)
document = open("../spec.json", "rb").read()
fd = os.open("prod/new.json", os.O_WRONLY | os.O_CREAT, 0o600)
assert os.write(fd, document) == len(document)
os.close(fd)
"""
    hold = hang("POST", CREDENTIALS)
    process = children(mount.spawn([sys.executable, "-c", script]))
    hold.wait()
    process.send_signal(signal.SIGINT)
    assert not ends_within(process, 0.5)
    hold.release()
    result = finish(process)
    assert result, result.err
    assert len(proxy.of("POST", CREDENTIALS)) == 1
    assert "new.json" in service.credentials_of("prod")


# Others do not wait with it


@pytest.mark.parametrize("operation", ["ls", "cat", "stat", "echo", "rm"])
def test_R_wait_one_slow_vault_does_not_stop_another(
    mount, hang, children, service, operation
):
    command, method, pattern = HANGING[operation]
    other = service.make_vault("other")
    service.make_credential(other["id"], bearer(), "theirs.json")
    mount.refresh()
    wait_for(lambda: "other" in mount.ls(), what="the vault")
    if operation in ("echo", "rm"):
        mount.ls("prod")
    hold = hang(method, pattern)
    process = children(mount.spawn(command))
    hold.wait()
    assert mount.sh("ls other", AT_ONCE).out.split() == ["theirs.json"]
    mine = ECHO.replace("prod", "other")
    assert mount.sh(f"{mine} && cat other/new.json && rm other/new.json", AT_ONCE)
    assert mount.sh("mkdir another && rmdir another", AT_ONCE)
    assert not ends_within(process, 0.1)
    hold.release()
    assert finish(process)


def test_R_wait_many_blocked_callers_leave_room_for_others(
    mount, proxy, children, service
):
    specs = [bearer(host=f"h{i}.example") for i in range(40)]
    hold = Hold()
    proxy.on("POST", CREDENTIALS, hold)
    writers = [
        children(mount.spawn(f"echo '{json.dumps(spec)}' > prod/f{i}.json"))
        for i, spec in enumerate(specs)
    ]
    hold.wait(2)
    for i in range(len(specs)):
        # Each has its draft: the name shows while its writer waits.
        wait_for(lambda i=i: os.path.exists(mount / f"prod/f{i}.json"))
    assert mount.sh("cat prod/old.json && ls", AT_ONCE)
    proxy.clear()
    for writer in writers:
        assert finish(writer, 60)
    assert len(service.credentials_of("prod")) == 41


# The daemon's end


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name
)
def test_R_wait_the_daemon_ends_while_everything_hangs(
    mount, proxy, children, number
):
    hold = Hold()
    for method, pattern in (
        ("GET", CREDENTIALS),
        ("POST", CREDENTIALS),
        ("POST", VAULTS),
    ):
        proxy.on(method, pattern, hold)
    callers = [
        children(mount.spawn(command))
        for command in (["ls", "unseen"], ECHO, ["mkdir", "fresh"])
    ]
    hold.wait(3)
    process, mount.process = mount.process, None
    start = time.monotonic()
    process.send_signal(number)
    try:
        assert ends_within(process, AT_ONCE)
        assert time.monotonic() - start < 2 + 3
        assert mounts_at(mount.path) == 0
        for caller in callers:
            assert ends_within(caller, AT_ONCE)
            assert caller.returncode != 0
    finally:
        proxy.clear()
        if process.poll() is None:
            mount.process = process


def test_R_wait_umount_with_an_open_file_detaches_at_the_daemons_end(mount):
    with open(mount / "prod/old.json", "rb") as file:
        assert file.read()
        process, mount.process = mount.process, None
        process.terminate()
        assert ends_within(process, AT_ONCE)
        assert mounts_at(mount.path) == 0
