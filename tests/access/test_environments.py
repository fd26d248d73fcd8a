# SPDX-License-Identifier: MIT
"""Several environments at once: mounts side by side that share nothing but the
program."""

import errno
import json
import os
import signal

import pytest

from support import faultproxy
from support.errnos import errno_of
from support.faultproxy import FaultProxy, error
from support.mount import daemons_of, end_daemons
from support.process import is_alive, spawn, wait_for
from support.service import CREDENTIALS, VAULTS
from support.specs import bearer, flat, text, write
from support.tokens import Issuer, replace_file, write_private

FIRST = "[m]ount local one"  # a pattern that does not match itself
WRONG = '{"type": "klingon"}'


def ok(result):
    assert result, result
    return result.out


class Place:
    """A mount in the background; what its service is asked comes by a proxy."""

    def __init__(self, home, name, service):
        self.home = home
        self.service = service
        self.proxy = FaultProxy(service.port)
        self.source = f"http://127.0.0.1:{self.proxy.port}{service.dialect.prefix}"
        self.point = home.point(name)
        self.token = service.make_token(name)
        self.token_file = write_private(home.path / f"{name}.token", self.token)

    def __truediv__(self, name):
        return self.point / name

    def mount(self, *options):
        dialect = self.service.dialect_name
        options = ("--token-file", self.token_file, "--dialect", dialect, *options)
        ok(self.home.vaultfs("mount", self.source, self.point, *options))
        return self

    def look(self):
        """The vaults as the service has them now, or the errno."""
        (self / ".vaultfs/refresh").touch()
        try:
            return sorted(os.listdir(self.point))
        except OSError as reason:
            return reason.errno

    @property
    def pid(self):
        (pid,) = daemons_of(self.point)
        return pid

    def kill(self):
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), what="the daemon's end")

    def status(self):
        return json.loads((self / ".vaultfs/status").read_text())

    def failures(self):
        """The paths in its records."""
        lines = (self / ".vaultfs/errors").read_text().splitlines()
        return [json.loads(line)["path"] for line in lines]

    def tokens_sent(self):
        header = self.service.dialect.token_header.lower()
        scheme = self.service.dialect.token_scheme
        return {r.headers[header].removeprefix(scheme) for r in self.proxy.requests}


@pytest.fixture
def places(home):
    """Mounts side by side: places("work", service)."""
    made = []

    def make(name, service, *options):
        made.append(Place(home, name, service))
        return made[-1].mount(*options)

    yield make
    for place in made:
        place.proxy.stop()
        end_daemons(place.point)


@pytest.fixture
def pair(places, services):
    """Two services of two dialects, with two tokens, each with one vault "prod"."""
    work = places("work", services("--dialect", "qoder"), "--ttl", "600")
    play = places("play", services("--dialect", "anthropic"), "--ttl", "600")
    os.mkdir(work / "prod")
    os.mkdir(play / "prod")
    return work, play


# Two services


def test_what_is_written_on_one_is_never_seen_on_the_other(pair):
    work, play = pair
    write(work / "prod/github.json", bearer(host="work.example"))
    write(play / "prod/github.json", bearer(host="play.example"))
    write(play / "prod/more.json", bearer(host="more.example"))
    assert sorted(work.service.credentials_of("prod")) == ["github.json"]
    assert sorted(play.service.credentials_of("prod")) == ["github.json", "more.json"]
    os.unlink(play / "prod/github.json")
    for place, hosts in ((work, ["work"]), (play, ["more"])):
        ok(place.home.vaultfs("refresh", place.point))
        names = [n for n in os.listdir(place / "prod") if n != ".vault.json"]
        shown = [json.loads((place / "prod" / name).read_text()) for name in names]
        urls = [credential["auth"]["mcp_server_url"] for credential in shown]
        assert urls == [f"https://{host}.example/sse" for host in hosts]


def test_each_token_goes_to_its_own_service(pair):
    for place in pair:
        write(place / "prod/github.json", bearer())
        os.rename(place / "prod/github.json", place / "prod/other.json")
        os.unlink(place / "prod/other.json")
        assert place.tokens_sent() == {place.token}


