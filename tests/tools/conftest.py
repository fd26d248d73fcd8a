# SPDX-License-Identifier: MIT
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fixtures import *  # noqa: E402, F401, F403

from workbench import Bench  # noqa: E402
from table import print_table  # noqa: E402


def pytest_addoption(parser):
    parser.addoption(
        "--table", action="store_true", help="print what each tool led to"
    )


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--table"):
        print_table(terminalreporter)


@pytest.fixture(scope="session")
def benches(tmp_path_factory):
    """Benches by the options of their vaultd: each is started when it is first
    asked for, and serves every case of the run."""
    started = {}

    def get(*options):
        if options not in started:
            started[options] = Bench(tmp_path_factory.mktemp("bench"), *options)
        return started[options]

    yield get
    for bench in started.values():
        bench.stop()
        if is_sanitized(VAULTFS):
            assert_no_finding(bench.mount.log)


@pytest.fixture
def place(request, benches, watchdog):
    """Places for a case to run at: place("--dialect", "flat")."""

    def get(*options):
        bench = benches(*options)
        bench.start()
        watchdog.mounts.append(bench.mount)
        place = bench.place()
        request.addfinalizer(place.clean)
        return place

    return get
