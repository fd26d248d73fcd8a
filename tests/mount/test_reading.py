# SPDX-License-Identifier: MIT
"""R-meta, R-fresh, R-cheap, E-meta: what reading shows and what it costs."""

import errno
import json
import os
import shutil
import stat
import tarfile
import time
from datetime import datetime

import pytest

from support.faultproxy import Hold, reply
from support.process import finish, wait_for
from support.service import CREDENTIAL, CREDENTIALS, VAULT, VAULTS, Counter
from support.specs import bearer, oauth, shown, text, variable

SECRET_FIELDS = (
    '"token"',
    '"access_token"',
    '"secret_value"',
    '"refresh_token"',
    '"client_secret"',
)


def seconds(timestamp):
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")[:19] + "+00:00")


@pytest.fixture
def filled(service):
    """Two vaults made by another client. Returns the objects by path."""
    objects = {}
    for name in ("prod", "staging"):
        vault = service.make_vault(name, {"team": f"{name} / ünï ✓"})
        objects[f"{name}/.vault.json"] = vault
        for file, spec in (
            ("github.json", bearer(metadata={"note": "a/b \"c\" \\ é\t€ 𝄞"})),
            ("linear.json", oauth()),
            ("slack.json", variable()),
        ):
            made = service.make_credential(vault["id"], spec, file)
            objects[f"{name}/{file}"] = made
    return objects


def listed(service, thing):
    """The object as a list shows it."""
    if thing["type"] == "vault":
        return service.ok("GET", f"/vaults/{thing['id']}")
    return service.ok("GET", f"/vaults/{thing['vault_id']}/credentials/{thing['id']}")


# R-meta


def test_R_meta_a_file_is_the_object_as_the_server_shows_it(mounts, service, filled):
    mount = mounts()
    for path, thing in filled.items():
        expected = shown(listed(service, thing))
        assert (mount / path).read_text() == expected
        assert not any(field in expected for field in SECRET_FIELDS)


