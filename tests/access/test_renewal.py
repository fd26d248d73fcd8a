# SPDX-License-Identifier: MIT
"""Tokens whose end is known, and keys that are exchanged for them."""

import errno
import json
import os
import shlex
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.errnos import errno_of
from support.faultproxy import FaultProxy, Hold, error, reply
from support.process import ends_within, wait_for
from support.service import CREDENTIALS
from support.specs import bearer, text
from support.tokens import (
    EXCHANGE,
    Command,
    replace_file,
    seconds_from_now,
    token_of,
    write_private,
)

# All of it: quick runs do without.
pytestmark = pytest.mark.slow

CALLERS = 16


def keep_busy(mount, until, timeout=60):
    """Requests, one after another, until something is the case."""
    wait_for(lambda: os.listdir(mount.path) is not None and until(), timeout)


# Commands that tell an end


@pytest.fixture
def minting(issuer, tmp_path):
    """A command that prints a fresh token with each run, and tells an end that
    comes long before the real one: what is late here would be refused later."""
    create = " ".join(map(shlex.quote, issuer.command("token", "create")))
    runs = tmp_path / "runs"
    command = (
        f"echo run >>{shlex.quote(str(runs))}\n"
        f"token=$({create} --expires 15s) || exit\n"
        'printf \'{"access_token": "%s", "expires_at": "%s"}\' "$token" '
        '"$(date -u -d "3 seconds" +%Y-%m-%dT%H:%M:%SZ)"'
    )
    return command, lambda: len(runs.read_text().splitlines())


def test_a_token_with_a_known_end_is_renewed_before_it_comes(
    bare_mounts, proxy, gate, minting
):
    command, runs = minting
    mount = bare_mounts("--ttl", "0", "--token-command", command, source=proxy.url)
    first = token_of(proxy.requests[0])
    keep_busy(mount, lambda: runs() >= 4)
    used = [token_of(r) for r in proxy.requests]
    assert len(set(used)) >= 3
    assert used[-1] != first
    assert 401 not in gate.answers
    assert mount.account["state"] in ("ok", "unused")  # a newer one, perhaps
    assert mount.account["expires_at"] > seconds_from_now(-1)
    assert [r for r in mount.records() if r["operation"] == "token"] == []


def test_a_mount_that_nobody_uses_renews_its_token_too(bare_mounts, minting):
    command, runs = minting
    mount = bare_mounts("--token-command", command)
    wait_for(lambda: runs() >= 3, 30, "the renewal")
    os.mkdir(mount / "d")
    assert mount.account["state"] in ("ok", "unused")  # a newer one, perhaps


def test_a_known_end_that_has_passed_is_EKEYEXPIRED(
    bare_mounts, service, issuer, tmp_path
):
    command = Command(tmp_path)
    token = issuer.token("short", "--expires", "6s")
    command.print_token(token, seconds_from_now(4))
    seen = tmp_path / "reason"
    mount = bare_mounts(
        "--ttl",
        "0",
        "--token-command",
        command.text,
        "--on-auth-expired",
        f"echo $VAULTFS_REASON >{shlex.quote(str(seen))}",
    )
    failed = wait_for(lambda: errno_of(os.listdir, mount.path), 30, "its end")
    assert failed == errno.EKEYEXPIRED
    assert mount.account["state"] == "expired"
    wait_for(lambda: seen.exists() and seen.read_text() == "EKEYEXPIRED\n")
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYEXPIRED
    assert mount.record("/d")["errno"] == "EKEYEXPIRED"
    told = [r for r in mount.records() if r["operation"] == "token"]
    assert len(told) <= 1, "a renewal that fails is told once"
    command.print_token(issuer.token("long"))
    mount.refresh()
    wait_for(lambda: errno_of(os.mkdir, mount / "d") == 0, 10, "access")
    assert mount.account["state"] == "ok"


def test_the_service_decides_when_a_token_has_ended(
    bare_mounts, service, issuer, tmp_path
):
    """Clocks differ: a token that is taken is used, whatever was told of it."""
    command = Command(tmp_path)
    command.print_token(issuer.token("long"), seconds_from_now(4))
    mount = bare_mounts("--ttl", "0", "--token-command", command.text)
    command.fail()
    end = mount.account["expires_at"]
    wait_for(lambda: seconds_from_now(-1) > end, 15, "the told end")
    os.mkdir(mount / "d")
    assert mount.account["state"] == "ok"


# Service accounts


@pytest.fixture
def key_file(issuer, tmp_path):
    return write_private(tmp_path / "key", issuer.key("first") + "\n")


@pytest.fixture
def account(bare_mounts, proxy, service, key_file):
    service.make_vault("prod")
    mount = bare_mounts(
        "--ttl", "600", "--service-account-key-file", key_file, source=proxy.url
    )
    mount.ls("prod")
    return mount


def exchanges(proxy):
    return len(proxy.of("POST", EXCHANGE))


def test_a_key_is_exchanged_and_sent_nowhere_else(account, proxy, key_file):
    assert exchanges(proxy) == 1
    key = key_file.read_text().strip()
    used = {token_of(r) for r in proxy.of("GET")}
    assert key not in used and len(used) == 1
    for request in proxy.requests:
        holds_key = key.encode() in request.body or key in str(request.headers)
        assert holds_key == request.matches("POST", EXCHANGE)


def test_a_key_is_exchanged_once_for_all_callers(account, proxy, gate, service):
    gate.refused.add(token_of(proxy.of("GET")[0]))
    hold = Hold(then=gate)
    proxy.on("POST", CREDENTIALS, hold)
    with ThreadPoolExecutor(CALLERS) as pool:
        writers = [
            pool.submit(
                (account / f"prod/f{n}.json").write_bytes,
                text(bearer(host=f"h{n}.example")),
            )
            for n in range(CALLERS)
        ]
        hold.wait(CALLERS)
        hold.release()
        for writer in writers:
            writer.result()
    assert exchanges(proxy) == 2
    assert len(service.credentials_of("prod")) == CALLERS


