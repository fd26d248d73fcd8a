# SPDX-License-Identifier: MIT
"""An ordinary user's day: what everybody does, as somebody who is not root."""

import errno
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest

from support.examples import commands, is_printed, markdown_blocks, script
from support.paths import BUILD, REPO, VAULTFS, is_sanitized
from support.process import finish, wait_for
from support.specs import bearer, text
from support.users import HOMES, PROGRAMS

DENIED = "Permission denied"
VAULTS = f"{HOMES}/nobody/vaults"
DIRECTORY = f"{VAULTS}/prod"
FILE = f"{DIRECTORY}/github.json"


@pytest.fixture
def mounted(nobody):
    """A mount with one credential."""
    nobody.mount()
    nobody.provision()


def test_the_main_job_as_an_ordinary_user(nobody):
    nobody.mount()
    nobody.provision()
    first = json.loads(nobody.do(f"cat {FILE}"))
    nobody.do(f"cat > {FILE}", data=text(bearer(token="rotated")))  # W-rotate
    nobody.do(f"sed -i 's|\"metadata\": {{|&\"team\": \"core\",|' {FILE}")  # W-edit
    second = json.loads(nobody.do(f"cat {FILE}"))
    assert second["id"] == first["id"] and second["metadata"]["team"] == "core"
    nobody.do(f"mv {FILE} {DIRECTORY}/hub.json")
    nobody.do(f"cd {DIRECTORY} && tar -czf ~/structure.tgz .")
    assert "./hub.json" in nobody.do("tar -tzf structure.tgz").split()
    nobody.do(f"mv {DIRECTORY}/hub.json {DIRECTORY}/.archive/")
    assert nobody.do(f"ls {DIRECTORY} && ls {DIRECTORY}/.archive") == "hub.json\n"
    result = nobody.sh("echo '{\"x\": 1}' > vaults/prod/bad.json")
    assert not result and "Invalid argument" in result.err, result
    assert "Invalid argument" in nobody.do("vaultfs why")
    assert "/nobody/vaults" in nobody.do("vaultfs status")
    nobody.do("vaultfs refresh && vaultfs check local")
    nobody.do("rm -r vaults/prod")
    assert nobody.do("ls vaults") == ""
    nobody.do("vaultfs umount vaults")
    wait_for(lambda: not nobody.sh("pgrep -x 'vaultfs|vaultd'"), what="the end")


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is not installed")
def test_vim_of_an_ordinary_user_edits(nobody, mounted):
    change = "%s/\"metadata\": {/&\"by\": \"vim\",/"
    nobody.do(f"vim -Nesu NONE -c {shlex.quote(change)} -c wq {FILE}")
    assert json.loads(nobody.do(f"cat {FILE}"))["metadata"]["by"] == "vim"


def test_the_readme_works_for_an_ordinary_user(nobody):
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    examples = list(commands(markdown_blocks(readme)))
    assert examples
    built = shlex.quote(str(BUILD))
    results = Path(nobody.home, "results")
    session = script("README.md", examples, results)
    nobody.do("mkdir results bin")
    nobody.write("bin/pass", "#!/bin/sh\necho a-secret\n", 0o700)
    nobody.write("session.sh", session.replace(f"{built}/fs/", f"{PROGRAMS}/"))
    path = f"{nobody.home}/bin:{nobody.env['PATH']}"
    result = nobody.sh("bash session.sh", 120, env={"PATH": path})
    assert result, result.err + result.out
    for number, example in enumerate(examples):
        output = nobody.do(f"cat results/{number}")
        is_true = not example.output or is_printed(example.output, output)
        assert is_true, f"README.md:{example.line} {example.typed} printed:\n{output}"


@pytest.mark.parametrize("next_command", ["mount", "umount"])
def test_the_mount_of_a_killed_daemon_is_cleared_away(nobody, mounted, next_command):
    nobody.do("pkill -KILL -x vaultfs")
    wait_for(lambda: not nobody.sh("pgrep -x vaultfs"), what="the daemon's end")
    result = nobody.sh("vaultfs status")
    assert result.status == 1 and "dead" in result.err, result
    if next_command == "umount":
        nobody.do("vaultfs umount vaults")
        assert nobody.do("ls vaults") == ""
    else:
        nobody.mount()
        assert nobody.do("ls vaults") == "prod\n"
    count = nobody.do("grep -c fuse.vaultfs /proc/self/mounts || true")
    assert int(count) == (next_command == "mount")


