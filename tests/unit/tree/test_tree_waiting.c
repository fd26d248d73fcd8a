/* SPDX-License-Identifier: MIT
 *
 * Who waits, who leaves, and what becomes of the work (R-wait).
 */
#include <errno.h>
#include <signal.h>

#include "harness.h"

#define OTHER_URL "https://other.example.com/mcp"

/* A write of a whole document whose caller leaves while the create waits. */
struct left_write {
    struct task task;
    struct vf_file *file;
    pid_t process;
};

static void leave_write(struct harness *h, struct left_write *left,
                        enum fake_when when)
{
    left->process = process_with(SIGINT);
    left->file = create(h, "a.json");
    left->task = (struct task){.h = h,
                               .file = left->file,
                               .text = SPEC,
                               .caller = {.tid = left->process},
                               .run = run_write};
    fake_hold(h->fake, FAKE_CREATE, when);
    task_start(&left->task);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_wait_waiting(&left->task);
    task_interrupt(&left->task);
    assert_int_equal(task_join(&left->task), -EINTR);
    end_process(left->process);
}

static void r_wait_an_interrupted_write_goes_on_and_is_joined(void **state)
{
    struct harness *h = *state;
    struct left_write left;

    leave_write(h, &left, FAKE_BEFORE);
    struct task again = {
        .h = h, .file = left.file, .text = SPEC, .run = run_write};
    task_start(&again);
    task_wait_waiting(&again);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&again), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_int_equal(put(h, left.file, "\n", (off_t)strlen(SPEC)), 0);
    assert_int_equal(close_file(h, left.file), 0);
    assert_names(h, h->vault, "a.json ");
}

static void r_wait_a_joined_failure_is_told_to_who_joined(void **state)
{
    struct harness *h = *state;
    struct left_write left;

    leave_write(h, &left, FAKE_BEFORE);
    struct task again = {
        .h = h, .file = left.file, .text = SPEC, .run = run_write};
    task_start(&again);
    task_wait_waiting(&again);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&again), -EACCES);
    assert_int_equal(again.err.code, EACCES);
    assert_int_equal(close_file(h, left.file), 0);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 0);
}

static void r_wait_another_write_after_an_interrupt_is_no_repetition(
    void **state)
{
    struct harness *h = *state;
    struct left_write left;

    leave_write(h, &left, FAKE_BEFORE);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(put(h, left.file, spec_for(OTHER_URL), 0), -EINVAL);
    assert_int_equal(put(h, left.file, SPEC, 1), -EINVAL);
    assert_int_equal(close_file(h, left.file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
}

static void r_wait_an_outcome_without_a_caller_is_recorded(void **state)
{
    struct harness *h = *state;
    struct left_write left;

    leave_write(h, &left, FAKE_BEFORE);
    assert_int_equal(close_file(h, left.file), 0);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 1);
    assert_int_equal(h->record_code, EACCES);
    assert_string_equal(h->record_path, "/prod/a.json");
}

static void r_wait_starting_over_does_not_swallow_the_outcome(void **state)
{
    struct harness *h = *state;
    struct left_write left;

    leave_write(h, &left, FAKE_BEFORE);
    struct task cut = {
        .h = h, .file = left.file, .offset = 0, .run = run_truncate};
    task_start(&cut);
    task_wait_waiting(&cut);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&cut), 0);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 1);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, 0);
    assert_int_equal(put(h, left.file, SPEC, 0), 0);
    assert_int_equal(close_file(h, left.file), 0);
    assert_names(h, h->vault, "a.json ");
}

static void r_wait_the_next_look_at_the_name_waits(void **state)
{
    static int (*const looks[])(struct task *) = {run_lookup, run_open,
                                                  run_unlink};
    struct harness *h = *state;

    for (size_t i = 0; i < 3; i++) {
        struct left_write left;

        leave_write(h, &left, FAKE_AFTER);
        struct vf_node *node = i == 1 ? NULL : h->vault;
        struct task task = {
            .h = h, .node = node, .name = "a.json", .run = looks[i]};
        if (i == 1) { /* a node that the kernel had already */
            struct vf_snapshot *snapshot;
            struct item item;

            assert_int_equal(vf_tree_opendir(h->tree, h->vault, &task.caller,
                                             &snapshot, NULL),
                             0);
            assert_int_equal(read_item(h, snapshot, 1, true, &item), 2);
            vf_snapshot_free(h->tree, snapshot);
            task.node = item.entry.node;
        }
        task_start(&task);
        task_wait_waiting(&task);
        fake_let_go(h->fake, FAKE_CREATE);
        assert_int_equal(task_join(&task), 0);
        assert_int_equal(close_file(h, left.file), 0);
        if (i == 1)
            assert_int_equal(close_file(h, task.file), 0);
        if (i < 2)
            assert_int_equal(unlink_name(h, "a.json"), 0);
        assert_int_equal(fake_size(h->fake, h->vault_id), 0);
    }
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 3); /* that it was done after all */
}

