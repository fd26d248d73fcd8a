# SPDX-License-Identifier: MIT
"""The first form of the API: flat credentials, status, no update."""

import re

import pytest

CREDENTIAL = ["id", "vault_id", "mcp_server_url", "protocol", "type", "status",
              "created_at", "updated_at"]
VAULT = ["id", "type", "display_name", "status", "metadata", "created_at",
         "updated_at"]


def test_a_credential_is_shown_flat_with_its_protocol_and_no_token(flat):
    vault = flat.vault()
    reply = flat.post(f"/vaults/{vault}/credentials",
                      flat.flat(protocol="streamable_http"))
    shown = reply.json
    assert reply.status == 201 and list(shown) == CREDENTIAL
    assert re.match(r"vcred_[0-9a-f]{32}$", shown["id"])
    assert shown["vault_id"] == vault
    assert shown["mcp_server_url"] == "https://example.com/mcp"
    assert (shown["protocol"], shown["type"], shown["status"]) == (
        "streamable_http", "static_bearer", "active")
    path = f"/vaults/{vault}/credentials"
    assert flat.get(f"{path}/{shown['id']}").json == shown
    assert flat.get(path).json["data"] == [shown]
    assert "secrets 1\nok" in flat.server.command("verify").stdout


def test_a_vault_is_made_with_its_credentials_which_are_shown(flat):
    reply = flat.post("/vaults", {
        "display_name": "prod", "metadata": {"team": "docs"},
        "credentials": [flat.flat("https://a/x"),
                        flat.flat("https://b/x", protocol="streamable_http")]})
    vault = reply.json
    assert reply.status == 201 and list(vault) == [*VAULT, "credentials"]
    assert vault["status"] == "active" and vault["metadata"] == {"team": "docs"}
    one, two = vault.pop("credentials")
    assert list(one) == list(two) == CREDENTIAL
    assert (one["mcp_server_url"], one["protocol"]) == ("https://a/x", "sse")
    assert one["vault_id"] == two["vault_id"] == vault["id"]
    assert flat.get(f"/vaults/{vault['id']}").json == vault
    assert flat.get("/vaults").json["data"] == [vault]
    assert flat.get(f"/vaults/{vault['id']}/credentials").json["data"] == [
        two, one]
    assert "secrets 2\nok" in flat.server.command("verify").stdout


def test_a_vault_without_credentials_is_made_too(flat):
    for more in ({}, {"credentials": []}):
        reply = flat.post("/vaults", {"display_name": "empty", **more})
        assert reply.status == 201 and reply.json["credentials"] == []


@pytest.mark.parametrize("second, status, param", [
    ({"protocol": "stdio"}, 400, "credentials[1].protocol"),
    ({"type": "mcp_oauth"}, 400, "credentials[1].type"),
    ({"access_token": ""}, 400, "credentials[1].access_token"),
    ({"mcp_server_url": "https://u:p@h/"}, 400, "credentials[1].mcp_server_url"),
    ({"mcp_server_url": "https://a/x"}, 409, "credentials[1].mcp_server_url"),
    ({"token": "x"}, 400, "credentials[1].token"),
    (None, 400, "credentials[1]"),
])
def test_a_vault_is_made_with_all_its_credentials_or_not_at_all(
        flat, second, status, param):
    if second is not None:
        second = {**flat.flat("https://b/x"), **second}
    reply = flat.post("/vaults", {
        "display_name": "prod",
        "credentials": [flat.flat("https://a/x"), second]})
    assert reply.error[::2] == (status, param)
    assert flat.get("/vaults").json["data"] == []
    assert "vaults 0\ncredentials 0\nsecrets 0" in (
        flat.server.command("verify").stdout)


def test_credentials_that_are_no_list_are_refused(flat):
    assert flat.post("/vaults", {
        "display_name": "a", "credentials": flat.flat()}).error == (
            400, "invalid_request_error", "credentials")


@pytest.mark.parametrize("more", [{}, {"credentials": []}])
def test_a_first_credential_can_be_demanded(speaking, more):
    flat = speaking("qoder-flat", "--first-credential", "required")
    assert flat.post("/vaults", {"display_name": "a", **more}).error == (
        400, "invalid_request_error", "credentials")
    assert flat.get("/vaults").json["data"] == []
    flat.vault(credentials=[flat.flat()])


@pytest.mark.parametrize("change, param", [
    ({"mcp_server_url": None}, "mcp_server_url"),
    ({"protocol": None}, "protocol"),
    ({"type": None}, "type"),
    ({"access_token": None}, "access_token"),
    ({"protocol": "ws"}, "protocol"),
    ({"type": "environment_variable"}, "type"),
    ({"metadata": {"a": "b"}}, "metadata"),
    ({"display_name": "x"}, "display_name"),
    ({"auth": {}}, "auth"),
])
def test_a_credential_that_is_refused_names_its_field(flat, change, param):
    vault = flat.vault()
    body = {**flat.flat(), **change}
    body = {k: v for k, v in body.items() if v is not None}
    path = f"/vaults/{vault}/credentials"
    assert flat.post(path, body).error == (400, "invalid_request_error", param)
    assert flat.get(path).json["data"] == []


