/* SPDX-License-Identifier: MIT
 *
 * The engine thread; queue.c says whose turn it is.
 *
 * A call has two ends. The caller waits on the call's own condition variable;
 * the engine thread alone talks to libcurl. What joins them is the outcome,
 * which is fixed once, under the lock, by whoever comes first: the engine with
 * a reply or a failure, the caller when its deadline passes, or
 * vf_http_shutdown(). The losers find it fixed. An engine that finds so drops
 * the transfer; a caller never waits for that, nor for anything that libcurl
 * may block on.
 *
 * A call that has an outcome from the engine has left nothing behind: its
 * transfer is freed, with all of libcurl's copies of its secrets, before the
 * caller is told.
 */
#include "engine.h"

#include "vaultfs/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define CONCURRENCY 16
#define REPLY_MAX ((size_t)32 * 1024 * 1024)

/* curl_multi_wakeup() ends a poll; this is only how long one lasts. */
#define POLL_MAX_MS 60000

static void wake(struct vf_http *http)
{
    (void)curl_multi_wakeup(http->multi);
}

/* Take every call that has an outcome off a list. http->lock is held. */
static void collect_settled(struct vf_http_call_list *from,
                            struct vf_http_call_list *to)
{
    struct vf_http_call *call, *next;

    for (call = TAILQ_FIRST(from); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->is_settled) {
            TAILQ_REMOVE(from, call, link);
            TAILQ_INSERT_TAIL(to, call, link);
        }
    }
}

/* Stop and let go of the calls that were given an outcome by somebody else. */
static void drop_settled(struct vf_http *http)
{
    struct vf_http_call_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct vf_http_call_list running = TAILQ_HEAD_INITIALIZER(running);
    struct vf_http_call *call;

    pthread_mutex_lock(&http->lock);
    collect_settled(&http->queue, &waiting);
    collect_settled(&http->ahead, &waiting);
    collect_settled(&http->active, &running);
    pthread_mutex_unlock(&http->lock);

    while ((call = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, call, link);
        vf_http_call_unref(call);
    }
    while ((call = TAILQ_FIRST(&running)) != NULL) {
        TAILQ_REMOVE(&running, call, link);
        curl_multi_remove_handle(http->multi, call->easy);
        vf_http_transfer_end(call);
        pthread_mutex_lock(&http->lock);
        vf_http_turns_end(&http->turns, call->turn, VF_HTTP_NO_VERDICT);
        pthread_mutex_unlock(&http->lock);
        vf_http_call_unref(call);
    }
}

/* The transfer is over: clear up, then tell the caller. */
static void finish(struct vf_http_call *call, const struct vf_error *error)
{
    struct vf_http *http = call->http;

    vf_http_transfer_end(call);
    pthread_mutex_lock(&http->lock);
    vf_http_queue_end(call, error);
    (void)vf_http_call_settle(call, error);
    pthread_mutex_unlock(&http->lock);
    vf_http_call_tell(call);
    vf_http_call_unref(call);
}

/* Whether any was started: it is then for libcurl to begin, at once. */
static bool start_waiting(struct vf_http *http, int64_t now_ms)
{
    struct vf_http_call *call;
    struct vf_error error;
    bool has_started = false;

    while ((call = vf_http_queue_next(http, now_ms)) != NULL) {
        has_started = true;
        if (vf_http_transfer_begin(call) == 0 &&
            curl_multi_add_handle(http->multi, call->easy) == CURLM_OK)
            continue;
        (void)vf_error_set(&error, ENOMEM, "no memory for a request");
        finish(call, &error);
    }
    return has_started;
}

/* A call that was not sent, because its connection had ended before, has
 * another go. */
static bool restart_stale(struct vf_http_call *call)
{
    CURLM *multi = call->http->multi;

    if (!call->is_stale)
        return false;
    curl_multi_remove_handle(multi, call->easy);
    vf_http_transfer_restart(call);
    return curl_multi_add_handle(multi, call->easy) == CURLM_OK;
}

static void finish_done(struct vf_http *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct vf_http_call *call = NULL;
        struct vf_error error;

        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                          (char **)&call);
        if (restart_stale(call))
            continue;
        bool has_reply = vf_http_transfer_judge(call, result, &error);
        curl_multi_remove_handle(http->multi, call->easy);
        finish(call, has_reply ? NULL : &error);
    }
}

static bool is_running(struct vf_http *http)
{
    pthread_mutex_lock(&http->lock);
    bool is_shut_down = http->is_shut_down;
    pthread_mutex_unlock(&http->lock);
    return !is_shut_down;
}

/* Until something happens, or a hold ends that was seen at now_ms: one that has
 * ended since has left somebody waiting, too. */
static void wait_for_work(struct vf_http *http, int64_t now_ms)
{
    pthread_mutex_lock(&http->lock);
    int64_t wait_ms = vf_http_hold_next(&http->hold, POLL_MAX_MS, now_ms);
    pthread_mutex_unlock(&http->lock);
    (void)curl_multi_poll(http->multi, NULL, 0, (int)wait_ms, NULL);
}

static void *run(void *data)
{
    struct vf_http *http = data;
    int left;

    while (is_running(http)) {
        (void)curl_multi_perform(http->multi, &left);
        finish_done(http);
        drop_settled(http);
        int64_t now_ms = vf_clock_monotonic_ms();
        if (!start_waiting(http, now_ms))
            wait_for_work(http, now_ms);
    }
    drop_settled(http);
    return NULL;
}

