# SPDX-License-Identifier: MIT
"""R-fresh among many vaults: how long a listing is believed, what finding out
costs, and what changes when something did."""

import json
import os
import re
import time

import pytest

from support.faultproxy import Hold, close_unanswered
from support.paths import VAULTFS
from support.process import ends_within, finish, run, wait_for
from support.service import CREDENTIALS
from support.standin import Later

# All of it: quick runs do without.
pytestmark = pytest.mark.slow

AT_ONCE = 10
CALLERS = 50


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def touch_refresh(mount):
    """Forget every listing; done when it returns."""
    os.utime(mount / ".vaultfs/refresh")


def fresh(mount):
    status = json.loads((mount / ".vaultfs/status").read_text())
    return status["cache"]["fresh_listings"]


def note(mount, vault, file="c0.json"):
    """What somebody noted in a credential's metadata."""
    return json.loads((mount / vault / file).read_text())["metadata"].get("note")


class Reads:
    """The READs that the daemon gets while a block runs."""

    METRIC = re.compile(r'vaultfs_fuse_requests_total\{operation="read"\} (\d+)')

    def __init__(self, mount):
        self.mount = mount
        self.count = None

    def _now(self):
        found = self.METRIC.search((self.mount / ".vaultfs/metrics").read_text())
        return int(found[1])

    def __enter__(self):
        first = self._now()
        self._before = self._now()
        self._own = self._before - first  # what looking at the metrics costs
        return self

    def __exit__(self, *_):
        self.count = self._now() - self._before - self._own


# One fetch for many


@pytest.mark.parametrize("look", [["ls", "v000"], ["ls", "-l", "v000"]])
def test_R_ahead_many_who_look_at_once_share_one_listing(
    standins, mount_of, children, look
):
    standin = standins(2, 2)
    mount = mount_of(standin)
    mount.ls()
    hold = Hold()
    standin.on("GET", CREDENTIALS, hold)
    before = threads_of(mount.pid)
    callers = [children(mount.spawn(look)) for _ in range(CALLERS)]
    wait_for(lambda: threads_of(mount.pid) >= before + CALLERS - 10, what="the crowd")
    assert hold.held == 1
    hold.release()
    for caller in callers:
        assert finish(caller).out.count("c1.json") == 1
    assert standin.listed() == ["v000"]


def test_R_ahead_many_who_look_at_the_root_share_its_pages(
    standins, mount_of, children
):
    standin = standins(250, 0)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", "/vaults$", hold)
    callers = [children(mount.spawn("ls | wc -l")) for _ in range(20)]
    hold.wait()
    hold.release()
    assert {finish(caller).out for caller in callers} == {"250\n"}
    assert standin.total == 3  # the probe is the first


def test_R_ahead_a_failure_is_shared_too_and_not_repeated(standins, mount_of, children):
    """Who waited together is told together; who comes later asks again."""
    standin = standins(2, 1)
    mount = mount_of(standin)
    mount.ls()
    hold = Hold(then=close_unanswered)
    standin.on("GET", CREDENTIALS, hold, times=3)  # as often as it is tried
    before = threads_of(mount.pid)
    callers = [children(mount.spawn(["ls", "v000"])) for _ in range(20)]
    wait_for(lambda: threads_of(mount.pid) >= before + 10, what="the crowd")
    hold.release()
    for caller in callers:
        assert finish(caller)
    assert hold.held <= 3 and len(standin.listed()) <= 4


# What a refresh costs, and tells


def test_R_fresh_a_refresh_that_finds_nothing_new_tells_the_kernel_nothing(
    standins, mount_of
):
    standin = standins(3, 5)
    mount = mount_of(standin, "--ttl", "1")
    assert mount.sh("ls -lR . && cat */*.json */.vault.json")
    before = mount.sh("ls -liR --full-time .").out
    wait_for(lambda: not fresh(mount), what="the end of their lives")
    assert mount.sh("ls -liR --full-time .").out == before
    assert min(standin.times_listed().values()) >= 2
    with Reads(mount) as reads:
        assert mount.sh("cat */*.json */.vault.json | wc -c")
    assert reads.count == 0


