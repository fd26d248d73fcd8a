/* SPDX-License-Identifier: MIT
 *
 * What became of a change whose caller left is recorded, whatever it is
 * (R-wait).
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

static struct task mkdir_task(struct harness *h, pid_t process)
{
    return (struct task){.h = h,
                         .node = h->root,
                         .name = "new",
                         .caller = {.tid = process},
                         .run = run_mkdir};
}

static void r_wait_a_change_that_was_done_after_all_is_recorded(void **state)
{
    struct harness *h = *state;
    pid_t process = process_with(SIGINT);
    struct task make = mkdir_task(h, process);

    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER);
    task_start(&make);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    task_interrupt(&make);
    assert_int_equal(task_join(&make), -EINTR);
    assert_int_equal(harness_records(h), 0);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 1);
    assert_int_equal(h->record_code, 0);
    assert_string_equal(h->record_path, "/new");
    assert_non_null(strstr(h->record_message, "done"));
    end_process(process);
}

static void r_wait_a_change_that_its_caller_saw_done_is_no_record(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_int_equal(make_vault(h, "new"), 0);
    assert_int_equal(remove_vault(h, "new"), 0);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 0);
}

/* What a service does with requests in flight when it is shut down too. */
static void shut_down(struct harness *h, struct task *task, enum fake_op op)
{
    fake_hold(h->fake, op, FAKE_AFTER);
    task_start(task);
    fake_wait_held(h->fake, op, 1);
    task_wait_waiting(task);
    vf_tree_shutdown(h->tree);
    assert_int_equal(task_join(task), -EINTR);
    fake_fail(h->fake, op, FAKE_AFTER, ECANCELED);
}

static void shutdown_records_that_an_outcome_is_unknown(void **state)
{
    struct harness *h = *state;
    struct task make = mkdir_task(h, 0);

    shut_down(h, &make, FAKE_CREATE_VAULT);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 1);
    assert_int_equal(h->record_code, ECANCELED);
    assert_string_equal(h->record_path, "/new");
    assert_non_null(strstr(h->record_message, "not known"));
}

static void shutdown_records_what_was_never_sent(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct task removal = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_unlink};
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_start(&removal);
    task_wait_waiting(&removal);
    vf_tree_shutdown(h->tree);
    assert_int_equal(task_join(&removal), -EINTR);
    assert_int_equal(task_join(&write), -EINTR);
    fake_let_go(h->fake, FAKE_CREATE);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 2); /* the write was done */
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_int_equal(close_file(h, file), 0);
}

/* Nothing of it can have been done. */
static void shutdown_records_no_listing(void **state)
{
    struct harness *h = *state;
    struct task list = {.h = h, .node = h->vault, .run = run_opendir};

    vf_tree_refresh(h->tree);
    shut_down(h, &list, FAKE_LIST_CREDENTIALS);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 0);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(r_wait_a_change_that_was_done_after_all_is_recorded),
        TEST(r_wait_a_change_that_its_caller_saw_done_is_no_record),
        TEST(shutdown_records_that_an_outcome_is_unknown),
        TEST(shutdown_records_what_was_never_sent),
        TEST(shutdown_records_no_listing),
    };

    return cmocka_run_group_tests_name("tree outcomes", tests, NULL, NULL);
}
