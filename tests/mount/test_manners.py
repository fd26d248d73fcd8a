# SPDX-License-Identifier: MIT
"""The daemon's manners: where it complains, what it keeps alive, how it is
installed, and how an unmount that fails says why."""

import errno
import os
import shutil
import signal
from pathlib import Path

import pytest

from support.mount import daemons_of, mounts_at
from support.paths import BUILD, VAULTFS
from support.process import run, wait_for
from support.specs import bearer, text


# The programs are not dumpable, and so closed to their own user.
may_look_inside = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can look into a process of the product"
)


def only(items):
    (item,) = items
    return item


def token_file(home, service):
    path = home.path / "token"
    path.touch(0o600)
    path.write_text(service.token + "\n")
    return path


# The log


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="the log goes to syslog")
def test_without_syslog_the_log_is_a_file_that_the_command_names(home, service):
    service.make_vault("prod")
    point = home.point()
    options = ["--token-file", token_file(home, service)]
    result = home.vaultfs("mount", service.url, point, *options)
    log = home.path / ".local/state/vaultfs/vaultfs.log"
    assert result.err == f"vaultfs: errors are logged to {log}\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(OSError):
        (point / "prod/f.json").write_bytes(b'{"no_such_field": 1}\n')
    line = wait_for(lambda: log.read_text(), what="the record")
    assert "/prod/f.json: EINVAL" in line and "no_such_field" in line


def test_a_log_in_a_file_of_the_callers_is_not_announced(home, service):
    log = home.path / "log"
    command = f"{VAULTFS} mount {service.url} {home.point()} 2> {log}"
    assert run(command, env=home.env | {"QODER_PAT": service.token})
    assert log.read_text() == ""
    assert list(home.path.rglob("vaultfs.log")) == []


# A service that is killed under its mounts


def killed(home):
    """Kill the embedded service; the id of the next."""
    before = only(home.vaultds())
    os.kill(before, signal.SIGKILL)
    return only(wait_for(lambda: set(home.vaultds()) - {before}, 20, "a restart"))


def is_done(action):
    try:
        action()
    except OSError as error:
        assert error.errno in (errno.ECONNREFUSED, errno.ENOENT), error
        return False
    return True


def test_local_starts_a_killed_service_again_without_a_remount(home):
    point = home.point()
    log = home.path / "log"
    assert run(f"{VAULTFS} mount local {point} 2> {log}", env=home.env)
    os.mkdir(point / "prod")
    killed(home)
    wait_for(lambda: is_done(lambda: os.mkdir(point / "more")), 20, "the service")
    (point / "more/f.json").write_bytes(text(bearer()))
    assert sorted(os.listdir(point)) == ["more", "prod"]
    wait_for(lambda: "warning: vaultd had ended" in log.read_text(), what="the warning")
    assert home.vaultfs("umount", point)
    wait_for(lambda: home.vaultds() == [], what="the service's end")
    assert home.vaultfs("mount", "local", point)
    assert sorted(os.listdir(point)) == ["more", "prod"]


def test_local_starts_a_killed_service_once_for_all_its_mounts(home):
    points = [home.point(f"p{i}") for i in range(4)]
    for point in points:
        assert home.vaultfs("mount", "local", point)
    pid = killed(home)
    for i, point in enumerate(points):
        wait_for(lambda: is_done(lambda: os.mkdir(point / f"v{i}")), 20, "the service")
    assert home.vaultds() == [pid]
    assert "another vaultd" not in (home.service() / "vaultd.log").read_text()
    for point in points:
        assert home.vaultfs("umount", point)
    wait_for(lambda: home.vaultds() == [], what="the service's end")


def test_local_keeps_the_service_up_when_its_starter_is_gone(home):
    one, two = home.point("one"), home.point("two")
    assert home.vaultfs("mount", "local", one)
    assert home.vaultfs("mount", "local", two)
    assert home.vaultfs("umount", one)
    wait_for(lambda: daemons_of(one) == [], what="the first daemon's end")
    killed(home)
    wait_for(lambda: is_done(lambda: os.mkdir(two / "prod")), 20, "the service")


def test_local_leaves_no_process_unreaped(home):
    point = home.point()
    assert home.vaultfs("mount", "local", point)
    parent = only(daemons_of(point))
    pid = killed(home)
    children = Path(f"/proc/{parent}/task")
    found = [p for t in children.iterdir() for p in (t / "children").read_text().split()]
    assert found == [str(pid)]


