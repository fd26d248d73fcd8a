/* SPDX-License-Identifier: MIT
 *
 * A data directory belongs to one dialect: ids, and what credentials are made
 * of, differ.
 */
#ifndef VAULTD_CLAIM_H
#define VAULTD_CLAIM_H

#include "vaultfs/error.h"

struct vf_store;

/* The first to serve a directory settles its dialect. -EINVAL, with err naming
 * the dialect it has, for another one. Blocks. */
VF_MUST_CHECK int vf_claim_dialect(struct vf_store *store, const char *name,
                                   struct vf_error *err);

#endif
