/* SPDX-License-Identifier: MIT
 *
 * Other names for what there is (E-rename).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "harness.h"
#include "internal.h"

#define OTHER_URL "https://other.example.com/mcp"

static int rename_with(struct harness *h, struct vf_node *directory,
                       const char *name, struct vf_node *new_directory,
                       const char *new_name, unsigned flags)
{
    struct vf_caller caller = {0};

    return vf_tree_rename(h->tree, directory, name, new_directory, new_name,
                          flags, &caller, NULL);
}

static void set_traits(struct harness *h, bool can_update_vault)
{
    fake_set_traits(h->fake, &(struct vf_service_traits){
                                 .dialect = "fake",
                                 .has_keys = true,
                                 .can_update_credential = true,
                                 .can_update_vault = can_update_vault});
}

static void e_rename_is_one_request_and_keeps_the_id(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *id = fake_find(h->fake, "a.json");
    struct vf_node *node = look(h, h->vault, "a.json");
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json", "b.json"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_RENAME), 1);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_ptr_equal(fake_find(h->fake, "b.json"), id);
    assert_ptr_equal(look(h, h->vault, "b.json"), node);
    assert_names(h, h->vault, "b.json ");
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "b.json ");
    harness_advance_ms(2 * (int64_t)VF_OWN_CHANGE_MS);
    assert_names(h, h->vault, "b.json ");
    /* The old name is free. */
    assert_int_equal(save(h, "a.json", spec_for(OTHER_URL)), 0);
    assert_names(h, h->vault, "a.json b.json ");
}

static void e_rename_to_itself_is_nothing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json", "a.json"), 0);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_rename_of_what_is_not_there_is_enoent(void **state)
{
    struct harness *h = *state;

    assert_int_equal(rename_name(h, "a.json", "b.json"), -ENOENT);
    assert_int_equal(rename_name(h, "a.tmp", "b.json"), -ENOENT);
    assert_int_equal(rename_name(h, "a.json", "a.tmp"), -ENOENT);
}

static void e_rename_replaces_what_has_the_name(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    const char *id = fake_find(h->fake, "a.json");
    const char *replaced = fake_find(h->fake, "b.json");
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json", "b.json"), 0);
    assert_true(fake_has(h->fake, id));
    assert_false(fake_has(h->fake, replaced));
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 2);
    assert_names(h, h->vault, "b.json ");
    assert_content(h, look(h, h->vault, "b.json"), HARNESS_URL);
    fake_set_lag(h->fake, replaced, FAKE_STILL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "b.json ");
}

static void e_rename_that_cannot_replace_is_undone(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    const char *id = fake_find(h->fake, "a.json");
    const char *other = fake_find(h->fake, "b.json");
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    assert_int_equal(vf_tree_rename(h->tree, h->vault, "a.json", h->vault,
                                    "b.json", 0, &(struct vf_caller){0}, &err),
                     -EACCES);
    assert_non_null(strstr(err.message, "nothing was renamed"));
    assert_int_equal(fake_count(h->fake, FAKE_RENAME), 2);
    assert_ptr_equal(fake_find(h->fake, "a.json"), id);
    assert_true(fake_has(h->fake, other));
    assert_names(h, h->vault, "a.json b.json ");
    assert_content(h, look(h, h->vault, "a.json"), HARNESS_URL);
    assert_content(h, look(h, h->vault, "b.json"), OTHER_URL);
}

static void e_rename_that_cannot_be_undone_says_so(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    fake_fail_after(h->fake, FAKE_RENAME, 1, EREMOTEIO);
    assert_int_equal(vf_tree_rename(h->tree, h->vault, "a.json", h->vault,
                                    "b.json", 0, &(struct vf_caller){0}, &err),
                     -EACCES);
    assert_non_null(strstr(err.message, "has the new name"));
    assert_int_equal(fake_size(h->fake, h->vault_id), 2);
    assert_names(h, h->vault, "a.json b.json ");
}

