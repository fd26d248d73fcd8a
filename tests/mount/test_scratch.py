# SPDX-License-Identifier: MIT
"""E-scratch and E-park: what tools write on their way to a name, and what they
move out of the way."""

import contextlib
import errno
import faulthandler
import json
import mmap
import os
import resource
import signal
import stat

import pytest

from support.faultproxy import error
from support.process import wait_for
from support.service import CREDENTIAL, CREDENTIALS, Counter
from support.specs import bearer, text

SCRATCH_NAMES = [
    ".github.json.swp",
    ".#github.json",
    "#github.json#",
    "github.json~",
    "4913",
    "sedAbC123",
    "tmpa1b2c3_8",
    "XXabcdefg",
    "github.json.tmp",
    "github.json.new",
    "github.json.bak",
    "github.json.orig",
    "github.json.old",
    "github.json.part",
    "00000",
]
FILES_MAX = 64


@contextlib.contextmanager
def opened(path, flags=os.O_RDWR | os.O_CREAT):
    fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def raises(code):
    return pytest.raises(OSError, match=os.strerror(code))


@pytest.fixture
def github(prod, service):
    """prod with one credential."""
    (prod / "github.json").write_bytes(text(bearer()))
    return prod / "github.json"


def only(service, vault="prod"):
    """The one credential of a vault."""
    (credential,) = service.credentials(service.vault(vault)["id"])
    return credential


@pytest.mark.parametrize("name", SCRATCH_NAMES)
def test_E_scratch_is_never_sent(prod, service, name):
    with Counter(service) as sent:
        (prod / name).write_bytes(text(bearer()))
        assert os.listdir(prod) == [".vault.json", name]
        assert (prod / name).stat().st_size == len(text(bearer()))
        os.chmod(prod / name, 0o644)
        os.utime(prod / name)
        os.unlink(prod / name)
        assert not (prod / name).exists()
    assert sent.total == 0


def test_E_scratch_names_mean_the_same_at_the_root(mount, service):
    os.listdir(mount.path)
    with Counter(service) as sent:
        for name in SCRATCH_NAMES:
            (mount / name).write_bytes(b"anything")
            os.unlink(mount / name)
            with raises(errno.EPERM):
                os.mkdir(mount / name)
    assert sent.total == 0


def test_E_scratch_takes_bytes_anywhere_as_an_editors_swap_file_needs(prod):
    with opened(prod / ".a.swp") as fd:
        os.pwrite(fd, b"end", 5000)
        os.pwrite(fd, b"begin", 0)
        os.fsync(fd)
        assert os.pread(fd, 9000, 0) == b"begin" + bytes(4995) + b"end"
        assert os.fstat(fd).st_size == 5003
        os.ftruncate(fd, 3)
        os.ftruncate(fd, 5)
        assert os.pread(fd, 9000, 0) == b"beg\0\0"
        assert os.fstat(fd).st_size == 5


def test_E_scratch_is_read_back_only_by_the_handle_that_wrote_it(mount, prod):
    path = prod / "a.tmp"
    with opened(path) as fd:
        os.write(fd, b"a secret")
        assert os.pread(fd, 100, 0) == b"a secret"
        with raises(errno.EACCES):
            os.open(path, os.O_RDONLY)
        with opened(path, os.O_RDWR) as other:
            with raises(errno.EACCES):
                os.pread(other, 100, 0)
        assert os.pread(fd, 100, 0) == b"a secret"
    result = mount.sh("cat prod/a.tmp")
    assert result.status != 0
    assert result.out == ""
    with opened(path, os.O_RDWR) as fd, raises(errno.EACCES):
        os.read(fd, 100)
    with opened(path, os.O_RDWR | os.O_TRUNC) as fd:
        assert os.read(fd, 100) == b""
        assert os.fstat(fd).st_size == 0


def test_E_scratch_no_page_cache_keeps_what_was_written(prod):
    """What is read through the handle that may is not left for one that may
    not."""
    with opened(prod / "a.tmp") as fd:
        os.write(fd, b"a secret")
        assert os.pread(fd, 8, 0) == b"a secret"
        with opened(prod / "a.tmp", os.O_RDWR) as other, raises(errno.EACCES):
            os.pread(other, 8, 0)


def test_E_scratch_renamed_is_committed_inside_the_rename(prod, service):
    (prod / "a.tmp").write_bytes(text(bearer()))
    with Counter(service) as sent:
        os.rename(prod / "a.tmp", prod / "github.json")
    assert sent.count("POST", CREDENTIALS) == 1
    assert sent.total == 1
    assert os.listdir(prod) == [".vault.json", "github.json"]
    assert not (prod / "a.tmp").exists()
    document = (prod / "github.json").read_bytes()
    assert (prod / "github.json").stat().st_size == len(document)
    assert json.loads(document) == service.credentials_of("prod")["github.json"]
    assert b"ghp_example" not in document


