/* SPDX-License-Identifier: MIT
 *
 * The sealed secrets of a credential: a box each.
 */
#ifndef VAULTD_BOXES_H
#define VAULTD_BOXES_H

#include "auth_body.h"
#include "store.h"

struct vf_secret;

/* Seal the secrets of a spec in place of those of the same fields; a secret
 * without a value is dropped. */
VF_MUST_CHECK int vf_boxes_put(const struct vf_access *access, const char *id,
                               const struct vf_auth_body *body,
                               struct vf_error *err);

/* Open all boxes of a credential; stops at the first result that is not 0. The
 * secret is borrowed until the callback returns. */
VF_MUST_CHECK int vf_boxes_each(const struct vf_access *access, const char *id,
                                int (*each)(void *context, const char *field,
                                            const struct vf_secret *secret,
                                            struct vf_error *err),
                                void *context, struct vf_error *err);

#endif
