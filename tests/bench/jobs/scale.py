# SPDX-License-Identifier: MIT
"""100 000 credentials: what each costs in memory and in time."""

from contextlib import ExitStack

from ..job import job
from ..measure import Case, Sample, other, ratio_at_most, value_at_most
from ..mounts import mounted
from ..services import serving
from ..tools import check, check_equal, count_files_listed, run_timed


@job("scale", "a crawl of 100 000 credentials beside one of 10 000")
def scale(bench):
    sizes = bench.sizes
    few = f"{sizes.few_vaults} x {sizes.many_credentials}"
    many = f"{sizes.many_vaults} x {sizes.many_credentials}"
    crawls = {}

    def crawler(name, service, vaults):
        credentials = vaults * sizes.many_credentials

        def crawl(number):
            with mounted(service, bench.place("m")) as mount:
                idle = mount.resident()
                seconds = run_timed(["ls", "-lR"], mount.path, bench.output)
                resident = mount.resident()
            check_equal("files", count_files_listed(bench.output), credentials)
            crawls[name] = resident - idle
            more = {"seconds": seconds, "idle": idle, "resident": resident}
            return Sample(seconds / credentials, more=more)

        def weigh(number):
            """What the crawl before it left behind."""
            check(name in crawls, "the crawl was in trouble")
            return Sample(crawls.pop(name) / credentials)

        return crawl, weigh

    with ExitStack() as stack:
        crawl, weigh = {}, {}
        for name, vaults in ((few, sizes.few_vaults), (many, sizes.many_vaults)):
            service = stack.enter_context(
                serving(bench.place("s"), vaults, sizes.many_credentials)
            )
            crawl[name], weigh[name] = crawler(name, service, vaults)
        yield [
            Case(
                "crawl, a credential",
                crawl,
                bounds={many: other(few)},
                goals={many: (ratio_at_most(1.2),)},
                share=0.6,
            ),
            Case(
                "resident, a credential",
                weigh,
                unit="B",
                goals={many: (value_at_most(1000, "1000 B"),)},
                share=0.6,
            ),
        ]


JOBS = [scale]
