# SPDX-License-Identifier: MIT
"""The control directory: what a mount tells of itself, and refresh."""

import errno
import json
import os
import re
import stat

import pytest

from support.faultproxy import echoing, error
from support.paths import VAULTFS
from support.process import run, wait_for
from support.service import CREDENTIALS, VAULTS, Counter
from support.specs import bearer, text

FILES = ["errors", "last_error", "metrics", "refresh", "status"]
AT_ONCE = 5


def control(mount, name):
    return (mount / ".vaultfs" / name).read_text()


def status(mount):
    return json.loads(control(mount, "status"))


def errors(mount):
    return [json.loads(line) for line in control(mount, "errors").splitlines()]


@pytest.fixture
def prod(mount):
    os.mkdir(mount / "prod")
    (mount / "prod/f.json").write_bytes(text(bearer()))
    return mount / "prod"


def test_it_is_reached_by_name_and_not_listed(mount, prod):
    assert os.listdir(mount.path) == ["prod"]
    assert sorted(os.listdir(mount / ".vaultfs")) == sorted([*FILES, "by-id"])
    assert mount.sh("find . -name .vaultfs -o -name .archive").out == ""
    assert mount.sh("tar -cf - . | tar -t | grep -c vaultfs/").out == "0\n"


def test_its_files_are_for_their_owner(mount):
    for name in FILES:
        st = os.stat(mount / ".vaultfs" / name)
        assert stat.S_IMODE(st.st_mode) == 0o600 and stat.S_ISREG(st.st_mode)
    assert stat.S_IMODE(os.stat(mount / ".vaultfs").st_mode) == 0o700


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_as_long_as_stat_says(mount, prod, name):
    """Whatever way it is read, and though it grows while nobody looks."""
    for _ in range(3):
        mount.sh("echo nonsense > prod/f.json")
        result = mount.sh(f"wc -c < .vaultfs/{name}; cat .vaultfs/{name} | wc -c")
        sizes = set(map(int, result.out.split()))
        # A second may pass, and each look is counted.
        assert len(sizes) == 1 or max(sizes) - min(sizes) <= 2
        copy = mount.directory / "copy"
        assert mount.sh(f"cp .vaultfs/{name} {copy}")
        tail = mount.sh(f"tail -c 20 .vaultfs/{name}").out
        assert name == "refresh" or tail.endswith("\n")
        assert name == "refresh" or copy.read_text().endswith("\n")


def test_the_status_says_how_things_are(mount, prod, service):
    found = status(mount)
    assert found["pid"] == mount.pid
    assert found["mountpoint"] == str(mount.path)
    assert found["source"] == service.url
    assert found["dialect"].startswith("qoder")
    assert found["account"]["state"] == "ok"
    assert found["account"]["token"].startswith("token file /")
    assert found["degraded"] is False and found["read_only"] is False
    assert found["failures"] == 0 and found["uptime_seconds"] >= 0
    assert found["cache"]["vaults"] == 1 and found["cache"]["credentials"] == 1
    assert found["scratch_unsent"] == 0 and found["unknown_outcomes"] == 0
    before = found["requests"]
    os.mkdir(mount / "other")
    after = status(mount)
    assert after["requests"] == before + 1
    assert after["cache"]["vaults"] == 2


def test_R_down_the_status_says_degraded_until_the_service_is_back(proxied, proxy):
    assert status(proxied)["degraded"] is False
    proxy.on("GET", VAULTS, error(503))
    proxied.sh("touch .vaultfs/refresh; ls")
    assert status(proxied)["degraded"] is True
    proxy.clear()
    assert proxied.sh("touch .vaultfs/refresh; ls")
    wait_for(lambda: not status(proxied)["degraded"], what="the recovery")


def test_a_refused_token_shows_in_the_status(proxied, proxy):
    proxy.on("GET", VAULTS, error(401))
    assert not proxied.sh("touch .vaultfs/refresh; ls")
    assert status(proxied)["account"]["state"] == "refused"
    proxy.clear()
    assert proxied.sh("touch .vaultfs/refresh; ls")  # who has a new token says so
    assert status(proxied)["account"]["state"] == "ok"