def test_root_can_clear_away_a_users_dead_mount(machine, nobody, mounted):
    nobody.do("pkill -KILL -x vaultfs")
    machine.root.do(f"vaultfs umount {VAULTS}")
    assert "fuse.vaultfs" not in nobody.do("cat /proc/self/mounts")


def test_a_busy_mount_is_named_so_and_lazily_detached(nobody, mounted):
    holder = nobody.spawn("cd vaults/prod && echo in && read -r _", stdin=-1)
    assert holder.stdout.readline() == b"in\n"
    result = nobody.sh("vaultfs umount vaults")
    assert result.status == 1 and "in use" in result.err, result
    nobody.do("vaultfs umount --lazy vaults")
    assert nobody.do("ls vaults") == ""
    finish(holder, data=b"\n")


def test_a_lazy_unmount_frees_who_waits_for_a_daemon_that_hangs(nobody, mounted):
    nobody.do("pkill -STOP -x vaultfs")
    waiting = nobody.spawn("exec stat -f vaults")
    where = "cat /proc/$(pgrep -x stat)/wchan"
    wait_for(lambda: "request_wait" in nobody.sh(where).out, what="a request")
    nobody.do("vaultfs umount --lazy vaults")
    result = finish(waiting, 10)
    assert os.strerror(errno.ECONNABORTED) in result.err, result
    assert nobody.do("ls vaults") == ""


@pytest.mark.parametrize(
    ("place", "reason"),
    [(f"{HOMES}/root", "no write access"), ("/tmp", "not owned by user")],
)
def test_why_a_directory_cannot_be_a_mount_point_is_said(nobody, place, reason):
    result = nobody.sh(f"vaultfs mount local {place}")
    assert result.status == 1 and reason in result.err, result
    assert f"cannot mount at {place}" in result.err


def test_a_helper_that_is_missing_is_named(machine, nobody, mounted):
    machine.root.do("mount --bind /dev/null $(command -v fusermount3)")
    for command in ("vaultfs mount local other", "vaultfs umount vaults"):
        result = nobody.sh(command)
        assert result.status == 1 and "fusermount3" in result.err, result
    assert nobody.do("ls vaults") == "prod\n"


def test_a_container_without_root_has_mounts_of_its_own(nobody, mounted):
    # Its root may mount, without help, and is nobody but the user outside.
    contained = "unshare --user --map-root-user --mount"
    if not nobody.sh(f"{contained} true"):
        pytest.skip("this machine lets no user make a container")
    commands = """
        vaultfs mount local inside || exit 10
        ls -l inside && stat -c %u inside/prod/github.json
        vaultfs umount inside"""
    nobody.do("mkdir inside")
    said = nobody.do(f"{contained} bash -c {shlex.quote(commands)}")
    assert said.endswith("\n0\n")
    assert nobody.do("ls inside && ls vaults") == "prod\n"


def test_a_working_directory_that_is_closed_to_one_does_not_matter(machine, nobody):
    # As `sudo -u` leaves it.
    become = f"setpriv --reuid={nobody.uid} --regid={nobody.gid} --clear-groups"
    vaultfs = f"env HOME={nobody.home} {become} vaultfs"
    here = "mkdir -m 700 closed && cd closed"
    machine.root.do(f"{here} && {vaultfs} mount local {VAULTS}")
    nobody.provision()
    assert VAULTS in machine.root.do(f"cd closed && {vaultfs} status")
    machine.root.do(f"cd closed && {vaultfs} umount {VAULTS}")


def test_each_user_has_embedded_vaults_of_their_own(nobody, stranger, mounted):
    stranger.mount()
    assert stranger.do("ls vaults") == ""
    stranger.do("mkdir vaults/theirs")
    nobody.do("vaultfs refresh")
    assert nobody.do("ls vaults") == "prod\n"
    assert "/daemon/vaults" in stranger.do("vaultfs status")
    owners = stranger.do("ps -C vaultd -o user=")
    assert sorted(owners.split()) == ["daemon", "nobody"]


