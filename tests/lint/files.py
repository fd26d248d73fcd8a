# SPDX-License-Identifier: MIT
"""The files of the repository, and how a check reports."""

import re
import sys
from pathlib import Path

# What builds and tools leave behind, at any depth.
LEFTOVERS = re.compile(r"build(-.*)?|\.git|__pycache__|\.hypothesis|\.pytest_cache")


def is_leftover(path):
    return LEFTOVERS.fullmatch(path.name) is not None


def walk(root, folder=None):
    """Every file below a folder of the repository, in a stable order."""
    for path in sorted((folder or root).iterdir()):
        if is_leftover(path) or path.is_symlink():
            continue
        if path.is_dir():
            yield from walk(root, path)
        else:
            yield path


def text_of(path):
    """The file's text, or None if it is binary."""
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8", "replace")


def main(check):
    """Run check(root) -> violations, each "path:line: what"; exit status."""
    violations = list(check(Path(sys.argv[1]).resolve()))
    for violation in violations:
        print(violation)
    sys.exit(1 if violations else 0)
