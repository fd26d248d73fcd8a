# SPDX-License-Identifier: MIT
"""Changes: one after another, and 16 at a time. What is changed is known to the
mount before the time begins."""

from contextlib import ExitStack

from ..job import job
from ..measure import (
    Case, Sample, ratio_at_most, requests, round_trips,
)  # fmt: skip
from ..mounts import FuseCount, mounted, source
from ..peers import (
    CREATE_LOOP, CREATE_PARALLEL, DELETE_LOOP, curl_config, need, script,
)  # fmt: skip
from ..services import distant, make_vaults, serving, vault_name, write_token
from ..tools import check, check_equal, run_for_json, run_timed

DELAY_MS = 50
OURS = "vaultfs"
CURL = "curl in a loop"
LEAST = "one client, kept alive"
CURL_PARALLEL = "curl, xargs -P16"
TMPFS = "tmpfs"
SLOW = 0.6

DOCUMENT = (
    '{"auth":{"type":"static_bearer","mcp_server_url":'
    '"https://mcp-%s.example.com/sse","token":"no-secret"}}'
)

CREATE = f"""
for ((i = 0; i < $1; i++)); do
    printf '{DOCUMENT}\\n' $i > server-$i.json || exit
done
"""

CREATE_AT_ONCE = f"""
seq 0 $(($1 - 1)) | xargs -P16 -n1 sh -c '
    printf '\\''{DOCUMENT}\\n'\\'' $0$1 > server-$0$1.json' "$2"
"""

ROTATE = f"""
for file in *.json; do
    number=${{file#server-}}
    printf '{DOCUMENT}\\n' ${{number%.json}} > $file || exit
done
"""

DELETE = """
for file in *.json; do
    rm $file || exit
done
"""

REMOVE_VAULTS = """
printf '%s\\n' "$@" | xargs -P16 -n1 rm -r
"""


class Changes:
    """A mount at a distance, and the service behind it."""

    def __init__(self, bench, stack, vaults=0, credentials=0, names=()):
        self.bench = bench
        self.directory = bench.place("c")
        self.service = stack.enter_context(
            serving(self.directory, vaults, credentials)
        )
        self.ids = make_vaults(self.service, names)
        self.ids |= {v["display_name"]: v["id"] for v in self.service.vaults()}
        self.distance = stack.enter_context(
            distant(self.directory, self.service.port, DELAY_MS)
        )
        self.mount = stack.enter_context(
            mounted(self.service, bench.place("m"), self.distance.port)
        )
        # Now it knows them all, and goes on to.
        run_timed(["ls", "-R"], self.mount.path, bench.output)

    def held(self, vault):
        """The times of change of a vault's credentials, by id."""
        found = self.service.credentials(self.ids[vault])
        return {c["id"]: c["updated_at"] for c in found}

    def ours(self, text, vault, *args):
        with FuseCount(self.mount) as fuse:
            self.distance.reset()
            seconds = run_timed(
                script(text, *args), self.mount / vault, self.bench.output
            )
            api = self.distance.requests
        return Sample(seconds, api, fuse.requests)

    def curl(self, text, vault, argument):
        need("curl")
        config = curl_config(self.directory, self.service)
        url = f"{source(self.distance.port)}/vaults/{self.ids[vault]}/credentials"
        self.distance.reset()
        seconds = run_timed(script(text, config, url, argument), "/", self.bench.output)
        return Sample(seconds, self.distance.requests)

    def least(self, count):
        """What the same creations cost a client that does nothing else, over one
        connection that it keeps: nobody can be faster."""
        self.distance.reset()
        url = f"http://127.0.0.1:{self.distance.port}"
        done = run_for_json(
            "create_load", url, write_token(self.service), 1, count, 1
        )
        made_vault = 1
        return Sample(done["seconds"], self.distance.requests - made_vault)

    def in_memory(self, text, files, *args):
        """The same on a directory in memory: what the shell itself costs."""
        place = self.bench.scratch("plain")
        for name in files:
            (place / name).write_text("{}\n")
        return Sample(run_timed(script(text, *args), place, self.bench.output))


def names_for(who, bench):
    return [f"{who}{number}" for number in range(bench.rounds)]


def loop_goals(changes):
    return (ratio_at_most(1.05), requests(changes))


@job("create-loop", "create 100 in a shell loop")
def create_loop(bench):
    count = bench.sizes.changes
    with ExitStack() as stack:
        names = names_for("ours", bench) + names_for("curl", bench)
        changes = Changes(bench, stack, names=names)

        def ours(number):
            sample = changes.ours(CREATE, f"ours{number}", count)
            check_equal("created", len(changes.held(f"ours{number}")), count)
            return sample

        def curl(number):
            sample = changes.curl(CREATE_LOOP, f"curl{number}", count)
            check_equal("created", len(changes.held(f"curl{number}")), count)
            return sample

        def least(number):
            return changes.least(count)

        bound = round_trips(count, DELAY_MS)
        yield [
            Case(
                f"create {count}, loop",
                {OURS: ours, LEAST: least, CURL: curl},
                DELAY_MS,
                {OURS: bound, LEAST: bound, CURL: bound},
                {OURS: loop_goals(count)},
                share=SLOW,
            )
        ]


