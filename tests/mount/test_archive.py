# SPDX-License-Identifier: MIT
"""E-archive: `mv` into .archive archives, `rm` there deletes for good, and
nothing comes back out."""

import errno
import json
import os

import pytest

from support.faultproxy import act_then_close, error
from support.service import Counter
from support.specs import bearer, text

ARCHIVE = r"/archive$"


def archived(service, vault_id):
    """The archived credentials of a vault, by file name."""
    path = f"/vaults/{vault_id}/credentials?include_archived=true&limit=100"
    found = service.ok("GET", path)["data"]
    return sorted(c["metadata"]["vaultfs.name"] for c in found if c["archived_at"])


def archived_vaults(service):
    found = service.ok("GET", "/vaults?include_archived=true&limit=100")["data"]
    return sorted(v["display_name"] for v in found if v["archived_at"])


@pytest.fixture
def prod(mount, service):
    """A vault with three credentials."""
    vault = service.make_vault("prod")
    for name in "abc":
        spec = bearer(host=f"{name}.example")
        service.make_credential(vault["id"], spec, f"{name}.json")
    assert mount.sh("touch .vaultfs/refresh")
    assert mount.ls("prod") == ["a.json", "b.json", "c.json"]
    return vault["id"]


@pytest.mark.parametrize(
    "command",
    [
        "mv prod/a.json prod/.archive/",
        "mv prod/a.json prod/.archive/a.json",
        "mv -n prod/a.json prod/.archive",
        "cd prod && mv a.json .archive",
    ],
)
def test_E_archive_a_move_archives(mount, prod, service, command):
    before = service.credentials_of("prod")["a.json"]
    with Counter(service) as sent:
        assert mount.sh(command)
    assert sent.count("POST", ARCHIVE) == 1
    assert mount.ls("prod") == ["b.json", "c.json"]
    assert mount.ls("prod/.archive") == ["a.json"]
    assert archived(service, prod) == ["a.json"]
    shown = json.loads((mount / "prod/.archive/a.json").read_text())
    assert shown["id"] == before["id"] and shown["archived_at"]
    assert shown["metadata"] == before["metadata"]


def test_E_archive_several_at_once(mount, prod, service):
    assert mount.sh("mv prod/*.json prod/.archive/")
    assert mount.ls("prod") == []
    assert mount.ls("prod/.archive") == ["a.json", "b.json", "c.json"]
    assert archived(service, prod) == ["a.json", "b.json", "c.json"]


def test_E_archive_is_not_walked_into(mount, prod):
    assert mount.sh("mv prod/a.json prod/.archive/")
    assert ".archive" not in os.listdir(mount / "prod")
    assert mount.sh("find . -path '*archive*'").out == ""
    assert mount.sh("grep -r a.example .").status == 1
    assert mount.sh("tar -cf - . | tar -t | grep -c archive").out == "0\n"
    assert mount.sh("cat prod/.archive/a.json | grep -c a.example").out == "1\n"


def test_E_archive_a_taken_name_gets_a_suffix(mount, prod, service):
    first = json.loads((mount / "prod/a.json").read_text())["id"]
    assert mount.sh("mv prod/a.json prod/.archive/")
    (mount / "prod/a.json").write_bytes(text(bearer(host="other.example")))
    second = json.loads((mount / "prod/a.json").read_text())["id"]
    assert mount.sh("mv prod/a.json prod/.archive/")
    names = ["a.json", f"a~{second[-6:]}.json"]
    assert mount.ls("prod") == ["b.json", "c.json"]
    assert mount.ls("prod/.archive") == names
    shown = [json.loads((mount / "prod/.archive" / n).read_text()) for n in names]
    assert [s["id"] for s in shown] == [first, second]
    assert all(s["archived_at"] for s in shown)
    for name in names:
        st = os.stat(mount / "prod/.archive" / name)
        assert st.st_nlink == 1
        assert st.st_size == len((mount / "prod/.archive" / name).read_bytes())


OUT = [
    ("mv prod/.archive/a.json prod/", errno.EOPNOTSUPP),
    ("mv prod/.archive/a.json prod/b.json", errno.EOPNOTSUPP),
    ("mv prod/.archive/a.json other/", errno.EOPNOTSUPP),
    ("mv prod/.archive/a.json prod/.archive/z.json", errno.EOPNOTSUPP),
    ("mv prod/b.json other/.archive/", errno.EOPNOTSUPP),
    ("mv prod/b.json .archive/", errno.EOPNOTSUPP),
    ("mv prod/b.json prod/.archive/z.json", errno.EOPNOTSUPP),
    ("mv prod/.archive prod/z", errno.EPERM),
    ("mkdir prod/.archive/z", errno.EOPNOTSUPP),
    ("rmdir prod/.archive", errno.EPERM),
    ("echo '{}' > prod/.archive/z.json", errno.EOPNOTSUPP),
    ("echo '{}' > prod/.archive/a.json", errno.EOPNOTSUPP),
    ("echo '{}' > prod/.archive/z.tmp", errno.EOPNOTSUPP),
    ("truncate -s 0 prod/.archive/a.json", errno.EOPNOTSUPP),
    ("mv prod/.vault.json prod/.archive/", errno.EOPNOTSUPP),
    ("touch prod/new.json && mv prod/new.json prod/.archive/", errno.EOPNOTSUPP),
    ("touch prod/new.tmp && mv prod/new.tmp prod/.archive/", errno.EOPNOTSUPP),
]


