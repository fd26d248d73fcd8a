# SPDX-License-Identifier: MIT
"""Turns and holds: how many requests are under way at once, who goes first, and
what a service gets that wants to be left alone for a while."""

import email.utils
import json
import math
import re
import shlex
import time

import pytest

from support.faultproxy import Hold, error
from support.process import ends_within, finish, wait_for
from support.service import CREDENTIALS
from support.specs import bearer
from support.standin import Later

# All of it: quick runs do without.
pytestmark = pytest.mark.slow

# "At once" is a small part of what a hold or a deadline here would take.
AT_ONCE = 10
LONG = 60
LIMIT = 16
SPARE = 4  # above the limit, for vaults that have nothing under way

ANY = ""


def create(name, vault):
    """A shell's command that makes a credential."""
    spec = json.dumps(bearer(host=f"{name}.example"))
    return f"printf '%s\n' '{spec}' > {vault}/{name}.json"


def creates(vault, count):
    """That many, each from a process of its own, all at once."""
    command = shlex.quote(create("n@", vault))
    return f"seq {count} | xargs -P{count} -I@ sh -c {command}"


def status(mount):
    return json.loads((mount / ".vaultfs/status").read_text())


# Turns


def test_turns_many_vaults_at_once_get_the_limit_and_a_few_spare(
    standins, mount_of, children
):
    standin = standins(64, 1)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", CREDENTIALS, hold)
    names = " ".join(standin.names)
    looks = children(mount.spawn(f"printf '%s\\n' {names} | xargs -P64 -n1 ls -A"))
    hold.wait(LIMIT)
    assert LIMIT <= standin.settle_held(hold) <= LIMIT + SPARE
    standin.clear()
    result = finish(looks)
    assert result and result.out.split().count("c0.json") == 64, result
    assert standin.peak <= LIMIT + SPARE
    assert standin.times_listed() == dict.fromkeys(standin.names, 1)


@pytest.mark.parametrize("limit", [1, 3, 16])
def test_turns_one_vault_gets_the_limit_and_no_more(
    standins, mount_of, children, limit
):
    standin = standins(1, 1)
    mount = mount_of(standin, "--concurrency", str(limit))
    mount.ls("v000")
    hold = Hold()
    standin.on("POST", CREDENTIALS, hold)
    writers = children(mount.spawn(creates("v000", 32)))
    hold.wait(limit)
    assert standin.settle_held(hold) == limit
    standin.clear()
    result = finish(writers, 40)
    assert result, result
    assert len(standin.files("v000")) == 33
    assert standin.peak == limit