def test_each_has_the_abilities_of_its_own_dialect(pair):
    work, play = pair
    os.rename(play / "prod", play / "live")
    assert errno_of(os.rename, work / "prod", work / "live") == errno.EOPNOTSUPP
    assert os.listdir(play.point) == ["live"] and os.listdir(work.point) == ["prod"]


def test_each_names_itself_and_keeps_its_own_failures(pair, home):
    work, play = pair
    assert errno_of((work / "prod/bad.json").write_text, WRONG) == errno.EINVAL
    assert work.failures() == ["/prod/bad.json"] and play.failures() == []
    assert "bad.json" in ok(home.vaultfs("why", work.point))
    assert "bad.json" not in ok(home.vaultfs("why", play.point))
    for place in pair:
        status = place.status()
        assert status["mountpoint"] == str(place.point)
        assert status["source"] == place.source
        assert status["dialect"] == place.service.dialect_name
        assert str(place.token_file) in status["account"]["token"]
        assert status["failures"] == (place is work)


@pytest.fixture
def owner(nobody, stranger):
    """An ordinary user with two mounts, beside another with one."""
    stranger.do("vaultfs mount local theirs")
    nobody.do("vaultfs mount local one && vaultfs mount local:two two")
    nobody.do("mkdir one/prod two/prod")
    assert not nobody.sh(f"echo '{WRONG}' > one/prod/bad.json")
    return nobody


@pytest.mark.parametrize("directory", ["", "/prod"])
def test_the_commands_choose_the_mount_that_one_stands_in(owner, directory):
    for name, says in (("one", True), ("two", False)):
        here = f"cd {name}{directory} && vaultfs"
        assert ("bad.json" in owner.do(f"{here} why")) == says
        assert f"{owner.home}/{name}," in owner.do(f"{here} status")


def test_the_commands_want_a_name_while_there_are_two(owner):
    for command in ("why", "status", "refresh"):
        result = owner.sh(f"vaultfs {command}")
        assert result.status == 1, result
        assert f"name one: {owner.home}/one, {owner.home}/two\n" in result.err + "\n"


@pytest.mark.parametrize("end", ["vaultfs umount one", f"pkill -KILL -f '{FIRST}'"])
def test_the_commands_choose_the_one_that_lives(owner, end):
    owner.do(end)
    wait_for(lambda: not owner.sh(f"pgrep -f '{FIRST}'"), what="the end")
    assert f"{owner.home}/two," in owner.do("vaultfs status")


def test_unmounting_one_leaves_the_other(pair, home):
    work, play = pair
    ok(home.vaultfs("umount", work.point))
    wait_for(lambda: daemons_of(work.point) == [], what="the daemon's end")
    write(play / "prod/github.json", bearer())
    assert play.status()["failures"] == 0


def test_killing_one_leaves_the_other(pair):
    work, play = pair
    work.kill()
    write(play / "prod/github.json", bearer())
    work.mount()
    assert os.listdir(work.point) == ["prod"] == os.listdir(play.point)


def test_a_service_that_is_down_or_hangs_does_not_hold_up_the_other(pair):
    work, play = pair
    hold = faultproxy.Hold()
    work.proxy.on("POST", CREDENTIALS, hold)
    writer = run_in_background(work, "cat > prod/github.json")
    hold.wait()
    write(play / "prod/github.json", bearer())
    assert (play.status()["degraded"], play.failures()) == (False, [])
    hold.release()
    assert writer.wait(20) == 0
    work.proxy.stop()
    assert errno_of(os.mkdir, work / "more") == errno.ECONNREFUSED
    os.mkdir(play / "more")


def run_in_background(place, command):
    source, sink = os.pipe()
    os.write(sink, text(bearer()))
    os.close(sink)
    process = spawn(command, cwd=place.point, env=place.home.env, stdin=source)
    os.close(source)
    return process


def test_each_service_takes_its_token_from_its_own_variable(home, services):
    # One login shell has them all; a daemon keeps none.
    qoder, anthropic = services(), services("--dialect", "anthropic")
    variables = {"QODER_PAT": qoder.token, "ANTHROPIC_API_KEY": anthropic.token}
    for service in (qoder, anthropic):
        service.make_vault(service.dialect_name)
        point = home.point(service.dialect_name)
        options = ("--dialect", service.dialect_name)
        ok(home.vaultfs("mount", service.url, point, *options, **variables))
        assert os.listdir(point) == [service.dialect_name]


