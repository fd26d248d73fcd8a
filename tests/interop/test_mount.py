# SPDX-License-Identifier: MIT
"""The official SDK and a mount on one service: each sees what the other made."""

import json
import os

import pytest

from support.process import wait_for
from support.specs import when

from official_sdk import URL, bearer, variable

# All of it: quick runs do without.
pytestmark = pytest.mark.slow


def read(path):
    return json.loads(path.read_text())


def test_what_the_sdk_made_shows_in_the_mount(sdk, mounts, service):
    vault = sdk("vaults.create", {"display_name": "prod",
                                  "metadata": {"team": "docs"}})
    named = sdk("vaults.credentials.create", vault["id"],
                bearer(display_name="github.json"))
    unnamed = sdk("vaults.credentials.create", vault["id"], variable("API_KEY"))
    mount = mounts("--dialect", "anthropic", "--ttl", "600")
    assert mount.ls() == ["prod"]
    assert mount.ls("prod") == ["API_KEY.json", "github.json"]
    assert read(mount / "prod/.vault.json") == vault
    assert read(mount / "prod/github.json") == named
    assert read(mount / "prod/API_KEY.json") == unnamed


def test_what_the_sdk_changes_shows_after_a_refresh(sdk, mount, mounts):
    vault = sdk("vaults.create", {"display_name": "old"})["id"]
    mount.refresh()
    wait_for(lambda: mount.ls() == ["old"], what="the new vault")
    credential = sdk("vaults.credentials.create", vault,
                     bearer(display_name="a.json"))["id"]
    changed = sdk("vaults.update", vault, {"display_name": "new"})
    mount.refresh()
    wait_for(lambda: read(mount / "old/.vault.json") == changed,
             what="the vault's change")
    # A name that a mount has shown stays with its vault; a new mount has the
    # new one.
    assert mount.ls() == ["old"] and mount.ls("old") == ["a.json"]
    assert mounts("--dialect", "anthropic").ls() == ["new"]
    sdk("vaults.credentials.archive", credential, {"vault_id": vault})
    mount.refresh()
    wait_for(lambda: mount.ls("old") == [], what="the end of the credential")


def test_what_the_mount_made_shows_in_the_sdk(sdk, mount):
    os.mkdir(mount / "prod")
    (mount / "prod/github.json").write_text(json.dumps(
        bearer(metadata={"team": "docs"})))
    (vault,) = sdk.all("vaults.list")
    assert vault["display_name"] == "prod"
    (credential,) = sdk.all("vaults.credentials.list", vault["id"])
    assert credential["display_name"] == "github.json"
    assert credential["auth"] == {"type": "static_bearer", "mcp_server_url": URL}
    assert credential["metadata"] == {"team": "docs"}
    assert read(mount / "prod/github.json") == credential
    # The same file again rotates: no second credential, the id stays.
    (mount / "prod/github.json").write_text(json.dumps(bearer()))
    (again,) = sdk.all("vaults.credentials.list", vault["id"])
    assert again["id"] == credential["id"]
    assert when(again["updated_at"]) > when(credential["updated_at"])
    os.unlink(mount / "prod/github.json")
    assert sdk.all("vaults.credentials.list", vault["id"]) == []
    os.rmdir(mount / "prod")
    assert sdk.all("vaults.list") == []


def test_a_rename_and_an_edit_in_the_mount_are_updates_to_the_sdk(sdk, mount):
    vault = sdk("vaults.create", {"display_name": "old"})
    made = sdk("vaults.credentials.create", vault["id"],
               bearer(display_name="a.json"))
    mount.refresh()
    wait_for(lambda: mount.ls() == ["old"], what="the new vault")
    os.rename(mount / "old", mount / "new")
    assert sdk("vaults.retrieve", vault["id"])["display_name"] == "new"
    os.rename(mount / "new/a.json", mount / "new/b.json")
    shown = read(mount / "new/b.json")
    shown["metadata"]["team"] = "docs"
    (mount / "new/b.json").write_text(json.dumps(shown))
    (credential,) = sdk.all("vaults.credentials.list", vault["id"])
    assert credential["id"] == made["id"]
    assert credential["display_name"] == "b.json"
    assert credential["metadata"] == {"team": "docs"}
