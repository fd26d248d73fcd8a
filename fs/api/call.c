/* SPDX-License-Identifier: MIT
 *
 * Keys. An Idempotency-Key names one intention. It stays the same while the
 * service may have done, or may still be doing, what was asked: after an answer
 * that says "later". Once an answer decided, whatever comes next is another
 * intention and has a new key, also the same request with another access token:
 * the service keeps the first answer to a key for a day and would only repeat
 * that the token was refused.
 */
#include "call.h"

#include "failure.h"
#include "redact.h"
#include "retry.h"
#include "vaultfs/auth.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <string.h>

/* What changes from attempt to attempt. */
struct progress {
    char request_id[VF_UUID_SIZE]; /* one for all of them */
    char key[VF_UUID_SIZE];
    struct vf_secret *token;
    unsigned generation;
    bool is_token_renewed;
};

static int send_once(struct vf_api *api, const struct vf_call *call,
                     const struct progress *progress, struct vf_http_reply *ret,
                     enum vf_http_fate *ret_fate, struct vf_error *err)
{
    const struct vf_dialect *dialect = api->dialect;
    struct vf_http_header headers[3] = {
        {"Accept", "application/json"},
        {dialect->request_id_header, progress->request_id},
    };
    struct vf_http_request request = {
        .method = call->method,
        .path = call->path,
        .headers = headers,
        .headers_count = 2,
        .token_header = dialect->token_header,
        .token_prefix = dialect->token_prefix,
        .token = progress->token,
        .body = call->body,
        .is_body_secret = call->is_body_secret,
        .group = call->group,
        .deadline_ms = call->deadline_ms,
    };

    if (call->method != VF_HTTP_GET && dialect->idempotency_header != NULL)
        headers[request.headers_count++] =
            (struct vf_http_header){dialect->idempotency_header, progress->key};
    int result = vf_http_perform(api->http, &request, ret, ret_fate, err);
    /* What the reply does not say, the service's own log does. */
    if (result == 0 && ret->request_id[0] == '\0')
        vf_error_copy(ret->request_id, sizeof(ret->request_id),
                      progress->request_id);
    return result;
}

static bool is_success(const struct vf_call *call, int status)
{
    return status / 100 == 2 || (status == 404 && call->is_gone_success);
}

/* The reply's reason, without the secrets that were sent. */
static int read_failure(const struct vf_call *call,
                        const struct progress *progress,
                        const struct vf_http_reply *reply, struct vf_error *err)
{
    const struct vf_secret *secrets[VF_CALL_SECRETS];

    memcpy(secrets, call->secrets, sizeof(call->secrets));
    secrets[VF_CALL_SECRETS - 1] = progress->token;
    int result =
        vf_failure_read(reply, call->intent, secrets, VF_CALL_SECRETS, err);
    if (reply->status != 404 || call->never_gone == NULL)
        return result;
    vf_failure_add(err, call->never_gone);
    if (err != NULL)
        err->code = EBADMSG;
    return -EBADMSG;
}

/* A request that got no reply. */
static void explain_silence(const struct vf_call *call,
                            const struct progress *progress,
                            enum vf_http_fate fate, struct vf_error *err)
{
    if (err == NULL)
        return;
    vf_error_copy(err->request_id, sizeof(err->request_id),
                  progress->request_id);
    if (call->method != VF_HTTP_GET && fate == VF_HTTP_UNKNOWN)
        vf_failure_add(err, VF_FAILURE_UNKNOWN);
}

/* A refused token. Returns 0 when the request is to be sent again with another;
 * the service's own reason stays the first part of the message. */
static int renew_token(struct vf_api *api, struct progress *progress,
                       struct vf_error *err)
{
    struct vf_error reason = {0};

    if (progress->is_token_renewed)
        return -EKEYREJECTED;
    if (vf_auth_refused(api->auth, progress->generation, &reason) < 0) {
        vf_failure_add(err, "; ");
        vf_failure_add(err, reason.message);
        return -EKEYREJECTED;
    }
    vf_secret_unref(progress->token);
    vf_auth_token(api->auth, &progress->token, &progress->generation);
    vf_uuid4(progress->key);
    progress->is_token_renewed = true;
    return 0;
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
                        struct progress *progress,
                        const struct vf_attempt *attempt, int result,
                        struct vf_error *err)
{
    if (!vf_retry_is_due(attempt))
        return result;
    int paused = pause_for(api, vf_retry_delay_ms(attempt, random_number()),
                           call->deadline_ms);
    if (paused == -ECANCELED)
        return vf_error_set(err, ECANCELED, "the file system is going away");
    if (paused < 0)
        return result;
    if (!vf_retry_keeps_key(attempt))
        vf_uuid4(progress->key);
    return 0;
}

static int perform(struct vf_api *api, const struct vf_call *call,
                   struct progress *progress, struct vf_http_reply *ret,
                   struct vf_error *err)
{
    struct vf_attempt attempt = {
        .method = call->method,
        .has_key = api->dialect->idempotency_header != NULL,
    };

    for (;;) {
        struct vf_http_reply reply;
        int result;

        attempt.number++;
        attempt.fate = VF_HTTP_UNKNOWN;
        attempt.result =
            send_once(api, call, progress, &reply, &attempt.fate, err);
        if (attempt.result < 0) {
            explain_silence(call, progress, attempt.fate, err);
            result = attempt.result;
        } else if (is_success(call, reply.status)) {
            *ret = reply;
            return 0;
        } else {
            attempt.status = reply.status;
            attempt.retry_after_ms = reply.retry_after_ms;
            attempt.should_retry = reply.should_retry;
            result = read_failure(call, progress, &reply, err);
            vf_http_reply_done(&reply);
        }
        if (result == -EKEYREJECTED) {
            attempt.number--; /* the service did not look at the request */
            result = renew_token(api, progress, err);
        } else {
            result = prepare_next(api, call, progress, &attempt, result, err);
        }
        if (result < 0)
            return result;
    }
}

int vf_call_perform(struct vf_api *api, const struct vf_call *call,
                    struct vf_http_reply *ret, struct vf_error *err)
{
    struct progress progress = {0};

    vf_uuid4(progress.request_id);
    vf_uuid4(progress.key);
    vf_auth_token(api->auth, &progress.token, &progress.generation);
    int result = perform(api, call, &progress, ret, err);
    vf_secret_unref(progress.token);
    return result;
}
