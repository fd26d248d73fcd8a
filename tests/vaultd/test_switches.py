# SPDX-License-Identifier: MIT
"""Which dialect a data directory has, and the switches of faulty servers."""

import json
import subprocess

import pytest

from vaultd_server import VAULTD, Client

DIALECTS = ["qoder", "qoder-flat", "anthropic"]


def serve(vaultd, *options):
    """What vaultd says of a command line that it does not serve with."""
    done = subprocess.run([VAULTD, "--data", vaultd.data, *options],
                          capture_output=True, text=True, timeout=30)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("mine", DIALECTS)
def test_a_data_directory_is_of_the_dialect_that_served_it_first(vaultd, mine):
    vaultd.token()
    vaultd.start("--dialect", mine)
    vaultd.stop()
    for other in DIALECTS:
        if other == mine:
            continue
        status, said = serve(vaultd, "--dialect", other)
        assert status == 1 and f"made with --dialect {mine}:" in said
    vaultd.start("--dialect", mine)


def test_a_dialect_that_is_none_is_refused(vaultd):
    status, said = serve(vaultd, "--dialect", "klingon")
    assert status == 1 and "qoder|qoder-flat|anthropic" in said
    assert not vaultd.data.exists()


def test_an_option_overrules_its_dialect_wherever_it_stands(vaultd):
    token = vaultd.token()
    for options in (("--dialect", "qoder-flat", "--create-status", "200"),
                    ("--create-status", "200", "--dialect", "qoder-flat")):
        vaultd.start(*options)
        client = Client(vaultd, token)
        vault = client.vault()
        assert client.post(f"/vaults/{vault}/credentials",
                           client.flat()).status == 200
        vaultd.stop()


def test_a_database_from_before_there_were_dialects_is_brought_up_to_date(
        vaultd):
    token = vaultd.token()
    vaultd.start()
    vault = Client(vaultd, token).vault("kept")
    vaultd.stop()
    vaultd.make_older(1)
    status, said = serve(vaultd, "--dialect", "anthropic")
    assert status == 1 and "made with --dialect qoder:" in said
    vaultd.start()
    client = Client(vaultd, token)
    assert client.get(f"/vaults/{vault}").json["display_name"] == "kept"
    credential = client.credential(vault)
    assert client.get(f"/vaults/{vault}/credentials/{credential}").json[
        "display_name"] is None
    assert "secrets 1\nok" in vaultd.command("verify").stdout


def test_a_database_without_vaults_may_still_become_of_any_dialect(vaultd):
    token = vaultd.token()
    vaultd.make_older(1)
    vaultd.start("--dialect", "qoder-flat")
    assert Client(vaultd, token).get("/vaults").status == 200


@pytest.mark.parametrize("status", [404, 405])
def test_an_older_server_has_no_update(speaking, status):
    client = speaking("qoder", "--no-update", str(status))
    vault = client.vault()
    credential = client.credential(vault)
    path = f"/vaults/{vault}/credentials/{credential}"
    before = client.get(path).json
    assert client.post(path, {"metadata": {"a": "b"}}).status == status
    assert client.get(path).json == before
    # What is not the update is as it was.
    assert client.post(f"{path}/archive").status == 200
    assert client.delete(path).status == 200


def specs(client, dialect):
    if dialect == "qoder-flat":
        return [client.flat("https://a")]
    networking = {"networking": {"type": "unrestricted"}}
    return [client.bearer("https://a"), client.oauth("https://b", refresh=True),
            client.variable(**networking)]


def secrets_in(value, at=()):
    """Each secret by the path of members to it."""
    if isinstance(value, dict):
        found = {}
        for name, inner in value.items():
            found |= secrets_in(inner, (*at, name))
        return found
    return {at: value} if str(value).startswith("canary-") else {}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_leaking_server_puts_every_secret_where_it_came_from(vaultd, speaking,
                                                               dialect):
    client = speaking(dialect, "--leak-secrets")
    assert "--leak-secrets: replies contain secrets" in vaultd.log()
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    made = []
    for i, body in enumerate(specs(client, dialect)):
        reply = client.post(path, body, headers={"Idempotency-Key": f"key{i}"})
        made.append(reply.json)
        shown = client.get(f"{path}/{reply.json['id']}").json
        assert secrets_in(reply.json) == secrets_in(shown) == secrets_in(body)
    assert client.get(path).json["data"] == made[::-1]
    client.server.replies.clear()  # they are meant to have secrets


def test_a_leaking_server_shows_the_secrets_of_a_new_vault(speaking):
    client = speaking("qoder-flat", "--leak-secrets")
    given = client.flat()
    reply = client.post("/vaults", {"display_name": "a", "credentials": [given]})
    assert secrets_in(reply.json["credentials"][0]) == secrets_in(given)
    client.server.replies.clear()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_echoing_server_quotes_the_request_in_its_message(speaking, dialect):
    client = speaking(dialect, "--echo-body")
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    client.credential(vault, specs(client, dialect)[0])
    for body in (specs(client, dialect)[0], {"token": client.server.secret()}):
        reply = client.post(path, body)
        assert reply.error[0] in (400, 409)
        assert reply.json["error"]["message"].endswith(": " + json.dumps(body))
    assert client.post(path, b'{"a\xff\0": 1').error[0] == 400
    client.server.replies.clear()


@pytest.mark.parametrize("fault", ["--echo-body", "--leak-secrets"])
def test_a_faulty_server_listens_here_only(vaultd, fault):
    status, said = serve(vaultd, fault, "--listen-anywhere")
    assert status == 1 and "--listen-anywhere" in said
    status, said = serve(vaultd, fault, "--listen", "192.0.2.1:80")
    assert status == 2 and "not a loopback address" in said
    done = vaultd.command("--help")
    (line,) = [line for line in done.stdout.splitlines() if fault in line]
    assert "FAULTY" in line


@pytest.mark.parametrize("options", [
    ("--dialect", "anthropic", "--first-credential", "required"),
    ("--first-credential", "required"),
    ("--no-update", "400"), ("--no-update", "0"), ("--no-update", "04"),
    ("--first-credential", "maybe"),
])
def test_a_switch_that_makes_no_sense_is_refused(vaultd, options):
    status, said = serve(vaultd, *options)
    assert status == 1 and said.startswith("vaultd: ")
    assert not vaultd.data.exists()
