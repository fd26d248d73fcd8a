/* SPDX-License-Identifier: MIT
 *
 * What one dialect of the vault API looks like on the wire: a table each, and
 * no test for a dialect anywhere else. Limits on text count Unicode characters;
 * 0 is no limit.
 */
#ifndef VAULTD_DIALECT_H
#define VAULTD_DIALECT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vf_buf;
struct vf_spec_form;

/* What the service's documentation leaves open: a switch each, that begins as
 * the dialect has it. */
struct vf_rules {
    int create_status;  /* of a new credential: 200 or 201 */
    bool may_duplicate; /* two active credentials for one URL in one vault */
    int64_t credentials_max; /* active ones in a vault; 0: no limit */
    bool may_archive_again;
    bool may_change_archived; /* add to and update in an archived vault */
    bool is_oldest_first;
    bool needs_first_credential; /* a new vault comes with one */
    int no_update; /* how the update of a credential is refused: 404 or 405;
                      0: it is there, if the dialect has it */
    bool echoes_bodies; /* faults, for tests of clients */
    bool leaks_secrets;
};

/* Calls that not every dialect has. */
enum vf_calls {
    VF_CALL_ALWAYS = 0,
    VF_CALL_UPDATE = 1, /* of a credential */
    VF_CALL_VALIDATE = 2,
    VF_CALL_VAULT_UPDATE = 4,
    VF_CALL_EXCHANGE = 8 /* a key for a token */
};

/* Which objects a list has. The numbers are part of its SQL. */
enum vf_wanted {
    VF_WANTED_ACTIVE = 0,
    VF_WANTED_ARCHIVED = 1,
    VF_WANTED_ALL = 2
};

#define VF_CURSORS_MAX 3

/* A header that must be there, with one of these words, or several, separated
 * by commas, one of which it is. */
struct vf_required_header {
    const char *name;         /* NULL ends a table */
    const char *const *words; /* NULL ends */
};

struct vf_list_style {
    const char *cursors[VF_CURSORS_MAX + 1]; /* query parameters, then NULL */
    const char *filter;                      /* by archived or not */
    struct {
        const char *word;
        enum vf_wanted wanted;
    } words[2];
    bool has_name;      /* the filter by name */
    bool has_next_page; /* in the envelope */
    bool has_ends;      /* first_id, last_id, has_more */
};

/* Appends the object of a row (see objects.h) without its closing brace, so
 * that a member may follow. */
typedef void vf_put_object(sqlite3_stmt *row, struct vf_buf *ret);

struct vf_dialect {
    const char *name;
    const char *path_prefix;  /* documented; the bare paths are served too */
    const char *vault_prefix; /* of ids */
    const char *credential_prefix;

    /* Headers. */
    const char *request_id; /* name; echoed when the caller gives it */
    bool takes_api_key;     /* x-api-key beside Authorization: Bearer */
    const struct vf_required_header *required; /* NULL: none */
    bool has_idempotency;

    /* Calls and objects. */
    unsigned calls; /* enum vf_calls, or-ed */
    int create_vault_status;
    bool deletes_silently; /* 204 without a body */
    const struct vf_spec_form *form;
    vf_put_object *put_vault;
    vf_put_object *put_credential;
    bool takes_credentials; /* with a new vault */
    bool shows_credentials; /* of a new vault, in the reply that made it */
    bool keeps_names;       /* the display_name of a credential */
    struct vf_list_style list;

    /* Limits. */
    size_t display_name_max;
    size_t metadata_keys_max;
    size_t metadata_key_max;
    size_t metadata_value_max;
    size_t url_max;
    size_t secret_max;
    size_t client_id_max;
    bool is_expiry_ahead; /* expires_at of a new credential is to come */
    int limit_default;    /* objects on a page */
    int limit_max;
    size_t body_max; /* bytes */

    struct vf_rules rules;
};

/* The first is the default; NULL ends. */
extern const struct vf_dialect *const vf_dialects[];

/* NULL for a name that is none. */
const struct vf_dialect *vf_dialect_find(const char *name);

#endif