/* Nobody knows whether what had the name is gone: a look tells. */
static void e_rename_whose_removal_got_lost_says_so(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    fake_fail_once(h->fake, FAKE_DELETE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(vf_tree_rename(h->tree, h->vault, "a.json", h->vault,
                                    "b.json", 0, &(struct vf_caller){0}, &err),
                     -ETIMEDOUT);
    assert_true(err.is_unknown);
    assert_non_null(strstr(err.message, "may be gone, and nothing was"));
    assert_names(h, h->vault, "a.json ");
}

static void e_rename_whose_undoing_got_lost_says_so(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    fake_fail_after(h->fake, FAKE_RENAME, 1, ETIMEDOUT);
    assert_int_equal(vf_tree_rename(h->tree, h->vault, "a.json", h->vault,
                                    "b.json", 0, &(struct vf_caller){0}, &err),
                     -EACCES);
    assert_true(err.is_unknown);
    assert_non_null(strstr(err.message, "has either name"));
}

static void e_rename_that_fails_changes_nothing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    fake_fail(h->fake, FAKE_RENAME, FAKE_BEFORE, EACCES);
    assert_int_equal(rename_name(h, "a.json", "b.json"), -EACCES);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE), 0);
    assert_names(h, h->vault, "a.json b.json ");
}

/* 404 is either of two things, and a look decides. */
static void e_rename_tells_gone_from_impossible(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_RENAME, FAKE_BEFORE, ENOENT);
    assert_int_equal(rename_name(h, "a.json", "b.json"), -EOPNOTSUPP);
    assert_names(h, h->vault, "a.json ");
    fake_remove(h->fake, fake_find(h->fake, "a.json"));
    assert_int_equal(rename_name(h, "a.json", "b.json"), -ENOENT);
    assert_names(h, h->vault, "");
}

static void e_rename_of_an_archived_one_is_enoent(void **state)
{
    struct harness *h = *state;
    const struct vf_service service = fake_service(h->fake);

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *id = fake_find(h->fake, "a.json");
    assert_int_equal(service.ops->archive_credential(service.self, h->vault_id,
                                                     id, INT64_MAX, NULL),
                     0);
    fake_fail(h->fake, FAKE_RENAME, FAKE_BEFORE, ENOENT);
    assert_int_equal(rename_name(h, "a.json", "b.json"), -ENOENT);
    assert_true(fake_has(h->fake, id));
    assert_names(h, h->vault, "");
}

static void e_rename_noreplace_is_honoured(void **state)
{
    static const char *const taken[] = {"b.json", "d.json", "x.tmp", "p~",
                                        ".vault.json"};
    struct harness *h = *state;

    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    assert_int_equal(save(h, "p.json", SPEC), 0);
    assert_int_equal(rename_name(h, "p.json", "p~"), 0);
    assert_int_equal(save(h, "x.tmp", SPEC), 0);
    assert_int_equal(close_file(h, create(h, "d.json")), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    fake_reset_counts(h->fake);
    set_traits(h, true);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        assert_int_equal(rename_with(h, h->vault, "a.json", h->vault, taken[i],
                                     RENAME_NOREPLACE),
                         -EEXIST);
        assert_int_equal(rename_with(h, h->vault, "a.tmp", h->vault, taken[i],
                                     RENAME_NOREPLACE),
                         -EEXIST);
    }
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(rename_with(h, h->vault, "a.json", h->vault, "c.json",
                                 RENAME_NOREPLACE),
                     0);
    assert_int_equal(
        rename_with(h, h->vault, "a.tmp", h->vault, "e.json", RENAME_NOREPLACE),
        0);
}

static void e_rename_exchange_is_einval(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    assert_int_equal(
        rename_with(h, h->vault, "a.json", h->vault, "b.json", RENAME_EXCHANGE),
        -EINVAL);
    assert_int_equal(
        rename_with(h, h->vault, "a.json", h->vault, "c.json", RENAME_WHITEOUT),
        -EINVAL);
}

