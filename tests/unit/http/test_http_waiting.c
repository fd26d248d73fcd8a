/* SPDX-License-Identifier: MIT
 *
 * Deadlines, turns and shutdown: how the two ends of a call let go.
 */
#include "askers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A deadline that a test waits out. */
#define SHORT_MS 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Guarded by lock. */
static bool is_resolver_free = true;
static bool is_resolver_asked;

static int reset_counts(void **state)
{
    is_resolver_asked = false;
    return askers_reset(state);
}

/* A resolver that hangs until a test frees it, and then knows no name. */
int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **ret)
{
    pthread_mutex_lock(&lock);
    is_resolver_asked = true;
    pthread_cond_broadcast(&changed);
    while (!is_resolver_free)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return EAI_NONAME;
}

static void expect_late(const struct outcome *outcome, enum vf_http_fate fate)
{
    assert_int_equal(outcome->result, -ETIMEDOUT);
    assert_int_equal(outcome->fate, fate);
}

/* Never answers; ends when the client has let go of the connection. */
static void never_answer(struct server *server, int fd, unsigned index)
{
    struct request request;

    if (index > 0) {
        answer_ok(server, fd, index);
    } else if (server_read(server, fd, &request)) {
        server_drain(fd);
        server_open_gate(server);
    }
}

static void drip(struct server *server, int fd, unsigned index)
{
    struct request request;

    if (index > 0) {
        answer_ok(server, fd, index);
        return;
    }
    if (!server_read(server, fd, &request) ||
        !server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"
                         "\r\n"))
        return;
    while (server_send(fd, "."))
        (void)usleep(1000);
    server_open_gate(server);
}

/* The engine by itself ends the connection of a request that nobody waits for
 * any more, and takes the next request. */
static void a_reply_that_does_not_come_ends_at_the_deadline(void **state)
{
    static server_script *const scripts[] = {never_answer, drip};

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct server *server = server_start(scripts[i]);
        struct vf_http *http = client_new_with(&(struct vf_http_options){
            .base_url = server_url(server), .concurrency = 1});

        askers_read_first(server);
        struct outcome outcome =
            client_ask(http, VF_HTTP_POST, "/", "{}", SHORT_MS);
        expect_late(&outcome, VF_HTTP_UNKNOWN);
        server_wait_gate(server);
        client_expect(http, "/", 200);
        vf_http_free(http);
        server_stop(server);
    }
}

static void a_deadline_in_the_past_is_late_at_once(void **state)
{
    struct server *server = server_start(answer_ok);
    struct vf_http *http = client_new(server_url(server));
    struct outcome outcome = client_ask(http, VF_HTTP_POST, "/", "{}", -1000);

    assert_int_equal(outcome.result, -ETIMEDOUT);
    vf_http_free(http);
    if (outcome.fate == VF_HTTP_NOT_SENT)
        assert_int_equal(server_requests(server), 0);
    server_stop(server);
}

/* A listener whose queue is full: the system leaves out the answer to a SYN. */
static void a_connection_that_is_not_taken_ends_at_the_deadline(void **state)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct sockaddr *bound = (struct sockaddr *)&address;
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fillers[2];
    char url[64];

    assert_int_equal(bind(listener, bound, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, bound, &size), 0);
    for (int i = 0; i < 2; i++) {
        fillers[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], bound, sizeof(address));
    }
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
                   ntohs(address.sin_port));
    struct vf_http *http = client_new(url);
    struct outcome outcome =
        client_ask(http, VF_HTTP_POST, "/", "{}", SHORT_MS);
    expect_late(&outcome, VF_HTTP_NOT_SENT);
    assert_non_null(strstr(outcome.err.message, "not sent"));
    assert_int_equal(vf_http_requests(http), 0);
    vf_http_free(http);
    for (int i = 0; i < 2; i++)
        (void)close(fillers[i]);
    (void)close(listener);
}

static void set_resolver_free(bool is_free)
{
    pthread_mutex_lock(&lock);
    is_resolver_free = is_free;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Neither the caller, nor the engine's end, waits for the resolver. */
static void a_resolver_that_hangs_ends_at_the_deadline(void **state)
{
    struct vf_http *http = client_new("https://slow.test");

    set_resolver_free(false);
    struct outcome outcome = client_ask(http, VF_HTTP_GET, "/", NULL, SHORT_MS);
    expect_late(&outcome, VF_HTTP_NOT_SENT);
    vf_http_free(http);
    set_resolver_free(true);
}

static void a_wait_for_a_turn_counts_against_the_deadline(void **state)
{
    struct server *server = server_start(hold);
    struct vf_http *http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = 1});
    struct asker held;

    asker_start(&held, http, "/held");
    server_wait_requests(server, 1);
    struct outcome outcome =
        client_ask(http, VF_HTTP_POST, "/queued", "{}", SHORT_MS);
    expect_late(&outcome, VF_HTTP_NOT_SENT);
    server_open_gate(server);
    asker_join(&held);
    assert_int_equal(held.outcome.result, 0);
    vf_http_reply_done(&held.outcome.reply);
    client_expect(http, "/after", 200);
    assert_int_equal(server_requests(server), 2);
    vf_http_free(http);
    server_stop(server);
}

