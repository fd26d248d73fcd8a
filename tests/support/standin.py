# SPDX-License-Identifier: MIT
"""A service in memory, for tests about the requests themselves: how many, in
which order, how many at once. It shows vaults with credentials, takes new
credentials, and fails as a FaultProxy does, by the same rules.

    standin = StandIn(vaults=200, each=3)
    standin.on("GET", standin.listing("v007"), error(500))
"""

import json
import re
import threading
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

from .faultproxy import Exchange, FaultProxy, error
from .process import wait_for
from .service import CREDENTIALS, PREFIX, VAULTS
from .specs import bearer

PAGE_MAX = 100
CREATED = "2026-05-18T15:34:16Z"
# For so long nothing came and nothing is on its way: then nothing will.
QUIET_SECONDS = 0.15

# A clock that is read in milliseconds is that much early, at most.
CLOCK_SECONDS = 0.002

HEADERS = [("Content-Type", "application/json")]


class Vault:
    def __init__(self, number, name):
        self.name = name
        self.id = f"vault_{number:032x}"
        self.credentials = {}  # by file name

    def shown(self):
        return {
            "id": self.id,
            "type": "vault",
            "display_name": self.name,
            "metadata": {},
            "archived_at": None,
            "created_at": CREATED,
            "updated_at": CREATED,
        }


class Answered(Exchange):
    """An exchange that needs nobody behind it, and is counted."""

    is_over = False

    def upstream(self):
        status, body = self.proxy.answer(self.request)
        return status, HEADERS, json.dumps(body).encode()

    def send(self, *args, **options):
        # Before the first byte: who has the reply may send the next request.
        self.end()
        super().send(*args, **options)

    def end(self):
        if not self.is_over:
            self.is_over = True
            self.proxy.count(-1)


class Later:
    """Refuses with Retry-After, and knows since when."""

    def __init__(self, seconds, status=429, value=None, name="Retry_After"):
        self.seconds = seconds
        self.sent_at = 0.0
        self._sent = threading.Event()
        headers = {name: str(value or seconds)}
        self._refuse = error(status, "rate_limit_error", "not now", **headers)

    def __call__(self, exchange):
        self.sent_at = time.monotonic()
        try:
            return self._refuse(exchange)
        finally:
            self._sent.set()

    def wait(self):
        assert self._sent.wait(10), "nothing came that could be refused"

    def disobeyed_by(self, requests):
        """The requests that came when the service wanted none."""
        end = self.sent_at + self.seconds - CLOCK_SECONDS
        return [r for r in requests if self.sent_at < r.at < end]


