# SPDX-License-Identifier: MIT
"""How many copies of a token a process has in its memory, and where."""

import contextlib
import re
from pathlib import Path

from .memory import PIECE, resident_runs

PROBE, STEP = 8, 5


class Needle:
    """Finds pieces of 12 bytes of a token: each holds one of the probes, which
    are 8 bytes long and begin every 5."""

    def __init__(self, name, token):
        self.name = name
        self._text = re.sub(r"^[a-z]+-", "", token).encode()
        self._starts = range(0, len(self._text) - PROBE + 1, STEP)

    def find(self, data):
        """Where it is: offsets of where its first byte is or would be."""
        found = set()
        for start in self._starts:
            at = data.find(self._text[start : start + PROBE])
            while at >= 0:
                if self._is_piece(data, at, start):
                    found.add(at - start)
                at = data.find(self._text[start : start + PROBE], at + 1)
        return found

    def _is_piece(self, data, at, start):
        """Whether enough of the token is around a probe."""
        text, begin, end = self._text, start, start + PROBE
        while begin > 0 and at > start - begin and (
            data[at - start + begin - 1] == text[begin - 1]
        ):
            begin -= 1
        while end < len(text) and at - start + end < len(data) and (
            data[at - start + end] == text[end]
        ):
            end += 1
        return end - begin >= PIECE


def is_readable(mode, name):
    return "r" in mode and name not in ("[vvar]", "[vsyscall]")


def mappings_of(pid):
    """Start, end, name and flags of each readable mapping."""
    current = None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
        if head:
            current = (int(head[1], 16), int(head[2], 16), head[3], head[4])
        elif line.startswith("VmFlags:") and is_readable(*current[2:]):
            yield current[0], current[1], current[3] or "anonymous", line.split()[1:]


def copies(pid, tokens):
    """For each token: how many copies are in locked mappings, and where others
    are."""
    needles = [Needle(name, token) for name, token in tokens.items()]
    told = {name: {"locked": 0, "elsewhere": []} for name in tokens}
    with (
        open(f"/proc/{pid}/mem", "rb", buffering=0) as memory,
        open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap,
    ):
        for start, end, name, flags in mappings_of(pid):
            data = read_resident(memory, pagemap, start, end)
            for needle in needles:
                count = len(needle.find(data))
                if "lo" in flags and "dd" in flags:
                    told[needle.name]["locked"] += count
                else:
                    told[needle.name]["elsewhere"] += [name] * count
    return told


def read_resident(memory, pagemap, start, end):
    """What a mapping has in memory; a gap between its parts breaks any piece."""
    parts = []
    for run_start, run_end in resident_runs(pagemap, start, end):
        with contextlib.suppress(OSError):  # unmapped meanwhile
            memory.seek(run_start)
            parts.append(memory.read(run_end - run_start))
    return b"\0".join(parts)
