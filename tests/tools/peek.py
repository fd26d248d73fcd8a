#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Looks into every scratch file of $vault, as another process while its writer
is at work, and notes in $peeked what came of it: a line for each try, the file's
name and the errno's name, or what could be read."""

import errno
import glob
import os

vault = os.environ["vault"]
names = os.listdir(vault)
scratch = {os.path.join(vault, n) for n in names} - {
    os.path.join(vault, n) for n in ("github.json", "jira.json", ".vault.json")
}


def doors():
    """Every way to a scratch file: its name, and who holds it open."""
    yield from ((path, path) for path in sorted(scratch))
    for door in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            path = os.readlink(door)
        except OSError:
            continue
        if path in scratch:
            yield path, door


def look(door, flags):
    try:
        fd = os.open(door, flags)
        try:
            return f"read {os.read(fd, 65536)!r}"
        finally:
            os.close(fd)
    except OSError as error:
        return errno.errorcode[error.errno]


with open(os.environ["peeked"], "a", encoding="utf-8") as out:
    for path, door in doors():
        for flags in (os.O_RDONLY, os.O_RDWR):
            out.write(f"{os.path.basename(path)} {look(door, flags)}\n")
