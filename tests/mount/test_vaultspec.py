# SPDX-License-Identifier: MIT
"""W-vault: a vault and its credentials from one document; pending vaults."""

import errno
import json
import os
import time

import pytest
from support import faultproxy
from support.process import wait_for
from support.service import CREDENTIALS, VAULT, VAULTS, Counter
from support.specs import bearer, flat, text, variable


def named(spec, name):
    return spec | {"metadata": spec.get("metadata", {}) | {"vaultfs.name": name}}


def spec_of(*credentials, **more):
    return more | {"credentials": list(credentials)}


TWO = spec_of(
    named(bearer(), "github.json"), named(variable(), "slack.json"), metadata={"a": "b"}
)


def fail(path, spec):
    with pytest.raises(OSError) as reason:
        path.write_bytes(text(spec))
    return reason.value.errno


def test_W_vault_a_spec_makes_vault_and_credentials(mount, service, tmp_path):
    source = tmp_path / "prod.json"
    source.write_bytes(text(TWO))
    with Counter(service) as sent:
        assert mount.sh(f"cp -p {source} .")
        assert mount.ls(".") == ["prod"]
        assert mount.ls("prod") == ["github.json", "slack.json"]
    assert sent.count("POST", VAULTS) == 1
    assert sent.count("POST", CREDENTIALS) == 2
    assert sent.count("GET", CREDENTIALS) == 0
    vault = service.vault("prod")
    assert vault["metadata"] == {"a": "b"}
    assert {c["metadata"]["vaultfs.name"] for c in service.credentials(vault["id"])} == {
        "github.json",
        "slack.json",
    }


def test_W_vault_the_specs_name_goes_by_itself(mount):
    path = mount / "x.json"
    path.write_bytes(text({"display_name": "prod"}))
    os.utime(path)
    assert path.stat().st_size == 0
    assert os.listdir(mount.path) == ["prod"]
    began = time.monotonic()
    wait_for(lambda: not path.exists(), 10, "the end of the name")
    assert time.monotonic() - began > 1
    path.write_bytes(text({"display_name": "other"}))
    path.unlink()
    assert not path.exists()


@pytest.mark.parametrize("tool", ["mv x.tmp prod.json", "cat x.tmp > prod"])
def test_W_vault_from_where_tools_write(mount, service, tmp_path, tool):
    (mount / "x.tmp").write_bytes(b"")
    source = tmp_path / "spec"
    source.write_bytes(text(TWO))
    if tool.startswith("mv"):
        assert mount.sh(f"cat {source} > x.tmp && mv x.tmp prod.json")
    else:
        assert mount.sh(f"cat {source} > prod")
    assert (mount / "prod").is_dir()
    assert mount.ls("prod") == ["github.json", "slack.json"]


@pytest.fixture
def refusing(proxied, proxy, service):
    """A service that refuses every second credential."""

    def refuse(exchange):
        if all(service.credentials(v["id"]) == [] for v in service.vaults()):
            return faultproxy.forward(exchange)
        reason = ("invalid_request_error", "not that one", "auth.secret_name")
        return faultproxy.error(400, *reason)(exchange)

    proxy.on("POST", CREDENTIALS, refuse)
    return proxied


def test_W_vault_a_credential_that_fails_takes_all_back(refusing, proxy, service):
    assert fail(refusing / "prod.json", TWO) == errno.EINVAL
    record = refusing.record("/prod.json")
    assert record["param"] == "credentials[1].auth.secret_name"
    assert record["message"].startswith("the vault was not made")
    assert record["message"].endswith("not that one")
    assert service.vaults() == []
    assert refusing.ls(".") == []
    assert not (refusing / "prod.json").exists()
    proxy.clear()
    (refusing / "prod.json").write_bytes(text(TWO))
    assert refusing.ls("prod") == ["github.json", "slack.json"]


