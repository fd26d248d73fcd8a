# SPDX-License-Identifier: MIT
"""Ordinary users, on a machine where they may mount.

The machine has mounts and processes of its own, and ends with all of them when
its standard input does, that is with the test, however that ends. So /dev/fuse
may be closed to others outside, and fuse.conf may say what it likes, and tests
beside each other see nothing of each other. The users are accounts that every
Debian has. Their homes are open to be looked into, as they often are: what
keeps others out is the product.
"""

import functools
import json
import os
import pwd
import re
import resource
import shlex
import subprocess
import tempfile

from .paths import BUILD, environment
from .process import ends_within, finish, spawn
from .service import DIALECTS
from .specs import bearer, text

HOMES = "/home"
PROGRAMS = f"{HOMES}/.programs"
FUSE_CONF = "/etc/fuse.conf"
ORDINARY = ("nobody", "daemon")

# What a login has on Debian, and no capability to take more.
LOCKED_KIB = 8192

# It begins with what is mounted outside, and would keep that alive: what other
# tests have mounted goes first. The last command waits, and bash takes the ends
# of orphans meanwhile.
MAKE_MACHINE = r"""
set -eu
top=$1 build=$2
shift 2
[ -e /etc/mtab ] || { echo "fusermount3 wants an /etc/mtab" >&2; exit 1; }
awk '$3 == "fuse.vaultfs" { print $2 }' /proc/self/mounts | while read -r point; do
    umount -l "$(printf %b "$point")" || true
done
mount -t tmpfs -o mode=755 users "$top"
mkdir "$top/.programs"
mount --bind "$build" "$top/.programs"
if [ "$(stat -c %a /dev/fuse)" != 666 ]; then
    mknod -m 666 "$top/.fuse" c 10 229
    mount --bind "$top/.fuse" /dev/fuse
fi
: > "$top/.fuse.conf"
mount --bind "$top/.fuse.conf" /etc/fuse.conf
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /sys/fs/fuse/connections ||
    mount -t fusectl fusectl /sys/fs/fuse/connections
for user in "$@"; do
    install -d -m 755 -o "$user" -g "$(id -g "$user")" "$top/$user"
    install -d -m 700 -o "$user" -g "$(id -g "$user")" "$top/$user/run"
done
mount --move "$top" /home
trap : CHLD
echo ready
read -r _ || true
"""


# Name spaces of its own, for a command that follows.
ALONE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork",
         "--kill-child", "--mount-proc"]  # fmt: skip


class NotMade(Exception):
    """This machine does not let one be made; the reason in its own words."""


@functools.cache
def why_no_machine():
    """Why none can be made here, or None."""
    if os.geteuid() != 0:
        return "only root can become another user"
    try:
        Machine().end()
    except NotMade as reason:
        return f"no machine for other users: {reason}"
    return None


class Machine:
    """Linux name spaces for mounts and processes; needs root."""

    def __init__(self):
        with tempfile.TemporaryDirectory() as top:
            self._process = subprocess.Popen(
                [*ALONE, "bash", "-c", MAKE_MACHINE, "machine", top, str(BUILD / "fs"),
                 *ORDINARY, "root"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )  # fmt: skip
            if self._process.stdout.readline() != b"ready\n":
                raise NotMade(self._process.communicate()[1].decode().strip())

    @functools.cache
    def user(self, name):
        return User(self, name)

    @property
    def root(self):
        return self.user("root")

    @property
    def prefix(self):
        """What begins a command that runs in it."""
        process = f"/proc/{self._process.pid}"
        return ["nsenter", f"--mount={process}/ns/mnt", f"--root={process}/root",
                f"--wd={process}/root", f"--pid={process}/ns/pid_for_children"]  # fmt: skip

    def consent(self):
        """To --allow-other, as an administrator gives it."""
        self.root.do(f"echo user_allow_other > {FUSE_CONF}")

    def end(self):
        self._process.stdin.close()
        if not ends_within(self._process, 10):
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()
        self._process.stderr.close()


class User:
    def __init__(self, machine, name):
        account = pwd.getpwnam(name)
        self.machine = machine
        self.name = name
        self.uid = account.pw_uid
        self.gid = account.pw_gid
        self.home = f"{HOMES}/{name}"
        self.env = environment(
            self.home,
            USER=name,
            PATH=f"{PROGRAMS}:/usr/bin:/bin:/usr/sbin:/sbin",
            XDG_RUNTIME_DIR=f"{self.home}/run",
        )

    def spawn(self, command, env=None, locked_kib=LOCKED_KIB, **options):
        """Start a shell command in the home, as at a login of the user."""
        hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        locked = locked_kib * 1024
        if hard != resource.RLIM_INFINITY:
            locked = min(hard, locked)
        become = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}",
                  "--clear-groups", "--inh-caps=-all"]  # fmt: skip
        return spawn(
            [*self.machine.prefix, "--", "prlimit", f"--memlock={locked}:{locked}",
             *(become if self.uid else []), "bash", "-c", f"cd; {command}"],
            env=self.env | (env or {}),
            **options,
        )  # fmt: skip

    def sh(self, command, timeout=30, data=None, **options):
        """Run a shell command in the home to its end."""
        if data is not None:
            options["stdin"] = subprocess.PIPE
        return finish(self.spawn(command, **options), timeout, data)

    def do(self, command, timeout=30, **options):
        """As sh(); it must succeed. Returns what it printed."""
        result = self.sh(command, timeout, **options)
        assert result, result
        return result.out

    def write(self, name, data, mode=0o600):
        """A file of the user's, in the home."""
        data = data if isinstance(data, bytes) else data.encode()
        path = shlex.quote(name)
        self.do(f"umask 077; cat > {path}; chmod {mode:o} {path}", data=data)

    def mount(self, *options, source="local"):
        """In the background, on the directory "vaults" of the home."""
        self.do(f"vaultfs mount {source} ~/vaults {shlex.join(options)}")

    def provision(self):
        """A vault there, "prod", with one credential, "github.json"."""
        spec = text(bearer())
        self.do("mkdir -p vaults/prod && cat > vaults/prod/github.json", data=spec)

    def failures(self):
        """The records of that mount."""
        lines = self.do("cat vaults/.vaultfs/errors").splitlines()
        return [json.loads(line) for line in lines]

    def serve(self, *options, dialect="qoder"):
        """A vaultd of the user's, on a port of 127.0.0.1 unless told otherwise."""
        return UsersService(self, dialect, *options)


class UsersService:
    def __init__(self, user, dialect, *options):
        listen = "" if "--listen" in options else "--listen 127.0.0.1:0"
        more = " ".join(map(shlex.quote, options))
        self.process = user.spawn(
            f"exec vaultd --data service --dialect {dialect} {listen} {more}"
            " 2> service.log"
        )
        line = self.process.stdout.readline().decode()
        match = re.match(r"listening on (http\S+|unix:\S+)", line)
        assert match, f"vaultd said {line!r}"
        self.source = match[1]
        if self.source.startswith("http"):
            self.source += DIALECTS[dialect].prefix
        create = "vaultd token create --data service --name test"
        self.token = user.do(create).strip()
        user.write("token", self.token + "\n")
