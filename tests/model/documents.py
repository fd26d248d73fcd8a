# SPDX-License-Identifier: MIT
"""What a user writes: what it means, and the bytes that say so."""

import json
from dataclasses import dataclass
from typing import NamedTuple


class Identity(NamedTuple):
    """Which credential a document describes. A service has one of a place."""

    type: str
    place: str  # mcp_server_url or secret_name


# The field of `auth` that holds the place, and the one that holds the secret.
FIELDS = {
    "static_bearer": ("mcp_server_url", "token"),
    "mcp_oauth": ("mcp_server_url", "access_token"),
    "environment_variable": ("secret_name", "secret_value"),
}
FLAT_FIELDS = {"static_bearer": ("mcp_server_url", "access_token")}


def identity_of(shown):
    """The identity of a credential as the service shows it, in either form."""
    auth = shown.get("auth", shown)
    return Identity(auth["type"], auth[FIELDS[auth["type"]][0]])


@dataclass(frozen=True)
class Document:
    """A credential's document. `fault` is the reason why no service would ever
    see it; `read` is what it was made from, if that was read from a file."""

    identity: Identity = None
    secret: str = None
    metadata: dict = None
    fault: str = None
    read: object = None  # a credential
    data: bytes = b""

    @property
    def size(self):
        return len(self.data)

    def __repr__(self):
        parts = [f"{self.data!r}"]
        if self.fault:
            parts.append(f"fault={self.fault!r}")
        return f"Document({', '.join(parts)})"


EMPTY = Document(fault="empty")


def nested(identity, secret, metadata):
    place, value = FIELDS[identity.type]
    auth = {"type": identity.type, place: identity.place}
    if secret is not None:
        auth[value] = secret
    return {"auth": auth} | ({} if metadata is None else {"metadata": metadata})


def flat(identity, secret, metadata):
    """The form of the first API; it has this one type."""
    document = {
        "mcp_server_url": identity.place,
        "protocol": "sse",
        "type": identity.type,
    }
    if secret is not None:
        document["access_token"] = secret
    return document | ({} if metadata is None else {"metadata": metadata})


def as_bytes(thing):
    return json.dumps(thing).encode() + b"\n"


def compose(form, identity, secret, metadata):
    form = form if identity.type == "static_bearer" else nested
    thing = form(identity, secret, metadata)
    return Document(identity, secret, metadata, data=as_bytes(thing))


# What W-strict and W-incomplete refuse: how a good document is spoilt.
FAULTS = {
    "unknown field": lambda thing: as_bytes(thing | {"acess_token": "example"}),
    "wrong type": lambda thing: as_bytes(thing | {"metadata": [1]}),
    "two documents": lambda thing: as_bytes(thing) + b"{}",
    "not JSON": lambda thing: b"token\n",
    "unfinished": lambda thing: as_bytes(thing)[:-2],
}


def spoil(form, fault, identity, secret):
    form = form if identity.type == "static_bearer" else nested
    data = FAULTS[fault](form(identity, secret, None))
    return Document(identity, secret, fault=fault, data=data)


def edited(shown, of, metadata=None, secret=None):
    """What was read of a credential or a vault, perhaps with other metadata,
    and with a secret."""
    thing = json.loads(shown)
    auth = thing.get("auth", thing)
    is_vault = thing["type"] == "vault"
    if metadata is not None:
        own = {k: v for k, v in thing["metadata"].items() if k == "vaultfs.name"}
        thing["metadata"] = own | metadata
    if secret is not None and not is_vault:
        form = FIELDS if "auth" in thing else FLAT_FIELDS
        auth[form[auth["type"]][1]] = secret
    is_changed = metadata is not None or secret is not None
    return Document(
        None if is_vault else identity_of(thing),
        secret,
        users(thing.get("metadata", {})),
        read=of,
        data=as_bytes(thing) if is_changed else shown.encode(),
    )


def users(metadata):
    """Metadata without the key that is ours."""
    return {k: v for k, v in metadata.items() if k != "vaultfs.name"}
