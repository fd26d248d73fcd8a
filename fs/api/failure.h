/* SPDX-License-Identifier: MIT
 *
 * A reply that is not a success -> struct vf_error.
 */
#ifndef VF_API_FAILURE_H
#define VF_API_FAILURE_H

#include "vaultfs/api.h"
#include "vaultfs/http.h"

struct vf_in_flight;

/*
 * Fill err (which may be NULL) with the service's own reason, the secrets of
 * the request struck out, or with a general one. Returns the negative errno of
 * the status; but -EBADMSG for a 404 in other words than the service's own: a
 * gateway that does not find the service does not know what is gone.
 */
VF_MUST_CHECK int vf_failure_read(const struct vf_http_reply *reply,
                                  enum vf_api_intent intent,
                                  const struct vf_in_flight *secrets,
                                  struct vf_error *err);

/* Whether a reply says in the service's own words that something failed. */
bool vf_failure_is_told(const struct vf_http_reply *reply);

/* Sets err for a 404 in other words, and says what came; returns -EBADMSG. The
 * content type has no secrets any more. */
int vf_failure_foreign(const char *content_type, struct vf_error *err);

/* A change that may have been done all the same. */
void vf_failure_set_unknown(struct vf_error *err);

/* Adds to the end of the message. */
void vf_failure_add(struct vf_error *err, const char *text);

#endif
