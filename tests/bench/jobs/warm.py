# SPDX-License-Identifier: MIT
"""Walks of what is known, beside a FUSE file system that has nothing to do but
answer, and beside memory."""

from contextlib import ExitStack

from ..job import job
from ..measure import (
    Case, Sample, floor, only_operations, other, ratio_at_most, requests,
)  # fmt: skip
from ..mounts import FuseCount, copy_of, floor_mounted, mounted
from ..services import distant, serving
from ..tools import (
    check_equal, count_files_archived, count_files_listed, count_lines, run_timed,
)  # fmt: skip

OURS, FLOOR, TMPFS = "vaultfs", "bare FUSE", "tmpfs"

DIRECTORIES = {"opendir", "readdir", "readdirplus", "releasedir"}
NO_FILES = only_operations(DIRECTORIES, "only directories' FUSE")

# What is walked with, what counts the files that it found, whether each vault's
# .vault.json is among them, and the goals.
WALKS = {
    "ls -lR": (
        ["ls", "-lR"],
        count_files_listed,
        False,
        (ratio_at_most(1.1), requests(0), NO_FILES),
    ),
    "find": (
        ["find", ".", "-type", "f", "-newermt", "2000-01-01"],
        count_lines,
        True,
        (ratio_at_most(1.1), requests(0), NO_FILES),
    ),
    "grep -r": (
        ["grep", "-r", '^  "id"', "."],
        count_lines,
        True,
        (ratio_at_most(1.15), requests(0)),
    ),
    "tar": (
        ["tar", "cf", "-", "."],
        count_files_archived,
        True,
        (ratio_at_most(1.15), requests(0)),
    ),
}


@job("warm", "ls -lR, find, grep -r and tar of 10 000 credentials that are known")
def warm(bench):
    sizes = bench.sizes
    with ExitStack() as stack:
        directory = bench.place("s")
        service = stack.enter_context(
            serving(directory, sizes.warm_vaults, sizes.warm_credentials)
        )
        distance = stack.enter_context(distant(directory, service.port, 0))
        mount = stack.enter_context(
            mounted(service, bench.place("m"), distance.port)
        )
        copy = bench.scratch("tree")
        copy_of(mount, copy, bench.output)
        bare = stack.enter_context(floor_mounted(copy, bench.place("f")))

        def walker(command, count, shows_own):
            files = sizes.warm_vaults * (sizes.warm_credentials + shows_own)

            def walk(path):
                seconds = run_timed(command, path, bench.output)
                check_equal("files", count(bench.output), files)
                return Sample(seconds)

            return walk

        def contenders_of(walk):
            def ours(number):
                with FuseCount(mount) as fuse:
                    distance.reset()
                    sample = walk(mount.path)
                    sample.api = distance.requests
                sample.fuse = fuse.requests
                return sample

            return {
                OURS: ours,
                FLOOR: lambda number: walk(bare),
                TMPFS: lambda number: walk(copy),
            }

        cases = []
        for name, (*what, goals) in WALKS.items():
            walk = walker(*what)
            for path in (mount.path, bare, copy):
                walk(path)
            cases.append(
                Case(
                    f"warm {name}",
                    contenders_of(walk),
                    bounds={OURS: floor(FLOOR), TMPFS: other(FLOOR)},
                    goals={OURS: goals},
                    share=3,
                )
            )
        yield cases


JOBS = [warm]
