# SPDX-License-Identifier: MIT
"""Run commands with a deadline, and wait for events."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    def __bool__(self):
        return self.status == 0


def wait_for(condition, timeout=10.0, what="the condition"):
    """Poll until the condition holds, and return what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about in {timeout} s")
        time.sleep(0.01)


def spawn(command, shell="/bin/bash", **options):
    """Start a shell command, or an argument vector, in its own session."""
    args = [shell, "-c", command] if isinstance(command, str) else list(command)
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(
        args,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def finish(process, timeout=20.0, data=None):
    """Collect a process of spawn(); kill its whole group at the deadline."""
    try:
        out, err = process.communicate(data, timeout)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"{process.args} did not end in {timeout} s") from None
    return Result(
        process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
    )


def run(command, timeout=20.0, data=None, **options):
    """Run a command to its end. data, if any, is its standard input."""
    if data is not None:
        options["stdin"] = subprocess.PIPE
    return finish(spawn(command, **options), timeout, data)


def ends_within(process, seconds):
    """Whether a process of spawn() ends in time; it is left alone if not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return True
    return False


def is_alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop(pid):
    """Stop a process, and see that each of its threads did: what one of them was
    about to do is done, or not begun."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")

    def is_stopped(task):
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"

    wait_for(lambda: all(map(is_stopped, tasks.iterdir())), what="the stop")


def find_processes(program, argument):
    """The ids of the processes of a program that were given an argument."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                args = cmdline.read().split(b"\0")
            name = os.path.basename(args[0].decode(errors="replace"))
            if name == program.name and str(argument).encode() in args[1:]:
                if is_alive(pid):
                    found.append(int(pid))
    return found
