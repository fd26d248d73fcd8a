/* SPDX-License-Identifier: MIT
 *
 * Until when an origin wants to be left alone: by who reads, by who writes. It
 * has no lock and no clock; times are CLOCK_MONOTONIC.
 */
#ifndef VAULTFS_HTTP_HOLD_H
#define VAULTFS_HTTP_HOLD_H

#include "vaultfs/http.h"

/* Zeroed: it is not held. */
struct vf_http_hold {
    int64_t reads_until_ms;
    int64_t writes_until_ms;
};

/* What the reply to a request of this method says of it. Returns whether it is
 * held longer now than before. */
bool vf_http_hold_note(struct vf_http_hold *hold, enum vf_http_method method,
                       const struct vf_http_reply *reply, int64_t now_ms);

/* For how long a request of this method does not start; 0: it may. */
int64_t vf_http_hold_left(const struct vf_http_hold *hold,
                          enum vf_http_method method, int64_t now_ms);

/* Until the next hold ends, at most so long. */
int64_t vf_http_hold_next(const struct vf_http_hold *hold, int64_t most_ms,
                          int64_t now_ms);

#endif
