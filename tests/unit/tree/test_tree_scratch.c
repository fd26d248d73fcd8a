/* SPDX-License-Identifier: MIT
 *
 * Files that tools write on their way to another name (E-scratch).
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"
#include "internal.h"
#include "scratch.h"
#include "sweep.h"
#include "vaultfs/spec.h"

static int create_in(struct harness *h, struct vf_node *directory,
                     const char *name, int flags, struct vf_file **ret)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;
    int result = vf_tree_create(h->tree, directory, name, flags, &caller,
                                &entry, ret, NULL);

    if (result == 0)
        vf_tree_forget(h->tree, entry.node, 1);
    return result;
}

static int open_result(struct harness *h, struct vf_node *node, int flags)
{
    struct vf_caller caller = {0};
    struct vf_file *file;
    bool is_unchanged;
    int result =
        vf_tree_open(h->tree, node, flags, &caller, &file, &is_unchanged, NULL);

    if (result == 0)
        assert_int_equal(close_file(h, file), 0);
    return result;
}

static ssize_t read_back(struct harness *h, struct vf_file *file, char *text,
                         size_t size)
{
    return vf_file_read(h->tree, file, text, size, 0, NULL);
}

static struct vf_tree_stats stats_of(struct harness *h)
{
    struct vf_tree_stats stats = {0};

    pthread_mutex_lock(&h->tree->lock);
    vf_scratch_count(h->tree, &stats);
    pthread_mutex_unlock(&h->tree->lock);
    return stats;
}

static void sweep(struct harness *h)
{
    pthread_mutex_lock(&h->tree->lock);
    (void)vf_sweep(h->tree);
    pthread_mutex_unlock(&h->tree->lock);
}

static void e_scratch_is_never_sent(void **state)
{
    static const char *const names[] = {
        ".a.json.swp", "4913", "sedAbC123", "a.json~", "tmp12345678", "#a#"};
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(save(h, names[i], SPEC), 0);
        assert_int_equal(look_up(h, h->vault, names[i]), 0);
        assert_int_equal(unlink_name(h, names[i]), 0);
        assert_int_equal(look_up(h, h->vault, names[i]), -ENOENT);
    }
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(stats_of(h).scratch_files, 0);
}

static void e_scratch_takes_any_bytes_anywhere(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;
    char text[16];

    assert_int_equal(create_in(h, h->vault, ".a.swp", O_RDWR, &file), 0);
    assert_int_equal(put(h, file, "end", 5), 0);
    assert_int_equal(put(h, file, "no}", 0), 0);
    assert_int_equal(read_back(h, file, text, sizeof(text)), 8);
    assert_memory_equal(text, "no}\0\0end", 8);
    assert_int_equal(
        vf_file_truncate(h->tree, file, 2, &(struct vf_caller){0}, NULL), 0);
    assert_int_equal(
        vf_file_truncate(h->tree, file, 4, &(struct vf_caller){0}, NULL), 0);
    assert_int_equal(read_back(h, file, text, sizeof(text)), 4);
    assert_memory_equal(text, "no\0\0", 4);
    assert_int_equal(
        vf_file_flush(h->tree, file, &(struct vf_caller){.tid = getpid()}), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(stat_of(h, look(h, h->vault, ".a.swp")).st_size, 4);
}

static void e_scratch_appends_at_the_end_whatever_the_offset(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;
    char text[16];

    assert_int_equal(create_in(h, h->vault, "a.new", O_RDWR | O_APPEND, &file),
                     0);
    assert_int_equal(put(h, file, "one", 0), 0);
    assert_int_equal(put(h, file, "two", 0), 0);
    assert_int_equal(read_back(h, file, text, sizeof(text)), 6);
    assert_memory_equal(text, "onetwo", 6);
    assert_int_equal(close_file(h, file), 0);
}

static void e_scratch_is_read_back_only_by_what_wrote_it(void **state)
{
    struct harness *h = *state;
    struct vf_file *first, *second;
    char text[16];

    assert_int_equal(create_in(h, h->vault, "a.tmp", O_RDWR, &first), 0);
    assert_int_equal(put(h, first, "secret", 0), 0);
    struct vf_node *node = look(h, h->vault, "a.tmp");
    assert_int_equal(open_result(h, node, O_RDONLY), -EACCES);
    second = open_for(h, node, O_RDWR);
    assert_int_equal(read_back(h, second, text, sizeof(text)), -EACCES);
    assert_int_equal(read_back(h, first, text, sizeof(text)), 6);
    /* A part of it is the other's from now on. */
    assert_int_equal(put(h, second, "S", 0), 0);
    assert_int_equal(read_back(h, first, text, sizeof(text)), -EACCES);
    assert_int_equal(read_back(h, second, text, sizeof(text)), -EACCES);
    /* Who starts over has all of it. */
    assert_int_equal(
        vf_file_truncate(h->tree, second, 0, &(struct vf_caller){0}, NULL), 0);
    assert_int_equal(put(h, second, "mine", 0), 0);
    assert_int_equal(read_back(h, second, text, sizeof(text)), 4);
    assert_int_equal(read_back(h, first, text, sizeof(text)), -EACCES);
    assert_int_equal(close_file(h, second), 0);
    assert_int_equal(close_file(h, first), 0);
    /* And nobody, when it is closed. */
    second = open_for(h, node, O_RDWR);
    assert_int_equal(read_back(h, second, text, sizeof(text)), -EACCES);
    assert_int_equal(close_file(h, second), 0);
    second = open_for(h, node, O_RDWR | O_TRUNC);
    assert_int_equal(read_back(h, second, text, sizeof(text)), 0);
    assert_int_equal(close_file(h, second), 0);
}

