# SPDX-License-Identifier: MIT
"""A token that ends in the middle of something: it is done whole, or it fails
and says so; never by halves without a word, and never twice."""

import errno
import json
import os
import threading

import pytest

from support.errnos import errno_of
from support.faultproxy import FaultProxy, act_then_close, error
from support.paths import VAULTFS
from support.process import run, wait_for
from support.service import CREDENTIAL, CREDENTIALS, VAULT, VAULTS
from support.specs import bearer, flat, text
from support.tokens import Issuer, token_of, write_private

refusal = error(401, "authentication_error", "the token was refused")

VAULTS_COUNT = 12


def last_error(mount):
    return json.loads((mount / ".vaultfs/last_error").read_text())


class Bench:
    """A service of one dialect, a proxy, and a mount with a token of its own."""

    def __init__(self, service, proxy, mount, token_file):
        self.service = service
        self.proxy = proxy
        self.mount = mount
        self.token_file = token_file
        self.issuer = Issuer(service)

    def end_at(self, method, pattern, before=0, is_replaced=True):
        """The first token is refused from such a request on, whatever comes
        then; before that, some may pass. A second one may lie ready."""
        first = self.token_file.read_text().strip()
        state = {"left": before, "ended": False}
        lock = threading.Lock()  # requests come side by side

        def act(exchange):
            request = exchange.request
            is_such = method in ("", request.method) and request.matches(
                request.method, pattern
            )
            with lock:
                if is_such and not state["ended"]:
                    state["left"] -= 1
                    if state["left"] < 0 and is_replaced:
                        self.renew()
                    state["ended"] = state["left"] < 0
            if state["ended"] and token_of(request) == first:
                return refusal(exchange)
            exchange.send(*exchange.upstream())
            return True

        for each in ("GET", "POST", "DELETE"):
            self.proxy.on(each, r"/vaults", act)

    def renew(self):
        self.token_file.write_text(self.issuer.token("second") + "\n")

    def held(self):
        return {
            vault["display_name"]: sorted(
                url_of(c) for c in self.service.credentials(vault["id"])
            )
            for vault in self.service.vaults()
        }


def url_of(credential):
    return credential.get("auth", credential)["mcp_server_url"]


def spec_for(bench, host, token="secret"):
    make = flat if bench.service.dialect_name == "qoder-flat" else bearer
    return make(host=host, token=token)


def url(host):
    return f"https://{host}/sse"


@pytest.fixture(params=["qoder", "qoder-flat", "anthropic"])
def bench(request, services, bare_mounts, tmp_path):
    service = services("--dialect", request.param, "--duplicate", "allow")
    proxy = FaultProxy(service.port)
    path = tmp_path / "token"
    write_private(path, Issuer(service).token("first") + "\n")
    for name in ("prod", *(f"v{n:02}" for n in range(VAULTS_COUNT))):
        service.make_vault(name)
    base = f"http://127.0.0.1:{proxy.port}{service.dialect.prefix}"
    mount = bare_mounts(
        "--ttl",
        "600",
        "--dialect",
        request.param,
        "--token-file",
        path,
        source=base,
    )
    bench = Bench(service, proxy, mount, path)
    for host in ("a.example", "b.example"):
        (mount / f"prod/{host}.json").write_bytes(text(spec_for(bench, host)))
    yield bench
    mount.stop()
    proxy.stop()


def test_the_token_is_sent_as_the_dialect_wants_it(bench):
    token = bench.token_file.read_text().strip()
    for request in bench.proxy.requests:
        names = [k for k, v in request.headers.items() if token in v]
        expected = bench.service.dialect.token_header.lower()
        assert names == [expected]


def test_a_walk_over_a_new_token_sees_everything(bench):
    bench.end_at("GET", CREDENTIALS, before=3)
    result = bench.mount.sh("find . -name .vault.json | wc -l")
    assert result and result.out.strip() == str(VAULTS_COUNT + 1), result


