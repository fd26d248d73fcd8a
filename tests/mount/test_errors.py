# SPDX-License-Identifier: MIT
"""The errno table, with a service that fails in every way it can."""

import errno
import json
import os
import time

import pytest

from support import faultproxy
from support.faultproxy import (
    Hold,
    act_then_close,
    close_unanswered,
    cut,
    error,
    reply,
)
from support.process import wait_for
from support.service import CREDENTIAL, CREDENTIALS, VAULT, VAULTS
from support.specs import bearer, text

WRITE = f"""cat > prod/new.json <<'JSON'
{json.dumps(bearer(host="new.example"))}
JSON"""

# operation: the shell's command, the request that fails, the path it is about
OPERATIONS = {
    "create": (WRITE, "POST", CREDENTIALS, "/prod/new.json"),
    "rotate": (
        WRITE.replace("new.", "old."),
        "POST",
        CREDENTIAL,
        "/prod/old.json",
    ),
    "delete": ("rm prod/old.json", "DELETE", CREDENTIAL, "/prod/old.json"),
    "mkdir": ("mkdir fresh", "POST", VAULTS, "/fresh"),
    "rmdir": ("rmdir empty", "DELETE", VAULT, "/empty"),
    "list": ("ls unseen", "GET", CREDENTIALS, "/unseen"),
}

DONE = 0
EREMOTEIO = errno.EREMOTEIO
STATUSES = {
    400: errno.EINVAL,
    401: errno.EKEYREJECTED,
    403: errno.EACCES,
    404: errno.ENOENT,
    405: errno.EOPNOTSUPP,
    408: errno.ETIMEDOUT,
    409: errno.EBUSY,
    412: errno.EBUSY,
    413: errno.EFBIG,
    418: errno.EINVAL,
    422: errno.EINVAL,
    423: errno.EBUSY,
    429: errno.EBUSY,
    431: errno.EFBIG,
    500: EREMOTEIO,
    501: errno.EOPNOTSUPP,
    502: EREMOTEIO,
    503: EREMOTEIO,
}
EXCEPTIONS = {
    ("create", 409): errno.EEXIST,
    ("mkdir", 409): errno.EEXIST,
    ("mkdir", 404): errno.EBADMSG,  # the list of vaults is never gone
    ("delete", 404): DONE,  # gone is gone
    ("rmdir", 404): DONE,
}


class Stage:
    """A vault with one credential, an empty one, and one not looked at yet."""

    def __init__(self, mounts, proxy, service, *options):
        self.service = service
        for name in ("prod", "empty", "unseen"):
            vault = service.make_vault(name)
            if name != "empty":
                spec = bearer(host="old.example")
                service.make_credential(vault["id"], spec, "old.json")
        self.mount = mounts("--ttl", "600", *options, source=proxy.url)
        self.mount.ls("prod")
        self.mount.ls("empty")

    def held(self):
        """What the service holds: vault names and their file names."""
        return {
            vault["display_name"]: sorted(
                c["metadata"]["vaultfs.name"]
                for c in self.service.credentials(vault["id"])
            )
            for vault in self.service.vaults()
        }

    def shown(self):
        return {name: self.mount.ls(name) for name in self.mount.ls()}


@pytest.fixture
def stage(mounts, proxy, service):
    return lambda *options: Stage(mounts, proxy, service, *options)


def fails(stage, proxy, operation, action, code, timeout=20):
    """Run one operation against one fault; check all that the user can see.
    Returns its record."""
    command, method, pattern, path = OPERATIONS[operation]
    before = stage.held()
    seen = len([r for r in stage.mount.records() if r["path"] == path])
    proxy.on(method, pattern, action)
    result = stage.mount.sh(command, timeout)
    proxy.clear()
    assert stage.held() == before
    if code == DONE:
        assert result, result
        return None
    assert result.status != 0, f"{operation}: no failure was reported"
    assert os.strerror(code) in result.err, f"{operation}: {result.err}"

    def records():
        return [r for r in stage.mount.records() if r["path"] == path][seen:]

    record = wait_for(records, 5, f"a record for {path}")[-1]
    assert record["errno"] == errno.errorcode[code].replace("ENOTSUP", "EOPNOTSUPP")
    assert record["operation"]
    if record["http_status"] == 401:  # the token is good all the same
        assert stage.mount.sh("touch .vaultfs/refresh")
    if record["http_status"] != 404:  # a vault that is said to be gone may go
        assert stage.shown() == before
    return record


