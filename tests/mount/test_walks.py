# SPDX-License-Identifier: MIT
"""R-ahead and R-cheap: what walking over many vaults asks of the service, and
how much of it at once."""

import errno
import itertools
import json
import os
import re

import pytest

from support.faultproxy import Hold, close_unanswered, error, forward
from support.handles import raises
from support.process import ends_within, finish, wait_for
from support.service import CREDENTIAL, CREDENTIALS
from support.specs import bearer

AT_ONCE = 10
LIMIT = 16
SPARE = 4  # above the limit, for who waits

# What walks, and tells how many files it met.
WALKS = {
    "ls -lR": "ls -lR . | grep -c '^-.* c[0-9].json$'",
    "ls -R": "ls -R . | grep -c '^c[0-9].json$'",
    "find": "find . -name 'c*.json' -size +0 | wc -l",
    "tar": "tar cf - . | tar t | grep -c '/c[0-9].json$'",
    "cp -a": "cp -a . ../copy && ls ../copy/*/c*.json | wc -l",
    "grep -r": "grep -r '\"display_name\": null' . | wc -l",
    "rsync": "rsync -a ./ ../copy/ && ls ../copy/*/c*.json | wc -l",
    "du": "du -a . | grep -c '/c[0-9].json$'",
    "glob": "sh -c 'cat */c*.json' | grep -c '\"display_name\": null'",
    "loop": "for v in */; do ls $v; done | grep -c '^c[0-9].json$'",
    "os.walk": "/usr/bin/python3 -c 'import os; print(sum(f[0] == \"c\""
    ' for _, _, fs in os.walk(".") for f in fs))\'',
}


def in_order(tool, mount, standin):
    """The vaults as a tool walks them."""
    if tool == "cp -a":
        return sorted(standin.names, key=lambda name: os.stat(mount / name).st_ino)
    return standin.names


