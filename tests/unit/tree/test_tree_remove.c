/* SPDX-License-Identifier: MIT
 *
 * Making vaults, and removing what there is (W-vault, W-delete).
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"
#include "internal.h"

#define OTHER_URL "https://other.example.com/mcp"

static void w_delete_removes_before_it_returns(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *id = fake_find(h->fake, "a.json");
    struct vf_node *node = look(h, h->vault, "a.json");
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_false(fake_has(h->fake, id));
    assert_int_equal(stat_of(h, node).st_nlink, 0);
    assert_int_equal(unlink_name(h, "a.json"), -ENOENT);
}

static void w_delete_gone_at_the_service_counts_as_deleted(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_remove(h->fake, fake_find(h->fake, "a.json"));
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_names(h, h->vault, "");
}

static void w_delete_a_failure_keeps_the_name(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    assert_int_equal(unlink_name(h, "a.json"), -EACCES);
    assert_names(h, h->vault, "a.json ");
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, 0);
    fake_fail(h->fake, FAKE_DELETE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(unlink_name(h, "a.json"), -ETIMEDOUT);
    assert_names(h, h->vault, ""); /* the reply was lost, the truth was not */
}

static void w_delete_archives_when_told_to(void **state)
{
    struct vf_tree_options options = harness_options();

    options.is_rm_archive = true;
    struct harness *h = harness_new(&options);
    *state = h;
    harness_look_at_vault(h);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_ARCHIVE), 1);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE), 0);
}

/* So that a document without its secret can be told what it lost. */
static void w_delete_remembers_who_deleted_what(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {.tid = getpid()};
    char name[16];

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *id = fake_find(h->fake, "a.json");
    assert_int_equal(vf_tree_unlink(h->tree, h->vault, "a.json", &caller, NULL),
                     0);
    for (unsigned i = 1; i < VF_REMOVALS; i++) {
        snprintf(name, sizeof(name), "%u.json", i);
        assert_int_equal(save(h, name, SPEC), 0);
        assert_int_equal(unlink_name(h, name), 0);
    }
    pthread_mutex_lock(&h->tree->lock);
    const struct vf_removal *removal =
        vf_removal_find(h->tree, h->vault, "a.json", getpid());
    assert_non_null(removal);
    assert_string_equal(removal->id, id);
    assert_null(vf_removal_find(h->tree, h->vault, "a.json", getppid()));
    assert_null(vf_removal_find(h->tree, h->root, "a.json", getpid()));
    harness_advance_ms(60000);
    assert_null(vf_removal_find(h->tree, h->vault, "a.json", getpid()));
    pthread_mutex_unlock(&h->tree->lock);
}

static void w_delete_at_the_root(void **state)
{
    static const char *const names[] = {"spec.json", "a.tmp"};
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_file *file;
    struct vf_entry entry;

    assert_int_equal(vf_tree_unlink(h->tree, h->root, "prod", &caller, NULL),
                     -EISDIR);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(vf_tree_create(h->tree, h->root, names[i], O_WRONLY,
                                        &caller, &entry, &file, NULL),
                         0);
        vf_tree_forget(h->tree, entry.node, 1);
        assert_int_equal(close_file(h, file), 0);
        assert_int_equal(look_up(h, h->root, names[i]), 0);
        assert_int_equal(
            vf_tree_unlink(h->tree, h->root, names[i], &caller, NULL), 0);
        assert_int_equal(look_up(h, h->root, names[i]), -ENOENT);
    }
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_delete_a_drafts_handle_answers_enoent(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");

    assert_int_equal(put(h, file, "{", 0), 0);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(put(h, file, "\"a\"", 1), -ENOENT);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_delete_drops_the_drafts_of_what_goes(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "b.json", SPEC), 0);
    struct vf_file *files[] = {
        create(h, "a.json"), create(h, "a.json"),
        open_for(h, look(h, h->vault, "b.json"), O_WRONLY),
        create(h, "c.json")};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(put(h, files[i], "{\"a\": ", 0), 0);
    unsigned before = harness_secrets_dropped();
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_int_equal(harness_secrets_dropped(), before + 2);
    assert_int_equal(unlink_name(h, "b.json"), 0);
    assert_int_equal(harness_secrets_dropped(), before + 3);
    assert_int_equal(remove_vault(h, "prod"), 0);
    assert_int_equal(harness_secrets_dropped(), before + 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(put(h, files[i], "1}", 6), -ENOENT);
        assert_int_equal(close_file(h, files[i]), 0);
    }
}

static void w_delete_a_credentials_handle_does_not_bring_it_back(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_file *file =
        open_for(h, look(h, h->vault, "a.json"), O_WRONLY | O_TRUNC);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(put(h, file, SPEC, 0), -ENOENT);
    assert_int_equal(close_file(h, file), 0);
    /* Somebody else's new file of that name is not touched. */
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create a.json; ");
}

