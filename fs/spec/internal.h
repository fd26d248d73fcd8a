/* SPDX-License-Identifier: MIT
 *
 * Private to fs/spec: tables of fields, and who reads and checks a field.
 */
#ifndef VAULTFS_SPEC_INTERNAL_H
#define VAULTFS_SPEC_INTERNAL_H

#include "vaultfs/json.h"
#include "vaultfs/spec.h"

#include <stddef.h>

/* What a string must look like. NULL when it does, else what is wrong, to
 * follow the field's name in a message: "must be ...". Text is NUL-terminated
 * and may hold NUL bytes; none is accepted. */
typedef const char *spec_check(const char *text, size_t size);

spec_check spec_check_text;     /* no NUL byte */
spec_check spec_check_name;     /* and not empty */
spec_check spec_check_secret;   /* not empty, no control character */
spec_check spec_check_url;      /* absolute http(s), no userinfo or fragment */
spec_check spec_check_variable; /* [A-Za-z_][A-Za-z0-9_]* */
spec_check spec_check_protocol; /* sse, streamable_http */
spec_check spec_check_time;     /* RFC 3339 */
spec_check spec_check_host;     /* a host, no space or control character */

/* A value of a document, and what is shown in the same place. */
struct spec_value {
    const struct vf_json *json;
    const struct vf_json *shown; /* NULL: nothing, or null */
    /* Where to look for a member that shown lacks: the flat form has in one
     * object what the nested one has in two. Mostly NULL. */
    const struct vf_json *shown_outside;
    bool is_shown;
    bool is_same;
    char param[VF_ERROR_PARAM_MAX + 1]; /* dotted; "": the document itself */
};

/* What a document is held against. */
enum spec_purpose {
    SPEC_CREATES,  /* nothing has its name */
    SPEC_EDITS,    /* the same credential, or vault */
    SPEC_REPLACES, /* another credential */
};

struct spec_reader {
    void *base; /* struct vf_spec or vf_vault_spec, as the fields demand */
    enum spec_purpose purpose;
    /* Of the credential that is shown, what says which one it is. */
    const struct vf_json *auth_shown;
    bool keeps_name; /* spec->stored_name */
    struct vf_error *err;
};

struct spec_field;

/* Takes a value of the field's type, or null where its kind allows. */
typedef int spec_read_function(struct spec_reader *reader,
                               const struct spec_field *field,
                               const struct spec_value *value);

struct spec_field {
    const char *key;
    const struct spec_kind *kind;
    enum { OPTIONAL, REQUIRED } need;
    size_t place; /* offset from the reader's base */
};

#define AT(member) offsetof(struct vf_spec, member)
#define NOWHERE 0 /* has no place of its own */

struct spec_shape {
    /* The value of "type" that picks this shape; NULL: it is the only one. */
    const char *type;
    const struct spec_field *fields; /* up to one without a key */
};

struct spec_kind {
    spec_read_function *read;
    enum vf_json_type type; /* VF_JSON_NULL: any */
    spec_check *check;      /* of strings */
    size_t max; /* of strings, in characters, and of what has elements or
                   members; 0: no limit */
    const struct spec_shape *shapes; /* of objects, up to one without fields */
    bool takes_null;
};

/* Leaves (read.c). */
spec_read_function spec_read_string;
spec_read_function spec_read_expiry;
spec_read_function spec_read_label;
spec_read_function spec_read_secret;
spec_read_function spec_read_nothing;
spec_read_function spec_read_hosts;
spec_read_function spec_read_metadata;
spec_read_function spec_read_credential_metadata;
spec_read_function spec_read_auth_type;
spec_read_function spec_read_misplaced;
spec_read_function spec_read_version;

/* Objects (walk.c). */
spec_read_function spec_read_object;
spec_read_function spec_read_auth;
spec_read_function spec_read_refresh;
spec_read_function spec_read_endpoint_auth;
spec_read_function spec_read_copied_object;

/* The fields of an object, by the shape that fits. */
int spec_read_shapes(struct spec_reader *reader,
                     const struct spec_shape *shapes,
                     const struct spec_value *object);

/* The shape that has the type, or NULL. type may be NULL. */
const struct spec_shape *spec_find_shape(const struct spec_shape *shapes,
                                         const char *type);

/* A member of an object, with what is shown in its place. */
struct spec_value spec_member(const struct spec_value *object, const char *key,
                              const struct vf_json *json);

/* An element of an array; nothing is shown in its place. */
struct spec_value spec_element(const struct spec_value *array, size_t index);

/* A whole credential in either form (parse.c). Sets the reader's purpose. */
int spec_read_credential(struct spec_reader *reader,
                         const struct spec_value *value);

/* Parses both texts and reads the document; shown may be NULL. */
typedef int spec_read_document(struct spec_reader *reader,
                               const struct spec_value *document);
int spec_parse(struct spec_reader *reader, const void *text, size_t size,
               const char *shown, size_t shown_size, spec_read_document *read);

/* What tells one credential from another (identity.c). Borrowed strings, NULL
 * when absent. */
struct spec_identity {
    const char *type;
    const char *target; /* mcp_server_url or secret_name, by type */
};

struct spec_identity spec_identity_of(const struct vf_spec *spec);
/* auth: the object itself, not what it is in. */
struct spec_identity spec_identity_in(const struct vf_json *auth);
bool spec_identity_is_equal(const struct spec_identity *a,
                            const struct spec_identity *b);

/* The object that says which credential it is: `auth`, or in the flat form the
 * credential itself. */
const struct vf_json *spec_auth_of(const struct vf_json *credential);

/* Refusals (refuse.c); all return -EINVAL but the last. */
int spec_fail(struct spec_reader *reader, const char *param, const char *what);
/* For a member whose name was not ours to choose; its position in the object
 * counts from 1. */
int spec_fail_member(struct spec_reader *reader,
                     const struct spec_value *object, size_t position,
                     const char *key, const char *what);
int spec_fail_missing(struct spec_reader *reader,
                      const struct spec_value *object,
                      const struct spec_field *field);
int spec_fail_type(struct spec_reader *reader, const struct spec_value *value,
                   enum vf_json_type wanted);
int spec_fail_memory(struct spec_reader *reader);

#endif
