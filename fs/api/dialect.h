/* SPDX-License-Identifier: MIT
 *
 * What differs between the services that are spoken to: one table each. No
 * other file asks which dialect it is.
 */
#ifndef VF_API_DIALECT_H
#define VF_API_DIALECT_H

#include "vaultfs/api.h"
#include "vaultfs/http.h"
#include "vaultfs/json.h"

#include <stddef.h>

struct vf_spec;
struct vf_vault_spec;

enum vf_route {
    VF_ROUTE_VAULTS,
    VF_ROUTE_VAULT,
    VF_ROUTE_VAULT_ARCHIVE,
    VF_ROUTE_CREDENTIALS,
    VF_ROUTE_CREDENTIAL,
    VF_ROUTE_CREDENTIAL_ARCHIVE
};
#define VF_ROUTES 6

/* All of them agree on these so far. */
#define VF_DIALECT_ROUTES                                                      \
    {                                                                          \
        [VF_ROUTE_VAULTS] = "/vaults", [VF_ROUTE_VAULT] = "/vaults/{v}",       \
        [VF_ROUTE_VAULT_ARCHIVE] = "/vaults/{v}/archive",                      \
        [VF_ROUTE_CREDENTIALS] = "/vaults/{v}/credentials",                    \
        [VF_ROUTE_CREDENTIAL] = "/vaults/{v}/credentials/{c}",                 \
        [VF_ROUTE_CREDENTIAL_ARCHIVE] = "/vaults/{v}/credentials/{c}/archive", \
    }

/* Names of members from the outside in, the end NULL. */
#define VF_PATH_MAX 3
typedef const char *const vf_path[VF_PATH_MAX];

/* Where an object of a reply has what we need of it. */
struct vf_shape {
    const char *type;         /* its "type"; NULL: any */
    const char *deleted_type; /* the "type" of the reply that it is gone */
    vf_path name;             /* see vf_object.name; empty: not there */
    bool is_name_required;
    bool is_name_a_title; /* people write there too: what is no file name is no
                             name */
    bool has_label;       /* see vf_object.label */
    const char *status;   /* the member that may say "archived"; NULL: only
                             archived_at tells */
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
        VF_FIELD_VALUE, /* of a struct vf_json *, NULL or empty for none */
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

    /* Requests. */
    const char *token_header;
    const char *token_prefix;
    const char *request_id_header;
    const char *idempotency_header;       /* NULL: the service has none */
    const struct vf_http_header *headers; /* in every request; the end has no
                                             name; NULL: none */
    const char *routes[VF_ROUTES]; /* {v}: vault id, {c}: credential id */
    const char *archive_body;      /* NULL: none */

    /* Lists. */
    unsigned page_limit;        /* asked for in each list */
    const char *page_parameter; /* takes the cursor */
    /* The table of older servers, which pass over that parameter, and show the
     * same page again; NULL: there are none. */
    const struct vf_dialect *older;
    const char *next_member; /* of a page: the next cursor */
    bool needs_has_more;     /* there is a next page only if it says so */
    const char *filters[3];  /* of the query, for each of enum vf_list; NULL for
                                all: there are two lists, of the active and of
                                the archived ones */

    /* Objects. */
    struct vf_shape vault;
    struct vf_shape credential;
    const struct vf_field *fields; /* of a credential, up to one without a
                                      param; the rest is identity or secret */
    unsigned credentials_max;      /* in one vault; 0: none is documented */
    bool keeps_no_names; /* the file names of credentials are kept here */
    bool takes_credentials_with_vault;

    /* What a new credential may have; NULL: all that a spec may. -EINVAL, and
     * err->param names what the service has no place for. */
    int (*check_new)(const char *name, const struct vf_spec *spec,
                     struct vf_error *err);

    /* Writers of bodies; a failure sticks in the writer. name NULL: there is
     * none, or it stays. current: the object as last seen, or NULL. A spec asks
     * for nothing that an update cannot do. Updates are NULL where there are
     * none. */
    void (*write_vault)(struct vf_json_writer *writer,
                        const struct vf_vault_spec *spec);
    void (*write_vault_update)(struct vf_json_writer *writer,
                               const struct vf_vault_spec *spec,
                               const struct vf_json *current);
    void (*write_credential)(struct vf_json_writer *writer, const char *name,
                             const struct vf_spec *spec);
    void (*write_update)(struct vf_json_writer *writer, const char *name,
                         const struct vf_spec *spec,
                         const struct vf_json *current);

    /* Telling services apart. The table for a service that shows this vault
     * (its type and id are those of one); NULL: not known by it. A table
     * without this is that of one service. */
    const struct vf_dialect *(*tell)(const struct vf_json *vault);
    /* The table of a service that refuses a vault without credentials, if this
     * may turn out to be one; NULL: it is not. */
    const struct vf_dialect *first_credential;
};

extern const struct vf_dialect vf_dialect_auto; /* one of Qoder's two */
extern const struct vf_dialect vf_dialect_qoder;
extern const struct vf_dialect vf_dialect_flat;
extern const struct vf_dialect vf_dialect_flat_older;
extern const struct vf_dialect vf_dialect_anthropic;

/* NULL for a name that is none. */
const struct vf_dialect *vf_dialect_find(const char *name);

/* The table in use: it changes when the service is told apart, and when it is
 * found to be an older one, and never back.
 * Who wrote a request by one table reads its reply by that in use then. */
typedef _Atomic(const struct vf_dialect *) vf_dialect_slot;

/* Look at a reply with one vault, or a page of them. */
void vf_dialect_tell(vf_dialect_slot *slot, const struct vf_json *reply);

/* Take table for the one in use, if that is from, or is it already: whether it
 * is now. */
bool vf_dialect_settle(vf_dialect_slot *slot, const struct vf_dialect *from,
                       const struct vf_dialect *table);

#endif