def test_a_walk_over_the_end_of_access_says_so(bench):
    bench.end_at("GET", CREDENTIALS, before=3, is_replaced=False)
    result = bench.mount.sh("find . -name .vault.json")
    assert result.status != 0
    assert os.strerror(errno.EKEYREJECTED) in result.err


PAGE = 100  # entries, as many as a service gives at once


def test_a_long_list_over_a_new_token_is_whole(bench):
    for n in range(PAGE):
        bench.service.make_vault(f"long{n:03}")
    bench.mount.refresh()
    bench.end_at("GET", VAULTS, before=1)
    names = wait_for(lambda: len(bench.mount.ls()) > PAGE and bench.mount.ls(), 20)
    assert names == sorted(bench.held())


def test_a_long_list_over_the_end_of_access_is_no_short_one(bench):
    for n in range(PAGE):
        bench.service.make_vault(f"long{n:03}")
    bench.end_at("GET", VAULTS, before=1, is_replaced=False)
    bench.mount.refresh()
    wait_for(lambda: errno_of(bench.mount.ls) == errno.EKEYREJECTED, 20)
    assert errno_of(bench.mount.ls) == errno.EKEYREJECTED
    bench.renew()
    assert bench.mount.ls() == sorted(bench.held())


def test_a_rotation_over_a_new_token_is_done_once(bench):
    before = bench.held()
    bench.end_at("POST", CREDENTIALS + "|" + CREDENTIAL)
    path = bench.mount / "prod/a.example.json"
    path.write_bytes(text(spec_for(bench, "a.example", "next")))
    assert bench.held() == before
    (found,) = [
        c
        for c in bench.service.credentials(bench.service.vault("prod")["id"])
        if url_of(c) == url("a.example")
    ]
    assert json.loads(path.read_text())["id"] == found["id"]


def test_a_rotation_over_the_end_of_access_changes_nothing(bench):
    before = bench.held()
    bench.end_at("POST", CREDENTIALS + "|" + CREDENTIAL, is_replaced=False)
    path = bench.mount / "prod/a.example.json"
    document = text(spec_for(bench, "a.example", "next"))
    assert errno_of(path.write_bytes, document) == errno.EKEYREJECTED
    assert bench.held() == before
    bench.renew()
    path.write_bytes(document)
    assert bench.held() == before


def vault_spec(bench):
    return {
        "display_name": "whole",
        "credentials": [spec_for(bench, f"s{n}.example") for n in range(4)],
    }


WHOLE = [url(f"s{n}.example") for n in range(4)]


def spec_requests(bench):
    """Where a vault spec can be cut in two, for this dialect."""
    if bench.service.dialect_name == "qoder-flat":
        return ("POST", VAULTS, 0)
    return ("POST", CREDENTIALS, 2)


def test_W_vault_a_spec_over_a_new_token_is_done_whole_and_once(bench):
    method, pattern, before = spec_requests(bench)
    bench.end_at(method, pattern, before)
    (bench.mount / "whole.json").write_bytes(text(vault_spec(bench)))
    assert bench.held()["whole"] == WHOLE
    assert len([v for v in bench.service.vaults() if v["display_name"] == "whole"]) == 1


def test_W_vault_a_spec_over_the_end_of_access_says_what_it_left(bench):
    method, pattern, before = spec_requests(bench)
    bench.end_at(method, pattern, before, is_replaced=False)
    document = text(vault_spec(bench))
    path = bench.mount / "whole.json"
    assert errno_of(path.write_bytes, document) == errno.EKEYREJECTED
    left = bench.held().get("whole")
    if left is not None:
        # Nothing can be taken back without a token. It must be told.
        record = bench.mount.record("/whole.json")
        assert "is left" in record["message"], record
    bench.renew()
    wait_for(lambda: errno_of(os.listdir, bench.mount.path) == 0, 10)
    if left is not None:
        bench.mount.refresh()
        wait_for(lambda: "whole" in bench.mount.ls(), what="what was left")
        assert run(["rm", "-r", str(bench.mount / "whole")])
    path.write_bytes(document)
    assert bench.held()["whole"] == WHOLE


