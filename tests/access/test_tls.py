# SPDX-License-Identifier: MIT
"""The wire: whom a mount believes over TLS, what goes over which connection, and
that the token goes to the configured origin alone."""

import contextlib
import errno
import json
import os
import re
import socket
import threading
from dataclasses import dataclass, field

import pytest

from support.certificates import DAY
from support.errnos import errno_of
from support.faultproxy import Hold
from support.mount import mounts_at
from support.process import run
from support.service import CREDENTIAL, CREDENTIALS, PREFIX, VAULTS, Counter
from support.specs import bearer, write
from support.tokens import write_private

TLS = ("TLSv1.2", "TLSv1.3")


@pytest.fixture
def token_file(service, home):
    return write_private(home.path / "token", service.token + "\n")


@pytest.fixture
def vaultfs(home, token_file):
    """Runs a command with the token: vaultfs("check", url, "--cacert", path)."""

    def run_command(command, *args, **env):
        return home.vaultfs(command, *args, "--token-file", token_file, **env)

    return run_command


# A good certificate


@pytest.mark.parametrize("http2", (True, False), ids=("http2", "http1"))
@pytest.mark.parametrize("version", TLS)
def test_everything_works_over_tls(mounts, nginxes, service, trusted, version, http2):
    nginx = nginxes(protocols=version, http2=http2)
    mount = mounts(*trusted, source=nginx.url)
    os.mkdir(mount / "prod")
    github = mount / "prod/github.json"
    write(github, bearer(token="first"))
    (before,) = service.credentials_of("prod").values()
    sealed = service.sealed_digest(before["id"])
    write(github, bearer(token="second"))
    assert json.loads(github.read_text())["id"] == before["id"]
    assert service.sealed_digest(before["id"]) != sealed
    os.rename(github, mount / "prod/hub.json")
    assert set(service.credentials_of("prod")) == {"hub.json"}
    os.unlink(mount / "prod/hub.json")
    os.rmdir(mount / "prod")
    assert service.vaults() == []
    assert mount.records() == []
    seen = nginx.requests()
    assert {r.tls for r in seen} == {version}
    assert all(r.has_token for r in seen)
    of_reads = {r.protocol for r in seen if r.method == "GET"}
    assert of_reads == {"HTTP/2.0" if http2 else "HTTP/1.1"}


def test_check_over_tls_says_that_access_is_accepted(nginx, vaultfs, trusted):
    result = vaultfs("check", nginx.url, *trusted)
    assert result, result
    assert re.search(r"^access: +accepted$", result.out, re.M)
    assert nginx.origin in result.out


# Nobody to be believed


# A system that allows old TLS, so that it is the program that refuses it.
OLD_TLS = """openssl_conf = main
[main]
ssl_conf = modules
[modules]
system_default = old
[old]
MinProtocol = TLSv1
CipherString = DEFAULT@SECLEVEL=0
"""

HERE = ("IP:127.0.0.1", "DNS:localhost")


@dataclass
class Stranger:
    """A server that is not to be believed, and what is said of it."""

    reason: str
    settings: dict = field(default_factory=dict)  # of nginx
    is_trusted: bool = True  # whether the client trusts the authority
    host: str = "127.0.0.1"
    env: dict = field(default_factory=dict)  # of the client


def wrong_host(authority, tmp_path):
    issued = authority.issue("elsewhere", "DNS:vaults.example")
    return Stranger("no alternative certificate", {"certificate": issued})


def another_name_of_the_host(authority, tmp_path):
    issued = authority.issue("address", "IP:127.0.0.1")
    return Stranger(
        "no alternative certificate", {"certificate": issued}, host="localhost"
    )


def expired(authority, tmp_path):
    issued = authority.issue("expired", *HERE, since=-9 * DAY, until=-DAY / 24)
    return Stranger("certificate has expired", {"certificate": issued})


def not_yet_valid(authority, tmp_path):
    issued = authority.issue("early", *HERE, since=DAY / 24, until=9 * DAY)
    return Stranger("certificate is not yet valid", {"certificate": issued})


def self_signed(authority, tmp_path):
    own = authority.sign_itself("self", *HERE)
    return Stranger("self.signed certificate", {"certificate": own})


def unknown_authority(authority, tmp_path):
    return Stranger("unable to get local issuer certificate", is_trusted=False)


