# SPDX-License-Identifier: MIT
"""The official SDK against vaultd."""

import pytest

from support.service import CREDENTIALS, VAULTS, Counter

from official_sdk import URL, SdkError, bearer, oauth, variable

# All of it: quick runs do without.
pytestmark = pytest.mark.slow


def refused(call, *args):
    """The error class, status and type that the SDK makes of a refusal."""
    with pytest.raises(SdkError) as caught:
        call(*args)
    assert caught.value.said["request_id"]
    return caught.value.summary


@pytest.mark.parametrize("variable_name", ["ANTHROPIC_API_KEY",
                                           "ANTHROPIC_AUTH_TOKEN"])
def test_the_sdk_gets_in_with_a_key_and_with_a_bearer_token(
        sdks, service, variable_name):
    assert sdks(**{variable_name: service.token}).all("vaults.list") == []
    assert refused(sdks(**{variable_name: "wrong"}), "vaults.list") == (
        "AuthenticationError", 401, "authentication_error")


def test_a_vault_from_its_creation_to_its_end(sdk, service):
    made = sdk("vaults.create", {"display_name": "prod",
                                 "metadata": {"team": "docs", "old": "x"}})
    assert service.vaults() == [made]
    assert sdk("vaults.retrieve", made["id"]) == made
    changed = sdk("vaults.update", made["id"], {
        "display_name": "production", "metadata": {"old": None, "new": "y"}})
    assert changed["display_name"] == "production"
    assert changed["metadata"] == {"team": "docs", "new": "y"}
    assert sdk.all("vaults.list") == [changed]
    archived = sdk("vaults.archive", made["id"])
    assert archived["archived_at"]
    assert sdk.all("vaults.list") == []
    assert sdk.all("vaults.list", {"include_archived": True}) == [archived]
    assert sdk("vaults.delete", made["id"]) == {"id": made["id"],
                                                "type": "vault_deleted"}
    assert refused(sdk, "vaults.retrieve", made["id"]) == (
        "NotFoundError", 404, "not_found_error")


@pytest.mark.parametrize("spec, change", [
    (bearer(), {"type": "static_bearer", "token": "new"}),
    (oauth(), {"type": "mcp_oauth", "access_token": "new",
               "refresh": {"refresh_token": "new"}}),
    (variable(), {"type": "environment_variable", "secret_value": "new",
                  "networking": {"type": "unrestricted"}}),
], ids=["bearer", "oauth", "variable"])
def test_a_credential_from_its_creation_to_its_end(sdk, service, spec, change):
    vault = sdk("vaults.create", {"display_name": "v"})["id"]
    here = {"vault_id": vault}
    made = sdk("vaults.credentials.create", vault, {**spec, "display_name": "n"})
    assert made["display_name"] == "n" and made["vault_id"] == vault
    assert made["auth"]["type"] == spec["auth"]["type"]
    assert service.credentials(vault) == [made]
    assert sdk("vaults.credentials.retrieve", made["id"], here) == made
    before = service.rows_digest(made["id"])
    changed = sdk("vaults.credentials.update", made["id"], {
        **here, "display_name": "m", "metadata": {"a": "b"}, "auth": change})
    assert changed["id"] == made["id"] and changed["display_name"] == "m"
    assert changed["metadata"] == {"a": "b"}
    assert service.rows_digest(made["id"]) != before
    assert sdk.all("vaults.credentials.list", vault) == [changed]
    if made["auth"]["type"] == "mcp_oauth":
        assert sdk("vaults.credentials.mcpOAuthValidate", made["id"], here)[
            "status"] == "unknown"
    assert sdk("vaults.credentials.archive", made["id"], here)["archived_at"]
    assert sdk.all("vaults.credentials.list", vault) == []
    assert len(sdk.all("vaults.credentials.list", vault,
                       {"include_archived": True})) == 1
    assert sdk("vaults.credentials.delete", made["id"], here) == {
        "id": made["id"], "type": "vault_credential_deleted"}
    assert service.credentials(vault) == []


def test_the_sdk_turns_the_pages_of_a_list(sdk, service):
    vaults = [sdk("vaults.create", {"display_name": f"v{i}"}) for i in range(23)]
    with Counter(service) as sent:
        assert sdk.all("vaults.list") == vaults[::-1]
    assert sent.count("GET", VAULTS) == 2
    vault = vaults[0]["id"]
    made = [sdk("vaults.credentials.create", vault, bearer(f"{URL}/{i}"))
            for i in range(7)]
    with Counter(service) as sent:
        assert sdk.all("vaults.credentials.list", vault,
                       {"limit": 2}) == made[::-1]
    assert sent.count("GET", CREDENTIALS) == 4


def test_a_refusal_becomes_the_error_class_of_its_status(sdk):
    vault = sdk("vaults.create", {"display_name": "v"})["id"]
    sdk("vaults.credentials.create", vault, bearer())
    assert refused(sdk, "vaults.credentials.create", vault, bearer()) == (
        "ConflictError", 409, "conflict_error")
    assert refused(sdk, "vaults.create", {"display_name": ""}) == (
        "BadRequestError", 400, "invalid_request_error")
    assert refused(sdk, "vaults.credentials.list", "vlt_none") == (
        "NotFoundError", 404, "not_found_error")
