/* SPDX-License-Identifier: MIT
 *
 * The operations of a service, each a row of a table: what is sent where, what
 * may be repeated, how the reply is read.
 */
#ifndef VF_API_OPERATION_H
#define VF_API_OPERATION_H

#include "call.h"
#include "reply.h"

enum vf_operation_kind {
    VF_LIST_VAULTS,
    VF_LIST_CREDENTIALS,
    VF_GET_CREDENTIAL,
    VF_CREATE_VAULT,
    VF_UPDATE_VAULT,
    VF_ARCHIVE_VAULT,
    VF_DELETE_VAULT,
    VF_CREATE_CREDENTIAL,
    VF_UPDATE_CREDENTIAL,
    VF_ARCHIVE_CREDENTIAL,
    VF_DELETE_CREDENTIAL
};

/* One of them with its parameters; everything is borrowed. Those that a kind
 * has no use for are zero. */
struct vf_operation {
    enum vf_operation_kind kind;
    const struct vf_dialect *dialect; /* that the request is written in */
    const char *vault_id;
    const char *id; /* of a credential */
    enum vf_list which;
    const char *cursor; /* of a list; NULL: the first page */
    struct vf_secret *body;
    const struct vf_secret *const *secrets; /* in the body; some may be NULL */
    size_t secrets_count;
    struct vf_key *key;
    bool is_ahead; /* both: see struct vf_list_query */
    bool is_impatient;
    int64_t deadline_ms;
    void *ret; /* of the type that the reply is read to; see reply.h */
};

/* Blocks; hold no lock. Errors as struct vf_service_ops has them. */
VF_MUST_CHECK int vf_operation_run(struct vf_api *api,
                                   const struct vf_operation *operation,
                                   struct vf_error *err);

/* The same with a body that a writer is done with. Drops the body. */
VF_MUST_CHECK int vf_operation_run_written(struct vf_api *api,
                                           struct vf_operation *operation,
                                           const struct vf_json_writer *writer,
                                           struct vf_error *err);

/* The same for an archiving, whose body and dialect are the table's. */
VF_MUST_CHECK int vf_operation_archive(struct vf_api *api,
                                       struct vf_operation operation,
                                       struct vf_error *err);

/* Start a body in locked memory. */
VF_MUST_CHECK int vf_operation_begin_body(struct vf_json_writer *ret,
                                          struct vf_error *err);

#endif