static void r_wait_an_open_of_a_name_that_went_is_estale(void **state)
{
    struct harness *h = *state;
    struct left_write left;
    struct vf_snapshot *snapshot;
    struct item item;
    struct vf_caller caller = {0};

    leave_write(h, &left, FAKE_BEFORE);
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL), 0);
    assert_int_equal(read_item(h, snapshot, 1, true, &item), 2);
    vf_snapshot_free(h->tree, snapshot);
    struct task task = {.h = h, .node = item.entry.node, .run = run_open};
    task_start(&task);
    task_wait_waiting(&task);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&task), -ESTALE);
    assert_int_equal(close_file(h, left.file), 0);
}

static void r_wait_a_left_change_behind_another_is_waited_for_too(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};
    pid_t process = process_with(SIGTERM);
    struct task removal = {.h = h,
                           .node = h->vault,
                           .name = "a.json",
                           .caller = {.tid = process},
                           .run = run_unlink};
    struct task look_task = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_lookup};

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_start(&removal);
    task_wait_waiting(&removal);
    task_interrupt(&removal);
    assert_int_equal(task_join(&removal), -EINTR);
    task_start(&look_task);
    task_wait_waiting(&look_task);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(task_join(&look_task), -ENOENT);
    assert_int_equal(close_file(h, file), 0);
    end_process(process);
}

static void r_wait_directories_too(void **state)
{
    struct harness *h = *state;
    pid_t process = process_with(SIGHUP);
    struct task make = {.h = h,
                        .node = h->root,
                        .name = "new",
                        .caller = {.tid = process},
                        .run = run_mkdir};
    struct task look_task = {
        .h = h, .node = h->root, .name = "new", .run = run_lookup};

    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER);
    task_start(&make);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    task_interrupt(&make);
    assert_int_equal(task_join(&make), -EINTR);
    task_start(&look_task);
    task_wait_waiting(&look_task);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&look_task), 0);
    assert_int_equal(make_vault(h, "new"), -EEXIST);
    end_process(process);
}

/* A shell's SIGCHLD; and the kernel tells only once, so who was told goes on
 * looking. */
static void r_wait_only_a_signal_that_ends_programs_ends_a_wait(void **state)
{
    struct harness *h = *state;
    pid_t process = process_with(SIGCHLD);
    struct vf_file *file = create(h, "a.json");
    struct task write = {.h = h,
                         .file = file,
                         .text = SPEC,
                         .caller = {.tid = process},
                         .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    unsigned before = harness_looks();
    task_interrupt(&write);
    harness_wait_looks(before + 2); /* the first look did not end it */
    assert_int_equal(kill(process, SIGQUIT), 0);
    assert_int_equal(task_join(&write), -EINTR);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_int_equal(close_file(h, file), 0);
    end_process(process);
}

static void r_wait_a_caller_that_cannot_be_looked_at_leaves(void **state)
{
    struct harness *h = *state;
    struct task task = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_lookup};

    vf_tree_refresh(h->tree);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE);
    task_start(&task);
    task_wait_waiting(&task);
    task_interrupt(&task);
    assert_int_equal(task_join(&task), -EINTR);
    /* The fetch goes on for whoever comes next. */
    struct task next = {.h = h, .node = h->vault, .run = run_opendir};
    task_start(&next);
    task_wait_waiting(&next);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(&next), 0);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
}

static void r_wait_one_slow_vault_does_not_stop_another(void **state)
{
    struct harness *h = *state;
    struct task task = {.h = h, .node = h->vault, .run = run_opendir};

    fake_add_vault(h->fake, "other");
    vf_tree_refresh(h->tree);
    struct vf_node *other = look(h, h->root, "other");
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE);
    task_start(&task);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    struct task second = {.h = h, .node = other, .run = run_opendir};
    task_start(&second);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 2);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(&task), 0);
    assert_int_equal(task_join(&second), 0);
}

static void w_sticky_a_sync_beside_a_write_has_the_same_outcome(void **state)
{
    static const int codes[] = {0, EACCES};
    struct harness *h = *state;

    for (size_t i = 0; i < 2; i++) {
        struct left_write left;
        struct task tasks[4];

        leave_write(h, &left, FAKE_BEFORE);
        for (size_t j = 0; j < 4; j++) {
            tasks[j] = (struct task){.h = h,
                                     .file = left.file,
                                     .text = SPEC,
                                     .run = j == 0 ? run_write : run_sync};
            task_start(&tasks[j]);
        }
        for (size_t j = 0; j < 4; j++)
            task_wait_waiting(&tasks[j]);
        fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, codes[i]);
        fake_let_go(h->fake, FAKE_CREATE);
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(task_join(&tasks[j]), -codes[i]);
        assert_int_equal(close_file(h, left.file), 0);
        if (codes[i] == 0)
            assert_int_equal(unlink_name(h, "a.json"), 0);
    }
}