def test_E_scratch_renamed_over_a_credential_rotates_it(github, service):
    before = only(service)
    digest = service.sealed_digest(before["id"])
    (github.parent / "sedAbC123").write_bytes(text(bearer(token="another")))
    with Counter(service) as sent:
        os.rename(github.parent / "sedAbC123", github)
    assert sent.count("POST", CREDENTIAL) == 1
    assert sent.total == 1
    assert only(service)["id"] == before["id"]
    assert service.sealed_digest(before["id"]) != digest
    assert json.loads(github.read_text())["updated_at"] != before["updated_at"]


def test_E_scratch_renamed_edits_without_the_secret(github, service):
    """What was read, changed, and moved into its place."""
    before = only(service)
    digest = service.sealed_digest(before["id"])
    document = json.loads(github.read_text())
    document["metadata"]["team"] = "docs"
    (github.parent / "github.json.new").write_text(json.dumps(document))
    with Counter(service) as sent:
        os.replace(github.parent / "github.json.new", github)
    assert sent.count("POST", CREDENTIAL) == 1
    assert sent.total == 1
    assert only(service)["id"] == before["id"]
    assert only(service)["metadata"]["team"] == "docs"
    assert service.sealed_digest(before["id"]) == digest


def test_E_scratch_that_is_refused_stays_with_all_its_bytes(mount, github, service):
    path = github.parent / "a.tmp"
    bad = text(bearer() | {"colour": "red"})
    with opened(path) as fd:
        os.write(fd, bad)
        with Counter(service) as sent, raises(errno.EINVAL):
            os.rename(path, github)
        assert sent.total == 0
        assert os.pread(fd, 1000, 0) == bad
        os.ftruncate(fd, 0)
        os.pwrite(fd, text(bearer(token="another")), 0)
    record = mount.record("/prod/github.json")
    assert record["operation"] == "rename"
    assert record["param"] == "colour"
    os.rename(path, github)
    assert len(service.credentials_of("prod")) == 1


@pytest.mark.parametrize("document", [b"", b"  ", b'{"auth": ', b"text", b"{} {}"])
def test_E_scratch_without_a_whole_document_is_not_renamed(prod, service, document):
    (prod / "a.tmp").write_bytes(document)
    with Counter(service) as sent, raises(errno.EINVAL):
        os.rename(prod / "a.tmp", prod / "a.json")
    assert sent.total == 0
    assert os.listdir(prod) == [".vault.json", "a.tmp"]
    assert (prod / "a.tmp").stat().st_size == len(document)


def test_E_scratch_a_refusal_by_the_service_loses_nothing(proxied, proxy, service):
    os.mkdir(proxied / "prod")
    path = proxied / "prod" / "a.tmp"
    path.write_bytes(text(bearer()))
    proxy.on("POST", CREDENTIALS, error(403, "permission_error"), times=1)
    with raises(errno.EACCES):
        os.rename(path, proxied / "prod" / "github.json")
    assert not (proxied / "prod" / "github.json").exists()
    os.rename(path, proxied / "prod" / "github.json")
    assert list(service.credentials_of("prod")) == ["github.json"]


def test_E_scratch_what_is_written_after_the_rename_fails(prod):
    with opened(prod / "a.tmp") as fd:
        os.write(fd, text(bearer()))
        os.rename(prod / "a.tmp", prod / "a.json")
        with raises(errno.EINVAL):
            os.write(fd, b"more")


def test_E_scratch_has_at_most_as_many_files_as_it_says(prod):
    for number in range(FILES_MAX):
        (prod / f"{number}.tmp").touch()
    with raises(errno.ENOSPC):
        (prod / "more.tmp").touch()
    os.unlink(prod / "0.tmp")

    # The kernel tells of a close in its own time.
    def has_room():
        with contextlib.suppress(OSError):
            (prod / "more.tmp").touch()
        return (prod / "more.tmp").exists()

    wait_for(has_room)


def test_E_scratch_a_file_is_no_bigger_than_a_spec(prod):
    with opened(prod / "a.tmp") as fd:
        with raises(errno.EFBIG):
            os.pwrite(fd, b"x", 1024 * 1024)


def test_E_scratch_ends_with_the_mount(mounts, service):
    mount = mounts()
    os.mkdir(mount / "prod")
    (mount / "prod" / "a.tmp").write_bytes(text(bearer()))
    mount.stop()
    mount.start()
    assert mount.ls("prod") == []


def test_E_scratch_survives_a_refresh(mount, prod, service):
    (prod / "a.tmp").write_bytes(text(bearer()))
    service.make_credential(service.vault("prod")["id"], bearer(host="b"), "b.json")
    mount.refresh()
    wait_for(lambda: (prod / "b.json").exists())
    assert mount.ls("prod") == ["a.tmp", "b.json"]
    os.rename(prod / "a.tmp", prod / "a.json")
    assert sorted(service.credentials_of("prod")) == ["a.json", "b.json"]


