# SPDX-License-Identifier: MIT
"""W-rotate: a full spec over a credential becomes true, or is refused."""

import copy
import errno
import json
import os

import pytest

from support import faultproxy
from support.mount import Mount
from support.process import wait_for
from support.service import CREDENTIAL, CREDENTIALS, VAULTS, Counter
from support.specs import bearer, oauth, text, variable, write


def shown(path):
    return json.loads(path.read_text())


@pytest.fixture
def path(mount):
    (mount / "prod").mkdir()
    path = mount / "prod" / "linear.json"
    write(path, oauth())
    return path


def refuse(mount, service, path, spec, param):
    """Nothing is sent, and the record names the field."""
    before = path.read_text()
    with Counter(service) as sent:
        result = mount.sh(f"cat > {path} <<'JSON'\n{json.dumps(spec)}\nJSON")
    assert result.status != 0
    assert os.strerror(errno.EINVAL) in result.err
    assert sent.total == 0
    assert path.read_text() == before
    record = mount.record("/prod/" + path.name)
    assert record["param"] == param
    assert record["message"].startswith(f"{param} cannot be ")


CHANGES = {
    "client_id": "another",
    "token_endpoint": "https://mcp.linear.app/oauth/other",
    "resource": "https://mcp.linear.app/",
}


@pytest.mark.parametrize("field", CHANGES)
def test_W_rotate_refuses_what_an_update_cannot_set(mount, service, path, field):
    spec = oauth(token="at_second")
    spec["auth"]["refresh"][field] = CHANGES[field]
    refuse(mount, service, path, spec, f"auth.refresh.{field}")


@pytest.mark.parametrize("field", ["refresh", "refresh.scope"])
def test_W_rotate_refuses_what_an_update_cannot_take_away(
    mount, service, path, field
):
    spec = oauth(token="at_second")
    if field == "refresh":
        del spec["auth"]["refresh"]
    else:
        del spec["auth"]["refresh"]["scope"]
    refuse(mount, service, path, spec, f"auth.{field}")


def test_W_rotate_refuses_to_add_a_refresh(mount, service, path):
    spec = oauth(host="mcp.other.app")
    plain = copy.deepcopy(spec)
    del plain["auth"]["refresh"]
    other = path.with_name("other.json")
    write(other, plain)
    refuse(mount, service, other, spec, "auth.refresh")


def test_W_rotate_clears_the_expiry_of_the_old_token(path, service):
    spec = oauth(token="at_second")
    assert shown(path)["auth"]["expires_at"] is not None
    del spec["auth"]["expires_at"]
    with Counter(service) as sent:
        write(path, spec)
    assert sent.total == 1
    assert shown(path)["auth"]["expires_at"] is None


def test_W_rotate_takes_what_can_change(path, service):
    before = shown(path)
    spec = oauth(token="at_second", refresh_token="rt_second")
    spec["auth"]["expires_at"] = "2098-01-01T00:00:00Z"
    spec["auth"]["refresh"]["scope"] = "read"
    with Counter(service) as sent:
        write(path, spec)
    assert sent.total == 1
    after = shown(path)
    assert after["id"] == before["id"]
    assert after["auth"]["expires_at"] == "2098-01-01T00:00:00Z"
    assert after["auth"]["refresh"] == before["auth"]["refresh"] | {"scope": "read"}


@pytest.mark.parametrize(
    "spec",
    [
        oauth(),
        bearer(metadata={"team": "core"}),
        variable(),
        {
            "auth": variable(name="LIMITED")["auth"]
            | {
                "networking": {"type": "limited", "allowed_hosts": ["h.example"]},
                "injection_location": {"header": True},
            }
        },
    ],
    ids=["oauth", "bearer", "variable", "limited"],
)
def test_W_idempotent_the_same_spec_twice_is_one_credential(mount, path, spec):
    other = path.with_name("twice.json")
    path.unlink()
    write(other, spec)
    first = shown(other)
    write(other, spec)
    assert {**shown(other), "updated_at": 0} == {**first, "updated_at": 0}


def test_metadata_as_read_is_no_new_credential(mount, path, service):
    with Counter(service) as sent:
        result = mount.sh("cat prod/linear.json > prod/copy.json")
    assert result.status != 0
    assert sent.total == 0
    record = mount.record("/prod/copy.json")
    assert record["param"] == "auth.access_token"
    assert "metadata as read" in record["message"]


