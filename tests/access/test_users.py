# SPDX-License-Identifier: MIT
"""An ordinary user's mount, and who else gets in: nobody, and with --allow-other
root alone."""

import json
import re
import shlex
import struct

import pytest

from support.faultproxy import FaultProxy, Hold
from support.paths import VAULTFS, is_sanitized
from support.process import finish, wait_for
from support.service import CREDENTIALS
from support.specs import bearer, text
from support.users import HOMES

DENIED = "Permission denied"
VAULTS = f"{HOMES}/nobody/vaults"
DIRECTORY = f"{VAULTS}/prod"
FILE = f"{DIRECTORY}/github.json"


@pytest.fixture
def closed(nobody):
    """A mount as it is by default, with one credential."""
    nobody.mount()
    nobody.provision()


@pytest.fixture
def opened(machine, nobody):
    """The same with --allow-other."""
    machine.consent()
    nobody.mount("--allow-other")
    nobody.provision()


# Nobody else

LOOKS = {
    "stat": f"stat {VAULTS}",
    "ls": f"ls {VAULTS}",
    "cd": f"cd {VAULTS}",
    "stat of a file": f"stat {FILE}",
    "cat": f"cat {FILE}",
    "find": f"find {VAULTS}/.",
    "tar": f"tar -C {VAULTS} -c . > /dev/null",
    "write": f"echo x > {FILE}",
    "append": f"echo x >> {FILE}",
    "mkdir": f"mkdir {VAULTS}/new",
    "rm": f"rm -f {FILE}",
    "rmdir": f"rmdir {DIRECTORY}",
    "mv": f"mv {FILE} {DIRECTORY}/other.json",
    "status": f"cat {VAULTS}/.vaultfs/status",
    "errors": f"cat {VAULTS}/.vaultfs/errors",
    "refresh": f"touch {VAULTS}/.vaultfs/refresh",
    "a link by id": f"ls {VAULTS}/.vaultfs/by-id",
}


def assert_shut_out(user, owner, looks):
    before = owner.do(f"cat {FILE} && ls -A {VAULTS}")
    for name, command in looks.items():
        result = user.sh(command)
        assert not result and DENIED in result.err, (user.name, name, result)
    for command in ("status", "why", "refresh"):
        result = user.sh(f"vaultfs {command} {VAULTS}")
        assert result.status == 1 and "somebody else's" in result.err, result
    assert owner.do(f"cat {FILE} && ls -A {VAULTS}") == before
    assert owner.do("cat vaults/.vaultfs/errors") == ""


@pytest.mark.parametrize("name", ["root", "daemon"])
def test_by_default_nobody_else_gets_in_not_even_root(machine, nobody, closed, name):
    assert_shut_out(machine.user(name), nobody, LOOKS)


@pytest.mark.parametrize("mounted", ["closed", "opened"])
def test_root_of_a_container_is_another_user(nobody, stranger, mounted, request):
    request.getfixturevalue(mounted)
    contained = "unshare --user --map-root-user"
    if not stranger.sh(f"{contained} true"):
        pytest.skip("this machine lets no user make a container")
    assert stranger.do(f"{contained} id -u") == "0\n"
    for look in ("ls", "cat", "write", "mkdir", "rm", "status"):
        result = stranger.sh(f"{contained} bash -c {shlex.quote(LOOKS[look])}")
        assert not result and DENIED in result.err, (look, result)
    assert nobody.do("ls vaults") == "prod\n"


def test_allow_other_lets_no_ordinary_user_in(machine, nobody, opened):
    # A mount point's own mode is then as open as that of any directory.
    looks = {name: look for name, look in LOOKS.items() if name != "stat"}
    assert_shut_out(machine.user("daemon"), nobody, looks)


