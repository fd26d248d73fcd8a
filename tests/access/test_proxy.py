# SPDX-License-Identifier: MIT
"""What the environment has to say about the wire: proxies for https, and nothing
else. A token never goes by way of somebody who could read it."""

import errno
import json
import os
import re
import threading

import pytest

from support.connectproxy import hang_up, refuse, tunnel
from support.errnos import errno_of
from support.faultproxy import FaultProxy, Hold
from support.mount import mounts_at
from support.service import CREDENTIALS, DIALECTS
from support.specs import bearer, write
from support.tokens import write_private

# All of it: quick runs do without.
pytestmark = pytest.mark.slow

PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
PLAIN = ("http_proxy", "HTTP_PROXY", *PROXIES)
SECRET = "ghp_never_to_be_seen"
PASSWORD = "sesame"


@pytest.fixture
def token_file(service, home):
    return write_private(home.path / "token", service.token + "\n")


@pytest.fixture
def vaultfs(home, token_file, trusted):
    """Runs a command with the token: vaultfs("check", url, https_proxy=proxy.url)."""

    def run_command(command, *args, **env):
        options = ("--token-file", token_file, *trusted)
        return home.vaultfs(command, *args, *options, **env)

    return run_command


@pytest.fixture
def through(nginx, connect_proxy, home, vaultfs):
    """A mount point whose requests go through the proxy."""
    point = home.point()
    result = vaultfs(
        "mount", nginx.url, point, "--ttl", "600", https_proxy=connect_proxy.url
    )
    assert result, result
    return point


def connect(port):
    """What a client asks a proxy for."""
    return f"CONNECT 127.0.0.1:{port} HTTP/1.1"


def last_error(point):
    return json.loads((point / ".vaultfs/last_error").read_text())


# The way through


@pytest.mark.parametrize("variable", PROXIES)
def test_a_proxy_is_asked_for_a_tunnel_and_for_nothing_else(
    nginx, connect_proxy, vaultfs, variable
):
    result = vaultfs("check", nginx.url, **{variable: connect_proxy.url})
    assert result, result
    assert connect_proxy.requests() == [connect(nginx.port)]
    assert len(nginx.requests()) == 1


def test_all_work_goes_through_the_proxy_which_sees_none_of_it(
    nginx, connect_proxy, through, service
):
    os.mkdir(through / "prod")
    write(through / "prod/github.json", bearer(token=SECRET))
    write(through / "prod/github.json", bearer(token=SECRET + "_again"))
    os.unlink(through / "prod/github.json")
    os.rmdir(through / "prod")
    assert set(connect_proxy.requests()) == {connect(nginx.port)}
    connections = {r.connection for r in nginx.requests()}
    assert len(connect_proxy.requests()) == len(connections)
    received = connect_proxy.received()
    for hidden in (service.token, SECRET):
        assert hidden.encode() not in received
    for line in (b"uthorization", b"vaults", b"github"):
        assert line not in received
    assert service.token not in nginx.error_log.read_text()


def test_the_nearer_variable_wins(nginx, connect_proxy, vaultfs):
    """https_proxy, of this name, and in small letters first."""
    nowhere = "http://127.0.0.1:1"
    for order in range(1, len(PROXIES)):
        env = dict.fromkeys(PROXIES[order:], nowhere)
        env[PROXIES[order - 1]] = connect_proxy.url
        assert vaultfs("check", nginx.url, **env)
    assert len(connect_proxy.requests()) == len(PROXIES) - 1


def test_a_proxy_may_be_named_without_its_scheme(nginx, connect_proxy, vaultfs):
    bare = connect_proxy.url.removeprefix("http://")
    assert vaultfs("check", nginx.url, https_proxy=bare)
    assert connect_proxy.requests() == [connect(nginx.port)]


@pytest.mark.parametrize("variable", ("no_proxy", "NO_PROXY"))
@pytest.mark.parametrize("value", ("127.0.0.1", "*", "example.com,127.0.0.1"))
def test_no_proxy_is_honoured(nginx, connect_proxy, vaultfs, variable, value):
    env = {"https_proxy": connect_proxy.url, variable: value}
    assert vaultfs("check", nginx.url, **env)
    assert connect_proxy.requests() == []


def test_no_proxy_for_others_is_none_for_us(nginx, connect_proxy, vaultfs):
    env = {"https_proxy": connect_proxy.url, "no_proxy": "127.0.0.11,localhost"}
    assert vaultfs("check", nginx.url, **env)
    assert connect_proxy.requests() == [connect(nginx.port)]


