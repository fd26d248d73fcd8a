# SPDX-License-Identifier: MIT
"""W-edit: what was read can be written back changed."""

import errno
import json
import os

import pytest
from support.service import CREDENTIAL, Counter
from support.specs import bearer, flat, oauth, text, variable, when, write


def shown(path):
    return json.loads(path.read_text())


def refused(path, document):
    with pytest.raises(OSError) as reason:
        path.write_bytes(document)
    return reason.value.errno


NETWORKED = {
    "auth": variable()["auth"]
    | {"networking": {"type": "limited", "allowed_hosts": ["h.example"]}}
}


@pytest.fixture
def path(mount):
    (mount / "prod").mkdir()
    return mount / "prod" / "github.json"


@pytest.mark.parametrize(
    "spec",
    [bearer(), oauth(), variable(), NETWORKED],
    ids=["bearer", "oauth", "variable", "networked"],
)
def test_W_edit_metadata_leaves_id_and_secret(path, service, spec):
    write(path, spec)
    before = shown(path)
    sealed = service.sealed_digest(before["id"])
    edited = before | {"metadata": before["metadata"] | {"team": "core"}}
    with Counter(service) as sent:
        path.write_text(json.dumps(edited))
    assert [(r.method, r.path) for r in sent.requests] == [
        ("POST", f"/api/v1/cloud/vaults/{before['vault_id']}/credentials/{before['id']}")
    ]
    after = shown(path)
    assert after["id"] == before["id"]
    assert after["metadata"]["team"] == "core"
    assert when(after["updated_at"]) > when(before["updated_at"])
    assert service.sealed_digest(before["id"]) == sealed


@pytest.mark.parametrize("spec", [bearer(), oauth(), variable()])
def test_W_edit_without_a_difference_sends_nothing(path, service, spec):
    write(path, spec)
    before = path.read_bytes()
    with Counter(service) as sent:
        path.write_bytes(before)
        path.write_text(json.dumps(json.loads(before)))
    assert sent.total == 0
    assert path.read_bytes() == before


def test_W_edit_with_jq_as_people_do(mount, path, service):
    write(path, bearer(metadata={"team": "core"}))
    with Counter(service) as sent:
        assert mount.sh(
            "new=$(jq '.metadata.team = \"web\"' prod/github.json)\n"
            'printf "%s\\n" "$new" > prod/github.json'
        )
    assert sent.total == 1
    assert shown(path)["metadata"]["team"] == "web"


def test_W_edit_takes_a_key_away(path, service):
    write(path, bearer(metadata={"team": "core", "env": "dev"}))
    edited = shown(path)
    del edited["metadata"]["env"]
    write(path, edited)
    assert shown(path)["metadata"] == edited["metadata"]


def test_W_edit_the_files_name_stays(path, service):
    write(path, bearer(metadata={"team": "core"}))
    edited = shown(path)
    edited["metadata"] = {"vaultfs.name": "other.json"}
    write(path, edited)
    assert shown(path)["metadata"] == {"vaultfs.name": "github.json"}


def test_W_edit_with_the_secret_rotates(path, service):
    write(path, bearer())
    before = shown(path)
    sealed = service.sealed_digest(before["id"])
    edited = shown(path)
    edited["auth"]["token"] = "ghp_second"
    with Counter(service) as sent:
        write(path, edited)
    assert sent.total == 1
    assert shown(path)["id"] == before["id"]
    assert service.sealed_digest(before["id"]) != sealed


def test_W_edit_the_other_form_is_taken_too(path, service):
    write(path, bearer())
    document = flat(metadata={"team": "core"})
    del document["access_token"]
    before = shown(path)["id"]
    sealed = service.sealed_digest(before)
    write(path, document)
    assert shown(path)["id"] == before
    assert shown(path)["metadata"]["team"] == "core"
    assert service.sealed_digest(before) == sealed


CHANGES = {
    "id": "vcred_other",
    "created_at": "2020-01-01T00:00:00Z",
    "unheard_of": True,
}


@pytest.mark.parametrize("field", CHANGES)
def test_W_edit_what_cannot_change_is_named(mount, path, service, field):
    write(path, bearer())
    before = path.read_text()
    edited = json.loads(before) | {field: CHANGES[field]}
    with Counter(service) as sent:
        assert refused(path, text(edited)) == errno.EINVAL
        assert mount.ls("prod") == ["github.json"]
    assert sent.total == 0
    assert mount.record("/prod/github.json")["param"] == field
    assert path.read_text() == before


