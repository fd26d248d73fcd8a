/* SPDX-License-Identifier: MIT
 *
 * E-archive: what is moved into an archive is archived, shows there at once,
 * and goes for good when it is removed there. Nothing comes back out.
 */
#include <errno.h>
#include <stdio.h>

#include "harness.h"

static struct vf_node *archive_of(struct harness *h, struct vf_node *directory)
{
    return look(h, directory, ".archive");
}

static int move(struct harness *h, struct vf_node *from, const char *name,
                struct vf_node *to, const char *new_name)
{
    struct vf_caller caller = {0};

    return vf_tree_rename(h->tree, from, name, to, new_name, 0, &caller, NULL);
}

/* What `mv prod/NAME prod/.archive/` does. */
static int archive(struct harness *h, const char *name)
{
    return move(h, h->vault, name, archive_of(h, h->vault), name);
}

static int archive_vault(struct harness *h, const char *name)
{
    return move(h, h->root, name, archive_of(h, h->root), name);
}

/* node: the archive. */
static int run_archive_vault(struct task *task)
{
    return vf_tree_rename(task->h->tree, task->h->root, task->name, task->node,
                          task->name, 0, &task->caller, &task->err);
}

static int unlink_in(struct harness *h, struct vf_node *directory,
                     const char *name)
{
    struct vf_caller caller = {0};

    return vf_tree_unlink(h->tree, directory, name, &caller, NULL);
}

static int rmdir_in(struct harness *h, struct vf_node *directory,
                    const char *name)
{
    struct vf_caller caller = {0};

    return vf_tree_rmdir(h->tree, directory, name, &caller, NULL);
}

/* Another client archives. */
static void archive_elsewhere(struct harness *h, const char *id)
{
    struct vf_service service = fake_service(h->fake);

    assert_int_equal(service.ops->archive_credential(service.self, h->vault_id,
                                                     id, INT64_MAX, NULL),
                     0);
}

/* One as it was, and one with digits of its id. */
static void assert_two_names(struct harness *h, struct vf_node *directory,
                             const char *first, const char *start_of_second)
{
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct item item;

    assert_int_equal(
        vf_tree_opendir(h->tree, directory, &caller, &snapshot, NULL), 0);
    size_t next = read_item(h, snapshot, 0, false, &item);
    assert_string_equal(item.name, first);
    next = read_item(h, snapshot, next, false, &item);
    assert_memory_equal(item.name, start_of_second, strlen(start_of_second));
    assert_int_equal(read_item(h, snapshot, next, false, &item), 0);
    vf_snapshot_free(h->tree, snapshot);
}

static const char *saved(struct harness *h, const char *name)
{
    assert_int_equal(save(h, name, SPEC), 0);
    return fake_find(h->fake, name);
}

/* --- Credentials --- */

static void a_move_into_the_archive_archives(void **state)
{
    struct harness *h = *state;
    const char *id = saved(h, "a.json");
    struct vf_node *node = look(h, h->vault, "a.json");

    fake_reset_counts(h->fake);
    assert_int_equal(archive(h, "a.json"), 0);
    assert_true(fake_is_archived(h->fake, id));
    assert_int_equal(fake_count(h->fake, FAKE_ARCHIVE), 1);
    assert_names(h, h->vault, "");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 0);
    /* The kernel goes on with the inode that it has. */
    struct vf_node *archived = look(h, archive_of(h, h->vault), "a.json");
    assert_ptr_equal(archived, node);
    assert_int_equal(stat_of(h, archived).st_nlink, 1);
    assert_names(h, archive_of(h, h->vault), "a.json ");
}

static void what_it_says_of_itself_is_as_the_service_says_it_now(void **state)
{
    struct harness *h = *state;
    const char *id = saved(h, "a.json");

    assert_names(h, archive_of(h, h->vault), "");
    assert_int_equal(archive(h, "a.json"), 0);
    fake_touch(h->fake, id);
    assert_names(h, archive_of(h, h->vault), "a.json ");
    char revision[32];
    (void)snprintf(revision, sizeof(revision), "\"revision\": %u",
                   fake_revision(h->fake, id));
    assert_content(h, look(h, archive_of(h, h->vault), "a.json"), revision);
}

