/* SPDX-License-Identifier: MIT
 *
 * Drafts and what closing them loses (W-draft, W-empty, W-incomplete,
 * W-sticky).
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "vaultfs/spec.h"

static int put_bytes(struct harness *h, struct vf_file *file, const char *data,
                     size_t size, off_t offset)
{
    struct vf_caller caller = {0};

    return vf_file_write(h->tree, file, data, size, offset, &caller, NULL);
}

static int cut(struct harness *h, struct vf_file *file, off_t size)
{
    struct vf_caller caller = {0};

    return vf_file_truncate(h->tree, file, size, &caller, NULL);
}

static int flush_as(struct harness *h, struct vf_file *file, pid_t tid)
{
    struct vf_caller caller = {.tid = tid};

    return vf_file_flush(h->tree, file, &caller);
}

static int sync_file(struct harness *h, struct vf_file *file)
{
    struct vf_caller caller = {0};

    return vf_file_sync(h->tree, file, &caller, NULL);
}

static void w_draft_a_document_may_come_a_byte_at_a_time(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    const char *spec = SPEC;
    size_t end = (size_t)(strrchr(spec, '}') - spec);

    for (size_t i = 0; i < end; i++)
        assert_int_equal(put_bytes(h, file, spec + i, 1, (off_t)i), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(put_bytes(h, file, "}", 1, (off_t)end), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_int_equal(put_bytes(h, file, " \t\r\n", 4, (off_t)end + 1), 0);
    assert_int_equal(put_bytes(h, file, "{", 1, (off_t)end + 5), -EINVAL);
    assert_int_equal(put_bytes(h, file, "\0", 1, (off_t)end + 5), -EINVAL);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
}

static void w_draft_bytes_may_be_written_over(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");

    assert_int_equal(put(h, file, "{\"mcp_server_url\": \"http", 0), 0);
    assert_int_equal(put(h, file, "{ ", 0), 0);
    assert_int_equal(cut(h, file, 0), 0);
    assert_int_equal(put(h, file, "       ", 0), 0);
    assert_int_equal(put(h, file, SPEC, 3), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_non_null(fake_find(h->fake, "a.json"));
}

static void w_draft_writes_may_come_in_any_order(void **state)
{
    static const int orders[][4] = {
        {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}, {0, 3, 1, 2}, {0, 2, 3, 1}};
    struct harness *h = *state;
    const char *spec = SPEC;
    size_t quarter = strlen(spec) / 4;

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct vf_file *file = create(h, "a.json");

        fake_reset_counts(h->fake);
        for (size_t j = 0; j < 4; j++) {
            size_t part = (size_t)orders[i][j], at = part * quarter;

            assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
            assert_int_equal(put_bytes(h, file, spec + at,
                                       part < 3 ? quarter : strlen(spec) - at,
                                       (off_t)at),
                             0);
        }
        assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
        assert_int_equal(close_file(h, file), 0);
        assert_int_equal(unlink_name(h, "a.json"), 0);
    }
}

static void w_draft_a_gap_that_stays_is_einval(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    const char *spec = SPEC;
    struct vf_error err;

    /* Complete but for a byte that nobody wrote. */
    assert_int_equal(put_bytes(h, file, spec, 20, 0), 0);
    assert_int_equal(put(h, file, spec + 21, 21), 0);
    assert_int_equal(flush_as(h, file, getpid()), -EINVAL);
    assert_int_equal(cut(h, file, 21), -EINVAL);
    assert_int_equal(put(h, file, " ", 1000), 0);
    assert_int_equal(vf_file_release(h->tree, file, &err), -EINVAL);
    assert_non_null(strstr(err.message, "gap"));
    assert_non_null(strstr(err.message, "byte 20"));
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    /* A document, and something far behind it: not one, until it is cut. */
    file = create(h, "a.json");
    assert_int_equal(put(h, file, "x", 2000), 0);
    assert_int_equal(put(h, file, spec, 0), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(cut(h, file, (off_t)strlen(spec)), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_int_equal(close_file(h, file), 0);
}

static void w_draft_gaps_are_few(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    int result = 0;

    for (off_t at = 1; result == 0 && at < 100; at += 2)
        result = put(h, file, "x", at);
    assert_int_equal(result, -EINVAL);
    assert_int_equal(put(h, file, "x", 5), -EINVAL);
    assert_int_equal(close_file(h, file), 0);
}

static void w_draft_two_handles_have_two_drafts(void **state)
{
    struct harness *h = *state;
    struct vf_file *a = create(h, "a.json"), *b = create(h, "a.json");
    const char *spec = SPEC;

    assert_int_equal(put_bytes(h, a, spec, 20, 0), 0);
    assert_int_equal(put(h, b, spec, 0), 0);
    assert_int_equal(put(h, a, spec + 20, 20), 0);
    assert_int_equal(close_file(h, a), 0);
    assert_int_equal(close_file(h, b), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
}

static void w_draft_append_gathers_at_the_end(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file;
    const char *spec = SPEC;

    assert_int_equal(vf_tree_create(h->tree, h->vault, "a.json",
                                    O_WRONLY | O_APPEND, &caller, &entry, &file,
                                    NULL),
                     0);
    assert_int_equal(put_bytes(h, file, spec, 10, 0), 0);
    assert_int_equal(put(h, file, spec + 10, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    file = open_for(h, entry.node, O_WRONLY | O_APPEND);
    assert_int_equal(put(h, file, spec, entry.attr.st_size), -EINVAL);
    assert_int_equal(close_file(h, file), 0);
    file = open_for(h, entry.node, O_WRONLY);
    assert_int_equal(put(h, file, spec, 5), -EINVAL);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_int_equal(look_up(h, h->vault, "a.json"), 0);
}

static void w_draft_more_than_the_cap_is_efbig(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    char *bytes = malloc(VF_SPEC_MAX + 1);

    memset(bytes, ' ', VF_SPEC_MAX + 1);
    assert_int_equal(put_bytes(h, file, bytes, VF_SPEC_MAX, 0), 0);
    assert_int_equal(put_bytes(h, file, " ", 1, VF_SPEC_MAX - 1), 0);
    assert_int_equal(put_bytes(h, file, " ", 1, VF_SPEC_MAX), -EFBIG);
    assert_int_equal(put_bytes(h, file, " ", 1, 0), -EFBIG);
    assert_int_equal(cut(h, file, 0), 0);
    assert_int_equal(put_bytes(h, file, bytes, VF_SPEC_MAX + 1, 0), -EFBIG);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    free(bytes);
}

static void w_draft_truncation_to_the_length_is_accepted(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    const char *spec = SPEC;
    off_t size = (off_t)strlen(spec);

    assert_int_equal(cut(h, file, 5), -EINVAL);
    assert_int_equal(put_bytes(h, file, spec, 10, 0), 0);
    assert_int_equal(cut(h, file, 10), 0);
    assert_int_equal(cut(h, file, 11), -EINVAL);
    assert_int_equal(cut(h, file, 5), 0);
    assert_int_equal(put(h, file, spec + 5, 5), 0);
    assert_int_equal(cut(h, file, size), 0);
    assert_int_equal(cut(h, file, size - 1), -EINVAL);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    struct vf_node *node = look(h, h->vault, "a.json");
    assert_int_equal(vf_tree_truncate(h->tree, node, 0, NULL), 0);
    assert_int_equal(vf_tree_truncate(h->tree, node, 1, NULL), -EINVAL);
    assert_int_equal(
        vf_tree_truncate(h->tree, node, stat_of(h, node).st_size, NULL), 0);
}

static void w_empty_a_touched_name_is_there_for_a_minute(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");

    assert_int_equal(flush_as(h, file, getpid()), 0);
    harness_advance_ms(100000);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(close_file(h, create(h, "b.json")), 0);
    harness_advance_ms(60000);
    assert_names(h, h->vault, "a.json b.json ");
    assert_int_equal(stat_of(h, look(h, h->vault, "a.json")).st_size, 0);
    harness_advance_ms(1);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_names(h, h->vault, "");
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 0);
}

static void w_empty_a_truncation_without_a_write_is_a_loss(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    struct vf_file *file = open_for(h, node, O_WRONLY | O_TRUNC);
    assert_int_equal(flush_as(h, file, getpid()), 0);
    assert_int_equal(close_file(h, file), -EINVAL);
    file = open_for(h, node, O_WRONLY);
    assert_int_equal(cut(h, file, 0), 0);
    assert_int_equal(close_file(h, file), -EINVAL);
    file = open_for(h, node, O_WRONLY | O_TRUNC);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_content(h, node, "\"revision\": 1");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 2);
}

/* failing-command > new.json exits 0. */
static void w_empty_a_redirection_without_a_write_is_a_loss(void **state)
{
    static const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_error err = {0};
    struct vf_entry entry;
    struct vf_file *file;

    for (int is_removed = 0; is_removed < 2; is_removed++) {
        assert_int_equal(vf_tree_create(h->tree, h->vault, "a.json", flags,
                                        &caller, &entry, &file, NULL),
                         0);
        vf_tree_forget(h->tree, entry.node, 1);
        if (is_removed)
            assert_int_equal(unlink_name(h, "a.json"), 0);
        assert_int_equal(vf_file_release(h->tree, file, &err),
                         is_removed ? 0 : -EINVAL);
    }
    assert_non_null(strstr(err.message, "the name is an empty draft"));
}

static void w_empty_a_truncation_by_path_changes_nothing(void **state)
{
    struct harness *h = *state;
    struct vf_error err = {0};

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    off_t size = stat_of(h, node).st_size;
    assert_int_equal(vf_tree_truncate(h->tree, node, size, &err), 0);
    assert_string_equal(err.message, "");
    assert_int_equal(vf_tree_truncate(h->tree, node, 0, &err), 0);
    assert_non_null(strstr(err.message, "the file is as it was"));
    assert_content(h, node, "\"revision\": 0");
    node = look(h, h->vault, ".vault.json");
    assert_int_equal(vf_tree_truncate(h->tree, node, 0, &err), -EOPNOTSUPP);
}

static void w_incomplete_only_the_opener_is_told(void **state)
{
    struct harness *h = *state;
    struct vf_caller opener = {.tid = getpid()};
    pid_t child = process_with(0);
    struct vf_entry entry;
    struct vf_file *file;

    assert_int_equal(vf_tree_create(h->tree, h->vault, "a.json", O_WRONLY,
                                    &opener, &entry, &file, NULL),
                     0);
    assert_int_equal(put(h, file, "{\"a\":", 0), 0);
    assert_int_equal(flush_as(h, file, child), 0);
    assert_int_equal(flush_as(h, file, getpid()), -EINVAL);
    /* The draft is still there: nothing was dropped by a flush. */
    assert_int_equal(put(h, file, "1", 5), 0);
    assert_int_equal(flush_as(h, file, child), 0);
    assert_int_equal(close_file(h, file), -EINVAL); /* nobody was told */
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    end_process(child);
}

static void w_incomplete_a_loss_is_recorded_at_the_last_close(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct vf_error err = {0};

    assert_int_equal(put(h, file, "\n", 0), 0);
    assert_int_equal(flush_as(h, file, getpid()), -EINVAL);
    assert_int_equal(vf_file_release(h->tree, file, &err), -EINVAL);
    assert_non_null(strstr(err.message, "white space"));
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
}

static void w_incomplete_what_is_finished_after_a_close_is_no_loss(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    const char *spec = SPEC;

    assert_int_equal(put_bytes(h, file, spec, 10, 0), 0);
    assert_int_equal(flush_as(h, file, getpid()), -EINVAL);
    assert_int_equal(put(h, file, spec + 10, 10), 0);
    assert_int_equal(flush_as(h, file, getpid()), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void w_sticky_a_failure_stays_until_truncation(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");

    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    assert_int_equal(put(h, file, SPEC, 0), -EACCES);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, 0);
    assert_int_equal(put(h, file, " ", 0), -EACCES);
    assert_int_equal(put(h, file, SPEC, 0), -EACCES);
    assert_int_equal(sync_file(h, file), -EACCES);
    assert_int_equal(cut(h, file, 3), -EACCES);
    assert_int_equal(flush_as(h, file, getpid()), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_int_equal(cut(h, file, 0), 0);
    assert_int_equal(sync_file(h, file), 0);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_names(h, h->vault, "a.json ");
}

static void w_strict_a_bad_document_asks_nothing_and_leaves_no_name(
    void **state)
{
    static const char *const bad[] = {
        "x", "[]", "{\"a\": }", "{}", "{\"type\": \"static_bearer\"}", "{} {}"};
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(save(h, "a.json", bad[i]), -EINVAL);
        assert_names(h, h->vault, "");
    }
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void names_that_cannot_be_made_are_refused(void **state)
{
    static const struct {
        const char *name;
        int result;
    } cases[] = {
        {"%41", -EINVAL},     {"a%2Fb.json", 0}, {"a%2fb", -EINVAL},
        {".archive", -EPERM}, {".hidden", 0},    {".vault.json", -EOPNOTSUPP},
    };
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_file *file = NULL;

        assert_int_equal(vf_tree_create(h->tree, h->vault, cases[i].name,
                                        O_WRONLY, &caller, &entry, &file, NULL),
                         cases[i].result);
        if (file != NULL)
            assert_int_equal(close_file(h, file), 0);
    }
    assert_int_equal(vf_tree_create(h->tree, h->root, ".vaultfs", O_WRONLY,
                                    &caller, &entry, NULL, NULL),
                     -EPERM);
    assert_int_equal(vf_tree_create(h->tree, h->root, "prod", O_WRONLY, &caller,
                                    &entry, NULL, NULL),
                     -EISDIR);
    assert_int_equal(make_vault(h, ".git"), -EPERM);
    assert_int_equal(
        vf_tree_mkdir(h->tree, h->vault, "v", &caller, &entry, NULL), -EPERM);
}

static void w_vault_json_cannot_be_written(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_file *file;
    bool is_unchanged;
    struct vf_node *info = look(h, h->vault, ".vault.json");

    assert_int_equal(vf_tree_open(h->tree, info, O_WRONLY, &caller, &file,
                                  &is_unchanged, NULL),
                     -EOPNOTSUPP);
    assert_content(h, info, h->vault_id);
}

static void excl_refuses_a_name_that_is_there(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file = create(h, "a.json");

    assert_int_equal(vf_tree_create(h->tree, h->vault, "a.json",
                                    O_WRONLY | O_EXCL, &caller, &entry, NULL,
                                    NULL),
                     -EEXIST);
    assert_int_equal(close_file(h, file), 0);
    harness_advance_ms(60001); /* what has expired is no hindrance */
    assert_int_equal(vf_tree_create(h->tree, h->vault, "a.json",
                                    O_WRONLY | O_EXCL, &caller, &entry, &file,
                                    NULL),
                     0);
    assert_int_equal(close_file(h, file), 0);
}

static void a_read_only_mount_changes_nothing(void **state)
{
    struct vf_tree_options options = harness_options();
    struct vf_caller caller = {0};
    struct vf_entry entry;
    bool is_unchanged;

    options.is_read_only = true;
    struct harness *h = harness_new(&options);
    *state = h;
    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    harness_look_at_vault(h);
    struct vf_node *node = look(h, h->vault, "a.json");
    assert_int_equal(
        vf_tree_open(h->tree, node, O_RDWR, &caller, NULL, &is_unchanged, NULL),
        -EROFS);
    assert_int_equal(vf_tree_create(h->tree, h->vault, "b.json", O_WRONLY,
                                    &caller, &entry, NULL, NULL),
                     -EROFS);
    assert_int_equal(vf_tree_create(h->tree, h->root, "b.json", O_WRONLY,
                                    &caller, &entry, NULL, NULL),
                     -EROFS);
    assert_int_equal(
        vf_tree_mkdir(h->tree, h->vault, "v", &caller, &entry, NULL), -EROFS);
    assert_int_equal(vf_tree_open(h->tree, node, O_RDONLY | O_TRUNC, &caller,
                                  NULL, &is_unchanged, NULL),
                     -EROFS);
    assert_int_equal(vf_tree_open(h->tree, look(h, h->vault, ".vault.json"),
                                  O_WRONLY, &caller, NULL, &is_unchanged, NULL),
                     -EROFS);
    assert_int_equal(vf_tree_check_writable(h->tree, NULL), -EROFS);
    assert_int_equal(unlink_name(h, "a.json"), -EROFS);
    assert_int_equal(unlink_name(h, ".vault.json"), -EROFS);
    assert_int_equal(make_vault(h, "v"), -EROFS);
    assert_int_equal(remove_vault(h, "prod"), -EROFS);
    assert_int_equal(vf_tree_truncate(h->tree, node, 0, NULL), -EROFS);
    assert_content(h, node, "revision");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_draft_a_document_may_come_a_byte_at_a_time),
        TEST(w_draft_bytes_may_be_written_over),
        TEST(w_draft_writes_may_come_in_any_order),
        TEST(w_draft_a_gap_that_stays_is_einval),
        TEST(w_draft_gaps_are_few),
        TEST(w_draft_two_handles_have_two_drafts),
        TEST(w_draft_append_gathers_at_the_end),
        TEST(w_draft_more_than_the_cap_is_efbig),
        TEST(w_draft_truncation_to_the_length_is_accepted),
        TEST(w_empty_a_touched_name_is_there_for_a_minute),
        TEST(w_empty_a_truncation_without_a_write_is_a_loss),
        TEST(w_empty_a_redirection_without_a_write_is_a_loss),
        TEST(w_empty_a_truncation_by_path_changes_nothing),
        TEST(w_incomplete_only_the_opener_is_told),
        TEST(w_incomplete_a_loss_is_recorded_at_the_last_close),
        TEST(w_incomplete_what_is_finished_after_a_close_is_no_loss),
        TEST(w_sticky_a_failure_stays_until_truncation),
        TEST(w_strict_a_bad_document_asks_nothing_and_leaves_no_name),
        TEST(names_that_cannot_be_made_are_refused),
        TEST(w_vault_json_cannot_be_written),
        TEST(excl_refuses_a_name_that_is_there),
        cmocka_unit_test_teardown(a_read_only_mount_changes_nothing,
                                  harness_teardown),
    };

    return cmocka_run_group_tests_name("tree drafts", tests, NULL, NULL);
}
