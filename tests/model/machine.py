# SPDX-License-Identifier: MIT
"""Random operations, on the contract and on a mount: they must agree.

After each step what the mount shows and what the service holds are compared
with the contract as well: every name, every size, every text, every id, and
that a secret was sealed anew exactly when the contract says so.
"""

import contextlib
import itertools
import sqlite3
import sys

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from documents import (
    EMPTY,
    FAULTS,
    FIELDS,
    Identity,
    compose,
    edited,
    flat,
    identity_of,
    nested,
    spoil,
    users,
)
from model import (
    INFO,
    Contract,
    Credential,
    Refusal,
    Scratch,
    name_of,
    size_of,
    text_of,
)
from mounted import Mounted
from support.sealed import secrets_of
from support.specs import shown

VAULTS = ("red", "blue")
ORDINARY = ("a.json", "b.json", "näme")
SCRATCHES = ("a.json~", ".b.swp", "b.bak", "4913")
ONE = Identity("static_bearer", "https://one.example.com/mcp")
TWO = Identity("static_bearer", "https://two.example.com/mcp")
OTHER_TWO = Identity("mcp_oauth", TWO.place)
THREE = Identity("environment_variable", "THREE")

# Of each dialect: whom documents are about, and their forms.
IDENTITIES = {
    "qoder": (ONE, TWO, OTHER_TWO, THREE),
    "qoder-flat": (ONE, TWO),
    "anthropic": (ONE, TWO, OTHER_TWO),
}
FORMS = {"qoder": (nested, flat), "qoder-flat": (flat,), "anthropic": (nested, flat)}


def of_the_machine(choices):
    return st.runner().flatmap(lambda machine: st.sampled_from(choices(machine)))


# Of those that are there, and of all.
vaults = of_the_machine(lambda machine: [*sorted(machine.contract.vaults), *VAULTS])
ordinary = st.sampled_from(ORDINARY)
scratch = st.sampled_from(SCRATCHES)
names = st.one_of(ordinary, ordinary, scratch, st.just(INFO))
places = of_the_machine(lambda machine: [*machine.places(), ("red", "a.json")])
credentials = of_the_machine(lambda machine: machine.credentials())
archived = of_the_machine(lambda machine: machine.archived())
archived_vaults = of_the_machine(lambda machine: sorted(machine.contract.archive))

has_credentials = precondition(lambda machine: machine.credentials())
has_archived = precondition(lambda machine: machine.archived())
has_archived_vaults = precondition(lambda machine: machine.contract.archive)
identities = of_the_machine(lambda machine: IDENTITIES[machine.dialect.name])
forms = of_the_machine(lambda machine: FORMS[machine.dialect.name])
metadata = st.sampled_from((None, {}, {"team": "core"}, {"team": "docs", "x": "é"}))


class World:
    """What all examples share: a service, a mount, and the counts."""

    def __init__(self, dialect, service, mount):
        self.dialect = dialect
        self.service = service
        self.mount = mount
        self.examples = itertools.count(1)
        self.secrets = itertools.count(1)
        self.operations = 0
        self._db = None

    def revive(self):
        """A mount that a sequence has ended must not end the search."""
        if self.mount.process.poll() is not None:
            self.mount.stop()
            self.mount.start()

    def secret(self):
        return f"secret-{next(self.secrets)}"

    def everything(self, path):
        """All that the service holds at a path, archived or not."""
        queries = {"qoder-flat": ("", "&status=archived")}
        return [
            thing
            for query in queries.get(self.dialect.name, ("&include_archived=true",))
            for thing in self.service.ok("GET", f"{path}?limit=100{query}")["data"]
        ]

    def sealed(self):
        """The sealed secrets of all credentials, as the store has them."""
        if self._db is None:
            path = f"file:{self.service.data}/vaults.db?mode=ro"
            self._db = sqlite3.connect(path, uri=True)
        return dict(self._db.execute("SELECT credential_id, sealed FROM box"))


def outcome(operation, *args):
    try:
        return operation(*args)
    except Refusal as refusal:
        return str(refusal)