/* libcurl reads SSLKEYLOGFILE when it starts, and would write the keys of every
 * connection there. */
static void start_libcurl(void)
{
    (void)unsetenv("SSLKEYLOGFILE");
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* No signal is handled in the engine thread, nor in libcurl's resolvers, which
 * inherit its mask; least of all SIGPIPE. */
static int start_thread(struct vf_http *http)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&http->thread, NULL, run, http);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static int make_multi(struct vf_http *http, struct vf_error *err)
{
    http->multi = curl_multi_init();
    http->secret_connections = curl_share_init();
    if (http->multi == NULL || http->secret_connections == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the HTTP engine");
    /* No lock functions: one thread uses it. */
    curl_share_setopt(http->secret_connections, CURLSHOPT_SHARE,
                      CURL_LOCK_DATA_CONNECT);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    /* One to keep for each turn, in either pool. */
    curl_multi_setopt(
        http->multi, CURLMOPT_MAXCONNECTS,
        (long)(http->turns.max + vf_http_turns_spare(&http->turns)));
    return 0;
}

static void destroy(struct vf_http *http)
{
    curl_multi_cleanup(http->multi);
    curl_share_cleanup(http->secret_connections);
    vf_http_gate_forget(http);
    pthread_mutex_destroy(&http->lock);
    vf_http_origin_done(&http->origin);
    free(http);
}

int vf_http_new(const struct vf_http_options *options, struct vf_http **ret,
                struct vf_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_libcurl);
    struct vf_http *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the HTTP engine");
    pthread_mutex_init(&http->lock, NULL);
    TAILQ_INIT(&http->queue);
    TAILQ_INIT(&http->ahead);
    TAILQ_INIT(&http->active);
    LIST_INIT(&http->sockets);
    vf_http_turns_init(&http->turns, options->concurrency != 0
                                         ? options->concurrency
                                         : CONCURRENCY);
    http->reply_max = options->reply_max != 0 ? options->reply_max : REPLY_MAX;

    int result = vf_http_origin_init(&http->origin, options, err);
    if (result == 0)
        result = make_multi(http, err);
    if (result == 0 && start_thread(http) != 0)
        result = vf_error_set(err, EAGAIN, "no thread for the HTTP engine");
    if (result < 0)
        destroy(http);
    else
        *ret = http;
    return result;
}

void vf_http_shutdown(struct vf_http *http)
{
    struct vf_http_call_list *const lists[] = {&http->queue, &http->ahead,
                                               &http->active};
    struct vf_http_call *call;
    struct vf_error error;

    (void)vf_error_set(&error, ECANCELED, "shutting down");
    pthread_mutex_lock(&http->lock);
    http->is_shut_down = true;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        TAILQ_FOREACH(call, lists[i], link)
        {
            if (vf_http_call_settle(call, &error))
                vf_http_call_tell(call);
        }
    pthread_mutex_unlock(&http->lock);
    wake(http);
}

void vf_http_free(struct vf_http *http)
{
    if (http == NULL)
        return;
    vf_http_shutdown(http);
    pthread_join(http->thread, NULL);
    destroy(http);
}

/* Hand a call to the engine. After a shutdown, or when a hold leaves it no
 * time, it has its outcome at once. */
static void submit(struct vf_http *http, struct vf_http_call *call)
{
    struct vf_error error;

    pthread_mutex_lock(&http->lock);
    if (http->is_shut_down) {
        (void)vf_error_set(&error, ECANCELED, "shutting down");
        (void)vf_http_call_settle(call, &error);
    }
    bool is_taken = !call->is_settled && vf_http_queue_add(http, call);
    pthread_mutex_unlock(&http->lock);
    if (is_taken)
        wake(http);
}

static void wait_settled(struct vf_http *http, struct vf_http_call *call)
{
    struct timespec deadline = vf_clock_timespec(call->deadline_ms);
    struct vf_error error;
    bool is_late = false;

    pthread_mutex_lock(&http->lock);
    while (!call->is_settled && !is_late)
        is_late = pthread_cond_timedwait(&call->changed, &http->lock,
                                         &deadline) == ETIMEDOUT;
    if (is_late) {
        (void)vf_error_set(&error, ETIMEDOUT, "%s: no reply in time%s",
                           http->origin.name,
                           call->is_begun ? "" : ", the request was not sent");
        is_late = vf_http_call_settle(call, &error);
    }
    pthread_mutex_unlock(&http->lock);
    if (is_late)
        wake(http);
}

int vf_http_perform(struct vf_http *http, const struct vf_http_request *request,
                    struct vf_http_reply *ret, enum vf_http_fate *ret_fate,
                    struct vf_error *err)
{
    struct vf_http_call *call;
    int result = vf_http_call_new(http, request, &call, err);

    if (result < 0) {
        if (ret_fate != NULL)
            *ret_fate = VF_HTTP_NOT_SENT;
        return result;
    }
    submit(http, call);
    wait_settled(http, call);
    if (call->error.code == 0) {
        *ret = call->reply;
        call->reply.body = NULL;
    } else {
        result = -call->error.code;
        if (ret_fate != NULL)
            *ret_fate = call->fate;
        if (err != NULL)
            *err = call->error;
    }
    vf_http_call_unref(call);
    return result;
}

unsigned vf_http_turns(struct vf_http *http)
{
    pthread_mutex_lock(&http->lock);
    unsigned limit = http->turns.limit;
    pthread_mutex_unlock(&http->lock);
    return limit;
}

uint64_t vf_http_requests(const struct vf_http *http)
{
    return atomic_load(&http->requests);
}