def listing_failure(path):
    try:
        os.listdir(path)
    except OSError as reason:
        return reason.errno
    return None


@pytest.mark.parametrize("command", ["rm prod/github.json", "rmdir prod"])
def test_a_404_of_a_gateway_deletes_nothing(proxied, service, proxy, command):
    """W-delete: what is gone is gone, if the service says so."""
    os.mkdir(proxied / "prod")
    if "json" in command:
        (proxied / "prod/github.json").write_bytes(text(bearer()))
    lost = faultproxy.reply(404, b"<html>no route</html>", "text/html")
    proxy.on("DELETE", ".*", lost)
    before = service.vaults(), service.credentials_of("prod").keys()
    assert not proxied.sh(command)
    assert (service.vaults(), service.credentials_of("prod").keys()) == before
    record = proxied.record("/" + command.split()[1])
    assert record["errno"] == "EBADMSG" and "text/html" in record["message"]


def test_a_404_for_the_list_of_vaults_is_no_empty_root(proxied, proxy):
    os.mkdir(proxied / "prod")
    proxy.on("GET", VAULTS, faultproxy.reply(404, b"not here"))
    proxied.refresh()
    failure = wait_for(lambda: listing_failure(proxied.path), 5, "a new listing")
    assert failure == errno.EBADMSG
    assert "base URL" in proxied.record("/")["message"]


def test_R_wait_a_vault_that_hangs_does_not_stop_another(proxied, proxy, children):
    for name in ("slow", "quick"):
        os.mkdir(proxied / name)
    slow = shown(proxied / "slow" / ".vault.json")["id"]
    hold = faultproxy.Hold()
    proxy.on("POST", f"/vaults/{slow}/credentials$", hold)
    for i in range(20):
        spec = json.dumps(bearer(host=f"h{i}.example"))
        children(proxied.spawn(["sh", "-c", f"echo '{spec}' > slow/{i}.json"]))
    hold.wait(16)
    write(proxied / "quick" / "a.json", bearer())
    assert proxied.ls("quick") == ["a.json"]
    hold.release()


# Where the service has no update call.


@pytest.fixture
def old(services, mounts):
    """A service that refuses updates, behind a proxy, and its mount, with a
    credential: service, proxy, path = old("404", "--duplicate", "allow")."""
    proxies = []

    def start(status, *options, spec=None):
        service = services("--no-update", status, *options)
        proxy = faultproxy.FaultProxy(service.port)
        proxies.append(proxy)
        mount = mounts("--ttl", "600", source=proxy.url, token=service.token)
        (mount / "prod").mkdir()
        path = mount / "prod" / "github.json"
        write(path, spec or bearer())
        proxy.requests.clear()
        return mount, service, proxy, path

    yield start
    for proxy in proxies:
        proxy.stop()


def sent(proxy):
    """The requests since the last look, short."""
    short = {CREDENTIAL: "one", CREDENTIALS: "all"}
    seen = [
        f"{r.method} {name}"
        for r in proxy.requests
        for pattern, name in short.items()
        if r.matches(r.method, pattern)
    ]
    proxy.requests.clear()
    return seen


def held(service):
    return service.credentials(service.vault("prod")["id"])


def test_W_rotate_on_a_service_that_has_no_words_for_a_missing_call(old):
    mount, service, proxy, path = old("404", "--duplicate", "allow")
    before = shown(path)["id"]
    proxy.on("POST", CREDENTIAL, faultproxy.reply(404, b"404 page not found", "text/plain"))
    write(path, bearer(token="ghp_second"))
    (made,) = held(service)
    assert made["id"] != before
    assert shown(path) == made


@pytest.mark.parametrize("status", ["404", "405"])
def test_W_rotate_without_update_creates_then_deletes(old, status):
    mount, service, proxy, path = old(status, "--duplicate", "allow")
    before = shown(path)["id"]
    write(path, bearer(token="ghp_second"))
    looks = ["GET one"] if status == "404" else []
    assert sent(proxy) == ["POST one", *looks, "POST all", "DELETE one"]
    (made,) = held(service)
    assert made["id"] != before
    assert shown(path) == made
    # That it has no such call is remembered.
    write(path, bearer(token="ghp_third"))
    assert sent(proxy) == ["POST all", "DELETE one"]
    assert mount.ls("prod") == ["github.json"]


