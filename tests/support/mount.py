# SPDX-License-Identifier: MIT
"""`vaultfs mount` on a directory of the test, always unmounted at the end."""

import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path

from .paths import VAULTFS, environment
from .process import ends_within, finish, find_processes, is_alive, run, spawn, wait_for


def mount_points():
    """Where something is mounted, a path for each mount. Never touches them: a
    stat of a mount point whose daemon hangs would hang too."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return [
        re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), line.split(" ")[4])
        for line in lines
    ]


def mounts_at(path):
    """How many file systems are mounted at a path."""
    return mount_points().count(str(path))


def mounts_below(directory):
    """The mount points in a directory of the test."""
    return [Path(p) for p in mount_points() if p.startswith(f"{directory}/")]


def read_records(log):
    """The failure records in a JSON log; other lines are passed over."""
    records = []
    for line in Path(log).read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and "operation" in record:
                records.append(record)
    return records


class Mount:
    """A mount in the foreground, its log in a file."""

    def __init__(self, source, directory, token, *options, env=None):
        self.source = source
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.path = self.directory / "mnt"
        self.path.mkdir(exist_ok=True)
        self.log = self.directory / "vaultfs.log"
        self.options = [str(option) for option in options]
        if "--log-format" not in self.options:
            self.options += ["--log-format", "json"]
        runtime = self.directory / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        self.env = environment(
            self.directory, **({"XDG_RUNTIME_DIR": str(runtime)} | (env or {}))
        )
        if token is not None:
            token_file = self.directory / "token"
            token_file.touch(0o600)
            token_file.write_text(token + "\n")
            self.options += ["--token-file", str(token_file)]
        self.process = None

    def __truediv__(self, name):
        return self.path / name

    @property
    def pid(self):
        return self.process.pid

    def start(self, **popen):
        command = [VAULTFS, "mount", self.source, self.path, "-f", *self.options]
        before = mounts_at(self.path)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                **popen,
            )
        self._wait_until_mounted(before)
        return self

    def _wait_until_mounted(self, before):
        def is_up():
            assert self.process.poll() is None, (
                f"vaultfs ended with {self.process.returncode}:\n"
                + self.log.read_text(errors="replace")
            )
            # A dead mount may be replaced: then the number stays the same, and
            # for a moment the bare directory answers.
            if before and not is_answering(self.path):
                return False
            return mounts_at(self.path) >= max(before, 1)

        wait_for(is_up, 20, f"the mount at {self.path}")

    def stop(self):
        """SIGTERM, and more if that is not enough. Returns the exit status."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        if process.poll() is None:
            process.terminate()
        if not ends_within(process, 10):
            process.kill()
            process.wait(10)
        detach(self.path)
        return process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def refresh(self):
        """Forget every listing. The signal is handled in its own time."""
        self.process.send_signal(signal.SIGHUP)

    def records(self):
        return read_records(self.log)

    def record(self, path, timeout=5.0):
        """The last failure at a path; it may be written after the reply."""

        def last():
            found = [r for r in self.records() if r["path"] == path]
            return found and found[-1]

        return wait_for(last, timeout, f"a record for {path} in {self.log}")

    def sh(self, command, timeout=20.0, shell="/bin/bash", **options):
        """Run a shell command in the root of the mount."""
        options.setdefault("cwd", self.path)
        options.setdefault("env", self.env)
        return run(command, timeout, shell=shell, **options)

    def spawn(self, command, **options):
        options.setdefault("cwd", self.path)
        options.setdefault("env", self.env)
        return spawn(command, **options)

    def ls(self, name="."):
        """The names in a directory but the vault's own file."""
        return sorted(n for n in os.listdir(self.path / name) if n != ".vault.json")


def is_answering(path):
    """Whether a mount answers; asked by a process that can be killed."""
    process = spawn(["stat", "-f", str(path)])
    with contextlib.suppress(AssertionError):
        return finish(process, 5).status == 0
    return False


def daemons_of(path):
    """The daemons that were started for a mount point."""
    return find_processes(VAULTFS, path)


def detach(path):
    """Unmount whatever is there, dead or alive."""
    command = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-uz"]
    while mounts_at(path):
        result = run([*command, str(path)], 10)
        assert result or not mounts_at(path), result


def end_daemons(path):
    """For mounts in the background: kill by id, then detach."""
    for pid in daemons_of(path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(AssertionError):
            wait_for(lambda pid=pid: not is_alive(pid), 5)
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    detach(path)
