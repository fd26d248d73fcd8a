/* SPDX-License-Identifier: MIT
 *
 * What may stand in an Authorization header: made here, shown once, kept as
 * hashes.
 */
#ifndef VAULTD_TOKEN_H
#define VAULTD_TOKEN_H

#include "id.h"
#include "scope.h"

#include "vaultfs/error.h"

struct vf_access;
struct vf_secret;
struct vf_store;

#define VF_TOKEN_NAME_MAX 255 /* characters */

enum vf_token_kind {
    VF_TOKEN_PERSONAL, /* a person's: pt-, its id tok_ */
    VF_TOKEN_KEY,      /* a service account's, good for an exchange: sak- */
    VF_TOKEN_EXCHANGED /* what one gets for a key: sat- */
};

/* What is issued, and what is known of it when it is used. */
struct vf_grant {
    enum vf_token_kind kind;
    char id[VF_ID_SIZE];
    unsigned scopes;    /* enum vf_scope, or-ed */
    int64_t expires_us; /* 0: never */
};

/* "token" or "key", as people call them. Static storage. */
const char *vf_token_noun(enum vf_token_kind kind);

/* The word for a kind in the database. Static storage. */
const char *vf_token_word(enum vf_token_kind kind);

/* Whether text has the form of a token or a key, so that it must not be shown.
 */
bool vf_token_is_one(const char *text);

/*
 * Make one as grant says, but for its id, which is filled in; durable before
 * the return. name is for people; both are borrowed.
 */
VF_MUST_CHECK int vf_token_create(struct vf_store *store,
                                  struct vf_grant *grant, const char *name,
                                  struct vf_secret **ret, struct vf_error *err);

/* The same inside a job of the writer. key_id, or NULL, is the key that this is
 * exchanged for. */
VF_MUST_CHECK int vf_token_insert(const struct vf_access *access,
                                  struct vf_grant *grant, const char *name,
                                  const char *key_id, struct vf_secret **ret,
                                  struct vf_error *err);

/*
 * What a token of this store may do. -EKEYREJECTED (401) with err saying
 * whether it is unknown, was revoked, or when it expired. Waits for no writer.
 */
VF_MUST_CHECK int vf_token_check(struct vf_store *store, const char *token,
                                 struct vf_grant *ret, struct vf_error *err);

/* The same by its id, inside a job. */
VF_MUST_CHECK int vf_token_find(const struct vf_access *access, const char *id,
                                struct vf_grant *ret, struct vf_error *err);

/* Keep that it was used now, inside a job of the writer. */
VF_MUST_CHECK int vf_token_used(const struct vf_access *access, const char *id,
                                int64_t now_us, struct vf_error *err);

#endif
