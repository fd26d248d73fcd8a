# SPDX-License-Identifier: MIT
"""A daemon that is killed or hangs: what becomes of its mount, and of what was
acknowledged."""

import errno
import os
import signal
from pathlib import Path

import pytest

from support.faultproxy import Hold
from support.mount import is_answering, mounts_at
from support.process import finish, stop, wait_for
from support.service import CREDENTIALS, VAULT, VAULTS
from support.specs import bearer, text


def test_a_dead_mount_is_detached_by_the_next(mount):
    mount.kill()
    assert mounts_at(mount.path) == 1
    with pytest.raises(OSError) as raised:
        os.stat(mount.path)
    assert raised.value.errno == errno.ENOTCONN
    mount.start()
    assert mounts_at(mount.path) == 1
    assert mount.ls() == []


def test_a_dead_mount_can_be_unmounted(mount, home):
    mount.kill()
    assert home.vaultfs("umount", mount.path)
    assert mounts_at(mount.path) == 0


def refreshed(mount, proxy, descriptor):
    """Forget every listing; that is done when a vault is fetched anew."""
    before = len(proxy.of("GET", CREDENTIALS))
    mount.refresh()

    def is_fetched():
        os.listdir(f"/proc/self/fd/{descriptor}/")
        return len(proxy.of("GET", CREDENTIALS)) > before

    wait_for(is_fetched, what="a listing after the refresh")


@pytest.mark.parametrize("operation", ["mkdir new", "rmdir prod"])
def test_killed_while_an_operation_holds_what_changed_it_is_a_dead_mount(
    proxied, proxy, operation
):
    # The kernel forgets a name with the lock of its directory, which here waits
    # for the daemon.
    for name in "prod", "other":
        os.mkdir(proxied / name)
        assert proxied.ls(name) == []
    descriptor = os.open(proxied / "other", os.O_RDONLY)
    try:
        hold = Hold()
        proxy.on("POST", VAULTS, hold)
        proxy.on("DELETE", VAULT, hold)
        process = proxied.spawn(operation.split())
        hold.wait()
        refreshed(proxied, proxy, descriptor)
        proxied.kill()
        assert not finish(process, 5)
        with pytest.raises(OSError) as raised:
            os.statvfs(proxied.path)
        assert raised.value.errno == errno.ENOTCONN
        hold.release()
    finally:
        os.close(descriptor)


@pytest.fixture
def stopped(mount):
    # Until the daemon has answered the kernel's first request, the next one waits
    # to be sent, and not for a reply.
    os.statvfs(mount.path)
    stop(mount.pid)
    yield mount
    os.kill(mount.pid, signal.SIGCONT)


def test_a_mount_that_does_not_answer_is_in_the_way_but_not_for_ever(
    stopped, home, service
):
    result = home.vaultfs("mount", service.url, stopped.path, QODER_PAT=service.token)
    assert result.status == 1
    assert "umount --lazy" in result.err
    assert mounts_at(stopped.path) == 1


def test_a_lazy_unmount_frees_who_waits_for_a_mount_that_does_not_answer(stopped, home):
    waiting = stopped.spawn(["stat", "-f", stopped.path], cwd="/")
    wait_for(lambda: "request_wait" in wchan(waiting.pid), what="a request")
    assert home.vaultfs("umount", "--lazy", stopped.path)
    assert mounts_at(stopped.path) == 0
    result = finish(waiting, 5)
    assert os.strerror(errno.ECONNABORTED) in result.err


def wchan(pid):
    return Path(f"/proc/{pid}/wchan").read_text()


def test_a_second_mount_on_a_living_one_is_refused(mount, home, service):
    result = home.vaultfs("mount", service.url, mount.path, QODER_PAT=service.token)
    assert result.status == 1, result
    assert mounts_at(mount.path) == 1
    assert is_answering(mount.path)


def test_what_was_acknowledged_survives_the_service_being_killed(mount, service):
    os.mkdir(mount / "prod")
    for i in range(20):
        (mount / f"prod/f{i}.json").write_bytes(text(bearer(host=f"h{i}.example")))
    service.stop(signal.SIGKILL)
    service.start()
    assert len(service.credentials_of("prod")) == 20
    (mount / "prod/more.json").write_bytes(text(bearer(host="more.example")))
    assert len(mount.ls("prod")) == 21