static void e_rename_between_directories_is_never_exdev(void **state)
{
    struct harness *h = *state;

    assert_int_equal(make_vault(h, "other"), 0);
    struct vf_node *other = look(h, h->root, "other");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "a.tmp", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_with(h, h->vault, "a.json", other, "a.json", 0),
                     -EOPNOTSUPP);
    assert_int_equal(rename_with(h, h->vault, "a.json", h->root, "a.json", 0),
                     -EOPNOTSUPP);
    assert_int_equal(rename_with(h, h->vault, "a.tmp", other, "a.json", 0),
                     -EOPNOTSUPP);
    assert_int_equal(rename_with(h, h->root, "other", h->vault, "other", 0),
                     -EOPNOTSUPP);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_names(h, h->vault, "a.json a.tmp ");
}

static void e_rename_refuses_names_that_are_not_names(void **state)
{
    struct harness *h = *state;
    char name[VF_NAME_MAX + 2];

    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", name), -ENAMETOOLONG);
    assert_int_equal(rename_name(h, "a.json", "%41"), -EINVAL);
    assert_int_equal(rename_name(h, "a.json", ".archive"), -EPERM);
    assert_int_equal(rename_name(h, "a.json", ".vault.json"), -EOPNOTSUPP);
    assert_names(h, h->vault, "a.json ");
}

