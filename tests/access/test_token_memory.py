# SPDX-License-Identifier: MIT
"""A token that is in use has one copy in memory, in a locked mapping. Whatever
open connections may hold besides is counted and told."""

import errno
import os

import pytest

from household import REREAD
from support.copies import PIECE, Needle, copies
from support.errnos import errno_of
from support.memory import random_text
from support.paths import VAULTD, VAULTFS, is_sanitized
from support.process import finish, wait_for
from support.sources import SOURCES
from support.specs import bearer, text
from support.tokens import token_of

# All of it: quick runs do without.
pytestmark = pytest.mark.slow

may_look = pytest.mark.skipif(
    os.geteuid() != 0 or is_sanitized(VAULTFS) or is_sanitized(VAULTD),
    reason="only root can look, and sanitizers bring an allocator that wipes nothing",
)


def test_the_needle_finds_every_piece():
    token = "pt-" + random_text(43)
    needle = Needle("t", token)
    for start in range(3, len(token) - PIECE + 1):
        data = b"\0" * 7 + token[start : start + PIECE].encode() + b"\0" * 7
        assert needle.find(data) == {7 - (start - 3)}
        assert needle.find(data[:7] + data[8:]) == set()
    assert needle.find(2 * token.encode()) == {3, 3 + len(token)}


@may_look
def test_the_needle_is_found_in_memory_that_is_not_locked(issuer):
    """In ours, for one."""
    told = copies(os.getpid(), {"t": issuer.token("t")})
    assert told["t"]["elsewhere"] and not told["t"]["locked"]


def assert_only_locked(pid, tokens, current):
    """Once no connection is open: the token that is in use has one copy, in a
    locked mapping; others have none outside of such."""

    def clean():
        told = copies(pid, tokens)
        return not any(t["elsewhere"] for t in told.values()) and told

    told = wait_for(clean, 5, f"clean memory; there is {copies(pid, tokens)}")
    assert told[current]["locked"] == 1, told
    return told


@may_look
@pytest.mark.parametrize("source", SOURCES)
def test_a_token_has_one_copy_and_it_is_locked(
    house, source, record_property, capsys
):
    first = house.issue(source, "first")
    given = house.give(source, first)
    assert finish(house.spawn(given))
    os.mkdir(house.point / "prod")
    for n in range(8):
        (house.point / f"prod/f{n}.json").write_bytes(text(bearer(f"h{n}.example")))
    pid = house.pid()
    if source in REREAD:
        house.revoke(source, "first")
        house.give(source, house.issue(source, "second"))
        wait_for(lambda: errno_of(os.mkdir, house.point / "d") == 0)
    house.note_exchanged()
    in_use = token_of(house.proxy.requests[-1])
    (current,) = [n for n, t in house.tokens.items() if t == in_use]
    open_now = copies(pid, house.tokens)
    house.service.stop()
    house.proxy.stop()
    assert errno_of(os.mkdir, house.point / "e") == errno.ECONNREFUSED
    closed = assert_only_locked(pid, house.tokens, current)
    for name in house.tokens:
        elsewhere = len(open_now[name]["elsewhere"])
        record_property(
            "copies",
            f"{source}, {name}: {closed[name]['locked']} locked, {elsewhere} while "
            "connections were open",
        )
    with capsys.disabled():
        left = sum(len(t["elsewhere"]) for t in open_now.values())
        print(f"\n{source}: {left} pieces in open connections, then none")