def test_W_rotate_without_update_and_duplicates_deletes_first(old):
    mount, service, proxy, path = old("405")
    write(path, bearer(token="ghp_second"))
    assert sent(proxy) == ["POST one", "POST all", "DELETE one", "POST all"]
    (made,) = held(service)
    assert shown(path) == made
    assert mount.ls("prod") == ["github.json"]


def fail(path, spec):
    with pytest.raises(OSError) as reason:
        write(path, spec)
    return reason.value.errno


def test_W_rotate_tells_when_the_old_one_went_for_nothing(old):
    mount, service, proxy, path = old("405")
    before = shown(path)["id"]

    def refuse_when_alone(exchange):
        if held(service):
            return faultproxy.forward(exchange)
        return faultproxy.error(403, "permission_error", "not now")(exchange)

    proxy.on("POST", CREDENTIALS, refuse_when_alone)
    assert fail(path, bearer(token="ghp_second")) == errno.EACCES
    record = mount.record("/prod/github.json")
    assert f"the old credential {before} is gone" in record["message"]
    assert record["message"].endswith("not now")
    assert record["request_id"] == "req-4711"
    assert held(service) == []
    assert mount.ls("prod") == []
    proxy.clear()
    write(path, bearer(token="ghp_second"))
    assert mount.ls("prod") == ["github.json"]


def test_W_rotate_tells_when_the_old_one_stays(old):
    mount, service, proxy, path = old("405", "--duplicate", "allow")
    before = shown(path)["id"]
    refusal = faultproxy.error(403, "permission_error", "not yours")
    proxy.on("DELETE", CREDENTIAL, refusal)
    assert fail(path, bearer(token="ghp_second")) == errno.EACCES
    message = mount.record("/prod/github.json")["message"]
    assert "the new credential is there" in message
    assert "could not be deleted: not yours" in message
    assert len(held(service)) == 2
    # Both are seen, and the new one has the name.
    names = mount.ls("prod")
    assert names == ["github.json", f"github~{before[-6:]}.json"]
    assert shown(mount / "prod" / names[1])["id"] == before


def test_W_edit_where_there_is_no_update_is_EOPNOTSUPP(old):
    mount, service, proxy, path = old("404")
    edited = shown(path) | {"metadata": {"team": "core"}}
    assert fail(path, edited) == errno.EOPNOTSUPP
    assert "with its secrets" in mount.record("/prod/github.json")["message"]
    assert "POST all" not in sent(proxy)
    assert len(held(service)) == 1
    assert mount.ls("prod") == ["github.json"]


def test_W_rotate_without_update_needs_every_secret(old):
    mount, service, proxy, path = old("405", spec=oauth())
    before = held(service)
    spec = shown(path)
    spec["auth"]["access_token"] = "at_second"  # and no refresh_token
    assert fail(path, spec) == errno.EOPNOTSUPP
    assert held(service) == before


# Reasons.


def test_EEXIST_names_the_file_that_holds_the_url(mount, service):
    (mount / "prod").mkdir()
    write(mount / "prod" / "github.json", bearer())
    with Counter(service) as requests:
        assert fail(mount / "prod" / "again.json", bearer()) == errno.EEXIST
    assert requests.total == 1
    message = mount.record("/prod/again.json")["message"]
    assert message.startswith("prod/github.json has a credential for this URL: ")
    assert mount.ls("prod") == ["github.json"]


def test_EEXIST_names_what_was_made_elsewhere(mount, service):
    (mount / "prod").mkdir()
    vault = service.vault("prod")["id"]
    assert mount.ls("prod") == []
    service.make_credential(vault, variable(name="SLACK_TOKEN"), name="slack.json")
    assert fail(mount / "prod" / "again.json", variable()) == errno.EEXIST
    message = mount.record("/prod/again.json")["message"]
    assert message.startswith("prod/slack.json has a credential for this variable: ")


def test_EDQUOT_for_a_vault_that_is_full(services, mounts):
    service = services("--dialect", "anthropic")
    options = ("--dialect", "anthropic")
    mount = mounts(*options, source=service.url, token=service.token)
    (mount / "prod").mkdir()
    for i in range(20):
        write(mount / "prod" / f"{i}.json", bearer(host=f"h{i}.example.com"))
    assert fail(mount / "prod" / "more.json", bearer()) == errno.EDQUOT
    message = mount.record("/prod/more.json")["message"]
    assert "the vault holds 20 credentials" in message
    write(mount / "prod" / "3.json", bearer(host="h3.example.com", token="new"))


