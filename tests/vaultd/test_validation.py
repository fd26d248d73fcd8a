# SPDX-License-Identifier: MIT
"""What is refused, and that the refusal names the field."""

import socket

import pytest

URL = "https://example.com/mcp"


def refusal(reply):
    status, kind, param = reply.error
    assert (status, kind) == (400, "invalid_request_error")
    return param


@pytest.mark.parametrize("body, param", [
    ({}, "display_name"),
    ({"display_name": ""}, "display_name"),
    ({"display_name": None}, "display_name"),
    ({"display_name": 7}, "display_name"),
    ({"display_name": "a\0b"}, "display_name"),
    ({"display_name": "é" * 256}, "display_name"),
    ({"display_name": "a", "metadata": None}, "metadata"),
    ({"display_name": "a", "metadata": []}, "metadata"),
    ({"display_name": "a", "metadata": {"k": 1}}, "metadata.k"),
    ({"display_name": "a", "metadata": {"k": None}}, "metadata.k"),
    ({"display_name": "a", "metadata": {"": "v"}}, "metadata"),
    ({"display_name": "a", "metadata": {"é" * 65: "v"}}, "metadata"),
    ({"display_name": "a", "metadata": {"k": "é" * 513}}, "metadata.k"),
    ({"display_name": "a", "metadata": {str(i): "" for i in range(17)}},
     "metadata"),
    ({"display_name": "a", "credentials": []}, "credentials"),
])
def test_a_vault_that_is_refused(client, body, param):
    assert refusal(client.post("/vaults", body)) == param
    assert client.get("/vaults").json["data"] == []


def test_a_vault_at_every_limit_is_taken(client):
    metadata = {"é" * 62 + f"{i:02}": "é" * 512 for i in range(16)}
    reply = client.post("/vaults", {"display_name": "é" * 255,
                                    "metadata": metadata})
    assert reply.status == 200 and reply.json["metadata"] == metadata


def bearer(**auth):
    return {"auth": {"type": "static_bearer", "mcp_server_url": URL,
                     "token": "t", **auth}}


def oauth(refresh=None, **auth):
    auth = {"type": "mcp_oauth", "mcp_server_url": URL, "access_token": "t",
            **auth}
    if refresh is not None:
        auth["refresh"] = {"client_id": "c", "refresh_token": "r",
                           "token_endpoint": "https://t",
                           "token_endpoint_auth": {"type": "none"}, **refresh}
    return {"auth": auth}


def variable(**auth):
    return {"auth": {"type": "environment_variable", "secret_name": "A",
                     "secret_value": "v", **auth}}


def without(body, *path):
    inner = body
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return body


@pytest.mark.parametrize("body, param", [
    ({}, "auth"),
    ({"auth": None}, "auth"),
    ({"auth": []}, "auth"),
    ({"auth": {}}, "auth.type"),
    ({"auth": {"type": 1}}, "auth.type"),
    ({"auth": {"type": "basic"}}, "auth.type"),
    ({**bearer(), "mcp_server_url": URL}, "mcp_server_url"),
    ({**bearer(), "display_name": 1}, "display_name"),
    ({**bearer(), "metadata": {"k": []}}, "metadata.k"),
    (bearer(access_token="x"), "auth.access_token"),
    (bearer(token=""), "auth.token"),
    (bearer(token=None), "auth.token"),
    (bearer(token=["x"]), "auth.token"),
    (without(bearer(), "auth", "token"), "auth.token"),
    (without(bearer(), "auth", "mcp_server_url"), "auth.mcp_server_url"),
    *[(bearer(mcp_server_url=url), "auth.mcp_server_url") for url in (
        "", "example.com", "ftp://example.com", "https://", "https:///path",
        "https://u:p@example.com", "https://u@example.com", "https://a b",
        "https://a/\n", "https://:443/", "https://" + "a" * 2041, 1)],
    (without(oauth(), "auth", "access_token"), "auth.access_token"),
    (oauth(expires_at="tomorrow"), "auth.expires_at"),
    (oauth(expires_at=1), "auth.expires_at"),
    (oauth(refresh={}, token="x"), "auth.token"),
    ({"auth": {**oauth()["auth"], "refresh": None}}, "auth.refresh"),
    ({"auth": {**oauth()["auth"], "refresh": {}}}, "auth.refresh.client_id"),
    (oauth(refresh={"client_id": ""}), "auth.refresh.client_id"),
    (oauth(refresh={"refresh_token": 1}), "auth.refresh.refresh_token"),
    (oauth(refresh={"token_endpoint": "x"}), "auth.refresh.token_endpoint"),
    (oauth(refresh={"scope": 1}), "auth.refresh.scope"),
    (oauth(refresh={"extra": 1}), "auth.refresh.extra"),
    (oauth(refresh={"token_endpoint_auth": "none"}),
     "auth.refresh.token_endpoint_auth"),
    (oauth(refresh={"token_endpoint_auth": {"type": "basic"}}),
     "auth.refresh.token_endpoint_auth.type"),
    (oauth(refresh={"token_endpoint_auth": {"type": "client_secret_post"}}),
     "auth.refresh.token_endpoint_auth.client_secret"),
    (oauth(refresh={"token_endpoint_auth": {"type": "none",
                                            "client_secret": "x"}}),
     "auth.refresh.token_endpoint_auth.client_secret"),
    (without(variable(), "auth", "secret_value"), "auth.secret_value"),
    *[(variable(secret_name=name), "auth.secret_name") for name in (
        "", "1A", "A-B", "A B", "É", "A\n")],
    (variable(networking={"type": "none"}), "auth.networking.type"),
    (variable(networking={"type": "limited", "allowed_hosts": ["a"] * 17}),
     "auth.networking.allowed_hosts"),
    (variable(networking={"type": "limited", "allowed_hosts": [1]}),
     "auth.networking.allowed_hosts"),
    (variable(injection_location={"header": "yes"}),
     "auth.injection_location.header"),
])
def test_a_credential_that_is_refused(client, body, param):
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    assert refusal(client.post(path, body)) == param
    assert client.get(path).json["data"] == []


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b'{"display_name":"a"} x',
    b'{"display_name":"\xff"}', b'{"display_name":"a","display_name":"b"}',
    b'{"a":' * 40 + b"1" + b"}" * 40, b"{'display_name':'a'}",
])
def test_a_body_that_is_no_object_is_400_without_a_field(client, body):
    assert refusal(client.post("/vaults", body)) is None


