# SPDX-License-Identifier: MIT
"""One service and one mount for all examples."""

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

pytest.register_assert_rewrite("machine", "mounted")

from machine import World  # noqa: E402
from support.fixtures import (  # noqa: E402, F401
    TEST_SECONDS_MAX,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_sessionstart,
)
from support.mount import Mount  # noqa: E402
from support.service import Service  # noqa: E402

SUMMARY = []


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Starts what one test needs: worlds(QODER, "--duplicate", "allow")."""
    started = []

    def start(dialect, *options):
        directory = tmp_path_factory.mktemp(dialect.name)
        service = Service(directory / "service", *options, dialect=dialect.name)
        service.start()
        started.append(service)
        names = ("--dialect", dialect.name, "--ttl", "600")
        mount = Mount(service.url, directory / "mount", service.token, *names)
        started.append(mount)
        return World(dialect, service, mount.start())

    yield start
    for program in reversed(started):
        program.stop()


@pytest.fixture(autouse=True)
def watchdog(request, monkeypatch):
    """Kills the mounts when an operation on one hangs."""
    mounts = []
    start = Mount.start

    def note(mount, **options):
        mounts.append(mount)
        return start(mount, **options)

    def fire():
        for mount in mounts:
            if mount.process is not None:
                mount.process.kill()

    monkeypatch.setattr(Mount, "start", note)
    factor = 20 if request.node.get_closest_marker("slow") else 5
    timer = threading.Timer(factor * TEST_SECONDS_MAX, fire)
    timer.daemon = True
    timer.start()
    yield
    timer.cancel()


@pytest.fixture
def summary():
    """Lines for the end of the report."""
    return SUMMARY


def pytest_terminal_summary(terminalreporter):
    for line in SUMMARY:
        terminalreporter.write_line(line)
