# SPDX-License-Identifier: MIT
"""The contract, as a dictionary: what a mount answers to each operation, and
what the service holds afterwards.

Read it as the short form of the manual; the name of a rule stands where the
rule is. Only the mount changes anything here, or another client, where a method
says so; what another client changed is followed by a refresh.
"""

import itertools
import re
from dataclasses import dataclass, field

from documents import edited

SCRATCH = re.compile(
    r"[.#].*|.*~|4913|sed[A-Za-z0-9]{6}|tmp[a-z0-9_]{8}|XX[A-Za-z0-9]{6,8}"
    r"|.*\.(tmp|swp|swx|swo|new|bak|orig|old|part)|0+",
    re.S,
)
INFO = ".vault.json"


@dataclass(frozen=True)
class Dialect:
    """What a service can do: the manual's table."""

    name: str
    updates: bool = True  # a credential: rotation in place, and edits
    keeps_metadata: bool = True
    changes_vaults: bool = False
    demands_a_credential: bool = False  # of a new vault


QODER = Dialect("qoder")
ANTHROPIC = Dialect("anthropic", changes_vaults=True)
FLAT = Dialect("qoder-flat", updates=False, keeps_metadata=False)
DEMANDING = Dialect("qoder-flat", False, False, demands_a_credential=True)


class Refusal(Exception):
    """An operation failed: the call that did, and its errno."""

    def __init__(self, code, call=""):
        super().__init__(f"{call}: {code}" if call else code)
        self.code = code


def is_scratch(name):
    return name != INFO and SCRATCH.fullmatch(name) is not None


@dataclass(eq=False)
class Credential:
    """A credential of the service."""

    identity: tuple
    metadata: dict
    name: str  # that is kept with it, or None
    secret: str
    is_made_here: bool = True
    id: str = None  # once the service was asked
    text: str = None  # as it was last shown
    changes: int = 0
    is_archived: bool = False
    is_gone: bool = False  # deleted elsewhere, and still shown


# What a name in a vault leads to, beside a credential.


@dataclass(eq=False)
class Info:
    """The vault's own file; empty while the vault is pending."""

    text: str = ""


@dataclass(eq=False)
class Draft:
    """W-empty: a name that was touched."""


@dataclass(eq=False)
class Scratch:
    """E-scratch: a tool's temporary file, and what was written to it."""

    document: object


@dataclass(eq=False)
class Parked:
    """E-park: a credential under a scratch name. Spent when its id has passed
    to another file: then only a text is left."""

    of: object  # a credential; or a vault, and then it is spent
    home: str
    time: int  # the last one that was parked is the one that is found
    text: str = None

    @property
    def is_live(self):
        return self.text is None

    def spend(self):
        self.text = self.of.text


@dataclass(eq=False)
class Vault:
    display_name: str
    metadata: dict = field(default_factory=dict)
    is_pending: bool = False  # the service does not know it yet
    id: str = None
    info: Info = field(default_factory=Info)
    files: dict = field(default_factory=dict)
    archive: dict = field(default_factory=dict)
    credentials: list = field(default_factory=list)  # the service's

    def __post_init__(self):
        self.files[INFO] = self.info

    def active(self):
        return [c for c in self.credentials if not c.is_archived]