def test_allow_other_lets_root_look_and_back_up(machine, nobody, opened):
    assert machine.root.do(f"ls {DIRECTORY}") == "github.json\n"
    mine = nobody.do(f"cat {FILE}")
    assert machine.root.do(f"cat {FILE}") == mine
    machine.root.do(f"mkdir back && tar -C {VAULTS} -c . | tar -C back -x")
    assert machine.root.do("cat back/prod/github.json") == mine
    owner = machine.root.do("stat -c '%U %a' back/prod back/prod/github.json")
    assert owner == "nobody 700\nnobody 600\n"
    assert not machine.root.sh("grep -r ghp_example back")
    status = json.loads(machine.root.do(f"vaultfs status --json {VAULTS}"))
    assert status["source"] == "local"


def test_what_root_writes_there_is_the_users(machine, nobody, opened):
    # Root passes the checks of modes on any file system; here as well.
    spec = text(bearer(host="b.example"))
    machine.root.do(f"cat > {DIRECTORY}/roots.json", data=spec)
    line = machine.root.do(f"stat -c '%U %G %a' {DIRECTORY}/roots.json")
    assert line == "nobody nogroup 600\n"
    assert "b.example" in nobody.do("cat vaults/prod/roots.json")
    machine.root.do(f"rm {DIRECTORY}/roots.json")
    assert nobody.do("ls vaults/prod") == "github.json\n"


def test_a_failure_of_roots_is_recorded_with_roots_process(machine, nobody, opened):
    write = f"echo $$ && exec dd of={DIRECTORY}/bad.json status=none"
    result = machine.root.sh(write, data=b'{"type": "klingon"}')
    assert not result and "Invalid argument" in result.err, result
    (record,) = nobody.failures()
    assert record["pid"] == int(result.out)
    assert record["path"] == "/prod/bad.json"


def test_root_is_told_of_an_unfinished_document(machine, nobody, opened):
    # Who opened a file is asked of the kernel by the user's daemon.
    machine.root.write("half.json", '{"type": ')
    result = machine.root.sh(f"cp half.json {DIRECTORY}/half.json")
    assert not result and "Invalid argument" in result.err, result
    assert nobody.do("ls vaults/prod") == "github.json\n"


def test_root_can_interrupt_what_waits_for_the_service(machine, nobody):
    machine.consent()
    service = nobody.serve()
    proxy = FaultProxy(int(re.search(r":(\d+)", service.source)[1]))
    try:
        nobody.mount("--allow-other", "--token-file", "token", source=proxy.url)
        nobody.do("mkdir vaults/prod")
        nobody.do("vaultfs refresh")
        hold = Hold()
        proxy.on("GET", CREDENTIALS, hold)
        waiting = machine.root.spawn(f"exec ls {DIRECTORY}")
        hold.wait()
        machine.root.do("pkill -INT -x ls")
        assert finish(waiting, 10).status != 0
        hold.release()
    finally:
        proxy.stop()


def test_roots_own_mount_needs_no_consent_and_stays_closed(machine, nobody):
    root = machine.root
    root.do("vaultfs mount local ~/vaults --allow-other && mkdir vaults/prod")
    result = nobody.sh(f"ls {HOMES}/root/vaults")
    assert not result and DENIED in result.err, result
    root.do("vaultfs umount ~/vaults")


@pytest.mark.parametrize("where", ["", "-f"], ids=["background", "foreground"])
def test_allow_other_needs_the_machines_consent(nobody, where):
    result = nobody.sh(f"vaultfs mount {where} local ~/vaults --allow-other")
    assert result.status == 1, result
    assert "user_allow_other" in result.err and "cannot mount" in result.err
    assert not nobody.sh("ls -d vaults")  # it was made for nothing
    assert "fuse.vaultfs" not in nobody.do("cat /proc/self/mounts")
    wait_for(lambda: not nobody.sh("pgrep -x vaultd"), what="the service's end")


