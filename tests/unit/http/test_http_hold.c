/* SPDX-License-Identifier: MIT
 *
 * An origin that has too much to do: it is asked less, and left alone for as
 * long as it says.
 */
#include "askers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A hold that a test waits out, and one that it does not. */
#define SHORT_MS 50
#define LONG_MS 20000

/* "/held" once the gate is open, "/busy/MS" with 429 and Retry-After-Ms (at
 * once, or once the gate is open for "/busy-held/MS"), "/reset" with a reset;
 * all else is noted by the first letter of its path. */
static char order[128];

static bool answer_busy(int fd, const char *path)
{
    char text[128];
    unsigned ms = 0;

    (void)sscanf(strchr(path + 1, '/'), "/%u", &ms);
    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 429 Slow down\r\nRetry-After-Ms: %u\r\n"
                   "Content-Length: 0\r\n\r\n",
                   ms);
    return server_send(fd, text);
}

static void serve(struct server *server, int fd, unsigned index)
{
    struct request request;

    while (server_read(server, fd, &request)) {
        const char *path = strchr(request.head, '/');
        bool is_sent;

        if (strstr(path, "held") != NULL)
            server_wait_gate(server);
        if (strncmp(path, "/reset", 6) == 0) {
            server_reset(fd);
            return;
        }
        if (strncmp(path, "/busy", 5) == 0) {
            is_sent = answer_busy(fd, path);
        } else {
            if (strncmp(path, "/held", 5) != 0)
                (void)strncat(order, path + 1, 1);
            is_sent = server_send(fd, OK_EMPTY);
        }
        if (!is_sent)
            break;
    }
}

static struct server *server;
static struct vf_http *http;

static void open_with(unsigned concurrency)
{
    order[0] = '\0';
    (void)askers_reset(NULL);
    server = server_start(serve);
    http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = concurrency});
}

static int tear_down(void **state)
{
    vf_http_free(http);
    server_stop(server);
    return 0;
}

static struct outcome ask(enum vf_http_method method, const char *path,
                          bool is_impatient, int64_t timeout_ms)
{
    return client_perform(
        http, &(struct vf_http_request){
                  .method = method,
                  .path = path,
                  .is_impatient = is_impatient,
                  .deadline_ms = vf_clock_monotonic_ms() + timeout_ms,
              });
}

static void expect_busy(const struct outcome *outcome)
{
    assert_int_equal(outcome->result, -EBUSY);
    assert_int_equal(outcome->fate, VF_HTTP_NOT_SENT);
    assert_non_null(strstr(outcome->err.message, "left alone for"));
    assert_non_null(strstr(outcome->err.message, "not sent"));
}

/* It may be answered before it waits: nobody has waited yet after it. */
static void hold_for(enum vf_http_method method, unsigned ms)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/busy/%u", ms);
    struct outcome outcome = ask(method, path, false, PATIENCE_MS);
    assert_int_equal(outcome.result, 0);
    assert_int_equal(outcome.reply.status, 429);
    vf_http_reply_done(&outcome.reply);
    (void)askers_reset(NULL);
}

static void who_cannot_or_does_not_wait_is_told_at_once(void **state)
{
    open_with(16);
    hold_for(VF_HTTP_GET, LONG_MS);
    struct outcome late = ask(VF_HTTP_GET, "/a", false, LONG_MS / 2);
    expect_busy(&late);
    assert_non_null(strstr(late.err.message, "left alone for 20 s"));
    struct outcome impatient = ask(VF_HTTP_GET, "/a", true, PATIENCE_MS);
    expect_busy(&impatient);
    assert_int_equal(vf_http_requests(http), 1);
}

static void a_hold_is_never_longer_than_its_cap(void **state)
{
    open_with(16);
    hold_for(VF_HTTP_GET, 24 * 3600 * 1000);
    struct outcome outcome =
        ask(VF_HTTP_GET, "/a", false, VF_HTTP_HOLD_MAX_MS / 2);
    expect_busy(&outcome);
    assert_non_null(strstr(outcome.err.message, "left alone for 60 s"));
}

static void who_has_time_starts_when_the_hold_ends(void **state)
{
    open_with(16);
    /* Often, and of many lengths: one may end at any moment. */
    for (unsigned i = 1; i <= 50; i++) {
        int64_t start_ms = vf_clock_monotonic_ms();

        hold_for(VF_HTTP_GET, i % 5 + 1);
        client_expect(http, "/a", 200);
        assert_true(vf_clock_monotonic_ms() - start_ms >= i % 5 + 1);
        assert_int_equal(server_requests(server), 2 * i);
    }
}

