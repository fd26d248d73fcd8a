# SPDX-License-Identifier: MIT
"""Access that ends while a mount lives: who is told what, and how it comes back
without a remount."""

import errno
import json
import os
import signal

import pytest

from support.errnos import errno_of
from support.paths import VAULTFS
from support.process import run, wait_for
from support.specs import bearer, text
from support.tokens import WAYS, held_by, write_private

# What follows from a signal or a new file, and not from the daemon's own look
# every 30 s.
BEFORE_ITS_OWN_LOOK = 10


def write(path, document):
    path.write_bytes(text(document))


def new_host(n):
    return bearer(host=f"h{n}.example")


@pytest.fixture
def token_file(issuer, tmp_path):
    return write_private(tmp_path / "token", issuer.token("first") + "\n")


@pytest.fixture
def stocked(service):
    """Vaults to work on."""
    for name in ("prod", "empty", "unseen"):
        vault = service.make_vault(name)
        if name != "empty":
            service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
    return service


def start(bare_mounts, proxy, *options):
    """A mount behind the proxy that has seen all but one vault."""
    mount = bare_mounts("--ttl", "600", *options, source=proxy.url)
    mount.ls("prod")
    mount.ls("empty")
    os.stat(mount / "unseen")
    return mount


@pytest.fixture
def mount(bare_mounts, proxy, stocked, token_file):
    return start(bare_mounts, proxy, "--token-file", token_file)


def edit(path):
    document = json.loads(path.read_text())
    document["metadata"] = document.get("metadata", {}) | {"team": "docs"}
    write(path, document)


SPEC = {"display_name": "both", "credentials": [new_host(1), new_host(2)]}

OPERATIONS = {
    "ls": lambda m: os.listdir(m / "unseen"),
    "cat": lambda m: (m / "unseen/old.json").read_text(),
    "create": lambda m: write(m / "prod/new.json", new_host(1)),
    "rotate": lambda m: write(m / "prod/old.json", bearer("old.example", "next")),
    "edit": lambda m: edit(m / "prod/old.json"),
    "rm": lambda m: os.unlink(m / "prod/old.json"),
    "mkdir": lambda m: os.mkdir(m / "fresh"),
    "rmdir": lambda m: os.rmdir(m / "empty"),
    "rename": lambda m: os.rename(m / "prod/old.json", m / "prod/other.json"),
    "archive": lambda m: os.rename(m / "prod/old.json", m / "prod/.archive/old.json"),
    "vault spec": lambda m: write(m / "both.json", SPEC),
}


# It ends


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mount_lives_through_a_revoked_token(
    mount, stocked, issuer, proxy, token_file, operation
):
    act, pid = OPERATIONS[operation], mount.pid
    before = held_by(stocked)
    issuer.revoke("first")
    assert errno_of(act, mount) == errno.EKEYREJECTED
    assert mount.account["state"] == "refused"
    sent = len(proxy.requests)
    for _ in range(3):
        assert errno_of(act, mount) == errno.EKEYREJECTED
    assert len(proxy.requests) == sent, "a request although access has expired"
    assert held_by(stocked) == before
    token_file.write_text(issuer.token("second") + "\n")
    act(mount)
    assert mount.account["state"] == "ok"
    assert (mount.pid, mount.process.poll()) == (pid, None)


@pytest.mark.parametrize("way", WAYS)
def test_a_new_token_is_seen_however_it_got_there(
    bare_mounts, service, issuer, tmp_path, way
):
    path = tmp_path / "token"
    put = WAYS[way]
    put(path, issuer.token("token0") + "\n")
    mount = bare_mounts("--token-file", path)
    for number in range(3):
        issuer.revoke(f"token{number}")
        assert errno_of(os.mkdir, mount / f"d{number}") == errno.EKEYREJECTED
        put(path, issuer.token(f"token{number + 1}") + "\n")
        os.mkdir(mount / f"d{number}")
    assert len(service.vaults()) == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_is_replaced_in_time_is_never_missed(
    bare_mounts, proxy, gate, issuer, tmp_path, way
):
    """The old one is revoked only afterwards: no request is refused."""
    path = tmp_path / "token"
    WAYS[way](path, issuer.token("token0") + "\n")
    mount = bare_mounts("--token-file", path, source=proxy.url)
    for number in range(3):
        WAYS[way](path, issuer.token(f"token{number + 1}") + "\n")
        os.mkdir(mount / f"d{number}")
        issuer.revoke(f"token{number}")
    assert 401 not in gate.answers


