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
    char *stored_name;        /* VF_SPEC_NAME_KEY of the metadata as written,
                                 not empty; only for a credential inside a
                                 vault spec */
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
 * A credential as a read shows it, written under a new name, is told apart
 * from other mistakes: err->param is then the secret that it lacks.
 *
 * shown is the credential that has the name, as a read shows it, or NULL for a
 * new name (W-edit). Either may be in either form. With it:
 *
 *   - A member whose value equals the one that is shown in its place is
 *     accepted, at any depth, known to us or not, good by the rules above or
 *     not. What is known is in the spec all the same, as it is shown: to
 *     compare the spec with what is shown finds no difference, and a spec with
 *     all its secrets can create what it describes. What is not known is left
 *     out, and so is null. metadata may then have what it has already: more
 *     keys, and values that are no strings.
 *   - Another value of a member that we do not know is refused. Of one that we
 *     know it is in the spec, also where no service can change it. The
 *     exceptions: display_name is refused if another one is shown, and in the
 *     spec where none is; null is the same as none given. updated_at may be
 *     earlier than the one that is shown, as who writes twice what was read
 *     once has it.
 *   - While it describes the same credential (vf_spec_is_same_identity(), which
 *     then is true of the spec), the secrets of what is shown may be missing,
 *     each by itself: those of auth; of refresh where one is shown; of
 *     token_endpoint_auth where one of the same type is shown. The document as
 *     read is a spec without secrets.
 *   - When it describes another credential, all is required as for a new one.
 *     err->message says so of a missing secret, and err->param names it.
 *
 * Only a credential of a type that enum vf_auth_type has can be edited.
 *
 * Returns 0 and *ret, to be freed with vf_spec_free(), or -EINVAL, -EFBIG,
 * -ENOMEM.
 */
VF_MUST_CHECK int vf_spec_parse(const void *text, size_t size,
                                const char *shown, size_t shown_size,
                                struct vf_spec **ret, struct vf_error *err);

void vf_spec_free(struct vf_spec *spec); /* NULL is allowed; wipes */

/* Whether it brings any secret: without, it only edits. */
bool vf_spec_has_secret(const struct vf_spec *spec);

/*
 * Whether a spec describes the credential whose rendered text is given: the
 * same auth type and the same mcp_server_url or secret_name.
 */
bool vf_spec_is_same_identity(const struct vf_spec *spec, const char *shown,
                              size_t shown_size);

/* Credentials in one vault spec. */
#define VF_SPEC_CREDENTIALS_MAX 100

/* A checked vault spec. Owns all that it points to. */
struct vf_vault_spec {
    char *display_name;       /* NULL when omitted */
    struct vf_json *metadata; /* an object of strings; NULL when omitted */
    struct vf_spec **credentials;
    size_t count;
};

/*
 * Check a vault spec: {"display_name", "metadata", "credentials": [...]}, each
 * of them optional, of at most VF_SPEC_MAX bytes. display_name has 1 to 255
 * characters, and all 16 keys of metadata are the user's. The credentials are
 * in either form, each with its secret and checked as for a new name;
 * err->param is then like "credentials[3].auth.token", and "credentials[3]" for
 * one that describes the same credential, or has the same stored_name, as one
 * before it.
 *
 * shown is a vault as a read of its .vault.json shows it, or NULL for a new
 * one. With it, as above: a member that equals what is shown is accepted,
 * another value of one that we do not know is refused, display_name and
 * metadata are in the spec if they are given, equal or not. credentials are
 * refused.
 *
 * Returns as vf_spec_parse(); freed with vf_vault_spec_free().
 */
VF_MUST_CHECK int vf_vault_spec_parse(const void *text, size_t size,
                                      const char *shown, size_t shown_size,
                                      struct vf_vault_spec **ret,
                                      struct vf_error *err);

void vf_vault_spec_free(struct vf_vault_spec *spec); /* NULL is allowed */

/* Whether a vault, as a read shows it, has the metadata of a spec; none is as
 * good as an empty one. */
bool vf_vault_spec_has_metadata(const struct vf_vault_spec *spec,
                                const char *shown, size_t shown_size);

#endif