class Contract:
    """Each method is an operation of a user; it returns what the mount would,
    or raises a Refusal."""

    def __init__(self, dialect):
        self.dialect = dialect
        self.vaults = {}
        self.archive = {}
        self.clock = itertools.count()

    # --- Vaults ---

    def mkdir(self, name):
        if name in self.vaults:
            raise Refusal("EEXIST")
        if is_scratch(name):
            raise Refusal("EPERM")
        pending = self.dialect.demands_a_credential
        self.vaults[name] = Vault(name, is_pending=pending)

    def rmdir(self, name):
        """W-vault: only an empty one. Drafts hold nothing."""
        vault = self._vault(name)
        if not all(isinstance(f, (Info, Draft)) for f in vault.files.values()):
            self._look_again(vault)
            raise Refusal("ENOTEMPTY")
        del self.vaults[name]

    def remove_tree(self, name):
        """rm -r: each file, then the directory."""
        vault = self._vault(name)
        for file in list(vault.files.values()):
            self._delete(vault, file)
        del self.vaults[name]

    def write_spec(self, file_name, name, metadata, documents):
        """W-vault: a vault with its credentials, all or nothing. A credential
        is named after what it is for."""
        vault = Vault(name, metadata or {})
        try:
            for document in documents:
                self._check(document, None)
            if name in self.vaults:
                raise Refusal("EEXIST")
            if self.dialect.demands_a_credential and not documents:
                raise Refusal("EINVAL")
            for document in documents:
                made = self._create(vault, None, document)
                vault.files[name_of(made)] = made
        except Refusal as refusal:
            raise Refusal(refusal.code, "write") from None
        self.vaults[name] = vault

    def rename_vault(self, name, new_name):
        """E-rename: where the service can, and what it does not know yet."""
        vault = self._vault(name)
        if name == new_name:
            return
        if is_scratch(new_name):
            raise Refusal("EPERM")
        if new_name in self.vaults:
            raise Refusal("EEXIST")
        if not vault.is_pending and not self.dialect.changes_vaults:
            raise Refusal("EOPNOTSUPP")
        self.vaults[new_name] = self.vaults.pop(name)
        vault.display_name = new_name

    def archive_vault(self, name):
        """E-archive: mv name .archive/"""
        vault = self._vault(name)
        if vault.is_pending:
            raise Refusal("EOPNOTSUPP")
        del self.vaults[name]
        vault.files[INFO] = vault.info
        self.archive[free_name(self.archive, name, vault.id)] = vault

    def remove_archived_vault(self, name):
        """rm -r .archive/name"""
        if name not in self.archive:
            raise Refusal("ENOENT")
        del self.archive[name]

    # --- Files ---

    def write(self, vault, name, document, is_exclusive=False):
        """W-commit: open, write, close."""
        vault = self._vault(vault, "open")
        file = vault.files.get(name)
        if file is not None and is_exclusive:
            raise Refusal("EEXIST", "open")
        self._open(vault, name)
        file = vault.files.get(name)
        if isinstance(file, Scratch):
            file.document = document
        elif document.fault == "unfinished":
            self._drop_draft(vault, name)
            raise Refusal("EINVAL", "close")
        elif document.fault != "empty":
            self._drop_draft(vault, name)
            try:
                self._commit(vault, name, document)
            except Refusal as refusal:
                raise Refusal(refusal.code, "write") from None

    def touch(self, vault, name):
        """W-empty: open for writing, and close."""
        self._open(self._vault(vault, "open"), name)

    def _open(self, vault, name):
        file = vault.files.get(name)
        if name == INFO:
            if not self.dialect.changes_vaults:
                raise Refusal("EOPNOTSUPP", "open")
            vault.files[INFO] = vault.info
        elif file is None:
            vault.files[name] = Scratch(None) if is_scratch(name) else Draft()
        elif isinstance(file, Parked) and not file.is_live:
            vault.files[name] = Scratch(self._text_of_spent(file))

    @staticmethod
    def _drop_draft(vault, name):
        """W-create: after a failed write no file is left."""
        if isinstance(vault.files.get(name), Draft):
            del vault.files[name]

    def read(self, vault, name):
        """R-meta; of a scratch file nobody reads what another one wrote."""
        file = self._file(self._vault(vault, "open"), name, "open")
        if isinstance(file, Scratch):
            raise Refusal("EACCES", "open")
        return text_of(file)

    def remove(self, vault, name):
        """W-delete: at the service before it returns. What is gone counts as
        deleted; what was never sent is only forgotten."""
        vault = self._vault(vault)
        file = self._file(vault, name)
        del vault.files[name]
        self._delete(vault, file)

    def rename(self, vault, name, new_vault, new_name, is_noreplace=False):
        source, target = self._vault(vault), self._vault(new_vault)
        file, there = self._file(source, name), target.files.get(new_name)
        if there is not None and is_noreplace:
            raise Refusal("EEXIST")
        if file is there:
            return
        if source is not target:
            raise Refusal("EOPNOTSUPP")  # E-rename
        if is_scratch(new_name):
            self._rename_to_scratch(source, name, new_name)
        elif isinstance(file, Scratch) or is_spent(file):
            self._rename_document(source, name, new_name)
        elif INFO in (name, new_name):
            raise Refusal("EOPNOTSUPP")
        elif isinstance(file, Draft):
            self._rename_draft(source, name, new_name)
        else:
            self._rename_credential(source, name, new_name)

    def _rename_to_scratch(self, vault, name, new_name):
        """E-park: no request, but for what loses its name."""
        file = vault.files[name]
        if name == INFO and not self.dialect.changes_vaults:
            raise Refusal("EOPNOTSUPP")
        self._delete(vault, vault.files.pop(new_name, None))
        del vault.files[name]
        if isinstance(file, Credential):
            file = Parked(file, name, next(self.clock))
        elif isinstance(file, Info):
            file = Parked(vault, INFO, next(self.clock), file.text)
        elif isinstance(file, Parked):
            file.time = next(self.clock)
        elif isinstance(file, Draft):
            file = Scratch(None)
        vault.files[new_name] = file

    def _rename_document(self, vault, name, new_name):
        """E-scratch: it is committed there, or stays as it was."""
        file = vault.files[name]
        if new_name == INFO and not self.dialect.changes_vaults:
            raise Refusal("EOPNOTSUPP")
        document = (
            file.document if isinstance(file, Scratch) else self._text_of_spent(file)
        )
        if document is None:
            raise Refusal("EINVAL")
        self._commit(vault, new_name, document)
        if isinstance(file, Parked):
            self._delete(vault, file)
        del vault.files[name]

    @staticmethod
    def _text_of_spent(file):
        return edited(file.text, file.of)

    def _rename_draft(self, vault, name, new_name):
        if isinstance(vault.files.get(new_name), Credential):
            raise Refusal("EINVAL")
        vault.files[new_name] = vault.files.pop(name)

    def _rename_credential(self, vault, name, new_name):
        """E-rename: the name that is kept with it changes; what had the name
        before is deleted then. A parked one that goes home has its name."""
        file = vault.files[name]
        is_parked = isinstance(file, Parked)
        credential = file.of if is_parked else file
        if not is_parked or file.home != new_name:
            self._keep_name(vault, name, credential, new_name)
        del vault.files[name]
        self._delete(vault, vault.files.pop(new_name, None))
        vault.files[new_name] = credential

    def _keep_name(self, vault, name, credential, new_name):
        if name_of(credential) == new_name:
            return
        if credential.is_gone and self.dialect.updates:
            del vault.files[name]
            self._look_again(vault)
            raise Refusal("ENOENT")
        credential.name = new_name
        credential.changes += self.dialect.updates

    # --- Archives ---

    def archive_file(self, vault, name, new_name):
        """E-archive: mv name .archive/new_name. It keeps its name."""
        vault = self._vault(vault)
        if vault.is_pending:  # it has no archive
            raise Refusal("ENOENT")
        file = self._file(vault, name)
        if name != new_name or not isinstance(file, Credential):
            raise Refusal("EOPNOTSUPP")
        del vault.files[name]
        if file.is_gone:
            self._look_again(vault)
            raise Refusal("ENOENT")
        self._archive(vault, file, name)

    @staticmethod
    def _archive(vault, credential, name):
        credential.is_archived = True
        credential.changes += 1
        vault.archive[free_name(vault.archive, name, credential.id)] = credential

    def unarchive_file(self, vault, name, new_name):
        """Nothing comes back."""
        if name not in self._vault(vault).archive:
            raise Refusal("ENOENT")
        raise Refusal("EOPNOTSUPP")

    def remove_archived(self, vault, name):
        """For good."""
        vault = self._vault(vault)
        if name not in vault.archive:
            raise Refusal("ENOENT")
        vault.credentials.remove(vault.archive.pop(name))

    # --- Another client, each followed by a refresh ---

    def refresh(self):
        for vault in self.vaults.values():
            self._look_again(vault)

    def vault_made_elsewhere(self, name, vault_id):
        vault = Vault(name, id=vault_id)
        self.vaults[free_name(self.vaults, name, vault_id)] = vault

    def made_elsewhere(self, vault, credential):
        vault.credentials.append(credential)
        name = name_of(credential)
        self._drop_draft(vault, name)
        vault.files[free_name(vault.files, name, credential.id)] = credential

    def deleted_elsewhere(self, vault, name):
        """R-fresh: what was made here stays for 60 s though a list lacks it."""
        vault = self.vaults[vault]
        credential = vault.files[name]
        vault.credentials.remove(credential)
        if credential.is_made_here:
            credential.is_gone = True
        else:
            del vault.files[name]

    def archived_elsewhere(self, vault, name):
        vault = self.vaults[vault]
        credential = vault.files.pop(name)
        self._archive(vault, credential, name_of(credential))

    # --- The rules behind ---

    def _vault(self, name, call=""):
        if name not in self.vaults:
            raise Refusal("ENOENT", call)
        return self.vaults[name]

    @staticmethod
    def _look_again(vault):
        """W-delete: .vault.json was only hidden, until the next listing; but one
        that an editor has parked stays aside."""
        is_parked = any(
            isinstance(file, Parked) and file.home == INFO
            for file in vault.files.values()
        )
        if not vault.is_pending and not is_parked:
            vault.files[INFO] = vault.info

    @staticmethod
    def _file(vault, name, call=""):
        if name not in vault.files:
            raise Refusal("ENOENT", call)
        return vault.files[name]

    def _delete(self, vault, file):
        """What becomes of something that lost its name."""
        if isinstance(file, Parked) and file.home == INFO:
            vault.files[INFO] = vault.info
        if isinstance(file, Parked) and file.is_live:
            file = file.of
        if isinstance(file, Credential) and not file.is_gone:
            vault.credentials.remove(file)

    def _commit(self, vault, name, document):
        """A whole document for a name: create, rotate, edit or replace."""
        if name == INFO:
            return self._commit_info(vault, document)
        taken = vault.files.get(name)
        parked, home = None, name
        if isinstance(taken, Parked):  # written where it is
            shown, home = taken.of, taken.home
        elif isinstance(taken, Credential):
            shown = taken
        else:
            parked = self._find_parked(vault, name)
            shown = parked and parked.of
        self._check(document, shown)
        if shown is None or document.identity != shown.identity:
            made = self._create(vault, home, document)
            self._delete(vault, taken)
        else:
            made = self._change(vault, name, home, document, shown, parked)
        if isinstance(taken, Parked):
            made = Parked(made, home, next(self.clock))
        vault.files[name] = made
        vault.is_pending = False

    def _commit_info(self, vault, document):
        """W-edit, of a vault."""
        if document.fault is not None or document.read is not vault:
            raise Refusal("EINVAL")
        vault.metadata = document.metadata
        vault.files[INFO] = vault.info

    @staticmethod
    def _find_parked(vault, home):
        """The last one that had the name."""
        found = [
            file
            for file in vault.files.values()
            if isinstance(file, Parked) and file.is_live and file.home == home
        ]
        return max(found, key=lambda file: file.time, default=None)

    def _check(self, document, shown):
        """W-strict, W-edit."""
        if document.fault is not None:
            raise Refusal("EINVAL")
        if document.metadata and not self.dialect.keeps_metadata:
            raise Refusal("EINVAL")
        if document.read not in (None, shown):
            raise Refusal("EINVAL")
        is_same = shown is not None and document.identity == shown.identity
        if document.secret is None and not is_same:
            raise Refusal("EINVAL")

    def _create(self, vault, name, document):
        """W-create."""
        for other in vault.active():
            if other.identity.place == document.identity.place:
                self._look_again(vault)
                raise Refusal("EEXIST")
        made = Credential(
            document.identity, document.metadata or {}, name, document.secret
        )
        vault.credentials.append(made)
        return made

    def _change(self, vault, name, home, document, shown, parked):
        """W-rotate, W-edit: the id stays, and without a difference nothing is
        sent. What was parked is spent."""
        is_edit = document.metadata not in (None, shown.metadata)
        if parked is not None:
            parked.spend()
        is_sent = document.secret is not None or (
            self.dialect.updates and (is_edit or name_of(shown) != home)
        )
        if is_sent and (shown.is_gone or not self.dialect.updates):
            return self._make_again(vault, name, home, document, shown)
        if is_edit:
            shown.metadata = document.metadata
        if document.secret is not None:
            shown.secret = document.secret
        if name_of(shown) != home:
            shown.name = home
        shown.changes += is_sent
        return shown

    def _make_again(self, vault, name, home, document, shown):
        """It is gone, which an edit cannot cure; or the service has no other
        way to rotate."""
        if shown.is_gone:
            vault.files.pop(name, None)
        else:
            vault.credentials.remove(shown)
        if document.secret is None:
            self._look_again(vault)
            raise Refusal("ENOENT")
        return self._create(vault, home, document)


def is_spent(file):
    return isinstance(file, Parked) and not file.is_live


def text_of(file):
    """What a read shows: of a draft nothing."""
    if isinstance(file, Parked):
        return file.of.text if file.is_live else file.text
    return getattr(file, "text", "")


def size_of(file):
    if isinstance(file, Scratch):
        return file.document.size if file.document else 0
    return len(text_of(file).encode())


def name_of(credential):
    """The name that is kept with it, or else what it is for."""
    place = credential.identity.place
    label = place.partition("://")[2].replace("/", "_") or place
    return credential.name or f"{label}.json"


def free_name(taken, name, object_id):
    """The last digits of the id tell two of one name apart."""
    if name not in taken:
        return name
    stem, dot, extension = name.rpartition(".json")
    if dot and not extension:
        return f"{stem}~{object_id[-6:]}.json"
    return f"{name}~{object_id[-6:]}"
