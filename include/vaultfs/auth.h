/* SPDX-License-Identifier: MIT
 *
 * Where the access token comes from, and when its source is asked again.
 *
 * A source is one row of a table: how it is configured, how it is read. The
 * first that is configured wins. A token is one line of printable ASCII; a
 * trailing newline is trimmed; anything else inside refuses it, a space too.
 */
#ifndef VAULTFS_AUTH_H
#define VAULTFS_AUTH_H

#include "vaultfs/error.h"

struct vf_auth;
struct vf_secret;

/* Bytes. */
#define VF_AUTH_TOKEN_MAX 65536

/* Borrowed until vf_auth_new() returns; NULL: not configured. */
struct vf_auth_options {
    const char *token_file;
    const char *token_env;          /* the name of a variable */
    const char *const *default_env; /* names to try last; NULL-terminated */
    const char *const *other_env;   /* names that hold tokens for others: wiped
                                       and not read; the same */
};

/*
 * Find the source and read it once. Errors, with err->type where a code is
 * given:
 *   -ENOKEY   `auth_not_configured`: no source at all; the message says how to
 *             give one
 *   -ENOKEY   `auth_access_token_env_var_not_configured`: token_env names a
 *             variable that is unset or empty
 *   -EACCES   token_file has group or other bits, or an owner that is neither
 *             us nor root
 *   -EINVAL   the token has a space or a control character, is empty or longer
 *             than VF_AUTH_TOKEN_MAX; token_file is not a regular file
 *   others    from opening and reading the file
 * Every variable that the options name, not only the one that was read, is then
 * wiped from this process's environment block and unset: so no other thread may
 * be using the environment. *ret is freed with vf_auth_free(). Blocks for local
 * files only.
 */
VF_MUST_CHECK int vf_auth_new(const struct vf_auth_options *options,
                              struct vf_auth **ret, struct vf_error *err);
void vf_auth_free(struct vf_auth *auth); /* NULL is allowed */

/* The current token as a new reference, and its generation, which grows each
 * time that the token changes. Thread-safe. */
void vf_auth_token(struct vf_auth *auth, struct vf_secret **ret,
                   unsigned *ret_generation);

/*
 * The token of this generation was refused (401): ask the source again, once
 * for all callers that come with the same generation while it is asked. Returns
 * 0 when there is a different token now, else -EKEYREJECTED: the next call asks
 * again, so that a source that was put right is seen. Blocks as vf_auth_new().
 */
VF_MUST_CHECK int vf_auth_refused(struct vf_auth *auth, unsigned generation,
                                  struct vf_error *err);

/* Which source is in use, for people: "token file /path". Never the value. */
const char *vf_auth_source(const struct vf_auth *auth);

#endif