def old_tls(authority, tmp_path):
    """On a system that allows it, so that it is the program that refuses."""
    config = tmp_path / "old.cnf"
    config.write_text(OLD_TLS)
    settings = {"protocols": "TLSv1.1", "ciphers": "DEFAULT@SECLEVEL=0"}
    return Stranger("protocol version", settings, env={"OPENSSL_CONF": str(config)})


STRANGERS = (
    wrong_host,
    another_name_of_the_host,
    expired,
    not_yet_valid,
    self_signed,
    unknown_authority,
    old_tls,
)


def speaks_old_tls(nginx, env):
    """Whether somebody else can talk to it: the platform may have no such TLS."""
    command = ["openssl", "s_client", "-tls1_1", "-connect", f"127.0.0.1:{nginx.port}"]
    result = run(command, data=b"", env=os.environ | env)
    return re.search(r"Protocol *: TLSv1\.1", result.out) is not None


@pytest.mark.parametrize("make", STRANGERS, ids=lambda make: make.__name__)
def test_who_cannot_be_believed_gets_not_one_request(
    nginxes, service, authority, home, vaultfs, make
):
    stranger = make(authority, home.path)
    nginx = nginxes(**stranger.settings)
    if make is old_tls and not speaks_old_tls(nginx, stranger.env):
        pytest.skip("the platform's OpenSSL cannot speak TLS 1.1")
    url = nginx.url.replace("127.0.0.1", stranger.host)
    options = ("--cacert", authority.path) if stranger.is_trusted else ()
    point = home.point()
    with Counter(service) as sent:
        for command in (("check", url), ("mount", url, point)):
            result = vaultfs(*command, *options, **stranger.env)
            assert result.status == 2, result
            said = rf"{stranger.host}:{nginx.port}: .*{stranger.reason}"
            assert re.search(said, result.err)
            assert os.strerror(errno.EPROTO) in result.err
            assert service.token not in result.out + result.err
        assert mounts_at(point) == 0
        command = ("mount", url, point, "--nocheck")
        assert vaultfs(*command, *options, **stranger.env)
        assert errno_of(os.listdir, point) == errno.EPROTO
        assert errno_of(os.mkdir, point / "prod") == errno.EPROTO
        record = json.loads((point / ".vaultfs/last_error").read_text())
        assert record["errno"] == "EPROTO"
        assert re.search(stranger.reason, record["message"])
    assert sent.total == 0
    assert nginx.requests() == []
    assert service.token not in nginx.error_log.read_text()


def test_a_certificate_that_is_trusted_itself_is_enough(nginxes, authority, vaultfs):
    own = authority.sign_itself("pinned", *HERE)
    nginx = nginxes(certificate=own)
    assert vaultfs("check", nginx.url, "--cacert", own.path)


def test_a_cacert_that_cannot_be_read_is_named(nginx, home, vaultfs):
    """Nothing else is trusted in its place."""
    for name, text_in_it in (("none.pem", None), ("empty.pem", "")):
        path = home.path / name
        if text_in_it is not None:
            path.write_text(text_in_it)
        result = vaultfs("check", nginx.url, "--cacert", path)
        assert result.status == 1, result
        assert name in result.err
    other = home.path / "other.pem"
    other.write_text("no certificate\n")
    result = vaultfs("check", nginx.url, "--cacert", other)
    assert result.status == 2, result
    assert os.strerror(errno.EPROTO) in result.err
    assert nginx.requests() == []


def test_https_to_a_server_without_tls_is_refused(service, vaultfs):
    url = service.url.replace("http:", "https:")
    with Counter(service) as sent:
        result = vaultfs("check", url)
    assert result.status == 2
    assert os.strerror(errno.EPROTO) in result.err
    assert sent.total == 0


# While mounted


