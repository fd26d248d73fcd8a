# SPDX-License-Identifier: MIT
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fixtures import *  # noqa: E402, F401, F403


@pytest.fixture
def prod(mount):
    """An empty vault "prod", already listed."""
    os.mkdir(mount / "prod")
    assert mount.ls("prod") == []
    return mount / "prod"