static void lists_that_lag_behind_change_neither_directory(void **state)
{
    struct harness *h = *state;
    const char *id = saved(h, "a.json");

    fake_set_lag(h->fake, id, FAKE_STILL);
    assert_int_equal(archive(h, "a.json"), 0);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "");
    fake_set_lag(h->fake, id, FAKE_NOT_YET);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "");
    assert_names(h, archive_of(h, h->vault), "a.json ");
}

static void a_listing_in_flight_does_not_bring_it_back(void **state)
{
    struct harness *h = *state;
    struct task list = {.h = h, .node = h->vault, .run = run_opendir};

    (void)saved(h, "a.json");
    (void)archive_of(h, h->vault);
    vf_tree_refresh(h->tree);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_AFTER);
    task_start(&list);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    assert_int_equal(archive(h, "a.json"), 0);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(&list), 0);
    assert_names(h, h->vault, "");
    assert_names(h, archive_of(h, h->vault), "a.json ");
}

static void a_taken_name_gets_a_suffix(void **state)
{
    struct harness *h = *state;

    (void)saved(h, "a.json");
    assert_int_equal(archive(h, "a.json"), 0);
    assert_names(h, archive_of(h, h->vault), "a.json ");
    const char *id = saved(h, "a.json");
    assert_int_equal(archive(h, "a.json"), 0);
    assert_true(fake_is_archived(h->fake, id));
    assert_names(h, h->vault, "");
    assert_two_names(h, archive_of(h, h->vault), "a.json", "a~");
}