@pytest.mark.parametrize("command, code", OUT)
def test_E_archive_nothing_comes_out_and_nothing_else_goes_in(
    mount, prod, service, command, code
):
    os.mkdir(mount / "other")
    assert mount.sh("mv prod/a.json prod/.archive/")
    before = service.credentials(prod), archived(service, prod)
    result = mount.sh(command)
    assert not result and os.strerror(code) in result.err, result
    assert (service.credentials(prod), archived(service, prod)) == before
    assert mount.ls("prod/.archive") == ["a.json"]
    assert service.credentials(service.vault("other")["id"]) == []
    assert mount.sh("cat prod/b.json prod/.archive/a.json")


def test_E_archive_rm_inside_deletes_for_good(mount, prod, service):
    assert mount.sh("mv prod/*.json prod/.archive/")
    assert mount.sh("rm prod/.archive/a.json")
    assert mount.ls("prod/.archive") == ["b.json", "c.json"]
    assert archived(service, prod) == ["b.json", "c.json"]
    assert mount.sh("rm prod/.archive/*")
    assert mount.ls("prod/.archive") == [] and archived(service, prod) == []


def test_E_archive_a_reader_goes_on_reading(mount, prod):
    with (mount / "prod/a.json").open("rb", buffering=0) as reader:
        before = json.loads(reader.read(65536))
        assert mount.sh("mv prod/a.json prod/.archive/; ls prod/.archive")
        reader.seek(0)
        after = json.loads(reader.read(65536))
        assert after["id"] == before["id"] and after["archived_at"]
        assert os.fstat(reader.fileno()).st_nlink == 1


def test_E_archive_a_draft_that_is_open_cannot_be_sent_any_more(mount, prod, service):
    before = service.rows_digest(service.credentials_of("prod")["b.json"]["id"])
    fd = os.open(mount / "prod/a.json", os.O_WRONLY)
    assert mount.sh("mv prod/a.json prod/.archive/")
    with pytest.raises(OSError) as raised:
        os.write(fd, text(bearer(host="a.example")))
    assert raised.value.errno == errno.EOPNOTSUPP
    os.close(fd)
    assert mount.ls("prod/.archive") == ["a.json"]
    assert service.rows_digest(service.credentials_of("prod")["b.json"]["id"]) == before


def test_E_archive_what_others_archive_shows_within_ttl(mounts, service):
    vault = service.make_vault("prod")
    made = service.make_credential(vault["id"], bearer(), "a.json")
    mount = mounts("--ttl", "0")
    assert mount.ls("prod") == ["a.json"] and mount.ls("prod/.archive") == []
    service.ok("POST", f"/vaults/{vault['id']}/credentials/{made['id']}/archive", {})
    mount.sh("touch .vaultfs/refresh")
    assert mount.ls("prod") == [] and mount.ls("prod/.archive") == ["a.json"]


def test_R_cheap_an_archive_costs_nobody_who_does_not_look(mount, prod, service):
    assert mount.sh("mv prod/a.json prod/.archive/")
    with Counter(service) as sent:
        assert mount.sh("ls -lR; cat prod/b.json")
    assert sent.total == 0
    with Counter(service) as sent:
        assert mount.sh("ls -l prod/.archive; cat prod/.archive/a.json")
        assert mount.sh("ls -l prod/.archive; cat prod/.archive/a.json")
    assert sent.total <= 1


# When the service refuses, or its reply is lost


@pytest.fixture
def behind(proxied, proxy, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="a.example"), "a.json")
    proxied.sh("touch .vaultfs/refresh")
    assert proxied.ls("prod") == ["a.json"]
    return vault["id"]


def test_a_refused_archive_leaves_all_as_it_was(proxied, behind, proxy, service):
    proxy.on("POST", ARCHIVE, error(403))
    for command in ("mv prod/a.json prod/.archive/", "mv prod .archive/"):
        result = proxied.sh(command)
        assert not result and os.strerror(errno.EACCES) in result.err
    proxy.clear()
    assert proxied.ls() == ["prod"] and proxied.ls("prod") == ["a.json"]
    assert proxied.ls("prod/.archive") == [] and proxied.ls(".archive") == []
    record = json.loads((proxied / ".vaultfs/last_error").read_text())
    assert record["path"] == "/prod" and record["http_status"] == 403


