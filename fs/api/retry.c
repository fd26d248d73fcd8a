/* SPDX-License-Identifier: MIT
 *
 * What may be repeated. Reading, deleting, archiving or setting something twice
 * is doing it once, and so is a creation under a key that the service knows it
 * by. A creation without a key is repeated only when nothing of it was sent, or
 * when it was refused for now: when its reply is lost, who asked can look
 * before asking again.
 *
 * What may have been done. No reply at all leaves it open; so do 408 and 5xx,
 * which a gateway answers for a service that may have acted. 501 and 503 say
 * that nobody tried. A later reply settles what an earlier attempt left open,
 * but not one that says only that this attempt was not looked at (429, 503, 401
 * and 403) or that something stands in its way, which may be what the earlier
 * attempt made (409).
 */
#include "retry.h"

#include <errno.h>

#define DELAY_FIRST_MS 500
#define DELAY_MAX_MS 8000

static bool is_connection_error(int result)
{
    return result == -ECONNREFUSED || result == -EHOSTUNREACH ||
           result == -EREMOTEIO || result == -EBADMSG;
}

/* 501 is a 5xx that does not pass. */
static bool is_passing_status(int status)
{
    return status == 408 || status == 429 || (status >= 500 && status != 501);
}

static bool wants_to_be_left_alone(int status)
{
    return status == 429 || status == 503;
}

bool vf_retry_is_due(const struct vf_attempt *attempt)
{
    if (attempt->is_ahead || attempt->number >= VF_RETRY_ATTEMPTS_MAX)
        return false;
    if (attempt->result < 0)
        return is_connection_error(attempt->result) &&
               (attempt->is_repeatable || attempt->fate == VF_HTTP_NOT_SENT);
    if (attempt->status < 300)
        return false;
    if (attempt->is_impatient && wants_to_be_left_alone(attempt->status))
        return false;
    if (!attempt->is_repeatable && vf_retry_is_unknown(attempt, false))
        return false;
    if (attempt->should_retry >= 0)
        return attempt->should_retry == 1;
    if (!attempt->is_repeatable)
        return attempt->status == 429;
    return is_passing_status(attempt->status);
}

bool vf_retry_keeps_key(const struct vf_attempt *attempt)
{
    return attempt->result < 0 || is_passing_status(attempt->status);
}

bool vf_retry_is_unknown(const struct vf_attempt *attempt, bool was_unknown)
{
    int status = attempt->status;

    if (attempt->result < 0)
        return was_unknown || attempt->fate == VF_HTTP_UNKNOWN;
    if (status == 401 || status == 403 || status == 409 ||
        wants_to_be_left_alone(status))
        return was_unknown;
    return is_passing_status(status);
}

int64_t vf_retry_delay_ms(const struct vf_attempt *attempt, uint32_t random)
{
    int64_t delay = DELAY_FIRST_MS;

    if (attempt->result == 0 && attempt->retry_after_ms >= 0)
        return attempt->retry_after_ms;
    for (unsigned i = 1; i < attempt->number && delay < DELAY_MAX_MS; i++)
        delay *= 2;
    if (delay > DELAY_MAX_MS)
        delay = DELAY_MAX_MS;
    /* Up to a quarter less, so that many clients do not come back as one. */
    return delay - delay * (random % 1024) / 4096;
}