def test_a_refusal_never_quotes_what_was_sent(client):
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    secret = client.server.secret
    for body in (f'{{"auth":{{"token":"{secret()}"',
                 f'{{"auth":{{"type":"{secret()}"}}}}',
                 f'{secret()}',
                 f'{{"auth":{{"type":"static_bearer","mcp_server_url":'
                 f'"https://u:{secret()}@h","token":"{secret()}"}}}}',
                 f'{{"auth":"{secret()}"}}'):
        assert client.post(path, body).status == 400
    assert client.get("/vaults", headers={
        "Authorization": f"Bearer {secret()}"}).status == 401


def test_archive_and_validate_take_an_empty_body_or_an_empty_object(client):
    for body in (b"", b"{}", b" {} "):
        assert client.post(f"/vaults/{client.vault()}/archive",
                           body).status == 200
    vault = client.vault()
    assert refusal(client.post(f"/vaults/{vault}/archive",
                               {"reason": "x"})) == "reason"
    assert refusal(client.post(f"/vaults/{vault}/archive", b"[]")) is None


def test_metadata_may_not_grow_over_its_limit_by_patches(client):
    vault = client.vault()
    credential = client.credential(
        vault, client.bearer(metadata={str(i): "" for i in range(16)}))
    path = f"/vaults/{vault}/credentials/{credential}"
    assert refusal(client.post(path, {"metadata": {"x": "y"}})) == "metadata"
    assert client.post(path, {"metadata": {"x": "y", "0": None}}).status == 200


def test_a_body_over_4_mib_is_413_and_the_connection_goes_on(client):
    big = b'{"display_name":"' + b"a" * (4 * 1024 * 1024) + b'"}'
    assert client.post("/vaults", big).error[:2] == (
        413, "invalid_request_error")
    chunks = iter([big[:65536], big[65536:]])
    assert client.post("/vaults", chunks.__next__() + b"".join(chunks),
                       headers={}).error[0] == 413
    assert client.get("/vaults").status == 200
    exactly = b'{"display_name":"a"}'.ljust(4 * 1024 * 1024)
    assert client.post("/vaults", exactly).status == 200


def test_a_chunked_body_is_counted_too(client):
    connection = client.server.connect()
    headers = {"Authorization": f"Bearer {client.token}"}
    for size, status in ((1, 200), (5 * 1024 * 1024, 413)):
        pieces = iter([b'{"display_name":"a"}', b" " * size])
        connection.request("POST", "/vaults", pieces, headers,
                           encode_chunked=True)
        response = connection.getresponse()
        assert response.status == status
        response.read()


@pytest.mark.parametrize("value, is_good", [
    ("a", True), ("x" * 255, True), ("x" * 256, False), ("a b", False)])
def test_an_idempotency_key_is_visible_ascii(client, value, is_good):
    reply = client.post("/vaults", {"display_name": "a"},
                        headers={"Idempotency-Key": value})
    if is_good:
        assert reply.status == 200
    else:
        assert refusal(reply) == "Idempotency-Key"


@pytest.mark.parametrize("raw", [
    b"\0" * 100, b"GET\r\n\r\n", b"GET /%00%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /vaults HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /vaults HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999"
    b"\r\n\r\n{}",
    b"POST /vaults HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"zz\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
])
def test_what_is_no_request_harms_nobody_else(client, raw):
    connection = client.server.connect()
    connection.connect()
    connection.sock.sendall(raw)
    connection.sock.shutdown(socket.SHUT_WR)
    try:
        while connection.sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    assert client.get("/vaults").status == 200
