# SPDX-License-Identifier: MIT
"""A start that hangs, and who loses patience: nothing is left behind."""

import array
import fcntl
import os
import signal
import termios

import pytest

from support.faultproxy import Hold
from support.mount import daemons_of, mounts_at
from support.paths import VAULTFS
from support.process import ends_within, spawn, stop, wait_for
from support.tokens import EXCHANGE, write_private

# Commands may take 60 s here, and requests too. "At once" is a small part of it.
PATIENT = ("--token-command-timeout", "60", "--timeout", "60")
AT_ONCE = 8

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@pytest.fixture
def hold(proxy):
    """The service takes requests, and says nothing until it is let go."""
    hold = Hold()
    proxy.on("GET", r"/vaults", hold)
    proxy.on("POST", EXCHANGE, hold)
    return hold


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def unread(fd):
    """How many bytes wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


class Start:
    """A mount that is being started, on a mount point that is not there yet."""

    def __init__(self, home, keep):
        self.home = home
        self.point = home.path / "made"
        self._keep = keep

    def run(self, url, *args, **options):
        command = [VAULTFS, "mount", url, self.point, *PATIENT, *args]
        options = {"env": self.home.env, "cwd": self.home.path} | options
        self.process = self._keep(spawn(list(map(str, command)), **options))

    def signal(self, number):
        assert self.point.is_dir()
        self.process.send_signal(number)

    def assert_nothing_left(self, number):
        assert ends_within(self.process, AT_ONCE), f"deaf to {number.name}"
        assert self.process.returncode == -number
        assert daemons_of(self.point) == []
        assert mounts_at(self.point) == 0
        assert not self.point.exists()


@pytest.fixture
def start(home, children):
    start = Start(home, children)
    yield start
    for pid in daemons_of(start.point):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def in_command(start, service, command):
    def begin(*flags):
        command.hang()
        start.run(service.url, "--token-command", command.text, *flags)
        command.wait_until_it_hangs()

    yield begin
    assert not command.processes()


@pytest.fixture
def in_descriptor(start, service, pipe):
    def begin(*flags):
        reader, writer = pipe
        os.write(writer, b"the beginning of a token")
        start.run(service.url, "--token-fd", reader, *flags, pass_fds=[reader])
        wait_for(lambda: unread(reader) == 0, what="the reading of the pipe")

    return begin


@pytest.fixture
def in_exchange(start, proxy, issuer, hold):
    def begin(*flags):
        key = write_private(start.home.path / "key", issuer.key("mine") + "\n")
        start.run(proxy.url, "--service-account-key-file", key, *flags)
        hold.wait()

    return begin


@pytest.fixture
def in_probe(start, service, proxy, hold):
    def begin(*flags):
        token = write_private(start.home.path / "token", service.token + "\n")
        start.run(proxy.url, "--token-file", token, *flags)
        hold.wait()

    return begin


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("flags", [(), ("-f",)], ids=["background", "foreground"])
@pytest.mark.parametrize(
    "where", ["in_command", "in_descriptor", "in_exchange", "in_probe"]
)
def test_a_start_that_hangs_is_left_at_once(request, start, where, flags, number):
    begin = request.getfixturevalue(where)
    begin(*flags)
    start.signal(number)
    start.assert_nothing_left(number)


def test_a_mount_point_that_was_there_stays(start, in_probe):
    start.point.mkdir()
    in_probe()
    start.signal(signal.SIGINT)
    assert ends_within(start.process, AT_ONCE)
    assert start.point.is_dir()
    assert daemons_of(start.point) == []


def test_what_was_put_into_a_new_mount_point_stays(start, in_probe):
    in_probe()
    (start.point / "mine").touch()
    start.signal(signal.SIGINT)
    assert ends_within(start.process, AT_ONCE)
    assert (start.point / "mine").exists()


@pytest.mark.parametrize("flags", [(), ("-f",)], ids=["background", "foreground"])
def test_nohup_is_heard(start, in_probe, flags):
    """What was to be ignored is, and what was not is not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        in_probe(*flags)
    finally:
        signal.signal(signal.SIGHUP, before)
    start.signal(signal.SIGHUP)
    start.signal(signal.SIGTERM)
    start.assert_nothing_left(signal.SIGTERM)


def test_a_daemon_that_is_deaf_is_killed(start, in_probe):
    """Stopped, it cannot hear; the wait for it is bounded."""
    in_probe()
    (daemon,) = [p for p in daemons_of(start.point) if p != start.process.pid]
    stop(daemon)
    start.signal(signal.SIGINT)
    assert ends_within(start.process, 30)
    assert daemons_of(start.point) == []
    assert not start.point.exists()


def test_a_mount_that_is_ready_stays(start, in_probe, hold):
    """Who waits was told already, and a signal after that is too late."""
    in_probe()
    stop(start.process.pid)
    hold.release()
    wait_for(lambda: mounts_at(start.point) == 1, what="the mount")
    assert os.listdir(start.point) == []  # it serves, and so has told
    start.process.send_signal(signal.SIGINT)
    start.process.send_signal(signal.SIGCONT)
    assert start.process.wait(AT_ONCE) == 0
    assert os.listdir(start.point) == []