static void w_delete_a_commit_waits_its_turn_and_finds_the_name_gone(
    void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_file *file = open_for(h, look(h, h->vault, "a.json"), O_WRONLY);
    struct task removal = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_unlink};
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};
    fake_hold(h->fake, FAKE_DELETE, FAKE_BEFORE);
    task_start(&removal);
    fake_wait_held(h->fake, FAKE_DELETE, 1);
    task_start(&write);
    task_wait_waiting(&write);
    fake_let_go(h->fake, FAKE_DELETE);
    assert_int_equal(task_join(&removal), 0);
    assert_int_equal(task_join(&write), -ENOENT);
    assert_int_equal(close_file(h, file), 0);
    assert_names(h, h->vault, "");
    assert_int_equal(fake_size(h->fake, h->vault_id), 0);
}

static void w_delete_what_took_the_name_meanwhile_stays(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    harness_advance_ms(60000);
    struct task removal = {
        .h = h, .node = h->vault, .name = "a.json", .run = run_unlink};
    fake_hold(h->fake, FAKE_DELETE, FAKE_AFTER);
    task_start(&removal);
    fake_wait_held(h->fake, FAKE_DELETE, 1);
    fake_add(h->fake, h->vault_id, "a.json", OTHER_URL);
    assert_names(h, h->vault, "a.json ");
    fake_let_go(h->fake, FAKE_DELETE);
    assert_int_equal(task_join(&removal), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), OTHER_URL);
}

static void w_delete_vault_json_is_hidden_until_the_next_listing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(look_up(h, h->vault, ".vault.json"), 0);
    assert_int_equal(unlink_name(h, ".vault.json"), 0);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), -ENOENT);
    assert_int_equal(unlink_name(h, ".vault.json"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "");
    assert_int_equal(look_up(h, h->vault, ".vault.json"), 0);
}

static void w_vault_rmdir_looks_before_it_deletes(void **state)
{
    struct harness *h = *state;

    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    assert_int_equal(remove_vault(h, "prod"), -ENOTEMPTY);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE_VAULT), 0);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    struct vf_file *draft = create(h, "b.json");
    assert_int_equal(remove_vault(h, "prod"), 0);
    assert_int_equal(put(h, draft, SPEC, 0), -ENOENT);
    assert_int_equal(close_file(h, draft), 0);
    assert_int_equal(look_up(h, h->root, "prod"), -ENOENT);
    assert_int_equal(remove_vault(h, "prod"), -ENOENT);
}

static void w_vault_rmdir_counts_what_lists_do_not_show_yet(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_set_lag(h->fake, fake_find(h->fake, "a.json"), FAKE_NOT_YET);
    assert_int_equal(remove_vault(h, "prod"), -ENOTEMPTY);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE_VAULT), 0);
}

static void w_vault_rmdir_does_not_settle_for_a_listing_in_flight(void **state)
{
    struct harness *h = *state;
    struct task listing = {.h = h, .node = h->vault, .run = run_opendir};
    struct task removal = {
        .h = h, .node = h->root, .name = "prod", .run = run_rmdir};

    vf_tree_refresh(h->tree);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_AFTER);
    task_start(&listing);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    task_start(&removal);
    task_wait_waiting(&removal);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(&listing), 0);
    assert_int_equal(task_join(&removal), -ENOTEMPTY);
}

static void w_vault_rmdir_waits_for_changes_below(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};
    struct task removal = {
        .h = h, .node = h->root, .name = "prod", .run = run_rmdir};

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_start(&removal);
    task_wait_waiting(&removal);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 0);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(task_join(&removal), -ENOTEMPTY);
    assert_int_equal(close_file(h, file), 0);
}

static void w_vault_rmdir_does_not_wait_for_changes_after_it(void **state)
{
    struct harness *h = *state;
    assert_int_equal(save(h, "b.json", spec_for("https://b.example.com/")), 0);
    struct vf_file *file = create(h, "a.json");
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};
    struct task unlink = {
        .h = h, .node = h->vault, .name = "b.json", .run = run_unlink};
    struct task removal = {
        .h = h, .node = h->root, .name = "prod", .run = run_rmdir};

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    fake_hold(h->fake, FAKE_DELETE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_start(&removal);
    task_wait_waiting(&removal);
    task_start(&unlink);
    fake_wait_held(h->fake, FAKE_DELETE, 1);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&removal), -ENOTEMPTY);
    fake_let_go(h->fake, FAKE_DELETE);
    assert_int_equal(task_join(&unlink), 0);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void w_vault_nothing_is_written_into_a_vault_that_goes(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file = create(h, "a.json");
    struct task removal = {
        .h = h, .node = h->root, .name = "prod", .run = run_rmdir};

    fake_hold(h->fake, FAKE_DELETE_VAULT, FAKE_BEFORE);
    task_start(&removal);
    fake_wait_held(h->fake, FAKE_DELETE_VAULT, 1);
    assert_int_equal(put(h, file, SPEC, 0), -ENOENT);
    assert_int_equal(vf_tree_create(h->tree, h->vault, "b.json", O_WRONLY,
                                    &caller, &entry, NULL, NULL),
                     -ENOENT);
    fake_fail(h->fake, FAKE_DELETE_VAULT, FAKE_BEFORE, EACCES);
    fake_let_go(h->fake, FAKE_DELETE_VAULT);
    assert_int_equal(task_join(&removal), -EACCES);
    /* It stays after all. */
    assert_int_equal(save(h, "b.json", SPEC), 0);
    assert_names(h, h->root, "prod ");
    assert_int_equal(close_file(h, file), 0);
}