class StandIn(FaultProxy):
    """names, or how many: "v000" and so on, each with files "c0.json", ..."""

    exchange = Answered

    def __init__(self, vaults=0, each=0, delay_s=0.0):
        self.delay_s = delay_s  # before each reply
        self.peak = 0  # the most requests in flight at once
        self._in_flight = 0
        self._last = 0.0  # when something came or went
        self._numbers = 0
        self._vaults = {}  # by name
        self._state = threading.RLock()
        names = vaults
        if isinstance(vaults, int):
            names = [f"v{i:03}" for i in range(vaults)]
        for name in names:
            self.make_vault(name)
            for i in range(each):
                self.put(name, f"c{i}.json")
        super().__init__(None)

    # What it shows.

    @property
    def names(self):
        with self._state:
            return sorted(self._vaults)

    def make_vault(self, name):
        with self._state:
            self._vaults[name] = Vault(self._number(), name)
            return self._vaults[name]

    def drop_vault(self, name):
        with self._state:
            del self._vaults[name]

    def put(self, vault, file, **metadata):
        """A credential as somebody else makes it, or changes it."""
        with self._state:
            spec = bearer(host=f"{file.removesuffix('.json')}.example")
            spec["metadata"] = metadata | {"vaultfs.name": file}
            return self._keep(self._vaults[vault], file, spec)

    def drop(self, vault, file):
        with self._state:
            del self._vaults[vault].credentials[file]

    def files(self, vault):
        with self._state:
            return sorted(self._vaults[vault].credentials)

    # What it was asked.

    def listing(self, *vaults):
        """The pattern of the requests that list these vaults."""
        with self._state:
            ids = [self._vaults[name].id for name in vaults]
        return f"/vaults/({'|'.join(ids)})/credentials$"

    def listed(self):
        """The names of the vaults that were listed, a name for each request."""
        with self._state:
            names = {vault.id: vault.name for vault in self._vaults.values()}
        found = [request.path for request in self.of("GET", CREDENTIALS)]
        return [names.get(path.split("/")[-2], path) for path in found]

    def times_listed(self):
        return Counter(self.listed())

    def pages(self):
        """How often a page of vaults was asked for."""
        return len(self.of("GET", VAULTS))

    @property
    def total(self):
        with self._lock:
            return len(self.requests)

    def settle(self):
        """Wait until nothing is on its way."""
        self._wait_quiet(lambda: self._in_flight == 0)

    def settle_held(self, hold):
        """Wait until no more arrive at a hold, and say how many did."""
        self._wait_quiet(lambda: True)
        return hold.held

    def _wait_quiet(self, condition):
        start = time.monotonic()

        def is_quiet():
            with self._lock:
                silence = time.monotonic() - max(start, self._last)
                return condition() and silence > QUIET_SECONDS

        wait_for(is_quiet, what="an end of the requests")

    # How it answers.

    def count(self, step):
        with self._lock:
            self._in_flight += step
            self.peak = max(self.peak, self._in_flight)
            self._last = time.monotonic()

    def _decide(self, request):
        request.at = time.monotonic()
        self.count(1)
        action = super()._decide(request)

        def counted(exchange):
            try:
                if self.delay_s:
                    time.sleep(self.delay_s)
                return action(exchange)
            finally:
                exchange.end()

        return counted

    def answer(self, request):
        url = urlsplit(request.path.removeprefix(PREFIX))
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        match = re.search(r"^/vaults(?:/([^/]+)/credentials)?$", url.path)
        with self._state:
            if not match:
                return not_found(url.path)
            if match[1] is None:
                return 200, self._answer_root(request, query)
            for vault in self._vaults.values():
                if vault.id == match[1]:
                    return self._answer_in(vault, request, query)
        return not_found(url.path)

    def _answer_root(self, request, query):
        if request.method == "GET":
            return page([vault.shown() for vault in self._vaults.values()], query)
        return self.make_vault(json.loads(request.body)["display_name"]).shown()

    def _answer_in(self, vault, request, query):
        if request.method == "GET":
            return 200, page(list(vault.credentials.values()), query)
        spec = json.loads(request.body)
        return 200, self._keep(vault, spec["metadata"]["vaultfs.name"], spec)

    def _keep(self, vault, file, spec):
        old = vault.credentials.get(file)
        shown = {
            "id": old["id"] if old else f"vcred_{self._number():032x}",
            "type": "vault_credential",
            "vault_id": vault.id,
            "auth": {k: v for k, v in spec["auth"].items() if k != "token"},
            "display_name": None,
            "metadata": spec["metadata"],
            "archived_at": None,
            "created_at": CREATED,
            "updated_at": f"2026-06-01T00:00:00.{self._number():06}Z",
        }
        vault.credentials[file] = shown
        return shown

    def _number(self):
        self._numbers += 1
        return self._numbers


def page(objects, query):
    start = int(query.get("page", 0))
    end = start + min(int(query.get("limit", 20)), PAGE_MAX)
    more = end < len(objects)
    return {
        "data": objects[start:end],
        "next_page": str(end) if more else None,
        "first_id": None,
        "last_id": None,
        "has_more": more,
    }


def not_found(path):
    detail = {"type": "not_found_error", "message": f"there is no {path}"}
    return 404, {"type": "error", "request_id": "req-1", "error": detail}