static void e_scratch_a_removed_one_goes_on_for_its_writer(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;
    char text[16];

    assert_int_equal(create_in(h, h->vault, "tmpabcdefgh", O_RDWR, &file), 0);
    assert_int_equal(unlink_name(h, "tmpabcdefgh"), 0);
    assert_int_equal(put(h, file, "{}", 0), 0);
    assert_int_equal(read_back(h, file, text, sizeof(text)), 2);
    assert_int_equal(stats_of(h).scratch_files, 1);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(stats_of(h).scratch_files, 0);
    assert_int_equal(h->tree->scratch_locked, 0);
}

/* The kernel forgets in its own time. */
static void e_scratch_a_removed_one_counts_only_while_it_is_open(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;

    assert_int_equal(create_in(h, h->vault, "a.tmp", O_RDWR, &file), 0);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    struct vf_node *node = look(h, h->vault, "a.tmp");
    assert_int_equal(unlink_name(h, "a.tmp"), 0);
    assert_int_equal(stats_of(h).scratch_files, 1);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(stats_of(h).scratch_files, 0);
    assert_int_equal(h->tree->scratch_locked, 0);
    assert_int_equal(open_result(h, node, O_WRONLY), -ESTALE);
    assert_int_equal(vf_tree_truncate(h->tree, node, 0, NULL), -ESTALE);
    assert_int_equal(stat_of(h, node).st_size, 0);
    harness_advance_ms(10 * VF_SCRATCH_UNSENT_MS);
    sweep(h);
    assert_int_equal(save(h, "b.tmp", SPEC), 0);
    node = look(h, h->vault, "b.tmp");
    assert_int_equal(unlink_name(h, "b.tmp"), 0);
    assert_int_equal(stats_of(h).scratch_files, 0);
}

