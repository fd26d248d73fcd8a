/* SPDX-License-Identifier: MIT
 *
 * The table of token sources. A new source is one more row.
 */
#ifndef VF_AUTH_SOURCE_H
#define VF_AUTH_SOURCE_H

#include "vaultfs/auth.h"

#include <stdbool.h>

struct vf_auth_source {
    const char *kind; /* for people: "token file" */
    /*
     * Where this source reads: a path, a name. *ret is freed with free(), and
     * is NULL when the source is not configured. What it names need not exist.
     */
    int (*find)(const struct vf_auth_options *options, char **ret);
    /* Read the bytes of a token, unchecked. Blocks. */
    int (*read)(const char *place, struct vf_secret **ret,
                struct vf_error *err);
    bool can_change; /* asked again, it may have another token */
};

/* In the order in which they win; the end has no kind. */
extern const struct vf_auth_source vf_auth_sources[];

#endif
