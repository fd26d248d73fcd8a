# SPDX-License-Identifier: MIT
"""A secret goes in and never comes out: canaries in every place of a secret,
and the search for them wherever one could have stayed."""

import contextlib
import errno
import json
import os
import time

import pytest

from support import memory
from support.faultproxy import act_then_close, echoing
from support.memory import Canary, findings, scan_process
from support.paths import VAULTD, VAULTFS, is_sanitized
from support.service import CREDENTIAL, CREDENTIALS

pytestmark = pytest.mark.skipif(
    is_sanitized(VAULTFS) or is_sanitized(VAULTD),
    reason="sanitizers bring their own allocator, which wipes nothing",
)

SIZES = (24, 700, 3000, 8000)

# How long after a request is done its secret may still be found.
GRACE = 1.0


@pytest.fixture(autouse=True)
def may_look(service):
    try:
        scan_process(service.pid, [])
    except OSError as reason:
        pytest.skip(f"the memory of others cannot be read: {reason.strerror}")


@pytest.fixture
def canaries():
    """Makes canaries, and remembers them."""
    made = []

    def make(name, size=24):
        made.append(Canary(name, size))
        return made[-1].text

    make.made = made
    return make


@pytest.fixture
def mount(proxied):
    os.mkdir(proxied / "prod")
    return proxied


