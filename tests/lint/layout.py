# SPDX-License-Identifier: MIT
"""clang-format decides the layout of every C file."""

import re
import shutil
import subprocess
import sys

import files

SKIPPED = 77  # meson's status for a test that could not run


def check(root):
    sources = [path for path in files.walk(root) if path.suffix in (".c", ".h")]
    result = subprocess.run(
        ["clang-format", "--dry-run", "-Werror", *sources],
        cwd=root, capture_output=True, text=True)
    complaints = {}
    for path, line in re.findall(r"^(.+?):(\d+):\d+: error:",
                                 result.stderr, re.M):
        complaints.setdefault(path, line)
    for path, line in complaints.items():
        yield f"{path.removeprefix(str(root) + '/')}:{line}: run clang-format -i"
    if result.returncode != 0 and not complaints:
        yield f".clang-format:1: {result.stderr.strip()}"


if __name__ == "__main__":
    if shutil.which("clang-format") is None:
        print("clang-format is not installed")
        sys.exit(SKIPPED)
    files.main(check)