def test_W_vault_what_cannot_be_taken_back_is_told(refusing, proxy, service):
    proxy.on("DELETE", VAULT, faultproxy.error(403, "permission_error", "no"))
    assert fail(refusing / "prod.json", TWO) == errno.EINVAL
    vault = service.vault("prod")["id"]
    message = refusing.record("/prod.json")["message"]
    assert f"the new vault {vault} is left" in message
    assert refusing.ls(".") == ["prod"]
    assert refusing.ls("prod") == ["github.json"]


def test_W_vault_one_url_twice_in_a_spec_sends_nothing(mount, service):
    spec = spec_of(bearer(), named(bearer(), "again.json"))
    with Counter(service) as sent:
        assert fail(mount / "prod.json", spec) == errno.EINVAL
    assert sent.total == 0


def test_W_strict_a_bad_vault_spec_sends_nothing(mount, service):
    lacking = bearer()
    del lacking["auth"]["token"]
    with Counter(service) as sent:
        assert fail(mount / "a.json", spec_of(bearer(), lacking)) == errno.EINVAL
        assert fail(mount / "b.json", {"display_name": "b", "x": 1}) == errno.EINVAL
        assert mount.ls(".") == []
    assert sent.total == 0
    assert mount.record("/a.json")["param"] == "credentials[1].auth.token"
    assert mount.record("/b.json")["param"] == "x"


def test_W_vault_a_name_that_is_taken_is_EEXIST(mount, service):
    (mount / "prod").mkdir()
    with Counter(service) as sent:
        assert fail(mount / "prod.json", TWO) == errno.EEXIST
    assert sent.total == 0
    assert "nothing was made" in mount.record("/prod.json")["message"]


def test_W_vault_a_credential_is_no_vault_spec(mount, service):
    with Counter(service) as sent:
        assert fail(mount / "github.json", bearer()) == errno.EINVAL
    assert sent.total == 0


# A service that takes credentials along, and may want one.


@pytest.fixture
def demanding(services, mounts):
    service = services("--dialect", "qoder-flat", "--first-credential", "required")
    options = ("--dialect", "qoder-flat", "--ttl", "600")
    return service, mounts(*options, source=service.url, token=service.token)


def test_W_vault_a_spec_is_one_request_where_it_can_be(demanding):
    service, mount = demanding
    spec = spec_of(flat(), flat(host="mcp.jira.com"))
    with Counter(service) as sent:
        (mount / "prod.json").write_bytes(text(spec))
        assert len(mount.ls("prod")) == 2
    assert sent.total == 1


def test_W_vault_mkdir_is_pending_until_the_first_credential(demanding):
    service, mount = demanding
    (mount / "prod").mkdir()
    assert service.vaults() == []
    with Counter(service) as sent:
        assert mount.ls(".") == ["prod"]
        assert mount.ls("prod") == []
        assert not (mount / "prod" / "a.json").exists()
    assert sent.total == 0
    with Counter(service) as sent:
        (mount / "prod" / "github.json").write_bytes(text(flat()))
        assert mount.ls("prod") == ["github.json"]
    assert sent.total == 1
    (made,) = service.credentials(service.vault("prod")["id"])
    assert json.loads((mount / "prod" / "github.json").read_text()) == made
    vault = json.loads((mount / "prod" / ".vault.json").read_text())
    assert vault["id"] == made["vault_id"]
    (mount / "prod" / "jira.json").write_bytes(text(flat(host="mcp.jira.com")))
    mount.refresh()
    assert mount.ls("prod") == ["github.json", "jira.json"]


def test_W_vault_a_pending_vault_is_removed_without_a_trace(demanding):
    service, mount = demanding
    (mount / "prod").mkdir()
    with Counter(service) as sent:
        assert fail(mount / "prod" / "a.json", {"nonsense": 1}) == errno.EINVAL
        assert mount.sh("rm -r prod")
        assert mount.ls(".") == []
    assert sent.total == 0
