/* SPDX-License-Identifier: MIT
 *
 * Which fields the spec of a credential has: a table a kind of object, and a
 * form a dialect.
 */
#ifndef VAULTD_AUTH_FORM_H
#define VAULTD_AUTH_FORM_H

#include <stdbool.h>

enum vf_field_kind {
    VF_FIELD_TEXT,
    VF_FIELD_CLIENT_ID,
    VF_FIELD_URL,
    VF_FIELD_VARIABLE, /* a name of an environment variable */
    VF_FIELD_TIME,
    VF_FIELD_WORD,
    VF_FIELD_BOOLEAN,
    VF_FIELD_HOSTS,
    VF_FIELD_SECRET,
    VF_FIELD_OBJECT,
    VF_FIELD_CLIENT_AUTH /* an object whose type says whether it has a secret */
};

enum vf_field_flags {
    VF_FIELD_REQUIRED = 1, /* in a new credential */
    VF_FIELD_CHANGES = 2,  /* by an update */
    VF_FIELD_NULLABLE = 4, /* null stands for none, asked and answered */
    VF_FIELD_HIDDEN = 8,   /* checked, and then not kept */
    VF_FIELD_WHOLE = 16,   /* an object that an update replaces, not merges */
    VF_FIELD_LATER = 32    /* an object that an update may begin */
};

struct vf_field {
    const char *name; /* NULL ends a table */
    enum vf_field_kind kind;
    unsigned flags;
    const char *const *words;      /* WORD: what it may be */
    const struct vf_field *fields; /* OBJECT, CLIENT_AUTH */
    const char *secret;            /* SECRET: the name it is kept under, dotted,
                                      below the spec */
};

#define VF_FIELDS_MAX 8 /* in a table, its end not counted */
#define VF_FIELD_CLIENT_SECRET "refresh.token_endpoint_auth.client_secret"

struct vf_spec_type {
    const char *name; /* NULL ends */
    const struct vf_field *fields;
    const char *identity; /* the field that two active ones may not share */
};

struct vf_spec_form {
    const char *member; /* of the body, that is the spec; NULL: the body is */
    const struct vf_spec_type *types;
    const char *types_text;
};

extern const struct vf_spec_form vf_form_qoder, vf_form_flat, vf_form_anthropic;

#endif
