/* SPDX-License-Identifier: MIT
 *
 * Keys. An Idempotency-Key names one intention. It stays the same while the
 * service may have done, or may still be doing, what was asked: after a lost
 * reply, and after one that says "later". Once an answer decided, whatever
 * comes next is another intention and has a new key, also the same request with
 * another access token, for the service may keep the first answer to a key for
 * a day and only repeat that the token was refused. But a refused token decides
 * nothing about a creation whose reply was lost before: under a new key that
 * may be made twice, so it goes on under the one it has. The same is true of
 * all that is answered under a key whose past, before this call, is not known.
 * And when there is no token to go on with, what was open stays open.
 *
 * Who was told to come back later pauses here, for as long as he was told.
 * After a 429 the engine holds all others meanwhile; its hold began before this
 * pause, and so is over when this call comes back, behind those who have waited
 * since. If somebody else has been told the same by then, it is held like them.
 */
#include "call.h"

#include "access.h"
#include "failure.h"
#include "redact.h"
#include "reply.h"
#include "retry.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* What changes from attempt to attempt. */
struct progress {
    char request_id[VF_UUID_SIZE]; /* one for all of them */
    struct vf_key own_key;
    struct vf_key *key; /* the caller's, or own_key */
    struct vf_access access;
    bool is_tried;   /* there was an attempt */
    bool is_unknown; /* the service may have done what was asked */
};

#define HEADERS_MAX 8

static size_t add_headers(const struct vf_call *call,
                          const struct progress *progress,
                          struct vf_http_header headers[static HEADERS_MAX])
{
    const struct vf_dialect *dialect = call->dialect;
    const struct vf_http_header *fixed = dialect->headers;
    size_t count = 0;

    headers[count++] = (struct vf_http_header){"Accept", "application/json"};
    headers[count++] = (struct vf_http_header){dialect->request_id_header,
                                               progress->request_id};
    for (; fixed != NULL && fixed->name != NULL; fixed++)
        headers[count++] = *fixed;
    if (call->method != VF_HTTP_GET && dialect->idempotency_header != NULL)
        headers[count++] = (struct vf_http_header){dialect->idempotency_header,
                                                   progress->key->text};
    assert(count <= HEADERS_MAX);
    return count;
}

static struct vf_in_flight in_flight(const struct vf_call *call,
                                     const struct progress *progress)
{
    return (struct vf_in_flight){.secrets = call->secrets,
                                 .count = call->secrets_count,
                                 .token = progress->access.token,
                                 .body = call->body};
}

static int send_once(struct vf_api *api, const struct vf_call *call,
                     const struct progress *progress, struct vf_http_reply *ret,
                     enum vf_http_fate *ret_fate, struct vf_error *err)
{
    const struct vf_in_flight secrets = in_flight(call, progress);
    struct vf_http_header headers[HEADERS_MAX];
    const struct vf_http_request request = {
        .method = call->method,
        .path = call->path,
        .headers = headers,
        .headers_count = add_headers(call, progress, headers),
        .token_header = call->dialect->token_header,
        .token_prefix = call->dialect->token_prefix,
        .token = progress->access.token,
        .body = call->body,
        .is_body_secret = call->secrets_count > 0,
        .group = call->group,
        .is_ahead = call->is_ahead,
        .is_impatient = call->is_impatient,
        .deadline_ms = call->deadline_ms,
    };
    int result = vf_http_perform(api->http, &request, ret, ret_fate, err);

    if (result < 0)
        return result;
    vf_access_note(api, &progress->access, ret, &secrets);
    /* What the reply does not say, the service's own log does. */
    if (ret->request_id[0] == '\0')
        vf_error_copy(ret->request_id, sizeof(ret->request_id),
                      progress->request_id);
    return 0;
}

static bool is_success(const struct vf_call *call,
                       const struct progress *progress, int status)
{
    return status / 100 == 2 || (status == 404 && call->is_gone_success) ||
           (status == 409 && call->is_conflict_success && progress->is_unknown);
}

/* The reply's reason, without the secrets that were sent. */
static int read_failure(const struct vf_call *call,
                        const struct progress *progress,
                        const struct vf_http_reply *reply, struct vf_error *err)
{
    const struct vf_in_flight secrets = in_flight(call, progress);
    int result = vf_failure_read(reply, call->intent, &secrets, err);

    if (reply->status != 404 || call->never_gone == NULL)
        return result;
    vf_failure_add(err, call->never_gone);
    err->code = EBADMSG;
    return -EBADMSG;
}

/* -ETIMEDOUT when the pause does not fit before the deadline, at once;
 * -ECANCELED when the api is shut down. */
