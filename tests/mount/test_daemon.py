# SPDX-License-Identifier: MIT
"""The daemon's manners: start and end, its secrets, and the embedded service."""

import errno
import json
import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from support.faultproxy import FaultProxy, error
from support.mount import daemons_of, detach, mounts_at
from support.paths import VAULTD, VAULTFS, environment, is_sanitized
from support.process import ends_within, is_alive, run, wait_for
from support.service import VAULTS
from support.specs import bearer, text

SPEC = text(bearer())


@pytest.fixture
def token_file(service, home):
    path = home.path / "token"
    path.touch(0o600)
    path.write_text(service.token + "\n")
    return path


# The programs are not dumpable, and so closed to their own user.
may_look_inside = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can look into a process of the product"
)


def only(items):
    (item,) = items
    return item


# Starting


@may_look_inside
def test_the_command_returns_when_the_mount_works(home, service, token_file):
    service.make_vault("prod")
    point = home.point()
    result = home.vaultfs("mount", service.url, point, "--token-file", token_file)
    assert result, result
    assert mounts_at(point) == 1
    assert os.listdir(point) == ["prod"]
    pid = only(daemons_of(point))
    assert os.getsid(pid) != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"


def test_the_command_leaves_no_pipe_open_behind_it(home, service, token_file):
    # A caller that reads its output to the end must see the end.
    result = home.vaultfs(
        "mount", service.url, home.point(), "--token-file", token_file
    )
    assert result, result  # run() read both pipes until they closed


@may_look_inside
@pytest.mark.parametrize(
    "name",
    ["QODER_PERSONAL_ACCESS_TOKEN", "QODER_PAT", "QODER_ACCESS_TOKEN", "MY_TOKEN"],
)
def test_a_token_from_the_environment_is_wiped_from_it(home, service, name):
    options = ["--token-env", name] if name == "MY_TOKEN" else []
    point = home.point()
    result = home.vaultfs(
        "mount", service.url, point, *options, **{name: service.token}
    )
    assert result, result
    pid = only(daemons_of(point))
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    assert service.token.encode() not in environ
    assert service.token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def fails_to_mount(home, status, *args, **env):
    point = home.point()
    result = home.vaultfs("mount", *args, point, **env)
    assert result.status == status, result
    assert result.err.strip()
    assert mounts_at(point) == 0
    assert daemons_of(point) == []
    return result.err


def test_a_refused_token_is_exit_status_2_with_the_reason(home, service):
    reason = fails_to_mount(home, 2, service.url, QODER_PAT="pt-wrongwrongwrong")
    assert re.search("401|EKEYREJECTED|rejected", reason)
    assert "pt-wrong" not in reason


def test_no_token_at_all_says_how_to_give_one(home, service):
    reason = fails_to_mount(home, 2, service.url)
    assert "auth_not_configured" in reason
    assert "--token-file" in reason


def test_a_variable_that_is_not_set_is_named(home, service):
    reason = fails_to_mount(home, 2, service.url, "--token-env", "MY_TOKEN")
    assert "auth_access_token_env_var_not_configured" in reason
    assert "MY_TOKEN" in reason


def test_a_token_file_that_others_can_read_is_refused(home, service, token_file):
    token_file.chmod(0o644)
    reason = fails_to_mount(home, 2, service.url, "--token-file", token_file)
    assert str(token_file) in reason


def test_a_service_that_is_not_there_is_exit_status_2(home, service, token_file):
    url = service.url
    service.stop()
    reason = fails_to_mount(home, 2, url, "--token-file", token_file)
    assert re.search("refused|connect", reason, re.IGNORECASE)


def test_a_forbidden_account_is_exit_status_2_with_the_services_words(
    home, service, proxy, token_file
):
    proxy.on("GET", VAULTS, error(403, "permission_error", "not on this plan"))
    reason = fails_to_mount(home, 2, proxy.url, "--token-file", token_file)
    assert "not on this plan" in reason