def test_nothing_in_it_waits_for_the_service(mounts, proxy):
    mount = mounts("--ttl", "0", "--timeout", "60", source=proxy.url)
    proxy.stop()
    command = "cd .vaultfs && ls -l && cat status last_error errors metrics"
    command += " && touch refresh && echo 1 > refresh"
    assert mount.sh(command, timeout=AT_ONCE)


def test_errors_and_last_error_are_the_records_of_the_log(mount, prod):
    for n in range(3):
        assert not mount.sh(f"""echo '{{"auth": {n}}}' > prod/g{n}.json""")
    kept = errors(mount)
    assert [e["path"] for e in kept] == [f"/prod/g{n}.json" for n in range(3)]
    assert {e["param"] for e in kept} == {"auth"}
    last = json.loads(control(mount, "last_error"))
    assert last == kept[-1]
    logged = mount.record("/prod/g2.json")
    for key in ("operation", "path", "pid", "errno", "http_status", "message"):
        assert last[key] == logged[key]
    assert last["process"] == "bash" and last["errno"] == "EINVAL"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", last["time"])
    assert status(mount)["failures"] == 3


def test_only_the_last_256_failures_are_kept(mount, prod):
    script = "for i in {1..300}; do echo x > prod/n$i.json; done"
    mount.sh(script, timeout=60)
    kept = errors(mount)
    assert len(kept) == 256
    assert kept[0]["path"] == "/prod/n45.json"
    assert kept[-1]["path"] == "/prod/n300.json"
    assert status(mount)["failures"] == 300


METRIC = re.compile(r'([a-z_]+)(\{([a-z]+="([^"\\]|\\["\\n])*",?)+\})? (\d+)')


def test_the_metrics_are_what_prometheus_reads(mount, prod):
    mount.sh("echo x > prod/f.json; echo x > prod/g.json; mkdir prod/d")
    samples, declared = {}, set()
    for line in control(mount, "metrics").splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word == "HELP" or rest in ("counter", "gauge")
            assert (word, name) not in declared
            declared.add((word, name))
            continue
        match = METRIC.fullmatch(line)
        assert match, line
        assert {("HELP", match[1]), ("TYPE", match[1])} <= declared
        assert (match[1], match[2]) not in samples
        samples[match[1], match[2]] = int(match[5])
    failures = 'vaultfs_failures_total{operation="%s",errno="%s"}'
    flat = {name + (labels or ""): value for (name, labels), value in samples.items()}
    assert flat[failures % ("write", "EINVAL")] == 2
    assert flat[failures % ("mkdir", "EPERM")] == 1
    assert flat["vaultfs_vaults"] == 1
    assert flat["vaultfs_requests_total"] == status(mount)["requests"]


REFRESHES = [
    "touch .vaultfs/refresh",
    ": > .vaultfs/refresh",
    "echo 1 > .vaultfs/refresh",
    "truncate -s 0 .vaultfs/refresh",
    f"{VAULTFS} refresh .",
]


@pytest.mark.parametrize("options", [(), ("--ro",)])
@pytest.mark.parametrize("command", REFRESHES)
def test_R_fresh_a_refresh_asks_the_service_again(mounts, service, command, options):
    mount = mounts("--ttl", "600", *options)
    assert mount.ls() == []
    service.make_vault("elsewhere")
    assert mount.ls() == []
    assert mount.sh(command)
    assert mount.ls() == ["elsewhere"]
    assert errors(mount) == []


def test_a_refresh_covers_archives(mount, service):
    vault = service.make_vault("prod")
    credential = service.make_credential(vault["id"], bearer(), "f.json")
    assert mount.sh("touch .vaultfs/refresh")
    assert mount.ls("prod/.archive") == [] and mount.ls(".archive") == []
    assert mount.ls("prod") == ["f.json"]
    path = f"/vaults/{vault['id']}/credentials/{credential['id']}/archive"
    service.ok("POST", path, {})
    other = service.make_vault("other")
    service.ok("POST", f"/vaults/{other['id']}/archive", {})
    assert mount.ls("prod/.archive") == [] and mount.ls(".archive") == []
    assert mount.sh("touch .vaultfs/refresh")
    assert mount.ls("prod/.archive") == ["f.json"] and mount.ls(".archive") == ["other"]
    assert mount.ls("prod") == []