static void e_scratch_has_at_most_as_many_as_the_quota(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;
    char name[32];

    for (unsigned i = 0; i < VF_SCRATCH_FILES_MAX; i++) {
        snprintf(name, sizeof(name), "%u.tmp", i);
        assert_int_equal(create_in(h, h->vault, name, O_WRONLY, &file), 0);
        assert_int_equal(close_file(h, file), 0);
    }
    assert_int_equal(create_in(h, h->vault, "x.tmp", O_WRONLY, &file), -ENOSPC);
    assert_int_equal(create_in(h, h->root, "x.tmp", O_WRONLY, &file), -ENOSPC);
    assert_int_equal(look_up(h, h->vault, "x.tmp"), -ENOENT);
    assert_int_equal(unlink_name(h, "0.tmp"), 0);
    assert_int_equal(create_in(h, h->root, "x.tmp", O_WRONLY, &file), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void e_scratch_has_a_quarter_of_the_locked_memory(void **state)
{
    struct harness *h = *state;
    struct vf_file *files[2];

    h->tree->scratch_locked_max = 3 * 4096;
    assert_int_equal(create_in(h, h->vault, "a.tmp", O_RDWR, &files[0]), 0);
    assert_int_equal(create_in(h, h->vault, "b.tmp", O_RDWR, &files[1]), 0);
    assert_int_equal(put(h, files[0], "x", 8191), 0);
    assert_int_equal(put(h, files[1], "x", 4095), 0);
    assert_int_equal(put(h, files[1], "x", 4096), -ENOSPC);
    assert_int_equal(put(h, files[1], "y", 0), 0); /* what is there stays */
    assert_int_equal(
        vf_file_truncate(h->tree, files[0], 0, &(struct vf_caller){0}, NULL),
        0);
    assert_int_equal(put(h, files[1], "x", 4096), 0);
    assert_int_equal(close_file(h, files[0]), 0);
    assert_int_equal(close_file(h, files[1]), 0);
}

static void e_scratch_a_write_that_has_no_room_changes_nothing(void **state)
{
    struct harness *h = *state;
    struct vf_file *first, *second;
    char text[16];

    h->tree->scratch_locked_max = 4096;
    assert_int_equal(create_in(h, h->vault, "a.tmp", O_RDWR, &first), 0);
    assert_int_equal(put(h, first, "mine", 0), 0);
    struct vf_node *node = look(h, h->vault, "a.tmp");
    const struct stat before = stat_of(h, node);
    second = open_for(h, node, O_RDWR);
    assert_int_equal(put(h, second, "x", 4096), -ENOSPC);
    assert_int_equal(
        vf_file_truncate(h->tree, second, 8192, &(struct vf_caller){0}, NULL),
        -ENOSPC);
    assert_int_equal(read_back(h, first, text, sizeof(text)), 4);
    const struct stat after = stat_of(h, node);
    assert_int_equal(after.st_size, 4);
    assert_memory_equal(&after.st_mtim, &before.st_mtim,
                        sizeof(before.st_mtim));
    assert_int_equal(close_file(h, second), 0);
    assert_int_equal(close_file(h, first), 0);
}

static void e_scratch_a_file_is_no_bigger_than_a_spec(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;

    assert_int_equal(create_in(h, h->vault, "a.tmp", O_RDWR, &file), 0);
    assert_int_equal(put(h, file, "x", VF_SPEC_MAX), -EFBIG);
    assert_int_equal(put(h, file, "x", VF_SPEC_MAX - 1), 0);
    assert_int_equal(vf_file_truncate(h->tree, file, (off_t)VF_SPEC_MAX + 1,
                                      &(struct vf_caller){0}, NULL),
                     -EFBIG);
    assert_int_equal(close_file(h, file), 0);
}

static void e_scratch_renamed_is_a_commit(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    assert_int_equal(rename_name(h, "a.tmp", "a.json"), 0);
    assert_trace(h, "create a.json; ");
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), HARNESS_URL);
    assert_int_equal(stats_of(h).scratch_files, 0);
}

