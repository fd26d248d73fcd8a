/* SPDX-License-Identifier: MIT
 *
 * What a user may write: the bytes of a credential spec -> a checked struct.
 *
 * Two forms are accepted everywhere. The flat one of the first API:
 *   {"mcp_server_url", "protocol", "type", "access_token"} and "metadata"
 * and the nested one of today's:
 *   {"auth": {"type", ...}, "metadata", "display_name"}
 * Nothing here does I/O or blocks. Messages name fields and byte offsets and
 * never quote a value.
 */
#ifndef VAULTFS_SPEC_H
#define VAULTFS_SPEC_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_json;
struct vf_secret;

/* A spec in bytes; more is EFBIG. */
#define VF_SPEC_MAX (1024 * 1024)

/* Limits of the service's documentation, in Unicode characters. */
#define VF_SPEC_METADATA_KEYS_MAX 16
#define VF_SPEC_METADATA_KEY_MAX 64
#define VF_SPEC_METADATA_VALUE_MAX 512
#define VF_SPEC_URL_MAX 2048

/* The metadata key under which the file's name is kept with the credential. */
#define VF_SPEC_NAME_KEY "vaultfs.name"

/*
 * Looking for the end of a document, bytes as they come. Lexical only: strings
 * and brackets, so COMPLETE says where a document ends, not that it is a good
 * one; what vf_spec_parse() accepts is always COMPLETE. Start from
 * VF_SPEC_SCAN_INIT.
 */
enum vf_spec_scan_state {
    VF_SPEC_SCAN_START,    /* nothing but white space so far */
    VF_SPEC_SCAN_PARTIAL,  /* inside the object */
    VF_SPEC_SCAN_COMPLETE, /* the object ended; white space may have followed */
    VF_SPEC_SCAN_BAD       /* cannot become one JSON object any more */
};

struct vf_spec_scan {
    enum vf_spec_scan_state state;
    size_t offset; /* bytes seen; in BAD, where the trouble is */
    unsigned depth;
    bool is_in_string;
    bool is_escaped;
};

#define VF_SPEC_SCAN_INIT ((struct vf_spec_scan){0})

enum vf_spec_scan_state vf_spec_scan_feed(struct vf_spec_scan *scan,
                                          const void *bytes, size_t size);

/* auth.type; the names are the service's. */
enum vf_auth_type {
    VF_AUTH_STATIC_BEARER,
    VF_AUTH_MCP_OAUTH,
    VF_AUTH_ENVIRONMENT_VARIABLE
};
#define VF_AUTH_TYPES 3

const char *vf_auth_type_name(enum vf_auth_type type);
/* -EINVAL for a name that is none. */
VF_MUST_CHECK int vf_auth_type_parse(const char *name, enum vf_auth_type *ret);

/* The `refresh` part of an mcp_oauth spec. Strings are NULL when absent. */
struct vf_spec_refresh {
    bool is_present;
    char *client_id;
    char *token_endpoint;
    char *token_endpoint_auth_type; /* none, client_secret_basic or _post */
    char *resource;
    char *scope;
    struct vf_secret *refresh_token;
    struct vf_secret *client_secret;
};

/* A checked spec. Owns all that it points to; strings are NULL when absent. */
struct vf_spec {
    enum vf_auth_type type;
    char *mcp_server_url;   /* static_bearer, mcp_oauth */
    char *secret_name;      /* environment_variable */
    char *protocol;         /* flat form, optional: sse or streamable_http */
    char *expires_at;       /* mcp_oauth, RFC 3339 */
    bool is_expiry_cleared; /* "expires_at": null was given */
    char *display_name;
    struct vf_secret *value; /* token, access_token or secret_value; NULL when
                                the spec has none */
    struct vf_spec_refresh refresh;
    struct vf_json *networking;         /* environment_variable; as written */
    struct vf_json *injection_location; /* environment_variable; as written */
    struct vf_json *metadata; /* an object of strings without VF_SPEC_NAME_KEY;
                                 NULL when omitted */
};

/*
 * Check one whole document (W-strict) and return it as a struct.
 *
 * Refused, with err->param naming the field in dotted form ("auth.token",
 * "metadata.team"): malformed JSON, unknown fields, wrong types, a mix of the
 * two forms, missing fields, control characters in a secret, a URL that is not
 * absolute http(s) or carries userinfo or a fragment, an unknown type or
 * protocol, metadata over the limits (one of the 16 keys may be ours; a
 * VF_SPEC_NAME_KEY in the document is checked and dropped; a key that is a
 * write-only field's name is refused, for no read would ever show it).
 * err->param is "" for what is no JSON object. A member whose unknown name
 * could itself be a misplaced secret (long, or with a digit or another odd
 * character) is told by its position, and param names what it is in.
 *
 * A credential as a read shows it, given back as it is, is told apart from
 * other mistakes: err->param is then the secret that it lacks.
 *
 * A missing secret is refused here; vf_spec_parse() is for a credential that
 * does not exist yet or whose secret is rotated.
 *
 * Returns 0 and *ret, to be freed with vf_spec_free(), or -EINVAL, -EFBIG,
 * -ENOMEM.
 */
VF_MUST_CHECK int vf_spec_parse(const void *text, size_t size,
                                struct vf_spec **ret, struct vf_error *err);

void vf_spec_free(struct vf_spec *spec); /* NULL is allowed; wipes */

#endif
