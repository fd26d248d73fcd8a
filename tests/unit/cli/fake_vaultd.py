#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The part of vaultd that the start protocol sees, with notes for the test.

VAULTFS_* variables do not reach it, so it finds what to do in files of the
directory that holds it: `refuse` makes it fail with that file's text, silently
when there is none.
"""
import fcntl
import os
import socket
import sys

here = os.path.dirname(os.path.abspath(__file__))
data = sys.argv[sys.argv.index("--data") + 1]
note = open(os.path.join(here, "notes"), "a", buffering=1)

refusal = os.path.join(here, "refuse")
if os.path.exists(refusal):
    reason = open(refusal).read()
    sys.stderr.write(f"starting\n{reason}\n" if reason else "")
    sys.exit(1)

if sys.argv[1] == "token":
    note.write("token\n")
    print("pt-of-a-test")
    sys.exit(0)

descriptors = {int(fd) for fd in os.listdir("/proc/self/fd")}
descriptors -= {note.fileno()}
extra = [fd for fd in descriptors if fd > 3 and os.path.exists(f"/proc/self/fd/{fd}")]
tokens = [name for name in os.environ if "TOKEN" in name or "PAT" == name[-3:]]
is_leader = os.getsid(0) == os.getpid()
dialect = sys.argv[sys.argv.index("--dialect") + 1]
note.write(f"start leader={is_leader} extra={extra} tokens={tokens} {dialect=!s}\n")

listener = socket.socket(socket.AF_UNIX)
path = os.path.join(data, "socket")
if os.path.exists(path):
    os.unlink(path)
listener.bind(path)
listener.listen(8)
ready = int(sys.argv[sys.argv.index("--ready-fd") + 1])
os.write(ready, b"1")
os.close(ready)
lock = os.open(sys.argv[sys.argv.index("--until-unused") + 1], os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
note.write("end\n")
