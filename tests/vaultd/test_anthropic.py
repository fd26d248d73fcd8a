# SPDX-License-Identifier: MIT
"""The sister API: other ids and headers, updates of vaults, its limits."""

import re

import pytest

from support.specs import when

UNRESTRICTED = {"type": "unrestricted"}


def refusal(reply):
    status, kind, param = reply.error
    assert (status, kind) == (400, "invalid_request_error")
    return param


def test_a_token_is_taken_in_either_header(anthropic):
    key = {"Authorization": None, "x-api-key": anthropic.token}
    assert anthropic.get("/vaults", headers=key).status == 200
    assert anthropic.get("/vaults").status == 200
    for headers in ({"x-api-key": "no"}, {"Authorization": None},
                    {"Authorization": anthropic.token},
                    {"Authorization": None, "x-api-key": ""},
                    {"Authorization": None,
                     "x-api-key": f"Bearer {anthropic.token}"}):
        assert anthropic.get("/vaults", headers=headers).error == (
            401, "authentication_error", None)


@pytest.mark.parametrize("name, value, status", [
    ("anthropic-version", "2023-06-01", 200),
    ("anthropic-version", "2026-10-21", 200),
    ("anthropic-version", None, 400),
    ("anthropic-version", "", 400),
    ("anthropic-version", "2023-06-0", 400),
    ("anthropic-version", "2023-06-011", 400),
    ("anthropic-beta", "other-2025-01-01,managed-agents-2026-04-01", 200),
    ("anthropic-beta", "managed-agents-2026-04-01, other", 200),
    ("anthropic-beta", "managed-agents-2026-04-012", 400),
    ("anthropic-beta", ", ,", 400),
    ("anthropic-beta", None, 400),
])
def test_version_and_beta_are_required_and_known(anthropic, name, value, status):
    reply = anthropic.get("/vaults", headers={name: value})
    assert reply.status == status
    if status != 200:
        assert refusal(reply) == name
    # Who has no token learns nothing of either.
    assert anthropic.get("/vaults", headers={
        name: value, "Authorization": "Bearer no"}).status == 401


def test_a_request_is_named_by_request_id(anthropic):
    reply = anthropic.get("/vaults?beta=true", headers={"x-request-id": "mine"})
    assert reply.status == 200 and "x-request-id" not in reply.headers
    assert re.match(r"[0-9a-f-]{36}$", reply.headers["request-id"])
    missing = anthropic.get("/vaults/vlt_0")
    assert missing.json["request_id"] == missing.headers["request-id"]


def test_an_idempotency_key_means_nothing(anthropic):
    headers = {"Idempotency-Key": "once"}
    ids = {anthropic.post("/vaults", {"display_name": "a"},
                          headers=headers).json["id"] for _ in range(2)}
    assert len(ids) == 2
    assert anthropic.post("/vaults", {"display_name": "b"}, headers={
        "Idempotency-Key": "not visible \t"}).status == 200


def test_a_new_vault_is_a_vault_and_nothing_more(anthropic):
    reply = anthropic.post("/vaults", {"display_name": "prod"})
    assert reply.status == 200
    assert list(reply.json) == ["id", "type", "display_name", "metadata",
                                "archived_at", "created_at", "updated_at"]
    assert re.match(r"vlt_[0-9a-f]{32}$", reply.json["id"])
    assert anthropic.get(f"/vaults/{reply.json['id']}").json == reply.json
    assert anthropic.get(f"/vaults/{reply.json['id']}",
                         prefix="").json == reply.json
    assert refusal(anthropic.post("/vaults", {
        "display_name": "x", "credentials": []})) == "credentials"


def test_an_update_of_a_vault_renames_it_and_patches_its_metadata(anthropic):
    vault = anthropic.vault("old", metadata={"keep": "1", "drop": "2"})
    path = f"/vaults/{vault}"
    before = anthropic.get(path).json
    after = anthropic.post(path, {"display_name": "new", "metadata": {
        "drop": None, "add": "3"}}).json
    assert after == {**before, "display_name": "new",
                     "metadata": {"keep": "1", "add": "3"},
                     "updated_at": after["updated_at"]}
    assert when(after["updated_at"]) > when(before["updated_at"])
    assert anthropic.get(path).json == after
    assert anthropic.post(path, {"display_name": None}).json[
        "display_name"] == "new"
    assert anthropic.post(path, {"metadata": None}).json["metadata"] == {}


