/* SPDX-License-Identifier: MIT
 *
 * A reply that is not a success -> struct vf_error.
 */
#ifndef VF_API_FAILURE_H
#define VF_API_FAILURE_H

#include "vaultfs/api.h"
#include "vaultfs/http.h"

struct vf_secret;

/*
 * Fill err (which may be NULL) with the service's own reason, the given secrets
 * struck out, or with a general one. Returns the negative errno of the status.
 */
VF_MUST_CHECK int vf_failure_read(const struct vf_http_reply *reply,
                                  enum vf_api_intent intent,
                                  const struct vf_secret *const *secrets,
                                  size_t secrets_count, struct vf_error *err);

/* The end of a message where a write may or may not have been done. */
#define VF_FAILURE_UNKNOWN                                                     \
    "; the outcome is unknown: the service may have done it"

/* Adds to the end of the message. */
void vf_failure_add(struct vf_error *err, const char *text);

#endif
