# SPDX-License-Identifier: MIT
"""One tree over three dialects of the API, and a service that is told apart."""

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest
from support import faultproxy
from support.mount import daemons_of
from support.process import finish
from support.service import CREDENTIAL, CREDENTIALS, VAULTS, Counter
from support.specs import bearer, flat, text

QODER = "qoder"
FLAT = "qoder-flat"
ANTHROPIC = "anthropic"


@pytest.fixture
def at(services, mounts):
    """A service of one dialect, with a vault "prod", and its mount:
    at(FLAT, told="auto")."""

    def start(
        dialect, *options, told=None, make=lambda service, vault: None, mount_options=()
    ):
        service = services("--dialect", dialect, *options)
        if "required" not in options:
            make(service, service.make_vault("prod"))
        options = ("--dialect", told or dialect, *mount_options)
        return service, mounts(*options, source=service.url, token=service.token)

    return start


def held(service):
    """The credentials of "prod" as the service has them."""
    return service.credentials(service.vault("prod")["id"])


def status(mount):
    return json.loads((mount / ".vaultfs/status").read_text())


@pytest.mark.parametrize("dialect", [QODER, FLAT, ANTHROPIC])
def test_a_credential_lives_and_dies(at, dialect):
    service, mount = at(dialect)
    path = mount / "prod/github.json"
    path.write_bytes(text(flat(token="first-secret-value")))
    (made,) = held(service)
    assert mount.ls("prod") == ["github.json"]
    shown = path.read_text()
    assert "first-secret-value" not in shown
    assert json.loads(shown) == made

    before = service.sealed_digest(made["id"])
    path.write_bytes(text(flat(token="second-secret-value")))
    (rotated,) = held(service)
    assert json.loads(path.read_text()) == rotated
    assert service.sealed_digest(rotated["id"]) != before
    assert mount.ls("prod") == ["github.json"]

    assert mount.sh("rm prod/github.json")
    assert held(service) == []
    assert mount.sh("rmdir prod && mkdir new")
    assert [vault["display_name"] for vault in service.vaults()] == ["new"]


@pytest.mark.parametrize("dialect", [QODER, FLAT, ANTHROPIC])
def test_a_name_is_the_same_in_the_next_mount(at, mounts, dialect):
    service, mount = at(dialect)
    (mount / "prod/odd name.json").write_bytes(text(flat()))
    mount.stop()
    again = mounts("--dialect", dialect, source=service.url, token=service.token)
    expected = ["odd name.json"]
    if dialect == FLAT:  # kept for one user on one machine: another home has none
        expected = ["mcp.github.com_sse.json"]
    assert again.ls("prod") == expected
    mount.start()
    assert mount.ls("prod") == ["odd name.json"]


def test_flat_names_are_in_a_file_of_the_user_s_own(at):
    _, mount = at(FLAT)
    (mount / "prod/f.json").write_bytes(text(flat(token="a-canary-of-a-token")))
    state = mount.directory / ".local/state/vaultfs"
    (names,) = state.glob("names-*.json")
    assert names.stat().st_mode & 0o777 == 0o600
    kept = names.read_text()
    assert "f.json" in kept and "a-canary-of-a-token" not in kept
    assert mount.sh("rm prod/f.json")
    assert "f.json" not in names.read_text()


@pytest.mark.parametrize("spelling", ["{}/", "{}//"])
def test_flat_names_are_found_under_another_spelling(at, spelling):
    service, mount = at(FLAT)
    (mount / "prod/odd.json").write_bytes(text(flat()))
    mount.stop()
    mount.source = spelling.format(service.url)
    mount.start()
    assert mount.ls("prod") == ["odd.json"]


def test_flat_a_socket_is_one_service_however_it_is_spelled(at, tmp_path):
    os.symlink(tmp_path, tmp_path / "link")
    service, mount = at(FLAT, "--listen", f"unix:{tmp_path}/s")
    mount.stop()
    mount.source = f"unix:{tmp_path}/s"
    mount.start()
    (mount / "prod/odd.json").write_bytes(text(flat()))
    mount.stop()
    mount.source = f"unix:{tmp_path}/link/./s"
    mount.start()
    assert mount.ls("prod") == ["odd.json"]