def put(path, document):
    """Write bytes; returns the errno, or 0. No copy stays in a Python file."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, document)
        return 0
    except OSError as reason:
        return reason.errno
    finally:
        try:
            os.close(fd)
        except OSError as reason:
            assert reason.errno == errno.EINVAL


def spec_of(kind, host, canaries, size, label):
    url = f"https://{host}/sse"
    if kind == "flat":
        return {
            "mcp_server_url": url,
            "protocol": "sse",
            "type": "static_bearer",
            "access_token": canaries(f"{label} flat {size}", size),
        }
    if kind == "bearer":
        secret = canaries(f"{label} bearer {size}", size)
        auth = {"type": "static_bearer", "mcp_server_url": url, "token": secret}
    elif kind == "variable":
        secret = canaries(f"{label} variable {size}", size)
        auth = {
            "type": "environment_variable",
            "secret_name": host.upper().replace(".", "_").replace("-", "_"),
            "secret_value": secret,
        }
    else:
        auth = {
            "type": "mcp_oauth",
            "mcp_server_url": url,
            "access_token": canaries(f"{label} access {size}", size),
            "refresh": {
                "client_id": "client",
                "token_endpoint": f"https://{host}/token",
                "refresh_token": canaries(f"{label} refresh {size}", size),
                "token_endpoint_auth": {
                    "type": "client_secret_basic",
                    "client_secret": canaries(f"{label} client {size}", size),
                },
            },
        }
    return {"auth": auth}


KINDS = ("flat", "bearer", "variable", "oauth")


def assert_clean_files(paths, canaries):
    found = []
    for path in paths:
        found += findings(canaries.made, path.read_bytes(), str(path))
    assert not found, found


def assert_clean_memory(pid, program, canaries):
    deadline = time.monotonic() + GRACE
    while True:
        started = time.monotonic()
        found = scan_process(pid, canaries.made)
        if not found or started > deadline:
            break
    assert not found, (
        f"{len(found)} pieces in {program}, in "
        + ", ".join(sorted({f"{f.canary} ({f.place})" for f in found}))
    )


def assert_nothing_stayed(mount, service, canaries):
    """In no log, no file of the mount, no store, and no memory."""
    assert canaries.made
    in_mount = []
    for directory, _, names in os.walk(mount.path):
        in_mount += [mount.path / directory / name for name in names]
    assert_clean_files(in_mount, canaries)
    assert_clean_files([mount.log, service.log], canaries)
    assert_clean_files(
        [path for path in service.data.rglob("*") if path.is_file()], canaries
    )
    for pid in (mount.pid, service.pid):
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                assert not findings(canaries.made, file.read(), name)
    assert_clean_memory(mount.pid, "vaultfs", canaries)
    assert_clean_memory(service.pid, "vaultd", canaries)


def test_the_search_finds_a_piece_in_memory(canaries):
    """Of this process, which does hold them."""
    text = canaries("own", 700)
    found = scan_process(os.getpid(), canaries.made)
    assert found
    piece = text[100 : 100 + memory.PIECE].encode()
    assert findings(canaries.made, b"before" + piece + b"after", "here")
    assert not findings(canaries.made, piece[:-1], "here")


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_stays_after_a_create(mount, service, canaries, kind):
    for size in SIZES:
        spec = spec_of(kind, f"h{size}.example", canaries, size, "create")
        assert put(mount / f"prod/f{size}.json", json.dumps(spec).encode()) == 0
    assert len(mount.ls("prod")) == len(SIZES)
    assert_nothing_stayed(mount, service, canaries)


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_stays_after_a_rotation(mount, service, proxy, canaries, kind):
    for size in SIZES:
        for label in ("first", "second"):
            spec = spec_of(kind, f"h{size}.example", canaries, size, label)
            document = json.dumps(spec, indent=2).encode() + b"\n"
            assert put(mount / f"prod/f{size}.json", document) == 0
    assert len(proxy.of("POST", CREDENTIAL)) == len(SIZES)
    assert_nothing_stayed(mount, service, canaries)


def test_no_secret_stays_after_a_write_in_small_pieces(mount, service, canaries):
    for size in SIZES:
        spec = spec_of("bearer", f"h{size}.example", canaries, size, "pieces")
        document = json.dumps(spec).encode()
        fd = os.open(mount / f"prod/f{size}.json", os.O_WRONLY | os.O_CREAT, 0o600)
        for at in range(0, len(document), 40):
            os.write(fd, document[at : at + 40])
        os.close(fd)
    assert len(mount.ls("prod")) == len(SIZES)
    assert_nothing_stayed(mount, service, canaries)


def test_no_secret_stays_after_a_service_that_repeats_the_body_in_its_error(
    mount, service, proxy, canaries
):
    proxy.on("POST", CREDENTIALS, echoing(400))
    for size in SIZES:
        for kind in KINDS:
            spec = spec_of(kind, f"h{size}.example", canaries, size, "echo")
            document = json.dumps(spec).encode()
            code = put(mount / f"prod/{kind}{size}.json", document)
            assert code == errno.EINVAL
    assert mount.ls("prod") == []
    assert mount.record("/prod/flat24.json")["http_status"] == 400
    assert_nothing_stayed(mount, service, canaries)


def test_a_secret_with_escapes_is_struck_out_of_an_error_too(
    mount, service, proxy, canaries
):
    proxy.on("POST", CREDENTIALS, echoing(422))
    secret = canaries("left") + '"\\/é' + canaries("right")
    spec = spec_of("bearer", "h.example", canaries, 24, "escaped")
    spec["auth"]["token"] = secret
    for number, ascii_only in enumerate((True, False)):
        document = json.dumps(spec, ensure_ascii=ascii_only).encode()
        assert put(mount / f"prod/f{number}.json", document) == errno.EINVAL
    assert_nothing_stayed(mount, service, canaries)


def test_no_secret_stays_after_the_service_refused_a_duplicate(
    mount, service, canaries
):
    for size in SIZES:
        for label, expected in (("kept", 0), ("refused", errno.EEXIST)):
            spec = spec_of("bearer", f"h{size}.example", canaries, size, label)
            document = json.dumps(spec).encode()
            assert put(mount / f"prod/{label}{size}.json", document) == expected
    assert_nothing_stayed(mount, service, canaries)


def test_no_secret_stays_after_a_lost_reply(mount, service, proxy, canaries):
    proxy.on("POST", CREDENTIALS, act_then_close, times=1)
    spec = spec_of("oauth", "h.example", canaries, 3000, "lost")
    put(mount / "prod/f.json", json.dumps(spec).encode())
    assert mount.ls("prod") == ["f.json"]
    assert_nothing_stayed(mount, service, canaries)


def malformed(canaries, size):
    """Documents with a secret that are refused, or never finished."""

    def secret(label):
        return canaries(f"{label} {size}", size)

    url = "https://h.example/sse"
    bearer = {"type": "static_bearer", "mcp_server_url": url}
    yield json.dumps({"auth": bearer | {"token": secret("extra")}, "colour": 1})
    yield json.dumps({"auth": bearer | {"tokn": secret("misspelt")}})
    yield json.dumps({"auth": bearer | {"token": [secret("list")]}})
    yield json.dumps({"auth": bearer | {"token": secret("newline") + "\n"}})
    yield json.dumps({"auth": secret("auth")})
    yield json.dumps({"auth": {"type": secret("type")}})
    yield json.dumps({"auth": bearer | {"mcp_server_url": secret("url")}})
    yield json.dumps({"auth": bearer, "metadata": {"x": {"y": secret("deep")}}})
    yield '{"auth": {"token": ' + secret("bare") + "}}"
    yield '{"auth": {"token": "' + secret("twice") + '", "token": "x"}}'
    yield '{"auth": {"token": "' + secret("cut")
    yield secret("naked") + "\n"
    yield json.dumps({"auth": bearer | {"token": secret("tail")}}) + " x"


@pytest.mark.parametrize("size", SIZES)
def test_no_secret_stays_of_a_document_that_is_refused(mount, service, canaries, size):
    for number, document in enumerate(malformed(canaries, size)):
        put(mount / f"prod/f{number}.json", document.encode())
    assert service.credentials_of("prod") == {}
    assert_nothing_stayed(mount, service, canaries)


def test_no_secret_stays_of_drafts_that_were_dropped(mount, service, canaries):
    def start(name):
        fd = os.open(mount / f"prod/{name}", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b'{"auth": {"token": "' + canaries(name, 3000).encode())
        return fd

    unlinked, truncated, closed = start("a.json"), start("b.json"), start("c.json")
    os.unlink(mount / "prod/a.json")
    os.ftruncate(truncated, 0)
    for name in ("a.json", "b.json"):
        assert_clean_memory(mount.pid, "vaultfs", only(canaries, name))
    os.close(truncated)
    for fd in (unlinked, closed):
        with contextlib.suppress(OSError):
            os.close(fd)
    assert_nothing_stayed(mount, service, canaries)


def test_no_secret_stays_of_scratch_files(mount, service, canaries):
    """Sent, removed, started over, replaced, or refused and then removed."""

    def scratch(name, label, size):
        spec = spec_of("bearer", f"h{size}.example", canaries, size, label)
        document = json.dumps(spec).encode()
        path = mount / f"prod/{name}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, document)
        assert os.pread(fd, len(document) + 1, 0) == document
        os.close(fd)
        return path

    for size in SIZES:
        sent = scratch(f"sent{size}.tmp", "sent", size)
        os.rename(sent, mount / f"prod/f{size}.json")
        os.unlink(scratch("removed.tmp", "removed", size))
        emptied = scratch("emptied.tmp", "emptied", size)
        emptied.write_bytes(b"")
        os.rename(scratch("over.tmp", "over", size), emptied)
        with contextlib.suppress(OSError):
            os.rename(emptied, mount / "prod/%zz.json")
        with open(emptied, "ab") as file:
            file.write(b"{")
        with contextlib.suppress(OSError):
            os.rename(emptied, mount / "prod/refused.json")
        os.unlink(emptied)
    assert len(mount.ls("prod")) == len(SIZES)
    assert_nothing_stayed(mount, service, canaries)


def only(canaries, name):
    class Some:
        made = [canary for canary in canaries.made if canary.name == name]

    return Some


def test_the_access_token_is_in_no_file_log_or_environment(mount, service, canaries):
    token = service.token.encode()
    for path in (mount.log, service.log, service.data / "vaults.db"):
        assert token not in path.read_bytes(), path
    with open(f"/proc/{mount.pid}/environ", "rb") as environ:
        assert token not in environ.read()
