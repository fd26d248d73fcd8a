# SPDX-License-Identifier: MIT
"""Each endpoint does what is documented, and shows what is documented."""

import re

from support.specs import when

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z$")


def test_a_new_vault_is_shown_whole_with_its_empty_credentials(client):
    reply = client.post("/vaults", {"display_name": "prod é\n\"x\"",
                                    "metadata": {"team": "docs"}})
    assert reply.status == 200
    vault = reply.json
    assert list(vault) == ["id", "type", "display_name", "metadata",
                           "archived_at", "created_at", "updated_at",
                           "credentials"]
    assert re.match(r"vault_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$",
                    vault["id"])
    assert vault["type"] == "vault"
    assert vault["display_name"] == "prod é\n\"x\""
    assert vault["metadata"] == {"team": "docs"}
    assert vault["archived_at"] is None and vault["credentials"] == []
    assert vault["created_at"] == vault["updated_at"]
    assert TIME.match(vault["created_at"])
    del vault["credentials"]
    assert client.get(f"/vaults/{vault['id']}").json == vault
    assert client.get("/vaults").json["data"] == [vault]
    assert reply.headers["Content-Type"] == "application/json"


def test_a_deleted_vault_is_gone_with_its_credentials(client):
    vault = client.vault()
    credential = client.credential(vault)
    reply = client.delete(f"/vaults/{vault}")
    assert (reply.status, reply.json) == (
        200, {"id": vault, "type": "vault_deleted"})
    for path in "", "/credentials", f"/credentials/{credential}":
        assert client.get(f"/vaults/{vault}{path}").error == (
            404, "not_found_error", None)
    assert client.delete(f"/vaults/{vault}").error[0] == 404
    assert "secrets 0\nok" in client.server.command("verify").stdout


def test_an_archived_vault_stays_readable_and_leaves_default_lists(client):
    vault = client.vault()
    before = client.get(f"/vaults/{vault}").json
    after = client.post(f"/vaults/{vault}/archive", {}).json
    assert after["archived_at"] == after["updated_at"]
    assert when(after["updated_at"]) > when(before["updated_at"])
    assert client.get(f"/vaults/{vault}").json == after
    assert client.get("/vaults").json["data"] == []
    listed = client.get("/vaults?include_archived=true").json["data"]
    assert listed == [after]
    assert client.post(f"/vaults/{vault}/archive").error[:2] == (
        409, "conflict_error")
    assert client.post(f"/vaults/{vault}/credentials",
                       client.bearer()).error[:2] == (409, "conflict_error")


def test_a_bearer_credential_shows_its_url_and_no_token(client):
    vault = client.vault()
    reply = client.post(f"/vaults/{vault}/credentials",
                        client.bearer(metadata={"a": "b"},
                                      display_name="dropped"))
    assert reply.status == 200
    shown = reply.json
    assert list(shown) == ["id", "type", "vault_id", "auth", "display_name",
                           "metadata", "archived_at", "created_at",
                           "updated_at"]
    assert re.match(r"vcred_[0-9a-f]{32}$", shown["id"])
    assert shown["auth"] == {"type": "static_bearer",
                             "mcp_server_url": "https://example.com/mcp"}
    assert shown["display_name"] is None
    assert shown["vault_id"] == vault and shown["metadata"] == {"a": "b"}
    path = f"/vaults/{vault}/credentials"
    assert client.get(f"{path}/{shown['id']}").json == shown
    assert client.get(path).json["data"] == [shown]


def test_an_oauth_credential_shows_its_refresh_without_secrets(client):
    vault = client.vault()
    body = client.oauth(refresh=True, expires_at="2030-01-02T03:04:05.500+02:00")
    body["auth"]["refresh"]["scope"] = "read"
    shown = client.post(f"/vaults/{vault}/credentials", body).json
    assert shown["auth"] == {
        "type": "mcp_oauth", "mcp_server_url": "https://example.com/oauth",
        "expires_at": "2030-01-02T01:04:05.5Z",
        "refresh": {"client_id": "client",
                    "token_endpoint": "https://id.example/t",
                    "token_endpoint_auth": {"type": "client_secret_post"},
                    "resource": None, "scope": "read"}}
    bare = client.post(f"/vaults/{vault}/credentials",
                       client.oauth(url="https://other.example")).json
    assert bare["auth"] == {"type": "mcp_oauth", "expires_at": None,
                            "mcp_server_url": "https://other.example"}
    assert "secrets 4\nok" in client.server.command("verify").stdout


