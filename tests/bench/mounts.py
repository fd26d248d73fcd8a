# SPDX-License-Identifier: MIT
"""What is walked: our mount, the bare FUSE file system, and a copy in memory."""

import contextlib
import re
import subprocess
import time
from pathlib import Path

from support.mount import Mount, detach
from support.service import PREFIX

from .tools import check_equal, end, first_line, run_timed, tool

FUSE = re.compile(r'^vaultfs_fuse_requests_total\{operation="(\w+)"\} (\d+)$', re.M)

# What the kernel says when it forgets something comes whenever it likes.
UNCOUNTED = {"forget", "batch_forget", "forget_multi"}


class BenchMount(Mount):
    """A mount that notes what getting ready took."""

    ready_seconds = None

    def start(self, **popen):
        start = time.perf_counter()
        super().start(**popen)
        self.ready_seconds = time.perf_counter() - start
        return self

    def read_fuse(self):
        """FUSE requests so far by operation, those of this reading among them;
        None where the mount does not count them."""
        text = (self.path / ".vaultfs/metrics").read_text()
        return {o: int(n) for o, n in FUSE.findall(text) if o not in UNCOUNTED} or None

    def resident(self):
        """Bytes of the daemon's memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) * 1024


def difference(after, before):
    if after is None or before is None:
        return None
    return {o: after[o] - before.get(o, 0) for o in after}


class FuseCount:
    """The FUSE requests while a block runs, less those of looking at the count:

    with FuseCount(mount) as fuse: ...
    fuse.requests == {"opendir": 201, ...}
    """

    def __init__(self, mount):
        self._mount = mount
        self.requests = None

    def __enter__(self):
        first = self._mount.read_fuse()
        self._before = self._mount.read_fuse()
        self._look = difference(self._before, first)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        now = difference(self._mount.read_fuse(), self._before)
        self.requests = difference(now, self._look)


def source(port, scheme="http"):
    return f"{scheme}://127.0.0.1:{port}{PREFIX}"


@contextlib.contextmanager
def mounted(service, directory, port=None, ttl=600):
    """Our mount of a service, through a port if one is named."""
    url = source(port or service.port)
    mount = BenchMount(url, directory, service.token, "--ttl", ttl)
    try:
        yield mount.start()
    finally:
        mount.stop()
        mount.log.unlink(missing_ok=True)


@contextlib.contextmanager
def floor_mounted(tree, mountpoint):
    """The bare FUSE file system over a tree; yields where it is."""
    mountpoint = Path(mountpoint)
    mountpoint.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [str(tool("bare_fuse")), str(tree), str(mountpoint)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        check_equal("bare_fuse said", first_line(process, "bare_fuse"), "ready")
        yield mountpoint
    finally:
        end(process)
        detach(mountpoint)


def copy_of(mount, to, output):
    """Copy what is mounted, for others to walk."""
    run_timed(["cp", "-a", f"{mount.path}/.", to], "/", output)
