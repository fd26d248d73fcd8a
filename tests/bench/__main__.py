# SPDX-License-Identifier: MIT
"""The command line of scripts/bench, which builds first."""

import argparse
import json
import signal
import sys

from .bench import QUICK, Bench, Sizes, say
from .jobs import JOBS
from .machine import describe_machine
from .report import as_json, print_table


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure the mount beside what is possible and what people use.",
        epilog="scripts/bench --install installs the peers that are missing.",
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N",
                        help="how often each is measured; slow ones less (5)")
    parser.add_argument("--only", metavar="JOB,...", help="these jobs alone")
    parser.add_argument("--json", metavar="FILE",
                        type=argparse.FileType("w", encoding="utf-8"),
                        help="every sample, and the machine")
    parser.add_argument("--quick", action="store_true",
                        help="tiny sizes: see that it works, measure nothing")
    parser.add_argument("--list", action="store_true", help="say which jobs there are")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    names = options.only.split(",") if options.only else [j.name for j in JOBS]
    unknown = set(names) - {j.name for j in JOBS}
    if unknown:
        parser.error(f"no such job: {', '.join(sorted(unknown))} (see --list)")
    options.jobs = [j for j in JOBS if j.name in names]
    return options


def obey_signals():
    """What was mounted must go, whoever asks us to end: also where who started us
    ignores an interrupt, but not where nohup is to keep us. Once: a terminal that
    closes says it more than once, and cleaning up is not to be broken off."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def interrupt(number, frame):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)


def main(arguments=None):
    """Exit status 0 when everything ran, whatever it reached, and 2 otherwise."""
    options = parse(arguments)
    if options.list:
        for job in JOBS:
            print(f"{job.name:16}{job.title}")
        return 0
    obey_signals()
    machine = describe_machine()
    bench = Bench(options.rounds, QUICK if options.quick else Sizes())
    try:
        runs = [bench.run(job) for job in options.jobs]
    except KeyboardInterrupt:
        say("interrupted")
        return 2
    finally:
        bench.close()
    is_whole = print_table(runs, machine)
    if options.json:
        with options.json as out:
            json.dump(as_json(runs, machine, options), out, indent=2)
            out.write("\n")
    return 0 if is_whole else 2


if __name__ == "__main__":
    sys.exit(main())