def test_a_certificate_is_looked_at_behind_a_proxy_too(
    nginxes, authority, connect_proxy, vaultfs
):
    issued = authority.issue("behind", "DNS:vaults.example")
    nginx = nginxes(certificate=issued)
    result = vaultfs("check", nginx.url, https_proxy=connect_proxy.url)
    assert result.status == 2
    assert os.strerror(errno.EPROTO) in result.err
    assert nginx.requests() == []


# Never in clear


def test_plain_http_goes_past_every_proxy(service, connect_proxy, home, vaultfs):
    """It would show the token to the proxy."""
    env = dict.fromkeys(PLAIN, connect_proxy.url)
    point = home.point()
    assert vaultfs("check", service.url, **env)
    assert vaultfs("mount", service.url, point, **env)
    os.mkdir(point / "prod")
    assert connect_proxy.connections == []


def test_http_proxy_is_not_for_https(nginx, connect_proxy, vaultfs):
    env = {"http_proxy": connect_proxy.url, "HTTP_PROXY": connect_proxy.url}
    assert vaultfs("check", nginx.url, **env)
    assert connect_proxy.connections == []


# A proxy that does not do it


@pytest.mark.parametrize("status", (301, 403, 407, 502, 503))
def test_a_proxy_that_makes_no_tunnel_is_named_as_the_reason(
    nginx, connect_proxy, vaultfs, status
):
    connect_proxy.action = refuse(status, 'Proxy-Authenticate: Basic realm="x"')
    result = vaultfs("check", nginx.url, https_proxy=connect_proxy.url)
    assert result.status == 2
    assert os.strerror(errno.EHOSTUNREACH) in result.err
    assert re.search(rf"the proxy .* answered HTTP {status}\b", result.err)
    assert nginx.requests() == []


def test_a_proxy_that_hangs_up_is_a_connection_that_ended(
    nginx, connect_proxy, vaultfs
):
    connect_proxy.action = hang_up
    result = vaultfs("check", nginx.url, https_proxy=connect_proxy.url)
    assert result.status == 2
    assert os.strerror(errno.EREMOTEIO) in result.err
    assert nginx.requests() == []


def test_a_proxy_that_is_not_there_is_named(nginx, connect_proxy, vaultfs):
    """And not the service, which may well be there."""
    connect_proxy.stop()
    result = vaultfs("check", nginx.url, https_proxy=connect_proxy.url)
    assert result.status == 2
    assert os.strerror(errno.ECONNREFUSED) in result.err
    assert str(connect_proxy.port) in result.err


def test_a_proxy_of_an_unknown_host_is_named(nginx, vaultfs):
    result = vaultfs("check", nginx.url, https_proxy="http://no.such.host.invalid:1")
    assert result.status == 2
    assert os.strerror(errno.EHOSTUNREACH) in result.err
    assert "no.such.host.invalid" in result.err


@pytest.mark.parametrize(
    "url",
    (
        f"gopher://user:{PASSWORD}@127.0.0.1:1",
        f"http://user:{PASSWORD}@[::bad",
        f"http://user:{PASSWORD}@127.0.0.1:99999",
    ),
)
def test_a_malformed_proxy_is_refused_and_not_quoted(nginx, home, vaultfs, url):
    """Its password is nobody's business."""
    point = home.point()
    for command in (("check", nginx.url), ("mount", nginx.url, point)):
        result = vaultfs(*command, https_proxy=url)
        assert result.status == 1
        assert "proxy" in result.err
        assert PASSWORD not in result.err + result.out
    assert mounts_at(point) == 0


def test_the_password_of_a_proxy_is_for_the_proxy_alone(
    nginx, connect_proxy, vaultfs
):
    url = connect_proxy.url.replace("//", f"//user:{PASSWORD}@")
    assert vaultfs("check", nginx.url, https_proxy=url)
    assert b"Proxy-Authorization: Basic " in connect_proxy.received()
    connect_proxy.action = refuse(407)
    result = vaultfs("check", nginx.url, https_proxy=url)
    assert result.status == 2
    assert PASSWORD not in result.err + result.out
    connect_proxy.stop()
    result = vaultfs("check", nginx.url, https_proxy=url)
    assert PASSWORD not in result.err + result.out