# Two tokens


def refuses(token):
    """A service that has taken back one of its tokens."""

    def action(exchange):
        if exchange.request.headers["authorization"].endswith(token):
            return error(401, "authentication_error", "revoked")(exchange)
        return faultproxy.forward(exchange)

    return action


def test_the_end_of_one_token_leaves_the_other_mount_of_the_service(
    places, service, home
):
    one, two = (places(name, service) for name in ("one", "two"))
    issuer = Issuer(service)
    issuer.revoke("one")
    assert one.look() == errno.EKEYREJECTED
    os.mkdir(two / "prod")
    assert two.status()["account"]["state"] == "ok" and two.failures() == []
    replace_file(one.token_file, service.make_token("again"))
    assert one.look() == ["prod"]
    assert two.tokens_sent() == {two.token}
    issuer.revoke("two")
    assert two.look() == errno.EKEYREJECTED
    assert one.look() == ["prod"]


def test_the_command_for_an_expired_access_is_told_whose_it_is(places, service, home):
    told = home.path / "told"
    hook = f"echo $VAULTFS_MOUNTPOINT $VAULTFS_SOURCE >> {told}; exit 1"
    one, two = (
        places(name, service, "--on-auth-expired", hook)
        for name in ("one", "two")
    )
    Issuer(service).revoke("one")
    assert one.look() == errno.EKEYREJECTED
    os.mkdir(two / "prod")
    wait_for(lambda: told.exists() and told.read_text(), what="the command")
    assert told.read_text() == f"{one.point} {one.source}\n"


def test_one_token_file_for_two_mounts_serves_both(places, services):
    service = services()
    one, two = (places(name, service) for name in ("one", "two"))
    ok(one.home.vaultfs("umount", two.point))
    wait_for(lambda: daemons_of(two.point) == [], what="the daemon's end")
    two.token_file = one.token_file
    two.mount()
    for place in (one, two):
        for method in ("GET", "POST"):
            place.proxy.on(method, "", refuses(one.token))
    replace_file(one.token_file, service.make_token("again"))
    os.mkdir(one / "prod")
    assert two.look() == ["prod"]


# Two ways to one service, and two services on one machine


def test_a_url_and_a_socket_of_two_services_share_nothing(home, service, services):
    path = home.path / "socket"
    other = services("--listen", f"unix:{path}")
    by_url, by_socket = home.point("url"), home.point("socket-mount")
    ok(home.vaultfs("mount", service.url, by_url, QODER_PAT=service.token))
    ok(home.vaultfs("mount", f"unix:{path}", by_socket, QODER_PAT=other.token))
    os.mkdir(by_url / "prod")
    os.mkdir(by_socket / "staging")
    assert os.listdir(by_url) == ["prod"] and os.listdir(by_socket) == ["staging"]
    assert [v["display_name"] for v in other.vaults()] == ["staging"]
    ok(home.vaultfs("umount", by_url))
    assert os.listdir(by_socket) == ["staging"]


def test_two_services_without_a_place_for_names_keep_them_apart(places, services, home):
    # The names are in files of this machine, which both daemons write.
    made = [places(name, services("--dialect", "qoder-flat")) for name in "ab"]
    for place in made:
        os.mkdir(place / "prod")
        write(place / f"prod/of-{place.point.name}.json", flat())
    for place in made:
        ok(home.vaultfs("umount", place.point))
        wait_for(lambda place=place: daemons_of(place.point) == [], what="its end")
        place.mount()
        names = [n for n in os.listdir(place / "prod") if n != ".vault.json"]
        assert names == [f"of-{place.point.name}.json"]


# Embedded services by name


@pytest.fixture
def locals_(home):
    """Mounts of local and local:other."""
    default, other = home.point("default"), home.point("other")
    ok(home.vaultfs("mount", "local", default))
    ok(home.vaultfs("mount", "local:other", other))
    return default, other


def test_embedded_services_end_each_with_its_own_mounts(locals_, home):
    default, other = locals_
    ok(home.vaultfs("umount", default))
    wait_for(lambda: home.vaultds() == [], what="the service's end")
    assert len(home.vaultds("other")) == 1
    os.mkdir(other / "prod")
    ok(home.vaultfs("mount", "local", default))
    assert os.listdir(default) == []
    ok(home.vaultfs("umount", other))
    wait_for(lambda: home.vaultds("other") == [], what="the service's end")
    os.mkdir(default / "mine")
    assert len(home.vaultds()) == 1