def test_a_user_in_another_group_is_another_for_the_kernel(machine, nobody, mounted):
    # As newgrp(1) makes it. It is said in the same words.
    other = f"setpriv --reuid={nobody.uid} --regid=games --clear-groups"
    result = machine.root.sh(f"{other} ls {VAULTS}")
    assert not result and DENIED in result.err, result
    result = machine.root.sh(f"{other} vaultfs status {VAULTS}")
    assert result.status == 1 and "somebody else's" in result.err


def test_a_runtime_directory_of_another_user_is_not_written_to(nobody, stranger):
    # As sudo and su may leave it in the environment.
    stranger.do("chmod 777 run")
    theirs = {"XDG_RUNTIME_DIR": f"{stranger.home}/run"}
    nobody.do("vaultfs mount local vaults", env=theirs)
    nobody.provision()
    assert stranger.do("ls -A run") == ""
    assert "journal-" in nobody.do("ls .local/state/vaultfs")


def test_root_with_a_users_environment_leaves_it_alone(machine, nobody, mounted):
    # As sudo may leave HOME.
    theirs = {"HOME": nobody.home}
    result = machine.root.sh("vaultfs mount local /mnt", env=theirs)
    assert result.status == 1 and "must be yours" in result.err, result
    assert nobody.do("find .local ! -user nobody") == ""


def test_an_account_without_a_home_mounts_what_needs_none(nobody):
    service = nobody.serve()
    nowhere = {"HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent/run"}
    nobody.do("mkdir vaults")
    mount = f"vaultfs mount {service.source} {VAULTS}"
    home = nobody.home
    nobody.do(f"{mount} --token-file {home}/token 2> {home}/log", env=nowhere)
    nobody.provision()
    result = nobody.sh("vaultfs mount local /mnt", env=nowhere)
    assert result.status == 1 and "/nonexistent" in result.err, result


# Locked memory

sanitizers_lock_nothing = pytest.mark.skipif(
    is_sanitized(VAULTFS), reason="sanitizers make mlock a no-op"
)


@sanitizers_lock_nothing
def test_a_draft_that_cannot_be_locked_says_so_and_how_to_help_it(nobody):
    service = nobody.serve()
    mount = f"vaultfs mount {service.source} vaults --token-file token"
    nobody.do(mount, locked_kib=64)
    nobody.provision()
    large = text(bearer(host="b.example", token="x" * 200_000))
    result = nobody.sh("cat > vaults/prod/large.json", data=large)
    assert not result and "Cannot allocate memory" in result.err, result
    assert "ulimit -l" in nobody.do("vaultfs why")
    assert nobody.do("ls vaults/prod") == "github.json\n"
    nobody.do("rm vaults/prod/github.json")
    nobody.provision()


@sanitizers_lock_nothing
def test_of_many_writes_each_is_done_or_was_refused(nobody):
    nobody.do("vaultfs mount local vaults && mkdir vaults/prod", locked_kib=64)
    nobody.write("spec.json", text(bearer(host="HOST")))
    write = "sed s/HOST/h$i.example/ spec.json > vaults/prod/$i.json && echo $i.json"
    command = f"for i in $(seq 40); do ({write}) & done; wait"
    done = nobody.sh(command).out.split()
    listed = nobody.do("vaultfs refresh && ls vaults/prod").split()
    assert sorted(listed) == sorted(done)
    failed = {record["path"] for record in nobody.failures()}
    assert len(failed) + len(done) == 40


@sanitizers_lock_nothing
@pytest.mark.parametrize("source", ["local", "URL"])
def test_without_locked_memory_there_is_no_mount(nobody, source):
    options = ""
    if source == "URL":
        source = nobody.serve().source
        options = "--token-file token"
    result = nobody.sh(f"vaultfs mount {source} vaults {options}", locked_kib=0)
    assert result.status in (1, 2) and "ulimit -l" in result.err, result
    assert "fuse.vaultfs" not in nobody.do("cat /proc/self/mounts")


@sanitizers_lock_nothing
def test_the_limit_of_a_login_is_enough_for_many_drafts(nobody, mounted):
    command = "; ".join(
        f"exec {fd}> vaults/prod/d{fd}.json; printf '{{\"a\":' >&{fd}"
        for fd in range(10, 110)
    )
    assert nobody.do(f"{command}; ls vaults/prod | wc -l") == "101\n"
