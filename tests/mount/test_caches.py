# SPDX-License-Identifier: MIT
"""R-cheap and R-fresh in the kernel: what it keeps of a mount, so that it need
not ask, and what it must not keep. Counted in the mount's own metrics."""

import contextlib
import errno
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.process import wait_for
from support.service import Counter
from support.specs import bearer, shown, text

VAULTS, FILES = 3, 5
DIRECTORIES = VAULTS + 1

# Ways to look at every name and every attribute.
WALKS = {
    "ls -lR": "ls -lR . > /dev/null",
    "find -newer": "find . -newer /proc/self/exe > /dev/null",
    "du": "du -a . > /dev/null",
}
READ_ALL = "grep -r no-such-text .; test $? = 1"
SAMPLE = re.compile(r'^vaultfs_fuse_requests_total\{operation="(\w+)"\} (\d+)$', re.M)
OF_DIRECTORIES = {"opendir", "releasedir"}


class Traffic:
    """The FUSE requests while a block runs, by operation:

    with Traffic(mount) as asked: ...
    assert asked.counts == {"opendir": 1, "releasedir": 1}

    Forgetting is left out, which the kernel does in its own time. To look costs
    requests too, the same each time: these are taken off.
    """

    def __init__(self, mount):
        self.mount = mount
        self.counts = {}
        self._looks = 0

    def _look(self):
        self._looks += 1
        sample = (self.mount / ".vaultfs/metrics").read_text()
        return {name: int(count) for name, count in SAMPLE.findall(sample)}

    def _settled(self):
        """When all that was closed has been released, which comes later, and of
        which nobody is told; the file that this is read from is open."""

        def settled():
            now = self._look()
            is_quiet = (
                now["open"] + now["create"] == now["release"] + 1
                and now["opendir"] == now["releasedir"]
            )
            return is_quiet and (now, self._looks)

        return wait_for(settled, 10, "the releases")

    def __enter__(self):
        first, looks = self._settled()
        self._before, self._looks_before = self._settled()
        looks = self._looks_before - looks
        self._cost = {k: (self._before[k] - first[k]) // looks for k in first}
        return self

    def __exit__(self, *_):
        after, looks = self._settled()
        looks -= self._looks_before
        counts = {
            k: after[k] - self._before[k] - looks * self._cost[k]
            for k in after
            if "forget" not in k
        }
        self.counts = {k: count for k, count in counts.items() if count}


@pytest.fixture
def filled(service):
    """A few vaults made by another client. Returns the credentials by path."""
    made = {}
    for v in range(VAULTS):
        vault = service.make_vault(f"v{v}")
        for f in range(FILES):
            spec = bearer(host=f"h{f}.example")
            one = service.make_credential(vault["id"], spec, f"f{f}.json")
            made[f"v{v}/f{f}.json"] = one
    return made


def wait_until_stale(mount):
    """Until every listing is to be fetched again. Asks for none."""

    def is_stale():
        cache = json.loads((mount / ".vaultfs/status").read_text())["cache"]
        return cache["fresh_listings"] == 0 and cache["stale_listings"] > 0

    wait_for(is_stale, 20, "the end of the listings' life")


def walk(mount, command=WALKS["ls -lR"]):
    result = mount.sh(command)
    assert result, result


# What is kept


@pytest.mark.parametrize("tool", WALKS)
def test_R_cheap_a_warm_walk_asks_for_the_directories_alone(
    mounts, service, filled, tool
):
    mount = mounts("--ttl", "600")
    for _ in range(3):
        walk(mount, WALKS[tool])
    with Traffic(mount) as asked, Counter(service) as sent:
        walk(mount, WALKS[tool])
    assert set(asked.counts) == OF_DIRECTORIES
    assert asked.counts["opendir"] in (DIRECTORIES, DIRECTORIES + 1)  # "." again
    assert sent.total == 0


def test_R_cheap_a_second_walk_asks_for_no_file(mounts, filled):
    """Reading a directory, the kernel forgets when that was accessed: the second
    walk renews it, for all the vaults at once."""
    mount = mounts("--ttl", "600")
    walk(mount)
    with Traffic(mount) as asked:
        walk(mount)
    assert set(asked.counts) <= OF_DIRECTORIES | {"getattr", "readdirplus"}
    assert asked.counts.get("getattr", 0) <= 1
    assert asked.counts["readdirplus"] <= 2


def test_R_cheap_what_was_read_once_is_not_read_again(mounts, filled):
    mount = mounts("--ttl", "600")
    with Traffic(mount) as asked:
        walk(mount, READ_ALL)
    assert asked.counts["read"] == VAULTS * (FILES + 1)
    with Traffic(mount) as asked:
        walk(mount, READ_ALL)
    assert not {"read", "flush", "lookup"} & set(asked.counts)
    assert asked.counts.get("getattr", 0) <= 1  # the root's
    for _ in range(2):
        walk(mount, READ_ALL)
    with Traffic(mount) as asked:
        walk(mount, READ_ALL)
    assert set(asked.counts) == OF_DIRECTORIES | {"open", "release"}


def test_R_cheap_one_file_that_was_read_costs_one_request(mounts, filled):
    mount = mounts("--ttl", "600")
    walk(mount)
    walk(mount)
    assert (mount / "v0/f0.json").read_text()
    with Traffic(mount) as asked:
        walk(mount)
    assert set(asked.counts) == OF_DIRECTORIES | {"getattr"}
    assert asked.counts["getattr"] == 1


def test_R_fresh_a_refresh_that_finds_nothing_new_ends_nothing(
    mounts, service, filled
):
    """Each directory is read again, which renews all that is in it; no name and
    no attribute is asked for alone, and no content is read again."""
    mount = mounts("--ttl", "2")
    for _ in range(3):
        walk(mount, READ_ALL)
    wait_until_stale(mount)
    with Traffic(mount) as asked, Counter(service) as sent:
        walk(mount, WALKS["ls -lR"])
    assert sent.total == DIRECTORIES
    assert asked.counts["readdirplus"] <= 2 * DIRECTORIES
    assert "lookup" not in asked.counts
    assert asked.counts.get("getattr", 0) <= 1
    with Traffic(mount) as asked:
        walk(mount, READ_ALL)
    assert "read" not in asked.counts


def test_R_fresh_what_changed_elsewhere_is_read_again_and_nothing_else(
    mounts, service, filled
):
    mount = mounts("--ttl", "2")
    walk(mount, READ_ALL)
    mine = filled["v1/f2.json"]
    path = f"/vaults/{mine['vault_id']}/credentials/{mine['id']}"
    service.ok("POST", path, {"metadata": {"v": "changed elsewhere"}})
    service.make_credential(mine["vault_id"], bearer(host="new.example"), "new.json")
    wait_until_stale(mount)
    with Traffic(mount) as asked:
        found = mount.sh("grep -rl 'changed elsewhere' .").out.split()
    assert found == ["./v1/f2.json"]
    assert asked.counts["read"] == 2  # it, and the new one
    assert (mount / "v1/f2.json").read_text() == shown(service.ok("GET", path))
    assert "new.json" in mount.ls("v1")


# What is not kept


def test_R_fresh_own_changes_show_between_two_looks(mounts, filled):
    mount = mounts("--ttl", "600")
    vault = mount / "v0"
    before = mount.ls("v0")
    walk(mount)
    walk(mount)
    (vault / "new.json").write_bytes(text(bearer(host="new.example")))
    assert mount.ls("v0") == sorted([*before, "new.json"])
    assert mount.sh("ls -l v0/new.json")
    os.rename(vault / "new.json", vault / "other.json")
    assert mount.ls("v0") == sorted([*before, "other.json"])
    os.unlink(vault / "other.json")
    assert mount.ls("v0") == before
    os.mkdir(mount / "v9")
    assert mount.ls() == ["v0", "v1", "v2", "v9"]
    os.rmdir(mount / "v9")
    assert mount.ls() == ["v0", "v1", "v2"]
    with contextlib.suppress(OSError):
        (vault / "bad.json").write_bytes(b'{"auth": 1}\n')
    assert mount.ls("v0") == before


def test_R_fresh_inode_numbers_in_a_listing_are_those_of_the_files(mounts, filled):
    """A draft has another one than the credential that it becomes."""
    mount = mounts("--ttl", "600")
    fd = os.open(mount / "v0/new.json", os.O_WRONLY | os.O_CREAT, 0o600)
    assert "new.json" in mount.ls("v0")
    os.write(fd, text(bearer(host="new.example")))
    os.close(fd)
    for entry in os.scandir(mount / "v0"):
        assert entry.inode() == os.stat(entry.path).st_ino, entry.name


def directory(stack, path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    stack.callback(os.close, fd)
    return fd


def test_R_fresh_a_directory_opened_before_a_change_does_not_hide_it(mounts, filled):
    mount = mounts("--ttl", "600")
    vault = mount / "v0"
    before = mount.ls("v0")
    with contextlib.ExitStack() as stack:
        early = directory(stack, vault)
        (vault / "new.json").write_bytes(text(bearer(host="new.example")))
        os.listdir(early)  # as it was, and that is what the kernel caches
        for _ in range(2):
            assert mount.ls("v0") == sorted([*before, "new.json"])


def test_R_fresh_nor_does_one_that_is_read_beside_a_later_one(mounts, filled):
    mount = mounts("--ttl", "600")
    vault = mount / "v0"
    before = mount.ls("v0")
    with contextlib.ExitStack() as stack:
        early = directory(stack, vault)
        (vault / "new.json").write_bytes(text(bearer(host="new.example")))
        directory(stack, vault)
        os.listdir(early)
    for _ in range(2):
        assert mount.ls("v0") == sorted([*before, "new.json"])


def test_R_fresh_nor_from_a_later_one_that_is_read_after_it(mounts, filled):
    mount = mounts("--ttl", "600")
    vault = mount / "v0"
    os.listdir(vault)
    with contextlib.ExitStack() as stack:
        early = directory(stack, vault)
        (vault / "new.json").write_bytes(text(bearer(host="new.example")))
        os.unlink(vault / "f0.json")
        late = directory(stack, vault)
        os.listdir(early)  # into the cache, as it was
        found = os.listdir(late)
        assert "new.json" in found
        assert "f0.json" not in found
    with Traffic(mount) as asked:
        for _ in range(4):
            assert sorted(os.listdir(vault)) == sorted(found)
    assert asked.counts["readdirplus"] + asked.counts.get("readdir", 0) <= 4


def test_R_fresh_a_signal_ends_all_that_is_kept(mounts, service, filled):
    mount = mounts("--ttl", "600")
    walk(mount)
    mine = filled["v0/f0.json"]
    service.ok("DELETE", f"/vaults/{mine['vault_id']}/credentials/{mine['id']}")
    mount.refresh()
    wait_for(lambda: "f0.json" not in mount.ls("v0"), 5, "the credential's end")


def test_R_meta_who_reads_after_a_write_sees_all_of_it_however_often(mount):
    """What the kernel is told of a write must not meet the reader's question for
    the size, which it then ignores: the content would be cut at the old one."""

    def write_and_read(number):
        os.mkdir(mount / f"p{number}")
        path = mount / f"p{number}/f.json"
        path.write_bytes(text(bearer()))
        fd = os.open(path, os.O_RDONLY)
        for i in range(100):
            assert os.pread(fd, 65536, 0)  # it is in the page cache
            value = "x" * (i % 7 * 50)
            path.write_bytes(text(bearer(metadata={"v": value})))
            found = json.loads(os.pread(fd, 65536, 0))
            assert found["metadata"]["v"] == value
        os.close(fd)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_and_read, range(4)))