@pytest.mark.parametrize("name", ["status", "last_error", "errors", "metrics"])
@pytest.mark.parametrize("command", ["echo 1 >", "echo 1 >>", "truncate -s 0"])
def test_all_but_refresh_is_for_reading(mount, name, command):
    before = control(mount, name)
    result = mount.sh(f"{command} .vaultfs/{name}")
    assert not result and os.strerror(errno.EACCES) in result.err
    assert name != "last_error" or before == "{}\n"


CHANGES = {
    "create": lambda c: (c / "new").touch(),
    "mkdir": lambda c: os.mkdir(c / "new"),
    "unlink": lambda c: os.unlink(c / "status"),
    "rmdir": lambda c: os.rmdir(c / "by-id"),
    "rmdir itself": os.rmdir,
    "rename": lambda c: os.rename(c / "status", c / "new"),
    "rename out": lambda c: os.rename(c / "status", c.parent / "new"),
    "rename itself": lambda c: os.rename(c, c.parent / "new"),
    "symlink": lambda c: os.symlink("status", c / "new"),
    "link": lambda c: os.link(c / "status", c / "new"),
    "unlink by id": lambda c: os.unlink(next((c / "by-id").iterdir())),
    "create by id": lambda c: (c / "by-id" / "new").touch(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_in_it_is_made_renamed_or_removed(mount, prod, change):
    with pytest.raises(OSError) as raised:
        CHANGES[change](mount / ".vaultfs")
    assert raised.value.errno == errno.EPERM
    assert sorted(os.listdir(mount / ".vaultfs")) == sorted([*FILES, "by-id"])


def test_by_id_leads_to_the_vault(mount, prod, service):
    os.mkdir(mount / "sp ace")
    links = mount / ".vaultfs/by-id"
    ids = {v["id"]: v["display_name"] for v in service.vaults()}
    assert sorted(os.listdir(links)) == sorted(ids)
    for vault_id, name in ids.items():
        assert os.readlink(links / vault_id) == f"../../{name}"
        assert os.lstat(links / vault_id).st_size == len(f"../../{name}")
        shown = json.loads((links / vault_id / ".vault.json").read_text())
        assert shown["id"] == vault_id
    with Counter(service) as sent:
        assert mount.sh("ls -l .vaultfs/by-id/ && cat .vaultfs/by-id/*/f.json")
    assert sent.total <= 1  # the listing of the vault that was not looked at
    os.rmdir(mount / "sp ace")
    assert sorted(os.listdir(links)) == [service.vault("prod")["id"]]
    assert not os.path.lexists(links / "vault_none")


def test_a_server_that_echoes_leaks_nothing(mounts, proxy, service):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
    mount = mounts("--ttl", "600", source=proxy.url)
    secret = 'canary-"0815"-\\-value'
    proxy.on("POST", CREDENTIALS, echoing(400))
    proxy.on("POST", CREDENTIALS + r"|/credentials/[^/]+$", echoing(400))
    (mount.directory / "new.json").write_bytes(text(bearer(token=secret)))
    old = bearer(host="old.example", token=secret)
    (mount.directory / "old.json").write_bytes(text(old))
    assert not mount.sh("cp ../new.json prod")
    assert not mount.sh("cat ../old.json > prod/old.json")
    shown = [control(mount, n) for n in FILES]
    shown += [run([VAULTFS, c, mount.path]).out for c in ("why", "status")]
    shown.append(mount.log.read_text())
    assert len(errors(mount)) == 2
    for said in shown:
        assert "canary" not in said and "0815" not in said
    assert all("cannot take" in e["message"] for e in errors(mount))
