# SPDX-License-Identifier: MIT
"""E-rename: other names for credentials and vaults."""

import ctypes
import errno
import json
import os

import pytest

from support.faultproxy import error
from support.process import wait_for
from support.service import CREDENTIAL, Counter
from support.specs import bearer, text

RENAME_NOREPLACE, RENAME_EXCHANGE, AT_FDCWD = 1, 2, -100

libc = ctypes.CDLL(None, use_errno=True)


def rename(old, new, flags):
    names = os.fsencode(old), os.fsencode(new)
    if libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], flags) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def raises(code):
    return pytest.raises(OSError, match=os.strerror(code))


@pytest.fixture
def prod(mount):
    """A vault "prod" with a.json and b.json."""
    os.mkdir(mount / "prod")
    (mount / "prod" / "a.json").write_bytes(text(bearer(host="a.example.com")))
    (mount / "prod" / "b.json").write_bytes(text(bearer(host="b.example.com")))
    return mount / "prod"


def ids(service, vault="prod"):
    return {n: c["id"] for n, c in service.credentials_of(vault).items()}


def test_E_rename_is_one_request_and_keeps_the_id(mount, prod, service):
    before = ids(service)
    digest = service.sealed_digest(before["a.json"])
    inode = (prod / "a.json").stat().st_ino
    with Counter(service) as sent:
        os.rename(prod / "a.json", prod / "c.json")
    assert sent.count("POST", CREDENTIAL) == 1
    assert sent.total == 1
    assert ids(service) == {"b.json": before["b.json"], "c.json": before["a.json"]}
    assert service.sealed_digest(before["a.json"]) == digest
    assert mount.ls("prod") == ["b.json", "c.json"]
    assert not (prod / "a.json").exists()
    assert (prod / "c.json").stat().st_ino == inode
    assert '"vaultfs.name": "c.json"' in (prod / "c.json").read_text()
    mount.refresh()
    assert mount.ls("prod") == ["b.json", "c.json"]


def test_E_rename_is_seen_by_another_mount(mounts, mount, prod):
    os.rename(prod / "a.json", prod / "c.json")
    assert mounts().ls("prod") == ["b.json", "c.json"]


def test_E_rename_replaces(mount, prod, service):
    before = ids(service)
    with (prod / "b.json").open() as replaced, Counter(service) as sent:
        os.rename(prod / "a.json", prod / "b.json")
        assert "b.example.com" in replaced.read()
    assert sent.count("POST", CREDENTIAL) == 1
    assert sent.count("DELETE", CREDENTIAL) == 1
    assert sent.total == 2
    assert ids(service) == {"b.json": before["a.json"]}
    assert mount.ls("prod") == ["b.json"]
    assert "a.example.com" in (prod / "b.json").read_text()


def test_E_rename_that_cannot_replace_leaves_both(proxied, proxy, service):
    vault = proxied / "prod"
    os.mkdir(vault)
    for name in "ab":
        (vault / f"{name}.json").write_bytes(text(bearer(host=f"{name}.example.com")))
    before = ids(service)
    proxy.on("DELETE", CREDENTIAL, error(403, "permission_error", "not you"))
    with raises(errno.EACCES):
        os.rename(vault / "a.json", vault / "b.json")
    assert ids(service) == before
    assert proxied.ls("prod") == ["a.json", "b.json"]
    assert "a.example.com" in (vault / "a.json").read_text()
    record = proxied.record("/prod/a.json")
    assert record["operation"] == "rename"
    assert "nothing was renamed" in record["message"]
    assert "not you" in record["message"]


def test_E_rename_noreplace_is_honoured(prod, service):
    with Counter(service) as sent, raises(errno.EEXIST):
        rename(prod / "a.json", prod / "b.json", RENAME_NOREPLACE)
    assert sent.total == 0
    rename(prod / "a.json", prod / "c.json", RENAME_NOREPLACE)
    assert sorted(ids(service)) == ["b.json", "c.json"]


def test_E_rename_exchange_is_einval(prod, service):
    with Counter(service) as sent, raises(errno.EINVAL):
        rename(prod / "a.json", prod / "b.json", RENAME_EXCHANGE)
    assert sent.total == 0


