/* SPDX-License-Identifier: MIT
 *
 * The access token of one call: which one is sent, and what the service makes
 * of it.
 */
#ifndef VF_API_ACCESS_H
#define VF_API_ACCESS_H

#include "call.h"

struct vf_in_flight;

/* Begins as zero. */
struct vf_access {
    struct vf_secret *token; /* owned */
    unsigned generation;
    bool is_renewed; /* after a refusal: once in a call */
};

void vf_access_done(struct vf_access *access);

/*
 * The token to send now, in the place of the one before. Errors as
 * vf_auth_token() has them; but who waits in vain for the source while access
 * has expired is told that it has, and not -ETIMEDOUT, which would read as a
 * service that does not answer. Blocks until deadline_ms; hold no lock.
 */
VF_MUST_CHECK int vf_access_take(struct vf_api *api, struct vf_access *access,
                                 int64_t deadline_ms, struct vf_error *err);

/*
 * The token was refused (401), and err, which is not NULL, has the service's
 * reason. Returns 0 when there is another one now that this call may try; else
 * -EKEYREJECTED or -EKEYEXPIRED, our reason behind the service's, or -ECANCELED
 * with the reason for that alone. Blocks as above.
 */
VF_MUST_CHECK int vf_access_renew(struct vf_api *api, struct vf_access *access,
                                  int64_t deadline_ms, struct vf_error *err);

/* What a reply but 401 tells: that the token was taken, and whose it is. The
 * secrets are struck out of the latter. */
void vf_access_note(struct vf_api *api, const struct vf_access *access,
                    const struct vf_http_reply *reply,
                    const struct vf_in_flight *secrets);

#endif