static void a_hundred_callers_share_four_turns(void **state)
{
    static struct asker askers[100];
    struct server *server = server_start(hold);
    struct vf_http *http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = 4});

    for (int i = 0; i < 100; i++)
        asker_start(&askers[i], http, "/held");
    wait_for_waiters(100);
    server_wait_requests(server, 4);
    server_open_gate(server);
    for (int i = 0; i < 100; i++) {
        asker_join(&askers[i]);
        assert_int_equal(askers[i].outcome.result, 0);
        assert_int_equal(askers[i].outcome.reply.status, 200);
        vf_http_reply_done(&askers[i].outcome.reply);
    }
    assert_int_equal(server_requests(server), 100);
    assert_int_equal(server_in_flight_max(server), 4);
    assert_int_equal(server_connections(server), 4);
    vf_http_free(http);
    server_stop(server);
}

/* The paths in the order in which they came. */
static char order[128];

static void note_order(struct server *server, int fd, unsigned index)
{
    struct request request;

    while (server_read(server, fd, &request)) {
        const char *path = strchr(request.head, '/');

        if (strncmp(path, "/held", 5) == 0)
            server_wait_gate(server);
        else
            (void)strncat(order, path + 1, 1);
        if (!server_send(fd, OK_EMPTY))
            break;
    }
}

static void turns_are_first_come_first_served(void **state)
{
    static const char *const paths[] = {"/a", "/b", "/c", "/d", "/e", "/f"};
    struct asker held, askers[6];
    struct server *server = server_start(note_order);
    struct vf_http *http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = 1});

    order[0] = '\0';
    asker_start(&held, http, "/held");
    server_wait_requests(server, 1);
    for (unsigned i = 0; i < 6; i++) {
        asker_start(&askers[i], http, paths[i]);
        wait_for_waiters(i + 2);
    }
    server_open_gate(server);
    asker_join(&held);
    vf_http_reply_done(&held.outcome.reply);
    for (unsigned i = 0; i < 6; i++) {
        asker_join(&askers[i]);
        assert_int_equal(askers[i].outcome.result, 0);
        vf_http_reply_done(&askers[i].outcome.reply);
    }
    assert_string_equal(order, "abcdef");
    vf_http_free(http);
    server_stop(server);
}

/* R-wait: with all turns held by one group, and more of it waiting, a request
 * of another is answered at once. */
static void a_group_that_hangs_does_not_starve_the_others(void **state)
{
    enum { HUNG = 16, WAITING = 4 };
    struct asker hung[HUNG + WAITING], other;
    struct server *server = server_start(hold);
    struct vf_http *http = client_new(server_url(server));

    for (unsigned i = 0; i < HUNG + WAITING; i++)
        asker_start_in(&hung[i], http, "/held", 1);
    wait_for_waiters(HUNG + WAITING);
    server_wait_requests(server, HUNG);
    for (uint64_t group = 0; group <= 2; group += 2) {
        asker_start_in(&other, http, "/at-once", group);
        asker_expect_ok(&other);
    }
    server_open_gate(server);
    for (unsigned i = 0; i < HUNG + WAITING; i++)
        asker_expect_ok(&hung[i]);
    assert_int_equal(server_in_flight_max(server), HUNG + 1);
    vf_http_free(http);
    server_stop(server);
}

static void spare_turns_are_one_a_group_and_have_an_end(void **state)
{
    static const struct {
        unsigned concurrency;
        unsigned in_flight;
    } limits[] = {{2, 3}, {24, 30}};
    struct asker askers[48];

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct server *server = server_start(hold);
        struct vf_http *http = client_new_with(
            &(struct vf_http_options){.base_url = server_url(server),
                                      .concurrency = limits[i].concurrency});

        askers_reset(NULL);
        /* One group takes all turns, eight others ask for three each. */
        for (unsigned k = 0; k < 24; k++)
            asker_start_in(&askers[k], http, "/held", 1);
        wait_for_waiters(24);
        server_wait_requests(server, limits[i].concurrency);
        for (unsigned k = 24; k < 48; k++)
            asker_start_in(&askers[k], http, "/held", k / 3);
        wait_for_waiters(48);
        server_wait_requests(server, limits[i].in_flight);
        server_open_gate(server);
        for (unsigned k = 0; k < 48; k++)
            asker_expect_ok(&askers[k]);
        assert_int_equal(server_in_flight_max(server), limits[i].in_flight);
        vf_http_free(http);
        server_stop(server);
    }
}

