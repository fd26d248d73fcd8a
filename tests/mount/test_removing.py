# SPDX-License-Identifier: MIT
"""W-delete, W-vault: what goes, and what comes and goes as a directory."""

import errno
import fcntl
import json
import os
import shutil
import subprocess

import pytest

from support.handles import open_new, raises, write_file
from support.process import run, wait_for
from support.service import CREDENTIAL, VAULT, VAULTS, Counter
from support.specs import bearer, shown, text


# W-delete


def test_W_delete_is_done_before_rm_returns(mount, prod, service):
    write_file(prod / "f.json", text(bearer()))
    with Counter(service) as sent:
        os.unlink(prod / "f.json")
    assert sent.count("DELETE", CREDENTIAL) == 1
    assert sent.total == 1
    assert service.credentials_of("prod") == {}
    assert mount.ls("prod") == []


def test_W_delete_what_is_already_gone_counts_as_deleted(mount, prod, service):
    write_file(prod / "f.json", text(bearer()))
    gone = service.credentials_of("prod")["f.json"]
    service.ok("DELETE", f"/vaults/{gone['vault_id']}/credentials/{gone['id']}")
    assert mount.sh("rm prod/f.json")
    assert mount.ls("prod") == []


def test_W_delete_rm_r_of_a_vault(mount, prod, service):
    for i in range(5):
        write_file(prod / f"f{i}.json", text(bearer(host=f"h{i}.example")))
    os.mkdir(mount / "other")
    assert mount.sh("touch prod/draft.json")
    result = mount.sh("rm -r prod")
    assert result, result
    assert [v["display_name"] for v in service.vaults()] == ["other"]
    assert mount.ls() == ["other"]


@pytest.mark.parametrize(
    "command",
    [
        "find prod -delete",
        "python3 -c 'import shutil; shutil.rmtree(\"prod\")'",
        "rm -rf prod",
    ],
)
def test_W_delete_of_a_whole_vault_with_other_tools(mount, prod, service, command):
    write_file(prod / "f.json", text(bearer()))
    result = mount.sh(command)
    assert result, result
    assert service.vaults() == []


def test_W_delete_of_a_drafts_name_drops_the_draft(mount, prod, service):
    document = text(bearer())
    fd = open_new(prod / "f.json")
    os.write(fd, document[:20])
    os.unlink(prod / "f.json")
    assert mount.ls("prod") == []
    with raises(errno.ENOENT):
        os.write(fd, document[20:])
    os.close(fd)
    assert service.credentials_of("prod") == {}


def test_W_delete_and_create_again_under_the_same_name(mount, prod, service):
    for _ in range(3):
        write_file(prod / "f.json", text(bearer()))
        created = service.credentials_of("prod")["f.json"]
        assert json.loads((prod / "f.json").read_text())["id"] == created["id"]
        os.unlink(prod / "f.json")
        assert not os.path.exists(prod / "f.json")
    assert service.credentials_of("prod") == {}


def test_W_delete_of_the_vaults_own_file_only_hides_it(mount, prod, service):
    with Counter(service) as sent:
        os.unlink(prod / ".vault.json")
    assert sent.count("DELETE") == 0
    assert ".vault.json" not in os.listdir(prod)
    mount.refresh()
    wait_for(lambda: ".vault.json" in os.listdir(prod), what=".vault.json")
    assert (prod / ".vault.json").read_text() == shown(service.vault("prod"))


# W-vault


def test_W_vault_mkdir_and_rmdir_are_vaults(mount, service):
    with Counter(service) as sent:
        os.mkdir(mount / "prod")
    assert sent.count("POST", VAULTS) == 1
    assert [v["display_name"] for v in service.vaults()] == ["prod"]
    assert os.listdir(mount / "prod") == [".vault.json"]
    with raises(errno.EEXIST):
        os.mkdir(mount / "prod")
    with Counter(service) as sent:
        os.rmdir(mount / "prod")
    assert sent.count("DELETE", VAULT) == 1
    assert service.vaults() == []
    assert mount.ls() == []


def test_W_vault_rmdir_of_one_with_credentials_is_ENOTEMPTY(prod, service):
    write_file(prod / "f.json", text(bearer()))
    with Counter(service) as sent:
        with raises(errno.ENOTEMPTY):
            os.rmdir(prod)
    assert sent.count("DELETE") == 0


def test_W_vault_rmdir_looks_again_before_it_deletes(prod, service):
    assert os.listdir(prod) == [".vault.json"]
    service.make_credential(service.vault("prod")["id"], bearer(), "theirs.json")
    with raises(errno.ENOTEMPTY):
        os.rmdir(prod)
    assert list(service.credentials_of("prod")) == ["theirs.json"]


def test_W_vault_rmdir_with_an_open_draft_drops_the_draft(prod, service):
    document = text(bearer())
    fd = open_new(prod / "f.json")
    os.write(fd, document[:20])
    os.rmdir(prod)
    assert service.vaults() == []
    with raises(errno.ENOENT):
        os.write(fd, document[20:])
    os.close(fd)


def test_W_vault_directories_do_not_nest(prod, service):
    with Counter(service) as sent:
        with pytest.raises(OSError):
            os.mkdir(prod / "inner")
    assert sent.count("POST") == 0


def test_W_vault_the_vaults_own_file_cannot_be_written(mount, prod, service):
    # Root skips modes, and is refused by the daemon.
    refusal = errno.EOPNOTSUPP if os.geteuid() == 0 else errno.EACCES
    with raises(refusal):
        os.open(prod / ".vault.json", os.O_WRONLY)
    with raises(refusal):
        os.open(prod / ".vault.json", os.O_RDWR | os.O_TRUNC)
    result = mount.sh("echo '{}' > prod/.vault.json")
    assert result.status != 0
    assert os.strerror(refusal) in result.err


def test_W_vault_mkdir_p_and_a_tree_of_vaults(mount, service):
    assert mount.sh("mkdir -p a b c && mkdir -p a && rmdir a b c")
    assert service.vaults() == []


def test_a_read_only_mount_refuses_every_change(mounts, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(), "f.json")
    mount = mounts("--ro")
    assert mount.ls("prod") == ["f.json"]
    for change in (
        lambda: os.mkdir(mount / "new"),
        lambda: os.rmdir(mount / "prod"),
        lambda: os.unlink(mount / "prod/f.json"),
        lambda: open_new(mount / "prod/new.json"),
        lambda: os.open(mount / "prod/f.json", os.O_WRONLY),
    ):
        with raises(errno.EROFS):
            change()
    assert len(service.credentials(vault["id"])) == 1


def test_a_lock_on_a_credential_is_harmless(prod, service):
    write_file(prod / "f.json", text(bearer()))
    with open(prod / "f.json", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert subprocess.run(["cat", prod / "f.json"], capture_output=True).stdout