static void reads_and_writes_are_held_apart(void **state)
{
    static const struct {
        enum vf_http_method held, other;
    } cases[] = {{VF_HTTP_GET, VF_HTTP_POST},
                 {VF_HTTP_GET, VF_HTTP_DELETE},
                 {VF_HTTP_POST, VF_HTTP_GET},
                 {VF_HTTP_DELETE, VF_HTTP_GET}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            (void)tear_down(NULL);
        open_with(16);
        hold_for(cases[i].held, LONG_MS);
        struct outcome outcome = ask(cases[i].other, "/a", true, PATIENCE_MS);
        assert_int_equal(outcome.result, 0);
        vf_http_reply_done(&outcome.reply);
    }
    /* Of the last round: a POST is held by what was said to a DELETE. */
    struct outcome held = ask(VF_HTTP_POST, "/a", true, PATIENCE_MS);
    expect_busy(&held);
}

static void a_wait_of_nothing_is_no_hold(void **state)
{
    open_with(16);
    hold_for(VF_HTTP_GET, 0);
    struct outcome outcome = ask(VF_HTTP_GET, "/a", true, PATIENCE_MS);
    assert_int_equal(outcome.result, 0);
    vf_http_reply_done(&outcome.reply);
}

/* Their turn never came: they are judged when the hold begins. */
static void who_is_queued_when_the_hold_begins_is_judged_then(void **state)
{
    struct asker busy, impatient, ahead, patient, write;

    open_with(1);
    busy = (struct asker){.http = http, .path = "/busy-held/100"};
    impatient =
        (struct asker){.http = http, .path = "/i", .is_impatient = true};
    ahead = (struct asker){
        .http = http, .path = "/h", .is_ahead = true, .is_impatient = true};
    patient = (struct asker){.http = http, .path = "/p"};
    write =
        (struct asker){.http = http, .path = "/w", .method = VF_HTTP_DELETE};
    asker_run(&busy);
    server_wait_requests(server, 1);
    asker_run(&impatient);
    asker_run(&ahead);
    asker_run(&patient);
    asker_run(&write);
    wait_for_waiters(5);
    server_open_gate(server);
    asker_expect(&busy, 429);
    asker_expect_failure(&impatient, EBUSY);
    asker_expect_failure(&ahead, EBUSY);
    asker_expect_ok(&write);
    asker_expect_ok(&patient);
    assert_string_equal(order, "wp");
}

static void a_deadline_before_the_end_of_a_hold_is_judged_when_it_begins(
    void **state)
{
    struct asker busy, late;

    open_with(1);
    busy = (struct asker){.http = http, .path = "/busy-held/50000"};
    late = (struct asker){.http = http, .path = "/l", .timeout_ms = 40000};
    asker_run(&busy);
    server_wait_requests(server, 1);
    asker_run(&late);
    wait_for_waiters(2);
    server_open_gate(server);
    asker_expect(&busy, 429);
    asker_join(&late);
    expect_busy(&late.outcome);
}

static void shutdown_lets_go_of_who_waits_for_a_hold_to_end(void **state)
{
    struct asker waiting, ahead;

    open_with(16);
    hold_for(VF_HTTP_GET, LONG_MS);
    waiting = (struct asker){.http = http, .path = "/a"};
    ahead = (struct asker){.http = http, .path = "/a", .is_ahead = true};
    asker_run(&waiting);
    asker_run(&ahead);
    wait_for_waiters(2);
    vf_http_shutdown(http);
    asker_expect_failure(&waiting, ECANCELED);
    asker_expect_failure(&ahead, ECANCELED);
    assert_int_equal(server_requests(server), 1);
}

static void a_deadline_is_kept_while_others_are_held(void **state)
{
    struct asker held, waiting;

    open_with(1);
    hold_for(VF_HTTP_POST, LONG_MS);
    held = (struct asker){.http = http, .path = "/held"};
    asker_run(&held);
    server_wait_requests(server, 2);
    waiting =
        (struct asker){.http = http, .path = "/a", .timeout_ms = SHORT_MS};
    asker_run(&waiting);
    asker_expect_failure(&waiting, ETIMEDOUT);
    server_open_gate(server);
    asker_expect_ok(&held);
}

static void too_many_requests_halve_the_limit_and_successes_bring_it_back(
    void **state)
{
    struct asker askers[16];

    open_with(16);
    assert_int_equal(vf_http_turns(http), 16);
    for (unsigned i = 0; i < 16; i++) {
        askers[i] = (struct asker){.http = http, .path = "/busy-held/0"};
        asker_run(&askers[i]);
    }
    server_wait_requests(server, 16);
    server_open_gate(server);
    for (unsigned i = 0; i < 16; i++)
        asker_expect(&askers[i], 429);
    assert_int_equal(vf_http_turns(http), 8);
    for (unsigned limit = 8; limit < 16; limit++)
        for (unsigned i = 0; i < limit; i++) {
            assert_int_equal(vf_http_turns(http), limit);
            client_expect(http, "/a", 200);
            order[0] = '\0';
        }
    assert_int_equal(vf_http_turns(http), 16);
}

