/* SPDX-License-Identifier: MIT
 *
 * The calls that wait, and who of them is next. turns.c counts how many may go,
 * hold.c knows since when none may.
 *
 * Nobody waits for what cannot come in time: who would be too late when a hold
 * ends, or does not want to wait for it, is told when he comes, or when the
 * hold begins.
 */
#include "engine.h"

#include "vaultfs/clock.h"

#include <errno.h>

/* Give a call its outcome when a hold leaves it none. */
static void judge_hold(struct vf_http *http, struct vf_http_call *call,
                       int64_t now_ms)
{
    int64_t left_ms = vf_http_hold_left(&http->hold, call->method, now_ms);
    struct vf_error error;

    if (left_ms == 0 ||
        (!call->is_impatient && call->deadline_ms > now_ms + left_ms))
        return;
    (void)vf_error_set(&error, EBUSY,
                       "%s: the service wants to be left alone for %lld s "
                       "more: the request was not sent",
                       http->origin.name, ((long long)left_ms + 999) / 1000);
    if (vf_http_call_settle(call, &error))
        vf_http_call_tell(call);
}

bool vf_http_queue_add(struct vf_http *http, struct vf_http_call *call)
{
    judge_hold(http, call, vf_clock_monotonic_ms());
    if (call->is_settled)
        return false;
    vf_http_call_ref(call);
    TAILQ_INSERT_TAIL(call->is_ahead ? &http->ahead : &http->queue, call, link);
    return true;
}

/* One group may take all turns, and hang. What is spare is for the first call
 * of each other one, so that it never waits for them. */
static bool has_active(const struct vf_http *http, uint64_t group)
{
    const struct vf_http_call *call;

    TAILQ_FOREACH(call, &http->active, link)
    {
        if (call->group == group)
            return true;
    }
    return false;
}

/* The oldest that may start now; is_spare: in a spare turn. */
static struct vf_http_call *find_first(struct vf_http *http,
                                       const struct vf_http_call_list *list,
                                       bool is_spare, int64_t now_ms)
{
    struct vf_http_call *call;

    TAILQ_FOREACH(call, list, link)
    {
        if (!call->is_settled &&
            vf_http_hold_left(&http->hold, call->method, now_ms) == 0 &&
            !(is_spare && has_active(http, call->group)))
            return call;
    }
    return NULL;
}

static struct vf_http_call *pick(struct vf_http *http, int64_t now_ms,
                                 struct vf_http_call **ret_passed)
{
    bool is_free = vf_http_turns_are_free(&http->turns);
    struct vf_http_call *call = NULL, *ahead = NULL;

    if (is_free || vf_http_turns_are_spare(&http->turns))
        call = find_first(http, &http->queue, !is_free, now_ms);
    if (is_free)
        ahead = find_first(http, &http->ahead, false, now_ms);
    if (ahead != NULL &&
        (call == NULL || vf_http_turns_is_for_ahead(&http->turns)))
        return ahead;
    *ret_passed = ahead;
    return call;
}

struct vf_http_call *vf_http_queue_next(struct vf_http *http, int64_t now_ms)
{
    struct vf_http_call *passed = NULL;

    pthread_mutex_lock(&http->lock);
    struct vf_http_call *call = pick(http, now_ms, &passed);
    if (call != NULL) {
        TAILQ_REMOVE(call->is_ahead ? &http->ahead : &http->queue, call, link);
        TAILQ_INSERT_TAIL(&http->active, call, link);
        call->turn =
            vf_http_turns_begin(&http->turns, call->is_ahead, passed != NULL);
    }
    pthread_mutex_unlock(&http->lock);
    return call;
}

static enum vf_http_verdict verdict_of(const struct vf_http_call *call,
                                       const struct vf_error *error)
{
    int status = call->reply.status;

    if (error != NULL)
        return call->is_reset ? VF_HTTP_TOO_MUCH : VF_HTTP_NO_VERDICT;
    if (status == 429 || status == 503)
        return VF_HTTP_TOO_MUCH;
    return status < 500 ? VF_HTTP_GOES_WELL : VF_HTTP_NO_VERDICT;
}

static void judge_waiting(struct vf_http *http, int64_t now_ms)
{
    struct vf_http_call *call;

    TAILQ_FOREACH(call, &http->queue, link)
    judge_hold(http, call, now_ms);
    TAILQ_FOREACH(call, &http->ahead, link)
    judge_hold(http, call, now_ms);
}

void vf_http_queue_end(struct vf_http_call *call, const struct vf_error *error)
{
    struct vf_http *http = call->http;
    int64_t now_ms = vf_clock_monotonic_ms();

    TAILQ_REMOVE(&http->active, call, link);
    vf_http_turns_end(&http->turns, call->turn, verdict_of(call, error));
    if (error == NULL &&
        vf_http_hold_note(&http->hold, call->method, &call->reply, now_ms))
        judge_waiting(http, now_ms);
}
