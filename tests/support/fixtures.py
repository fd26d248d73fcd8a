# SPDX-License-Identifier: MIT
"""Fixtures and hooks of the tests on real mounts; a conftest.py imports them all.
Each fixture cleans up after itself."""

import os
import signal
import threading

import pytest

from .faultproxy import FaultProxy
from .home import Home
from .mount import Mount
from .paths import VAULTD, VAULTFS, is_sanitized
from .process import ends_within
from .service import Service
from .standin import StandIn
from .users import Machine, why_no_machine

# A call into a file system whose daemon hangs cannot be interrupted from here.
# When a test takes longer than this, its daemons are killed: then the kernel
# answers the call, and the test fails.
TEST_SECONDS_MAX = int(os.environ.get("VAULTFS_TEST_SECONDS_MAX", "60"))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than ten seconds or so")


def pytest_sessionstart(session):
    # Who started us may ignore them, as a shell's background and nohup do, and
    # all that we start would be deaf to them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    for program in (VAULTFS, VAULTD):
        if not program.exists():
            pytest.exit(f"{program} is not built (VAULTFS_BUILD names the build)", 2)


def why_no_fuse():
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as reason:
        return f"/dev/fuse cannot be opened: {reason.strerror}"
    return None


def pytest_collection_modifyitems(items):
    reason = why_no_fuse()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


class Watchdog:
    """Kills what a test started when the test does not end."""

    def __init__(self, seconds):
        self.mounts = []
        self.has_fired = False
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self):
        self.has_fired = True
        for mount in self.mounts:
            if mount.process is not None:
                mount.process.kill()

    def cancel(self):
        self._timer.cancel()


@pytest.fixture
def watchdog(request):
    factor = 5 if request.node.get_closest_marker("slow") else 1
    dog = Watchdog(factor * TEST_SECONDS_MAX)
    yield dog
    dog.cancel()
    assert not dog.has_fired, "the test hung; its daemons were killed"


@pytest.fixture
def services(tmp_path):
    """Starts a vaultd: services("--duplicate", "allow")."""
    started = []

    def start(*options):
        service = Service(tmp_path / f"service{len(started)}", *options)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.stop()


@pytest.fixture
def service(services):
    return services()


@pytest.fixture
def mounts(service, tmp_path, watchdog):
    """Starts a mount: mounts("--ttl", "1", source=proxy.url)."""
    started = []

    def start(*options, source=None, token=None, **popen):
        directory = tmp_path / f"mount{len(started)}"
        mount = Mount(
            source or service.url, directory, token or service.token, *options
        )
        started.append(mount)
        watchdog.mounts.append(mount)
        return mount.start(**popen)

    yield start
    stop_all(started)


def stop_all(mounts):
    """Stop them, and see that no sanitizer complained in the log of one."""
    for mount in mounts:
        mount.stop()
    if is_sanitized(VAULTFS):
        for mount in mounts:
            assert_no_finding(mount.log)


def assert_no_finding(log):
    text = log.read_text(errors="replace")
    assert "ERROR: " not in text and "runtime error: " not in text, text


@pytest.fixture
def mount(mounts):
    """A mount whose listings live as long as the test."""
    return mounts("--ttl", "600")


@pytest.fixture
def proxy(service):
    proxy = FaultProxy(service.port)
    yield proxy
    proxy.stop()


@pytest.fixture
def proxied(mounts, proxy):
    """A mount behind the proxy, whose listings live as long as the test."""
    return mounts("--ttl", "600", source=proxy.url)


@pytest.fixture
def standins():
    """Makes a service in memory: standins(vaults=200, each=3)."""
    started = []

    def start(*args, **options):
        standin = StandIn(*args, **options)
        started.append(standin)
        return standin

    yield start
    for standin in started:
        standin.stop()


@pytest.fixture
def mount_of(mounts):
    """Mounts one of these: mount_of(standin, "--concurrency", "4")."""

    def start(standin, *options):
        if "--ttl" not in options:
            options = ("--ttl", "600", *options)
        return mounts(*options, source=standin.url, token="a-token")

    return start


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    yield home
    home.end()


@pytest.fixture
def machine():
    """Where ordinary users may mount; see support.users."""
    if why_no_machine():
        pytest.skip(why_no_machine())
    machine = Machine()
    yield machine
    machine.end()


@pytest.fixture
def nobody(machine):
    """The ordinary user whose mounts a test is about."""
    return machine.user("nobody")


@pytest.fixture
def stranger(machine):
    """An ordinary user whom they do not concern."""
    return machine.user("daemon")


@pytest.fixture
def children():
    """Processes that must not outlive the test: children(mount.spawn(...))."""
    started = []

    def keep(process):
        started.append(process)
        return process

    yield keep
    # All first: one may hold, in the kernel, what another waits for.
    for process in started:
        if process.poll() is None:
            process.kill()
    for process in started:
        assert ends_within(process, 20), f"{process.args} cannot be killed"