def test_turns_too_many_requests_halve_the_limit_and_success_restores_it(
    standins, mount_of, children
):
    standin = standins(200, 0)
    mount = mount_of(standin)
    mount.ls("v000")
    # All that is under way is refused together: that counts once.
    storm, after = Hold(then=error(429, "rate_limit_error")), Hold()
    standin.on("POST", CREDENTIALS, after)
    standin.on("POST", CREDENTIALS, storm, times=LIMIT)
    writers = children(mount.spawn(creates("v000", 32)))
    storm.wait(LIMIT)
    storm.release()
    after.wait(LIMIT // 2)
    assert LIMIT // 2 <= standin.settle_held(after) <= LIMIT // 2 + 1
    standin.clear()
    result = finish(writers, 40)
    assert result and len(standin.files("v000")) == 32, result
    # About one more for as many successes as the limit is: 92 for 8 to 16.
    assert mount.sh("ls -R . > /dev/null")
    again = Hold()
    standin.on("POST", CREDENTIALS, again)
    writers = children(mount.spawn(creates("v001", 32)))
    again.wait(LIMIT)
    assert standin.settle_held(again) == LIMIT
    standin.clear()
    assert finish(writers, 40)
    assert standin.peak == LIMIT


# Fairness


@pytest.fixture
def walked(standins, mount_of, children):
    """A mount with a walk that has every turn, and hangs: v000 is known, v150
    is not, and is not held."""
    standin = standins(200, 1)
    mount = mount_of(standin, "--timeout", str(LONG))
    mount.ls("v000")
    hold = Hold()
    hanging = {*standin.names[40:]} - {"v150", "v151"}
    standin.on("GET", standin.listing(*hanging), hold)
    walk = children(mount.spawn("ls -R . | grep -c json"))
    hold.wait(LIMIT)
    standin.settle_held(hold)
    yield mount, standin
    assert not ends_within(walk, 0.1), "the walk did not hang"
    standin.clear()
    assert finish(walk).out.strip() in ("200", "201")


@pytest.mark.parametrize(
    "look",
    [
        "cat v000/c0.json",
        "cat v150/c0.json",
        "ls -l v150 v151",
        create("new", "v000"),
        "ls -l . && cat .vaultfs/status",
    ],
    ids=["known", "unknown", "two", "create", "root"],
)
def test_turns_a_walk_that_hangs_keeps_nobody_waiting(walked, look):
    mount, _ = walked
    assert mount.sh(look, AT_ONCE)


# Held: Retry-After


def http_date(seconds):
    """A moment at least that far ahead, in the whole seconds that it can say."""
    return email.utils.formatdate(math.ceil(time.time() + seconds), usegmt=True)


@pytest.mark.parametrize(
    "refusal",
    [
        lambda: Later(2),
        lambda: Later(1, value=http_date(1)),
        lambda: Later(1.2, name="Retry-After-Ms", value=1200),
    ],
    ids=["429", "date", "ms"],
)
def test_held_who_asks_waits_until_the_service_wants_to_be_asked(
    standins, mount_of, children, refusal
):
    standin = standins(20, 1)
    mount = mount_of(standin)
    mount.ls()
    refused = refusal()
    standin.on("GET", CREDENTIALS, refused, times=1)
    looks = [children(mount.spawn(["ls", "v000"]))]
    refused.wait()
    standin.settle()  # the refusal has reached who asked
    for name in ("v003", "v007", "v011", "v019"):
        looks.append(children(mount.spawn(["ls", name])))
    for look in looks:
        result = finish(look)
        assert result and result.out == "c0.json\n", result
    assert refused.disobeyed_by(standin.of("GET")) == []
    assert len(standin.listed()) == len(looks) + 1
    assert mount.records() == []


def test_held_a_503_is_waited_for_by_who_was_answered_so_alone(
    standins, mount_of, children
):
    """It is about what was asked for, and not about who asks."""
    standin = standins(20, 1)
    mount = mount_of(standin)
    mount.ls()
    refused = Later(2, 503)
    standin.on("GET", CREDENTIALS, refused, times=1)
    look = children(mount.spawn(["ls", "v000"]))
    refused.wait()
    standin.settle()
    for name in ("v003", "v011", "v019"):
        assert mount.ls(name) == ["c0.json"]
    assert len(refused.disobeyed_by(standin.of("GET"))) == 3
    result = finish(look)
    assert result and result.out == "c0.json\n", result
    assert standin.times_listed() == {"v000": 2, "v003": 1, "v011": 1, "v019": 1}
    assert len(refused.disobeyed_by(standin.of("GET"))) == 3
    assert mount.records() == []


@pytest.fixture
def held(standins, mount_of):
    """A mount whose service takes no reads for a minute; v000 is known."""
    standin = standins(20, 1)
    mount = mount_of(standin, "--timeout", "30")
    mount.ls("v000")
    standin.on("GET", CREDENTIALS, Later(LONG), times=1)
    assert mount.sh("ls v019", AT_ONCE).status != 0
    return mount, standin


def test_held_what_is_fresh_is_served_meanwhile(held):
    mount, standin = held
    before = standin.total
    assert mount.sh("ls -l . v000 && cat v000/c0.json && grep -r x v000", AT_ONCE)
    assert standin.total == before


def test_held_reads_do_not_hold_writes(held):
    mount, standin = held
    assert mount.sh(create("new", "v000"), AT_ONCE)
    assert standin.files("v000") == ["c0.json", "new.json"]
    assert mount.sh("cat v000/new.json", AT_ONCE)


def test_held_who_cannot_wait_so_long_is_told_at_once(held):
    """With the reason: the deadline comes before the end of the hold."""
    mount, standin = held
    before = standin.total
    for i, look in enumerate(("ls v005", "cat v006/c0.json", "stat v007/c0.json")):
        result = mount.sh(look, AT_ONCE)
        assert result.status != 0 and "resource busy" in result.err, result
    assert standin.total == before
    record = mount.record("/v005")
    assert record["errno"] == "EBUSY"
    assert says_how_long(record["message"], LONG)


def says_how_long(message, seconds):
    """In seconds: some of them may be over."""
    found = [int(n) for n in re.findall(r"\b(\d+) ?s", message)]
    return [n for n in found if seconds - AT_ONCE <= n <= seconds]


def test_held_a_write_that_cannot_wait_so_long_is_told_at_once(standins, mount_of):
    standin = standins(3, 1)
    mount = mount_of(standin, "--timeout", "30")
    mount.ls("v000")
    mount.ls("v001")
    standin.on("POST", CREDENTIALS, Later(LONG), times=1)
    for name, vault in (("one", "v000"), ("two", "v000"), ("three", "v001")):
        result = mount.sh(create(name, vault), AT_ONCE)
        assert result.status != 0 and "resource busy" in result.err, result
    assert len(standin.of("POST")) == 1
    record = mount.record("/v001/three.json")
    assert record["errno"] == "EBUSY" and not record.get("outcome_unknown")
    assert says_how_long(record["message"], LONG)
    assert mount.ls("v001") == ["c0.json"]
    result = mount.sh("rm v001/c0.json", AT_ONCE)
    assert result.status != 0 and "resource busy" in result.err, result
    assert standin.of("DELETE") == []
    # Reading was not refused.
    assert mount.sh("ls v002", AT_ONCE).out == "c0.json\n"


def test_held_an_old_listing_is_served_at_once_and_an_unknown_one_waits(
    standins, mount_of, children
):
    """R-down: what was listed stays readable, and the status says degraded."""
    standin = standins(20, 1)
    mount = mount_of(standin, "--ttl", "0", "--timeout", str(2 * LONG))
    assert mount.sh("ls -l v000 && cat v000/c0.json")
    refused = standin.on("GET", ANY, Later(LONG), times=1)
    # A listing lives for ten times what it took to fetch, whatever the ttl.
    wait_for(lambda: mount.sh("ls v000", AT_ONCE) and refused.hits, what="the refusal")
    before = standin.total
    for _ in range(3):
        result = mount.sh("ls v000 && cat v000/c0.json > ../read", AT_ONCE)
        assert result.out == "c0.json\n" and not result.err, result
    assert status(mount)["degraded"] is True
    look = children(mount.spawn(["ls", "v005"]))
    assert not ends_within(look, 0.1)
    standin.settle()
    assert standin.total == before


def test_held_the_status_is_well_again_when_the_service_is(standins, mount_of):
    standin = standins(20, 1)
    mount = mount_of(standin, "--ttl", "0")
    mount.ls("v000")
    refused = Later(1)
    rule = standin.on("GET", ANY, refused, times=1)
    wait_for(lambda: mount.ls("v000") and rule.hits, what="the refusal")
    standin.put("v000", "theirs.json")
    wait_for(lambda: "theirs.json" in mount.ls("v000"), what="the news")
    wait_for(lambda: not status(mount)["degraded"], what="the recovery")
    assert refused.disobeyed_by(standin.of("GET")) == []


def test_held_a_walk_goes_on_when_the_service_wants_it(standins, mount_of, children):
    """Many are under way when the first is refused."""
    standin = standins(60, 1)
    mount = mount_of(standin)
    refused = Later(1)
    hold = Hold(then=refused)
    standin.on("GET", standin.listing(*standin.names[20:]), hold, times=LIMIT)
    walk = children(mount.spawn("ls -R . | grep -c json"))
    hold.wait(LIMIT)
    hold.release()
    result = finish(walk)
    assert result.out == "60\n" and not result.err, result
    # The last to be refused says until when: all of them were there by then.
    assert refused.disobeyed_by(standin.of("GET")) == []
    assert set(standin.listed()) == set(standin.names)
    assert len(standin.listed()) == 60 + LIMIT
    assert mount.records() == []