# W-idempotent.


def test_W_idempotent_a_lost_reply_is_no_second_credential(proxied, proxy, service):
    (proxied / "prod").mkdir()
    proxy.on("POST", CREDENTIALS, faultproxy.act_then_close, times=1)
    write(proxied / "prod" / "a.json", bearer())
    assert len(held(service)) == 1
    first, second = proxy.of("POST", CREDENTIALS)
    assert first.key == second.key


@pytest.fixture
def keyless(services, mounts):
    """A service without idempotency keys, behind a proxy."""
    service = services("--dialect", "anthropic", "--duplicate", "allow")
    proxy = faultproxy.FaultProxy(service.port)
    mount = mounts(
        "--dialect",
        "anthropic",
        "--ttl",
        "600",
        source=f"http://127.0.0.1:{proxy.port}{service.dialect.prefix}",
        token=service.token,
    )
    yield mount, service, proxy
    proxy.stop()


def test_W_idempotent_without_keys_what_was_made_is_found(keyless):
    mount, service, proxy = keyless
    proxy.on("POST", VAULTS, faultproxy.act_then_close, times=1)
    (mount / "prod").mkdir()
    proxy.on("POST", CREDENTIALS, faultproxy.act_then_close, times=1)
    write(mount / "prod" / "a.json", bearer())
    (made,) = held(service)
    assert len(proxy.of("POST", CREDENTIALS)) == 1
    assert shown(mount / "prod" / "a.json") == made
    assert mount.ls(".") == ["prod"]
    assert mount.ls("prod") == ["a.json"]


def test_W_idempotent_without_keys_what_never_came_is_sent_again(keyless):
    mount, service, proxy = keyless
    proxy.on("POST", VAULTS, faultproxy.close_unanswered, times=1)
    (mount / "prod").mkdir()
    proxy.on("POST", CREDENTIALS, faultproxy.close_unanswered, times=1)
    write(mount / "prod" / "a.json", bearer())
    assert len(held(service)) == 1
    assert mount.ls("prod") == ["a.json"]


def test_W_idempotent_a_killed_daemon_leaves_its_keys(service, proxy, tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir(0o700)
    env = {"XDG_RUNTIME_DIR": str(runtime)}
    mount = Mount(proxy.url, tmp_path / "killed", service.token, env=env)
    hold = faultproxy.Hold(then=faultproxy.close_unanswered)
    try:
        mount.start()
        (mount / "prod").mkdir()
        proxy.on("POST", CREDENTIALS, hold, times=1)
        spec = json.dumps(bearer())
        writer = mount.spawn(["sh", "-c", f"echo '{spec}' > prod/a.json"])
        hold.wait()
        (journal,) = (runtime / "vaultfs").iterdir()
        assert journal.stat().st_mode & 0o777 == 0o600
        assert b"a.json" in journal.read_bytes()
        assert b"ghp_example" not in journal.read_bytes()
        mount.kill()
        writer.wait(10)
        mount.start()
        write(mount / "prod" / "a.json", bearer())
    finally:
        mount.stop()
    first, second = proxy.of("POST", CREDENTIALS)
    assert first.key == second.key
    assert len(held(service)) == 1
    assert list((runtime / "vaultfs").iterdir()) == []


def test_W_draft_of_two_writers_the_last_wins(proxied, proxy, service, children):
    (proxied / "prod").mkdir()
    path = proxied / "prod" / "a.json"
    write(path, bearer())
    hold = faultproxy.Hold()
    proxy.on("POST", CREDENTIAL, hold, times=1)
    writers = []
    for token in ("first", "second"):
        spec = json.dumps(bearer(token=token, metadata={"by": token}))
        command = ["sh", "-c", f"echo '{spec}' > prod/a.json"]
        writers.append(children(proxied.spawn(command)))
        hold.wait()
    assert len(proxy.of("POST", CREDENTIAL)) == 1
    hold.release()
    assert [writer.wait(10) for writer in writers] == [0, 0]
    (kept,) = held(service)
    assert kept["metadata"]["by"] == "second"
    assert shown(path) == kept