@pytest.mark.parametrize(
    "args",
    [
        ["--no-such-option"],
        ["--ttl", "soon"],
        ["--ttl", "-1"],
        ["--dialect", "klingon"],
        ["-o", "no_such_option"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_status_1(home, service, args):
    fails_to_mount(home, 1, service.url, *args, QODER_PAT=service.token)


def test_a_missing_mount_point_is_made(home, service):
    service.make_vault("prod")
    point = home.path / "absent"
    try:
        result = home.vaultfs("mount", service.url, point, QODER_PAT=service.token)
        assert result, result
        assert os.listdir(point) == ["prod"]
    finally:
        home.vaultfs("umount", "-l", point)
    assert os.listdir(point) == []


def test_a_mount_point_that_was_made_for_nothing_goes_again(home, service):
    point = home.path / "absent"
    result = home.vaultfs("mount", service.url, point, QODER_PAT="pt-wrong")
    assert result.status == 2
    assert not point.exists()


def test_a_mount_point_without_a_parent_is_exit_status_1(home, service):
    point = home.path / "absent" / "vaults"
    result = home.vaultfs("mount", service.url, point, QODER_PAT=service.token)
    assert result.status == 1
    assert "absent" in result.err


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/api", "http://example.com/", "ftp://127.0.0.1/", "https://u:p@h/"]
)
def test_a_token_is_not_sent_in_clear_to_strangers(home, url):
    for command in (["mount", url, home.point()], ["check", url], ["check", "--json", url]):
        result = home.vaultfs(*command, QODER_PAT="pt-x")
        assert result.status == 1, result
        assert "u:p" not in result.out + result.err


def test_help_and_version(home):
    version = home.vaultfs("--version")
    assert version and re.search(r"\d+\.\d+", version.out)
    helped = home.vaultfs("--help")
    assert helped and "mount" in helped.out and "umount" in helped.out
    assert home.vaultfs("mount", "--help").out.count("--token-file") >= 1
    assert home.vaultfs("no-such-command").status == 1


def test_nocheck_mounts_before_the_service_is_there(home, service, token_file):
    url = service.url
    service.stop()
    point = home.point()
    result = home.vaultfs("mount", url, point, "--token-file", token_file, "--nocheck")
    assert result, result
    with pytest.raises(OSError) as raised:
        os.listdir(point)
    assert raised.value.errno == errno.ECONNREFUSED
    service.start()
    wait_for(lambda: run(["ls", str(point)]).status == 0, what="the service")


# The mount(8) form


@pytest.mark.parametrize("key", ["token-file", "token_file"])
def test_the_form_that_mount_and_fstab_use(home, service, token_file, key):
    service.make_vault("prod")
    point = home.point()
    options = f"{key}={token_file},ttl=600,ro,noatime"
    result = home.vaultfs(service.url, point, "-o", options)
    assert result, result
    assert os.listdir(point) == ["prod"]
    with pytest.raises(OSError) as raised:
        os.mkdir(point / "x")
    assert raised.value.errno == errno.EROFS


def test_mount_8_shows_what_is_mounted(mount):
    lines = Path("/proc/self/mounts").read_text().splitlines()
    line = only([x for x in lines if x.split()[1] == str(mount.path)])
    assert line.split()[2] == "fuse.vaultfs"
    options = line.split()[3].split(",")
    assert "nosuid" in options and "nodev" in options


# Ending


def test_umount_ends_the_daemon(home, service, token_file):
    point = home.point()
    assert home.vaultfs("mount", service.url, point, "--token-file", token_file)
    pid = only(daemons_of(point))
    result = home.vaultfs("umount", point)
    assert result, result
    assert mounts_at(point) == 0
    wait_for(lambda: not is_alive(pid), what="the daemon's end")


def test_umount_of_a_busy_mount_says_so_and_lazy_detaches_it(
    home, service, token_file
):
    service.make_vault("prod")
    point = home.point()
    assert home.vaultfs("mount", service.url, point, "--token-file", token_file)
    fd = os.open(point / "prod", os.O_RDONLY)
    try:
        result = home.vaultfs("umount", point)
        assert result.status == 1 and "busy" in result.err
        assert mounts_at(point) == 1
        assert home.vaultfs("umount", "--lazy", point)
        assert mounts_at(point) == 0
    finally:
        os.close(fd)
    wait_for(lambda: daemons_of(point) == [], what="the daemon's end")


def test_umount_of_what_is_not_ours_is_exit_status_1(home):
    assert home.vaultfs("umount", home.point()).status == 1
    assert home.vaultfs("umount", home.path / "absent").status == 1
    assert home.vaultfs("umount", "/proc").status == 1
    assert mounts_at("/proc") == 1


def test_the_systems_umount_ends_the_daemon(mount):
    process, mount.process = mount.process, None
    assert run(["umount", str(mount.path)])
    assert ends_within(process, 10)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts_and_is_no_failure(mount, number):
    process, mount.process = mount.process, None
    process.send_signal(number)
    assert ends_within(process, 10)
    assert process.returncode == 0
    assert mounts_at(mount.path) == 0


def test_an_inherited_ignored_interrupt_still_ends_the_daemon(mounts):
    # As after `vaultfs mount -f ... &` in a shell without job control.
    mount = mounts(
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    process, mount.process = mount.process, None
    process.send_signal(signal.SIGINT)
    assert ends_within(process, 10)
    assert mounts_at(mount.path) == 0


# Secrets of the process


def may_dump_core(tmp_path):
    """Whether a process that may would leave a core here."""
    probe = subprocess.Popen(["sleep", "60"], cwd=tmp_path, preexec_fn=allow_core)
    probe.send_signal(signal.SIGABRT)
    _, status = os.waitpid(probe.pid, 0)
    probe.returncode = -signal.SIGABRT
    for core in tmp_path.glob("core*"):
        core.unlink()
    return os.WCOREDUMP(status)


def allow_core():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)


@pytest.mark.skipif(is_sanitized(VAULTFS), reason="sanitizers need a dumpable process")
def test_the_daemon_leaves_no_core(mounts, tmp_path):
    if not may_dump_core(tmp_path):
        pytest.skip("nobody can leave a core here")
    mount = mounts(preexec_fn=allow_core, cwd=tmp_path)
    os.kill(mount.pid, signal.SIGABRT)
    _, status = os.waitpid(mount.pid, 0)
    mount.process = None
    detach(mount.path)
    assert not os.WCOREDUMP(status)
    assert not list(tmp_path.glob("**/core*"))


@pytest.mark.skipif(is_sanitized(VAULTFS), reason="sanitizers need a dumpable process")
def test_the_daemons_core_limit_is_zero(mounts):
    mount = mounts(preexec_fn=allow_core)
    limits = Path(f"/proc/{mount.pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits


def locked_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmLck:\s+(\d+) kB", status)[1])


@pytest.mark.skipif(is_sanitized(VAULTFS), reason="sanitizers make mlock a no-op")
def test_a_draft_gathers_in_locked_memory(mount):
    os.mkdir(mount / "prod")
    before = locked_kib(mount.pid)
    assert before > 0  # the token
    size = 512 * 1024
    fd = os.open(mount / "prod/f.json", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, b'{"auth": {"type": "' + b"x" * size)
    assert locked_kib(mount.pid) >= before + size // 1024
    os.ftruncate(fd, 0)
    os.close(fd)
    wait_for(lambda: locked_kib(mount.pid) < before + size // 1024, what="the wipe")


# check


def test_check_tells_the_source_of_the_token_and_not_the_token(
    home, service, token_file
):
    result = home.vaultfs("check", service.url, "--token-file", token_file)
    assert result, result
    assert str(token_file) in result.out
    assert service.token not in result.out + result.err
    result = home.vaultfs("check", service.url, QODER_PAT=service.token)
    assert result and "QODER_PAT" in result.out
    assert service.token not in result.out + result.err


UNREADABLE = {
    "token file /nonexistent": ("--token-file", "/nonexistent"),
    "token command": ("--token-command", "false"),
    "key file /nonexistent": ("--service-account-key-file", "/nonexistent"),
    "descriptor 0": ("--token-fd", "0"),
    "variable QODER_PAT": (),
}


@pytest.mark.parametrize("source", UNREADABLE)
def test_check_tells_which_source_gives_no_token(home, service, source):
    options = UNREADABLE[source]
    home.env["QODER_PAT"] = "two words"
    result = home.vaultfs("check", service.url, *options)
    assert result.status == 2
    (told,) = re.findall(r"^token: +(.*)$", result.out, re.MULTILINE)
    assert source in told
    result = home.vaultfs("check", "--json", service.url, *options)
    assert result.status == 2
    assert json.loads(result.out)["token"]["source"] == told


def test_check_of_what_does_not_work_is_exit_status_2(home, service):
    assert home.vaultfs("check", service.url).status == 2
    result = home.vaultfs("check", service.url, QODER_PAT="pt-wrongwrong")
    assert result.status == 2
    assert "pt-wrong" not in result.out + result.err
    service.stop()
    assert home.vaultfs("check", service.url, QODER_PAT="pt-x").status == 2


# Other sources


def test_a_unix_socket_as_source(home, services, service):
    socket = home.path / "socket"
    other = services("--listen", f"unix:{socket}")
    other.make_vault("prod")
    point = home.point()
    result = home.vaultfs("mount", f"unix:{socket}", point, QODER_PAT=other.token)
    assert result, result
    assert os.listdir(point) == ["prod"]
    assert os.stat(socket).st_mode & 0o777 == 0o600


def test_a_url_without_a_path_is_taken_as_it_is(home, service, proxy):
    url = f"http://127.0.0.1:{proxy.port}"
    home.vaultfs("mount", url, home.point(), QODER_PAT=service.token)
    assert proxy.of("GET", r"^/vaults$")


def test_a_trailing_slash_makes_no_difference(home, service):
    point = home.point()
    assert home.vaultfs("mount", service.url + "//", point, QODER_PAT=service.token)
    assert os.listdir(point) == []


def test_a_proxy_of_the_environment_does_not_get_a_loopback_token(home, service):
    stranger = FaultProxy(service.port)
    try:
        url = f"http://127.0.0.1:{stranger.port}"
        point = home.point()
        result = home.vaultfs(
            "mount",
            service.url,
            point,
            QODER_PAT=service.token,
            http_proxy=url,
            HTTP_PROXY=url,
            ALL_PROXY=url,
            all_proxy=url,
        )
        assert result, result
        os.mkdir(point / "prod")
        assert stranger.requests == []
    finally:
        stranger.stop()


# local


def test_local_starts_one_service_for_two_mounts_and_ends_it_with_the_last(home):
    one, two = home.point("one"), home.point("two")
    assert home.vaultfs("mount", "local", one)
    pid = only(home.vaultds())
    assert home.vaultfs("mount", "local", two)
    assert home.vaultds() == [pid]
    os.mkdir(one / "prod")
    (one / "prod/f.json").write_bytes(SPEC)
    wait_for(lambda: os.path.exists(two / "prod/f.json"), 15, "the other's change")
    assert home.vaultfs("umount", one)
    wait_for(lambda: daemons_of(one) == [], what="the first daemon's end")
    assert os.listdir(two) == ["prod"]
    os.mkdir(two / "more")
    assert home.vaultds() == [pid]
    assert home.vaultfs("umount", two)
    wait_for(lambda: home.vaultds() == [], what="the service's end")


def test_local_keeps_what_was_written_and_keeps_it_private(home):
    point = home.point()
    assert home.vaultfs("mount", "local", point)
    os.mkdir(point / "prod")
    (point / "prod/f.json").write_bytes(SPEC)
    before = (point / "prod/f.json").read_text()
    assert home.vaultfs("umount", point)
    wait_for(lambda: home.vaultds() == [], what="the service's end")
    assert home.vaultfs("mount", "local", point)
    assert (point / "prod/f.json").read_text() == before
    directory = home.path / "share/vaultfs/local/default"
    assert directory.stat().st_mode & 0o777 == 0o700
    for name in ("token", "key", "socket"):
        assert (directory / name).stat().st_mode & 0o777 == 0o600, name
    for path in directory.iterdir():
        if path.is_file():
            assert b"ghp_example" not in path.read_bytes()


def test_local_ends_the_service_also_when_its_mounts_are_killed(home):
    one, two = home.point("one"), home.point("two")
    for point in (one, two):
        assert home.vaultfs("mount", "local", point)
    os.mkdir(one / "prod")
    (service_pid,) = home.vaultds()
    for point in (one, two):
        os.kill(only(daemons_of(point)), signal.SIGKILL)
    wait_for(lambda: not is_alive(service_pid), what="the service's end")
    assert home.vaultfs("mount", "local", one)
    assert os.listdir(one) == ["prod"]


def test_local_mounts_at_the_same_time_share_one_service(home):
    points = [home.point(f"p{i}") for i in range(4)]
    commands = [
        subprocess.Popen(
            [str(VAULTFS), "mount", "local", str(point)],
            env=home.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for point in points
    ]
    assert [command.wait(30) for command in commands] == [0] * 4
    assert len(home.vaultds()) == 1
    os.mkdir(points[0] / "prod")
    wait_for(lambda: os.listdir(points[3]) == ["prod"], 15, "the vault")


def test_local_names_are_separate(home):
    one, two = home.point("one"), home.point("two")
    assert home.vaultfs("mount", "local", one)
    assert home.vaultfs("mount", "local:other", two)
    os.mkdir(one / "prod")
    assert os.listdir(two) == []
    assert len(home.vaultds("default")) == len(home.vaultds("other")) == 1


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".."])
def test_local_refuses_a_name_that_is_a_path(home, name):
    result = home.vaultfs("mount", f"local:{name}", home.point())
    assert result.status == 1, result


def test_local_says_when_its_path_is_too_long_for_a_socket(home):
    long = home.path / ("x" * 120)
    result = home.vaultfs("mount", "local", home.point(), XDG_DATA_HOME=str(long))
    assert result.status == 1
    assert "107" in result.err or "too long" in result.err
    assert mounts_at(home.point()) == 0


@may_look_inside
def test_local_leaves_no_descriptor_with_the_service(home):
    point = home.point()
    assert home.vaultfs("mount", "local", point)
    pid = only(home.vaultds())
    targets = [
        os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")
    ]
    assert not [t for t in targets if t.startswith("/dev/fuse") or t.endswith("start.lock")]


def test_a_second_vaultd_on_one_directory_refuses_to_start(service):
    result = run(
        [str(VAULTD), "--data", str(service.data), "--listen", "127.0.0.1:0"],
        env=environment(service.directory),
    )
    assert result.status != 0
    assert result.err.strip()
    assert service.vaults() == []


def test_a_reloaded_mount_takes_requests_after_the_service_came_back(
    mount, service
):
    os.mkdir(mount / "prod")
    port = service.port
    service.stop()
    assert mount.sh("mkdir more").status != 0
    service.start()
    assert service.port == port
    wait_for(lambda: mount.sh("mkdir -p more").status == 0, 20, "the service")
    assert sorted(v["display_name"] for v in service.vaults()) == ["more", "prod"]


def test_two_mounts_of_one_service_do_not_disturb_each_other(mounts, service):
    made = service.make_vault("prod")
    service.make_credential(made["id"], bearer(), "old.json")
    one, two = mounts("--ttl", "1"), mounts("--ttl", "1")
    assert one.ls("prod") == two.ls("prod") == ["old.json"]
    (two / "prod/new.json").write_bytes(text(bearer(host="new.example")))
    wait_for(lambda: one.ls("prod") == ["new.json", "old.json"], 5, "the credential")
    os.unlink(one / "prod/old.json")
    wait_for(lambda: two.ls("prod") == ["new.json"], 5, "its end")
    os.mkdir(one / "more")
    wait_for(lambda: two.ls() == ["more", "prod"], 5, "the vault")
