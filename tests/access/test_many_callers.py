# SPDX-License-Identifier: MIT
"""Many callers when access ends: the source is asked once for all, and each of
them succeeds once or is told why not."""

import errno
import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.errnos import errno_of
from support.faultproxy import Hold
from support.process import wait_for
from support.service import CREDENTIALS
from support.specs import bearer, text
from support.tokens import WAYS, Issuer, held_by

CALLERS = 16


def write(path, document):
    path.write_bytes(text(document))


def new_host(n):
    return bearer(host=f"h{n}.example")


def hold_all(proxy, method, gate):
    """Requests wait until CALLERS of them are there, then go through the gate."""
    hold = Hold(then=gate)
    proxy.on(method, CREDENTIALS, hold)
    return hold


def at_once(pool, mount, kind):
    """One caller for each of many files or vaults."""

    def act(n):
        if kind == "writers":
            return errno_of(write, mount / f"prod/f{n}.json", new_host(n))
        return errno_of(os.listdir, mount / f"v{n}")

    return [pool.submit(act, n) for n in range(CALLERS)]


NEXT = {
    "another token": 0,
    "the same token": errno.EKEYREJECTED,
    "another token, refused too": errno.EKEYREJECTED,
    "a failure": errno.EKEYREJECTED,
}


@pytest.mark.parametrize("kind", ["writers", "readers"])
@pytest.mark.parametrize("then", NEXT)
def test_a_command_runs_once_for_all_callers(
    bare_mounts, gate, proxy, issuer, command, then, kind
):
    service = issuer.service
    service.make_vault("prod")
    for n in range(CALLERS):
        service.make_vault(f"v{n}")
    mount = bare_mounts(
        "--ttl", "600", "--token-command", command.text, source=proxy.url
    )
    mount.ls("prod")
    for n in range(CALLERS):
        os.stat(mount / f"v{n}")
    assert command.runs == 1
    hold = hold_all(proxy, "POST" if kind == "writers" else "GET", gate)
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = at_once(pool, mount, kind)
        hold.wait(CALLERS)
        issuer.revoke("first")
        if then.startswith("another"):
            command.print_token(issuer.token("second"))
        if then.endswith("too"):
            issuer.revoke("second")
        if then == "a failure":
            command.fail()
        hold.release()
        outcomes = {caller.result() for caller in callers}
    assert outcomes == {NEXT[then]}
    assert command.runs == 2
    made = [f"f{n}.json" for n in range(CALLERS)] if kind == "writers" else []
    names = held_by(service)["prod"]
    assert names == (sorted(made) if NEXT[then] == 0 else [])
    if NEXT[then] == 0:
        assert gate.answers.count(401) == CALLERS
        return
    sent = len(proxy.requests)
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    assert len(proxy.requests) == sent and command.runs == 2


class Writers:
    """Each writes one new file after another. A name is written once, whatever
    came of it."""

    def __init__(self, mount, count=CALLERS):
        self._mount = mount
        self._pool = ThreadPoolExecutor(count)
        self._count = count
        self._is_over = threading.Event()
        self.told = {}  # an errno by file name, 0 for success

    def __enter__(self):
        self._running = [self._pool.submit(self._run, n) for n in range(self._count)]
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for writer in self._running:
            writer.result()
        self._pool.shutdown()

    def _run(self, number):
        for n in itertools.count():
            if self._is_over.is_set():
                return
            name = f"w{number}-{n}"
            path = self._mount / f"prod/{name}.json"
            code = errno_of(write, path, bearer(host=f"{name}.example"))
            self.told[path.name] = code
            if code:
                time.sleep(0.01)  # a program that fails does not spin

    def done(self):
        """The names of the files that were written, they say."""
        return sorted(name for name, code in self.told.copy().items() if code == 0)

    def wait_for_more(self, is_success):
        """Until as many as there are writers, and one more, are done, or not."""

        def count():
            return sum((code == 0) == is_success for code in self.told.copy().values())

        before = count()
        wait_for(lambda: count() > before + self._count, 30, "what they do")


@pytest.mark.parametrize("way", WAYS)
def test_W_idempotent_each_of_16_writers_succeeds_once_or_says_why_not(
    bare_mounts, services, tmp_path, way
):
    service = services("--duplicate", "allow")
    issuer = Issuer(service)
    service.make_vault("prod")
    path = tmp_path / "writers-token"
    WAYS[way](path, issuer.token("token0") + "\n")
    mount = bare_mounts("--ttl", "600", "--token-file", path, source=service.url)
    mount.ls("prod")
    with Writers(mount) as writers:
        for number in range(2):
            writers.wait_for_more(is_success=True)
            issuer.revoke(f"token{number}")
            writers.wait_for_more(is_success=False)
            WAYS[way](path, issuer.token(f"token{number + 1}") + "\n")
        writers.wait_for_more(is_success=True)
    assert set(writers.told.values()) == {0, errno.EKEYREJECTED}
    assert held_by(service)["prod"] == mount.ls("prod") == writers.done()


def test_a_storm_of_refreshes_and_new_tokens_breaks_no_write(
    bare_mounts, service, issuer, command
):
    service.make_vault("prod")
    mount = bare_mounts("--ttl", "600", "--token-command", command.text)
    with Writers(mount, 8) as writers:
        for number in range(10):
            command.print_token(issuer.token(f"token{number}"))
            for _ in range(20):
                mount.refresh()
            writers.wait_for_more(is_success=True)
    assert set(writers.told.values()) == {0}
    assert held_by(service)["prod"] == writers.done()
