# SPDX-License-Identifier: MIT
"""Where and when something was measured."""

import datetime
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from support.paths import BUILD, REPO

VERSIONS = {
    "curl": ["curl", "--version"],
    "jq": ["jq", "--version"],
    "rclone": ["rclone", "version"],
    "fusermount3": ["fusermount3", "--version"],
    "nginx": ["nginx", "-v"],
    "gcc": ["gcc", "--version"],
}


def first_line_of(command):
    """What a program says of itself; None where there is no such program."""
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        return None
    done = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, timeout=20
    )
    return (done.stdout + done.stderr).partition("\n")[0]


def processor():
    text = Path("/proc/cpuinfo").read_text()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return match[1] if match else platform.machine()


def memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def revision():
    """Of the sources, with a mark when they were changed since."""
    git = ["git", "-C", str(REPO), "describe", "--always", "--dirty", "--abbrev=12"]
    return first_line_of(git)


def describe_machine():
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "revision": revision(),
        "kernel": platform.release(),
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_bytes": memory_bytes(),
        "build": BUILD.name,
        "versions": {name: first_line_of(args) for name, args in VERSIONS.items()},
    }
