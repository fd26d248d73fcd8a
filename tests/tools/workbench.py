# SPDX-License-Identifier: MIT
"""Where the tools are tried: a vaultd and a mount that many cases share, each in
vaults of its own, and what the server holds of them before and after."""

import contextlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from support.mount import Mount
from support.process import run
from support.sealed import secrets_of
from support.service import Service
from support.specs import bearer, flat, shown, text

HERE = Path(__file__).resolve().parent

# The lists that together hold everything, by dialect.
LISTS = {
    "qoder": ("&include_archived=true",),
    "qoder-flat": ("&status=active", "&status=archived"),
    "anthropic": ("&include_archived=true",),
}


@dataclass(frozen=True)
class Held:
    """A vault or a credential at the server."""

    path: str  # its name, the case's own prefix taken off
    metadata: dict
    secrets: dict
    is_archived: bool


class Bench:
    def __init__(self, directory, *options):
        self.directory = directory
        self.service = Service(directory / "service", *options)
        self.mount = None
        self.places = 0

    def start(self):
        """What a case has killed does not take the others with it."""
        if self.service.process is None:
            self.service.start()
        if self.mount is None or self.mount.process.poll() is not None:
            if self.mount is not None:
                self.mount.stop()
            self.mount = Mount(
                self.service.url,
                self.directory / "mount",
                self.service.token,
                *("--ttl", "3600", "--dialect", self.service.dialect_name),
            ).start()

    def stop(self):
        if self.mount is not None:
            self.mount.stop()
        self.service.stop()

    def place(self):
        self.places += 1
        return Place(self, f"v{self.places:03}")


class Place:
    """Two vaults and a directory beside the mount."""

    def __init__(self, bench, name):
        self.service = bench.service
        self.mount = bench.mount
        self.name = name
        self.vault = self.mount / name
        self.file = self.vault / "github.json"
        self.work = bench.directory / name
        self.work.mkdir()
        self.tokens = []

    def token(self):
        """A secret that must not show up anywhere."""
        self.tokens.append("canary" + secrets.token_hex(12))
        return self.tokens[-1]

    def fill(self, has_target=True):
        """The vault with its bystander; the target; and another vault."""
        other = self.mount / f"{self.name}-other"
        for directory in (self.vault, other):
            directory.mkdir()
        self.write(self.vault / "jira.json", "mcp.jira.com")
        self.write(other / "github.json", "mcp.github.com")
        if has_target:
            self.write(self.file, "mcp.github.com")
        for directory in (self.vault, other):
            os.listdir(directory)

    @property
    def keeps_metadata(self):
        return self.service.dialect_name != "qoder-flat"

    def spec(self, host, team):
        """A document with a secret of its own, in the form of the service."""
        if self.keeps_metadata:
            return bearer(host, self.token(), metadata={"team": team})
        return flat(host, self.token())

    def write(self, path, host):
        path.write_bytes(text(self.spec(host, "old")))

    def run(self, command, **env):
        return run(
            "set -o pipefail\n" + command,
            60,
            cwd=self.work,
            env=self.mount.env
            | {
                "HOME": str(self.work),
                "TERM": "xterm",
                "root": str(self.mount.path),
                "name": self.name,
                "vault": str(self.vault),
                "other": f"{self.vault}-other",
                "file": str(self.file),
                "info": str(self.vault / ".vault.json"),
                "doc": str(self.work / "doc.json"),
                "tools": str(HERE),
            }
            | env,
        )

    # What the server holds.

    def everything(self, path, query=""):
        """A whole list, archived objects included."""
        found = {}
        for which in LISTS[self.service.dialect_name]:
            cursor = ""
            while cursor is not None:
                page = self.service.ok("GET", f"{path}?limit=100{which}{query}{cursor}")
                found |= {thing["id"]: thing for thing in page["data"]}
                member, name = self.service.dialect.cursor
                more = page.get("has_more", page.get("next_page"))
                cursor = f"&{name}={page[member]}" if more else None
        return list(found.values())

    def vaults(self):
        """The vaults of the case; archived ones too."""
        is_filtering = self.service.dialect_name == "qoder"
        found = self.everything("/vaults", f"&name={self.name}" if is_filtering else "")
        return [v for v in found if v["display_name"].startswith(self.name)]

    def credentials(self, vault):
        """The credentials of a vault as the service gives them; archived too."""
        return self.everything(f"/vaults/{vault['id']}/credentials")

    def file_name(self, credential):
        return self.service.file_name(credential) or host_of(credential)

    def holds(self):
        """The vaults and the credentials at the server, each by id."""
        vaults, credentials = {}, {}
        for vault in self.vaults():
            suffix = vault["display_name"].removeprefix(self.name)
            vaults[vault["id"]] = Held(
                f"vault {suffix.removeprefix('-')}" if suffix else "the vault",
                vault["metadata"],
                {},
                is_archived(vault),
            )
            prefix = suffix.removeprefix("-") + "/" if suffix else ""
            for found in self.credentials(vault):
                metadata = dict(found.get("metadata", {}))
                metadata.pop("vaultfs.name", None)
                credentials[found["id"]] = Held(
                    prefix + self.file_name(found),
                    metadata,
                    secrets_of(self.service, found["id"]),
                    is_archived(found),
                )
        return vaults, credentials

    def shown(self):
        """How the vault's credentials have to read, by file name: a list, for one
        that is parked may have the name of another."""
        found = {}
        for vault in self.vaults():
            if vault["display_name"] == self.name and not is_archived(vault):
                for credential in self.credentials(vault):
                    if not is_archived(credential):
                        name = self.file_name(credential)
                        found.setdefault(name, []).append(shown(credential))
        return found

    def records(self):
        """The mount's records of the case."""
        path = "/" + self.name
        return [r for r in self.mount.records() if r["path"].startswith(path)]

    def check_alive(self):
        process = self.mount.process
        log = self.mount.log.read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"vaultfs ended with {process.poll()}:\n{log}"

    def clean(self):
        """Leave no scratch file behind: the mount has room for so many."""
        with contextlib.suppress(OSError):
            for name in set(os.listdir(self.vault)) - set(self.shown()):
                with contextlib.suppress(OSError):
                    os.unlink(self.vault / name)
        shutil.rmtree(self.work, ignore_errors=True)


def host_of(credential):
    """Where no name was kept: github.json for mcp.github.com."""
    url = credential.get("auth", credential)["mcp_server_url"]
    return url.split(".")[1] + ".json"


def is_archived(thing):
    return thing.get("archived_at") is not None


def has_other_name(old, new):
    """A credential keeps its name when its vault gets another."""
    return old.rpartition("/")[2] != new.rpartition("/")[2]


def changes_of(before, after):
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is None:
            yield f"created {new.path}"
        elif new is None:
            yield f"deleted {old.path}"
        else:
            if has_other_name(old.path, new.path):
                yield f"renamed {old.path} to {new.path}"
            if new.is_archived != old.is_archived:
                yield f"archived {new.path}"
            if new.secrets != old.secrets:
                yield f"rotated {new.path}"
            elif new.metadata != old.metadata:
                yield f"edited {new.path}"


def changes(before, after):
    """What became of what the server held, as claims of a few words."""
    whole = set(changes_of(before[0], after[0]))
    found = set(changes_of(before[1], after[1]))
    for path in {c.removeprefix("created ") for c in found}:
        if {f"created {path}", f"deleted {path}"} <= found:
            found -= {f"created {path}", f"deleted {path}"}
            found.add(f"replaced {path}")
    if "deleted the vault" in whole:
        found = {c for c in found if "/" in c}
    return whole | found
