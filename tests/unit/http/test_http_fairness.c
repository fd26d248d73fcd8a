/* SPDX-License-Identifier: MIT
 *
 * Nobody is starved: not who is ahead, nor the second of a group that hangs,
 * however many other groups always have somebody waiting.
 */
#include "askers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Guarded by lock. */
static char order[32];  /* what came, by the letter of its path */
static char let_go[32]; /* what is answered */

static struct server *server;
static struct vf_http *http;

static void answer_when_told(struct server *from, int fd, unsigned index)
{
    struct request request;

    while (server_read(from, fd, &request)) {
        char letter = strchr(request.head, '/')[1];

        pthread_mutex_lock(&lock);
        order[strlen(order)] = letter;
        pthread_cond_broadcast(&changed);
        while (strchr(let_go, letter) == NULL)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        if (!server_send(fd, OK_EMPTY))
            break;
    }
}

static void open_with(unsigned concurrency)
{
    memset(order, 0, sizeof(order));
    memset(let_go, 0, sizeof(let_go));
    (void)askers_reset(NULL);
    server = server_start(answer_when_told);
    http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .concurrency = concurrency});
}

static int tear_down(void **state)
{
    vf_http_free(http);
    server_stop(server);
    return 0;
}

static void wait_order(const char *expected)
{
    pthread_mutex_lock(&lock);
    while (strlen(order) < strlen(expected))
        pthread_cond_wait(&changed, &lock);
    assert_string_equal(order, expected);
    pthread_mutex_unlock(&lock);
}

static void answer(const char *letters)
{
    pthread_mutex_lock(&lock);
    (void)strncat(let_go, letters, sizeof(let_go) - strlen(let_go) - 1);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void others_that_are_busy_starve_nobody(void **state)
{
    static const struct {
        const char *path;
        uint64_t group;
        bool is_ahead;
    } rows[] = {{"/a", 1, false}, {"/b", 2, false}, {"/c", 3, false},
                {"/s", 1, false}, /* the second of a's group */
                {"/x", 9, true},  {"/d", 4, false}, {"/e", 5, false},
                {"/f", 6, false}, {"/g", 7, false}, {"/h", 8, false}};
    /* What is answered, and what has come then. a hangs in one of both turns, b
     * and those after it have the other, c and those after it the spare one. */
    static const char *const steps[][2] = {
        {"b", "abcs"},     /* the oldest of all */
        {"s", "abcsd"},    /* past x */
        {"c", "abcsde"},   /* spare: x could not have had it */
        {"d", "abcsdef"},  /* past x, */
        {"f", "abcsdefx"}, /* whose turn the fourth is */
        {"x", "abcsdefxg"},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    struct asker askers[ROWS];

    open_with(2);
    for (unsigned i = 0; i < ROWS; i++) {
        askers[i] = (struct asker){.http = http,
                                   .path = rows[i].path,
                                   .group = rows[i].group,
                                   .is_ahead = rows[i].is_ahead};
        asker_run(&askers[i]);
        wait_for_waiters(i + 1);
        if (i < 3)
            server_wait_requests(server, i + 1);
    }
    wait_order("abc");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        answer(steps[i][0]);
        wait_order(steps[i][1]);
    }
    answer("aegh");
    for (unsigned i = 0; i < ROWS; i++)
        asker_expect_ok(&askers[i]);
}

/* What a test keeps a request waiting for its turn. */
#define WAIT_MS 300

static void a_wait_for_a_turn_is_none_of_what_a_request_took(void **state)
{
    struct asker first, second;

    open_with(1);
    int64_t start_ms = vf_clock_monotonic_ms();
    asker_start(&first, http, "/a");
    wait_order("a");
    asker_start(&second, http, "/b");
    wait_for_waiters(2);
    int64_t until_ms = vf_clock_monotonic_ms() + WAIT_MS;
    while (vf_clock_monotonic_ms() <= until_ms)
        (void)usleep(1000);
    answer("ab");
    asker_join(&first);
    asker_join(&second);
    int64_t all_ms = vf_clock_monotonic_ms() - start_ms;
    assert_true(first.outcome.reply.took_ms >= WAIT_MS);
    assert_in_range(second.outcome.reply.took_ms, 0, all_ms - WAIT_MS);
    vf_http_reply_done(&first.outcome.reply);
    vf_http_reply_done(&second.outcome.reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(others_that_are_busy_starve_nobody,
                                  tear_down),
        cmocka_unit_test_teardown(
            a_wait_for_a_turn_is_none_of_what_a_request_took, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
