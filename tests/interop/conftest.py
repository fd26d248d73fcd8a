# SPDX-License-Identifier: MIT
"""The official SDK of the sister API, from the npm registry, in two majors."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fixtures import (  # noqa: E402, F401
    mounts, pytest_configure, pytest_sessionstart, services, watchdog, why_no_fuse)

from official_sdk import Sdk, install  # noqa: E402

MAJORS = ["0", "1"]


@pytest.fixture(scope="session", params=MAJORS, ids="sdk{}".format)
def modules(request, tmp_path_factory):
    """Where a major version of the SDK is installed."""
    return install(request.param, tmp_path_factory.mktemp("npm"))


@pytest.fixture
def service(services):  # noqa: F811
    return services("--dialect", "anthropic")


@pytest.fixture
def sdks(modules, service, tmp_path):
    """Starts a client: sdks(ANTHROPIC_API_KEY=...)."""
    started = []

    def start(**env):
        sdk = Sdk(modules, tmp_path, ANTHROPIC_BASE_URL=service.origin, **env)
        started.append(sdk)
        return sdk

    yield start
    for sdk in started:
        sdk.end()


@pytest.fixture
def sdk(sdks, service):
    return sdks(ANTHROPIC_API_KEY=service.token)


@pytest.fixture
def mount(mounts):  # noqa: F811
    if why_no_fuse():
        pytest.skip(why_no_fuse())
    return mounts("--dialect", "anthropic", "--ttl", "600")
