# SPDX-License-Identifier: MIT
"""What no caller is told is recorded, once; and what is no loss is not."""

import errno
import itertools
import json
import os
import signal
import stat
import threading

import pytest

from support.faultproxy import Hold, error
from support.process import ends_within, wait_for
from support.service import CREDENTIAL, CREDENTIALS, VAULTS
from support.specs import bearer, text

# The mounts behind the proxy wait 60 s for an answer. "At once" is a small part
# of that.
TIMEOUT = "60"
AT_ONCE = 10


@pytest.fixture
def prod(mount):
    os.mkdir(mount / "prod")
    return mount / "prod"


@pytest.fixture
def remote(mounts, proxy, service):
    """A mount behind the proxy, with a credential that it has seen."""
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
    mount = mounts("--ttl", "600", "--timeout", TIMEOUT, source=proxy.url)
    assert mount.ls("prod") == ["old.json"]
    yield mount
    proxy.clear()


def records_at_the_end(mount, path):
    """All that a mount recorded for a path; ends it, so that no more comes."""
    assert mount.stop() == 0
    return [r for r in mount.records() if r["path"] == path]


# Lists that do not end


class Endless:
    """The first page again and again, each time with a fresh cursor."""

    def __init__(self):
        self._lock = threading.Lock()
        self._cursors = itertools.count()
        self._first = None

    def __call__(self, exchange):
        with self._lock:
            if self._first is None:
                self._first = exchange.upstream()
        status, headers, body = self._first
        cursor = f"more-{next(self._cursors)}"
        page = json.loads(body) | {"has_more": True, "next_page": cursor}
        exchange.send(status, headers, json.dumps(page).encode())
        return True


@pytest.mark.parametrize("pattern", [VAULTS, CREDENTIALS])
def test_a_list_that_does_not_end_is_ebadmsg(remote, proxy, pattern):
    proxy.on("GET", pattern, Endless())
    remote.refresh()

    def fails():
        result = remote.sh("stat prod/old.json", timeout=AT_ONCE)
        return result.status != 0 and os.strerror(errno.EBADMSG) in result.err

    wait_for(fails, what="the refresh")
    path = "/" if pattern == VAULTS else "/prod"
    record = wait_for(
        lambda: [r for r in remote.records() if r["errno"] == "EBADMSG"],
        what="the record",
    )[-1]
    assert record["path"].startswith(path)
    assert "does not end" in record["message"]
    proxy.clear()
    assert remote.sh("stat prod/old.json")


def test_R_down_one_look_waits_for_an_outage_and_the_others_do_not(
    mounts, proxy, service
):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(), "f.json")
    mount = mounts("--ttl", "0", "--timeout", TIMEOUT, source=proxy.url)
    assert mount.ls("prod") == ["f.json"]

    def look():
        assert mount.sh("ls prod", timeout=AT_ONCE).out == "f.json\n"

    # A listing lives ten times what it took to fetch: look until it is over.
    outage = proxy.on("GET", CREDENTIALS, error(500))
    wait_for(lambda: look() or outage.hits, what="the outage")
    hold = Hold()
    proxy.on("GET", CREDENTIALS, hold)
    wait_for(lambda: look() or hold.held, what="the probe")
    look()
    assert hold.held == 1
    proxy.clear()


# Changes whose caller left

CHANGES = {
    "mkdir": ("mkdir new", "POST", VAULTS, "/new"),
    "rm": ("rm prod/old.json", "DELETE", CREDENTIAL, "/prod/old.json"),
    "write": ("cp ../new.json prod", "POST", CREDENTIALS, "/prod/new.json"),
}


@pytest.fixture(params=CHANGES)
def hanging(request, remote, proxy, children):
    """A change that waits for the service: its process, the hold, its path."""
    (remote.directory / "new.json").write_bytes(text(bearer(host="new.example")))
    command, method, pattern, path = CHANGES[request.param]
    hold = Hold(before_acting=False)
    proxy.on(method, pattern, hold, times=1)
    process = children(remote.spawn(f"exec {command}"))
    hold.wait()
    return process, hold, path


def test_R_wait_a_change_that_was_done_after_all_is_recorded(remote, hanging):
    process, hold, path = hanging
    process.send_signal(signal.SIGINT)
    assert ends_within(process, AT_ONCE)
    hold.release()

    def done():
        return [r for r in remote.records() if r["path"] == path and not r["errno"]]

    (record,) = wait_for(done, what="the record")
    assert record["level"] == "info"
    assert "done" in record["message"]


