# SPDX-License-Identifier: MIT
"""A user's home with mount points in it, for mounts in the background."""

import contextlib
import os
import signal

from .mount import end_daemons, mounts_below
from .paths import VAULTD, VAULTFS, environment
from .process import find_processes, is_alive, run, wait_for


class Home:
    def __init__(self, path):
        self.path = path
        self.path.mkdir()
        self.env = environment(path, XDG_DATA_HOME=str(path / "share"))
        self.points = set()

    def point(self, name="vaults"):
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        self.points.add(path)
        return path

    def vaultfs(self, *args, program=VAULTFS, **env):
        command = [str(program), *map(str, args)]
        return run(command, 30, env=self.env | env, cwd=self.path)

    def service(self, name="default"):
        """The directory of an embedded service."""
        return self.path / "share/vaultfs/local" / name

    def vaultds(self, name="default"):
        return find_processes(VAULTD, self.service(name))

    def end(self):
        for point in self.points | set(mounts_below(self.path)):
            end_daemons(point)
        for name in ("default", "other"):
            for pid in self.vaultds(name):
                with contextlib.suppress(AssertionError):
                    wait_for(lambda pid=pid: not is_alive(pid), 5)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