static void shutdown_ends_every_wait_and_starts_nothing(void **state)
{
    struct harness *h = *state;
    struct vf_file *a = create(h, "a.json"), *b = create(h, "a.json");
    struct task tasks[] = {
        {.h = h, .file = a, .text = SPEC, .run = run_write},
        {.h = h, .file = b, .text = SPEC, .run = run_write},
        {.h = h, .node = h->vault, .run = run_opendir},
        {.h = h, .node = h->root, .name = "prod", .run = run_rmdir},
        {.h = h, .node = h->root, .name = "new", .run = run_mkdir},
    };

    vf_tree_refresh(h->tree);
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE);
    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE);
    for (size_t i = 0; i < 5; i++) {
        task_start(&tasks[i]);
        task_wait_waiting(&tasks[i]);
    }
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    vf_tree_shutdown(h->tree);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(task_join(&tasks[i]), -EINTR);
    fake_let_go(h->fake, FAKE_CREATE);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    harness_wait_idle(h);
    assert_int_equal(fake_count(h->fake, FAKE_OPS),
                     3); /* not the second write */
    assert_int_equal(close_file(h, a), 0);
    assert_int_equal(close_file(h, b), 0);
}

static void after_shutdown_nothing_is_asked(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct vf_file *file = create(h, "a.json");

    vf_tree_refresh(h->tree);
    vf_tree_shutdown(h->tree);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(look_up(h, h->vault, "b.json"), -EINTR);
        assert_int_equal(
            vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL),
            -EINTR);
        assert_int_equal(remove_vault(h, "prod"), -EINTR);
        assert_int_equal(make_vault(h, "new"), -EINTR);
        assert_int_equal(unlink_name(h, "a.json"), -EINTR);
        assert_int_equal(put(h, file, SPEC, 0), -EINTR);
    }
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void a_document_is_wiped_before_the_old_credential_goes(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_file *file = open_for(h, look(h, h->vault, "a.json"), O_WRONLY);
    struct task write = {
        .h = h, .file = file, .text = spec_for(OTHER_URL), .run = run_write};
    unsigned before = harness_specs_freed();
    fake_hold(h->fake, FAKE_DELETE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_DELETE, 1);
    assert_int_equal(harness_specs_freed(), before + 1);
    fake_let_go(h->fake, FAKE_DELETE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void a_document_that_was_never_sent_is_wiped_all_the_same(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_file *file = open_for(h, look(h, h->vault, "a.json"), O_WRONLY);
    pid_t process = process_with(SIGINT);
    struct task removal = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_unlink};
    struct task write = {.h = h,
                         .file = file,
                         .text = SPEC,
                         .caller = {.tid = process},
                         .run = run_write};

    fake_hold(h->fake, FAKE_DELETE, FAKE_BEFORE);
    task_start(&removal);
    fake_wait_held(h->fake, FAKE_DELETE, 1);
    task_start(&write);
    task_wait_waiting(&write);
    task_interrupt(&write);
    assert_int_equal(task_join(&write), -EINTR);
    unsigned before = harness_secrets_dropped();
    fake_let_go(h->fake, FAKE_DELETE);
    assert_int_equal(task_join(&removal), 0);
    harness_wait_idle(h);
    assert_int_equal(harness_secrets_dropped(), before + 1);
    assert_int_equal(harness_records(h), 1);
    assert_int_equal(h->record_code, ENOENT);
    assert_int_equal(close_file(h, file), 0);
    end_process(process);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    static const int deadly[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};

    /* Who started us may ignore them: then they would never be pending. */
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
        (void)signal(deadly[i], SIG_DFL);
    const struct CMUnitTest tests[] = {
        TEST(r_wait_an_interrupted_write_goes_on_and_is_joined),
        TEST(r_wait_a_joined_failure_is_told_to_who_joined),
        TEST(r_wait_another_write_after_an_interrupt_is_no_repetition),
        TEST(r_wait_an_outcome_without_a_caller_is_recorded),
        TEST(r_wait_starting_over_does_not_swallow_the_outcome),
        TEST(r_wait_the_next_look_at_the_name_waits),
        TEST(r_wait_an_open_of_a_name_that_went_is_estale),
        TEST(r_wait_a_left_change_behind_another_is_waited_for_too),
        TEST(r_wait_directories_too),
        TEST(r_wait_only_a_signal_that_ends_programs_ends_a_wait),
        TEST(r_wait_a_caller_that_cannot_be_looked_at_leaves),
        TEST(r_wait_one_slow_vault_does_not_stop_another),
        TEST(w_sticky_a_sync_beside_a_write_has_the_same_outcome),
        TEST(shutdown_ends_every_wait_and_starts_nothing),
        TEST(after_shutdown_nothing_is_asked),
        TEST(a_document_is_wiped_before_the_old_credential_goes),
        TEST(a_document_that_was_never_sent_is_wiped_all_the_same),
    };

    return cmocka_run_group_tests_name("tree waits", tests, NULL, NULL);
}