class Machine(RuleBasedStateMachine):
    def __init__(self, world, mounted=Mounted):
        super().__init__()
        world.revive()
        self.world = world
        self.dialect = world.dialect
        self.service = world.service
        self.prefix = f"e{next(world.examples)}-"
        self.contract = Contract(world.dialect)
        self.mounted = mounted(world.mount.path, self.prefix)
        self.status = self.mounted.status()
        self.ids = set()  # of every credential that ever was
        self.sealed = {}  # by id: a secret, and the box that it is in
        self.stamps = {}  # by id: how often it changed, and when it did
        self.specs = []  # names of files that vaults were written to

    def both(self, operation, *args):
        """One operation of a user."""
        self.world.operations += 1
        expected = outcome(getattr(self.contract, operation), *args)
        actual = outcome(getattr(self.mounted, operation), *args)
        assert actual == expected, f"the mount: {actual}; the contract: {expected}"
        return actual

    def elsewhere(self, method, path, body=None):
        """One operation of another client."""
        self.world.operations += 1
        return self.service.ok(method, path, body)

    def secret_if(self, has_secret):
        return self.world.secret() if has_secret else None

    def file(self, vault, name):
        vault = self.contract.vaults.get(vault)
        return vault and vault.files.get(name)

    # --- Vaults ---

    @initialize(identity=identities, form=forms)
    def begin(self, identity, form):
        self.both("mkdir", "red")
        document = compose(form, identity, self.world.secret(), None)
        self.both("write", "red", "a.json", document)

    @rule(name=vaults)
    def mkdir(self, name):
        self.both("mkdir", name)

    @rule(name=vaults)
    def rmdir(self, name):
        self.both("rmdir", name)

    @rule(name=vaults)
    def remove_tree(self, name):
        self.both("remove_tree", name)

    @rule(name=vaults, new_name=st.one_of(vaults, st.just("red.tmp")))
    def rename_vault(self, name, new_name):
        self.both("rename_vault", name, new_name)

    @rule(name=vaults)
    def archive_vault(self, name):
        self.both("archive_vault", name)

    @has_archived_vaults
    @rule(name=archived_vaults)
    def remove_archived_vault(self, name):
        self.both("remove_archived_vault", name)

    @rule(
        name=vaults,
        is_named=st.booleans(),
        metadata=metadata,
        identities=st.lists(identities, max_size=3, unique=True),
        form=forms,
        has_secret=st.sampled_from((True, True, False)),
    )
    def write_spec(self, name, is_named, metadata, identities, form, has_secret):
        file_name = f"{name}.json"
        if is_named or file_name in self.specs:  # it answers for some time
            file_name = f"spec{len(self.specs)}.json"
        self.specs.append(file_name)
        documents = [
            compose(form, identity, self.secret_if(has_secret), None)
            for identity in identities
        ]
        self.both("write_spec", file_name, name, metadata, documents)

    # --- Documents ---

    @rule(
        vault=vaults,
        name=names,
        identity=identities,
        metadata=metadata,
        has_secret=st.booleans(),
        form=forms,
        is_exclusive=st.sampled_from((False, False, False, True)),
    )
    def write(self, vault, name, identity, metadata, has_secret, form, is_exclusive):
        document = compose(form, identity, self.secret_if(has_secret), metadata)
        self.both("write", vault, name, document, is_exclusive)

    @rule(
        vault=vaults,
        name=names,
        identity=identities,
        form=forms,
        fault=st.sampled_from(sorted(FAULTS)),
    )
    def write_what_is_refused(self, vault, name, identity, form, fault):
        document = spoil(form, fault, identity, self.world.secret())
        self.both("write", vault, name, document)

    @rule(vault=vaults, name=names)
    def write_nothing(self, vault, name):
        self.both("write", vault, name, EMPTY)

    @rule(vault=vaults, name=names)
    def touch(self, vault, name):
        self.both("touch", vault, name)

    @rule(
        place=places,
        copy=st.one_of(st.none(), names),
        metadata=metadata,
        has_secret=st.booleans(),
    )
    def write_what_was_read(self, place, copy, metadata, has_secret):
        """jq ... name > copy"""
        vault, name = place
        file = self.file(vault, name)
        text = self.both("read", vault, name)
        if isinstance(file, Credential):
            if not self.dialect.keeps_metadata:
                metadata = None
            document = edited(text, file, metadata, self.secret_if(has_secret))
            self.both("write", vault, copy or name, document)

    @rule(vault=vaults, copy=names, metadata=metadata)
    def write_what_was_read_of_the_vault(self, vault, copy, metadata):
        """jq ... .vault.json > copy"""
        text = self.both("read", vault, INFO)
        if self.file(vault, INFO) and text:
            document = edited(text, self.contract.vaults[vault], metadata)
            self.both("write", vault, copy, document)

    @rule(place=places)
    def remove(self, place):
        self.both("remove", *place)

    # --- Names ---

    @rule(
        place=places,
        new_name=names,
        is_noreplace=st.sampled_from((False, False, True)),
    )
    def rename(self, place, new_name, is_noreplace):
        vault, name = place
        self.both("rename", vault, name, vault, new_name, is_noreplace)

    @rule(place=places, other=places)
    def rename_over(self, place, other):
        self.both("rename", *place, *other)

    @rule(place=places, new_vault=vaults)
    def move(self, place, new_vault):
        vault, name = place
        self.both("rename", vault, name, new_vault, name)

    @rule(place=places, new_name=st.one_of(st.none(), st.none(), ordinary))
    def archive(self, place, new_name):
        vault, name = place
        self.both("archive_file", vault, name, new_name or name)

    @has_archived
    @rule(place=archived)
    def take_out_of_the_archive(self, place):
        vault, name = place
        self.both("unarchive_file", vault, name, name)

    @has_archived
    @rule(place=archived)
    def remove_archived(self, place):
        self.both("remove_archived", *place)

    # --- Another client ---

    @rule()
    def refresh(self):
        self.both("refresh")

    @precondition(lambda self: not self.dialect.demands_a_credential)
    @rule(name=vaults)
    def make_a_vault_elsewhere(self, name):
        body = {"display_name": self.prefix + name}
        made = self.elsewhere("POST", "/vaults", body)
        self.contract.vault_made_elsewhere(name, made["id"])
        self.both("refresh")

    @rule(
        vault=vaults,
        identity=identities,
        metadata=metadata,
        name=st.one_of(st.none(), ordinary),
        form=forms,
    )
    def make_elsewhere(self, vault, identity, metadata, name, form):
        vault = self.contract.vaults.get(vault)
        if vault is None or vault.is_pending or self.is_taken(vault, identity):
            return
        if not self.dialect.keeps_metadata:
            metadata, name = None, None
        elif form is flat:
            form = nested
        secret = self.world.secret()
        body = form(identity, secret, metadata)
        made = self.service.make_credential(vault.id, body, name)
        credential = Credential(identity, metadata or {}, name, secret, False)
        credential.id = made["id"]
        self.world.operations += 1
        self.contract.made_elsewhere(vault, credential)
        self.both("refresh")

    @precondition(lambda self: self.dialect.updates)
    @has_credentials
    @rule(place=credentials, metadata=metadata)
    def change_elsewhere(self, place, metadata):
        credential, path = self.find(place)
        kind, secret = credential.identity.type, self.world.secret()
        body = {"auth": {"type": kind, FIELDS[kind][1]: secret}}
        if metadata is not None:
            body["metadata"] = dict.fromkeys(credential.metadata) | metadata
            credential.metadata = metadata
        self.elsewhere("POST", path, body)
        credential.secret = secret
        credential.changes += 1
        self.both("refresh")

    @precondition(lambda self: self.dialect.name == "qoder")
    @has_credentials
    @rule(place=credentials, new_name=ordinary)
    def rename_elsewhere(self, place, new_name):
        """The name that this mount has shown stays with the id."""
        credential, path = self.find(place)
        self.elsewhere("POST", path, {"metadata": {"vaultfs.name": new_name}})
        credential.name = new_name
        credential.changes += 1
        self.both("refresh")

    @has_credentials
    @rule(place=credentials)
    def delete_elsewhere(self, place):
        self.elsewhere("DELETE", self.find(place)[1])
        self.contract.deleted_elsewhere(*place)
        self.both("refresh")

    @has_credentials
    @rule(place=credentials)
    def archive_elsewhere(self, place):
        credential, path = self.find(place)
        if not credential.is_made_here:
            self.elsewhere("POST", f"{path}/archive", {})
            self.contract.archived_elsewhere(*place)
            self.both("refresh")

    def find(self, place):
        """A credential and its path at the service."""
        vault = self.contract.vaults[place[0]]
        credential = vault.files[place[1]]
        return credential, f"/vaults/{vault.id}/credentials/{credential.id}"

    def places(self):
        """The files that are shown: a vault and a name each."""
        return [
            (vault_name, name)
            for vault_name, vault in sorted(self.contract.vaults.items())
            for name in sorted(vault.files)
        ]

    def credentials(self):
        """Of these, the credentials that the service has."""
        return [
            place
            for place in self.places()
            if isinstance(self.file(*place), Credential)
            and not self.file(*place).is_gone
        ]

    def archived(self):
        return [
            (vault_name, name)
            for vault_name, vault in sorted(self.contract.vaults.items())
            for name in sorted(vault.archive)
        ]

    @staticmethod
    def is_taken(vault, identity):
        return any(c.identity.place == identity.place for c in vault.active())

    # --- After each step ---

    @invariant()
    def they_agree(self):
        self.compare_service()
        self.compare_mount()
        self.compare_status()

    def compare_service(self):
        active, archived = self.held()
        contract = self.contract
        known = [v for v in contract.vaults.values() if not v.is_pending]
        self.compare_vaults(known, active)
        self.compare_vaults(list(contract.archive.values()), archived)
        for vault in known:
            vault.info.text = shown(active[vault.id])
            self.compare_vault(vault)
            self.compare_secrets(vault)

    def held(self):
        """The vaults of this example by their ids, and the archived ones."""
        held = {}, {}
        for thing in self.world.everything("/vaults"):
            if thing["display_name"].startswith(self.prefix):
                held[thing.get("archived_at") is not None][thing["id"]] = thing
        return held

    def compare_vaults(self, vaults, held):
        new = set(held) - {vault.id for vault in vaults}
        for vault in vaults:
            if vault.id is None:  # it was made a moment ago
                vault.id = new.pop()
        expected = {
            vault.id: (self.prefix + vault.display_name, vault.metadata)
            for vault in vaults
        }
        assert expected == {
            i: (thing["display_name"], thing["metadata"]) for i, thing in held.items()
        }

    def compare_vault(self, vault):
        listed = self.world.everything(f"/vaults/{vault.id}/credentials")
        objects = {thing["id"]: thing for thing in listed}
        for credential in vault.credentials:
            self.compare_credential(credential, objects)
        assert objects == {}, "the service holds more than the contract"

    def compare_credential(self, credential, objects):
        if credential.id is None:
            fits = [
                i
                for i, thing in objects.items()
                if i not in self.ids and identity_of(thing) == credential.identity
            ]
            assert len(fits) == 1, "it was not made anew"
            credential.id = fits[0]
        self.ids.add(credential.id)
        assert credential.id in objects, "the id is gone"
        thing = objects.pop(credential.id)
        assert identity_of(thing) == credential.identity
        assert users(thing.get("metadata", {})) == credential.metadata
        if self.dialect.keeps_metadata:
            assert self.service.file_name(thing) == credential.name
        is_archived = thing.get("archived_at") or thing.get("status") == "archived"
        assert bool(is_archived) == credential.is_archived
        now = (credential.changes, thing["updated_at"])
        before = self.stamps.setdefault(credential.id, now)
        assert (now[0] != before[0]) == (now[1] != before[1]), "updated_at"
        self.stamps[credential.id] = now
        credential.text = shown(thing)

    def compare_secrets(self, vault):
        """A box is sealed anew exactly when a document brought a secret, and
        then holds that one."""
        boxes = self.world.sealed()
        for credential in vault.active():
            now = (credential.secret, boxes[credential.id])
            before = self.sealed.get(credential.id)
            if before is None or before[1] != now[1]:
                held = secrets_of(self.service, credential.id)
                assert list(held.values()) == [credential.secret]
            else:
                assert before[0] == now[0], "the new secret did not arrive"
            self.sealed[credential.id] = now

    def compare_mount(self):
        assert self.mounted.vaults() == sorted(self.contract.vaults)
        assert self.mounted.archived_vaults() == sorted(self.contract.archive)
        for name, vault in self.contract.vaults.items():
            self.compare_files(name, vault.files)
            if not vault.is_pending:
                self.compare_files(f"{name}/.archive", vault.archive)

        for name, vault in self.contract.archive.items():
            self.compare_names(f".archive/{name}", vault)

    def compare_names(self, directory, vault):
        """An archived vault shows all that it ever held."""
        expected = [*vault.files, *map(name_of, vault.archive.values())]
        if len(set(expected)) == len(expected):
            assert sorted(self.mounted.files(directory)) == sorted(expected)

    def compare_files(self, directory, files):
        expected = {name: size_of(file) for name, file in files.items()}
        assert self.mounted.files(directory) == expected
        for name, file in files.items():
            if not isinstance(file, Scratch):
                assert self.mounted.read(directory, name) == text_of(file), name

    def compare_status(self):
        """Nothing is left in locked memory but scratch files."""
        contract = self.contract
        scratch = [
            file
            for vault in (*contract.vaults.values(), *contract.archive.values())
            for file in vault.files.values()
            if isinstance(file, Scratch)
        ]
        status = self.mounted.status()
        found = status["scratch_files"] - self.status["scratch_files"]
        size = status["scratch_bytes"] - self.status["scratch_bytes"]
        assert (found, size) == (len(scratch), sum(map(size_of, scratch)))
        assert status["unknown_outcomes"] == 0

    # --- The end of an example ---

    def teardown(self):
        """Nothing is left for the next one; rm -r works whatever there is."""
        has_failed = sys.exc_info()[0] is not None
        with contextlib.suppress(*((Refusal, OSError) if has_failed else ())):
            for name in self.mounted.vaults():
                self.mounted.remove_tree(name)
            for name in self.mounted.archived_vaults():
                self.mounted.remove_archived_vault(name)
        for vaults in self.held():
            for vault_id in vaults:
                self.service.ok("DELETE", f"/vaults/{vault_id}")
