/* SPDX-License-Identifier: MIT
 *
 * Personal access tokens: made here, shown once, kept as hashes.
 */
#ifndef VAULTD_TOKEN_H
#define VAULTD_TOKEN_H

#include "vaultfs/error.h"

struct vf_secret;
struct vf_store;

#define VF_TOKEN_NAME_MAX 255 /* characters */

/* A new token, durable before the return. name is for people. */
VF_MUST_CHECK int vf_token_create(struct vf_store *store, const char *name,
                                  struct vf_secret **ret, struct vf_error *err);

/* Whether a token is one of this store. -EKEYREJECTED (401) with err filled
 * when not. */
VF_MUST_CHECK int vf_token_check(struct vf_store *store, const char *token,
                                 struct vf_error *err);

#endif
