# SPDX-License-Identifier: MIT
"""The run: where it works, how large its jobs are, and its rounds."""

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from support.paths import BUILD

from .measure import Result, Skipped
from .table import shown


@dataclass(frozen=True)
class Sizes:
    """How much a job does. quick is to see that everything works."""

    vaults: int = 200  # of a cold walk
    credentials: int = 20
    vaults_of_a_page: int = 50
    warm_vaults: int = 100
    warm_credentials: int = 100
    changes: int = 100
    parallel: int = 16
    removed_credentials: int = 20
    cats: int = 100
    many_vaults: int = 1000
    many_credentials: int = 100
    few_vaults: int = 100
    creates: int = 4000


QUICK = Sizes(
    vaults=4,
    credentials=3,
    vaults_of_a_page=2,
    warm_vaults=3,
    warm_credentials=4,
    changes=5,
    parallel=4,
    removed_credentials=3,
    cats=5,
    many_vaults=6,
    many_credentials=10,
    few_vaults=3,
    creates=50,
)


def say(text):
    """Into the void, if need be: the terminal may have been closed. What is then
    left in the buffer must not make us fail at the end."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())


def describe(error):
    """In a line. But trouble with cleaning up must not hide that somebody wants
    all of it to end."""
    before = error
    while before := before.__context__:
        if isinstance(before, KeyboardInterrupt):
            raise KeyboardInterrupt from error
    text = " ".join(str(error).split())[:300]
    return text or type(error).__name__


class Bench:
    def __init__(self, rounds, sizes):
        self.rounds = rounds
        self.sizes = sizes
        self._numbers = itertools.count()
        # Mounts and sockets are in there; a socket's path has at most 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="vaultfs-bench."))
        # Where copies and output go, so that no disk is measured with them.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.memory = Path(tempfile.mkdtemp(prefix="vaultfs-bench.", dir=memory))
        # Where a service is whose disk matters.
        self.disk = Path(tempfile.mkdtemp(prefix="bench.", dir=BUILD))
        self.output = self.memory / "output"

    def place(self, name):
        """A new path in the working directory."""
        return self.directory / f"{name}{next(self._numbers)}"

    def scratch(self, name):
        """A new directory in memory."""
        path = self.memory / f"{name}{next(self._numbers)}"
        path.mkdir()
        return path

    def close(self):
        for directory in (self.directory, self.memory, self.disk):
            shutil.rmtree(directory, ignore_errors=True)

    def run(self, job):
        """What there is to say of a job, for the JSON: its cases have the results.
        Never fails: what went wrong is a row that says so."""
        say(f"{job.name}: {job.title}")
        start, load = time.monotonic(), os.getloadavg()
        cases, trouble = [], None
        try:
            with job.stage(self) as cases:
                rounds = max(case.rounds_of(self.rounds) for case in cases)
                for number in range(rounds):
                    self._run_round(job, cases, number)
        except Exception as error:  # noqa: BLE001: the other jobs go on
            trouble = describe(error)
            say(f"  trouble: {trouble}")
        self._clean()
        return {
            "job": job,
            "cases": cases,
            "trouble": trouble,
            "seconds": time.monotonic() - start,
            "load_before": load,
            "load_after": os.getloadavg(),
        }

    def _run_round(self, job, cases, number):
        for case in cases:
            if number >= case.rounds_of(self.rounds):
                continue
            for name, contender in case.contenders.items():
                if number > 0 and name in case.once:
                    continue
                result = case.results.setdefault(name, Result())
                if result.skipped is None and result.trouble is None:
                    take(result, contender, number)
                    said = result.trouble or result.skipped
                    said = said or shown(result.samples[-1].value, case.unit)
                    say(f"  round {number + 1}, {case.full_title}, {name}: {said}")

    def _clean(self):
        for directory in (self.directory, self.memory, self.disk):
            for path in directory.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        path.unlink()


def take(result, contender, number):
    """One sample more, or why there is none."""
    try:
        result.samples.append(contender(number))
    except Skipped as reason:
        result.skipped = describe(reason)
    except Exception as error:  # noqa: BLE001: the other contenders go on
        result.trouble = describe(error)