static int pause_for(struct vf_api *api, int64_t delay_ms, int64_t deadline_ms)
{
    int64_t now = vf_clock_monotonic_ms();
    int result = 0;

    if (delay_ms >= deadline_ms - now)
        return -ETIMEDOUT;
    struct timespec until = vf_clock_timespec(now + delay_ms);
    pthread_mutex_lock(&api->lock);
    while (!api->is_shut_down && result == 0)
        result = pthread_cond_timedwait(&api->is_over, &api->lock, &until);
    bool is_shut_down = api->is_shut_down;
    pthread_mutex_unlock(&api->lock);
    return is_shut_down ? -ECANCELED : 0;
}

static uint32_t random_number(void)
{
    uint32_t number;

    vf_random_bytes(&number, sizeof(number));
    return number;
}

/*
 * Whether to go on after a failed attempt: 0, and the next one may start; or
 * the errno to end with.
 */
static int prepare_next(struct vf_api *api, const struct vf_call *call,
                        struct progress *progress, struct vf_attempt *attempt,
                        int result, struct vf_error *err)
{
    if (result == -EKEYREJECTED) {
        attempt->number--; /* the service did not look at the request */
        return vf_access_renew(api, &progress->access, call->deadline_ms, err);
    }
    if (!vf_retry_is_due(attempt))
        return result;
    int paused = pause_for(api, vf_retry_delay_ms(attempt, random_number()),
                           call->deadline_ms);
    if (paused == -ECANCELED)
        return vf_error_set(err, ECANCELED, "the file system is going away");
    if (paused < 0)
        return result;
    return vf_access_take(api, &progress->access, call->deadline_ms, err);
}

/* One attempt, told in *ret_attempt. Returns 0 with a success. */
static int attempt_once(struct vf_api *api, const struct vf_call *call,
                        struct progress *progress, struct vf_attempt *attempt,
                        struct vf_http_reply *ret, struct vf_error *err)
{
    struct vf_http_reply reply;
    int result;

    attempt->number++;
    progress->is_tried = true;
    attempt->fate = VF_HTTP_UNKNOWN;
    attempt->result =
        send_once(api, call, progress, &reply, &attempt->fate, err);
    if (attempt->result < 0) {
        result = attempt->result;
    } else if (is_success(call, progress, reply.status)) {
        *ret = reply;
        return 0;
    } else {
        attempt->status = reply.status;
        attempt->retry_after_ms = reply.retry_after_ms;
        attempt->should_retry = reply.should_retry;
        result = read_failure(call, progress, &reply, err);
        vf_http_reply_done(&reply);
    }
    progress->is_unknown = vf_retry_is_unknown(attempt, progress->is_unknown) ||
                           progress->key->is_old;
    if (!progress->is_unknown && !vf_retry_keeps_key(attempt))
        vf_uuid4(progress->key->text);
    return result;
}

static int perform(struct vf_api *api, const struct vf_call *call,
                   struct progress *progress, struct vf_http_reply *ret,
                   struct vf_error *err)
{
    struct vf_attempt attempt = {
        .is_repeatable = call->method != VF_HTTP_POST || call->is_idempotent ||
                         call->dialect->idempotency_header != NULL,
        .is_ahead = call->is_ahead,
        .is_impatient = call->is_impatient,
    };
    int result = vf_access_take(api, &progress->access, call->deadline_ms, err);

    while (result == 0) {
        result = attempt_once(api, call, progress, &attempt, ret, err);
        if (result == 0)
            return 0;
        result = prepare_next(api, call, progress, &attempt, result, err);
    }
    return result;
}

/* What a failure of the whole call says besides its reason. */
static void complete_failure(const struct vf_call *call,
                             const struct progress *progress,
                             struct vf_error *err)
{
    if (progress->is_tried && err->request_id[0] == '\0')
        vf_error_copy(err->request_id, sizeof(err->request_id),
                      progress->request_id);
    if (call->method != VF_HTTP_GET && progress->is_unknown)
        vf_failure_set_unknown(err);
}

int vf_call_perform(struct vf_api *api, const struct vf_call *call,
                    struct vf_http_reply *ret, struct vf_error *err)
{
    struct progress progress = {0};
    struct vf_error own_err;

    if (err == NULL)
        err = &own_err;
    progress.key = call->key != NULL ? call->key : &progress.own_key;
    progress.is_unknown = progress.key->is_old;
    vf_uuid4(progress.request_id);
    vf_uuid4(progress.own_key.text);
    int result = perform(api, call, &progress, ret, err);
    if (result == 0) {
        const struct vf_in_flight secrets = in_flight(call, &progress);

        result = vf_reply_redact(ret, &secrets, err);
        progress.is_unknown = true;
        if (result < 0)
            vf_http_reply_done(ret);
    }
    if (result < 0)
        complete_failure(call, &progress, err);
    vf_access_done(&progress.access);
    return result;
}
