/* SPDX-License-Identifier: MIT */
#include "hold.h"

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool vf_http_hold_note(struct vf_http_hold *hold, enum vf_http_method method,
                       const struct vf_http_reply *reply, int64_t now_ms)
{
    int64_t *until_ms =
        method == VF_HTTP_GET ? &hold->reads_until_ms : &hold->writes_until_ms;

    if (reply->status != 429 || reply->retry_after_ms <= 0)
        return false;
    int64_t end_ms = now_ms + min(reply->retry_after_ms, VF_HTTP_HOLD_MAX_MS);
    if (end_ms <= *until_ms)
        return false;
    *until_ms = end_ms;
    return true;
}

int64_t vf_http_hold_left(const struct vf_http_hold *hold,
                          enum vf_http_method method, int64_t now_ms)
{
    int64_t until_ms =
        method == VF_HTTP_GET ? hold->reads_until_ms : hold->writes_until_ms;

    return until_ms > now_ms ? until_ms - now_ms : 0;
}

int64_t vf_http_hold_next(const struct vf_http_hold *hold, int64_t most_ms,
                          int64_t now_ms)
{
    int64_t reads_ms = vf_http_hold_left(hold, VF_HTTP_GET, now_ms);
    int64_t writes_ms = vf_http_hold_left(hold, VF_HTTP_POST, now_ms);

    if (reads_ms > 0)
        most_ms = min(most_ms, reads_ms);
    return writes_ms > 0 ? min(most_ms, writes_ms) : most_ms;
}