def test_E_scratch_hinders_rmdir_as_any_file_does(mount, prod):
    (prod / "a.tmp").touch()
    with raises(errno.ENOTEMPTY):
        os.rmdir(prod)
    assert mount.sh("rm -r prod")
    assert not prod.exists()


# E-park


def test_E_park_asks_nobody(github, service):
    inode = github.stat().st_ino
    parked = github.parent / "github.json~"
    with opened(github, os.O_RDONLY) as fd, Counter(service) as sent:
        os.rename(github, parked)
        assert not github.exists()
        assert parked.stat().st_ino == inode
        assert parked.read_bytes() == os.pread(fd, 10000, 0)
        os.rename(parked, github)
        assert not parked.exists()
        assert github.stat().st_ino == inode
    assert sent.total == 0


def test_E_park_what_an_editor_does_is_one_update(github, service):
    """rename f f~; create f; write; unlink f~."""
    before = only(service)
    parked = github.parent / "github.json~"
    document = json.loads(github.read_text())
    document["metadata"]["team"] = "docs"
    with Counter(service) as sent:
        os.rename(github, parked)
        with opened(github, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
            os.ftruncate(fd, 0)
            os.write(fd, json.dumps(document).encode())
            os.fsync(fd)
        assert json.loads(parked.read_text()) == before
        os.unlink(parked)
    assert sent.count("POST", CREDENTIAL) == 1
    assert sent.total == 1
    assert only(service)["id"] == before["id"]
    assert only(service)["metadata"]["team"] == "docs"
    assert stat.S_ISREG(github.stat().st_mode)


def test_E_park_removing_it_deletes_when_nothing_took_its_place(github, service):
    parked = github.parent / "github.json.bak"
    os.rename(github, parked)
    with Counter(service) as sent:
        os.unlink(parked)
    assert sent.count("DELETE", CREDENTIAL) == 1
    assert service.credentials_of("prod") == {}
    assert os.listdir(github.parent) == [".vault.json"]


def test_E_park_another_credential_in_its_place_replaces_it(github, service):
    parked = github.parent / "github.json~"
    os.rename(github, parked)
    github.write_bytes(text(bearer(host="other.example.com")))
    assert len(service.credentials(service.vault("prod")["id"])) == 2
    os.unlink(parked)
    assert "other.example.com" in json.dumps(only(service))
    assert os.listdir(github.parent) == [".vault.json", "github.json"]


def test_E_park_shows_in_this_mount_only_and_ends_with_it(
    mounts, mount, github, service
):
    os.rename(github, github.parent / "github.json~")
    other = mounts()
    assert other.ls("prod") == ["github.json"]
    mount.refresh()
    assert mount.ls("prod") == ["github.json~"]
    mount.stop()
    mount.start()
    assert mount.ls("prod") == ["github.json"]


def test_E_park_a_vaults_own_metadata_stays_in_its_place(mount, prod):
    """Where the service cannot change a vault."""
    with raises(errno.EOPNOTSUPP):
        os.rename(prod / ".vault.json", prod / ".vault.json~")
    assert (prod / ".vault.json").exists()
    assert mount.record("/prod/.vault.json")["operation"] == "rename"


def test_E_park_a_vaults_own_metadata_is_edited_by_an_editor(services, mounts):
    """Where it can: rename, create, write, unlink."""
    service = services("--dialect", "anthropic")
    mount = mounts(
        "--dialect", "anthropic", source=service.url, token=service.token
    )
    os.mkdir(mount / "prod")
    path, parked = mount / "prod" / ".vault.json", mount / "prod" / ".vault.json~"
    before = path.read_text()
    document = json.loads(before)
    document["metadata"]["team"] = "docs"
    os.rename(path, parked)
    assert not path.exists()
    assert parked.read_text() == before
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
        os.write(fd, json.dumps(document).encode())
    os.unlink(parked)
    assert service.vault("prod")["metadata"] == {"team": "docs"}
    assert json.loads(path.read_text())["metadata"] == {"team": "docs"}
    assert os.listdir(mount / "prod") == [".vault.json"]


# mmap(2)


def is_bus_error(action):
    """Whether it kills who does it; in a child, which it may well kill."""
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.disable()
        action()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGBUS


def test_E_scratch_what_is_written_never_reaches_the_page_cache(prod):
    # There every other handle would find it, and no reader is asked who it is.
    with opened(prod / "a.tmp") as writer, opened(prod / "a.tmp") as other:
        os.write(writer, b"A" * 5000)
        for fd in writer, other:
            with mmap.mmap(fd, 5000, mmap.MAP_PRIVATE, mmap.PROT_READ) as view:
                assert is_bus_error(lambda view=view: view[0])
        assert os.pread(writer, 5000, 0) == b"A" * 5000
        with pytest.raises(PermissionError):
            os.pread(other, 1, 0)
