/* SPDX-License-Identifier: MIT
 *
 * The key of a data directory, and what is done with it: sealing secrets,
 * hashing tokens, recognising repeated requests. The key file holds 32 random
 * bytes; each use has a key of its own, derived from them. All keys are held in
 * locked memory. Thread-safe; nothing here blocks but vf_seal_new().
 */
#ifndef VAULTD_SEAL_H
#define VAULTD_SEAL_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_secret;
struct vf_seal;

/*
 * Read DIR/key; with may_create make it when there is none, durably, before
 * the return. Errors: -EACCES for a key file with group or other bits or a
 * strange owner, -EINVAL for one of another size, -ENOENT, -ENOMEM, and others
 * from the file system.
 */
VF_MUST_CHECK int vf_seal_new(const char *dir, bool may_create,
                              struct vf_seal **ret, struct vf_error *err);
void vf_seal_free(struct vf_seal *seal); /* NULL is allowed */

/* Bytes that a box is larger than its secret. */
#define VF_SEAL_OVERHEAD 40

/* Where a box belongs: it opens nowhere else. Borrowed. */
struct vf_seal_place {
    const char *credential_id;
    const char *field;
    int version; /* of the schema it was written under */
};

/* ret has room for size + VF_SEAL_OVERHEAD bytes. */
void vf_seal_close_box(const struct vf_seal *seal,
                       const struct vf_seal_place *place, const void *secret,
                       size_t size, unsigned char *ret);

/* -EBADMSG when the box was changed, moved, or closed with another key. */
VF_MUST_CHECK int vf_seal_open_box(const struct vf_seal *seal,
                                   const struct vf_seal_place *place,
                                   const void *box, size_t size,
                                   struct vf_secret **ret,
                                   struct vf_error *err);

/* Keyed hashes, one key a purpose. */
enum vf_seal_purpose {
    VF_SEAL_TOKEN,       /* of an access token */
    VF_SEAL_IDEMPOTENCY, /* of a request */
    VF_SEAL_CHECK        /* tells whether a database belongs to this key */
};

#define VF_SEAL_HASH_SIZE 32

struct vf_seal_part {
    const void *data;
    size_t size;
};

/* Of all parts with their sizes, so that no two lists of parts are alike. */
void vf_seal_hash(const struct vf_seal *seal, enum vf_seal_purpose purpose,
                  const struct vf_seal_part *parts, size_t count,
                  unsigned char ret[static VF_SEAL_HASH_SIZE]);

#endif