def test_flat_a_vault_spec_needs_a_place_for_names(at):
    service, mount = at(FLAT)
    state = mount.directory / ".local/state"
    state.mkdir(parents=True, exist_ok=True)
    (state / "vaultfs").write_text("in the way")
    spec = {"display_name": "new", "credentials": [flat()]}
    assert not mount.sh(f"echo '{json.dumps(spec)}' > new.json")
    assert [vault["display_name"] for vault in service.vaults()] == ["prod"]


def test_flat_a_lock_that_another_holds_is_not_waited_for_without_end(at):
    _, mount = at(FLAT, mount_options=["--timeout", "1"])
    (mount / "prod/a.json").write_bytes(text(flat()))
    (lock,) = (mount.directory / ".local/state/vaultfs").glob("names-*.lock")
    with open(lock, "r+") as held_open:
        fcntl.flock(held_open, fcntl.LOCK_EX)
        writer = mount.spawn(f"echo '{json.dumps(flat(host='b.example'))}' > prod/b.json")
        assert mount.sh("cat prod/a.json; ls prod; touch .vaultfs/refresh; ls prod")
        assert finish(writer, 10).status != 0
    assert mount.record("/prod/b.json")["errno"] == "ETIMEDOUT"


def test_flat_what_has_no_place_is_refused_by_name(at):
    service, mount = at(FLAT)
    for document, param in [
        (bearer(), "protocol"),
        (flat(metadata={"team": "core"}), "metadata"),
        ({"auth": bearer()["auth"] | {"type": "mcp_oauth"}}, None),
    ]:
        with pytest.raises(OSError) as caught:
            (mount / "prod/f.json").write_bytes(text(document))
        assert caught.value.errno == errno.EINVAL
        if param:
            assert mount.record("/prod/f.json")["param"] == param
    assert held(service) == []


def test_flat_a_page_follows_a_page(at):
    def make(service, vault):
        for i in range(205):
            service.make_credential(vault["id"], flat(host=f"h{i}.example"))

    service, mount = at(FLAT, make=make)
    with Counter(service) as counter:
        assert len(mount.ls("prod")) == 205
    assert counter.count("GET", CREDENTIALS) == 3


def test_anthropic_what_is_made_elsewhere_has_its_display_name(at):
    def make(service, vault):
        for i, title in enumerate(["Ann's Slack", "CI/CD", None]):
            document = bearer(host=f"h{i}.example", display_name=title)
            service.ok("POST", f"/vaults/{vault['id']}/credentials", document)

    _, mount = at(ANTHROPIC, make=make)
    names = ["Ann's Slack", "h1.example_sse.json", "h2.example_sse.json"]
    assert mount.ls("prod") == names


def test_anthropic_a_rename_is_one_request(at):
    service, mount = at(ANTHROPIC)
    (mount / "prod/a.json").write_bytes(text(bearer()))
    (made,) = held(service)
    digest = service.sealed_digest(made["id"])
    with Counter(service) as counter:
        assert mount.sh("mv prod/a.json prod/b.json")
    assert counter.count("POST", CREDENTIAL) == 1
    assert list(service.credentials_of("prod")) == ["b.json"]
    assert service.sealed_digest(made["id"]) == digest


@pytest.mark.parametrize("dialect", [QODER, FLAT])
def test_auto_tells_the_generations_apart(at, dialect):
    service, mount = at(dialect, told="auto")
    (mount / "prod/f.json").write_bytes(text(flat()))
    assert status(mount)["dialect"] == dialect
    assert mount.ls("prod") == ["f.json"]
    assert len(held(service)) == 1


def test_auto_is_not_told_by_a_page_of_maintenance(service, proxy, mounts):
    service.make_vault("prod")
    page = faultproxy.reply(200, b'{"status": "maintenance"}')
    proxy.on("GET", VAULTS, page, times=1)
    mount = mounts("--nocheck", source=proxy.url)  # its probe gets that
    assert mount.ls() == ["prod"]
    assert status(mount)["dialect"] == QODER


