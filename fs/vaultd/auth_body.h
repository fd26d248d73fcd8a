/* SPDX-License-Identifier: MIT
 *
 * The spec of a credential (the `auth` object, or in a flat form the credential
 * itself): what a request may say, what replies show of it, and the secrets
 * between the two.
 */
#ifndef VAULTD_AUTH_BODY_H
#define VAULTD_AUTH_BODY_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_dialect;
struct vf_json;

/* One write-only field of a request. */
struct vf_auth_secret {
    const char *field; /* dotted, below the spec; static */
    const char *value; /* borrowed from the request; NULL: none any more */
    size_t size;
};

#define VF_AUTH_SECRETS_MAX 4

struct vf_auth_body {
    const char *type;           /* static */
    const char *identity_field; /* mcp_server_url or secret_name; static */
    const char *identity;       /* its value; borrowed from shown */
    struct vf_json *shown;      /* as in replies; owned */
    struct vf_auth_secret secrets[VF_AUTH_SECRETS_MAX];
    size_t secrets_count;
};

void vf_auth_body_done(struct vf_auth_body *body);

/* The spec of a new credential, from a request; where in the request, dotted,
 * it is. */
VF_MUST_CHECK int vf_auth_body_new(const struct vf_dialect *dialect,
                                   const struct vf_json *given,
                                   const char *where, struct vf_auth_body *ret,
                                   struct vf_error *err);

/*
 * Merge patch on a stored spec (compact JSON as shown). A field that cannot
 * change may be given with the value that it has.
 */
VF_MUST_CHECK int vf_auth_body_merge(const struct vf_dialect *dialect,
                                     const char *stored,
                                     const struct vf_json *patch,
                                     const char *where,
                                     struct vf_auth_body *ret,
                                     struct vf_error *err);

#endif