def test_R_meta_size_and_times_are_exact(mounts, service, filled):
    mount = mounts()
    for path, thing in filled.items():
        expected = listed(service, thing)
        info = os.stat(mount / path)
        size = len(shown(expected).encode())
        assert info.st_size == size
        assert info.st_blocks == -(-size // 512)
        moment = seconds(expected["updated_at"]).timestamp()
        assert int(info.st_mtime) == int(info.st_ctime) == int(moment)


def test_R_meta_modes_and_owner(mounts, filled):
    mount = mounts()
    for path, mode in (
        (".", 0o700),
        ("prod", 0o700),
        ("prod/github.json", 0o600),
        ("prod/.vault.json", 0o400),
    ):
        info = os.stat(mount / path)
        assert stat.S_IMODE(info.st_mode) == mode, path
        assert info.st_uid == os.getuid() and info.st_gid == os.getgid()
        assert info.st_nlink == 1


def test_R_meta_the_unlisted_names_are_not_listed(mounts, filled):
    mount = mounts()
    assert sorted(os.listdir(mount.path)) == ["prod", "staging"]
    assert sorted(os.listdir(mount / "prod")) == [
        ".vault.json",
        "github.json",
        "linear.json",
        "slack.json",
    ]


def test_R_meta_inode_numbers_are_the_same_in_every_mount(mounts, filled):
    one, other = mounts(), mounts()
    numbers = {}
    for path in [*filled, "prod", "staging"]:
        numbers[path] = os.stat(one / path).st_ino
        assert os.stat(other / path).st_ino == numbers[path]
    assert len(set(numbers.values())) == len(numbers)
    entries = {entry.name: entry.inode() for entry in os.scandir(one / "prod")}
    assert entries["github.json"] == numbers["prod/github.json"]


def test_R_meta_the_tools_that_copy_and_search(mounts, service, filled, tmp_path):
    mount = mounts()
    expected = {path: shown(listed(service, thing)) for path, thing in filled.items()}

    def check(directory):
        found = {
            str(path.relative_to(directory)): path.read_text()
            for path in directory.rglob("*")
            if path.is_file()
        }
        assert found == expected

    for number, copy in enumerate(
        (
            "cp -a . {}/",
            "cp -r . {}/",
            "tar -cf - . | tar -C {} -xf -",
            "tar -S -cf - . | tar -C {} -xf -",
            "rsync -a ./ {}/",
        )
    ):
        if shutil.which(copy.split()[0]) is None:
            continue
        out = tmp_path / f"copy{number}"
        out.mkdir()
        result = mount.sh(copy.format(out))
        assert result and not result.err, result
        check(out)
        assert mount.sh(f"diff -r . {out}")

    result = mount.sh("grep -rl github .")
    assert sorted(result.out.split()) == ["./prod/github.json", "./staging/github.json"]
    assert mount.sh("grep -rE 'ghp_|at_ex|rt_ex|cs_ex|xoxb_' .").status == 1
    assert mount.sh("find . -name '*.json' -size +0 | wc -l").out.strip() == "8"
    assert mount.sh("find . -type d | wc -l").out.strip() == "3"


def test_R_meta_a_tar_archive_is_complete(mounts, service, filled, tmp_path):
    mount = mounts()
    assert mount.sh(f"tar -czf {tmp_path}/structure.tgz .")
    with tarfile.open(tmp_path / "structure.tgz") as archive:
        for path, thing in filled.items():
            text_of = archive.extractfile(f"./{path}").read().decode()
            assert text_of == shown(listed(service, thing))


def test_R_meta_reads_in_pieces_and_beyond_the_end(mounts, service, filled):
    mount = mounts()
    expected = (mount / "prod/linear.json").read_bytes()
    fd = os.open(mount / "prod/linear.json", os.O_RDONLY)
    pieces = [os.pread(fd, 7, at) for at in range(0, len(expected) + 20, 7)]
    os.close(fd)
    assert b"".join(pieces) == expected


def test_R_meta_an_open_reader_sees_a_change_in_its_next_read(mounts, service):
    mount = mounts("--ttl", "600")
    os.mkdir(mount / "prod")
    (mount / "prod/f.json").write_bytes(text(bearer(metadata={"v": "one"})))
    fd = os.open(mount / "prod/f.json", os.O_RDONLY)
    assert json.loads(os.pread(fd, 65536, 0))["metadata"]["v"] == "one"
    longer = "two" * 50
    (mount / "prod/f.json").write_bytes(text(bearer(metadata={"v": longer})))
    assert json.loads(os.pread(fd, 65536, 0))["metadata"]["v"] == longer
    os.close(fd)


def test_R_meta_a_write_handle_reads_what_was_committed(mounts, service):
    mount = mounts()
    os.mkdir(mount / "prod")
    fd = os.open(mount / "prod/f.json", os.O_RDWR | os.O_CREAT, 0o600)
    document = text(bearer(token="sesame"))
    os.write(fd, document[:-4])
    assert os.pread(fd, 65536, 0) == b""
    os.write(fd, document[-4:])
    created = service.credentials_of("prod")["f.json"]
    assert os.pread(fd, 65536, 0).decode() == shown(created)
    assert os.fstat(fd).st_size == len(shown(created).encode())
    os.close(fd)


# R-fresh


def test_R_fresh_own_changes_are_seen_at_once_by_every_process(mount):
    os.mkdir(mount / "prod")
    assert mount.sh("ls -A prod").out.split() == [".vault.json"]
    for i in range(10):
        path = mount / f"prod/f{i}.json"
        path.write_bytes(text(bearer(host=f"h{i}.example")))
        assert mount.sh(f"cat prod/f{i}.json").out == path.read_text()
        assert len(mount.sh("ls prod").out.split()) == i + 1
        assert os.stat(path).st_size == len(path.read_bytes())
    for i in range(10):
        os.unlink(mount / f"prod/f{i}.json")
        assert mount.sh(f"test -e prod/f{i}.json").status == 1
        assert len(mount.ls("prod")) == 9 - i


def test_R_fresh_a_rotation_is_seen_at_once(mount):
    os.mkdir(mount / "prod")
    for value in ("one", "a much longer value", "3"):
        (mount / "prod/f.json").write_bytes(text(bearer(metadata={"v": value})))
        shown_now = mount.sh("cat prod/f.json").out
        assert json.loads(shown_now)["metadata"]["v"] == value
        assert int(mount.sh("stat -c %s prod/f.json").out) == len(shown_now)


def test_R_fresh_a_change_made_elsewhere_is_seen_within_ttl(mounts, service):
    mount = mounts("--ttl", "1")
    assert mount.ls() == []
    vault = service.make_vault("prod")
    # A generous factor over the second that was asked for.
    wait_for(lambda: mount.ls() == ["prod"], 5, "the vault")
    assert mount.ls("prod") == []
    made = service.make_credential(vault["id"], bearer(), "theirs.json")
    wait_for(lambda: mount.ls("prod") == ["theirs.json"], 5, "the credential")
    before = (mount / "prod/theirs.json").read_text()
    path = f"/vaults/{vault['id']}/credentials/{made['id']}"
    service.ok("POST", path, {"metadata": {"v": "new"}})
    wait_for(lambda: (mount / "prod/theirs.json").read_text() != before, 5, "the edit")
    service.ok("DELETE", path)
    wait_for(lambda: not os.path.exists(mount / "prod/theirs.json"), 5, "the end")
    assert mount.ls("prod") == []


def test_R_fresh_a_new_name_made_elsewhere_is_found_within_ttl(mounts, service):
    mount = mounts("--ttl", "1")
    vault = service.make_vault("prod")
    wait_for(lambda: os.path.exists(mount / "prod"), 5, "the vault")
    assert not os.path.exists(mount / "prod/theirs.json")
    service.make_credential(vault["id"], bearer(), "theirs.json")
    wait_for(lambda: os.path.exists(mount / "prod/theirs.json"), 5, "the credential")


def test_R_fresh_a_signal_makes_it_now(mounts, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(metadata={"v": "one"}), "f.json")
    mount = mounts("--ttl", "600")
    assert mount.ls("prod") == ["f.json"]
    with Counter(service) as sent:
        assert mount.ls("prod") == ["f.json"]
        assert mount.ls() == ["prod"]
    assert sent.total == 0  # the listings live on: what follows is the signal
    mine = service.credentials_of("prod")["f.json"]
    path = f"/vaults/{vault['id']}/credentials/{mine['id']}"
    service.ok("POST", path, {"metadata": {"v": "two"}})
    service.make_credential(vault["id"], bearer(host="h.example"), "theirs.json")
    service.make_vault("second")
    mount.refresh()
    wait_for(lambda: mount.ls() == ["prod", "second"], 5, "the vault")
    wait_for(lambda: mount.ls("prod") == ["f.json", "theirs.json"], 5, "the credential")
    now = service.ok("GET", path)
    wait_for(lambda: (mount / "prod/f.json").read_text() == shown(now), 5, "the edit")
    service.ok("DELETE", f"/vaults/{vault['id']}")
    mount.refresh()
    wait_for(lambda: mount.ls() == ["second"], 5, "the vault's end")
    wait_for(lambda: not os.path.exists(mount / "prod/f.json"), 5, "the file's end")


def test_R_fresh_a_listing_in_flight_does_not_undo_a_change_made_here(
    proxied, proxy, service
):
    mount = proxied
    os.mkdir(mount / "prod")
    (mount / "prod/old.json").write_bytes(text(bearer(host="old.example")))
    document = text(bearer(host="new.example"))
    draft = os.open(mount / "prod/new.json", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(draft, document[:20])
    hold = Hold(before_acting=False)
    proxy.on("GET", CREDENTIALS, hold, times=1)
    mount.refresh()
    try:
        looks = []

        def is_asked():
            looks.append(mount.spawn("ls prod"))
            return hold.held

        wait_for(is_asked, what="a listing in flight")
        # vaultd has answered without new.json; the answer is still under way.
        os.write(draft, document[20:])
        os.close(draft)
        assert "new.json" in service.credentials_of("prod")
    finally:
        hold.release()
    for look in looks:
        assert "old.json" in finish(look).out
    assert mount.ls("prod") == ["new.json", "old.json"]
    assert mount.sh("cat prod/new.json")


def held_back(exchange):
    """A list as a service shows it that has not caught up: without anything."""
    page = {"data": [], "next_page": None, "has_more": False}
    return reply(200, json.dumps(page).encode())(exchange)


def test_R_fresh_what_was_made_here_stays_though_a_listing_lacks_it(proxied, proxy):
    mount = proxied
    os.mkdir(mount / "prod")
    (mount / "prod/f.json").write_bytes(text(bearer()))
    before = (mount / "prod/f.json").read_text()
    lagging = [
        proxy.on("GET", VAULTS, held_back),
        proxy.on("GET", CREDENTIALS, held_back),
    ]
    mount.refresh()
    wait_for(lambda: mount.ls() == ["prod"] and lagging[0].hits, what="a look")
    wait_for(
        lambda: mount.ls("prod") == ["f.json"] and lagging[1].hits, what="a look"
    )
    assert (mount / "prod/f.json").read_text() == before


def test_R_fresh_what_was_removed_here_stays_away_though_a_listing_has_it(
    proxied, proxy, service
):
    mount = proxied
    os.mkdir(mount / "prod")
    for name in ("kept", "gone"):
        path = mount / f"prod/{name}.json"
        path.write_bytes(text(bearer(host=f"{name}.example")))
    path = f"/vaults/{service.vault('prod')['id']}/credentials?limit=100"
    old = json.dumps(service.ok("GET", path)).encode()
    os.unlink(mount / "prod/gone.json")
    lagging = proxy.on("GET", CREDENTIALS, reply(200, old))
    mount.refresh()
    wait_for(lambda: mount.ls("prod") == ["kept.json"] and lagging.hits, 5, "a look")
    assert not os.path.exists(mount / "prod/gone.json")


# R-cheap


@pytest.mark.parametrize("vaults", [0, 1, 100, 101, 250])
def test_R_cheap_the_root_costs_a_request_a_hundred_vaults(mounts, service, vaults):
    for i in range(vaults):
        service.make_vault(f"v{i:03}")
    with Counter(service) as sent:
        mount = mounts("--ttl", "600")
        assert len(mount.ls()) == vaults
        assert len(mount.ls()) == vaults
    # The mount's own probe is the first page.
    assert sent.count("GET", VAULTS) == max(1, -(-vaults // 100))
    assert sent.total == sent.count("GET", VAULTS)


@pytest.mark.parametrize("credentials", [0, 1, 100, 101, 250])
def test_R_cheap_a_vault_costs_a_request_a_hundred_credentials(
    mounts, service, credentials
):
    vault = service.make_vault("prod")
    for i in range(credentials):
        service.make_credential(vault["id"], bearer(host=f"h{i}.example"), f"{i}.json")
    mount = mounts("--ttl", "600")
    assert mount.ls() == ["prod"]
    with Counter(service) as sent:
        assert len(mount.ls("prod")) == credentials
    assert sent.count("GET", CREDENTIALS) == max(1, -(-credentials // 100))
    assert sent.total == sent.count("GET", CREDENTIALS)
    with Counter(service) as sent:
        assert mount.sh("ls -lR . && cat */.vault.json && find . -newer /etc/passwd")
        mount.sh("grep -r nothing .; cat prod/*.json; stat prod/*; du -a .; file prod")
        mount.sh("ls prod/absent.json; test -e absent")
    assert sent.total == 0


def test_R_cheap_looking_at_one_vault_fetches_one_vault(mounts, service):
    for name in ("a", "b", "c"):
        vault = service.make_vault(name)
        service.make_credential(vault["id"], bearer(), "f.json")
    mount = mounts("--ttl", "600")
    with Counter(service) as sent:
        assert mount.sh("ls -l")
    assert sent.count("GET", CREDENTIALS) == 0
    with Counter(service) as sent:
        assert mount.sh("cat b/f.json")
    assert sent.count("GET", CREDENTIALS) == sent.total == 1


def test_R_cheap_many_callers_share_one_listing(mounts, service):
    vault = service.make_vault("prod")
    for i in range(20):
        service.make_credential(vault["id"], bearer(host=f"h{i}.example"), f"{i}.json")
    mount = mounts("--ttl", "600")
    with Counter(service) as sent:
        callers = [mount.spawn("ls prod | wc -l") for _ in range(16)]
        assert {finish(caller).out.strip() for caller in callers} == {"20"}
    assert sent.count("GET", CREDENTIALS) == 1


def test_R_cheap_each_change_costs_one_request(mount, service):
    with Counter(service) as sent:
        assert mount.sh("mkdir prod")
    assert (sent.count("POST", VAULTS), sent.total) == (1, 1)
    assert mount.sh("ls prod")
    (mount.directory / "spec.json").write_bytes(text(bearer()))
    for command, method, pattern in (
        ("cat ../spec.json > prod/f.json", "POST", CREDENTIALS),
        ("cat ../spec.json > prod/f.json", "POST", CREDENTIAL),
        ("rm prod/f.json", "DELETE", CREDENTIAL),
    ):
        with Counter(service) as sent:
            assert mount.sh(command)
            assert mount.sh("ls -l prod && cat prod/.vault.json")
        assert (sent.count(method, pattern), sent.total) == (1, 1), command
    with Counter(service) as sent:
        assert mount.sh("rmdir prod")
    assert sent.count("DELETE", VAULT) == 1
    assert sent.total <= 2  # it looks once more before it deletes


def test_R_cheap_ls_l_asks_nothing_for_extended_attributes(mounts, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(), "f.json")
    mount = mounts("--ttl", "600")
    assert mount.sh("ls -l prod")
    with Counter(service) as sent:
        result = mount.sh("ls -lZ prod; cp -a prod/f.json ../f.json")
        assert result, result
    assert sent.total == 0


# E-meta


@pytest.fixture
def file(mount):
    os.mkdir(mount / "prod")
    path = mount / "prod/f.json"
    path.write_bytes(text(bearer()))
    return path


def code_of(call):
    with pytest.raises(OSError) as raised:
        call()
    return raised.value.errno


def test_E_meta_chmod_and_utimes_succeed_and_change_nothing(file, service):
    before = os.stat(file)
    with Counter(service) as sent:
        for path in (file, file.parent):
            os.chmod(path, 0o755)
            os.utime(path, (1, 1))
            os.utime(path)
            os.chown(path, os.getuid(), os.getgid())
            os.chown(path, -1, -1)
    assert sent.total == 0
    after = os.stat(file)
    assert stat.S_IMODE(after.st_mode) == 0o600
    assert after.st_mtime_ns == before.st_mtime_ns
    assert stat.S_IMODE(os.stat(file.parent).st_mode) == 0o700


def test_E_meta_chown_to_another_owner_is_refused(file):
    assert code_of(lambda: os.chown(file, os.getuid() + 1, -1)) == errno.EPERM
    assert code_of(lambda: os.chown(file, -1, os.getgid() + 1)) == errno.EPERM
    assert os.stat(file).st_uid == os.getuid()


def test_E_meta_links_devices_and_pipes_are_refused(file):
    other = file.parent / "other.json"
    assert code_of(lambda: os.link(file, other)) == errno.EPERM
    assert code_of(lambda: os.symlink("f.json", other)) == errno.EPERM
    assert code_of(lambda: os.mkfifo(other)) == errno.EPERM
    device = os.makedev(1, 3)
    assert code_of(lambda: os.mknod(other, stat.S_IFCHR, device)) == errno.EPERM
    assert not os.path.lexists(other)


def test_E_meta_there_are_no_extended_attributes(file):
    assert code_of(lambda: os.getxattr(file, "user.x")) == errno.ENOTSUP
    assert code_of(lambda: os.setxattr(file, "user.x", b"1")) == errno.ENOTSUP
    # Linux answers listxattr(2) itself when a file system has no handler.
    try:
        assert os.listxattr(file) == []
    except OSError as reason:
        assert reason.errno == errno.ENOTSUP


def test_E_meta_statfs_is_never_zero(mount, file):
    info = os.statvfs(mount.path)
    assert info.f_blocks > 0 and info.f_bfree > 0 and info.f_bavail > 0
    assert info.f_files > 0 and info.f_ffree > 0
    assert info.f_bsize > 0 and info.f_namemax == 255
    assert mount.sh("df . && df -i .")


def test_E_meta_truncating_a_credential_by_name_is_accepted(mount, file, service):
    before = file.read_text()
    with Counter(service) as sent:
        os.truncate(file, 0)
    assert sent.count("POST") == 0
    assert file.read_text() == before


def test_E_meta_a_directorys_time_is_the_last_change_here(mount):
    os.mkdir(mount / "prod")
    before = os.stat(mount / "prod").st_mtime_ns
    start = time.time()
    (mount / "prod/f.json").write_bytes(text(bearer()))
    after = os.stat(mount / "prod").st_mtime_ns
    assert after > before
    assert abs(after / 1e9 - start) < 60