def test_after_a_lost_reply_both_directories_are_true(proxied, behind, proxy, service):
    proxy.on("POST", ARCHIVE, act_then_close)
    proxied.sh("mv prod/a.json prod/.archive/")
    proxy.clear()
    assert archived(service, behind) == ["a.json"]
    assert proxied.ls("prod") == []
    assert proxied.ls("prod/.archive") == ["a.json"]


# Vaults


def test_E_archive_a_vault_goes_with_all_that_it_holds(mount, prod, service):
    assert mount.sh("mv prod/c.json prod/.archive/")
    reader = (mount / "prod/a.json").open()
    with Counter(service) as sent:
        assert mount.sh("mv prod .archive/")
    assert sent.count("POST", ARCHIVE) == 1
    assert os.listdir(mount.path) == []
    assert mount.ls(".archive") == ["prod"]
    assert archived_vaults(service) == ["prod"] and service.vaults() == []
    assert mount.ls(".archive/prod") == ["a.json", "b.json", "c.json"]
    shown = json.loads((mount / ".archive/prod/.vault.json").read_text())
    assert shown["id"] == prod and shown["archived_at"]
    assert json.load(reader)["id"]
    reader.close()
    assert not os.path.lexists(mount / ".archive/prod/.archive")


IN_ARCHIVED_VAULT = [
    "mv .archive/prod .",
    "mv .archive/prod/a.json .archive/prod/z.json",
    "mv .archive/prod/a.json other/",
    "echo '{}' > .archive/prod/a.json",
    "echo '{}' > .archive/prod/z.json",
    "echo '{}' > .archive/prod/.vault.json",
    "mkdir .archive/new",
]


@pytest.mark.parametrize("command", IN_ARCHIVED_VAULT)
def test_E_archive_an_archived_vault_is_read_only(mount, prod, service, command):
    os.mkdir(mount / "other")
    assert mount.sh("mv prod .archive/")
    result = mount.sh(command)
    assert not result and os.strerror(errno.EOPNOTSUPP) in result.err, result
    assert mount.ls(".archive/prod") == ["a.json", "b.json", "c.json"]
    assert mount.ls() == ["other"]


def test_E_archive_rm_r_of_an_archived_vault_deletes_it(mount, prod, service):
    assert mount.sh("mv prod/c.json prod/.archive/; mv prod .archive/")
    result = mount.sh("rmdir .archive/prod")
    assert os.strerror(errno.ENOTEMPTY) in result.err
    assert mount.sh("rm -r .archive/prod")
    assert mount.ls(".archive") == []
    assert service.ok("GET", "/vaults?include_archived=true")["data"] == []


def test_E_archive_two_vaults_of_one_name(mount, service):
    ids = []
    for _ in range(2):
        os.mkdir(mount / "prod")
        ids.append(service.vault("prod")["id"])
        assert mount.sh("mv prod .archive/")
    assert mount.ls(".archive") == ["prod", f"prod~{ids[1][-6:]}"]
    assert mount.ls() == []
    for name, vault_id in zip(mount.ls(".archive"), ids):
        shown = json.loads((mount / ".archive" / name / ".vault.json").read_text())
        assert shown["id"] == vault_id


def test_E_archive_a_moved_directory_is_followed_by_who_stands_in_it(mount, prod):
    result = mount.sh("cd prod && mv ../prod ../.archive/ && ls && cat a.json")
    assert result and result.out.startswith("a.json\nb.json\nc.json\n{")


# --rm archive


def test_rm_archive_archives_and_shows_it(mounts, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="a.example"), "a.json")
    mount = mounts("--ttl", "600", "--rm", "archive")
    assert mount.ls("prod") == ["a.json"] and mount.ls("prod/.archive") == []
    assert mount.sh("rm prod/a.json")
    assert mount.ls("prod") == []
    assert mount.ls("prod/.archive") == ["a.json"]
    assert archived(service, vault["id"]) == ["a.json"]
    assert mount.sh("rm prod/.archive/a.json")
    assert mount.ls("prod/.archive") == [] and archived(service, vault["id"]) == []


def test_rm_archive_archives_a_vault_too(mounts, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="a.example"), "a.json")
    mount = mounts("--ttl", "600", "--rm", "archive")
    assert mount.ls(".archive") == []
    assert mount.sh("rm -r prod")
    assert mount.ls() == [] and mount.ls(".archive") == ["prod"]
    assert mount.ls(".archive/prod") == ["a.json"]
    assert mount.sh("rm -r .archive/prod")
    assert mount.ls(".archive") == []
    assert service.request("GET", f"/vaults/{vault['id']}")[0] == 404


def test_a_read_only_mount_shows_archives_and_changes_nothing(mounts, prod, service):
    mount = mounts("--ttl", "600", "--ro")
    result = mount.sh("mv prod/a.json prod/.archive/")
    assert os.strerror(errno.EROFS) in result.err
    result = mount.sh("mv prod .archive/")
    assert os.strerror(errno.EROFS) in result.err
    assert archived(service, prod) == []
