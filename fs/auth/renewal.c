/* SPDX-License-Identifier: MIT */
#include "renewal.h"

#define MARGIN_MIN_MS 1000
#define MARGIN_MAX_MS 300000
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000

/* What a source tells may be any number. */
static int64_t to_ms(int64_t seconds)
{
    int64_t ms;

    if (seconds == 0 || __builtin_mul_overflow(seconds, 1000, &ms))
        return INT64_MAX;
    return ms;
}

static int64_t margin_ms(int64_t life_ms)
{
    int64_t margin = life_ms / 5;

    if (margin > MARGIN_MAX_MS)
        return MARGIN_MAX_MS;
    return margin > MARGIN_MIN_MS ? margin : MARGIN_MIN_MS;
}

void vf_auth_renewal_begin(struct vf_auth_renewal *renewal, int64_t now_ms,
                           int64_t expires_s)
{
    const int64_t expires_ms = to_ms(expires_s);
    int64_t due_ms = INT64_MAX;

    if (expires_ms != INT64_MAX) {
        due_ms = expires_ms - margin_ms(expires_ms - now_ms);
        if (due_ms < now_ms + PAUSE_MIN_MS)
            due_ms = now_ms + PAUSE_MIN_MS;
    }
    *renewal = (struct vf_auth_renewal){
        .expires_ms = expires_ms, .due_ms = due_ms, .pause_ms = PAUSE_MIN_MS};
}

void vf_auth_renewal_postpone(struct vf_auth_renewal *renewal, int64_t now_ms)
{
    if (now_ms >= renewal->expires_ms) {
        vf_auth_renewal_stop(renewal);
        return;
    }
    renewal->due_ms = now_ms + renewal->pause_ms;
    renewal->pause_ms *= 2;
    if (renewal->pause_ms > PAUSE_MAX_MS)
        renewal->pause_ms = PAUSE_MAX_MS;
}

void vf_auth_renewal_stop(struct vf_auth_renewal *renewal)
{
    renewal->due_ms = INT64_MAX;
}