@pytest.mark.parametrize("damage", ["absent", "open to others", "two words", "empty"])
def test_a_file_that_is_damaged_does_not_end_access_that_works(
    mount, token_file, issuer, damage
):
    good = token_file.read_text()
    if damage == "absent":
        token_file.unlink()
    elif damage == "open to others":
        token_file.chmod(0o644)
    else:
        token_file.write_text("two words\n" if damage == "two words" else "")
    for number in range(3):
        os.mkdir(mount / f"d{number}")
    told = [r for r in mount.records() if r["operation"] == "token"]
    assert len(told) == 1, told
    assert mount.account["state"] == "ok"
    issuer.revoke("first")
    assert errno_of(os.mkdir, mount / "refused") == errno.EKEYREJECTED
    token_file.unlink(missing_ok=True)
    write_private(token_file, issuer.token("second") + "\n")
    os.mkdir(mount / "refused")
    assert good.strip() not in mount.log.read_text()


def test_the_record_says_what_happened_and_names_the_source(mount, issuer, token_file):
    issuer.revoke("first")
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    record = mount.record("/d")
    assert (record["errno"], record["http_status"]) == ("EKEYREJECTED", 401)
    assert record["type"] == "authentication_error"
    assert "revoked" in record["message"] and str(token_file) in record["message"]
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    record = mount.record("/d")
    assert record.get("http_status", 0) == 0, "nothing was asked"
    assert str(token_file) in record["message"]
    status = run([VAULTFS, "status", mount.path], env=mount.env)
    assert status and "refused" in status.out, status
    metrics = (mount / ".vaultfs/metrics").read_text()
    assert "\nvaultfs_token_refused 1\n" in metrics
    why = run([VAULTFS, "why", mount.path], env=mount.env)
    assert why and str(token_file) in why.out and "EKEYREJECTED" in why.out, why


def test_what_was_listed_is_not_shown_beyond_its_time(
    bare_mounts, stocked, issuer, token_file
):
    """R-down is for a service that is away, not for one that says no."""
    mount = bare_mounts("--ttl", "0", "--token-file", token_file)
    assert mount.ls("prod") == ["old.json"]
    issuer.revoke("first")
    for look in (os.listdir, os.stat):
        wait_for(lambda: errno_of(look, mount / "prod") == errno.EKEYREJECTED)
        assert errno_of(look, mount / "prod") == errno.EKEYREJECTED
    status = json.loads((mount / ".vaultfs/status").read_text())
    assert status["degraded"] is False


def test_what_is_known_needs_no_token(mount, stocked, issuer):
    issuer.revoke("first")
    assert errno_of(os.listdir, mount / "unseen") == errno.EKEYREJECTED
    assert json.loads((mount / "prod/old.json").read_text())["id"]
    assert mount.ls() == ["empty", "prod", "unseen"]


# It comes back


@pytest.fixture
def expired(bare_mounts, stocked, proxy, gate, issuer, command):
    """A mount whose access has expired, and which knows no file to watch."""
    mount = start(bare_mounts, proxy, "--token-command", command.text)
    issuer.revoke("first")
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    command.print_token(issuer.token("second"))
    runs = command.runs
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    assert command.runs == runs, "the command ran without a reason"
    return mount


REFRESHES = {
    "SIGHUP": lambda m: m.process.send_signal(signal.SIGHUP),
    "vaultfs refresh": lambda m: run([VAULTFS, "refresh", m.path], env=m.env),
    "touch .vaultfs/refresh": lambda m: m.sh("touch .vaultfs/refresh"),
}


def works_again(mount):
    return errno_of(os.mkdir, mount / "again") in (0, errno.EEXIST)


