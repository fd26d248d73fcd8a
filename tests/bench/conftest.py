# SPDX-License-Identifier: MIT
from support.fixtures import pytest_configure, pytest_sessionstart  # noqa: F401
