/* SPDX-License-Identifier: MIT
 *
 * Requests in threads of their own, and servers that make them wait.
 *
 * askers.c has a pthread_cond_timedwait() that stands in for the C library's:
 * who waits there has its request queued.
 */
#ifndef VAULTFS_TESTS_HTTP_ASKERS_H
#define VAULTFS_TESTS_HTTP_ASKERS_H

#include "client.h"
#include "server.h"

#include <pthread.h>

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* Forget who waited; a test's setup. */
int askers_reset(void **state);

/* Until so many waits for an outcome were begun. */
void wait_for_waiters(unsigned count);

/* The next caller's time runs out only after this server has read a request. */
void askers_read_first(struct server *server);

struct asker {
    struct vf_http *http;
    enum vf_http_method method;
    const char *path;
    uint64_t group;
    bool is_ahead;
    bool is_impatient;
    int64_t timeout_ms; /* 0: PATIENCE_MS */
    pthread_t thread;
    struct outcome outcome;
};

/* As it is filled in. */
void asker_run(struct asker *asker);

/* A POST, and one of a group. */
void asker_start(struct asker *asker, struct vf_http *http, const char *path);
void asker_start_in(struct asker *asker, struct vf_http *http, const char *path,
                    uint64_t group);

void asker_join(struct asker *asker);
void asker_expect_ok(struct asker *asker);
void asker_expect(struct asker *asker, int status);
void asker_expect_failure(struct asker *asker, int code);

/* Scripts: answer all at once; and "/held" once the gate is open. */
void answer_ok(struct server *server, int fd, unsigned index);
void hold(struct server *server, int fd, unsigned index);

#endif