def test_a_variable_shows_its_name_and_no_value(client):
    vault = client.vault()
    body = client.variable()
    body["auth"]["networking"] = {"type": "limited",
                                  "allowed_hosts": ["a.example"]}
    body["auth"]["injection_location"] = {"header": True, "body": False}
    shown = client.post(f"/vaults/{vault}/credentials", body).json
    assert shown["auth"] == {"type": "environment_variable",
                             "secret_name": "API_KEY"}


def test_a_deleted_credential_takes_its_secrets_with_it(client):
    vault = client.vault()
    credential = client.credential(vault, client.oauth(refresh=True))
    path = f"/vaults/{vault}/credentials/{credential}"
    assert client.delete(path).json == {"id": credential,
                                        "type": "vault_credential_deleted"}
    assert client.delete(path).error == (404, "not_found_error", None)
    assert "credentials 0\nsecrets 0\nok" in (
        client.server.command("verify").stdout)


def test_a_credential_is_found_in_its_own_vault_only(client):
    one, other = client.vault("one"), client.vault("other")
    credential = client.credential(one)
    path = f"/vaults/{other}/credentials/{credential}"
    assert client.get(path).error[0] == 404
    assert client.delete(path).error[0] == 404
    assert client.post(path, {"metadata": {"a": "b"}}).error[0] == 404
    assert client.post(f"{path}/archive").error[0] == 404
    assert client.get(f"/vaults/{one}/credentials/{credential}").status == 200


def test_an_archived_credential_is_read_only_and_frees_its_url(client):
    vault = client.vault()
    credential = client.credential(vault)
    path = f"/vaults/{vault}/credentials/{credential}"
    shown = client.post(f"{path}/archive", {}).json
    assert shown["archived_at"] == shown["updated_at"]
    assert client.get(f"/vaults/{vault}/credentials").json["data"] == []
    assert client.post(path, {"metadata": {}}).error[:2] == (
        409, "conflict_error")
    assert client.post(f"{path}/archive").error[0] == 409
    again = client.credential(vault)
    assert again != credential
    assert client.delete(path).status == 200


def test_an_update_rotates_a_secret_in_place(client):
    vault = client.vault()
    credential = client.credential(vault)
    path = f"/vaults/{vault}/credentials/{credential}"
    before = client.get(path).json
    times = [before["updated_at"]]
    for _ in range(3):
        after = client.post(path, {"auth": {
            "type": "static_bearer", "token": client.server.secret()}}).json
        times.append(after["updated_at"])
        assert {**after, "updated_at": 0} == {**before, "updated_at": 0}
    assert len(set(times)) == 4
    assert "secrets 1\nok" in client.server.command("verify").stdout


def test_an_update_of_metadata_is_a_merge_patch(client):
    vault = client.vault()
    credential = client.credential(
        vault, client.bearer(metadata={"keep": "1", "drop": "2", "set": "3"}))
    path = f"/vaults/{vault}/credentials/{credential}"

    def patch(metadata):
        return client.post(path, {"metadata": metadata}).json["metadata"]

    assert patch({"drop": None, "set": "4", "new": "5", "none": None}) == {
        "keep": "1", "set": "4", "new": "5"}
    assert client.post(path, {}).json["metadata"] == {
        "keep": "1", "set": "4", "new": "5"}
    assert patch(None) == {}


def test_an_update_of_oauth_changes_what_may_change(client):
    vault = client.vault()
    credential = client.credential(vault, client.oauth(
        refresh=True, expires_at="2030-01-01T00:00:00Z"))
    path = f"/vaults/{vault}/credentials/{credential}"

    def patch(**auth):
        return client.post(path, {"auth": {"type": "mcp_oauth", **auth}})

    assert patch(expires_at=None).json["auth"]["expires_at"] is None
    shown = patch(refresh={"scope": "write",
                           "refresh_token": client.server.secret()}).json
    assert shown["auth"]["refresh"]["scope"] == "write"
    shown = patch(refresh={"token_endpoint_auth": {"type": "none"}}).json
    assert shown["auth"]["refresh"]["token_endpoint_auth"] == {"type": "none"}
    assert "secrets 2\nok" in client.server.command("verify").stdout
    field = "auth.refresh.token_endpoint_auth.client_secret"
    assert patch(refresh={"token_endpoint_auth": {
        "type": "client_secret_basic"}}).error[2] == field
    assert patch(refresh={"token_endpoint_auth": {
        "type": "client_secret_basic",
        "client_secret": client.server.secret()}}).status == 200
    assert patch(refresh={"token_endpoint_auth": {
        "type": "client_secret_post"}}).status == 200
    assert "secrets 3\nok" in client.server.command("verify").stdout