def test_a_duplicate_is_409_until_the_first_is_archived(flat):
    vault = flat.vault()
    path = f"/vaults/{vault}/credentials"
    first = flat.credential(vault, flat.flat())
    assert flat.post(path, flat.flat(protocol="streamable_http")).error == (
        409, "conflict_error", "mcp_server_url")
    archived = flat.post(f"{path}/{first}/archive").json
    assert list(archived) == CREDENTIAL and archived["status"] == "archived"
    flat.credential(vault, flat.flat())


def test_an_archived_vault_says_when(flat):
    vault = flat.vault()
    shown = flat.post(f"/vaults/{vault}/archive").json
    assert list(shown) == [*VAULT, "archived_at"]
    assert shown["status"] == "archived"
    assert shown["archived_at"] == shown["updated_at"]


def test_deletes_are_204_without_a_body(flat):
    vault = flat.vault(credentials=[flat.flat()])
    path = f"/vaults/{vault}/credentials"
    credential = flat.get(path).json["data"][0]["id"]
    for gone in f"{path}/{credential}", f"/vaults/{vault}":
        reply = flat.delete(gone)
        assert (reply.status, reply.text) == (204, b"")
        assert reply.headers["Content-Type"] is None
        assert flat.delete(gone).error[0] == 404


def test_a_delete_and_a_create_are_replayed_under_their_key(flat):
    vault = flat.vault()
    path = f"/vaults/{vault}/credentials"
    body = flat.flat()
    made = [flat.post(path, body, headers={"Idempotency-Key": "make"})
            for _ in range(2)]
    assert made[0].json == made[1].json
    assert made[0].status == made[1].status == 201
    for _ in range(2):
        reply = flat.delete(f"{path}/{made[0].json['id']}",
                            headers={"Idempotency-Key": "drop"})
        assert (reply.status, reply.text) == (204, b"")
    assert flat.get(path).json["data"] == []


@pytest.mark.parametrize("options, status", [
    ((), 405), (("--no-update", "405"), 405), (("--no-update", "404"), 404)])
def test_there_is_no_update_and_no_validation(speaking, options, status):
    flat = speaking("qoder-flat", *options)
    vault = flat.vault(credentials=[flat.flat()])
    path = f"/vaults/{vault}/credentials"
    before = flat.get(path).json
    credential = before["data"][0]["id"]
    for call, body in ((f"{path}/{credential}", flat.flat()),
                       (f"{path}/{credential}/mcp_oauth_validate", {}),
                       (f"/vaults/{vault}", {"display_name": "x"})):
        assert flat.post(call, body).status == status
    assert flat.get(path).json == before
    if status == 405:
        reply = flat.post(f"{path}/{credential}", {})
        assert reply.headers["Allow"] == "GET, DELETE"


@pytest.mark.parametrize("cursor", ["after", "after_id"])
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_pages_follow_the_last_id_while_there_is_more(flat, cursor, limit):
    ids = [flat.vault(str(i)) for i in range(6)][::-1]
    found, query = [], ""
    while True:
        page = flat.get(f"/vaults?limit={limit}{query}").json
        assert list(page) == ["data", "first_id", "last_id", "has_more"]
        found += [v["id"] for v in page["data"]]
        assert page["last_id"] == found[-1]
        if not page["has_more"]:
            break
        query = f"&{cursor}={page['last_id']}"
    assert found == ids


def test_a_list_goes_back_before_an_id_and_takes_one_cursor(flat):
    ids = [flat.vault(str(i)) for i in range(4)][::-1]
    page = flat.get(f"/vaults?before_id={ids[3]}&limit=2").json
    assert [v["id"] for v in page["data"]] == ids[1:3] and page["has_more"]
    assert flat.get(f"/vaults?after={ids[0]}&after_id={ids[0]}").error == (
        400, "invalid_request_error", "after_id")
    assert flat.get("/vaults?after=x").error[2] == "after"


def test_status_filters_a_list_which_else_is_of_the_active(flat):
    kept, gone = flat.vault("kept"), flat.vault("gone")
    flat.post(f"/vaults/{gone}/archive")

    def ids(query):
        return [v["id"] for v in flat.get(f"/vaults{query}").json["data"]]

    assert ids("") == ids("?status=active") == [kept]
    assert ids("?status=archived") == [gone]
    assert flat.get("/vaults?status=all").error == (
        400, "invalid_request_error", "status")


def test_x_api_key_is_no_way_in(flat):
    assert flat.get("/vaults", headers={"x-api-key": flat.token}).status == 401
