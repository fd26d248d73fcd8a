/* SPDX-License-Identifier: MIT
 *
 * Fetches that must not go on for ever, and looks that must not wait (R-wait,
 * R-down).
 */
#include <errno.h>
#include <signal.h>

#include "harness.h"

static int list(struct harness *h)
{
    struct task task = {.h = h, .node = h->vault};

    return run_opendir(&task);
}

static void a_list_that_repeats_itself_is_not_believed(void **state)
{
    struct harness *h = *state;

    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    fake_set_end(h->fake, FAKE_REPEATS);
    vf_tree_refresh(h->tree);
    struct task task = {.h = h, .node = h->root, .run = run_opendir};
    assert_int_equal(run_opendir(&task), -EBADMSG);
    assert_non_null(strstr(task.err.message, "the list does not end"));
    assert_int_equal(list(h), -EBADMSG);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_VAULTS), 1 + 10);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1 + 10);
    fake_set_end(h->fake, FAKE_ENDS);
    assert_names(h, h->vault, "a.json ");
}

/* Nothing, and more of it. */
static void a_list_of_empty_pages_is_not_believed(void **state)
{
    struct harness *h = *state;

    fake_set_end(h->fake, FAKE_REPEATS);
    vf_tree_refresh(h->tree);
    assert_int_equal(list(h), -EBADMSG);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 10);
}

static void a_list_that_grows_for_ever_is_not_believed(void **state)
{
    struct harness *h = *state;

    fake_set_end(h->fake, FAKE_GROWS);
    vf_tree_refresh(h->tree);
    assert_int_equal(list(h), -EBADMSG);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 10000);
}

/* What is made while a list is fetched moves the rest: some come twice. */
static void a_page_may_repeat_some_of_what_came_before(void **state)
{
    struct harness *h = *state;
    struct task task = {.h = h, .node = h->vault, .run = run_opendir};

    for (const char *name = "abcd"; *name != '\0'; name++)
        fake_add(h->fake, h->vault_id, (char[]){*name, '\0'}, HARNESS_URL);
    fake_set_page_size(h->fake, 2);
    vf_tree_refresh(h->tree);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_AFTER);
    task_start(&task);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    fake_add(h->fake, h->vault_id, "e", HARNESS_URL);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(&task), 0);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 3);
    assert_names(h, h->vault, "a b c d ");
}

/* Held while the first of its two pages is under way. */
static void start_two_pages(struct harness *h, struct task *task)
{
    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    fake_add(h->fake, h->vault_id, "b.json", HARNESS_URL);
    fake_set_page_size(h->fake, 1);
    vf_tree_refresh(h->tree);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_AFTER);
    task_start(task);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    task_wait_waiting(task);
}

static void r_wait_a_fetch_that_all_left_stops(void **state)
{
    struct harness *h = *state;
    pid_t process = process_with(SIGINT);
    struct task task = {.h = h,
                        .node = h->vault,
                        .caller = {.tid = process},
                        .run = run_opendir};

    start_two_pages(h, &task);
    task_interrupt(&task);
    assert_int_equal(task_join(&task), -EINTR);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    harness_wait_idle(h);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    assert_int_equal(harness_records(h), 0);
    assert_names(h, h->vault, "a.json b.json "); /* not what came of it */
    end_process(process);
}

static void r_wait_a_fetch_that_one_left_goes_on(void **state)
{
    struct harness *h = *state;
    pid_t process = process_with(SIGINT);
    struct task leaving = {.h = h,
                           .node = h->vault,
                           .caller = {.tid = process},
                           .run = run_opendir};
    struct task staying = {.h = h, .node = h->vault, .run = run_opendir};

    start_two_pages(h, &leaving);
    task_start(&staying);
    task_wait_waiting(&staying);
    task_interrupt(&leaving);
    assert_int_equal(task_join(&leaving), -EINTR);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(&staying), 0);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 2);
    end_process(process);
}

/* An outage that a look has met, and the listing's life over again. */
static void go_down(struct harness *h)
{
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, ETIMEDOUT);
    harness_advance_ms(TTL_MS);
    assert_names(h, h->vault, "a.json ");
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, 0);
    harness_advance_ms(TTL_MS);
    fake_reset_counts(h->fake);
}

static void r_down_one_look_waits_and_one_fetch_probes(void **state)
{
    struct harness *h = *state;

    go_down(h);
    fake_add(h->fake, h->vault_id, "b.json", HARNESS_URL);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE);
    for (int i = 0; i < 3; i++)
        assert_names(h, h->vault,
                     "a.json "); /* who waits here waits for ever */
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    harness_wait_idle(h);
    assert_names(h, h->vault, "a.json b.json ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    harness_advance_ms(TTL_MS); /* and all is as ever */
    fake_add(h->fake, h->vault_id, "c.json", HARNESS_URL);
    assert_names(h, h->vault, "a.json b.json c.json ");
}

static void r_down_a_refusal_that_the_probe_met_is_told(void **state)
{
    struct harness *h = *state;

    go_down(h);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, EACCES);
    assert_names(h, h->vault, "a.json ");
    harness_wait_idle(h);
    assert_int_equal(list(h), -EACCES);
}

static void r_down_a_refresh_asks_and_waits(void **state)
{
    struct harness *h = *state;

    go_down(h);
    fake_add(h->fake, h->vault_id, "b.json", HARNESS_URL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json b.json ");
}

static void r_down_what_was_never_listed_waits_each_time(void **state)
{
    struct harness *h = *state;
    struct task task = {.h = h};

    fake_add_vault(h->fake, "other");
    vf_tree_refresh(h->tree);
    task.node = look(h, h->root, "other");
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, ECONNREFUSED);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(run_opendir(&task), -ECONNREFUSED);
        assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), i);
    }
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_that_repeats_itself_is_not_believed),
        TEST(a_list_of_empty_pages_is_not_believed),
        TEST(a_list_that_grows_for_ever_is_not_believed),
        TEST(a_page_may_repeat_some_of_what_came_before),
        TEST(r_wait_a_fetch_that_all_left_stops),
        TEST(r_wait_a_fetch_that_one_left_goes_on),
        TEST(r_down_one_look_waits_and_one_fetch_probes),
        TEST(r_down_a_refusal_that_the_probe_met_is_told),
        TEST(r_down_a_refresh_asks_and_waits),
        TEST(r_down_what_was_never_listed_waits_each_time),
    };

    return cmocka_run_group_tests_name("tree fetches", tests, NULL, NULL);
}