def test_a_server_that_shows_a_bad_certificate_later_gets_nothing_more(
    mounts, nginx, service, authority, certificate, trusted
):
    """And is taken back once it shows a good one again, without a remount."""
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
    service.make_vault("unseen")
    mount = mounts("--ttl", "600", *trusted, source=nginx.url)
    mount.ls("prod")
    old = mount / "prod/old.json"
    bad = authority.issue("stale", *HERE, since=-9 * DAY, until=-DAY)
    before = len(nginx.requests())
    nginx.change(certificate=bad)
    with Counter(service) as sent:
        changes = {
            "/unseen": (os.listdir, mount / "unseen"),
            "/prod/old.json": (write, old, bearer(host="old.example", token="new")),
            "/prod/new.json": (write, mount / "prod/new.json", bearer()),
            "/fresh": (os.mkdir, mount / "fresh"),
        }
        for path, call in changes.items():
            assert errno_of(*call) == errno.EPROTO
            record = mount.record(path)
            assert record["errno"] == "EPROTO"
            assert "certificate has expired" in record["message"]
        assert errno_of(os.unlink, old) == errno.EPROTO
    assert sent.total == 0
    assert len(nginx.requests()) == before
    nginx.change(certificate=certificate)
    write(mount / "prod/new.json", bearer())
    assert set(service.credentials_of("prod")) == {"new.json", "old.json"}
    assert mount.ls("unseen") == []
    assert service.token not in mount.log.read_text() + nginx.error_log.read_text()


@contextlib.contextmanager
def breaking_off():
    """Ends every connection in its TLS handshake, as what stands in front of a
    service may do while that is down. Yields a port, and whom it has met."""
    met = []

    def serve():
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            met.append(peer)
            with connection:
                connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], met
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_handshake_that_is_cut_is_no_matter_of_trust(vaultfs):
    """It is tried again, as with every connection that ends."""
    with breaking_off() as (port, met):
        result = vaultfs("check", f"https://127.0.0.1:{port}")
    assert result.status == 2
    assert os.strerror(errno.EREMOTEIO) in result.err
    assert "the connection ended in the TLS handshake" in result.err
    assert len(met) == 3


# Which connection


def in_parallel(call, arguments):
    threads = [threading.Thread(target=call, args=(a,)) for a in arguments]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("http2", (True, False), ids=("http2", "http1"))
def test_reads_share_connections_where_they_can_and_secrets_never_do(
    mounts, nginxes, proxy, service, trusted, http2
):
    """All are in flight at once: the service holds them until the last is there.
    When they begin, a secret's connection stands idle, and no other is open."""
    nginx = nginxes(http2=http2, upstream_port=proxy.port)
    names = [f"vault{i}" for i in range(20)]
    for name in names:
        service.make_vault(name)
    mount = mounts("--ttl", "600", "--concurrency", "20", *trusted, source=nginx.url)
    written = names[::5]  # no neighbours, which would be a walk
    read = [name for name in names if name not in written]
    for name in written:
        mount.ls(name)
    nginx.change()
    write(mount / written[0] / "first.json", bearer(host="first.example"))
    reads, writes = Hold(), Hold()
    proxy.on("GET", CREDENTIALS, reads)
    proxy.on("POST", CREDENTIALS, writes)
    threads = in_parallel(mount.ls, read)
    reads.wait(len(read))
    threads += in_parallel(lambda n: write(mount / n / "x.json", bearer()), written)
    writes.wait(len(written))
    reads.release()
    writes.release()
    for thread in threads:
        thread.join(20)
    assert mount.records() == []
    of_reads = nginx.of("GET", CREDENTIALS)[-len(read) :]
    of_writes = nginx.of("POST", CREDENTIALS)
    assert {r.protocol for r in of_reads} == {"HTTP/2.0" if http2 else "HTTP/1.1"}
    assert {r.protocol for r in of_writes} == {"HTTP/1.1"}
    for_reads = {r.connection for r in of_reads}
    for_writes = {r.connection for r in of_writes}
    assert len(for_reads) == (1 if http2 else len(read))
    assert len(for_writes) == len(written)
    assert not for_reads & for_writes


def test_what_carries_a_secret_goes_over_http_1_1(mounts, nginx, service, trusted):
    """What carries none takes the connection of the reads."""
    mount = mounts(*trusted, source=nginx.url)
    os.mkdir(mount / "prod")
    path = mount / "prod/github.json"
    write(path, bearer(token="first"))
    write(path, bearer(token="second"))
    os.unlink(path)
    protocols = {
        kind: {r.protocol for r in nginx.of(*kind)}
        for kind in (
            ("GET", VAULTS),
            ("POST", VAULTS),
            ("POST", CREDENTIALS),
            ("POST", CREDENTIAL),
            ("DELETE", CREDENTIAL),
        )
    }
    assert protocols == {
        ("GET", VAULTS): {"HTTP/2.0"},
        ("POST", VAULTS): {"HTTP/2.0"},
        ("POST", CREDENTIALS): {"HTTP/1.1"},
        ("POST", CREDENTIAL): {"HTTP/1.1"},
        ("DELETE", CREDENTIAL): {"HTTP/2.0"},
    }