static void what_is_archived_elsewhere_shows_with_the_next_listing(void **state)
{
    struct harness *h = *state;
    const char *id = saved(h, "a.json");

    assert_names(h, archive_of(h, h->vault), "");
    archive_elsewhere(h, id);
    harness_advance_ms(TTL_MS);
    assert_names(h, archive_of(h, h->vault), "a.json ");
    fake_reset_counts(h->fake);
    assert_names(h, archive_of(h, h->vault), "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    vf_tree_refresh(h->tree);
    assert_names(h, archive_of(h, h->vault), "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
}

static void nothing_comes_back_out(void **state)
{
    struct harness *h = *state;

    assert_int_equal(make_vault(h, "other"), 0);
    struct vf_node *other = look(h, h->root, "other");
    (void)saved(h, "a.json");
    (void)saved(h, "b.json");
    assert_int_equal(archive(h, "a.json"), 0);
    struct vf_node *there = archive_of(h, h->vault);
    fake_reset_counts(h->fake);
    assert_int_equal(move(h, there, "a.json", h->vault, "a.json"), -EOPNOTSUPP);
    assert_int_equal(move(h, there, "a.json", other, "a.json"), -EOPNOTSUPP);
    assert_int_equal(move(h, there, "a.json", there, "c.json"), -EOPNOTSUPP);
    assert_int_equal(
        move(h, h->vault, "b.json", archive_of(h, other), "b.json"),
        -EOPNOTSUPP);
    assert_int_equal(move(h, h->vault, "b.json", there, "c.json"), -EOPNOTSUPP);
    assert_trace(h, "");
    assert_names(h, h->vault, "b.json ");
}

static void what_the_service_does_not_know_cannot_be_archived(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "new.json");

    assert_int_equal(archive(h, "new.json"), -EOPNOTSUPP);
    assert_int_equal(archive(h, ".vault.json"), -EOPNOTSUPP);
    assert_int_equal(archive(h, "none.json"), -ENOENT);
    assert_names(h, h->vault, "new.json ");
    assert_int_equal(close_file(h, file), 0);
}

static void what_is_archived_can_be_read_and_not_written(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_file *file;
    struct vf_entry entry;
    bool is_unchanged;

    (void)saved(h, "a.json");
    assert_int_equal(archive(h, "a.json"), 0);
    struct vf_node *there = archive_of(h, h->vault);
    struct vf_node *node = look(h, there, "a.json");
    assert_content(h, node, "\"id\"");
    assert_int_equal(vf_tree_open(h->tree, node, O_WRONLY, &caller, &file,
                                  &is_unchanged, NULL),
                     -EOPNOTSUPP);
    assert_int_equal(vf_tree_truncate(h->tree, node, 0, NULL), -EOPNOTSUPP);
    assert_int_equal(vf_tree_create(h->tree, there, "b.json", O_WRONLY, &caller,
                                    &entry, &file, NULL),
                     -EOPNOTSUPP);
    assert_int_equal(vf_tree_create(h->tree, there, "b.tmp", O_WRONLY, &caller,
                                    &entry, &file, NULL),
                     -EOPNOTSUPP);
    assert_true(vf_tree_mkdir(h->tree, there, "b", &caller, &entry, NULL) < 0);
}

static void open_files_survive_and_drafts_do_not_commit(void **state)
{
    struct harness *h = *state;

    (void)saved(h, "a.json");
    struct vf_node *node = look(h, h->vault, "a.json");
    struct vf_file *reader = open_for(h, node, O_RDONLY);
    struct vf_file *writer = open_for(h, node, O_WRONLY);
    assert_int_equal(archive(h, "a.json"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(put(h, writer, SPEC, 0), -EOPNOTSUPP);
    assert_trace(h, "");
    char text[16];
    assert_int_equal(vf_file_read(h->tree, reader, text, sizeof(text), 0, NULL),
                     sizeof(text));
    assert_int_equal(close_file(h, reader), 0);
    (void)close_file(h, writer);
    assert_names(h, archive_of(h, h->vault), "a.json ");
}

static void rm_in_the_archive_deletes_for_good(void **state)
{
    struct harness *h = *state;
    const char *id = saved(h, "a.json");

    assert_int_equal(archive(h, "a.json"), 0);
    struct vf_node *there = archive_of(h, h->vault);
    assert_names(h, there, "a.json ");
    assert_int_equal(unlink_in(h, there, "a.json"), 0);
    assert_false(fake_has(h->fake, id));
    assert_names(h, there, "");
    assert_int_equal(look_up(h, there, "a.json"), -ENOENT);
}

static void rm_archive_archives_and_deletes_what_is_archived(void **state)
{
    struct vf_tree_options options = harness_options();

    options.is_rm_archive = true;
    struct harness *h = harness_new(&options);
    harness_look_at_vault(h);
    const char *id = saved(h, "a.json");
    struct vf_node *there = archive_of(h, h->vault);
    assert_names(h, there, "");
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_true(fake_is_archived(h->fake, id));
    assert_names(h, h->vault, "");
    assert_names(h, there, "a.json ");
    assert_int_equal(unlink_in(h, there, "a.json"), 0);
    assert_false(fake_has(h->fake, id));
    assert_names(h, there, "");
    *state = h;
    (void)harness_teardown(state);
}

static void a_refusal_leaves_all_as_it_was(void **state)
{
    struct harness *h = *state;

    (void)saved(h, "a.json");
    fake_fail(h->fake, FAKE_ARCHIVE, FAKE_BEFORE, EACCES);
    assert_int_equal(archive(h, "a.json"), -EACCES);
    assert_names(h, h->vault, "a.json ");
    assert_names(h, archive_of(h, h->vault), "");
}

static void after_a_lost_reply_the_service_decides(void **state)
{
    struct harness *h = *state;

    (void)saved(h, "a.json");
    assert_names(h, archive_of(h, h->vault), "");
    fake_fail(h->fake, FAKE_ARCHIVE, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(archive(h, "a.json"), -EREMOTEIO);
    assert_names(h, h->vault, "");
    assert_names(h, archive_of(h, h->vault), "a.json ");
}

static void the_archive_is_not_listed_and_keeps_no_vault_from_going(
    void **state)
{
    struct harness *h = *state;

    (void)saved(h, "a.json");
    assert_int_equal(archive(h, "a.json"), 0);
    assert_names(h, h->vault, "");
    struct vf_node *there = archive_of(h, h->vault);
    assert_int_equal(remove_vault(h, "prod"), 0);
    assert_int_equal(look_up(h, there, "a.json"), -ENOENT);
    assert_int_equal(look_up(h, h->root, "prod"), -ENOENT);
}

static void ours_are_never_made_or_removed(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;

    (void)archive_of(h, h->vault);
    assert_int_equal(
        vf_tree_mkdir(h->tree, h->root, ".archive", &caller, &entry, NULL),
        -EPERM);
    assert_int_equal(rmdir_in(h, h->vault, ".archive"), -EPERM);
    assert_int_equal(rmdir_in(h, h->root, ".archive"), -EPERM);
    assert_int_equal(move(h, h->vault, ".archive", h->vault, "b"), -EPERM);
    (void)saved(h, "a.json");
    assert_int_equal(move(h, h->vault, "a.json", h->vault, ".archive"), -EPERM);
}

static void a_vault_that_is_gone_takes_its_archive_along(void **state)
{
    struct harness *h = *state;
    struct vf_node *there = archive_of(h, h->vault);
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;

    assert_names(h, there, "");
    fake_remove(h->fake, h->vault_id);
    vf_tree_refresh(h->tree);
    assert_int_equal(vf_tree_opendir(h->tree, there, &caller, &snapshot, NULL),
                     -ENOENT);
    assert_int_equal(look_up(h, h->root, "prod"), -ENOENT);
}

/* --- Vaults --- */

static void a_vault_is_archived_with_all_below_it(void **state)
{
    struct harness *h = *state;

    (void)saved(h, "a.json");
    (void)saved(h, "b.json");
    assert_int_equal(archive(h, "b.json"), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    struct vf_file *reader = open_for(h, node, O_RDONLY);
    struct vf_file *writer = open_for(h, node, O_WRONLY);
    fake_reset_counts(h->fake);
    assert_int_equal(archive_vault(h, "prod"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_ARCHIVE_VAULT), 1);
    assert_true(fake_is_archived(h->fake, h->vault_id));
    assert_names(h, h->root, "");
    struct vf_node *there = archive_of(h, h->root);
    assert_names(h, there, "prod ");
    struct vf_node *vault = look(h, there, "prod");
    assert_ptr_equal(vault, h->vault);
    assert_names(h, vault, "a.json b.json "); /* its archived one too */
    assert_int_equal(look_up(h, vault, ".archive"), -ENOENT);
    assert_ptr_equal(look(h, vault, "a.json"), node);
    assert_content(h, look(h, vault, ".vault.json"), h->vault_id);
    fake_reset_counts(h->fake);
    assert_int_equal(put(h, writer, SPEC, 0), -EOPNOTSUPP);
    assert_trace(h, "");
    char text[16];
    assert_int_equal(vf_file_read(h->tree, reader, text, sizeof(text), 0, NULL),
                     sizeof(text));
    assert_int_equal(close_file(h, reader), 0);
    (void)close_file(h, writer);
}

static void an_archived_vault_is_read_only(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file;

    (void)saved(h, "a.json");
    assert_int_equal(archive_vault(h, "prod"), 0);
    struct vf_node *there = archive_of(h, h->root);
    struct vf_node *vault = look(h, there, "prod");
    assert_int_equal(vf_tree_create(h->tree, vault, "b.json", O_WRONLY, &caller,
                                    &entry, &file, NULL),
                     -EOPNOTSUPP);
    assert_int_equal(move(h, vault, "a.json", vault, "b.json"), -EOPNOTSUPP);
    assert_int_equal(move(h, there, "prod", h->root, "prod"), -EOPNOTSUPP);
    assert_int_equal(
        vf_tree_mkdir(h->tree, there, "new", &caller, &entry, NULL),
        -EOPNOTSUPP);
    struct stat st = stat_of(h, look(h, vault, ".vault.json"));
    assert_int_equal(st.st_mode & 0777, 0400);
}

/* `rm -r .archive/prod` */
static void rm_r_of_an_archived_vault_deletes_it_for_good(void **state)
{
    struct harness *h = *state;
    const char *a = saved(h, "a.json"), *b = saved(h, "b.json");

    assert_int_equal(archive(h, "b.json"), 0);
    assert_int_equal(archive_vault(h, "prod"), 0);
    struct vf_node *there = archive_of(h, h->root);
    struct vf_node *vault = look(h, there, "prod");
    assert_int_equal(rmdir_in(h, there, "prod"), -ENOTEMPTY);
    assert_int_equal(unlink_in(h, vault, "a.json"), 0);
    assert_int_equal(unlink_in(h, vault, "b.json"), 0);
    assert_int_equal(unlink_in(h, vault, ".vault.json"), 0);
    assert_int_equal(rmdir_in(h, there, "prod"), 0);
    assert_false(fake_has(h->fake, a) || fake_has(h->fake, b));
    assert_false(fake_has(h->fake, h->vault_id));
    assert_names(h, there, "");
}

static void a_vault_waits_for_what_is_under_way_in_it(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_AFTER);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    struct task move_vault = {.h = h,
                              .node = archive_of(h, h->root),
                              .name = "prod",
                              .run = run_archive_vault};
    task_start(&move_vault);
    task_wait_waiting(&move_vault);
    assert_int_equal(fake_count(h->fake, FAKE_ARCHIVE_VAULT), 0);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(task_join(&move_vault), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_names(h, look(h, archive_of(h, h->root), "prod"), "a.json ");
}

static void two_vaults_of_one_name_are_told_apart_there(void **state)
{
    struct harness *h = *state;

    assert_int_equal(archive_vault(h, "prod"), 0);
    assert_int_equal(make_vault(h, "prod"), 0);
    assert_int_equal(archive_vault(h, "prod"), 0);
    assert_names(h, h->root, "");
    assert_two_names(h, archive_of(h, h->root), "prod", "prod~");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_move_into_the_archive_archives),
        TEST(what_it_says_of_itself_is_as_the_service_says_it_now),
        TEST(lists_that_lag_behind_change_neither_directory),
        TEST(a_listing_in_flight_does_not_bring_it_back),
        TEST(a_taken_name_gets_a_suffix),
        TEST(what_is_archived_elsewhere_shows_with_the_next_listing),
        TEST(nothing_comes_back_out),
        TEST(what_the_service_does_not_know_cannot_be_archived),
        TEST(what_is_archived_can_be_read_and_not_written),
        TEST(open_files_survive_and_drafts_do_not_commit),
        TEST(rm_in_the_archive_deletes_for_good),
        cmocka_unit_test(rm_archive_archives_and_deletes_what_is_archived),
        TEST(a_refusal_leaves_all_as_it_was),
        TEST(after_a_lost_reply_the_service_decides),
        TEST(the_archive_is_not_listed_and_keeps_no_vault_from_going),
        TEST(ours_are_never_made_or_removed),
        TEST(a_vault_that_is_gone_takes_its_archive_along),
        TEST(a_vault_is_archived_with_all_below_it),
        TEST(an_archived_vault_is_read_only),
        TEST(rm_r_of_an_archived_vault_deletes_it_for_good),
        TEST(a_vault_waits_for_what_is_under_way_in_it),
        TEST(two_vaults_of_one_name_are_told_apart_there),
    };

    return cmocka_run_group_tests_name("tree archive", tests, NULL, NULL);
}
