# SPDX-License-Identifier: MIT
"""W-rotate: a full spec over a credential becomes true, or is refused."""

import copy
import errno
import json
import os

import pytest

from support import faultproxy
from support.process import wait_for
from support.service import VAULTS, Counter
from support.specs import bearer, oauth, text, variable


def write(path, spec):
    path.write_bytes(text(spec))


def shown(path):
    return json.loads(path.read_text())


@pytest.fixture
def path(mount):
    (mount / "prod").mkdir()
    path = mount / "prod" / "linear.json"
    write(path, oauth())
    return path


def refuse(mount, service, path, spec, param):
    """Nothing is sent, and the record names the field."""
    before = path.read_text()
    with Counter(service) as sent:
        result = mount.sh(f"cat > {path} <<'JSON'\n{json.dumps(spec)}\nJSON")
    assert result.status != 0
    assert os.strerror(errno.EINVAL) in result.err
    assert sent.total == 0
    assert path.read_text() == before
    record = mount.record("/prod/" + path.name)
    assert record["param"] == param
    assert record["message"].startswith(f"{param} cannot be ")


CHANGES = {
    "client_id": "another",
    "token_endpoint": "https://mcp.linear.app/oauth/other",
    "resource": "https://mcp.linear.app/",
}


@pytest.mark.parametrize("field", CHANGES)
def test_W_rotate_refuses_what_an_update_cannot_set(mount, service, path, field):
    spec = oauth(token="at_second")
    spec["auth"]["refresh"][field] = CHANGES[field]
    refuse(mount, service, path, spec, f"auth.refresh.{field}")


@pytest.mark.parametrize("field", ["refresh", "refresh.scope"])
def test_W_rotate_refuses_what_an_update_cannot_take_away(
    mount, service, path, field
):
    spec = oauth(token="at_second")
    if field == "refresh":
        del spec["auth"]["refresh"]
    else:
        del spec["auth"]["refresh"]["scope"]
    refuse(mount, service, path, spec, f"auth.{field}")


def test_W_rotate_refuses_to_add_a_refresh(mount, service, path):
    spec = oauth(host="mcp.other.app")
    plain = copy.deepcopy(spec)
    del plain["auth"]["refresh"]
    other = path.with_name("other.json")
    write(other, plain)
    refuse(mount, service, other, spec, "auth.refresh")


def test_W_rotate_clears_the_expiry_of_the_old_token(path, service):
    spec = oauth(token="at_second")
    assert shown(path)["auth"]["expires_at"] is not None
    del spec["auth"]["expires_at"]
    with Counter(service) as sent:
        write(path, spec)
    assert sent.total == 1
    assert shown(path)["auth"]["expires_at"] is None


def test_W_rotate_takes_what_can_change(path, service):
    before = shown(path)
    spec = oauth(token="at_second", refresh_token="rt_second")
    spec["auth"]["expires_at"] = "2098-01-01T00:00:00Z"
    spec["auth"]["refresh"]["scope"] = "read"
    with Counter(service) as sent:
        write(path, spec)
    assert sent.total == 1
    after = shown(path)
    assert after["id"] == before["id"]
    assert after["auth"]["expires_at"] == "2098-01-01T00:00:00Z"
    assert after["auth"]["refresh"] == before["auth"]["refresh"] | {"scope": "read"}


@pytest.mark.parametrize(
    "spec",
    [
        oauth(),
        bearer(metadata={"team": "core"}),
        variable(),
        {
            "auth": variable(name="LIMITED")["auth"]
            | {
                "networking": {"type": "limited", "allowed_hosts": ["h.example"]},
                "injection_location": {"header": True},
            }
        },
    ],
    ids=["oauth", "bearer", "variable", "limited"],
)
def test_W_idempotent_the_same_spec_twice_is_one_credential(mount, path, spec):
    other = path.with_name("twice.json")
    path.unlink()
    write(other, spec)
    first = shown(other)
    write(other, spec)
    assert {**shown(other), "updated_at": 0} == {**first, "updated_at": 0}


def test_metadata_as_read_is_no_new_credential(mount, path, service):
    with Counter(service) as sent:
        result = mount.sh("cat prod/linear.json > prod/copy.json")
    assert result.status != 0
    assert sent.total == 0
    record = mount.record("/prod/copy.json")
    assert record["param"] == "auth.access_token"
    assert "metadata as read" in record["message"]


def listing_failure(path):
    try:
        os.listdir(path)
    except OSError as reason:
        return reason.errno
    return None


def test_a_404_for_the_list_of_vaults_is_no_empty_root(proxied, proxy):
    os.mkdir(proxied / "prod")
    proxy.on("GET", VAULTS, faultproxy.reply(404, b"not here"))
    proxied.refresh()
    failure = wait_for(lambda: listing_failure(proxied.path), 5, "a new listing")
    assert failure == errno.EBADMSG
    assert "base URL" in proxied.record("/")["message"]


def test_R_wait_a_vault_that_hangs_does_not_stop_another(proxied, proxy, children):
    for name in ("slow", "quick"):
        os.mkdir(proxied / name)
    slow = shown(proxied / "slow" / ".vault.json")["id"]
    hold = faultproxy.Hold()
    proxy.on("POST", f"/vaults/{slow}/credentials$", hold)
    for i in range(20):
        spec = json.dumps(bearer(host=f"h{i}.example"))
        children(proxied.spawn(["sh", "-c", f"echo '{spec}' > slow/{i}.json"]))
    hold.wait(16)
    write(proxied / "quick" / "a.json", bearer())
    assert proxied.ls("quick") == ["a.json"]
    hold.release()
