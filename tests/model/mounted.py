# SPDX-License-Identifier: MIT
"""The operations of the contract, on a real mount."""

import contextlib
import ctypes
import errno
import json
import os

from model import Refusal

RENAME_NOREPLACE = 1
AT_FDCWD = -100

# One number has two names; the manual has this one.
NAMES = errno.errorcode | {errno.EOPNOTSUPP: "EOPNOTSUPP"}

libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def call(name=""):
    """Names the system call in which an operation fails."""
    try:
        yield
    except OSError as error:
        raise Refusal(NAMES[error.errno], name) from None


def rename(source, target, is_noreplace):
    """renameat2(2); Python has no other way to ask for NOREPLACE."""
    flags = RENAME_NOREPLACE if is_noreplace else 0
    old, new = os.fsencode(source), os.fsencode(target)
    if libc.renameat2(AT_FDCWD, old, AT_FDCWD, new, flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def write(path, data, is_exclusive):
    """One open, one write, one close."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with call("open"):
        fd = os.open(path, flags | (os.O_EXCL if is_exclusive else 0), 0o600)
    try:
        with call("write"):
            assert not data or os.write(fd, data) == len(data)
    except Refusal:
        os.close(fd)  # W-sticky: it does not fail a second time
        raise
    with call("close"):
        os.close(fd)


def remove_tree(directory):
    for name in os.listdir(directory):
        os.unlink(directory / name)
    os.rmdir(directory)


class Mounted:
    """Has the methods of model.Contract. All vaults of one example have names
    with one prefix, so that examples can share a mount."""

    def __init__(self, root, prefix):
        self.root = root
        self.prefix = prefix

    def directory(self, vault):
        return self.root / (self.prefix + vault)

    def archived(self, vault):
        return self.root / ".archive" / (self.prefix + vault)

    def mkdir(self, name):
        with call():
            os.mkdir(self.directory(name), 0o700)

    def rmdir(self, name):
        with call():
            os.rmdir(self.directory(name))

    def remove_tree(self, name):
        with call():
            remove_tree(self.directory(name))

    def write_spec(self, file_name, name, metadata, documents):
        spec = {
            "metadata": metadata or {},
            "credentials": [json.loads(document.data) for document in documents],
        }
        if f"{name}.json" != file_name:
            spec["display_name"] = self.prefix + name
        write(self.directory(file_name), json.dumps(spec).encode(), False)

    def rename_vault(self, name, new_name):
        with call():
            rename(self.directory(name), self.directory(new_name), False)

    def archive_vault(self, name):
        with call():
            rename(self.directory(name), self.archived(name), False)

    def remove_archived_vault(self, name):
        with call():
            remove_tree(self.archived(name))

    def write(self, vault, name, document, is_exclusive=False):
        write(self.directory(vault) / name, document.data, is_exclusive)

    def touch(self, vault, name):
        with call("open"):
            fd = os.open(self.directory(vault) / name, os.O_WRONLY | os.O_CREAT, 0o600)
        with call("close"):
            os.close(fd)

    def read(self, vault, name):
        with call("open"):
            file = open(self.directory(vault) / name, encoding="utf-8", newline="")
        with file, call("read"):
            return file.read()

    def remove(self, vault, name):
        with call():
            os.unlink(self.directory(vault) / name)

    def rename(self, vault, name, new_vault, new_name, is_noreplace=False):
        with call():
            rename(
                self.directory(vault) / name,
                self.directory(new_vault) / new_name,
                is_noreplace,
            )

    def archive_file(self, vault, name, new_name):
        self.rename(vault, name, vault, f".archive/{new_name}")

    def unarchive_file(self, vault, name, new_name):
        self.rename(vault, f".archive/{name}", vault, new_name)

    def remove_archived(self, vault, name):
        self.remove(vault, f".archive/{name}")

    def refresh(self):
        with call():
            (self.root / ".vaultfs" / "refresh").touch()

    # What is there: each name with its size as stat gives it.

    def vaults(self):
        return self._own(self.root)

    def archived_vaults(self):
        return self._own(self.root / ".archive")

    def files(self, vault):
        directory = self.directory(vault)
        if vault.startswith(".archive/"):
            directory = self.archived(vault.removeprefix(".archive/"))
        with os.scandir(directory) as entries:
            return {entry.name: entry.stat().st_size for entry in entries}

    def status(self):
        return json.loads((self.root / ".vaultfs" / "status").read_text())

    def _own(self, directory):
        """The names of this example."""
        return sorted(
            name.removeprefix(self.prefix)
            for name in os.listdir(directory)
            if name.startswith(self.prefix)
        )