def test_the_kernel_checks_modes_whoever_is_let_in(nobody, opened):
    line = nobody.do("grep fuse.vaultfs /proc/self/mounts")
    options = set(line.split()[3].split(","))
    wanted = {"nosuid", "nodev", "default_permissions", "allow_other"}
    assert options >= wanted | {f"user_id={nobody.uid}", f"group_id={nobody.gid}"}


# What is the user's beside the mount

# Below the home.
PLACES = ".local/share/vaultfs .local/state/vaultfs run"
UMOUNTS = ["vaultfs umount", "vaultfs umount --lazy", "fusermount3 -u", "umount"]


@pytest.mark.parametrize("mounted", ["closed", "opened"])
def test_another_user_cannot_unmount(stranger, nobody, mounted, request):
    request.getfixturevalue(mounted)
    for command in UMOUNTS:
        result = stranger.sh(f"{command} {VAULTS}")
        assert not result, (command, result)
        if command.startswith("vaultfs"):
            assert "is somebody else's" in result.err, result
    assert nobody.do("ls vaults") == "prod\n"


def test_another_user_cannot_mount_there(stranger, closed):
    result = stranger.sh(f"vaultfs mount local {VAULTS}")
    assert result.status == 1 and result.err.strip(), result


def test_root_can_end_a_users_mount(machine, nobody, closed):
    machine.root.do(f"vaultfs umount {VAULTS}")
    assert nobody.do("ls vaults") == ""
    wait_for(lambda: not nobody.sh("pgrep -x vaultfs"), what="the daemon's end")


def test_the_embedded_service_and_its_data_are_closed_to_others(
    nobody, stranger, closed
):
    data = f"{HOMES}/nobody/.local/share/vaultfs/local/default"
    # The directory keeps others out, and so would each file by itself.
    nobody.do("chmod a+rx .local .local/share")
    listed = stranger.sh(f"ls {data}")
    assert not listed and DENIED in listed.err
    assert nobody.do(f"find {PLACES} -perm /077") == ""
    nobody.do("cd .local/share/vaultfs && chmod a+rx . local local/default")
    names = stranger.do(f"ls {data}").split()
    assert {"socket", "token", "key", "vaults.db"} <= set(names)
    for name in names:
        result = stranger.sh(f"cat {data}/{name}")
        assert not result, name
    token = nobody.do(f"cat {data}/token").strip()
    stranger.write("token", token + "\n")
    result = stranger.sh(f"curl -sS --unix-socket {data}/socket http://x/")
    assert result.status == 7, result
    result = stranger.sh(f"vaultfs check unix:{data}/socket --token-file token")
    assert result.status == 2 and DENIED in result.err, result


def test_a_careless_umask_opens_nothing(nobody):
    nobody.do("umask 0 && vaultfs mount local vaults")
    nobody.provision()
    assert nobody.do(f"find {PLACES} vaults -perm /077") == ""


@pytest.mark.parametrize("name", ["daemon", "root"])
def test_a_token_goes_to_no_socket_of_another_user(machine, nobody, name):
    # It is open to all, and yet whoever made it is not whom the token is for.
    nobody.serve("--listen", f"unix:{HOMES}/nobody/socket")
    nobody.do("chmod 777 socket")
    client = machine.user(name)
    client.write("token", "pt-of-mine\n")
    result = client.sh(f"vaultfs check unix:{HOMES}/nobody/socket --token-file token")
    assert result.status == 2, result
    assert "the socket's peer is neither root nor this user" in result.err
    assert not nobody.sh("grep -q GET service.log")


def test_a_socket_of_roots_serves_users(machine, nobody):
    service = machine.root.serve("--listen", f"unix:{HOMES}/root/socket")
    machine.root.do("chmod 777 socket")
    nobody.write("token", service.token + "\n")
    nobody.mount("--token-file", "token", source=f"unix:{HOMES}/root/socket")
    nobody.provision()