@pytest.mark.parametrize("refresh", REFRESHES)
def test_a_refresh_looks_for_a_new_token(expired, command, refresh):
    runs = command.runs
    REFRESHES[refresh](expired)
    wait_for(lambda: works_again(expired), BEFORE_ITS_OWN_LOOK, "access")
    # touch opens the file and sets its times: that may be two looks.
    assert command.runs - runs in (1, 2)
    assert expired.account["state"] == "ok"


@pytest.mark.slow
def test_a_new_token_is_found_without_a_word_within_30_seconds(expired, command):
    runs = command.runs
    wait_for(lambda: works_again(expired), 45, "access")
    assert command.runs == runs + 1


def test_a_source_that_cannot_be_read_again_is_tried_with_its_old_token(
    bare_mounts, stocked, proxy, gate, issuer
):
    """The service may have changed its mind: a token is not lost by one 401."""
    env = {"QODER_PAT": issuer.token("first")}
    mount = start_with_env(bare_mounts, proxy, env)
    gate.refuses_all = True
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    gate.refuses_all = False
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    mount.refresh()
    wait_for(lambda: works_again(mount), BEFORE_ITS_OWN_LOOK, "access")
    assert mount.account["state"] == "ok"


def start_with_env(bare_mounts, proxy, env):
    mount = bare_mounts("--ttl", "600", source=proxy.url, env=env)
    mount.ls()
    return mount


def test_the_same_token_is_tried_again_when_its_file_was_touched(
    mount, gate, proxy, token_file
):
    gate.refuses_all = True
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    gate.refuses_all = False
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    token_file.write_text(token_file.read_text())
    os.mkdir(mount / "d")


def test_a_refusal_while_expired_costs_one_request(mount, gate, proxy, token_file):
    """Each look at the source is one attempt, however many callers wait."""
    gate.refuses_all = True
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    for number in range(3):
        sent = len(proxy.requests)
        token_file.write_text(f"pt-wrong{number}\n")
        for _ in range(4):
            assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
        assert len(proxy.requests) == sent + 1


def test_a_change_right_after_a_look_is_seen_too(mount, gate, token_file, issuer):
    """Another token of the same size, put there before the file's time moves."""
    good = token_file.read_text()
    gate.refuses_all = True
    assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
    gate.refuses_all = False
    for number in range(40):
        token_file.write_text(good[:-4] + f"{number:03}\n")
        assert errno_of(os.mkdir, mount / "never") == errno.EKEYREJECTED
        token_file.write_text(good)
        os.mkdir(mount / f"d{number}")


def test_a_token_that_is_written_in_pieces_is_found_in_the_end(
    mount, token_file, issuer
):
    issuer.revoke("first")
    second = issuer.token("second")
    with token_file.open("w") as file:
        for piece in ("", second[:10], second[10:20]):
            file.write(piece)
            file.flush()
            assert errno_of(os.mkdir, mount / "d") == errno.EKEYREJECTED
        file.write(second[20:])
    os.mkdir(mount / "d")


def test_a_mount_without_check_waits_for_its_first_good_token(
    bare_mounts, service, issuer, tmp_path
):
    path = write_private(tmp_path / "token", "pt-not-yet\n")
    mount = bare_mounts("--nocheck", "--token-file", path)
    assert errno_of(os.listdir, mount.path) == errno.EKEYREJECTED
    assert mount.account["state"] == "refused"
    path.write_text(issuer.token("first") + "\n")
    assert mount.ls() == []
    assert mount.account["state"] == "ok"


def test_a_token_that_may_only_read_is_no_expired_one(
    bare_mounts, service, issuer, tmp_path
):
    token = issuer.token("reader", "--scope", "vaults:read")
    path = write_private(tmp_path / "token", token + "\n")
    service.make_vault("prod")
    mount = bare_mounts("--ttl", "0", "--token-file", path)
    assert errno_of(os.mkdir, mount / "d") == errno.EACCES
    assert mount.record("/d")["http_status"] == 403
    assert mount.ls() == ["prod"]
    assert mount.account["state"] == "ok"