static void e_rename_of_a_touched_name_is_local(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");

    assert_int_equal(save(h, "c.json", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json", "b.json"), 0);
    assert_names(h, h->vault, "b.json c.json ");
    assert_int_equal(rename_name(h, "b.json", "c.json"), -EINVAL);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    /* The document goes where the name is by then. */
    assert_int_equal(put(h, file, spec_for(OTHER_URL), 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_trace(h, "create b.json; ");
}

static void e_rename_of_a_touched_name_to_a_scratch_one(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");

    assert_int_equal(put(h, file, "{\"half\": ", 0), 0);
    assert_int_equal(rename_name(h, "a.json", "a.tmp"), 0);
    assert_int_equal(put(h, file, "1}", 9), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_names(h, h->vault, "a.tmp ");
    assert_int_equal(stat_of(h, look(h, h->vault, "a.tmp")).st_size, 11);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_rename_to_a_scratch_name_that_fails_keeps_the_draft(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    const char *spec = SPEC;
    char start[11];
    struct vf_error err;

    memcpy(start, spec, 10);
    start[10] = '\0';
    assert_int_equal(put(h, file, start, 0), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    ino_t ino = stat_of(h, node).st_ino;
    h->tree->scratch_locked_max = h->tree->scratch_locked;
    assert_int_equal(vf_tree_rename(h->tree, h->vault, "a.json", h->vault,
                                    "a.tmp", 0, &(struct vf_caller){0}, &err),
                     -ENOSPC);
    assert_non_null(strstr(err.message, "locked memory"));
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(stat_of(h, node).st_ino, ino);
    assert_int_equal(h->tree->scratch_files, 0);
    assert_int_equal(put(h, file, spec + 10, 10), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_trace(h, "create a.json; ");
}

static void e_rename_takes_its_turn_on_both_names(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    struct vf_file *file =
        open_for(h, look(h, h->vault, "b.json"), O_WRONLY | O_TRUNC);
    struct task write = {.h = h, .file = file, .run = run_write};
    write.text = spec_for(OTHER_URL);
    struct task move = {.h = h,
                        .node = h->vault,
                        .name = "a.json",
                        .text = "b.json",
                        .run = run_rename};
    struct task removal = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_unlink};

    fake_hold(h->fake, FAKE_UPDATE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_UPDATE, 1);
    task_start(&move);
    task_wait_waiting(&move);
    task_start(&removal);
    task_wait_waiting(&removal);
    fake_reset_counts(h->fake);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    fake_let_go(h->fake, FAKE_UPDATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(task_join(&move), 0);
    assert_int_equal(task_join(&removal), -ENOENT);
    assert_int_equal(close_file(h, file), 0);
    assert_names(h, h->vault, "b.json ");
    assert_content(h, look(h, h->vault, "b.json"), HARNESS_URL);
}

static void e_rename_both_ways_at_once_ends(void **state)
{
    struct harness *h = *state;
    struct task there = {.h = h,
                         .node = h->vault,
                         .name = "a.json",
                         .text = "b.json",
                         .run = run_rename};
    struct task back = {.h = h,
                        .node = h->vault,
                        .name = "b.json",
                        .text = "a.json",
                        .run = run_rename};

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    fake_hold(h->fake, FAKE_RENAME, FAKE_BEFORE);
    task_start(&there);
    fake_wait_held(h->fake, FAKE_RENAME, 1);
    task_start(&back);
    task_wait_waiting(&back);
    fake_let_go(h->fake, FAKE_RENAME);
    assert_int_equal(task_join(&there), 0);
    assert_int_equal(task_join(&back), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), HARNESS_URL);
}

static void e_rename_interrupted_is_waited_for_by_both_names(void **state)
{
    struct harness *h = *state;
    pid_t pid = process_with(SIGINT);
    struct task move = {.h = h,
                        .node = h->vault,
                        .name = "a.json",
                        .text = "b.json",
                        .caller = {.tid = pid},
                        .run = run_rename};
    struct task first = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_lookup};
    struct task second = {
        .h = h, .node = h->vault, .name = "b.json", .run = run_lookup};

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_hold(h->fake, FAKE_RENAME, FAKE_BEFORE);
    task_start(&move);
    fake_wait_held(h->fake, FAKE_RENAME, 1);
    task_wait_waiting(&move);
    task_interrupt(&move);
    assert_int_equal(task_join(&move), -EINTR);
    task_start(&first);
    task_wait_waiting(&first);
    task_start(&second);
    task_wait_waiting(&second);
    fake_let_go(h->fake, FAKE_RENAME);
    assert_int_equal(task_join(&first), -ENOENT);
    assert_int_equal(task_join(&second), 0);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 1);
    assert_int_equal(h->record_code, 0);
    end_process(pid);
}

/* A listing shows a stranger under the new name while the service is asked. */
static void e_rename_to_a_name_taken_meanwhile_is_eexist(void **state)
{
    struct harness *h = *state;
    struct task move = {.h = h,
                        .node = h->vault,
                        .name = "a.json",
                        .text = "b.json",
                        .run = run_rename};

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_hold(h->fake, FAKE_RENAME, FAKE_BEFORE);
    task_start(&move);
    fake_wait_held(h->fake, FAKE_RENAME, 1);
    const char *stranger = fake_add(h->fake, h->vault_id, "b.json", OTHER_URL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json b.json ");
    fake_let_go(h->fake, FAKE_RENAME);
    assert_int_equal(task_join(&move), -EEXIST);
    assert_true(fake_has(h->fake, stranger));
    assert_names(h, h->vault, "a.json b.json ");
}

static void e_rename_is_refused_on_a_read_only_mount_before_all_else(
    void **state)
{
    struct vf_tree_options options = harness_options();

    options.is_read_only = true;
    struct harness *h = harness_new(&options);
    *state = h;
    harness_look_at_vault(h);
    assert_int_equal(rename_with(h, h->vault, "a", h->root, "b", 7), -EROFS);
}

/* Nothing is shown twice, nor under a name that it has no more. */
static void e_rename_in_a_listing_under_way_shows_the_new_name(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct item item;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for("https://b.example/")), 0);
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL), 0);
    assert_int_equal(read_item(h, snapshot, 0, false, &item), 1);
    assert_string_equal(item.name, ".vault.json");
    assert_int_equal(read_item(h, snapshot, 1, false, &item), 2);
    assert_string_equal(item.name, "a.json");
    assert_int_equal(rename_name(h, "a.json", "c.json"), 0);
    assert_int_equal(read_item(h, snapshot, 1, false, &item), 2);
    assert_string_equal(item.name, "c.json");
    assert_int_equal(read_item(h, snapshot, 2, false, &item), 3);
    assert_string_equal(item.name, "b.json");
    assert_int_equal(read_item(h, snapshot, 3, false, &item), 0);
    vf_snapshot_free(h->tree, snapshot);
    assert_names(h, h->vault, "b.json c.json ");
}

/* --- Vaults --- */

static void e_rename_of_a_vault_where_the_service_can(void **state)
{
    struct harness *h = *state;

    assert_int_equal(rename_with(h, h->root, "prod", h->root, "live", 0),
                     -EOPNOTSUPP);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    set_traits(h, true);
    assert_int_equal(rename_with(h, h->root, "prod", h->root, "a%2Fb", 0), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE_VAULT), 1);
    assert_ptr_equal(fake_find(h->fake, "a/b"), h->vault_id);
    assert_ptr_equal(look(h, h->root, "a%2Fb"), h->vault);
    assert_names(h, h->root, "a%2Fb ");
    assert_content(h, look(h, h->vault, ".vault.json"), "a/b");
    assert_int_equal(save(h, "a.json", SPEC), 0);
}

static void e_rename_of_a_vault_to_a_taken_name_is_eexist(void **state)
{
    struct harness *h = *state;

    set_traits(h, true);
    assert_int_equal(make_vault(h, "other"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_with(h, h->root, "prod", h->root, "other", 0),
                     -EEXIST);
    assert_int_equal(rename_with(h, h->root, "prod", h->root, "prod~", 0),
                     -EPERM);
    assert_int_equal(rename_with(h, h->root, "prod", h->root, ".vaultfs", 0),
                     -EPERM);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_names(h, h->root, "other prod ");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(e_rename_is_one_request_and_keeps_the_id),
        TEST(e_rename_to_itself_is_nothing),
        TEST(e_rename_of_what_is_not_there_is_enoent),
        TEST(e_rename_replaces_what_has_the_name),
        TEST(e_rename_that_cannot_replace_is_undone),
        TEST(e_rename_that_cannot_be_undone_says_so),
        TEST(e_rename_whose_removal_got_lost_says_so),
        TEST(e_rename_whose_undoing_got_lost_says_so),
        TEST(e_rename_that_fails_changes_nothing),
        TEST(e_rename_tells_gone_from_impossible),
        TEST(e_rename_of_an_archived_one_is_enoent),
        TEST(e_rename_noreplace_is_honoured),
        TEST(e_rename_exchange_is_einval),
        TEST(e_rename_between_directories_is_never_exdev),
        TEST(e_rename_refuses_names_that_are_not_names),
        TEST(e_rename_of_a_touched_name_is_local),
        TEST(e_rename_of_a_touched_name_to_a_scratch_one),
        TEST(e_rename_to_a_scratch_name_that_fails_keeps_the_draft),
        TEST(e_rename_takes_its_turn_on_both_names),
        TEST(e_rename_both_ways_at_once_ends),
        TEST(e_rename_interrupted_is_waited_for_by_both_names),
        TEST(e_rename_to_a_name_taken_meanwhile_is_eexist),
        TEST(e_rename_in_a_listing_under_way_shows_the_new_name),
        cmocka_unit_test_teardown(
            e_rename_is_refused_on_a_read_only_mount_before_all_else,
            harness_teardown),
        TEST(e_rename_of_a_vault_where_the_service_can),
        TEST(e_rename_of_a_vault_to_a_taken_name_is_eexist),
    };

    return cmocka_run_group_tests_name("tree renames", tests, NULL, NULL);
}