def test_a_killed_embedded_service_is_started_again_and_the_other_is_left(
    locals_, home
):
    default, other = locals_
    (victim,), (left,) = home.vaultds(), home.vaultds("other")
    os.mkdir(default / "prod")
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: home.vaultds() not in ([], [victim]), what="another service")
    wait_for(lambda: errno_of(os.mkdir, default / "more") == 0, what="its answer")
    assert home.vaultds("other") == [left]
    assert os.listdir(other) == []


def test_embedded_services_have_tokens_and_keys_of_their_own(locals_, home):
    for name in ("token", "key"):
        files = {(home.service(s) / name).read_bytes() for s in ("default", "other")}
        assert len(files) == 2, name
    foreign = home.service("other") / "token"
    result = home.vaultfs("check", "local", "--token-file", foreign)
    assert result.status == 2, result


def test_embedded_services_may_speak_different_dialects(home):
    one, two = home.point("one"), home.point("two")
    ok(home.vaultfs("mount", "local", one))
    ok(home.vaultfs("mount", "local:other", two, "--dialect", "anthropic"))
    status = json.loads(ok(home.vaultfs("status", "--json", two)))
    assert status["dialect"] == "anthropic"
    os.mkdir(one / "prod")
    os.mkdir(two / "prod")
    os.rename(two / "prod", two / "live")
    assert errno_of(os.rename, one / "prod", one / "live") == errno.EOPNOTSUPP


# Journals, which all daemons of a user keep in one directory


@pytest.fixture
def runtime(home):
    path = home.path / "runtime"
    path.mkdir(mode=0o700)
    home.env["XDG_RUNTIME_DIR"] = str(path)
    return path / "vaultfs"


def journals(runtime):
    return {path.name: path.read_bytes() for path in runtime.glob("journal-*")}


def lose_an_answer(place, name):
    """The service acts and is not heard. Returns the key that it was asked with."""
    place.proxy.on("POST", VAULTS, faultproxy.act_then_close)
    assert errno_of(os.mkdir, place / name) != 0
    place.proxy.clear()
    return place.proxy.of("POST", VAULTS)[-1].key


def keys_sent(place):
    return {request.key for request in place.proxy.of("POST", VAULTS)}


def test_what_one_daemon_leaves_unknown_is_not_taken_by_one_that_lives(
    runtime, places, service
):
    work, play = places("work", service, "--timeout", "5"), places("play", service)
    os.mkdir(play / "own")  # both have a journal in the directory
    key = lose_an_answer(work, "prod")
    assert work.status()["unknown_outcomes"] == 1
    assert play.status()["unknown_outcomes"] == 0
    work.kill()
    before = journals(runtime)
    os.mkdir(play / "later")
    assert len(before) == 2 and set(journals(runtime)) == set(before)
    assert key not in keys_sent(play)
    work.mount()
    assert errno_of(os.mkdir, work / "prod") in (0, errno.EEXIST)
    assert keys_sent(work) == {key}
    names = [vault["display_name"] for vault in service.vaults()]
    assert sorted(names) == ["later", "own", "prod"]


def test_what_is_unknown_of_one_service_is_nothing_to_another(
    runtime, places, services
):
    work = places("work", services(), "--timeout", "5")
    key = lose_an_answer(work, "prod")
    work.kill()
    play = places("play", services())  # it comes when the journal is nobody's
    os.mkdir(play / "prod")
    assert key not in keys_sent(play)
    work.mount()
    assert errno_of(os.mkdir, work / "prod") in (0, errno.EEXIST)
    assert keys_sent(work) == {key}


def test_a_daemon_that_ends_takes_only_its_own_journal(runtime, pair, home):
    work, play = pair
    assert len(journals(runtime)) == 2
    ok(home.vaultfs("umount", work.point))
    wait_for(lambda: daemons_of(work.point) == [], what="the daemon's end")
    (left,) = journals(runtime)
    write(play / "prod/github.json", bearer())
    assert set(journals(runtime)) == {left}
