/* SPDX-License-Identifier: MIT */
#include "askers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Guarded by lock. */
static unsigned waiters; /* calls of pthread_cond_timedwait() */
static struct server *read_first;

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *deadline)
{
    pthread_mutex_lock(&lock);
    struct server *server = read_first;
    read_first = NULL;
    waiters++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (server == NULL)
        return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC,
                                      deadline);
    pthread_mutex_unlock(mutex);
    server_wait_requests(server, 1);
    pthread_mutex_lock(mutex);
    return 0;
}

void wait_for_waiters(unsigned count)
{
    pthread_mutex_lock(&lock);
    while (waiters < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

void askers_read_first(struct server *server)
{
    pthread_mutex_lock(&lock);
    read_first = server;
    pthread_mutex_unlock(&lock);
}

int askers_reset(void **state)
{
    pthread_mutex_lock(&lock);
    waiters = 0;
    pthread_mutex_unlock(&lock);
    return 0;
}

static void *ask(void *data)
{
    struct asker *asker = data;
    int64_t timeout_ms =
        asker->timeout_ms != 0 ? asker->timeout_ms : PATIENCE_MS;
    struct vf_secret *body =
        asker->method == VF_HTTP_POST ? secret_of("{}") : NULL;

    asker->outcome = client_perform(
        asker->http, &(struct vf_http_request){
                         .method = asker->method,
                         .path = asker->path,
                         .group = asker->group,
                         .is_ahead = asker->is_ahead,
                         .is_impatient = asker->is_impatient,
                         .body = body,
                         .deadline_ms = vf_clock_monotonic_ms() + timeout_ms,
                     });
    vf_secret_unref(body);
    return NULL;
}

void asker_run(struct asker *asker)
{
    assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

void asker_start_in(struct asker *asker, struct vf_http *http, const char *path,
                    uint64_t group)
{
    *asker = (struct asker){
        .http = http, .method = VF_HTTP_POST, .path = path, .group = group};
    asker_run(asker);
}

void asker_start(struct asker *asker, struct vf_http *http, const char *path)
{
    asker_start_in(asker, http, path, 0);
}

void asker_join(struct asker *asker)
{
    pthread_join(asker->thread, NULL);
}

void asker_expect(struct asker *asker, int status)
{
    asker_join(asker);
    assert_string_equal(asker->outcome.err.message, "");
    assert_int_equal(asker->outcome.reply.status, status);
    vf_http_reply_done(&asker->outcome.reply);
}

void asker_expect_ok(struct asker *asker)
{
    asker_expect(asker, 200);
}

void asker_expect_failure(struct asker *asker, int code)
{
    asker_join(asker);
    assert_int_equal(asker->outcome.result, -code);
}

void answer_ok(struct server *server, int fd, unsigned index)
{
    struct request request;

    while (server_read(server, fd, &request))
        if (!server_send(fd, OK_EMPTY))
            break;
}

void hold(struct server *server, int fd, unsigned index)
{
    struct request request;

    while (server_read(server, fd, &request)) {
        if (strstr(request.head, " /held") != NULL)
            server_wait_gate(server);
        server_answered(server);
        if (!server_send(fd, OK_EMPTY))
            break;
    }
}
