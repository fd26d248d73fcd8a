# SPDX-License-Identifier: MIT
"""Canaries, and the search for them in files and in a process's memory.

A canary is a row of cells of 8 characters, the first 4 of which are the same in
all cells of one canary. So any 11 bytes of it hold that marker whole: to find
every piece of 12 bytes it is enough to look at the places of the marker.
"""

import array
import secrets
import string
from dataclasses import dataclass

PIECE = 12
CELL = 8
PAGE = 4096
ALPHABET = string.ascii_letters + string.digits


def random_text(size):
    return "".join(secrets.choice(ALPHABET) for _ in range(size))


class Canary:
    """A secret that nobody else uses. It is never printed, not even here."""

    def __init__(self, name, size):
        self.name = name
        marker = random_text(4)
        cells = [marker + random_text(4) for _ in range(-(-size // CELL))]
        self.text = "".join(cells)[:size]
        self._marker = marker.encode()
        data = self.text.encode()
        self._pieces = {data[i : i + PIECE] for i in range(len(data) - PIECE + 1)}

    def __repr__(self):
        return f"<canary {self.name}, {len(self.text)} bytes>"

    def find(self, data):
        """Offsets of pieces of it in some bytes."""
        found, at = [], data.find(self._marker)
        while at >= 0:
            for start in range(max(0, at - PIECE + 4), at + 1):
                if data[start : start + PIECE] in self._pieces:
                    found.append(start)
                    break
            at = data.find(self._marker, at + 1)
        return found


@dataclass(frozen=True)
class Finding:
    canary: str
    place: str
    offset: int


def findings(canaries, data, place, base=0):
    return [
        Finding(canary.name, place, base + offset)
        for canary in canaries
        for offset in canary.find(data)
    ]


def resident_runs(pagemap, start, end):
    """The parts of a mapping that are in memory or in swap."""
    pages = array.array("Q")
    pagemap.seek(start // PAGE * 8)
    pages.frombytes(pagemap.read((end - start) // PAGE * 8))
    run = None
    for number, page in enumerate(pages):
        is_there = page >> 62
        if is_there and run is None:
            run = start + number * PAGE
        elif not is_there and run is not None:
            yield run, start + number * PAGE
            run = None
    if run is not None:
        yield run, end


def scan_process(pid, canaries):
    """Every piece of a canary in the memory of a process. Needs root."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        mappings = maps.read().splitlines()
    with (
        open(f"/proc/{pid}/mem", "rb", buffering=0) as memory,
        open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap,
    ):
        for line in mappings:
            fields = line.split(maxsplit=5)
            name = fields[5] if len(fields) > 5 else "anonymous"
            if "r" not in fields[1] or name in ("[vvar]", "[vsyscall]"):
                continue
            start, end = (int(number, 16) for number in fields[0].split("-"))
            for run, run_end in resident_runs(pagemap, start, end):
                try:
                    memory.seek(run)
                    data = memory.read(run_end - run)
                except OSError:
                    continue  # unmapped meanwhile
                found += findings(canaries, data, name, run)
    return found
