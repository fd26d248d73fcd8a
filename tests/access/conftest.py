# SPDX-License-Identifier: MIT
import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.certificates import authority, certificate, trusted  # noqa: E402, F401
from support.connectproxy import connect_proxy  # noqa: E402, F401
from support.fixtures import *  # noqa: E402, F401, F403
from support.nginx import nginx, nginxes  # noqa: E402, F401
from support.tokens import bare_mounts, command, gate, issuer  # noqa: E402, F401

from household import house  # noqa: E402, F401
from outcomes import print_table  # noqa: E402
from world import world  # noqa: E402, F401


@pytest.fixture(autouse=True)
def no_proxy_of_ours(monkeypatch):
    """A proxy that the tests were started with is not for the services here."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def pytest_addoption(parser):
    with contextlib.suppress(ValueError):  # tests/tools has it too
        parser.addoption(
            "--table", action="store_true", help="print what each source led to"
        )


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--table", False):
        print_table(terminalreporter)