def test_a_revoked_key_ends_access_and_a_new_one_brings_it_back(
    account, proxy, issuer, key_file
):
    issuer.revoke_key("first")
    assert errno_of(os.mkdir, account / "d") == errno.EKEYREJECTED
    assert account.account["state"] == "refused"
    sent = len(proxy.requests)
    assert errno_of(os.mkdir, account / "d") == errno.EKEYREJECTED
    assert len(proxy.requests) == sent, "nothing is asked, nothing exchanged"
    replace_file(key_file, issuer.key("second") + "\n")
    os.mkdir(account / "d")
    assert account.account["state"] == "ok"


class ShortLived:
    """Exchanges as vaultd does, and tells an end that comes soon."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self, exchange):
        status, headers, body = exchange.upstream()
        body = json.loads(body) | {"expires_in": self.seconds}
        exchange.send(status, headers, json.dumps(body).encode())
        return True


def test_a_key_is_exchanged_again_before_the_token_ends(
    bare_mounts, proxy, gate, key_file
):
    proxy.on("POST", EXCHANGE, ShortLived(3))
    mount = bare_mounts(
        "--ttl", "0", "--service-account-key-file", key_file, source=proxy.url
    )
    keep_busy(mount, lambda: exchanges(proxy) >= 3)
    assert 401 not in gate.answers
    assert len({token_of(r) for r in proxy.of("GET")}) >= 2


def test_an_exchange_elsewhere_gets_the_key_and_the_service_only_the_token(
    bare_mounts, proxy, service, key_file
):
    """--exchange-url: the two are different origins."""
    mount = bare_mounts(
        "--service-account-key-file",
        key_file,
        "--exchange-url",
        f"http://127.0.0.1:{proxy.port}",
    )
    os.mkdir(mount / "d")
    assert [r.path for r in proxy.requests] == ["/api/v1/serviceToken/exchange"]


# An exchange that does not work


def end_token(proxy, gate):
    """The service refuses the token that the key was exchanged for."""
    gate.refused.add(token_of(proxy.of("GET")[0]))


def test_SIGTERM_ends_a_daemon_whose_exchange_hangs(
    account, proxy, gate, children
):
    end_token(proxy, gate)
    hold = Hold()
    proxy.on("POST", EXCHANGE, hold)
    caller = children(account.spawn(["mkdir", "d"]))
    hold.wait()
    assert account.stop() == 0
    assert ends_within(caller, 10)
    assert caller.returncode != 0


def test_who_waits_for_an_exchange_can_leave(account, proxy, gate, children):
    end_token(proxy, gate)
    hold = Hold()
    proxy.on("POST", EXCHANGE, hold)
    caller = children(account.spawn(["mkdir", "d"]))
    hold.wait()
    caller.send_signal(signal.SIGINT)
    assert ends_within(caller, 10)
    hold.release()


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_an_exchange_that_fails_ends_access_and_says_why(account, proxy, gate, status):
    end_token(proxy, gate)
    proxy.on("POST", EXCHANGE, error(status, "some_error", "not today"))
    before = exchanges(proxy)
    assert errno_of(os.mkdir, account / "d") == errno.EKEYREJECTED
    asked = exchanges(proxy) - before
    assert errno_of(os.mkdir, account / "d") == errno.EKEYREJECTED
    assert exchanges(proxy) - before == asked == 1
    assert "not today" in account.record("/d")["message"]
    proxy.clear()
    account.refresh()
    wait_for(lambda: errno_of(os.mkdir, account / "d") == 0, 10, "access")


UNUSABLE = {
    "two lines": ({"access_token": "sat-a\nb"}, "more than one line"),
    "no life": ({"access_token": "sat-ab", "expires_in": 0}, "not positive"),
    "a life before now": ({"access_token": "sat-ab", "expires_in": -5}, "not positive"),
    "nothing": ({}, "access_token"),
}


@pytest.mark.parametrize("grant", UNUSABLE)
def test_what_an_exchange_answers_is_not_the_fault_of_the_key_file(
    home, proxy, key_file, grant
):
    body, says = UNUSABLE[grant]
    proxy.on("POST", EXCHANGE, reply(200, json.dumps(body).encode()))
    result = home.vaultfs(
        "check", proxy.url, "--json", "--service-account-key-file", key_file
    )
    told = json.loads(result.out)["error"]
    assert (result.status, told["errno"]) == (2, "EBADMSG"), result
    assert f"the exchange at http://127.0.0.1:{proxy.port} " in told["message"]
    assert says in told["message"]


def test_a_key_does_not_follow_a_redirect(home, proxy, service, key_file):
    """Nor does its token; the other origin hears nothing."""
    other = FaultProxy(service.port)
    try:
        location = f"http://127.0.0.1:{other.port}/api/v1/serviceToken/exchange"
        moved = reply(307, headers={"Location": location})
        proxy.on("POST", EXCHANGE, moved)
        result = home.vaultfs(
            "check", proxy.url, "--service-account-key-file", key_file
        )
        assert result.status == 2 and str(other.port) in result.err, result
        assert other.connections == 0
    finally:
        other.stop()


def test_a_key_is_not_sent_in_clear_to_strangers(home, service, key_file):
    for url in ("http://192.0.2.1", "http://example.com/", "ftp://127.0.0.1/"):
        result = home.vaultfs(
            "check",
            service.url,
            "--service-account-key-file",
            key_file,
            "--exchange-url",
            url,
        )
        assert result.status in (1, 2) and "http" in result.err, result