@pytest.mark.parametrize("body, param", [
    ({"display_name": ""}, "display_name"),
    ({"display_name": "é" * 256}, "display_name"),
    ({"display_name": "new", "metadata": {"k": 1}}, "metadata.k"),
    ({"display_name": "new", "metadata": {str(i): "" for i in range(17)}},
     "metadata"),
    ({"display_name": "new", "archived_at": None}, "archived_at"),
])
def test_a_refused_update_of_a_vault_changes_nothing(anthropic, body, param):
    vault = anthropic.vault("old")
    before = anthropic.get(f"/vaults/{vault}").json
    assert refusal(anthropic.post(f"/vaults/{vault}", body)) == param
    assert anthropic.get(f"/vaults/{vault}").json == before


def test_an_update_of_a_vault_that_is_archived_or_gone_is_refused(anthropic):
    vault = anthropic.vault()
    anthropic.post(f"/vaults/{vault}/archive")
    assert anthropic.post(f"/vaults/{vault}", {
        "display_name": "x"}).error[:2] == (409, "conflict_error")
    anthropic.delete(f"/vaults/{vault}")
    assert anthropic.post(f"/vaults/{vault}", {
        "display_name": "x"}).error[:2] == (404, "not_found_error")


def test_a_credential_keeps_its_name_and_an_update_changes_it(anthropic):
    vault = anthropic.vault()
    path = f"/vaults/{vault}/credentials"
    made = anthropic.post(path, anthropic.bearer(display_name="a \"b\" é")).json
    assert re.match(r"vcrd_[0-9a-f]{32}$", made["id"])
    assert made["display_name"] == "a \"b\" é"
    path += f"/{made['id']}"

    def name(body):
        anthropic.post(path, body)
        return anthropic.get(path).json["display_name"]

    assert name({"metadata": {"a": "b"}}) == "a \"b\" é"
    assert name({"display_name": "é" * 255}) == "é" * 255
    for bad in "", "é" * 256, 1:
        assert refusal(anthropic.post(path, {
            "display_name": bad, "metadata": {"a": "c"}})) == "display_name"
    assert anthropic.get(path).json["metadata"] == {"a": "b"}
    assert name({"display_name": None}) is None
    assert anthropic.post(path, {"display_name": "n"}).json["display_name"] == "n"


def test_a_variable_needs_networking_which_is_shown_and_can_change(anthropic):
    vault = anthropic.vault()
    path = f"/vaults/{vault}/credentials"
    assert refusal(anthropic.post(path, anthropic.variable())) == (
        "auth.networking")
    limited = {"type": "limited", "allowed_hosts": ["a.example", "*.b.example"]}
    shown = anthropic.post(path, anthropic.variable(
        networking=limited, injection_location={"header": True})).json
    assert shown["auth"] == {
        "type": "environment_variable", "secret_name": "API_KEY",
        "networking": limited, "injection_location": {"header": True}}

    def change(**auth):
        return anthropic.post(f"{path}/{shown['id']}", {"auth": {
            "type": "environment_variable", **auth}})

    # The one is replaced as a whole, the other is merged.
    assert change(networking=UNRESTRICTED).json["auth"]["networking"] == (
        UNRESTRICTED)
    assert change(injection_location={"body": False}).json["auth"][
        "injection_location"] == {"header": True, "body": False}
    assert refusal(change(networking={"allowed_hosts": []})) == (
        "auth.networking.type")
    assert refusal(change(networking=None)) == "auth.networking"
    assert anthropic.get(f"{path}/{shown['id']}").json["auth"] == {
        "type": "environment_variable", "secret_name": "API_KEY",
        "networking": UNRESTRICTED,
        "injection_location": {"header": True, "body": False}}


def test_an_update_may_begin_an_injection_location(anthropic):
    vault = anthropic.vault()
    credential = anthropic.credential(
        vault, anthropic.variable(networking=UNRESTRICTED))
    path = f"/vaults/{vault}/credentials/{credential}"
    assert "injection_location" not in anthropic.get(path).json["auth"]
    assert anthropic.post(path, {"auth": {
        "type": "environment_variable",
        "injection_location": {"body": True}}}).json["auth"][
            "injection_location"] == {"body": True}


