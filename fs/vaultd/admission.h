/* SPDX-License-Identifier: MIT
 *
 * What a request's head must say before anything else is looked at.
 */
#ifndef VAULTD_ADMISSION_H
#define VAULTD_ADMISSION_H

#include "vaultfs/error.h"

struct vf_dialect;
struct vf_grant;
struct vf_store;

/* A header's value, or NULL. */
struct vf_head {
    const char *(*get)(const void *context, const char *name);
    const void *context;
};

/* What the head's token or key may do, if it is one of this store and named in
 * a way that the dialect takes. -EKEYREJECTED (401) with err filled when not.
 */
VF_MUST_CHECK int vf_admission_check_token(const struct vf_dialect *dialect,
                                           const struct vf_head *head,
                                           struct vf_store *store,
                                           struct vf_grant *ret,
                                           struct vf_error *err);

/* Whether it has the other headers that the dialect requires; -EINVAL (400). */
VF_MUST_CHECK int vf_admission_check_required(const struct vf_dialect *dialect,
                                              const struct vf_head *head,
                                              struct vf_error *err);

#endif