def assert_each_once(standin):
    assert standin.times_listed() == dict.fromkeys(standin.names, 1)
    assert standin.pages() == -(-len(standin.names) // 100)
    assert standin.total == standin.pages() + len(standin.names)


@pytest.mark.slow
@pytest.mark.parametrize("tool", WALKS)
def test_R_ahead_a_walk_asks_for_each_listing_once_and_many_at_a_time(
    standins, mount_of, children, tool
):
    """The mount's probe is the first page: 202 requests for 200 vaults."""
    standin = standins(200, 3)
    mount = mount_of(standin)
    # When it is in its stride, as many as may be are held at once.
    hold = Hold()
    standin.on("GET", standin.listing(*in_order(tool, mount, standin)[100:]), hold)
    walk = children(mount.spawn(WALKS[tool]))
    hold.wait(LIMIT)
    assert standin.settle_held(hold) == LIMIT
    standin.clear()
    result = finish(walk)
    assert result and result.out.strip() == "600", result
    assert_each_once(standin)
    assert standin.peak == LIMIT
    assert standin.connections <= LIMIT + SPARE  # each is used again


def test_R_ahead_a_glob_of_bash_is_a_walk_too(standins, mount_of, children):
    """It opens the directories from the last to the first."""
    standin = standins(200, 3)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", standin.listing(*standin.names[:100]), hold)
    walk = children(mount.spawn("cat */c*.json | grep -c '\"display_name\": null'"))
    hold.wait(LIMIT)
    assert standin.settle_held(hold) == LIMIT
    standin.clear()
    assert finish(walk).out.strip() == "600"
    assert_each_once(standin)
    assert standin.peak == LIMIT


def test_R_ahead_large_vaults_cost_their_pages_and_no_more(standins, mount_of):
    standin = standins(20, 250)
    mount = mount_of(standin)
    assert mount.sh("ls -lR . | grep -c json").out == "5000\n"
    assert standin.times_listed() == dict.fromkeys(standin.names, 3)
    assert standin.total == 1 + 20 * 3


def test_R_ahead_a_walk_keeps_to_the_concurrency_that_was_asked_for(
    standins, mount_of, children
):
    standin = standins(40, 1)
    mount = mount_of(standin, "--concurrency", "4")
    hold = Hold()
    standin.on("GET", standin.listing(*standin.names[20:]), hold)
    walk = children(mount.spawn("ls -R . > /dev/null"))
    hold.wait(4)
    assert standin.settle_held(hold) == 4
    standin.clear()
    assert finish(walk)
    assert_each_once(standin)
    assert standin.peak == 4


def test_R_ahead_one_at_a_time_is_a_walk_too(standins, mount_of):
    standin = standins(20, 1)
    mount = mount_of(standin, "--concurrency", "1")
    assert mount.sh("find . | wc -l").out.strip() == str(1 + 20 * 3)
    assert_each_once(standin)
    assert standin.peak == 1


def test_R_ahead_a_walk_is_recognised_at_the_second_vault(standins, mount_of):
    """One look gives no licence; the second, in order, does; what is fetched
    ahead doubles as the walk goes on."""
    standin = standins(200, 1)
    mount = mount_of(standin)
    ahead = []
    for i, name in enumerate(standin.names[:7], 1):
        assert mount.ls(name) == ["c0.json"]
        standin.settle()
        listed = standin.listed()
        ahead.append(len(listed) - i)
        assert sorted(listed) == standin.names[: len(listed)]
    assert ahead == [0, 1, 2, 4, 8, LIMIT, LIMIT]


def test_R_ahead_a_walk_may_begin_in_the_middle(standins, mount_of):
    standin = standins(60, 1)
    mount = mount_of(standin)
    half = standin.names[30:]
    assert mount.sh(f"ls {' '.join(half)}")
    assert standin.times_listed() == dict.fromkeys(half, 1)


@pytest.mark.parametrize(
    "look",
    [
        "ls v050",
        "ls -lA v050/",
        "cat v050/c0.json",
        "stat v050/c0.json",
        "test -e v050/absent.json; true",
        "cat v050/.vault.json v050/c1.json",
        "bash -c 'compgen -f v050/'",
        "find v050",
        "tar cf - v050 | cat",
    ],
)
def test_R_ahead_looking_at_one_vault_fetches_one(standins, mount_of, look):
    standin = standins(200, 2)
    mount = mount_of(standin)
    assert mount.sh("ls -l > /dev/null")
    assert mount.sh(look) and mount.sh(look)
    standin.settle()
    assert standin.listed() == ["v050"]


def test_R_ahead_looking_at_the_root_alone_fetches_no_vault(standins, mount_of):
    standin = standins(200, 1)
    mount = mount_of(standin)
    assert mount.sh("ls -l && stat * && find . -maxdepth 1 && ls -d */")
    standin.settle()
    assert standin.listed() == [] and standin.total == 2


def test_R_ahead_two_neighbours_are_no_flood(standins, mount_of):
    standin = standins(200, 1)
    mount = mount_of(standin)
    assert mount.sh("cat v010/c0.json && cat v011/c0.json")
    standin.settle()
    assert set(standin.listed()) >= {"v010", "v011"}
    assert len(standin.listed()) <= 4


def test_R_ahead_looks_here_and_there_are_no_walk(standins, mount_of):
    standin = standins(200, 1)
    mount = mount_of(standin)
    some = [standin.names[i] for i in (3, 150, 77, 12, 190, 42, 111, 8, 60, 134)]
    assert mount.sh(f"for v in {' '.join(some)}; do ls $v && cat $v/c0.json; done")
    standin.settle()
    assert standin.listed() == some


def test_R_ahead_a_walk_that_stops_wastes_what_it_had_in_hand(standins, mount_of):
    standin = standins(200, 1)
    mount = mount_of(standin)
    assert mount.sh("for v in v000 v001 v002 v003 v004; do ls $v; done")
    standin.settle()
    fetched = len(standin.listed())
    assert 5 < fetched <= 5 + LIMIT
    # What follows has nothing to do with it.
    assert mount.sh("ls v150 && ls v100 && cat v004/c0.json && ls v000")
    standin.settle()
    assert len(standin.listed()) == fetched + 2


def test_R_ahead_what_was_fetched_ahead_answers_while_the_rest_hangs(
    standins, mount_of, children
):
    standin = standins(100, 1)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", standin.listing("v050"), hold)
    walk = children(mount.spawn("ls -R . | wc -l"))
    hold.wait()
    standin.settle_held(hold)
    ahead = [name for name in standin.listed() if name > "v050"]
    assert ahead
    before = standin.total
    for name in ahead:
        assert mount.sh(f"ls {name} && cat {name}/c0.json > /dev/null", AT_ONCE)
    assert standin.times_listed() == dict.fromkeys(standin.listed(), 1)
    assert not ends_within(walk, 0.1) and before >= 51
    hold.release()
    assert finish(walk)
    assert_each_once(standin)


def test_R_ahead_two_walks_at_once_share_what_they_fetch(standins, mount_of, children):
    standin = standins(100, 1)
    mount = mount_of(standin)
    commands = ["find . | wc -l", "ls -R . | grep -c json", "tar c . | tar t | wc -l"]
    walks = [children(mount.spawn(command)) for command in commands]
    assert [finish(walk).out.strip() for walk in walks] == ["301", "100", "301"]
    assert_each_once(standin)
    assert standin.peak <= LIMIT + SPARE


MIXED = [f"{a}{i:02}" for i in range(20) for a in ("Team-", "team-", "Zeta ", "été_")]


@pytest.mark.parametrize(
    "key", [None, str.casefold, lambda name: name[::-1]], ids=["bytes", "locale", "odd"]
)
def test_R_ahead_the_order_of_another_locale_loses_nothing(standins, mount_of, key):
    """ls sorts as the locale says, where we sort by bytes."""
    standin = standins(MIXED, 1)
    mount = mount_of(standin)
    for name in sorted(os.listdir(mount.path), key=key):
        assert mount.ls(name) == ["c0.json"]
    assert_each_once(standin)


def test_R_ahead_a_locale_that_ignores_case_still_gains(standins, mount_of, children):
    """Two runs of names, read by turns, are two walks."""
    names = [f"{a}{i:03}" for i in range(60) for a in ("A", "a")]
    standin = standins(names, 1)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", standin.listing(*names[60:]), hold)
    walk = children(mount.spawn(f"for v in {' '.join(names)}; do ls $v; done | wc -l"))
    hold.wait(LIMIT // 2)
    assert standin.settle_held(hold) <= LIMIT
    standin.clear()
    assert finish(walk).out.strip() == "120"
    assert_each_once(standin)
    assert standin.peak <= LIMIT


def test_R_ahead_old_listings_are_renewed_many_at_a_time(standins, mount_of, children):
    """Known, but not believed any more: walking costs the same as the first time,
    the pages of the root included."""
    standin = standins(120, 1)
    mount = mount_of(standin)
    assert mount.sh("find . | wc -l").out == "361\n"
    os.utime(mount / ".vaultfs/refresh")
    hold = Hold()
    standin.on("GET", standin.listing(*standin.names[60:]), hold)
    walk = children(mount.spawn("find . | wc -l"))
    hold.wait(LIMIT)
    assert standin.settle_held(hold) == LIMIT
    standin.clear()
    assert finish(walk).out == "361\n"
    assert standin.times_listed() == dict.fromkeys(standin.names, 2)
    assert standin.pages() == 2 * 2


def test_R_ahead_what_is_known_already_is_passed_by(standins, mount_of, children):
    standin = standins(60, 1)
    mount = mount_of(standin)
    known = [name for name in standin.names if int(name[1:]) % 3 == 0]
    assert mount.sh(f"ls {' '.join(reversed(known))}")
    hold = Hold()
    standin.on("GET", standin.listing(*standin.names[31:]), hold)
    walk = children(mount.spawn("ls -R . | grep -c json"))
    hold.wait(LIMIT)
    assert standin.settle_held(hold) == LIMIT
    standin.clear()
    assert finish(walk).out == "60\n"
    assert_each_once(standin)


# What goes wrong on the way


def test_R_ahead_a_vault_that_goes_in_mid_walk_is_the_only_one_missing(
    standins, mount_of, children
):
    standin = standins(60, 1)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", standin.listing("v020"), hold)
    walk = children(mount.spawn("ls -R . 2>&1 > ../out; echo $?"))
    hold.wait()
    standin.settle_held(hold)
    standin.drop_vault("v050")  # not fetched yet
    assert "v050" not in standin.listed()
    hold.release()
    said = finish(walk).out
    assert "v050" in said and "No such file or directory" in said, said
    assert said.splitlines()[1:] == ["1"], said
    shown = (mount.directory / "out").read_text()
    assert shown.count("c0.json") == 59
    assert not os.path.exists(mount / "v050/c0.json")


@pytest.mark.parametrize(
    "status, reason, attempts",
    [(500, "Remote I/O error", [1 + 3]), (403, "Permission denied", [1, 1 + 1])],
)
def test_R_ahead_a_listing_that_fails_shows_in_its_own_vault_alone(
    standins, mount_of, status, reason, attempts
):
    standin = standins(60, 1)
    mount = mount_of(standin)
    standin.on("GET", standin.listing("v030"), error(status))
    result = mount.sh("ls -R . > ../out")
    assert result.status == 1, result
    assert re.fullmatch(f"ls: [^\n]*v030[^\n]*: {reason}\n", result.err), result
    assert (mount.directory / "out").read_text().count("c0.json") == 59
    assert {r["path"] for r in mount.records()} == {"/v030"}
    others = standin.times_listed()
    # Once ahead; and by who looks, as often as what failed so is tried.
    assert others.pop("v030") in attempts
    assert others == dict.fromkeys(set(standin.names) - {"v030"}, 1)
    # It was the service's, and passes with it.
    standin.clear()
    assert mount.sh("ls v030").out == "c0.json\n"


@pytest.mark.parametrize("status", [403, 503])
def test_R_ahead_a_failure_that_nobody_waited_for_is_nobodys(
    standins, mount_of, status
):
    standin = standins(60, 1)
    mount = mount_of(standin)
    behind = standin.listing(*standin.names[5:])
    refused = standin.on("GET", behind, error(status))
    assert mount.sh("for v in v000 v001 v002 v003 v004; do ls $v; done")
    standin.settle()
    assert refused.hits > 0
    assert mount.records() == [] and (mount / ".vaultfs/errors").read_text() == ""
    assert '"degraded": false' in (mount / ".vaultfs/status").read_text()
    standin.clear()
    assert mount.sh("ls -R . | grep -c json").out == "60\n"


def test_R_ahead_a_lost_connection_ahead_is_nobodys_either(standins, mount_of):
    standin = standins(60, 1)
    mount = mount_of(standin)
    behind = standin.listing(*standin.names[5:20])
    standin.on("GET", behind, close_unanswered, times=3)
    assert mount.sh("ls -R . | grep -c json").out == "60\n"
    assert mount.records() == []
    assert set(standin.times_listed()) == set(standin.names)


def test_R_ahead_a_listing_that_hangs_ends_at_its_own_deadline(standins, mount_of):
    standin = standins(40, 1)
    mount = mount_of(standin, "--timeout", "1")
    standin.on("GET", standin.listing("v030"), Hold())
    result = mount.sh("ls -R . > ../out")
    assert result.status == 1, result
    assert re.fullmatch("ls: [^\n]*v030[^\n]*: Connection timed out\n", result.err)
    assert (mount.directory / "out").read_text().count("c0.json") == 39
    with raises(errno.ETIMEDOUT):
        os.listdir(mount / "v030")


@pytest.mark.parametrize("headers", [{}, {"retry_after": "1"}], ids=["bare", "later"])
def test_R_ahead_a_walk_that_is_told_to_slow_down_loses_nothing(
    standins, mount_of, headers
):
    standin = standins(60, 1)
    mount = mount_of(standin)
    refused = standin.on(
        "GET", CREDENTIALS, error(429, "rate_limit_error", **headers), times=1
    )
    standin.on("GET", CREDENTIALS, forward, times=9)
    result = mount.sh("ls -R . | grep -c json")
    assert result.out == "60\n" and not result.err, result
    assert refused.hits == 1 and mount.records() == []
    assert len(standin.listed()) == 60 + 1
    assert set(standin.listed()) == set(standin.names)


class Every:
    """One in so many requests meets one action, the others another."""

    def __init__(self, count, action, otherwise=forward):
        self.numbers = itertools.count(1)
        self.count = count
        self.actions = (otherwise, action)

    def __call__(self, exchange):
        return self.actions[next(self.numbers) % self.count == 0](exchange)


def test_R_ahead_a_service_that_refuses_now_and_then_loses_nothing(standins, mount_of):
    standin = standins(60, 1)
    mount = mount_of(standin)
    standin.on("GET", CREDENTIALS, Every(9, error(429, "rate_limit_error")))
    result = mount.sh("ls -R . | grep -c json")
    assert result.out == "60\n" and not result.err, result
    assert mount.records() == []
    listed = standin.times_listed()
    assert set(listed) == set(standin.names)
    # Each refusal costs one more request.
    assert listed.total() == 60 + listed.total() // 9


def test_R_ahead_a_service_that_closes_its_connections_costs_nothing_more(
    standins, mount_of
):
    """A connection that was idle when it ended tells of no trouble."""
    standin = standins(100, 1)
    mount = mount_of(standin)

    def answer_and_close(exchange):
        forward(exchange)
        return False

    standin.on("GET", CREDENTIALS, answer_and_close)
    assert mount.sh("ls -R . | grep -c json").out == "100\n"
    assert set(standin.listed()) == set(standin.names)
    assert standin.connections >= 100
    assert mount.records() == []


def test_R_ahead_a_walk_asks_for_less_at_once_when_that_was_too_much(
    standins, mount_of, children
):
    standin = standins(200, 1)
    mount = mount_of(standin)
    storm, after = Hold(then=error(429, "rate_limit_error")), Hold()
    names = standin.names
    standin.on("GET", standin.listing(*names[40:60]), storm, times=LIMIT)
    standin.on("GET", standin.listing(*names[64:]), after)
    walk = children(mount.spawn("ls -R . | grep -c json"))
    storm.wait(LIMIT)
    storm.release()
    after.wait(LIMIT // 2)
    # The limit was halved, and has grown again a little.
    assert standin.settle_held(after) < LIMIT
    standin.clear()
    assert finish(walk).out == "200\n"
    assert len(standin.listed()) == 200 + LIMIT
    assert mount.records() == []


def test_R_ahead_the_daemon_ends_at_once_in_mid_walk(standins, mount_of, children):
    standin = standins(60, 1)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", standin.listing(*standin.names[30:]), hold)
    walk = children(mount.spawn("ls -R . > /dev/null"))
    hold.wait(LIMIT)
    process, mount.process = mount.process, None
    process.terminate()
    assert ends_within(process, AT_ONCE) and process.returncode == 0
    assert finish(walk).status != 0


def test_R_ahead_a_vault_that_comes_in_mid_walk_breaks_nothing(
    standins, mount_of, children
):
    """Own changes among what is walked: one vault more, one less."""
    standin = standins(60, 1)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", standin.listing("v030"), hold)
    walk = children(mount.spawn("ls -R . | grep -c json"))
    hold.wait()
    assert mount.sh("mkdir v0305 && rmdir v059 2> /dev/null; ls | wc -l").out == "61\n"
    hold.release()
    assert finish(walk).out == "60\n"
    assert max(standin.times_listed().values()) <= 2  # rmdir looks afresh
    assert standin.times_listed()["v029"] == standin.times_listed()["v045"] == 1


def test_R_ahead_an_interrupted_walk_leaves_nothing_undone(
    standins, mount_of, children
):
    """Its reader goes; what was on its way is kept for the next."""
    standin = standins(60, 1)
    mount = mount_of(standin)
    hold = Hold()
    standin.on("GET", standin.listing(*standin.names[30:]), hold)
    walk = children(mount.spawn(["ls", "-R", "."]))
    hold.wait(LIMIT)
    walk.kill()
    assert ends_within(walk, AT_ONCE)
    standin.clear()
    assert mount.sh("ls -R . | grep -c json").out == "60\n"
    assert_each_once(standin)
    assert mount.records() == []


# Removals


def test_R_ahead_many_who_remove_a_vault_each_hold_the_root_for_one_request(
    proxied, proxy, children
):
    """The kernel lets one at a time. That the vault is empty is known by then."""
    names = [f"v{i:02}" for i in range(LIMIT)]
    for name in names:
        os.mkdir(proxied / name)
        for i in range(20):
            spec = json.dumps(bearer(host=f"h{i}.example"))
            (proxied / name / f"c{i}.json").write_text(spec)
    os.utime(proxied / ".vaultfs/refresh")
    before = len(proxy.requests)
    first, hold = Hold(), Hold()
    proxy.on("DELETE", "/vaults/[^/]*$", hold)
    proxy.on("DELETE", CREDENTIAL, first, times=LIMIT)
    removal = children(
        proxied.spawn(f"printf '%s\\n' {' '.join(names)} | xargs -P{LIMIT} -n1 rm -r")
    )
    first.wait(LIMIT)  # all of them are in their vaults
    first.release()
    hold.wait()
    wait_for(lambda: len(proxy.of("GET", CREDENTIALS)) == 2 * LIMIT, what="the looks")
    assert hold.held == 1
    hold.release()
    assert finish(removal) and proxied.ls() == []
    # The list of vaults; of each its listing, its content, whether it is empty.
    assert len(proxy.requests) - before == 1 + LIMIT * (1 + 20 + 1 + 1)


def test_W_vault_what_comes_in_while_a_vault_is_removed_keeps_it(
    proxied, proxy, service, children
):
    os.mkdir(proxied / "prod")
    (proxied / "prod/a.json").write_text(json.dumps(bearer()))
    hold = Hold()
    proxy.on("GET", CREDENTIALS, hold)
    removal = children(proxied.spawn("rm -r prod"))
    hold.wait()
    assert service.credentials_of("prod") == {}
    service.make_credential(service.vault("prod")["id"], bearer(host="theirs.example"))
    hold.release()
    assert "not empty" in finish(removal).err
    assert len(proxied.ls("prod")) == 1
