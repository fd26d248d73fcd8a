/* SPDX-License-Identifier: MIT
 *
 * What a token may do.
 */
#ifndef VAULTD_SCOPE_H
#define VAULTD_SCOPE_H

#include "vaultfs/error.h"

struct vf_buf;

/* Kept in the database as their sum. Who may write may read. */
enum vf_scope {
    VF_SCOPE_READ = 1,  /* vaults:read */
    VF_SCOPE_WRITE = 2, /* vaults:write */
    VF_SCOPE_ALL = VF_SCOPE_READ | VF_SCOPE_WRITE
};

const char *vf_scope_name(enum vf_scope scope); /* of one; static storage */

/* Add the scopes of text, names between commas, to *scopes. -EINVAL for what
 * names none. */
VF_MUST_CHECK int vf_scopes_add(const char *text, unsigned *scopes,
                                struct vf_error *err);

/* Append the names of scopes, each between two quotes ("" for none). */
void vf_scopes_put(unsigned scopes, const char *quote, const char *separator,
                   struct vf_buf *ret);

#endif