@job("create-parallel", "create 100, 16 at a time, over connections that are there")
def create_parallel(bench):
    """There because 16 were created at a time in another vault just before."""
    count, parallel = bench.sizes.changes, bench.sizes.parallel
    with ExitStack() as stack:
        names = names_for("ours", bench) + names_for("curl", bench)
        changes = Changes(bench, stack, names=["before", *names])

        def ours(number):
            changes.ours(CREATE_AT_ONCE, "before", parallel, f"{number}-")
            sample = changes.ours(CREATE_AT_ONCE, f"ours{number}", count, "")
            check_equal("created", len(changes.held(f"ours{number}")), count)
            return sample

        def curl(number):
            sample = changes.curl(CREATE_PARALLEL, f"curl{number}", count)
            check_equal("created", len(changes.held(f"curl{number}")), count)
            return sample

        def plain(number):
            return changes.in_memory(CREATE_AT_ONCE, (), count, "")

        bound = round_trips(-(-count // 16), DELAY_MS)
        yield [
            Case(
                f"create {count}, xargs -P16",
                {OURS: ours, TMPFS: plain, CURL_PARALLEL: curl},
                DELAY_MS,
                {OURS: bound, TMPFS: bound, CURL_PARALLEL: bound},
                {OURS: (ratio_at_most(1.3), requests(count))},
            )
        ]


@job("rotate-loop", "rotate 100 in a shell loop")
def rotate_loop(bench):
    count = bench.sizes.changes
    with ExitStack() as stack:
        changes = Changes(bench, stack, bench.rounds, count)

        def ours(number):
            vault = vault_name(number)
            before = changes.held(vault)
            sample = changes.ours(ROTATE, vault)
            after = changes.held(vault)
            rotated = [i for i in after if i in before and after[i] != before[i]]
            check_equal("rotated", len(rotated), count)
            return sample

        yield [
            Case(
                f"rotate {count}, loop",
                {OURS: ours},
                DELAY_MS,
                {OURS: round_trips(count, DELAY_MS)},
                {OURS: loop_goals(count)},
                share=SLOW,
            )
        ]


@job("delete-loop", "delete 100 in a shell loop")
def delete_loop(bench):
    """rm is a program, and starting it 100 times is no matter of ours: the same
    loop in memory says what it costs, and it is told with it and without."""
    count = bench.sizes.changes
    less = "vaultfs, less rm on tmpfs"
    last = {}
    with ExitStack() as stack:
        changes = Changes(bench, stack, 2 * bench.rounds, count)

        def ours(number):
            vault = vault_name(2 * number)
            last[OURS] = changes.ours(DELETE, vault)
            check_equal("left", len(changes.held(vault)), 0)
            return last[OURS]

        def plain(number):
            last[TMPFS] = changes.in_memory(
                DELETE, [f"server-{i}.json" for i in range(count)]
            )
            return last[TMPFS]

        def ours_alone(number):
            check(last.keys() == {OURS, TMPFS}, "one of the two was in trouble")
            ours, plain = last.pop(OURS), last.pop(TMPFS)
            return Sample(ours.value - plain.value, ours.api, ours.fuse)

        def curl(number):
            vault = vault_name(2 * number + 1)
            ids = changes.directory / "ids"
            ids.write_text("\n".join(changes.held(vault)))
            sample = changes.curl(DELETE_LOOP, vault, ids)
            check_equal("left", len(changes.held(vault)), 0)
            return sample

        bound = round_trips(count, DELAY_MS)
        contenders = {OURS: ours, TMPFS: plain, less: ours_alone, CURL: curl}
        yield [
            Case(
                f"delete {count}, loop",
                contenders,
                DELAY_MS,
                dict.fromkeys(contenders, bound),
                {OURS: loop_goals(count), less: loop_goals(count)},
                share=SLOW,
            )
        ]


@job("rm-parallel", "rm -r of 16 vaults of 20 credentials, all at a time")
def rm_parallel(bench):
    """The credentials one after another, then a look whether the vault is empty,
    then the vault."""
    parallel, count = bench.sizes.parallel, bench.sizes.removed_credentials
    with ExitStack() as stack:
        changes = Changes(bench, stack, bench.rounds * parallel, count)

        def ours(number):
            first = number * parallel
            names = [vault_name(first + i) for i in range(parallel)]
            sample = changes.ours(REMOVE_VAULTS, "", *names)
            left = {v["display_name"] for v in changes.service.vaults()}
            check_equal("left", sorted(left.intersection(names)), [])
            return sample

        trips, least = count + 2, count + 1 + parallel
        note = (
            "the kernel holds a directory's lock while it removes another from it, so "
            f"the {parallel} vaults go one after another whatever a file system does. "
            f"{count} deletions, a look whether that was all, and {parallel} deletions "
            f"in a row are {least} round trips, {least / trips:.2f}x: nobody who "
            "removes directories is faster."
        )
        yield [
            Case(
                f"rm -r {parallel} x {count}, xargs -P16",
                {OURS: ours},
                DELAY_MS,
                {OURS: round_trips(trips, DELAY_MS)},
                {OURS: (ratio_at_most(1.3),)},
                note=note,
            )
        ]


JOBS = [create_loop, create_parallel, rotate_loop, delete_loop, rm_parallel]
