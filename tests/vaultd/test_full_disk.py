# SPDX-License-Identifier: MIT
"""A full disk is told, what frees room still works, and room is used again."""

import subprocess

import pytest

from vaultd_server import Client

FULL = (507, "api_error", None)


@pytest.fixture(params=[448, 1024, 4096], ids="{}k".format)
def disk(request, tmp_path):
    """The data directory is a file system of its own, and small."""
    data = tmp_path / "data"
    data.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}k,mode=700",
         "tmpfs", data], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr}")
    yield data
    subprocess.run(["umount", data], check=True)


def fill(client, path, stem):
    """Create until it is refused; the ids, and how it was refused."""
    ids = []
    body = client.bearer(metadata={"note": "x" * 500})
    while True:
        body["auth"]["mcp_server_url"] = f"https://{stem}/{len(ids)}"
        reply = client.post(path, body)
        if reply.status != 200:
            return ids, reply
        ids.append(reply.json["id"])


def test_a_full_disk_is_507_and_deletes_cure_it(disk, client):
    path = f"/vaults/{client.vault()}/credentials"
    ids, refused = fill(client, path, "first")
    assert len(ids) > 10
    assert refused.error == FULL
    assert refused.json["error"]["message"] == "the service's disk is full"
    assert client.get(f"{path}/{ids[0]}").status == 200
    for each in ids[:len(ids) // 2]:
        assert client.delete(f"{path}/{each}").status == 200
    more, refused = fill(client, path, "second")
    assert refused.error == FULL
    assert len(more) >= len(ids) // 4
    for each in ids[len(ids) // 2:] + more:
        assert client.delete(f"{path}/{each}").status == 200
    assert len(fill(client, path, "third")[0]) >= len(ids) * 3 // 4


def occupy(disk):
    """Somebody else takes what is left, to the last byte."""
    with open(disk / "hog", "wb", buffering=0) as hog:
        try:
            while hog.write(b"x" * 4096):
                pass
        except OSError:
            pass


def test_a_disk_that_others_filled_is_survived(disk, client):
    vault = client.vault()
    path = f"/vaults/{vault}/credentials"
    ids = [client.credential(vault, client.bearer(f"https://a/{i}"))
           for i in range(4)]
    occupy(disk)
    body, key = client.bearer("https://late"), {"Idempotency-Key": "late"}
    others, _ = fill(client, path, "b")  # the log has room for some more
    assert client.post(path, body, headers=key).error == FULL
    assert client.delete(f"{path}/{ids[0]}").status == 200
    assert client.get(f"{path}/{ids[0]}").status == 404
    client.server.kill()
    client.server.start()
    after = Client(client.server, client.token)
    for each in ids[1:] + others:
        assert after.delete(f"{path}/{each}").status == 200
    (disk / "hog").unlink()
    assert after.post(path, body, headers=key).status == 200
    client.server.stop()
    assert client.server.command("verify").stdout.endswith("ok\n")


def test_on_a_full_disk_tokens_are_taken_and_revoked(disk, client):
    vaultd = client.server
    token, identity = vaultd.issue("--name", "lost")
    guest = Client(vaultd, token)
    vault = client.vault()
    occupy(disk)
    assert fill(client, f"/vaults/{vault}/credentials", "a")[1].error == FULL
    assert guest.get("/vaults").status == 200
    assert vaultd.command("token", "revoke", "lost").returncode == 0
    assert guest.get("/vaults").status == 401
    assert [each["state"] for each in vaultd.issued()
            if each["id"] == identity] == ["revoked"]