def test_E_rename_between_vaults_is_refused_and_leaves_both(mount, prod, service):
    """mv(1) deletes its target when it hears EXDEV."""
    os.mkdir(mount / "other")
    (mount / "other" / "a.json").write_bytes(text(bearer(host="o.example.com")))
    before = ids(service), ids(service, "other")
    for command in (
        "mv -f prod/a.json other/a.json",
        "mv -f prod/a.json other/new.json",
        "mv -f prod/a.json new.json",
        "mv -f prod/a.json prod/b.json other",
    ):
        with Counter(service) as sent:
            result = mount.sh(command)
        assert result.status != 0
        assert os.strerror(errno.EOPNOTSUPP) in result.err
        assert sent.total == 0
    assert (ids(service), ids(service, "other")) == before
    assert "secret" in mount.record("/prod/b.json")["message"]


def test_E_rename_while_it_is_read(prod):
    with (prod / "a.json").open() as reader:
        os.rename(prod / "a.json", prod / "c.json")
        assert "a.example.com" in reader.read()


def test_E_rename_while_it_is_written(prod, service):
    """The document goes where the name is by then."""
    before = ids(service)
    document = text(bearer(host="a.example.com", token="another"))
    fd = os.open(prod / "a.json", os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, document[:20])
        os.rename(prod / "a.json", prod / "c.json")
        os.write(fd, document[20:])
    finally:
        os.close(fd)
    assert ids(service) == {"b.json": before["b.json"], "c.json": before["a.json"]}


def test_E_rename_of_an_empty_new_file_is_nobodys_business(mount, prod, service):
    with Counter(service) as sent:
        (prod / "new.json").touch()
        os.rename(prod / "new.json", prod / "newer.json")
        assert mount.ls("prod") == ["a.json", "b.json", "newer.json"]
        with raises(errno.EINVAL):
            os.rename(prod / "newer.json", prod / "a.json")
        os.unlink(prod / "newer.json")
    assert sent.total == 0


def test_E_rename_of_what_went_elsewhere(mount, prod, service):
    service.ok(
        "DELETE",
        f"/vaults/{service.vault('prod')['id']}/credentials/{ids(service)['a.json']}",
    )
    with raises(errno.ENOENT):
        os.rename(prod / "a.json", prod / "c.json")
    assert mount.ls("prod") == ["b.json"]


def test_E_rename_of_a_vault_where_the_service_cannot(mount, prod, service):
    with Counter(service) as sent, raises(errno.EOPNOTSUPP):
        os.rename(prod, mount / "live")
    assert sent.total == 0
    assert mount.ls() == ["prod"]
    assert "cannot rename a vault" in mount.record("/prod")["message"]


@pytest.fixture
def anthropic(services, mounts):
    """A mount of a service that can change vaults, with prod/a.json."""
    service = services("--dialect", "anthropic")
    mount = mounts(
        "--ttl",
        "600",
        "--dialect",
        "anthropic",
        source=service.url,
        token=service.token,
    )
    mount.service = service
    os.mkdir(mount / "prod")
    (mount / "prod" / "a.json").write_bytes(text(bearer(host="a.example.com")))
    return mount


def test_E_rename_of_a_vault_where_it_can(anthropic):
    vault_id = anthropic.service.vault("prod")["id"]
    with (anthropic / "prod" / "a.json").open() as reader:
        with Counter(anthropic.service) as sent:
            os.rename(anthropic / "prod", anthropic / "live")
        assert sent.total == 1
        assert "a.example.com" in reader.read()
    assert anthropic.service.vault("live")["id"] == vault_id
    assert anthropic.ls() == ["live"]
    assert anthropic.ls("live") == ["a.json"]
    own = json.loads((anthropic / "live" / ".vault.json").read_text())
    assert own["display_name"] == "live"
    (anthropic / "live" / "b.json").write_bytes(text(bearer(host="b.example.com")))
    anthropic.refresh()
    wait_for(lambda: anthropic.ls() == ["live"])
    assert anthropic.ls("live") == ["a.json", "b.json"]


def test_E_rename_of_a_vault_to_a_taken_name(anthropic):
    os.mkdir(anthropic / "other")
    with Counter(anthropic.service) as sent, raises(errno.EEXIST):
        os.rename(anthropic / "prod", anthropic / "other")
    assert sent.total == 0
    assert anthropic.ls() == ["other", "prod"]


def test_E_rename_of_a_credential_where_its_name_is_its_display_name(anthropic):
    vault_id = anthropic.service.vault("prod")["id"]
    os.rename(anthropic / "prod" / "a.json", anthropic / "prod" / "c.json")
    (credential,) = anthropic.service.credentials(vault_id)
    assert credential["display_name"] == "c.json"
    assert anthropic.ls("prod") == ["c.json"]
