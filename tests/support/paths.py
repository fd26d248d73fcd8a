# SPDX-License-Identifier: MIT
"""Where the programs under test are."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VAULTFS_BUILD", REPO / "build")).resolve()
VAULTFS = BUILD / "fs" / "vaultfs"
VAULTD = BUILD / "fs" / "vaultd"

# Variables that would give a program under test a token or another server.
FOREIGN = ("QODER_", "ANTHROPIC_", "XDG_", "VAULTFS_", "CREDENTIALS_DIRECTORY")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def is_sanitized(program):
    """Whether a program was built with AddressSanitizer."""
    return b"__asan_init" in Path(program).read_bytes()


def environment(home, **more):
    """The environment of a user whose home is a directory of the test."""
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(FOREIGN) and k.lower() not in PROXIES
    }
    return env | {"HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"} | more
