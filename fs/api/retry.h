/* SPDX-License-Identifier: MIT
 *
 * When a request is worth another attempt, and after how long. Pure.
 */
#ifndef VF_API_RETRY_H
#define VF_API_RETRY_H

#include "vaultfs/http.h"

#define VF_RETRY_ATTEMPTS_MAX 3

/* How an attempt ended. */
struct vf_attempt {
    unsigned number;        /* 1 for the first */
    bool is_repeatable;     /* doing it twice is doing it once */
    bool is_ahead;          /* nobody waits: who comes asks again */
    bool is_impatient;      /* who asks does not wait for a service that wants
                               to be left alone */
    int result;             /* of vf_http_perform() */
    enum vf_http_fate fate; /* when result is not 0 */
    int status;             /* when result is 0; this and what follows */
    int64_t retry_after_ms; /* -1: not given */
    int should_retry;       /* 1, 0; -1: not given */
};

bool vf_retry_is_due(const struct vf_attempt *attempt);

/* Whether the repetition must be known as one: the service may still be doing
 * what was asked, or may want it again. */
bool vf_retry_keeps_key(const struct vf_attempt *attempt);

/*
 * Whether a change may have been done after all attempts so far, the last of
 * which is given; was_unknown is the answer for those before it.
 */
bool vf_retry_is_unknown(const struct vf_attempt *attempt, bool was_unknown);

/* How long to pause before the next attempt. random is uniform. */
int64_t vf_retry_delay_ms(const struct vf_attempt *attempt, uint32_t random);

#endif
