/* SPDX-License-Identifier: MIT
 *
 * Private to fs/spec: tables of fields, and who reads and checks a field.
 */
#ifndef VAULTFS_SPEC_INTERNAL_H
#define VAULTFS_SPEC_INTERNAL_H

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

struct spec_field;

struct spec_reader {
    struct vf_spec *spec;
    struct vf_error *err;
};

/* Reads a value that is there; param is the field's dotted name. */
typedef int spec_read_function(struct spec_reader *reader,
                               const struct spec_field *field,
                               const char *param, const struct vf_json *value);

struct spec_field {
    const char *key;
    const struct spec_kind *kind;
    enum { OPTIONAL, REQUIRED } need;
    size_t place; /* offset in struct vf_spec */
};

#define AT(member) offsetof(struct vf_spec, member)
#define NOWHERE 0 /* checked only; the struct's first member has no field */

struct spec_shape {
    /* The value of "type" that picks this shape; NULL: it is the only one. */
    const char *type;
    const struct spec_field *fields; /* up to one without a key */
};

struct spec_kind {
    spec_read_function *read;
    spec_check *check; /* of strings */
    size_t max;        /* of strings, in characters; 0: no limit */
    const struct spec_shape *shapes; /* of objects, up to one without fields */
};

spec_read_function spec_read_string;
spec_read_function spec_read_string_or_null;
spec_read_function spec_read_expiry;
spec_read_function spec_read_secret;
spec_read_function spec_read_picked;
spec_read_function spec_read_boolean;
spec_read_function spec_read_hosts;
spec_read_function spec_read_metadata;
spec_read_function spec_read_object;
spec_read_function spec_read_copied_object;
spec_read_function spec_read_refresh;
spec_read_function spec_read_auth_type;

/* The fields of an object, by the shape that fits. param is "" for the
 * document itself. */
int spec_read_shapes(struct spec_reader *reader,
                     const struct spec_shape *shapes, const char *param,
                     const struct vf_json *object);

#endif