def test_R_meta_no_reader_finds_parts_of_two_contents(standins, mount_of):
    """Not even when another one goes on, behind him, with what it began with."""
    service = standins(vaults=1, each=0)
    (vault,) = service.names
    service.put(vault, "f.json", v="1" * 16000)
    mount = mount_of(service)
    path = mount / vault / "f.json"

    def look(stack):
        fd = os.open(path, os.O_RDONLY)
        stack.callback(os.close, fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # no page ahead
        assert os.pread(fd, 100, 0)
        return fd

    with contextlib.ExitStack() as stack:
        early = look(stack)
        service.put(vault, "f.json", v="2" * 16000)
        mount.refresh()
        wait_for(lambda: "2" in path.read_text(), 5, "the new content")
        os.posix_fadvise(early, 0, 0, os.POSIX_FADV_DONTNEED)
        look(stack)
        assert os.pread(early, 100, 8192) == b"1" * 100
        assert json.loads(path.read_text())["metadata"]["v"] == "2" * 16000


LONG = 300  # names of 200 bytes: more than the kernel asks for in one request


@pytest.fixture
def long(service):
    vault = service.make_vault("long")
    for i in range(LONG):
        name = f"{i:03}-{'x' * 190}.json"
        service.make_credential(vault["id"], bearer(host=f"h{i}.example"), name)


def remove_some(vault, names):
    for name in names[:-5]:
        os.unlink(vault / name)


def add_some(vault, _):
    for i in range(5):
        spec = bearer(host=f"new{i}.example")
        (vault / f"000-{i}.json").write_bytes(text(spec))


@pytest.mark.parametrize("change", [remove_some, add_some])
@pytest.mark.parametrize("looks", range(3))
def test_R_fresh_a_reader_meets_all_that_stays_once_while_others_look(
    mounts, long, looks, change
):
    mount = mounts("--ttl", "600")
    vault = mount / "long"
    for _ in range(looks):
        os.listdir(vault)
    with os.scandir(vault) as entries:
        seen = [next(entries).name for _ in range(40)]
        change(vault, seen[1:])  # .vault.json is the first
        os.listdir(vault)
        seen += [entry.name for entry in entries]
    assert len(seen) == len(set(seen)) == LONG + 1


def test_R_fresh_a_reader_that_removes_what_it_reads_misses_nothing(
    mounts, service, long
):
    """Also when the kernel began with what it has cached, whose rest it has to
    ask for once the names change."""
    mount = mounts("--ttl", "600")
    for _ in range(3):
        os.listdir(mount / "long")
    with Traffic(mount) as asked:
        assert len(os.listdir(mount / "long")) == LONG + 1
    assert set(asked.counts) == OF_DIRECTORIES
    with Traffic(mount) as asked, os.scandir(mount / "long") as entries:
        for entry in entries:
            os.unlink(entry.path)
    assert asked.counts["unlink"] == LONG + 1
    assert asked.counts["readdirplus"] > 1  # the rest was asked for
    assert not service.credentials_of("long")
    os.rmdir(mount / "long")


# What is counted


def test_every_metric_is_in_the_manual(mount):
    manual = Path(__file__).resolve().parents[2] / "fs/man/vaultfs.7"
    told = re.findall(r"^# TYPE (\w+)", (mount / ".vaultfs/metrics").read_text(), re.M)
    assert set(told) <= set(re.findall(r"vaultfs_\w+", manual.read_text()))
    assert "vaultfs_fuse_requests_total" in told


def test_every_request_of_the_kernel_is_counted(mounts, filled):
    """Also what no handler of ours answers: libfuse refuses extended attributes
    by itself, and the kernel asks for them only once."""
    mount = mounts("--ttl", "600")
    os.stat(mount / "v0/f0.json")
    for expected in ({"getxattr": 1}, {}):
        with Traffic(mount) as asked:
            with pytest.raises(OSError) as refused:
                os.getxattr(mount / "v0/f0.json", "user.any")
            assert refused.value.errno == errno.ENOTSUP
        assert asked.counts == expected
    with Traffic(mount) as asked:
        (mount / "v0/new.json").write_bytes(text(bearer(host="new.example")))
    assert asked.counts["create"] == asked.counts["write"] == 1
    assert asked.counts["flush"] == asked.counts["release"] == 1


def test_R_cheap_a_create_through_a_shell_costs_seven_requests(
    mounts, filled, tmp_path
):
    """The shell asks for its directory; nobody asks again for what he has just
    made."""
    mount = mounts("--ttl", "600")
    (tmp_path / "spec").write_bytes(text(bearer(host="new.example")))
    walk(mount)
    with Traffic(mount) as asked:
        assert mount.sh(f"cat {tmp_path}/spec > v0/new.json")
    once = dict.fromkeys(("getattr", "lookup", "create", "write", "release"), 1)
    assert asked.counts == {**once, "flush": 2}