static void the_shrunk_limit_is_kept(void **state)
{
    struct asker askers[12];

    open_with(8);
    hold_for(VF_HTTP_GET, 0);
    hold_for(VF_HTTP_GET, 0);
    assert_int_equal(vf_http_turns(http), 2);
    unsigned before = server_requests(server);
    for (unsigned i = 0; i < 12; i++) {
        askers[i] = (struct asker){.http = http, .path = "/held"};
        asker_run(&askers[i]);
    }
    wait_for_waiters(12);
    server_wait_requests(server, before + 2);
    struct outcome other = client_perform(
        http, &(struct vf_http_request){.path = "/spare",
                                        .group = 1,
                                        .deadline_ms = vf_clock_monotonic_ms() +
                                                       PATIENCE_MS});
    assert_int_equal(other.result, 0);
    vf_http_reply_done(&other.reply);
    assert_int_equal(server_requests(server), before + 3);
    server_open_gate(server);
    for (unsigned i = 0; i < 12; i++)
        asker_expect_ok(&askers[i]);
}

static void a_fresh_connection_that_is_reset_halves_the_limit(void **state)
{
    open_with(16);
    struct outcome outcome = ask(VF_HTTP_GET, "/reset", false, PATIENCE_MS);
    assert_int_equal(outcome.result, -EREMOTEIO);
    assert_int_equal(vf_http_turns(http), 8);
}

/* It may have been idle for longer than the server likes. */
static void a_reset_of_one_that_was_open_says_nothing(void **state)
{
    open_with(16);
    client_expect(http, "/a", 200);
    struct outcome outcome =
        client_ask(http, VF_HTTP_POST, "/reset", "{}", PATIENCE_MS);
    assert_int_equal(outcome.result, -EREMOTEIO);
    assert_int_equal(vf_http_turns(http), 16);
}

/* Everybody else first, but for every fourth turn. */
static void who_is_ahead_is_last_but_not_for_ever(void **state)
{
    static const char *const others[] = {"/a", "/b", "/c", "/d", "/e"};
    struct asker held, ahead[2], askers[5];

    open_with(1);
    held = (struct asker){.http = http, .path = "/held"};
    asker_run(&held);
    server_wait_requests(server, 1);
    for (unsigned i = 0; i < 2; i++) {
        ahead[i] = (struct asker){
            .http = http, .path = i == 0 ? "/X" : "/Y", .is_ahead = true};
        asker_run(&ahead[i]);
        wait_for_waiters(2 + i);
    }
    for (unsigned i = 0; i < 5; i++) {
        askers[i] = (struct asker){.http = http, .path = others[i]};
        asker_run(&askers[i]);
        wait_for_waiters(4 + i);
    }
    server_open_gate(server);
    asker_expect_ok(&held);
    for (unsigned i = 0; i < 5; i++)
        asker_expect_ok(&askers[i]);
    for (unsigned i = 0; i < 2; i++)
        asker_expect_ok(&ahead[i]);
    assert_string_equal(order, "abcXdeY");
}

static void who_is_ahead_takes_no_spare_turn(void **state)
{
    struct asker held, ahead, other;

    open_with(1);
    held = (struct asker){.http = http, .path = "/held", .group = 1};
    asker_run(&held);
    server_wait_requests(server, 1);
    ahead = (struct asker){
        .http = http, .path = "/X", .group = 2, .is_ahead = true};
    asker_run(&ahead);
    wait_for_waiters(2);
    other = (struct asker){.http = http, .path = "/a", .group = 3};
    asker_run(&other);
    asker_expect_ok(&other);
    assert_string_equal(order, "a");
    server_open_gate(server);
    asker_expect_ok(&held);
    asker_expect_ok(&ahead);
    assert_string_equal(order, "aX");
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_cannot_or_does_not_wait_is_told_at_once),
        TEST(a_hold_is_never_longer_than_its_cap),
        TEST(who_has_time_starts_when_the_hold_ends),
        TEST(reads_and_writes_are_held_apart),
        TEST(a_wait_of_nothing_is_no_hold),
        TEST(who_is_queued_when_the_hold_begins_is_judged_then),
        TEST(a_deadline_before_the_end_of_a_hold_is_judged_when_it_begins),
        TEST(shutdown_lets_go_of_who_waits_for_a_hold_to_end),
        TEST(a_deadline_is_kept_while_others_are_held),
        TEST(too_many_requests_halve_the_limit_and_successes_bring_it_back),
        TEST(the_shrunk_limit_is_kept),
        TEST(a_fresh_connection_that_is_reset_halves_the_limit),
        TEST(a_reset_of_one_that_was_open_says_nothing),
        TEST(who_is_ahead_is_last_but_not_for_ever),
        TEST(who_is_ahead_takes_no_spare_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