@pytest.mark.skipif(is_sanitized(VAULTFS), reason="sanitizers need a dumpable process")
def test_the_processes_are_closed_to_others_and_to_their_own_user(
    nobody, stranger, closed
):
    for pid in nobody.do("pgrep -x 'vaultfs|vaultd'").split():
        for user in (nobody, stranger):
            for name in ("environ", "mem", "maps", "fd/0", "auxv"):
                result = user.sh(f"cat /proc/{pid}/{name} > /dev/null")
                assert not result and DENIED in result.err, (user.name, name, result)
        assert not stranger.sh(f"kill -TERM {pid}")
    assert len(nobody.do("pgrep -x 'vaultfs|vaultd'").split()) == 2


def test_what_all_can_see_of_a_process_has_no_token(nobody, stranger):
    service = nobody.serve()
    nobody.mount("--token-file", "token", source=service.source)
    lines = stranger.do("ps -eo args")
    assert "--token-file" in lines and service.token not in lines


# The token's file

TOKEN_FILES = {
    # owner, mode: what is said; None: taken
    "mine": ("nobody", 0o600, None),
    "mine, read-only": ("nobody", 0o400, None),
    "mine, for my group": ("nobody", 0o640, "chmod 600"),
    "mine, for others": ("nobody", 0o604, "chmod 600"),
    "another's": ("daemon", 0o600, DENIED),
    "another's, for all": ("daemon", 0o644, "belongs to another user"),
    "another's, which all can write": ("daemon", 0o666, "belongs to another user"),
    "root's": ("root", 0o400, DENIED),
    "root's, for all": ("root", 0o444, "chmod 600"),
}


@pytest.mark.parametrize("case", TOKEN_FILES)
def test_whose_token_file_is_taken(machine, nobody, case):
    owner, mode, reason = TOKEN_FILES[case]
    service = nobody.serve()
    keeper = machine.user(owner)
    keeper.write("the-token", service.token + "\n", mode)
    path = f"{keeper.home}/the-token"
    for command in ("check", "mount"):
        where = f"{service.source} {'~/vaults' if command == 'mount' else ''}"
        result = nobody.sh(f"vaultfs {command} {where} --token-file {path}")
        if reason is None:
            assert result, result
        else:
            assert result.status == 2 and reason in result.err, result
            assert path in result.err and service.token not in result.err


def test_root_takes_no_token_file_of_an_ordinary_user(machine, nobody):
    # Root could read it; but then the user would choose whose vaults root has.
    service = nobody.serve()
    path = f"{HOMES}/nobody/token"
    result = machine.root.sh(f"vaultfs check {service.source} --token-file {path}")
    assert result.status == 2 and "belongs to another user" in result.err


# What setfacl(1) makes of a file that one user may read: the owner's, that
# user's, the group's, the mask, the others' rights. The mask shows as the group's.
READ, NONE, NO_ID = 4, 0, 0xFFFFFFFF


def for_one_reader(uid):
    entries = [(1, READ, NO_ID), (2, READ, uid), (4, NONE, NO_ID), (16, READ, NO_ID),
               (32, NONE, NO_ID)]  # fmt: skip
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def test_a_credential_of_systemds_is_taken(machine, nobody, stranger):
    service = nobody.serve()
    root = machine.root
    root.write("vaultfs-token", service.token + "\n", 0o400)
    acl = for_one_reader(nobody.uid)
    give = f"os.setxattr('vaultfs-token', 'system.posix_acl_access', {acl!r})"
    root.do(f"/usr/bin/python3 -c {shlex.quote('import os; ' + give)}")
    assert root.do("stat -c '%a %U' vaultfs-token") == "440 root\n"
    given = {"CREDENTIALS_DIRECTORY": root.home}
    check = f"vaultfs check {service.source}"
    said = nobody.do(check, env=given)
    assert "credential vaultfs-token" in said and service.token not in said
    assert stranger.sh(check, env=given).status == 2
    # As any other file, it is open to a group.
    result = nobody.sh(f"{check} --token-file {root.home}/vaultfs-token")
    assert result.status == 2 and "open to others" in result.err, result