/* The vault that was looked into goes, and another has its name by the time
 * that the request would be sent. */
static void w_vault_rmdir_deletes_only_the_vault_that_it_looked_into(
    void **state)
{
    struct harness *h = *state;
    struct task removal = {
        .h = h, .node = h->root, .name = "prod", .run = run_rmdir};

    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_AFTER);
    task_start(&removal);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    fake_remove(h->fake, h->vault_id);
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "");
    const char *other = fake_add_vault(h->fake, "prod");
    fake_add(h->fake, other, "a.json", HARNESS_URL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "prod ");
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    (void)task_join(&removal);
    assert_true(fake_has(h->fake, other));
    assert_int_equal(fake_count(h->fake, FAKE_DELETE_VAULT), 0);
}

static void w_vault_rmdir_of_what_went_elsewhere_succeeds(void **state)
{
    struct harness *h = *state;

    fake_remove(h->fake, h->vault_id);
    assert_int_equal(remove_vault(h, "prod"), 0);
    assert_names(h, h->root, "");
}

static void w_vault_rmdir_fails_when_it_cannot_look(void **state)
{
    struct harness *h = *state;

    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, ETIMEDOUT);
    assert_int_equal(remove_vault(h, "prod"), -ETIMEDOUT);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE_VAULT), 0);
}

static void w_vault_mkdir_makes_one_and_only_one(void **state)
{
    struct harness *h = *state;

    assert_int_equal(make_vault(h, "prod"), -EEXIST);
    assert_int_equal(make_vault(h, "a%2Fb"), 0);
    assert_non_null(fake_find(h->fake, "a/b"));
    assert_names(h, h->root, "a%2Fb prod ");
    fake_fail(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE, EACCES);
    assert_int_equal(make_vault(h, "no"), -EACCES);
    assert_names(h, h->root, "a%2Fb prod ");
    fake_fail(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE, 0);
    fake_fail(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(make_vault(h, "late"), -ETIMEDOUT);
    assert_names(h, h->root, "a%2Fb late prod ");
}

/* The caller would go on to write into somebody else's vault. */
static void w_vault_mkdir_of_a_name_taken_meanwhile_is_eexist(void **state)
{
    struct harness *h = *state;
    struct task task = {
        .h = h, .node = h->root, .name = "new", .run = run_mkdir};

    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE);
    task_start(&task);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    fake_add_vault(h->fake, "new");
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "new prod ");
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&task), -EEXIST);
    assert_non_null(strstr(task.err.message, "\"new~000003\""));
    assert_names(h, h->root, "new new~000003 prod ");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_delete_removes_before_it_returns),
        TEST(w_delete_gone_at_the_service_counts_as_deleted),
        TEST(w_delete_a_failure_keeps_the_name),
        cmocka_unit_test_teardown(w_delete_archives_when_told_to,
                                  harness_teardown),
        TEST(w_delete_remembers_who_deleted_what),
        TEST(w_delete_at_the_root),
        TEST(w_delete_a_drafts_handle_answers_enoent),
        TEST(w_delete_drops_the_drafts_of_what_goes),
        TEST(w_delete_a_credentials_handle_does_not_bring_it_back),
        TEST(w_delete_a_commit_waits_its_turn_and_finds_the_name_gone),
        TEST(w_delete_what_took_the_name_meanwhile_stays),
        TEST(w_delete_vault_json_is_hidden_until_the_next_listing),
        TEST(w_vault_rmdir_looks_before_it_deletes),
        TEST(w_vault_rmdir_counts_what_lists_do_not_show_yet),
        TEST(w_vault_rmdir_does_not_settle_for_a_listing_in_flight),
        TEST(w_vault_rmdir_waits_for_changes_below),
        TEST(w_vault_rmdir_does_not_wait_for_changes_after_it),
        TEST(w_vault_nothing_is_written_into_a_vault_that_goes),
        TEST(w_vault_rmdir_deletes_only_the_vault_that_it_looked_into),
        TEST(w_vault_rmdir_of_what_went_elsewhere_succeeds),
        TEST(w_vault_rmdir_fails_when_it_cannot_look),
        TEST(w_vault_mkdir_makes_one_and_only_one),
        TEST(w_vault_mkdir_of_a_name_taken_meanwhile_is_eexist),
    };

    return cmocka_run_group_tests_name("tree removals", tests, NULL, NULL);
}