def test_R_fresh_a_refresh_that_finds_something_tells_of_that_alone(standins, mount_of):
    standin = standins(3, 5)
    mount = mount_of(standin, "--ttl", "1")
    assert mount.sh("cat */*.json */.vault.json")
    standin.put("v001", "c3.json", note="theirs")
    wait_for(lambda: not fresh(mount), what="the end of their lives")
    assert mount.sh("ls -lR .")
    with Reads(mount) as reads:
        assert mount.sh("cat v000/*.json v002/*.json v001/c[0124].json */.vault.json")
    assert reads.count == 0
    with Reads(mount) as reads:
        assert note(mount, "v001", "c3.json") == "theirs"
    assert reads.count >= 1


def test_R_fresh_a_change_of_others_shows_within_ttl_and_only_it(standins, mount_of):
    standin = standins(3, 3)
    mount = mount_of(standin, "--ttl", "1")
    before = {v: mount.sh(f"cat {v}/*.json").out for v in standin.names}
    inode = os.stat(mount / "v001/c1.json").st_ino
    standin.put("v001", "c1.json", note="theirs")
    standin.put("v001", "new.json")
    standin.drop("v001", "c2.json")
    wait_for(lambda: note(mount, "v001", "c1.json") == "theirs", 10, "the change")
    assert mount.ls("v001") == ["c0.json", "c1.json", "new.json"]
    assert not os.path.exists(mount / "v001/c2.json")
    assert os.stat(mount / "v001/c1.json").st_ino == inode
    # Nobody looked at the others, and nobody asked for them.
    standin.settle()
    assert standin.times_listed()["v000"] == standin.times_listed()["v002"] == 1
    for vault in ("v000", "v002"):
        assert mount.sh(f"cat {vault}/*.json").out == before[vault]


def test_R_fresh_an_idle_mount_asks_for_nothing(standins, mount_of):
    """Lives end without a word: only a look asks."""
    standin = standins(5, 1)
    mount = mount_of(standin, "--ttl", "0")
    assert mount.sh("ls -lR .")
    standin.settle()
    before = standin.total
    wait_for(lambda: not fresh(mount), what="the end of their lives")
    standin.settle()
    assert standin.total == before


# How long a listing is believed


def test_R_fresh_a_ttl_of_none_asks_at_the_next_look(standins, mount_of):
    standin = standins(1, 1)
    mount = mount_of(standin, "--ttl", "0")
    for text in ("one", "two", "three"):
        standin.put("v000", "c0.json", note=text)
        # It lives for ten times what it took to fetch even so.
        wait_for(lambda text=text: note(mount, "v000") == text, what="the change")


def test_R_fresh_a_long_ttl_asks_once(standins, mount_of):
    standin = standins(40, 1)
    mount = mount_of(standin, "--ttl", "31536000")
    for _ in range(3):
        assert mount.sh("ls -lR . && find . -newer /etc/passwd && cat */c0.json")
    assert standin.times_listed() == dict.fromkeys(standin.names, 1)
    assert standin.total == 41


@pytest.mark.slow
def test_R_fresh_a_slow_listing_lives_ten_times_as_long_as_it_took(standins, mount_of):
    """300 ms a request and a ttl of 1 s: it lives 3 s."""
    standin = standins(2, 1, delay_s=0.3)
    mount = mount_of(standin, "--ttl", "1")
    assert mount.ls("v000") == ["c0.json"]

    def asked_at():
        return [r.at for r in standin.of("GET", CREDENTIALS)]

    wait_for(lambda: mount.ls("v000") and len(asked_at()) > 1, what="another request")
    first, second = asked_at()[:2]
    assert second - first >= 3.0


def test_R_fresh_a_walk_does_not_outlive_its_own_listings(standins, mount_of):
    """Long though it takes: it is over when ttl has passed several times."""
    standin = standins(60, 1, delay_s=0.12)
    mount = mount_of(standin, "--ttl", "0", "--concurrency", "8")
    start = time.monotonic()
    assert mount.sh("ls -R . | grep -c json").out == "60\n"
    assert standin.times_listed() == dict.fromkeys(standin.names, 1)
    assert time.monotonic() > start + 0.12  # so that there was something to outlive