def test_a_secret_is_not_sent_over_a_connection_that_has_ended(
    mounts, nginx, service, trusted
):
    """The server has closed what was idle, which is its right, and said so. A
    creation that was sent all the same would have to be given up, as one that may
    have been done."""
    mount = mounts("--ttl", "600", *trusted, source=nginx.url)
    names = ["one", "two", "three", "four"]
    for name in names:
        os.mkdir(mount / name)
    for thread in in_parallel(lambda n: write(mount / n / "x.json", bearer()), names):
        thread.join(20)

    def requests():
        status = json.loads((mount / ".vaultfs/status").read_text())
        return status["requests"]

    nginx.change()
    before = requests()
    for number, name in enumerate(names, 1):
        write(mount / name / "y.json", bearer(host="y.example"))
        assert requests() == before + number
    assert mount.records() == []


# The token goes to the configured origin alone


def redirect(status, target):
    return f"return {status} {target}{PREFIX}/vaults;"


@contextlib.contextmanager
def nobody_calls():
    """Somebody's port, at whom not one connection arrives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


REDIRECTS = (301, 302, 303, 307, 308)


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_to_another_origin_is_named_and_not_followed(
    nginxes, home, vaultfs, trusted, status
):
    with nobody_calls() as port:
        other = f"https://127.0.0.1:{port}"
        nginx = nginxes(answer=redirect(status, other))
        point = home.point()
        for command in (("check", nginx.url), ("mount", nginx.url, point)):
            result = vaultfs(*command, *trusted)
            assert result.status == 2
            assert f"{status}: it redirects to {other};" in result.err
            assert os.strerror(errno.EPROTO) in result.err
        assert mounts_at(point) == 0


@pytest.mark.parametrize("status", REDIRECTS)
def test_no_request_of_a_mount_follows_a_redirect(
    mounts, nginx, service, trusted, status
):
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
    service.make_vault("unseen")
    mount = mounts("--ttl", "600", *trusted, source=nginx.url)
    mount.ls("prod")
    old = mount / "prod/old.json"
    calls = {
        "/unseen": (os.listdir, mount / "unseen"),
        "/prod/new.json": (write, mount / "prod/new.json", bearer()),
        "/prod/old.json": (write, old, bearer(host="old.example", token="new")),
        "/fresh": (os.mkdir, mount / "fresh"),
    }
    with nobody_calls() as port, Counter(service) as sent:
        other = f"https://127.0.0.1:{port}"
        nginx.change(answer=redirect(status, other))
        for path, call in calls.items():
            assert errno_of(*call) == errno.EPROTO
            record = mount.record(path)
            assert (record["errno"], record["http_status"]) == ("EPROTO", status)
            assert f"redirects to {other};" in record["message"]
        assert errno_of(os.unlink, old) == errno.EPROTO
    assert sent.total == 0


def downgrade(nginx, port):
    return f"http://127.0.0.1:{port}"


def same_origin(nginx, port):
    return nginx.origin


def same_host(nginx, port):
    return f"https://localhost:{port}"


def with_userinfo(nginx, port):
    return f"https://user:sesame@127.0.0.1:{port}"


@pytest.mark.parametrize(
    "target",
    (downgrade, same_origin, same_host, with_userinfo),
    ids=lambda target: target.__name__,
)
def test_no_redirect_is_followed_wherever_it_leads(nginx, vaultfs, trusted, target):
    with nobody_calls() as port:
        where = target(nginx, port)
        nginx.change(answer=redirect(307, where))
        result = vaultfs("check", nginx.url, *trusted)
    assert result.status == 2
    assert f"it redirects to {where.replace('user:sesame@', '')};" in result.err
    assert "sesame" not in result.err
    assert len(nginx.requests()) == 1


@pytest.mark.parametrize("host", ("0.0.0.0", "[::ffff:127.0.0.1]", "127.0.0.1.example"))
def test_http_is_for_this_machine_alone(host, home, vaultfs):
    """These names or addresses lead, or could lead, to a listener here."""
    point = home.point()
    with nobody_calls() as port:
        url = f"http://{host}:{port}/api/v1/cloud"
        for command in (("check", url), ("mount", url, point)):
            result = vaultfs(*command)
            assert result.status == 1
            assert "use https" in result.err
    assert mounts_at(point) == 0
