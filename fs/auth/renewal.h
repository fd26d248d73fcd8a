/* SPDX-License-Identifier: MIT
 *
 * When to renew a token whose end is known. A plan in CLOCK_REALTIME
 * milliseconds; nothing here reads a clock, or ends a token.
 */
#ifndef VF_AUTH_RENEWAL_H
#define VF_AUTH_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

struct vf_auth_renewal {
    int64_t expires_ms; /* INT64_MAX: not known */
    int64_t due_ms;     /* INT64_MAX: never */
    int64_t pause_ms;   /* before the next attempt */
    bool has_failed;    /* an attempt, in this life */
};

/*
 * A token with this end (0: not known) was taken up now. It is due a fifth of
 * its life before the end, at most 5 minutes and at least 1 s, and not sooner
 * than 1 s from now.
 */
void vf_auth_renewal_begin(struct vf_auth_renewal *renewal, int64_t now_ms,
                           int64_t expires_s);

/* An attempt gave nothing new. The next is due 1 s later, then 2, 4 ... 60,
 * while the token lasts. */
void vf_auth_renewal_postpone(struct vf_auth_renewal *renewal, int64_t now_ms);

/* Not again for this token. */
void vf_auth_renewal_stop(struct vf_auth_renewal *renewal);

#endif
