# SPDX-License-Identifier: MIT
"""Many at once, and many in all."""

import re
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.paths import VAULTFS, is_sanitized
from support.process import finish
from support.service import CREDENTIALS, VAULTS, Counter
from support.specs import bearer


def rss_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


SHELLS, EACH, VAULT_COUNT = 50, 20, 10

WRITER = """
for i in $(seq 0 {last}); do
    printf '{{"mcp_server_url": "https://s%s-%s.example/sse", "protocol": "sse",
        "type": "static_bearer", "access_token": "t%s"}}' {number} $i $i \
        > v$(( i % {vaults} ))/s{number}-$i.json || exit 1
done
"""


def test_fifty_shells_write_a_thousand_credentials(mount, service, children):
    for i in range(VAULT_COUNT):
        (mount / f"v{i}").mkdir()
    with Counter(service) as sent:
        shells = [
            children(
                mount.spawn(
                    WRITER.format(number=n, last=EACH - 1, vaults=VAULT_COUNT)
                )
            )
            for n in range(SHELLS)
        ]
        for shell in shells:
            result = finish(shell, 120)
            assert result, result
    assert sent.count("POST", CREDENTIALS) == SHELLS * EACH
    expected = {
        f"v{v}": {
            f"s{n}-{i}.json"
            for n in range(SHELLS)
            for i in range(v, EACH, VAULT_COUNT)
        }
        for v in range(VAULT_COUNT)
    }
    for vault in service.vaults():
        made = service.credentials(vault["id"])
        names = [c["metadata"]["vaultfs.name"] for c in made]
        assert len(names) == len(set(names)) == SHELLS * EACH // VAULT_COUNT
        assert set(names) == expected[vault["display_name"]]
        for credential in made:
            host = credential["metadata"]["vaultfs.name"].removesuffix(".json")
            assert f"//{host}.example/" in credential["auth"]["mcp_server_url"]
        assert set(mount.ls(vault["display_name"])) == set(names)


def test_twenty_shells_fight_over_one_name(mount, service, children):
    """Every interleaving of create, rotate and rm ends in a state that the
    mount and the service agree on."""
    (mount / "prod").mkdir()
    script = """
    for i in $(seq 1 10); do
        printf '{"auth": {"type": "static_bearer", "token": "t",
            "mcp_server_url": "https://one.example/sse"}}' > prod/f.json
        rm -f prod/f.json
    done 2> /dev/null
    """
    for shell in [children(mount.spawn(script)) for _ in range(20)]:
        finish(shell, 120)
    held = list(service.credentials_of("prod"))
    assert len(held) <= 1
    assert mount.ls("prod") == held
    assert mount.sh("rm -f prod/f.json && rmdir prod")
    assert service.vaults() == []


@pytest.mark.slow
def test_ten_thousand_credentials(service, mounts, tmp_path, capsys):
    with ThreadPoolExecutor(4) as pool:
        vaults = list(pool.map(lambda i: service.make_vault(f"v{i:03}"), range(100)))

        def fill(vault):
            for i in range(100):
                spec = bearer(host=f"h{i}.example", metadata={"team": f"t{i}"})
                service.make_credential(vault["id"], spec, f"c{i:03}.json")

        list(pool.map(fill, vaults))
    mount = mounts("--ttl", "600")
    start_kib = rss_kib(mount.pid)
    with Counter(service) as sent:
        listing = mount.sh("ls -lR . | grep -c '^-'", 120)
        assert listing.out.strip() == "10000", listing
    assert sent.count("GET", CREDENTIALS) == 100
    assert sent.count("GET", VAULTS) <= 1
    assert sent.total == sent.count("GET", CREDENTIALS) + sent.count("GET", VAULTS)
    with Counter(service) as sent:
        found = mount.sh("grep -rl '\"https://h42.example/sse\"' . | wc -l", 120)
        assert found.out.strip() == "100", found
        assert mount.sh(f"tar -cf {tmp_path}/all.tar .", 120)
        assert mount.sh("find . -name '*.json' -size +0 | wc -l", 120)
    assert sent.total == 0
    with tarfile.open(tmp_path / "all.tar") as archive:
        files = [member for member in archive if member.isfile()]
    assert len(files) == 10100 and all(member.size > 100 for member in files)
    end_kib = rss_kib(mount.pid)
    with capsys.disabled():
        print(
            f"\n10 000 credentials: the daemon has {end_kib} KiB resident"
            f" ({start_kib} before), {(end_kib - start_kib) * 1024 // 10100} bytes a file"
        )
    # A leak shows as growth over rounds of the same.
    for _ in range(3):
        mount.refresh()
        assert mount.sh("cat */.vault.json > /dev/null; ls -lR . > /dev/null", 120)
    # But a sanitizer keeps what was freed, and looks for leaks itself.
    assert is_sanitized(VAULTFS) or rss_kib(mount.pid) < 2 * end_kib