# An update call that is not there is a matter of W-rotate.
OPERATION_AND_STATUS = [
    (operation, status)
    for operation in OPERATIONS
    for status in STATUSES
    if operation != "rotate" or status not in (404, 405, 501)
]


@pytest.mark.parametrize("operation, status", OPERATION_AND_STATUS)
def test_errno_of_a_status(stage, proxy, status, operation):
    code = EXCEPTIONS.get((operation, status), STATUSES[status])
    if code == DONE:
        # The service says that it is gone; then it is gone here too.
        command, method, pattern, path = OPERATIONS[operation]
        scene = stage()
        proxy.on(method, pattern, error(status))
        assert scene.mount.sh(command)
        assert not os.path.lexists(str(scene.mount.path) + path)
        return
    answer = error(
        status,
        kind="some_error",
        message="the reason of the service",
        param="auth.token",
        x_should_retry="false",
    )
    record = fails(stage(), proxy, operation, answer, code)
    assert record["http_status"] == status
    assert record["type"] == "some_error"
    assert "the reason of the service" in record["message"]
    assert record["param"] == "auth.token"
    assert record["request_id"] == "req-4711"


@pytest.mark.parametrize("operation", ["create", "delete", "mkdir", "list"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_without_any_body_is_the_same_errno(stage, proxy, status, operation):
    answer = reply(status, b"", headers={"x-should-retry": "false"})
    record = fails(stage(), proxy, operation, answer, STATUSES[status])
    assert record["http_status"] == status
    assert record["message"]


FAULTS = {
    "garbage": (faultproxy.garbage, errno.EBADMSG),
    "html": (faultproxy.html, errno.EBADMSG),
    "not_an_object_of_the_api": (faultproxy.not_an_object, errno.EBADMSG),
    "empty_200": (reply(200, b""), errno.EBADMSG),
    "cut": (cut, errno.EBADMSG),
    "redirect": (
        reply(302, b"", headers={"Location": "http://127.0.0.1:1/"}),
        errno.EPROTO,
    ),
    "permanent_redirect": (
        reply(308, b"", headers={"Location": "https://example.com/"}),
        errno.EPROTO,
    ),
    "not_modified": (reply(304, b""), errno.EPROTO),
}


# No body is needed to believe a deletion.
OPERATION_AND_FAULT = [
    (operation, fault)
    for operation in OPERATIONS
    for fault in FAULTS
    if operation not in ("delete", "rmdir")
    or fault not in ("empty_200", "not_an_object_of_the_api")
]


@pytest.mark.parametrize("operation, fault", OPERATION_AND_FAULT)
def test_errno_of_a_reply_that_is_not_what_the_api_promises(
    stage, proxy, fault, operation
):
    action, code = FAULTS[fault]
    fails(stage(), proxy, operation, action, code)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_service_that_hangs_is_ETIMEDOUT_by_the_deadline(stage, proxy, operation):
    scene = stage("--timeout", "2")
    hold = Hold(then=close_unanswered)
    start = time.monotonic()
    fails(scene, proxy, operation, hold, errno.ETIMEDOUT, timeout=30)
    assert time.monotonic() - start < 3 * 2 + 5
    assert hold.held >= 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_service_that_is_not_there_is_ECONNREFUSED(stage, proxy, operation):
    scene = stage()
    command, _, _, path = OPERATIONS[operation]
    before = scene.held()
    proxy.stop()
    result = scene.mount.sh(command)
    assert result.status != 0
    assert os.strerror(errno.ECONNREFUSED) in result.err
    assert scene.held() == before
    assert scene.mount.record(path)["errno"] == "ECONNREFUSED"


def test_no_file_is_left_when_the_service_went_away(stage, proxy):
    scene = stage()
    proxy.stop()
    assert scene.mount.sh(WRITE).status != 0
    # What was listed stays readable, and nothing is added to it.
    assert scene.mount.ls("prod") == ["old.json"]
    assert scene.mount.sh("cat prod/old.json")


def test_a_connection_closed_before_the_request_was_read_harms_nothing(
    mounts, proxy, service
):
    service.make_vault("prod")
    mount = mounts(source=proxy.url)
    proxy.dropping = True
    wait_for(lambda: mount.sh(WRITE).status != 0 or "new.json" in mount.ls("prod"))
    proxy.dropping = False
    wait_for(lambda: mount.sh(WRITE).status == 0)
    assert list(service.credentials_of("prod")) == ["new.json"]


def test_a_passing_trouble_is_retried(stage, proxy):
    scene = stage()
    proxy.on("POST", CREDENTIALS, error(503, retry_after="0"), times=1)
    proxy.on("DELETE", CREDENTIAL, reply(429, b"", headers={"Retry-After": "0"}), 1)
    proxy.on("GET", CREDENTIALS, reply(500, b""), times=1)
    assert scene.mount.sh(WRITE)
    assert scene.mount.sh("rm prod/old.json")
    assert scene.mount.sh("ls unseen")
    assert scene.held()["prod"] == ["new.json"]
    keys = {r.key for r in proxy.of("POST", CREDENTIALS)}
    assert len(keys) == 1 and None not in keys
    assert len(proxy.of("POST", CREDENTIALS)) == 2


def test_retries_are_bounded(stage, proxy):
    scene = stage()
    proxy.on("POST", CREDENTIALS, error(503, retry_after="0"))
    assert scene.mount.sh(WRITE).status != 0
    assert 2 <= len(proxy.of("POST", CREDENTIALS)) <= 3


def test_every_write_has_a_key_and_no_two_share_one(stage, proxy):
    scene = stage()
    assert scene.mount.sh(WRITE) and scene.mount.sh("mkdir fresh")
    assert scene.mount.sh(WRITE)  # a rotation
    keys = [r.key for r in proxy.of("POST")]
    assert len(keys) == 3 and None not in keys
    assert len(set(keys)) == 3


# A POST that was read, and a kept-alive connection that closed without a byte


def posts_on_a_dying_connection(mount, proxy):
    """What the service was sent of one write, the first time on a connection
    that was used before."""
    warm = json.dumps(bearer(host="warm.example"))
    assert mount.sh(f"echo '{warm}' > prod/warm.json")
    used = {r.connection for r in proxy.of("POST", CREDENTIALS)}
    proxy.on("POST", CREDENTIALS, close_unanswered)
    result = mount.sh(WRITE)
    assert result.status != 0
    assert os.strerror(EREMOTEIO) in result.err
    posts = [r for r in proxy.of("POST", CREDENTIALS) if b"new.example" in r.body]
    assert posts, "nothing was sent"
    assert posts[0].connection in used, "the connection was not kept alive"
    proxy.clear()
    return posts


def test_a_POST_on_a_dying_connection_is_repeated_by_us_alone(stage, proxy):
    scene = stage()
    posts = posts_on_a_dying_connection(scene.mount, proxy)
    # Three attempts; a library that repeats by itself makes it four.
    assert len(posts) == 3
    keys = {r.key for r in posts}
    assert len(keys) == 1 and None not in keys
    assert scene.held()["prod"] == ["old.json", "warm.json"]
    assert scene.shown() == scene.held()


def test_without_keys_there_is_a_look_before_another_POST(mounts, services):
    service = services("--dialect", "anthropic")
    proxy = faultproxy.FaultProxy(service.port)
    try:
        service.make_vault("prod")
        url = f"http://127.0.0.1:{proxy.port}{service.dialect.prefix}"
        options = ("--dialect", "anthropic")
        mount = mounts(*options, source=url, token=service.token)
        first = posts_on_a_dying_connection(mount, proxy)[0]
        assert first.key is None
        sent = proxy.requests[proxy.requests.index(first) :]
        methods = [r.method for r in sent if r.matches(r.method, CREDENTIALS)]
        assert "POST POST" not in " ".join(methods)
        assert mount.ls("prod") == ["warm.json"]
    finally:
        proxy.stop()


def test_a_closed_connection_that_lost_nothing_is_no_failure(stage, proxy):
    scene = stage()
    proxy.on("GET", CREDENTIALS, close_unanswered, times=1)
    assert scene.mount.sh("ls unseen").out.split() == ["old.json"]


# The service acted; the reply was lost


def test_a_lost_reply_to_a_create_makes_no_duplicate(stage, proxy):
    scene = stage()
    proxy.on("POST", CREDENTIALS, act_then_close, times=1)
    # It is repeated under its key, and answered as the first time.
    assert scene.mount.sh(WRITE)
    assert len(proxy.of("POST", CREDENTIALS)) == 2
    assert scene.held()["prod"] == ["new.json", "old.json"]
    assert scene.mount.ls("prod") == ["new.json", "old.json"]
    assert scene.mount.sh("cat prod/new.json")
    assert scene.mount.sh(WRITE)
    assert scene.held()["prod"] == ["new.json", "old.json"]
    assert scene.shown() == scene.held()


def test_a_lost_reply_to_every_create_makes_no_duplicate(stage, proxy):
    scene = stage()
    proxy.on("POST", CREDENTIALS, act_then_close)
    for _ in range(3):
        scene.mount.sh(WRITE)
    proxy.clear()
    assert scene.held()["prod"] == ["new.json", "old.json"]
    assert scene.shown() == scene.held()


def test_a_lost_reply_to_a_delete_is_settled_by_the_next_look(stage, proxy):
    scene = stage()
    proxy.on("DELETE", CREDENTIAL, act_then_close, times=1)
    assert scene.mount.sh("rm prod/old.json")
    assert scene.held()["prod"] == []
    assert scene.mount.ls("prod") == []
    assert not os.path.exists(scene.mount / "prod/old.json")


def test_a_lost_reply_to_mkdir_makes_one_vault(stage, proxy):
    scene = stage()
    proxy.on("POST", VAULTS, act_then_close, times=1)
    assert scene.mount.sh("mkdir fresh")
    assert scene.mount.sh("test -d fresh")
    names = [v["display_name"] for v in scene.service.vaults()]
    assert names.count("fresh") == 1
    assert scene.shown() == scene.held()


def test_a_lost_reply_to_rmdir_is_settled_by_the_next_look(stage, proxy):
    scene = stage()
    proxy.on("DELETE", VAULT, act_then_close, times=1)
    scene.mount.sh("rmdir empty")
    assert sorted(scene.mount.ls()) == ["prod", "unseen"]
    assert not os.path.exists(scene.mount / "empty")


def test_a_lost_reply_to_a_rotation_keeps_one_credential(stage, proxy):
    scene = stage()
    proxy.on("POST", CREDENTIAL, act_then_close, times=1)
    command = OPERATIONS["rotate"][0]
    assert scene.mount.sh(command)
    assert scene.mount.sh(command)
    assert scene.held()["prod"] == ["old.json"]
    assert scene.shown() == scene.held()


# A failure never reads as "absent"


def test_a_failed_listing_is_not_an_empty_directory(stage, proxy):
    scene = stage()
    proxy.on("GET", CREDENTIALS, error(500, x_should_retry="false"))
    assert scene.mount.sh("ls unseen").status != 0
    result = scene.mount.sh("cat unseen/old.json")
    assert os.strerror(EREMOTEIO) in result.err
    result = scene.mount.sh(f"{WRITE.replace('prod', 'unseen')}")
    assert os.strerror(EREMOTEIO) in result.err
    assert scene.held()["unseen"] == ["old.json"]


def test_a_second_page_that_fails_fails_the_listing(mounts, proxy, service):
    vault = service.make_vault("prod")
    for i in range(101):
        service.make_credential(vault["id"], bearer(host=f"h{i}.example"), f"{i}.json")
    mount = mounts(source=proxy.url)

    def second_page_fails(exchange):
        if "page=" in exchange.request.path:
            return error(500, x_should_retry="false")(exchange)
        return faultproxy.forward(exchange)

    proxy.on("GET", CREDENTIALS, second_page_fails)
    result = mount.sh("ls prod")
    assert result.status != 0 and os.strerror(EREMOTEIO) in result.err
    proxy.clear()
    assert len(mount.ls("prod")) == 101


def test_a_cursor_that_does_not_advance_is_EBADMSG(mounts, proxy, service):
    vault = service.make_vault("prod")
    made = service.make_credential(vault["id"], bearer(), "f.json")
    page = {
        "data": [made],
        "next_page": "again",
        "first_id": made["id"],
        "last_id": made["id"],
        "has_more": True,
    }
    mount = mounts(source=proxy.url)
    proxy.on("GET", CREDENTIALS, reply(200, json.dumps(page).encode()))
    result = mount.sh("ls prod")
    assert result.status != 0 and os.strerror(errno.EBADMSG) in result.err
    assert len(proxy.of("GET", CREDENTIALS)) < 10


@pytest.mark.parametrize("bad_id", ["../../x", "", "a" * 65, "a b", "a/b", None, 7])
def test_an_id_that_is_none_is_EBADMSG(mounts, proxy, service, bad_id):
    vault = service.make_vault("prod")
    made = service.make_credential(vault["id"], bearer(), "f.json") | {"id": bad_id}
    page = {"data": [made], "next_page": None, "has_more": False}
    mount = mounts(source=proxy.url)
    proxy.on("GET", CREDENTIALS, reply(200, json.dumps(page).encode()))
    result = mount.sh("ls prod")
    assert result.status != 0 and os.strerror(errno.EBADMSG) in result.err


def test_secrets_that_a_faulty_service_returns_are_not_shown(mounts, proxy, service):
    vault = service.make_vault("prod")
    made = service.make_credential(vault["id"], bearer(), "f.json")
    made["auth"] |= {"token": "s3same", "deep": [{"client_secret": "s3same"}]}
    made |= {"access_token": "s3same", "unknown": {"kept": [1, 2.50, None]}}
    page = {"data": [made], "next_page": None, "has_more": False}
    mount = mounts(source=proxy.url)
    proxy.on("GET", CREDENTIALS, reply(200, json.dumps(page).encode()))
    shown_text = (mount / "prod/f.json").read_text()
    assert "s3same" not in shown_text
    shown_object = json.loads(shown_text)
    assert shown_object["unknown"] == {"kept": [1, 2.50, None]}
    assert shown_object["auth"]["deep"] == [{}]


def test_the_token_goes_to_no_other_origin(mounts, proxy, service):
    """A redirect is refused, and nobody at its target is asked."""
    other = faultproxy.FaultProxy(service.port)
    try:
        service.make_vault("prod")
        mount = mounts(source=proxy.url)
        target = f"{other.url}/vaults"
        proxy.on("GET", CREDENTIALS, reply(307, b"", headers={"Location": target}))
        proxy.on("POST", VAULTS, reply(307, b"", headers={"Location": target}))
        assert mount.sh("ls prod").status != 0
        assert mount.sh("mkdir x").status != 0
        assert other.requests == []
    finally:
        other.stop()


def test_a_refused_write_says_so_in_text_logs_too(mounts, proxy, service):
    service.make_vault("prod")
    mount = mounts("--log-format", "text", source=proxy.url)
    proxy.on("POST", CREDENTIALS, error(422, "bad_error", "what\x1b[31m is", "auth"))
    assert mount.sh(WRITE).status != 0
    line = wait_for(
        lambda: [x for x in mount.log.read_text().splitlines() if "new.json" in x]
    )[0]
    for part in ("EINVAL", "HTTP 422", "bad_error", "auth", "req-4711"):
        assert part in line
    assert "\x1b" not in line


def test_a_write_to_another_file_works_after_a_refused_one(stage, proxy):
    scene = stage()
    proxy.on("POST", CREDENTIALS, error(400), times=1)
    assert scene.mount.sh(WRITE).status != 0
    (scene.mount / "prod/next.json").write_bytes(text(bearer(host="next.example")))
    assert scene.mount.ls("prod") == ["next.json", "old.json"]