def test_R_fresh_a_pause_that_the_service_wanted_makes_no_life_longer(
    standins, mount_of
):
    """2 s: ten times that is longer than anybody waits here."""
    standin = standins(1, 1)
    mount = mount_of(standin, "--ttl", "1")
    refused = Later(2)
    standin.on("GET", CREDENTIALS, refused, times=1)
    assert mount.ls("v000") == ["c0.json"]
    assert refused.disobeyed_by(standin.of("GET")) == []
    standin.put("v000", "theirs.json")
    wait_for(lambda: "theirs.json" in mount.ls("v000"), AT_ONCE, "the change")


# Now, please


@pytest.mark.parametrize("how", ["touch", "signal", "command"])
def test_R_fresh_a_refresh_makes_it_now(standins, mount_of, how):
    standin = standins(20, 1)
    mount = mount_of(standin)
    assert mount.sh("ls -R . | grep -c json").out == "20\n"
    for name in standin.names:
        standin.put(name, "theirs.json", note=how)
    standin.make_vault("v900")
    standin.drop_vault("v000")
    assert mount.sh("ls -R . | grep -c json").out == "20\n"
    refreshes(mount)[how]()
    names = standin.names
    wait_for(lambda: mount.ls() == names, what="the vaults")
    assert mount.sh("ls -R . | grep -c theirs").out == "19\n"
    assert {note(mount, v, "theirs.json") for v in names[:-1]} == {how}


def refreshes(mount):
    return {
        "touch": lambda: touch_refresh(mount),
        "signal": mount.refresh,
        "command": lambda: run([VAULTFS, "refresh", mount.path], env=mount.env),
    }


@pytest.fixture
def overtaken(standins, mount_of, children):
    """A walk that fetches v020 ahead: the service has read it, its reply is on
    the way. Then somebody changes it, and the mount is refreshed."""
    standin = standins(60, 1)
    mount = mount_of(standin)
    hold, ahead = Hold(), Hold(before_acting=False)
    standin.on("GET", standin.listing("v019"), hold, times=1)
    standin.on("GET", standin.listing("v020"), ahead, times=1)
    walk = children(mount.spawn("ls -R . > /dev/null"))
    hold.wait()
    ahead.wait()
    standin.put("v020", "theirs.json")
    touch_refresh(mount)
    yield mount, standin, ahead
    standin.clear()
    finish(walk)


def test_R_fresh_what_is_fetched_ahead_over_a_refresh_is_not_believed(overtaken):
    mount, standin, ahead = overtaken
    ahead.release()
    standin.settle_held(ahead)
    assert mount.ls("v020") == ["c0.json", "theirs.json"]
    assert standin.times_listed()["v020"] == 2


def test_R_fresh_who_looks_after_a_refresh_waits_for_no_older_answer(
    overtaken, children
):
    mount, standin, ahead = overtaken
    look = children(mount.spawn(["ls", "v020"]))
    standin.settle_held(ahead)
    ahead.release()
    assert finish(look).out == "c0.json\ntheirs.json\n"


def test_R_fresh_a_look_that_was_waiting_gets_the_newer_answer(
    standins, mount_of, children
):
    """The same for a listing that somebody waits for, and for the root."""
    standin = standins(2, 1)
    mount = mount_of(standin)
    mount.ls()
    old = Hold(before_acting=False)
    standin.on("GET", standin.listing("v000"), old, times=1)
    first = children(mount.spawn(["ls", "v000"]))
    old.wait()
    standin.put("v000", "theirs.json")
    touch_refresh(mount)
    later = children(mount.spawn(["ls", "v000"]))
    assert not ends_within(first, 0.1)
    old.release()
    assert "c0.json" in finish(first).out
    assert finish(later).out == "c0.json\ntheirs.json\n"
    assert mount.ls("v000") == ["c0.json", "theirs.json"]
