# SPDX-License-Identifier: MIT
"""A token is where its owner put it and in one locked mapping; nowhere else."""

import errno
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from household import REREAD
from support.errnos import errno_of
from support.faultproxy import Hold, error
from support.memory import random_text
from support.mount import mounts_at
from support.paths import VAULTFS
from support.process import finish, run, spawn, wait_for
from support.service import VAULTS
from support.sources import SOURCES, content_for, give
from support.specs import bearer, text
from support.tokens import (
    EXCHANGE,
    Command,
    seconds_from_now,
    token_leaks,
    token_of,
    write_private,
)


# The programs are not dumpable, and so closed to their own user.
may_look_inside = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can look into a process of the product"
)


def test_the_search_finds_a_piece(house, children):
    """In each kind of place."""
    token = house.invent()
    piece = token[8:20]
    house.assert_clean()
    assert house.found(f"x{piece}x") == [("output", "unknown")]
    for directory in (house.home.path / "state_home", house.service.data):
        left = directory / "left"
        left.write_text(f"x{piece}x")
        assert house.found() == [(str(left), "unknown")]
        left.unlink()
    for command, env in (
        (["sleep", "60"], {"X": token}),
        (["sh", "-c", "sleep 60; : $0", piece], {}),
    ):
        process = children(spawn(command, env=os.environ | env))
        wait_for(house.found, what="the process")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    house.assert_clean()


@may_look_inside
@pytest.mark.parametrize("source", SOURCES)
def test_a_start_shows_no_token(house, source):
    """While the user's command waits, and the daemon behind it asks."""
    given = house.give(source, house.issue(source, "first"))
    hold = Hold()
    house.proxy.on("GET", VAULTS, hold, times=1)
    process = house.spawn(given)
    hold.wait()
    waiting = run(["pgrep", "-f", str(house.point)]).out.split()
    house.assert_clean()
    hold.release()
    result = finish(process)
    assert result, result
    assert len(waiting) >= 2, "the command that waits and its daemon"
    house.assert_clean(result.out, result.err)


def keep_environment(path):
    """A command that leaves what it was given in a file."""
    path = shlex.quote(str(path))
    return f"env -0 >{path}.new; mv {path}.new {path}"


@pytest.mark.parametrize("source", SOURCES)
def test_a_life_shows_no_token(house, source):
    """Revoked, refused, and where that can be, renewed."""
    first = house.issue(source, "first")
    given = house.give(source, first)
    seen = house.home.path / "seen by the hook"
    result = finish(house.spawn(given, "--on-auth-expired", keep_environment(seen)))
    assert result, result
    os.mkdir(house.point / "prod")
    (house.point / "prod/a.json").write_bytes(text(bearer()))
    house.note_exchanged()
    house.revoke(source, "first")
    assert errno_of(os.mkdir, house.point / "d") == errno.EKEYREJECTED
    wait_for(seen.exists, what="the hook")
    house.assert_clean()
    if source in REREAD:
        house.give(source, house.issue(source, "second"))
        os.kill(house.pid(), signal.SIGHUP)
        wait_for(
            lambda: errno_of(os.mkdir, house.point / "d") == 0, what="the new token"
        )
    said = [
        house.home.vaultfs(verb, house.point) for verb in ("status", "why", "refresh")
    ]
    house.assert_clean(*(r.out + r.err for r in said))
    assert house.home.vaultfs("umount", house.point)
    house.assert_clean()


def refusals(house, source):
    """What a user may have given by mistake."""
    yield "unknown", content_for(source, house.invent())
    good = house.issue(source, "good")
    yield "a space", content_for(source, f"{good[:22]} {good[22:]}")
    yield "a tab", content_for(source, f"{good[:22]}\t{good[22:]}")
    yield "not ASCII", content_for(source, f"{good[:22]}\u00e9{good[22:]}")
    yield "too long", content_for(source, good * 1600)
    if "JSON" in source:
        yield "cut off", json.dumps({"access_token": good})[:-2]
        yield "another name", json.dumps({"token": good})
        yield "a list", json.dumps({"access_token": [good]})
        yield "a bad end", json.dumps({"access_token": "x", "expires_at": good})
        yield "expired", content_for(source, good, expires_at=seconds_from_now(-9))
    elif source not in ("token_env", "env_file", "default variable"):
        yield "two lines", f"{good}\nlogin: me\n"
        yield "JSON", json.dumps(good)


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_refused_is_not_quoted(house, source):
    for state, content in refusals(house, source):
        if source in ("token_env", "default variable") and len(content) > 90_000:
            content = content[:90_000]  # what one variable may hold
        given = give(source, house.home.path / "mine", content)
        if given.file is not None:
            house.own.add(given.file)
        for verb in (
            ("check", house.proxy.url),
            ("check", house.proxy.url, "--json"),
            ("mount", house.proxy.url, house.point),
            ("mount", house.proxy.url, house.point, "-f", "--log-format", "json"),
        ):
            result = given.run(house.home, *verb)
            assert result.status == 2, (state, verb, result.status)
            house_said = result.out + result.err
            assert token_leaks(house.tokens, house_said) == [], (state, verb)
    house.assert_clean()


# A service that says it for us