def test_a_proxy_that_says_nothing_is_waited_for_until_the_deadline(
    nginx, connect_proxy, vaultfs
):
    is_over = threading.Event()
    connect_proxy.action = lambda connection, target: is_over.wait(60)
    env = {"https_proxy": connect_proxy.url}
    result = vaultfs("check", nginx.url, "--timeout", "1", **env)
    is_over.set()
    assert result.status == 2
    assert os.strerror(errno.ETIMEDOUT) in result.err
    assert "was not sent" in result.err


# A proxy that goes away under a mount


def away(proxy):
    proxy.stop()
    return errno.ECONNREFUSED


def without_a_way(proxy):
    """As when what is behind it is down."""
    proxy.action = refuse(502)
    proxy.cut()
    return errno.EHOSTUNREACH


def breaking_off(proxy):
    """In the handshake with who is behind it."""
    proxy.action = refuse(200)
    proxy.cut()
    return errno.EREMOTEIO


@pytest.mark.parametrize(
    "fault", (away, without_a_way, breaking_off), ids=lambda fault: fault.__name__
)
def test_a_mount_outlives_its_proxy(connect_proxy, through, service, home, fault):
    """What was listed stays readable meanwhile."""
    vault = service.make_vault("prod")
    service.make_credential(vault["id"], bearer(host="old.example"), "old.json")
    service.make_vault("unseen")
    assert home.vaultfs("refresh", through)
    old = through / "prod/old.json"
    read = old.read_text()
    code = fault(connect_proxy)
    assert home.vaultfs("refresh", through)
    assert errno_of(os.listdir, through / "unseen") == code
    assert last_error(through)["errno"] == errno.errorcode[code]
    if fault is not breaking_off:  # which may be anybody's doing
        (advice,) = re.findall("advice: .*", home.vaultfs("why", through).out)
        assert "proxy" in advice
    assert errno_of(write, through / "prod/new.json", bearer()) == code
    assert old.read_text() == read
    if fault is away:
        connect_proxy.start()
    connect_proxy.action = tunnel
    write(through / "prod/new.json", bearer())
    assert os.listdir(through / "unseen") == [".vault.json"]
    assert set(service.credentials_of("prod")) == {"old.json", "new.json"}


def test_a_write_whose_tunnel_is_cut_is_done_once(
    nginxes, proxy, service, connect_proxy, home, vaultfs
):
    """The service has acted, and its reply is lost on the way."""
    nginx = nginxes(upstream_port=proxy.port)
    point = home.point()
    env = {"https_proxy": connect_proxy.url}
    assert vaultfs("mount", nginx.url, point, **env)
    os.mkdir(point / "prod")
    hold = Hold(before_acting=False)
    proxy.on("POST", CREDENTIALS, hold, times=1)
    spec = bearer(token=SECRET)
    writer = threading.Thread(target=write, args=(point / "prod/x.json", spec))
    writer.start()
    hold.wait()
    connect_proxy.cut()
    writer.join(20)
    assert not writer.is_alive()
    hold.release()
    assert set(service.credentials_of("prod")) == {"x.json"}
    keys = [request.key for request in proxy.of("POST", CREDENTIALS)]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert os.listdir(point / "prod") == [".vault.json", "x.json"]


# Nothing else counts


def test_no_session_key_is_written_down(nginx, home, vaultfs):
    """Who has them can read all that was recorded."""
    keys = home.path / "keys"
    point = home.point()
    env = {"SSLKEYLOGFILE": str(keys)}
    assert vaultfs("check", nginx.url, **env)
    assert vaultfs("mount", nginx.url, point, **env)
    os.mkdir(point / "prod")
    assert not keys.exists()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_login_in_netrc_is_not_used(services, nginxes, home, trusted, dialect):
    """Whichever header carries the token, no second one says who we are."""
    service = services("--dialect", dialect)
    proxy = FaultProxy(service.port)
    nginx = nginxes(upstream_port=proxy.port)
    login = f"machine 127.0.0.1 login somebody password {PASSWORD}\n"
    write_private(home.path / ".netrc", login)
    url = nginx.origin + service.dialect.prefix
    token_file = write_private(home.path / "token", service.token)
    result = home.vaultfs(
        *("check", url, "--dialect", dialect, "--token-file", token_file),
        *trusted,
    )
    assert result, result
    (request,) = proxy.requests
    proxy.stop()
    names = ("authorization", "x-api-key", "cookie")
    said = {name: request.headers[name] for name in names if name in request.headers}
    token = service.dialect.token_scheme + service.token
    assert said == {service.dialect.token_header.lower(): token}
