/* SPDX-License-Identifier: MIT
 *
 * What may be repeated. Reading twice and deleting twice is reading and
 * deleting. A POST is repeated only when that cannot do it twice: because
 * nothing of it was sent, or because the service answered and knows the request
 * by its key. A POST whose reply was lost is not repeated here: the service may
 * be older than its keys, and who asked can look before asking again.
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

bool vf_retry_is_due(const struct vf_attempt *attempt)
{
    if (attempt->number >= VF_RETRY_ATTEMPTS_MAX)
        return false;
    if (attempt->result < 0)
        return is_connection_error(attempt->result) &&
               (attempt->method != VF_HTTP_POST ||
                attempt->fate == VF_HTTP_NOT_SENT);
    if (attempt->status < 300)
        return false;
    if (attempt->should_retry >= 0)
        return attempt->should_retry == 1;
    if (attempt->method == VF_HTTP_POST && !attempt->has_key)
        return attempt->status == 429;
    return is_passing_status(attempt->status);
}

bool vf_retry_keeps_key(const struct vf_attempt *attempt)
{
    return attempt->result < 0 || is_passing_status(attempt->status);
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
