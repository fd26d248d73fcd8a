# SPDX-License-Identifier: MIT
"""What people use today: curl and jq, and rclone."""

import contextlib
import shutil
import subprocess

from support.mount import detach, mounts_at
from support.paths import environment
from support.process import wait_for

from .measure import Skipped
from .tools import check, end


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skipped(f"{program} is not installed (scripts/bench --install)")


def curl_config(directory, service):
    """A file with the token in it, as people do who keep it off command lines."""
    path = directory / "curlrc"
    path.touch(0o600)
    lines = [f'header = "{name}: {value}"' for name, value in service.headers().items()]
    lines += ["silent", "show-error", "fail", "no-progress-meter", 'noproxy = "*"']
    path.write_text("\n".join(lines) + "\n")
    return path


# The ids of all vaults, a page after the other.
PAGES = r"""
set -euo pipefail
config=$1 url=$2 directory=$3
vaults() {
    local cursor= page
    while :; do
        page=$(curl -K "$config" "$url/vaults?limit=100$cursor")
        jq -r '.data[].id' <<<"$page"
        cursor=$(jq -r '.next_page // empty' <<<"$page")
        [[ $cursor ]] || break
        cursor="&page=$cursor"
    done
}
show='.data[] | [.id, .metadata["vaultfs.name"], .updated_at] | @tsv'
"""

# One curl fetches all listings over connections that it keeps.
LIST_PARALLEL = PAGES + r"""
vaults | awk -v url="$url" -v d="$directory" '{
    printf "url = \"%s/vaults/%s/credentials?limit=100\"\n", url, $1
    printf "output = \"%s/%s\"\n", d, $1
}' >"$directory.urls"
curl --parallel --parallel-immediate --parallel-max 16 -K "$config" -K "$directory.urls"
cat "$directory"/* | jq -r "$show"
"""

# What most people write.
LIST_LOOP = PAGES + r"""
for id in $(vaults); do
    curl -K "$config" "$url/vaults/$id/credentials?limit=100" | jq -r "$show"
done
"""

BODY = (
    '{"auth":{"type":"static_bearer","mcp_server_url":"https://mcp-%s.example.com/sse",'
    '"token":"no-secret"},"metadata":{"vaultfs.name":"server-%s.json"}}'
)

CREATE_LOOP = f"""
set -euo pipefail
config=$1 url=$2 count=$3 type='Content-Type: application/json'
for ((i = 0; i < count; i++)); do
    printf '{BODY}' $i $i |
        curl -K "$config" -o /dev/null -H "$type" --data-binary @- "$url"
done
"""

CREATE_PARALLEL = f"""
set -euo pipefail
export config=$1 url=$2 type='Content-Type: application/json'
seq 0 $(($3 - 1)) | xargs -P16 -n1 sh -c '
    printf '\\''{BODY}'\\'' $1 $1 |
        curl -K "$config" -o /dev/null -H "$type" --data-binary @- "$url"' create
"""

DELETE_LOOP = r"""
set -euo pipefail
config=$1 url=$2
for id in $(cat "$3"); do
    curl -K "$config" -o /dev/null -X DELETE "$url/$id"
done
"""


def script(text, *args):
    return ["/bin/bash", "-c", text, "bench", *map(str, args)]


@contextlib.contextmanager
def rclone_serving(tree, log):
    """rclone serves a tree by WebDAV; yields its port."""
    need("rclone")
    with open(log, "wb") as err:
        process = subprocess.Popen(
            ["rclone", "serve", "webdav", str(tree), "--addr", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            stderr=err,
            env=environment(log.parent),
        )
    try:

        def port():
            check(process.poll() is None, f"rclone: {log.read_text()}")
            _, found, rest = log.read_text().partition("http://127.0.0.1:")
            return found and rest.split("/")[0].split("]")[0].strip()

        yield int(wait_for(port, what="rclone's server"))
    finally:
        end(process)


@contextlib.contextmanager
def rclone_mounted(port, mountpoint):
    """A new rclone mount of that server, through a port."""
    mountpoint.mkdir(exist_ok=True)
    log = mountpoint.with_suffix(".log")
    with log.open("wb") as err:
        process = subprocess.Popen(
            ["rclone", "mount", ":webdav:", str(mountpoint), "--read-only",
             "--webdav-url", f"http://127.0.0.1:{port}", "--webdav-vendor", "other"],
            stdin=subprocess.DEVNULL,
            stderr=err,
            env=environment(mountpoint.parent),
        )  # fmt: skip
    try:

        def is_up():
            check(process.poll() is None, f"rclone: {log.read_text()}")
            return mounts_at(mountpoint)

        wait_for(is_up, 20, "rclone's mount")
        yield mountpoint
    finally:
        end(process)
        detach(mountpoint)