def test_E_rename_over_another_over_a_new_token_is_done_whole(bench):
    if bench.service.dialect_name == "qoder-flat":
        pytest.skip("this dialect keeps names on this machine: one request, or none")
    bench.end_at("DELETE", CREDENTIAL)
    a, b = (bench.mount / f"prod/{host}.example.json" for host in "ab")
    os.rename(a, b)
    assert bench.mount.ls("prod") == ["b.example.json"]
    assert bench.held()["prod"] == [url("a.example")]
    names = [bench.service.file_name(c) for c in bench.service.credentials(
        bench.service.vault("prod")["id"])]
    assert names == ["b.example.json"]


def test_E_rename_over_another_over_the_end_of_access_loses_nothing(bench):
    bench.end_at("DELETE", CREDENTIAL, is_replaced=False)
    a, b = (bench.mount / f"prod/{host}.example.json" for host in "ab")
    code = errno_of(os.rename, a, b)
    assert code == errno.EKEYREJECTED
    assert bench.held()["prod"] == [url("a.example"), url("b.example")]
    bench.renew()
    bench.mount.refresh()
    wait_for(lambda: len(bench.mount.ls("prod")) == 2, what="both of them")
    shown = {url_of(json.loads((bench.mount / "prod" / n).read_text()))
             for n in bench.mount.ls("prod")}
    assert shown == {url("a.example"), url("b.example")}


def test_rm_of_a_vault_over_a_new_token_is_done(bench):
    bench.end_at("DELETE", CREDENTIAL, before=1)
    assert bench.mount.sh("rm -r prod")
    assert "prod" not in bench.held()


def test_rm_of_a_vault_over_the_end_of_access_says_so(bench):
    bench.end_at("DELETE", VAULT, is_replaced=False)
    result = bench.mount.sh("rm -r prod")
    assert result.status != 0 and os.strerror(errno.EKEYREJECTED) in result.err, result
    assert bench.held()["prod"] == []
    bench.renew()
    assert bench.mount.sh("rm -r prod")
    assert "prod" not in bench.held()


def test_W_idempotent_a_lost_reply_and_then_the_end_of_access(bench):
    """It may have been done: that is said, and the next attempt makes no second."""
    path = bench.mount / "prod/new.json"
    document = text(spec_for(bench, "new.example"))

    def act_and_end(exchange):
        bench.end_at("", "", is_replaced=False)
        return act_then_close(exchange)

    bench.proxy.on("POST", CREDENTIALS, act_and_end, times=1)
    # Without idempotency keys it is not sent again, and the lost reply is told.
    has_keys = bench.service.dialect_name != "anthropic"
    expected = errno.EKEYREJECTED if has_keys else errno.EREMOTEIO
    assert errno_of(path.write_bytes, document) == expected
    record = last_error(bench.mount)
    assert (record["path"], record["outcome_unknown"]) == ("/prod/new.json", True)
    bench.renew()
    path.write_bytes(document)
    urls = bench.held()["prod"]
    assert urls.count(url("new.example")) == 1, urls


def test_apply_over_a_new_token_is_done_whole(bench):
    """A loop of a user's, a file after another."""
    for n in range(6):
        document = text(spec_for(bench, f"n{n}.example"))
        (bench.mount.directory / f"n{n}.json").write_bytes(document)
    bench.end_at("POST", CREDENTIALS, before=2)
    assert bench.mount.sh("for f in ../n?.json; do cp $f prod/ || exit; done")
    assert {url(f"n{n}.example") for n in range(6)} <= set(bench.held()["prod"])
    assert len(bench.held()["prod"]) == 8
    result = run([str(VAULTFS), "why", str(bench.mount.path)], env=bench.mount.env)
    assert "nothing has failed" in result.out