def test_an_expiry_of_a_new_credential_is_to_come(anthropic):
    vault = anthropic.vault()
    path = f"/vaults/{vault}/credentials"
    past = "2020-01-01T00:00:00Z"
    assert refusal(anthropic.post(path, anthropic.oauth(expires_at=past))) == (
        "auth.expires_at")
    made = anthropic.post(path, anthropic.oauth(
        expires_at="2099-01-01T00:00:00Z"))
    assert made.status == 200
    assert anthropic.post(f"{path}/{made.json['id']}", {"auth": {
        "type": "mcp_oauth", "expires_at": past}}).status == 200


def limit_cases():
    url = "https://h/"
    return [
        ("auth.token", 8192, lambda c, n: c.bearer() | {"auth": {
            "type": "static_bearer", "mcp_server_url": url, "token": "t" * n}}),
        ("auth.mcp_server_url", 2047,
         lambda c, n: c.bearer(url + "u" * (n - len(url)))),
        ("auth.refresh.client_id", 1024, lambda c, n: with_client(c, "c" * n)),
        ("auth.networking.allowed_hosts", 16, lambda c, n: c.variable(
            networking={"type": "limited", "allowed_hosts": ["a.b"] * n})),
    ]


def with_client(client, client_id):
    body = client.oauth(refresh=True)
    body["auth"]["refresh"]["client_id"] = client_id
    return body


@pytest.mark.parametrize("param, limit, make", limit_cases())
def test_a_limit_is_kept_to_the_character(anthropic, param, limit, make):
    path = f"/vaults/{anthropic.vault()}/credentials"
    assert refusal(anthropic.post(path, make(anthropic, limit + 1))) == param
    assert anthropic.post(path, make(anthropic, limit)).status == 200


def test_a_vault_holds_20_active_credentials(anthropic):
    vault = anthropic.vault()
    path = f"/vaults/{vault}/credentials"
    ids = [anthropic.credential(vault, anthropic.bearer(f"https://{i}"))
           for i in range(20)]
    assert anthropic.post(path, anthropic.bearer("https://more")).error[:2] == (
        400, "invalid_request_error")
    anthropic.post(f"{path}/{ids[0]}/archive")
    anthropic.credential(vault, anthropic.bearer("https://more"))


def test_a_duplicate_is_409(anthropic):
    vault = anthropic.vault()
    path = f"/vaults/{vault}/credentials"
    anthropic.credential(vault)
    assert anthropic.post(path, anthropic.oauth("https://example.com/mcp")
                          ).error == (409, "conflict_error",
                                      "auth.mcp_server_url")


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_have_data_and_a_next_page_only(anthropic, limit):
    ids = [anthropic.vault(str(i)) for i in range(5)][::-1]
    found, query = [], ""
    while True:
        page = anthropic.get(f"/vaults?beta=true&limit={limit}{query}").json
        assert list(page) == ["data", "next_page"]
        found += [v["id"] for v in page["data"]]
        if page["next_page"] is None:
            break
        query = f"&page={page['next_page']}"
    assert found == ids


def test_archived_objects_are_listed_on_request_and_names_are_no_filter(
        anthropic):
    kept, gone = anthropic.vault("kept"), anthropic.vault("gone")
    anthropic.post(f"/vaults/{gone}/archive")

    def ids(query):
        return [v["id"] for v in anthropic.get(f"/vaults{query}").json["data"]]

    assert ids("") == ids("?name=other") == [kept]
    assert ids("?include_archived=true") == [gone, kept]


def test_deletes_archives_and_validation_answer_objects(anthropic):
    vault = anthropic.vault()
    credential = anthropic.credential(vault, anthropic.oauth())
    path = f"/vaults/{vault}/credentials/{credential}"
    assert anthropic.post(f"{path}/mcp_oauth_validate").json["type"] == (
        "vault_credential_validation")
    assert anthropic.post(f"{path}/archive").json["archived_at"]
    assert anthropic.delete(path).json == {"id": credential,
                                           "type": "vault_credential_deleted"}
    assert anthropic.delete(f"/vaults/{vault}").json == {
        "id": vault, "type": "vault_deleted"}