static void e_scratch_renamed_over_a_credential_keeps_its_id(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *id = fake_find(h->fake, "a.json");
    assert_int_equal(save(h, "sedAbC123", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "sedAbC123", "a.json"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_true(fake_has(h->fake, id));
    assert_names(h, h->vault, "a.json ");
}

static void e_scratch_that_is_refused_loses_nothing(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    fake_reset_counts(h->fake);
    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, EACCES);
    assert_int_equal(rename_name(h, "a.tmp", "a.json"), -EACCES);
    assert_names(h, h->vault, "a.json a.tmp ");
    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, 0);
    assert_int_equal(rename_name(h, "a.tmp", "a.json"), 0);
    /* Nor when it is no spec. */
    assert_int_equal(save(h, "a.tmp", "{\"type\": \"what\"}"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(vf_tree_rename(h->tree, h->vault, "a.tmp", h->vault,
                                    "b.json", 0, &(struct vf_caller){0}, &err),
                     -EINVAL);
    assert_string_equal(err.param, "type");
    assert_int_equal(look_up(h, h->vault, "a.tmp"), 0);
    assert_int_equal(look_up(h, h->vault, "b.json"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_scratch_without_a_whole_document_is_not_renamed(void **state)
{
    static const char *const texts[] = {"", " ", "{\"a\": ", "no json", "{}x"};
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(save(h, "a.tmp", texts[i]), 0);
        assert_int_equal(rename_name(h, "a.tmp", "a.json"), -EINVAL);
        assert_names(h, h->vault, "a.tmp ");
        assert_int_equal(stat_of(h, look(h, h->vault, "a.tmp")).st_size,
                         strlen(texts[i]));
        assert_int_equal(unlink_name(h, "a.tmp"), 0);
    }
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_scratch_what_follows_a_commit_is_not_lost_in_silence(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;

    assert_int_equal(create_in(h, h->vault, "a.tmp", O_WRONLY, &file), 0);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(rename_name(h, "a.tmp", "a.json"), 0);
    assert_int_equal(put(h, file, "{}", 0), -EINVAL);
    assert_int_equal(close_file(h, file), 0);
}

/* They would be in nothing: not in what was read, and not in a file. */
static void e_scratch_takes_no_bytes_while_it_is_committed(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;
    struct task move = {.h = h,
                        .node = h->vault,
                        .name = "a.tmp",
                        .text = "a.json",
                        .run = run_rename};

    assert_int_equal(create_in(h, h->vault, "a.tmp", O_WRONLY, &file), 0);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    task_start(&move);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    assert_int_equal(put(h, file, "[", 0), -EINVAL);
    assert_int_equal(
        vf_file_truncate(h->tree, file, 0, &(struct vf_caller){0}, NULL),
        -EINVAL);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&move), -EACCES);
    assert_int_equal(put(h, file, " ", strlen(SPEC)), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(rename_name(h, "a.tmp", "a.json"), 0);
}

/* A listing that finds the vault gone drops all that was in it, the file that
 * is just being sent as well. */
static void e_scratch_may_lose_its_vault_while_it_is_committed(void **state)
{
    struct harness *h = *state;
    struct task move = {.h = h,
                        .node = h->vault,
                        .name = "a.tmp",
                        .text = "a.json",
                        .run = run_rename};

    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    task_start(&move);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_remove(h->fake, h->vault_id);
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "");
    assert_int_equal(stats_of(h).scratch_files, 0);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_true(task_join(&move) < 0);
}

/* Start to rename a.tmp to a.json, and leave while the service is busy. */
static void leave_rename(struct harness *h, enum fake_when when)
{
    pid_t process = process_with(SIGINT);
    struct task move = {.h = h,
                        .node = h->vault,
                        .name = "a.tmp",
                        .text = "a.json",
                        .caller = {.tid = process},
                        .run = run_rename};

    fake_hold(h->fake, FAKE_CREATE, when);
    task_start(&move);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_wait_waiting(&move);
    task_interrupt(&move);
    assert_int_equal(task_join(&move), -EINTR);
    end_process(process);
}

static void e_scratch_goes_when_it_is_committed_after_an_interrupt(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    leave_rename(h, FAKE_AFTER);
    assert_int_equal(rename_name(h, "a.tmp", "b.json"), -EBUSY);
    harness_advance_ms(VF_SCRATCH_UNSENT_MS);
    sweep(h);
    assert_int_equal(harness_records(h), 0); /* it was sent */
    fake_let_go(h->fake, FAKE_CREATE);
    harness_wait_idle(h);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(stats_of(h).scratch_files, 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

static void e_scratch_stays_when_it_is_refused_after_an_interrupt(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    leave_rename(h, FAKE_BEFORE);
    fake_let_go(h->fake, FAKE_CREATE);
    harness_wait_idle(h);
    assert_names(h, h->vault, "a.tmp ");
    assert_int_equal(rename_name(h, "a.tmp", "a.json"), 0);
    assert_names(h, h->vault, "a.json ");
}

/* The node that a write was for may be a scratch file by the time that its
 * handle is closed: that is no business of the write's. */
static void e_scratch_is_not_what_was_written_before(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    pid_t process = process_with(SIGINT);
    struct task write = {.h = h,
                         .file = file,
                         .text = SPEC,
                         .caller = {.tid = process},
                         .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_AFTER);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_wait_waiting(&write);
    task_interrupt(&write);
    assert_int_equal(task_join(&write), -EINTR);
    end_process(process);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json~");
    struct vf_file *other = open_for(h, node, O_WRONLY | O_TRUNC);
    assert_int_equal(put(h, other, "{", 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(put(h, other, "}", 1), 0);
    assert_int_equal(close_file(h, other), 0);
    assert_names(h, h->vault, "a.json a.json~ ");
    assert_int_equal(stat_of(h, node).st_size, 2);
}

static void e_scratch_moves_to_another_scratch_name(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;
    char text[4];

    assert_int_equal(create_in(h, h->vault, "a.tmp", O_RDWR, &file), 0);
    assert_int_equal(put(h, file, "one", 0), 0);
    ino_t ino = stat_of(h, look(h, h->vault, "a.tmp")).st_ino;
    assert_int_equal(save(h, "b.tmp", "two"), 0);
    assert_int_equal(rename_name(h, "a.tmp", "b.tmp"), 0);
    assert_names(h, h->vault, "b.tmp ");
    assert_int_equal(read_back(h, file, text, sizeof(text)), 3);
    assert_int_equal(stat_of(h, look(h, h->vault, "b.tmp")).st_ino, ino);
    assert_int_equal(save(h, "a.tmp", "three"), 0);
    assert_int_not_equal(stat_of(h, look(h, h->vault, "a.tmp")).st_ino, ino);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_scratch_survives_a_refresh(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.tmp ");
    assert_int_equal(rename_name(h, "a.tmp", "a.json"), 0);
}

static void e_scratch_a_spec_that_is_never_sent_leaves_one_record(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "half.tmp", "{\"a\": "), 0);
    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    assert_int_equal(stats_of(h).scratch_unsent, 1);
    harness_advance_ms(VF_SCRATCH_UNSENT_MS - 1);
    sweep(h);
    assert_int_equal(harness_records(h), 0);
    harness_advance_ms(1);
    sweep(h);
    assert_int_equal(harness_records(h), 1);
    assert_string_equal(h->record_path, "/prod/a.tmp");
    assert_null(strstr(h->record_message, "t0ken"));
    harness_advance_ms(10 * VF_SCRATCH_UNSENT_MS);
    sweep(h);
    assert_int_equal(harness_records(h), 1);
    assert_int_equal(stats_of(h).scratch_unsent, 1);
    /* What is written next is another matter. */
    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    harness_advance_ms(VF_SCRATCH_UNSENT_MS);
    sweep(h);
    assert_int_equal(harness_records(h), 2);
}

static void e_scratch_in_use_is_not_told_of(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;

    assert_int_equal(create_in(h, h->vault, "a.tmp", O_WRONLY, &file), 0);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    harness_advance_ms(VF_SCRATCH_UNSENT_MS - 1);
    assert_int_equal(close_file(h, file), 0);
    harness_advance_ms(VF_SCRATCH_UNSENT_MS - 1);
    sweep(h);
    assert_int_equal(harness_records(h), 0);
    assert_int_equal(unlink_name(h, "a.tmp"), 0);
    harness_advance_ms(VF_SCRATCH_UNSENT_MS);
    sweep(h);
    assert_int_equal(harness_records(h), 0);
}

/* The thread looks by itself: it is woken for what is due first. */
static void e_scratch_the_record_comes_without_another_operation(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    harness_advance_ms(VF_SCRATCH_UNSENT_MS);
    pthread_mutex_lock(&h->tree->lock);
    vf_sweep_at(h->tree, 0);
    pthread_mutex_unlock(&h->tree->lock);
    while (harness_records(h) == 0)
        sched_yield();
    assert_string_equal(h->record_path, "/prod/a.tmp");
}

/* A job that ends late may have something to tell: nobody would join that. */
static void e_scratch_no_thread_starts_when_the_tree_ends(void **state)
{
    struct harness *h = *state;

    vf_sweep_end(h->tree);
    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    assert_false(h->tree->sweeper.is_running);
}

static void w_empty_a_touched_name_goes_by_itself(void **state)
{
    struct harness *h = *state;

    assert_int_equal(close_file(h, create(h, "a.json")), 0);
    harness_advance_ms(VF_EMPTY_DRAFT_MS);
    sweep(h);
    assert_non_null(vf_node_child(h->vault, "a.json"));
    harness_advance_ms(1);
    sweep(h);
    assert_null(vf_node_child(h->vault, "a.json"));
}

static void e_scratch_hinders_rmdir(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    assert_int_equal(remove_vault(h, "prod"), -ENOTEMPTY);
    assert_int_equal(unlink_name(h, "a.tmp"), 0);
    assert_int_equal(remove_vault(h, "prod"), 0);
}

static void e_scratch_is_refused_on_a_read_only_mount(void **state)
{
    struct vf_tree_options options = harness_options();
    struct vf_file *file;

    options.is_read_only = true;
    struct harness *h = harness_new(&options);
    *state = h;
    harness_look_at_vault(h);
    assert_int_equal(create_in(h, h->vault, "a.tmp", O_WRONLY, &file), -EROFS);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(e_scratch_is_never_sent),
        TEST(e_scratch_takes_any_bytes_anywhere),
        TEST(e_scratch_appends_at_the_end_whatever_the_offset),
        TEST(e_scratch_is_read_back_only_by_what_wrote_it),
        TEST(e_scratch_a_removed_one_goes_on_for_its_writer),
        TEST(e_scratch_a_removed_one_counts_only_while_it_is_open),
        TEST(e_scratch_has_at_most_as_many_as_the_quota),
        TEST(e_scratch_has_a_quarter_of_the_locked_memory),
        TEST(e_scratch_a_write_that_has_no_room_changes_nothing),
        TEST(e_scratch_a_file_is_no_bigger_than_a_spec),
        TEST(e_scratch_renamed_is_a_commit),
        TEST(e_scratch_renamed_over_a_credential_keeps_its_id),
        TEST(e_scratch_that_is_refused_loses_nothing),
        TEST(e_scratch_without_a_whole_document_is_not_renamed),
        TEST(e_scratch_what_follows_a_commit_is_not_lost_in_silence),
        TEST(e_scratch_takes_no_bytes_while_it_is_committed),
        TEST(e_scratch_may_lose_its_vault_while_it_is_committed),
        TEST(e_scratch_goes_when_it_is_committed_after_an_interrupt),
        TEST(e_scratch_stays_when_it_is_refused_after_an_interrupt),
        TEST(e_scratch_is_not_what_was_written_before),
        TEST(e_scratch_moves_to_another_scratch_name),
        TEST(e_scratch_survives_a_refresh),
        TEST(e_scratch_a_spec_that_is_never_sent_leaves_one_record),
        TEST(e_scratch_in_use_is_not_told_of),
        TEST(e_scratch_the_record_comes_without_another_operation),
        TEST(e_scratch_no_thread_starts_when_the_tree_ends),
        TEST(w_empty_a_touched_name_goes_by_itself),
        TEST(e_scratch_hinders_rmdir),
        cmocka_unit_test_teardown(e_scratch_is_refused_on_a_read_only_mount,
                                  harness_teardown),
    };

    return cmocka_run_group_tests_name("tree scratch files", tests, NULL, NULL);
}