def echoing(status):
    """An error that repeats the token that it was sent, in several ways."""

    def action(exchange):
        token = token_of(exchange.request)
        message = f"not you: {token}; Bearer {token}, {token[3:]}"
        return error(status, f"type_{token}"[:60], message, param=token)(exchange)

    return action


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_a_service_that_repeats_the_token_leaks_nothing(house, status):
    given = house.give("token_file", house.issue("token_file", "first"))
    seen = house.home.path / "seen"
    result = finish(house.spawn(given, "--on-auth-expired", keep_environment(seen)))
    assert result, result
    for method in ("GET", "POST", "DELETE"):
        house.proxy.on(method, "/vaults", echoing(status))
    assert errno_of(os.mkdir, house.point / "d") != 0
    if status == 401:
        wait_for(seen.exists, what="the hook")
    why = house.home.vaultfs("why", house.point)
    assert why and "not you" in why.out, why
    house.assert_clean(why.out)
    assert house.home.vaultfs("umount", house.point)
    checks = [
        given.run(house.home, "check", house.proxy.url, *more)
        for more in ((), ("--json",))
    ]
    house.assert_clean(*(r.out + r.err for r in checks))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_an_exchange_that_repeats_the_key_leaks_nothing(house, status):
    given = house.give(
        "service_account_key_file", house.issue("service_account_key_file", "first")
    )
    house.proxy.on("POST", EXCHANGE, echoing(status))
    for verb in (
        ("check", house.proxy.url),
        ("check", house.proxy.url, "--json"),
        ("mount", house.proxy.url, house.point),
    ):
        result = given.run(house.home, *verb)
        assert result.status == 2, result.status
        house.assert_clean(result.out, result.err)


def test_an_exchange_whose_reply_is_broken_leaks_no_token(house):
    key = house.issue("service_account_key_file", "first")
    given = house.give("service_account_key_file", key)
    house.tokens["exchanged"] = "sat-" + random_text(40)
    token = house.tokens["exchanged"]
    for reply in (
        f'{{"access_token": "{token}"',
        f'{{"access_token": ["{token}"], "expires_in": 3600}}',
        f'{{"access_token": "{token[:20]} {token[20:]}", "expires_in": 3600}}',
        f'{{"access_token": "{token}", "expires_in": "{token}"}}',
        token,
    ):

        def action(exchange, reply=reply):
            exchange.send(200, [("Content-Type", "application/json")], reply.encode())
            return True

        house.proxy.on("POST", EXCHANGE, action, times=2)
        for more in ((), ("--json",)):
            result = given.run(house.home, "check", house.proxy.url, *more)
            assert result.status == 2, (reply.replace(token, "T"), result.status)
            house.assert_clean(result.out, result.err)


# Commands


def test_a_command_that_talks_of_its_token_is_not_quoted(house):
    first, second = (house.issue("token_command", n) for n in ("first", "second"))
    answer = write_private(house.home.path / "answer", f"printf %s {first}\n")
    house.own.add(answer)
    result = finish(
        house.spawn(
            give("token_command", house.home.path / "mine", None),
        )
    )
    assert result.status == 2, result  # there is nothing to print yet
    command = f". {shlex.quote(str(answer))}"
    arguments = [VAULTFS, "mount", house.proxy.url, house.point]
    arguments += ["--token-command", command]
    result = run(list(map(str, arguments)), env=house.home.env)
    assert result, result
    house.issuer.revoke("first")
    for talk in (
        f"printf %s {second}; echo no: {second} >&2; exit 3",
        f"printf %s {second}; echo {second[:20]} {second[20:]} >&2; exit 3",
        f"echo {second}; echo {second}",
        f"printf '{{\"access_token\": \"%s\"' {second}",
        f"printf '{{\"access_token\": \"%s\"}}' {second}; echo {second} >&2; exit 1",
    ):
        answer.write_text(talk + "\n")
        os.kill(house.pid(), signal.SIGHUP)
        assert errno_of(os.mkdir, house.point / "d") == errno.EKEYREJECTED
        why = house.home.vaultfs("why", house.point)
        house.assert_clean(why.out)


@pytest.mark.slow
def test_a_commands_child_is_given_no_token(house):
    """What the user's environment held is out of it, and no descriptor leads to
    what we have open."""
    command = Command(house.home.path)
    first = house.issue("token_command", "first")
    command.print_token(first)
    house.own |= {command.directory / "answer"}
    house.tokens["of another"] = "pt-" + random_text(43)
    result = run(
        [
            *map(str, [VAULTFS, "mount", house.proxy.url, house.point]),
            "--token-command",
            f"env -0 >>{house.home.path}/given\n{command.text}",
        ],
        env=house.home.env | {"QODER_PAT": house.tokens["of another"]},
    )
    assert result, result
    house.issuer.revoke("first")
    command.hang()
    caller = spawn(["mkdir", str(house.point / "d")])
    command.wait_until_it_hangs(2)
    house.is_stuck = True
    house.assert_clean()
    for pid in command.processes():
        links = {fd.name: os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        assert links["0"] == "/dev/null"
        assert "socket:" not in str(links)
    os.kill(house.pid(), signal.SIGTERM)
    caller.wait(10)


def test_a_trace_of_every_operation_has_no_token(house):
    token = house.issue("token_file", "first")
    given = house.give("token_file", token)
    command = given.command("mount", house.proxy.url, house.point, "-d")
    log = house.home.path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=house.home.env
        )
    try:
        wait_for(lambda: mounts_at(house.point), what="the mount")
        os.mkdir(house.point / "prod")
        house.issuer.revoke("first")
        assert errno_of(os.mkdir, house.point / "d") == errno.EKEYREJECTED
    finally:
        process.terminate()
        process.wait(10)
    assert log.stat().st_size > 0
    house.assert_clean()
