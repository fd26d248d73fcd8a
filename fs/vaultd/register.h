/* SPDX-License-Identifier: MIT
 *
 * What was issued: looked at and taken back, by people.
 */
#ifndef VAULTD_REGISTER_H
#define VAULTD_REGISTER_H

#include "token.h"

struct vf_buf;

/* One token or key; 0 is a time that there was not. */
struct vf_issued {
    char id[VF_ID_SIZE];
    char *name;
    unsigned scopes; /* enum vf_scope, or-ed */
    int64_t created_us;
    int64_t expires_us;
    int64_t revoked_us;
    int64_t used_us;
};

struct vf_register {
    struct vf_issued *entries; /* oldest first */
    size_t count;
};

/* All of a kind; undone with vf_register_done(). */
VF_MUST_CHECK int vf_register_read(struct vf_store *store,
                                   enum vf_token_kind kind,
                                   struct vf_register *ret,
                                   struct vf_error *err);
void vf_register_done(struct vf_register *all);

/* Append a table for people, or one JSON array. */
void vf_register_put_table(const struct vf_register *all, int64_t now_us,
                           struct vf_buf *ret);
void vf_register_put_json(const struct vf_register *all, int64_t now_us,
                          struct vf_buf *ret);

/*
 * Revoke by id, or by a name that one active token of the kind has; with a key
 * the tokens that it was exchanged for. All, or none: -EINVAL for what names
 * none or several. What is no longer active stays as it is. Durable before the
 * return, and possible on a full disk.
 */
VF_MUST_CHECK int vf_register_revoke(struct vf_store *store,
                                     enum vf_token_kind kind,
                                     const char *const *names, size_t count,
                                     struct vf_error *err);

#endif
