# SPDX-License-Identifier: MIT
"""W-idempotent: an attempt whose outcome is not known, and the attempts after
it, make one thing."""

import errno
import json
from pathlib import Path

import pytest

from support import faultproxy
from support.mount import Mount
from support.service import VAULTS


def try_mkdir(path):
    """The errno, 0 for success."""
    try:
        path.mkdir()
    except OSError as error:
        return error.errno
    return 0


def unknown(mount):
    status = json.loads((mount / ".vaultfs" / "status").read_text())
    return status["unknown_outcomes"]


@pytest.fixture
def held(proxy):
    """The first creation of a vault reaches the service only when released."""
    hold = faultproxy.Hold()
    proxy.on("POST", VAULTS, hold, times=1)
    yield hold
    hold.release()


@pytest.fixture
def proxied(mounts, proxy):
    return mounts("--timeout", "2", source=proxy.url)


def assert_one(service, proxy):
    """All attempts came under one key, so that whenever they come it is one."""
    assert [vault["display_name"] for vault in service.vaults()] == ["prod"]
    assert len({request.key for request in proxy.of("POST", VAULTS)}) == 1


REFUSALS = {
    400: errno.EINVAL,
    403: errno.EACCES,
    429: errno.EBUSY,
    503: errno.EREMOTEIO,
}


@pytest.mark.parametrize("status", REFUSALS)
def test_W_idempotent_a_refusal_between_is_no_answer(
    proxied, proxy, service, held, status
):
    assert try_mkdir(proxied / "prod") == errno.ETIMEDOUT
    refusal = faultproxy.error(status, "refused")
    # As often as one mkdir asks.
    proxy.on("POST", VAULTS, refusal, times=3 if status in (429, 503) else 1)
    assert try_mkdir(proxied / "prod") == REFUSALS[status]
    assert unknown(proxied) == 1
    assert try_mkdir(proxied / "prod") == 0
    assert unknown(proxied) == 0
    assert_one(service, proxy)


def test_W_idempotent_another_token_between_keeps_the_key(
    proxied, proxy, service, held
):
    def refuse_and_replace(exchange):
        (proxied.directory / "token").write_text(service.make_token("second") + "\n")
        return faultproxy.error(401, "authentication_error")(exchange)

    assert try_mkdir(proxied / "prod") == errno.ETIMEDOUT
    proxy.on("POST", VAULTS, refuse_and_replace, times=1)
    assert try_mkdir(proxied / "prod") == 0
    assert_one(service, proxy)


def test_W_idempotent_a_vault_that_is_listed_is_known(proxied, proxy, service):
    proxy.on("POST", VAULTS, faultproxy.act_then_close, times=3)
    assert try_mkdir(proxied / "prod") == errno.EREMOTEIO
    assert unknown(proxied) == 1
    assert proxied.ls() == ["prod"]
    assert unknown(proxied) == 0


@pytest.fixture
def homely(proxy, service, tmp_path):
    """A mount of a user without a session: not started yet."""
    mount = Mount(proxy.url, tmp_path / "homely", service.token, "--timeout", "2")
    del mount.env["XDG_RUNTIME_DIR"]
    yield mount
    mount.stop()


def test_W_idempotent_without_a_session_the_home_keeps_the_keys(
    homely, proxy, service, held
):
    homely.start()
    assert try_mkdir(homely / "prod") == errno.ETIMEDOUT
    state = Path(homely.env["HOME"]) / ".local/state/vaultfs"
    (journal,) = state.glob("journal-*")
    assert journal.stat().st_mode & 0o777 == 0o600
    homely.kill()
    homely.start()
    assert try_mkdir(homely / "prod") == 0
    assert_one(service, proxy)
    homely.stop()
    assert list(state.glob("journal-*")) == []


def test_W_idempotent_without_any_place_the_daemon_remembers(
    homely, proxy, service, held, tmp_path
):
    (tmp_path / "file").touch()
    homely.env["XDG_STATE_HOME"] = str(tmp_path / "file")
    homely.start()
    assert "will be forgotten" in homely.log.read_text()
    assert try_mkdir(homely / "prod") == errno.ETIMEDOUT
    assert try_mkdir(homely / "prod") == 0
    assert_one(service, proxy)
