# SPDX-License-Identifier: MIT
"""The first look at everything, each sample by a new mount."""

from contextlib import ExitStack

from ..job import job
from ..measure import (
    Bound, Case, Sample, in_round_trips, not_behind, ratio_at_most, requests,
    round_trips,
)  # fmt: skip
from ..mounts import FuseCount, copy_of, floor_mounted, mounted, source
from ..peers import (
    LIST_LOOP, LIST_PARALLEL, curl_config, need, rclone_mounted, rclone_serving, script,
)  # fmt: skip
from ..services import distant, file_name, serving, vault_name
from ..tools import (
    check, check_equal, count_files_archived, count_files_listed, count_lines,
    run_timed,
)  # fmt: skip

CONCURRENCY = 16
PAGE = 100
LS = ["ls", "-lR"]
TAR = ["tar", "cf", "-", "."]

OURS = "vaultfs"
OURS_MOUNTING = "vaultfs, mount included"
CURL = "curl --parallel 16"
LOOP = "curl and jq in a loop"
RCLONE = "rclone mount (WebDAV)"


def pages(count):
    return max(1, -(-count // PAGE))


class Walks:
    """Walks of a service with many vaults, at some distance."""

    def __init__(self, bench, stack, service, delay_ms):
        self.bench = bench
        self.service = service
        self.delay_ms = delay_ms
        self.directory = bench.place("walk")
        self.directory.mkdir()
        self.distance = stack.enter_context(
            distant(self.directory, service.port, delay_ms)
        )
        sizes = bench.sizes
        self.files = sizes.vaults * sizes.credentials
        self.last = None
        self.archived = self.files + sizes.vaults  # .vault.json, which ls hides

    def ours(self, command, count, wanted):
        """A sample of a walk over a new mount, once that is ready."""
        self.last = None
        self.distance.reset()
        with mounted(self.service, self.bench.place("m"), self.distance.port) as mount:
            with FuseCount(mount) as fuse:
                ready_api = self.distance.requests
                seconds = run_timed(command, mount.path, self.bench.output)
                api = self.distance.requests - ready_api
        check_equal("files", count(self.bench.output), wanted)
        more = {"ready_seconds": mount.ready_seconds, "ready_api": ready_api}
        self.last = Sample(seconds, api, fuse.requests, more)
        return self.last

    def with_mount(self, number):
        """The sample before, with the time and the requests until the mount was
        ready."""
        last = self.last
        check(last is not None, "the walk before was in trouble")
        more = last.more
        return Sample(last.value + more["ready_seconds"], last.api + more["ready_api"])

    def ls(self, number):
        return self.ours(LS, count_files_listed, self.files)

    def tar(self, number):
        return self.ours(TAR, count_files_archived, self.archived)

    def curl(self, text):
        def sample(number):
            need("curl", "jq")
            config = curl_config(self.directory, self.service)
            replies = self.bench.scratch("replies")
            url = source(self.distance.port)
            self.distance.reset()
            seconds = run_timed(
                script(text, config, url, replies), "/", self.bench.output
            )
            check_equal("credentials", count_lines(self.bench.output), self.files)
            return Sample(seconds, self.distance.requests)

        return sample

    def rclone(self, number):
        need("rclone")
        with ExitStack() as stack:
            with mounted(self.service, self.bench.place("m")) as mount:
                tree = self.bench.scratch("tree")
                copy_of(mount, tree, self.bench.output)
            place = self.bench.place("r")
            place.mkdir()
            port = stack.enter_context(rclone_serving(tree, place / "served.log"))
            distance = stack.enter_context(distant(place, port, self.delay_ms))
            path = stack.enter_context(rclone_mounted(distance.port, place / "mnt"))
            seconds = run_timed(LS, path, self.bench.output)
            check_equal("files", count_files_listed(self.bench.output), self.files)
            return Sample(seconds, distance.requests)


# The first page of the vaults, which a mount asks for before it is ready: no time
# goes to it, and no request is made for it, once the time begins.
PROBE = 1


def trips_of_a_walk(sizes):
    """The vaults' pages one after another, then the listings, 16 at a time."""
    listings = sizes.vaults * pages(sizes.credentials)
    return pages(sizes.vaults) + -(-listings // CONCURRENCY)


def requests_of_a_walk(sizes):
    return pages(sizes.vaults) + sizes.vaults * pages(sizes.credentials)


@job("ls-cold", "the first ls -lR of 200 vaults of 20 credentials")
def ls_cold(bench):
    """What is held against the bound, and against curl, which begins with nothing
    too, has the mount in it."""
    with ExitStack() as stack:
        sizes = bench.sizes
        service = stack.enter_context(
            serving(bench.place("s"), sizes.vaults, sizes.credentials)
        )
        cases = []
        for delay_ms in (0, 20, 50):
            walks = Walks(bench, stack, service, delay_ms)
            contenders = {
                OURS: walks.ls,
                OURS_MOUNTING: walks.with_mount,
                CURL: walks.curl(LIST_PARALLEL),
                LOOP: walks.curl(LIST_LOOP),
                RCLONE: walks.rclone,
            }
            goals = (requests(requests_of_a_walk(sizes)),)
            bounds = {}
            if delay_ms:
                goals = (ratio_at_most(1.5), *goals, not_behind(CURL))
                trips = trips_of_a_walk(sizes)
                bounds = dict.fromkeys(contenders, round_trips(trips, delay_ms))
                bounds[OURS] = round_trips(trips - PROBE, delay_ms)
            cases.append(
                Case(
                    "cold ls -lR",
                    contenders,
                    delay_ms,
                    bounds,
                    {OURS_MOUNTING: goals},
                    once=frozenset({LOOP, RCLONE}),
                )
            )
        yield cases


@job("tar-cold", "the first tar of the same")
def tar_cold(bench):
    """Beside ls -lR of a new mount in the same round, and what reading the files
    adds to it on the bare FUSE file system, new each time as well."""
    with ExitStack() as stack:
        sizes = bench.sizes
        service = stack.enter_context(
            serving(bench.place("s"), sizes.vaults, sizes.credentials)
        )
        with mounted(service, bench.place("m")) as mount:
            copy = bench.scratch("tree")
            copy_of(mount, copy, bench.output)

        def floor(command, count, wanted):
            def sample(number):
                with floor_mounted(copy, bench.place("f")) as path:
                    seconds = run_timed(command, path, bench.output)
                check_equal("files", count(bench.output), wanted)
                return Sample(seconds)

            return sample

        cases = []
        for delay_ms in (20, 50):
            walks = Walks(bench, stack, service, delay_ms)
            least = (trips_of_a_walk(sizes) - PROBE) * delay_ms / 1000
            contenders = {
                OURS: walks.tar,
                "vaultfs, ls -lR": walks.ls,
                "bare FUSE, tar": floor(TAR, count_files_archived, walks.archived),
                "bare FUSE, ls -lR": floor(LS, count_files_listed, walks.files),
            }
            bound = Bound(
                "ls + bare reading",
                lambda v: v["vaultfs, ls -lR"]
                + max(0, v["bare FUSE, tar"] - v["bare FUSE, ls -lR"]),
                # It may read while it waits, but not do either in less.
                lambda v, least=least: max(v["bare FUSE, tar"], least),
            )
            goals = (ratio_at_most(1.1), requests(requests_of_a_walk(sizes) - PROBE))
            cases.append(
                Case("cold tar", contenders, delay_ms, {OURS: bound}, {OURS: goals})
            )
        yield cases


@job("cat-cold", "the first cat of one credential by its path")
def cat_cold(bench):
    """Held against all round trips with the mount in it; the one that the mount
    needs is over when the time of cat alone begins."""
    delay_ms = 50
    with ExitStack() as stack:
        cases = []
        for vaults in (bench.sizes.vaults, bench.sizes.vaults_of_a_page):
            service = stack.enter_context(
                serving(bench.place("s"), vaults, bench.sizes.credentials)
            )
            walks = Walks(bench, stack, service, delay_ms)
            path = f"{vault_name(vaults - 1)}/{file_name(vaults - 1)}"

            def sample(number, walks=walks, path=path):
                command = ["cat", path]
                return walks.ours(command, lambda o: b'"id"' in o.read_bytes(), True)

            trips = pages(vaults) + 1
            cases.append(
                Case(
                    f"cold cat, {vaults} vaults",
                    {OURS: sample, OURS_MOUNTING: walks.with_mount},
                    delay_ms,
                    {
                        OURS: round_trips(trips - PROBE, delay_ms),
                        OURS_MOUNTING: round_trips(trips, delay_ms),
                    },
                    {OURS_MOUNTING: (in_round_trips(trips, delay_ms), requests(trips))},
                )
            )
        yield cases


JOBS = [ls_cold, tar_cold, cat_cold]
