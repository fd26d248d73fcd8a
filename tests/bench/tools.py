# SPDX-License-Identifier: MIT
"""Run what is measured, and see that it did its work."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from support.paths import BUILD, environment

TOOLS = BUILD / "tests" / "bench"


class Trouble(Exception):
    """A measurement that did not do what it measures."""


def check(truth, text):
    if not truth:
        raise Trouble(text)


def check_equal(what, found, wanted):
    check(found == wanted, f"{what}: {found} instead of {wanted}")


def tool(name):
    """The path of one of our own programs for measuring."""
    path = TOOLS / name
    check(path.exists(), f"{name} is not built")
    return path


def time_command(args, timeout, **options):
    """Run it to its end in a session of its own; the seconds, and its status.

    Python's own wait with a timeout polls, every 50 ms in the end, and would round
    all that is measured up to that: this one sleeps until the process ends, and
    somebody else watches the clock.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, args)),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )
    watch = threading.Timer(timeout, os.killpg, (process.pid, signal.SIGKILL))
    watch.daemon = True
    watch.start()
    try:
        status = process.wait()
        seconds = time.perf_counter() - start
    finally:
        watch.cancel()
        if process.returncode is None:  # we are interrupted
            os.killpg(process.pid, signal.SIGKILL)
    check(seconds < timeout, f"{args[0]} did not end in {timeout} s")
    return seconds, status


def run_timed(command, cwd, output, timeout=180):
    """The seconds that a command takes. What it prints goes to a file. It must
    succeed and must not complain."""
    complaints = Path(f"{output}.err")
    env = environment("/nonexistent")
    with open(output, "wb") as out, open(complaints, "wb") as err:
        seconds, status = time_command(
            command, timeout, cwd=cwd, env=env, stdout=out, stderr=err
        )
    said = complaints.read_text(errors="replace").strip()
    check(status == 0 and not said, f"{command[0]} ended with {status}: {said[:300]}")
    return seconds


def run_for_json(program, *args, timeout=300):
    """What one of our programs printed."""
    command = [str(tool(program)), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    check(done.returncode == 0, f"{program}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def end(process):
    """End a process of ours."""
    if process.poll() is None:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    if process.poll() is None:
        process.kill()
        process.wait(10)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def first_line(process, what):
    """What a program says once it is ready."""
    line = process.stdout.readline().decode(errors="replace").strip()
    check(line, f"{what} ended with {process.poll()}")
    return line


# What walks print, counted.


def count_lines(output):
    with open(output, "rb") as text:
        return sum(1 for _ in text)


def count_files_listed(output):
    """Of ls -lR."""
    with open(output, "rb") as text:
        return sum(line.startswith(b"-") for line in text)


def count_files_archived(output):
    """Of tar."""
    listing = subprocess.run(
        ["tar", "-tvf", output], capture_output=True, check=True
    ).stdout
    return sum(line.startswith(b"-") for line in listing.splitlines())
