# SPDX-License-Identifier: MIT
"""Getting ready, standing somebody who hangs, and vaultd by itself."""

import contextlib
import shutil
from contextlib import ExitStack

from support.certificates import Authority
from support.faultproxy import FaultProxy, Hold
from support.mount import end_daemons, mounts_at
from support.nginx import PROGRAM as NGINX
from support.nginx import Nginx
from support.paths import VAULTFS, environment
from support.process import finish

from ..job import job
from ..measure import (
    Case, Sample, Skipped, in_round_trips, other, ratio_at_least, ratio_at_most,
    requests, round_trips,
)  # fmt: skip
from ..mounts import mounted, source
from ..peers import script
from ..services import (
    create_load, distant, file_name, serving, vault_name, write_token,
)  # fmt: skip
from ..tools import (
    check, check_equal, count_lines, run_for_json, run_timed, time_command,
)  # fmt: skip

DELAY_MS = 50


def time_mount(bench, service, url, *options):
    """The seconds of `vaultfs mount`, which returns when the mount is ready."""
    place = bench.place("r")
    mountpoint = place / "mnt"
    mountpoint.mkdir(parents=True)
    (place / "run").mkdir(mode=0o700)
    command = [VAULTFS, "mount", url, mountpoint, "--token-file", write_token(service)]
    log = place / "log"
    try:
        with log.open("wb") as out:
            env = environment(place, XDG_RUNTIME_DIR=str(place / "run"))
            seconds, status = time_command(
                [*command, *options], 60, env=env, stdout=out, stderr=out
            )
        check_equal("exit status", (status, log.read_text()[:300]), (0, ""))
        check_equal("mounts", mounts_at(mountpoint), 1)
        return seconds
    finally:
        end_daemons(mountpoint)


def ready_case(title, trips, sample):
    goals = (in_round_trips(trips, DELAY_MS), requests(1))
    bound = round_trips(trips, DELAY_MS)
    return Case(title, {"vaultfs": sample}, DELAY_MS, {"vaultfs": bound},
                {"vaultfs": goals}, share=2)  # fmt: skip


@contextlib.contextmanager
def tls_in_front(directory, service):
    """nginx, and the options of who trusts it."""
    if NGINX is None or shutil.which("openssl") is None:
        raise Skipped("nginx or openssl is not installed")
    authority = Authority(directory / "authority")
    certificate = authority.issue("good", "IP:127.0.0.1", "DNS:localhost")
    nginx = Nginx(directory / "nginx", service.port, certificate)
    try:
        yield nginx.start(), ("--cacert", authority.path)
    finally:
        nginx.stop()


@job("mount-ready", "vaultfs mount of a service that runs, until it returns")
def mount_ready(bench):
    """TLS over a wire: the handshakes of TCP and TLS are round trips too."""
    directory = bench.place("s")
    with ExitStack() as stack:
        service = stack.enter_context(
            serving(directory, bench.sizes.vaults, bench.sizes.credentials)
        )
        distance = stack.enter_context(distant(directory, service.port, DELAY_MS))

        def plain(number):
            distance.reset()
            seconds = time_mount(bench, service, source(distance.port))
            return Sample(seconds, distance.requests)

        front = {}

        def tls(number):
            if not front:
                nginx, trusted = stack.enter_context(tls_in_front(directory, service))
                place = directory / "wire"
                place.mkdir()
                wire = stack.enter_context(distant(place, nginx.port, DELAY_MS, True))
                front.update(nginx=nginx, trusted=trusted, port=wire.port)
            before = len(front["nginx"].requests())
            url = source(front["port"], "https")
            seconds = time_mount(bench, service, url, *front["trusted"])
            return Sample(seconds, len(front["nginx"].requests()) - before)

        yield [
            ready_case("mount ready, http", 1, plain),
            ready_case("mount ready, TLS", 3, tls),
        ]


CATS = """
for ((i = 0; i < $1; i++)); do
    cat "$2" || exit
done
"""


@job("cat-hanging", "cat of what is known while another vault's listing hangs")
def cat_hanging(bench):
    free, hanging = "nothing hangs", "a listing hangs"
    count = bench.sizes.cats
    with ExitStack() as stack:
        service = stack.enter_context(serving(bench.place("s"), 2, 10))
        proxy = FaultProxy(service.port)
        stack.callback(proxy.stop)
        slow = service.vault(vault_name(1))["id"]

        def cats(mount):
            command = script(CATS, count, file_name(0))
            seconds = run_timed(command, mount / vault_name(0), bench.output)
            shown = (mount / vault_name(0) / file_name(0)).read_bytes().count(b"\n")
            check_equal("lines", count_lines(bench.output), count * shown)
            return Sample(seconds)

        @contextlib.contextmanager
        def knowing():
            with mounted(service, bench.place("m"), proxy.port) as mount:
                mount.ls(vault_name(0))
                yield mount

        def while_free(number):
            with knowing() as mount:
                return cats(mount)

        def while_hanging(number):
            hold = Hold()
            with knowing() as mount:
                proxy.on("GET", f"/vaults/{slow}/credentials$", hold)
                process = mount.spawn(["ls", vault_name(1)])
                try:
                    hold.wait()
                    sample = cats(mount)
                    check(process.poll() is None, "the listing did not hang")
                finally:
                    proxy.clear()
                    listed = finish(process, 30)
            check(listed, listed.err)
            return sample

        yield [
            Case(
                f"{count} x cat, known",
                {free: while_free, hanging: while_hanging},
                bounds={hanging: other(free)},
                goals={hanging: (ratio_at_most(1.1),)},
                share=3,
            )
        ]


@job("vaultd-creates", "durable creates of 16 clients, beside a bare SQLite loop")
def vaultd_creates(bench):
    ours, loop = "vaultd, 16 clients", "SQLite, one thread"
    count = bench.sizes.creates
    with serving(bench.disk / "s") as service:

        def creates(number):
            before = sum(len(service.credentials(v["id"])) for v in service.vaults())
            done = create_load(service, 16, count, 20)
            check_equal("failures", done["failures"], 0)
            after = sum(len(service.credentials(v["id"])) for v in service.vaults())
            check_equal("created", after - before, count)
            return Sample(count / done["seconds"], more=done)

        def rows(number):
            done = run_for_json("sqlite_loop", bench.disk, count)
            check_equal("rows", done["rows"], count)
            return Sample(count / done["seconds"], more=done)

        yield [
            Case(
                "durable creates",
                {ours: creates, loop: rows},
                bounds={ours: other(loop)},
                goals={ours: (ratio_at_least(0.5),)},
                unit="/s",
            )
        ]


JOBS = [mount_ready, cat_hanging, vaultd_creates]
