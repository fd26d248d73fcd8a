/* SPDX-License-Identifier: MIT
 *
 * One API call as the endpoints see it: no HTTP, no threads.
 */
#ifndef VAULTD_CALL_H
#define VAULTD_CALL_H

#include "dialect.h"
#include "problem.h"
#include "store.h"
#include "token.h"

#include "vaultfs/text.h"

#include <stdbool.h>

struct vf_json;
struct vf_secret;

/* Everything is borrowed until the call returns, but the reply. */
struct vf_call {
    const struct vf_dialect *dialect;
    const struct vf_rules *rules;
    const struct vf_grant *grant; /* of who asks */
    const char *url;              /* the whole path, with a prefix or without */
    const char *method; /* these three tell calls apart that share a key */
    const char *path;   /* without the dialect's prefix */
    const struct vf_secret *raw_body; /* or NULL */
    const char *idempotency_key;      /* or NULL */
    char vault_id[VF_ID_SIZE];        /* from the path, or of what was made */
    char credential_id[VF_ID_SIZE];
    const struct vf_json *body; /* an object, or NULL */
    const char *(*query)(void *context, const char *name); /* NULL: absent */
    void *query_context;
    int status;     /* of the reply */
    bool is_secret; /* the reply holds one: kept nowhere */
    struct vf_buf reply;
};

/* Answers into call->status and call->reply, or refuses with err filled. May be
 * called again with an empty reply. */
typedef int vf_endpoint(struct vf_call *call, const struct vf_access *access,
                        struct vf_error *err);

vf_endpoint vf_vault_create, vf_vault_list, vf_vault_get, vf_vault_delete,
    vf_vault_archive, vf_vault_update;
vf_endpoint vf_credential_create, vf_credential_list, vf_credential_get,
    vf_credential_update, vf_credential_delete, vf_credential_archive,
    vf_credential_validate;
vf_endpoint vf_token_exchange;

/* -ENOENT, with err filled, when the call's vault does not exist. */
VF_MUST_CHECK int vf_vault_find(const struct vf_call *call,
                                const struct vf_access *access,
                                bool *ret_is_archived, struct vf_error *err);

#endif