static void what_may_start_is_first_come_first_served(void **state)
{
    static const struct {
        const char *path;
        uint64_t group;
    } queued[] = {{"/a", 1}, {"/b", 2}, {"/c", 2}, {"/d", 1}};
    struct asker held, askers[4];
    struct server *server = server_start(note_order);
    struct vf_http *http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = 1});

    order[0] = '\0';
    asker_start_in(&held, http, "/held", 1);
    server_wait_requests(server, 1);
    for (unsigned i = 0; i < 4; i++) {
        asker_start_in(&askers[i], http, queued[i].path, queued[i].group);
        wait_for_waiters(i + 2);
    }
    asker_expect_ok(&askers[1]);
    asker_expect_ok(&askers[2]);
    server_open_gate(server);
    asker_expect_ok(&held);
    asker_expect_ok(&askers[0]);
    asker_expect_ok(&askers[3]);
    assert_string_equal(order, "bcad");
    vf_http_free(http);
    server_stop(server);
}

static void shutdown_ends_every_request_and_refuses_new_ones(void **state)
{
    struct server *server = server_start(hold);
    struct vf_http *http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = 1});
    struct asker sent, queued;

    asker_start(&sent, http, "/held");
    server_wait_requests(server, 1);
    asker_start(&queued, http, "/queued");
    wait_for_waiters(2);
    vf_http_shutdown(http);
    vf_http_shutdown(http);
    asker_join(&sent);
    asker_join(&queued);
    assert_int_equal(sent.outcome.result, -ECANCELED);
    assert_int_equal(sent.outcome.fate, VF_HTTP_UNKNOWN);
    assert_int_equal(queued.outcome.result, -ECANCELED);
    assert_int_equal(queued.outcome.fate, VF_HTTP_NOT_SENT);

    struct outcome after = client_get(http, "/");
    assert_int_equal(after.result, -ECANCELED);
    assert_int_equal(after.fate, VF_HTTP_NOT_SENT);
    assert_int_equal(server_requests(server), 1);
    vf_http_free(http);
    server_stop(server);
}

static void shutdown_does_not_wait_for_a_resolver(void **state)
{
    struct vf_http *http = client_new("https://slow.test");
    struct asker asker;

    set_resolver_free(false);
    asker_start(&asker, http, "/");
    pthread_mutex_lock(&lock);
    while (!is_resolver_asked)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    vf_http_shutdown(http);
    asker_join(&asker);
    assert_int_equal(asker.outcome.result, -ECANCELED);
    assert_int_equal(asker.outcome.fate, VF_HTTP_NOT_SENT);
    vf_http_free(http);
    set_resolver_free(true);
}

/* Deadlines of every length against answers of any: each request is answered
 * or late, and nothing is left to wait for. */
static void deadlines_that_race_with_replies_lose_nothing(void **state)
{
    static struct asker askers[64];
    struct server *server = server_start(answer_ok);
    struct vf_http *http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = 4});
    unsigned answered = 0;

    for (int i = 0; i < 64; i++) {
        askers[i] =
            (struct asker){.http = http, .path = "/", .timeout_ms = 1 + i % 16};
        asker_run(&askers[i]);
    }
    for (int i = 0; i < 64; i++) {
        asker_join(&askers[i]);
        if (askers[i].outcome.result == 0) {
            answered++;
            vf_http_reply_done(&askers[i].outcome.reply);
        } else {
            assert_int_equal(askers[i].outcome.result, -ETIMEDOUT);
        }
    }
    client_expect(http, "/", 200);
    assert_true(answered <= vf_http_requests(http));
    vf_http_free(http);
    server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_that_does_not_come_ends_at_the_deadline),
        cmocka_unit_test(a_deadline_in_the_past_is_late_at_once),
        cmocka_unit_test(a_connection_that_is_not_taken_ends_at_the_deadline),
        cmocka_unit_test(a_resolver_that_hangs_ends_at_the_deadline),
        cmocka_unit_test_setup(a_wait_for_a_turn_counts_against_the_deadline,
                               reset_counts),
        cmocka_unit_test_setup(a_hundred_callers_share_four_turns,
                               reset_counts),
        cmocka_unit_test_setup(turns_are_first_come_first_served, reset_counts),
        cmocka_unit_test_setup(a_group_that_hangs_does_not_starve_the_others,
                               reset_counts),
        cmocka_unit_test_setup(spare_turns_are_one_a_group_and_have_an_end,
                               reset_counts),
        cmocka_unit_test_setup(what_may_start_is_first_come_first_served,
                               reset_counts),
        cmocka_unit_test_setup(shutdown_ends_every_request_and_refuses_new_ones,
                               reset_counts),
        cmocka_unit_test_setup(shutdown_does_not_wait_for_a_resolver,
                               reset_counts),
        cmocka_unit_test(deadlines_that_race_with_replies_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