def test_R_wait_a_change_in_flight_at_the_end_is_recorded_as_unknown(remote, hanging):
    _, _, path = hanging
    records = records_at_the_end(remote, path)
    assert "ECANCELED" in [r["errno"] for r in records]
    assert "not known" in records[-1]["message"]


# W-incomplete: one record for each draft that was dropped, and for no other


def test_W_incomplete_a_document_in_two_parts_leaves_no_record(mount, prod, service):
    document = text(bearer()).decode()
    env = mount.env | {"A": document[:30], "B": document[30:]}
    script = 'exec 3> prod/f.json; printf "%s" "$A" >&3; printf "%s" "$B" >&3; exec 3>&-'
    assert mount.sh(script, env=env)
    assert list(service.credentials_of("prod")) == ["f.json"]
    assert records_at_the_end(mount, "/prod/f.json") == []


def test_W_incomplete_a_dropped_draft_leaves_one_record(mount, prod):
    script = "import os; fd = os.open('prod/f.json', os.O_WRONLY | os.O_CREAT)\n"
    script += "os.write(fd, b'{'); copy = os.dup(fd)\n"
    script += "for each in (fd, copy):\n"
    script += "    try: os.close(each)\n"
    script += "    except OSError as reason: print(reason.errno)\n"
    result = mount.sh(["/usr/bin/python3", "-c", script])
    assert result.out == f"{errno.EINVAL}\n" * 2
    wait_for(lambda: mount.ls("prod") == [], what="the end of the draft")
    (record,) = records_at_the_end(mount, "/prod/f.json")
    assert record["errno"] == "EINVAL"
    assert "unfinished" in record["message"]
    assert record["pid"] > 0


# W-empty


def test_W_empty_a_redirection_of_nothing_leaves_a_record(mount, prod):
    assert mount.sh("true > prod/new.json")
    (record,) = records_at_the_end(mount, "/prod/new.json")
    assert "the service does not know" in record["message"]


def test_W_empty_a_touched_name_leaves_no_record(mount, prod):
    assert mount.sh("touch prod/new.json")
    assert mount.ls("prod") == ["new.json"]
    assert records_at_the_end(mount, "/prod/new.json") == []


def test_W_empty_a_truncation_by_path_leaves_a_record(mount, prod):
    (prod / "f.json").write_bytes(text(bearer()))
    before = (prod / "f.json").read_bytes()
    os.truncate(prod / "f.json", len(before))
    os.truncate(prod / "f.json", 0)
    assert (prod / "f.json").read_bytes() == before
    (record,) = records_at_the_end(mount, "/prod/f.json")
    assert record["operation"] == "truncate"
    assert "as it was" in record["message"]


# The file system as a whole

REFUSED_READ_ONLY = {
    "mknod": lambda root: os.mknod(root / "prod/new", stat.S_IFREG | 0o600),
    "mkfifo": lambda root: os.mkfifo(root / "prod/new"),
    "symlink": lambda root: os.symlink("f.json", root / "prod/new"),
    "link": lambda root: os.link(root / "prod/f.json", root / "prod/new"),
    "rename": lambda root: os.rename(root / "prod/f.json", root / "prod/new"),
    "rename vault": lambda root: os.rename(root / "prod", root / "new"),
    "chmod": lambda root: os.chmod(root / "prod/f.json", 0o600),
    "chown": lambda root: os.chown(root / "prod/f.json", 4711, 4711),
    "utimens": lambda root: os.utime(root / "prod/f.json"),
    "truncate": lambda root: os.truncate(root / "prod/f.json", 0),
    "mkdir in a vault": lambda root: os.mkdir(root / "prod/new"),
    "create at the root": lambda root: os.open(root / "f", os.O_CREAT | os.O_WRONLY),
    "open .vault.json": lambda root: os.open(root / "prod/.vault.json", os.O_WRONLY),
    "unlink .vault.json": lambda root: os.unlink(root / "prod/.vault.json"),
}


@pytest.mark.parametrize("change", REFUSED_READ_ONLY)
def test_a_read_only_mount_says_so_before_anything_else(mounts, service, change):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(), "f.json")
    mount = mounts("--ro")
    with pytest.raises(OSError) as raised:
        REFUSED_READ_ONLY[change](mount.path)
    assert raised.value.errno == errno.EROFS


def test_df_shows_an_empty_file_system(mount):
    fs = os.statvfs(mount.path)
    assert fs.f_blocks > 0 and fs.f_files > 0
    result = mount.sh("df --output=pcent . | tail -n 1")
    assert result.out.strip() in ("0%", "1%")
