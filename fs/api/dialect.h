/* SPDX-License-Identifier: MIT
 *
 * What differs between the services that are spoken to: one table each. No
 * other file asks which dialect it is.
 */
#ifndef VF_API_DIALECT_H
#define VF_API_DIALECT_H

#include "vaultfs/json.h"

#include <stddef.h>

struct vf_spec;

enum vf_route {
    VF_ROUTE_VAULTS,
    VF_ROUTE_VAULT,
    VF_ROUTE_CREDENTIALS,
    VF_ROUTE_CREDENTIAL,
    VF_ROUTE_CREDENTIAL_ARCHIVE
};
#define VF_ROUTES 5

/* Names of members from the outside in, the end NULL. */
#define VF_PATH_MAX 3
typedef const char *const vf_path[VF_PATH_MAX];

/* Where an object of a reply has what we need of it. */
struct vf_shape {
    const char *type;         /* its "type" */
    const char *deleted_type; /* the "type" of the reply that it is gone */
    vf_path name;             /* see vf_object.name */
    bool is_name_required;
    bool has_label;       /* see vf_object.label */
    const char *parent;   /* the member with the id of what holds it, or NULL */
    const char *auth;     /* the member that must be an object, with a type */
    const char *embedded; /* a member that only some replies have: its own
                             objects; never shown. NULL: none */
};

/* A field of a spec that replies show, and what an update can do to it. */
struct vf_field {
    const char *param; /* its dotted name, in a spec and in a reply */
    enum {
        VF_FIELD_TEXT,  /* place is of a char *, NULL for none */
        VF_FIELD_VALUE, /* of a struct vf_json *, NULL for none */
        VF_FIELD_PART   /* of a bool: whether there is such an object */
    } kind;
    size_t place; /* offset in struct vf_spec */
    enum {
        VF_FIELD_IS_FIXED = 0,
        VF_FIELD_CAN_SET = 1,
        VF_FIELD_CAN_CLEAR = 2, /* by null */
        /* One that is not shown may be there all the same, and one that was
         * not given may be shown: only two values can differ. */
        VF_FIELD_IS_TACIT = 4
    } flags;
};

struct vf_dialect {
    const char *name;
    const char *token_header;
    const char *token_prefix;
    const char *request_id_header;
    const char *idempotency_header; /* NULL: the service has none */
    const char *routes[VF_ROUTES];  /* {v}: vault id, {c}: credential id */
    unsigned page_limit;            /* asked for in each list */
    const char *page_parameter;     /* takes the cursor */
    const char *next_member;        /* of a page: the next cursor */
    const char *archive_body;
    struct vf_shape vault;
    struct vf_shape credential;
    const struct vf_field *fields; /* of a credential, up to one without a
                                      param; the rest is identity or secret */

    /* Writers of bodies; a failure sticks in the writer. */
    void (*write_vault)(struct vf_json_writer *writer,
                        const char *display_name);
    void (*write_credential)(struct vf_json_writer *writer, const char *name,
                             const struct vf_spec *spec);
    /* current: the credential as last seen, or NULL. The spec asks for nothing
     * that an update cannot do. */
    void (*write_update)(struct vf_json_writer *writer, const char *name,
                         const struct vf_spec *spec,
                         const struct vf_json *current);
};

extern const struct vf_dialect vf_dialect_qoder;

#endif