def test_W_strict_a_refusal_keeps_the_listing(mount, path, service):
    with Counter(service) as sent:
        assert refused(path, b'{"auth": {"type": "nonsense"}}') == errno.EINVAL
        assert refused(path, text({"auth": bearer()["auth"] | {"x": 1}}))
        assert mount.ls("prod") == []
        assert not path.exists()
    assert sent.total == 0


def test_W_edit_another_identity_needs_its_secret(mount, path, service):
    write(path, bearer())
    edited = shown(path)
    edited["auth"]["mcp_server_url"] = "https://other.example.com/"
    with Counter(service) as sent:
        assert refused(path, text(edited)) == errno.EINVAL
    assert sent.total == 0
    assert mount.record("/prod/github.json")["param"] == "auth.token"


def test_W_edit_what_is_gone_is_ENOENT(mount, path, service):
    write(path, bearer())
    edited = shown(path) | {"metadata": {"team": "core"}}
    vault = service.vault("prod")["id"]
    service.ok("DELETE", f"/vaults/{vault}/credentials/{edited['id']}")
    assert refused(path, text(edited)) == errno.ENOENT
    assert mount.ls("prod") == []


def test_W_delete_names_what_the_same_process_deleted(mount, path):
    write(path, bearer())
    document = path.read_bytes()
    gone = json.loads(document)["id"]
    path.unlink()
    assert refused(path, document) == errno.EINVAL
    record = mount.record("/prod/github.json")
    assert gone in record["message"]
    assert record["param"] == "auth.token"


def test_W_delete_says_nothing_of_what_others_deleted(mount, path):
    write(path, bearer())
    document = path.read_bytes()
    assert mount.sh("rm prod/github.json")
    assert refused(path, document) == errno.EINVAL
    message = mount.record("/prod/github.json")["message"]
    assert json.loads(document)["id"] not in message


# .vault.json


def test_a_vault_that_cannot_change_is_refused_in_open(mount, path):
    with pytest.raises(OSError) as reason:
        (mount / "prod" / ".vault.json").open("r+")
    assert reason.value.errno == errno.EOPNOTSUPP


@pytest.fixture
def changing(services, mounts):
    """A service that can change a vault, and its mount, with a vault "prod"."""
    service = services("--dialect", "anthropic")
    options = ("--dialect", "anthropic", "--ttl", "600")
    mount = mounts(*options, source=service.url, token=service.token)
    (mount / "prod").mkdir()
    return service, mount


def test_W_edit_a_vaults_metadata(changing):
    service, mount = changing
    info = mount / "prod" / ".vault.json"
    assert info.stat().st_mode & 0o777 == 0o600
    edited = shown(info)
    edited["metadata"]["team"] = "core"
    with Counter(service) as sent:
        write(info, edited)
        write(info, shown(info))
    assert sent.total == 1
    assert service.vault("prod")["metadata"] == {"team": "core"}
    assert shown(info) == service.vault("prod")


def test_W_edit_a_vaults_name_moves_its_directory(changing):
    service, mount = changing
    write(mount / "prod" / "github.json", bearer())
    (mount / "prod" / ".vault.json").write_text('{"display_name": "live"}')
    with Counter(service) as sent:
        assert mount.ls(".") == ["live"]
        assert mount.ls("live") == ["github.json"]
        assert not (mount / "prod").exists()
    assert sent.count("GET", CREDENTIAL) == 0
    assert shown(mount / "live" / ".vault.json")["display_name"] == "live"


def test_W_edit_a_vaults_name_that_is_taken_gets_digits(changing):
    service, mount = changing
    (mount / "live").mkdir()
    vault = service.vault("prod")["id"]
    (mount / "prod" / ".vault.json").write_text('{"display_name": "live"}')
    assert mount.ls(".") == ["live", f"live~{vault[-6:]}"]


def test_W_strict_a_vaults_other_fields_cannot_change(changing):
    service, mount = changing
    info = mount / "prod" / ".vault.json"
    edited = shown(info) | {"created_at": "2020-01-01T00:00:00Z"}
    with Counter(service) as sent:
        assert refused(info, text(edited)) == errno.EINVAL
    assert sent.total == 0
    assert mount.record("/prod/.vault.json")["param"] == "created_at"
    assert os.listdir(mount.path) == ["prod"]