def test_auto_is_not_told_by_a_refusal_that_mentions_credentials(
    service, proxy, mounts
):
    words = "your credentials do not match the workspace"
    proxy.on("POST", VAULTS, faultproxy.error(400, "x", words), times=1)
    mount = mounts(source=proxy.url)
    assert not mount.sh("mkdir prod")
    assert mount.record("/prod")["errno"] == "EINVAL"
    assert mount.ls() == []
    assert mount.sh("mkdir prod")
    assert status(mount)["dialect"] == QODER


def test_anthropic_all_metadata_of_a_vault_is_the_user_s(at):
    service, mount = at(ANTHROPIC)
    path = mount / "prod/.vault.json"
    for metadata in ({"k": "1", "vaultfs.name": "x"}, {"vaultfs.name": "y"}, {"k": "2"}):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"metadata": metadata}))
        assert service.vault("prod")["metadata"] == metadata


@pytest.mark.parametrize("dialect", [FLAT, ANTHROPIC])
def test_the_embedded_service_speaks_the_dialect_it_is_told(home, dialect):
    point = home.point()
    assert home.vaultfs("mount", "--dialect", dialect, "local:d", point)
    os.mkdir(point / "prod")
    (point / "prod/f.json").write_bytes(text(flat()))
    said = json.loads((point / ".vaultfs/status").read_text())
    assert said["dialect"] == dialect
    assert home.vaultfs("check", "local:d")  # and remembers
    other = home.vaultfs("check", "--dialect", QODER, "local:d")
    assert other.status == 1 and f"--dialect {dialect}" in other.err


@pytest.mark.parametrize("told", ["auto", FLAT])
def test_a_service_that_demands_a_first_credential_gets_it(at, told):
    service, mount = at(FLAT, "--first-credential", "required", told=told)
    assert mount.sh("mkdir prod")
    assert service.vaults() == []
    (mount / "prod/f.json").write_bytes(text(flat()))
    assert len(held(service)) == 1
    assert mount.ls("prod") == ["f.json"]


@pytest.mark.parametrize("dialect", [QODER, FLAT, ANTHROPIC])
@pytest.mark.parametrize("fault", ["--echo-body", "--leak-secrets"])
def test_a_faulty_service_leaks_nothing(at, dialect, fault):
    service, mount = at(dialect, fault)
    canary = "canary-5b1f0c9d8e7a6b42"
    path = mount / "prod/f.json"
    path.write_bytes(text(flat(token=canary)))
    path.write_bytes(text(flat(token=canary)))
    with pytest.raises(OSError):  # the service refuses a second of the same URL
        (mount / "prod/g.json").write_bytes(text(flat(token=canary)))
    seen = path.read_text() + mount.log.read_text()
    seen += (mount / "prod/.vault.json").read_text()
    for name in ("status", "last_error", "errors", "metrics"):
        seen += (mount / ".vaultfs" / name).read_text()
    assert canary not in seen and canary[:12] not in seen
    assert len(held(service)) == 1


def test_anthropic_has_a_variable_of_its_own(home, services):
    service = services("--dialect", ANTHROPIC)

    def check(**env):
        return home.vaultfs("check", "--dialect", ANTHROPIC, service.url, **env)

    assert check(ANTHROPIC_API_KEY=service.token)
    other = check(QODER_PAT=service.token)
    assert other.status == 2 and "ANTHROPIC_API_KEY" in other.err
    known = home.vaultfs("check", "anthropic")
    assert known.status == 2 and "ANTHROPIC_API_KEY" in known.err


def test_anthropic_is_found_on_a_socket(home, services, tmp_path):
    socket = f"unix:{tmp_path}/socket"
    service = services("--dialect", ANTHROPIC, "--listen", socket)
    key = {"ANTHROPIC_API_KEY": service.token}
    assert home.vaultfs("check", "--dialect", ANTHROPIC, socket, **key)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can look into a process of the product"
)
def test_a_token_for_another_service_is_wiped_too(home, service):
    tokens = {"QODER_PAT": service.token, "ANTHROPIC_API_KEY": "canary-of-another"}
    point = home.point()
    assert home.vaultfs("mount", service.url, point, **tokens)
    (pid,) = daemons_of(point)
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    for token in tokens.values():
        assert token.encode() not in environ