def test_what_cannot_change_is_named_and_may_be_repeated(client):
    vault = client.vault()
    refreshed = client.credential(vault, client.oauth(refresh=True))
    bearer = client.credential(vault)
    root = f"/vaults/{vault}/credentials"
    for credential, auth, param in [
            (bearer, {"type": "mcp_oauth"}, "auth.type"),
            (bearer, {"token": "x"}, "auth.type"),
            (bearer, {"type": "static_bearer",
                      "mcp_server_url": "https://no"}, "auth.mcp_server_url"),
            (refreshed, {"type": "mcp_oauth", "refresh": {"client_id": "no"}},
             "auth.refresh.client_id"),
            (refreshed, {"type": "mcp_oauth",
                         "refresh": {"token_endpoint": "https://no"}},
             "auth.refresh.token_endpoint"),
            (refreshed, {"type": "mcp_oauth", "refresh": None}, "auth.refresh"),
            (refreshed, {"type": "mcp_oauth", "refresh": {"resource": "no"}},
             "auth.refresh.resource")]:
        reply = client.post(f"{root}/{credential}", {"auth": auth})
        assert reply.error == (400, "invalid_request_error", param)
    assert client.post(f"{root}/{bearer}",
                       {"display_name": "no"}).error[2] == "display_name"
    shown = client.get(f"{root}/{refreshed}").json
    assert client.post(f"{root}/{refreshed}",
                       {"auth": shown["auth"]}).status == 200


def test_a_refused_update_changes_nothing(client):
    vault = client.vault()
    credential = client.credential(vault)
    path = f"/vaults/{vault}/credentials/{credential}"
    before = client.get(path).json
    assert client.post(path, {"metadata": {"a": "b"}, "auth": {
        "type": "static_bearer", "token": client.server.secret(),
        "mcp_server_url": "https://no"}}).status == 400
    assert client.get(path).json == before


def test_validation_says_unknown_because_nobody_is_called(client):
    vault = client.vault()
    for body, has_refresh, refresh in [
            (client.oauth(), False, "no_refresh_token"),
            (client.oauth(url="https://b", refresh=True), True,
             "connect_error")]:
        credential = client.credential(vault, body)
        path = f"/vaults/{vault}/credentials/{credential}"
        reply = client.post(f"{path}/mcp_oauth_validate", {})
        said = reply.json
        assert reply.status == 200 and TIME.match(said.pop("validated_at"))
        assert said == {
            "credential_id": credential, "vault_id": vault,
            "type": "vault_credential_validation", "status": "unknown",
            "has_refresh_token": has_refresh,
            "refresh": {"status": refresh, "http_response": None},
            "mcp_probe": {"method": "initialize", "http_response": None}}
        updated_at = client.get(path).json["updated_at"]
        assert when(updated_at) < when(reply.json["validated_at"])
    bearer = client.credential(vault)
    assert client.post(
        f"/vaults/{vault}/credentials/{bearer}/mcp_oauth_validate").error == (
            400, "invalid_request_error", "auth.type")
    client.post(f"{path}/archive")
    assert client.post(f"{path}/mcp_oauth_validate").error[0] == 409


def test_paths_and_methods_that_are_not_there_are_404_and_405(client):
    vault = client.vault()
    for path in ("/", "/vault", "/vaults/", f"/vaults/{vault}/", "/vaults//",
                 f"/vaults/{vault}/credentials/x/y", "/../vaults",
                 f"/vaults/{vault}/archives"):
        assert client.get(path).error[:2] == (404, "not_found_error"), path
    for method, path, allowed in [
            ("PUT", "/vaults", "GET, POST"), ("PATCH", f"/vaults/{vault}",
                                              "GET, DELETE"),
            ("POST", f"/vaults/{vault}", "GET, DELETE"),
            ("GET", f"/vaults/{vault}/archive", "POST"),
            ("PUT", f"/vaults/{vault}/credentials/x", "GET, POST, DELETE")]:
        reply = client.call(method, path, {} if method != "GET" else None)
        assert reply.status == 405 and reply.headers["Allow"] == allowed


def test_the_prefix_of_the_documentation_is_optional(client):
    assert client.get("/vaults", prefix="").status == 200
