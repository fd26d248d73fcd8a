# SPDX-License-Identifier: MIT
"""Opens what a vaultd of the test has sealed, as a reader linked to it would.

That a secret is the one that was written cannot be seen through the service,
which gives none back: so this reads its database with its key.
"""

import ctypes
import ctypes.util
import functools
import sqlite3

KEY_SIZE, NONCE_SIZE, TAG_SIZE = 32, 24, 16
KEY_BOX = 1
CONTEXT = b"vaultd00"


@functools.cache
def load_sodium():
    sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
    assert sodium.sodium_init() >= 0
    return sodium


@functools.cache
def box_key(sodium, data):
    master = (data / "key").read_bytes()
    key = ctypes.create_string_buffer(KEY_SIZE)
    status = sodium.crypto_kdf_derive_from_key(
        key, ctypes.c_size_t(KEY_SIZE), ctypes.c_uint64(KEY_BOX), CONTEXT, master
    )
    assert status == 0
    return key.raw


def open_box(sodium, key, sealed, place):
    nonce, text = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:]
    opened = ctypes.create_string_buffer(max(len(text) - TAG_SIZE, 1))
    status = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        opened,
        None,
        None,
        text,
        ctypes.c_ulonglong(len(text)),
        place,
        ctypes.c_ulonglong(len(place)),
        nonce,
        key,
    )
    assert status == 0, "a box that its key does not open"
    return opened.raw[: len(text) - TAG_SIZE].decode()


def secrets_of(service, credential_id):
    """The secrets of a credential by field; none when there is no such one."""
    sodium = load_sodium()
    key = box_key(sodium, service.data)
    query = "SELECT field, version, sealed FROM box WHERE credential_id = ?"
    with sqlite3.connect(f"file:{service.data}/vaults.db?mode=ro", uri=True) as db:
        return {
            field: open_box(
                sodium, key, sealed, f"{credential_id}\n{field}\n{version}".encode()
            )
            for field, version, sealed in db.execute(query, (credential_id,))
        }