@may_look_inside
@pytest.mark.parametrize("name", ["QODER_PERSONAL_ACCESS_TOKEN", "QODER_PAT"])
def test_local_wipes_the_tokens_of_other_services(home, name):
    point = home.point()
    assert home.vaultfs("mount", "local", point, **{name: "pt-canary-of-another"})
    for pid in [only(daemons_of(point)), only(home.vaultds())]:
        assert b"pt-canary" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_local_names_what_keeps_the_service_from_starting(home):
    home.service().mkdir(0o700, parents=True)
    (home.service() / "key").touch(0o600)
    result = home.vaultfs("mount", "local", home.point())
    assert result.status == 1
    assert f"cannot start the service in {home.service()}: vaultd: " in result.err
    assert str(home.service() / "key") in result.err
    assert "vaultd failed" not in result.err


# Ends


def test_umount_of_a_busy_mount_names_the_way_out(home, service):
    service.make_vault("prod")
    point = home.point()
    options = ["--token-file", token_file(home, service)]
    assert home.vaultfs("mount", service.url, point, *options)
    fd = os.open(point / "prod", os.O_RDONLY)
    try:
        result = home.vaultfs("umount", point)
        assert result.status == 1 and "--lazy" in result.err, result
    finally:
        os.close(fd)


def umount_without_privilege(home, point, path):
    """As who may not use umount2(2), but owns the mount."""
    command = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    return run([*command, VAULTFS, "umount", point], env=home.env | {"PATH": path})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up a privilege")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
@pytest.mark.parametrize(
    "said, in_message",
    [
        ("failed to unmount X: Device or resource busy", "--lazy"),
        ("entry for X not found in /etc/mtab", "not found in /etc/mtab"),
        ("failed to unmount X: Operation not permitted", "Operation not permitted"),
        ("", "fusermount3 failed"),
        ("y" * 100_000, "yyyy"),
    ],
    ids=["busy", "not mounted", "not permitted", "silent", "long"],
)
def test_umount_gives_the_reason_of_fusermount3(home, mount, said, in_message):
    helper = home.path / "bin/fusermount3"
    helper.parent.mkdir()
    said_file = home.path / "said"
    said_file.write_text(said)
    helper.write_text(f"#!/bin/sh\ncat '{said_file}' >&2\nexit 1\n")
    helper.chmod(0o755)
    path = f"{helper.parent}:{os.environ['PATH']}"
    result = umount_without_privilege(home, mount.path, path)
    assert result.status == 1
    assert in_message in result.err and result.err.startswith("vaultfs: "), result
    assert result.err.count("\n") == 1 and len(result.err) < 2000
    assert mounts_at(mount.path) == 1


# Installing


@pytest.fixture
def installed(home):
    """The directory of the programs, of an installation in the user's home."""
    root = home.path / "root"
    command = ["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root]
    assert run([str(x) for x in command], 60)
    files = {p.name: p for p in root.rglob("*") if p.is_file()}
    assert sorted(files) == ["vaultd", "vaultd.1", "vaultfs", "vaultfs.1", "vaultfs.7"]
    assert files["vaultd"].parent == files["vaultfs"].parent
    return files["vaultfs"].parent


def test_what_is_installed_works_from_where_it_is(home, installed):
    point = home.point()
    # PATH has neither: the service can only be the one beside.
    result = home.vaultfs("local", point, "-o", "rw", program=installed / "vaultfs")
    assert result, result
    assert mounts_at(point) == 1 and len(home.vaultds()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount this way")
@pytest.mark.skipif(not shutil.which("mount.fuse3"), reason="no mount.fuse3")
def test_mount_8_finds_what_is_installed(home, installed):
    if run(["unshare", "-m", "true"]).status != 0:
        pytest.skip("no mount name space can be made here, in a chroot say")
    point = home.point()
    # It has a PATH of its own; so the programs are put there, in a name space.
    # It gives them the HOME of root, too.
    env = home.env | {"XDG_STATE_HOME": str(home.path / "state")}
    script = f"""
        set -e
        mount --bind '{installed}' /usr/local/bin
        mount -t fuse.vaultfs local '{point}' -o noatime
        mkdir '{point}/prod'
        umount '{point}'"""
    result = run(["unshare", "-m", "sh", "-c", script], env=env)
    assert result, result
    assert home.vaultfs("mount", "local", point)
    assert os.listdir(point) == ["prod"]
