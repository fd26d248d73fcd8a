/* SPDX-License-Identifier: MIT
 *
 * Credentials that an editor moved out of the way (E-park).
 */
#include <errno.h>

#include "harness.h"
#include "internal.h"

#define OTHER_URL "https://other.example.com/mcp"

static const char *save_and_park(struct harness *h)
{
    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *id = fake_find(h->fake, "a.json");
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    return id;
}

static void e_park_asks_nobody(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_names(h, h->vault, "a.json~ ");
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_content(h, look(h, h->vault, "a.json~"), HARNESS_URL);
    assert_int_equal(rename_name(h, "a.json~", "a.json"), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), HARNESS_URL);
    assert_true(fake_has(h->fake, id));
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_park_keeps_the_node_that_the_kernel_holds(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    struct vf_file *file = open_for(h, node, O_RDONLY);
    ino_t ino = stat_of(h, node).st_ino;
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    assert_ptr_equal(look(h, h->vault, "a.json~"), node);
    assert_int_equal(stat_of(h, node).st_ino, ino);
    assert_int_equal(stat_of(h, node).st_nlink, 1);
    assert_int_equal(close_file(h, file), 0);
}

static void e_park_a_new_file_of_the_same_identity_rotates(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    assert_names(h, h->vault, "a.json a.json~ ");
    assert_content(h, look(h, h->vault, "a.json~"), HARNESS_URL);
    fake_reset_counts(h->fake);
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_true(fake_has(h->fake, id));
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_names(h, h->vault, "a.json ");
}

static void e_park_another_identity_leaves_it_parked(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(save(h, "a.json", spec_for(OTHER_URL)), 0);
    assert_true(fake_has(h->fake, id));
    assert_int_equal(fake_size(h->fake, h->vault_id), 2);
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_false(fake_has(h->fake, id));
    assert_names(h, h->vault, "a.json ");
}

static void e_park_removing_it_deletes_when_nothing_took_its_place(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_false(fake_has(h->fake, id));
    assert_names(h, h->vault, "");
    /* And a late list does not bring it back. */
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "");
}

static void e_park_a_failed_removal_keeps_it(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    assert_int_equal(unlink_name(h, "a.json~"), -EACCES);
    assert_names(h, h->vault, "a.json~ ");
    assert_true(fake_has(h->fake, id));
    assert_int_equal(rename_name(h, "a.json~", "a.json"), 0);
    assert_names(h, h->vault, "a.json ");
}

static void e_park_survives_a_refresh(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    fake_touch(h->fake, id);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json~ ");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_true(fake_has(h->fake, id));
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json a.json~ ");
    harness_advance_ms(2 * (int64_t)VF_OWN_CHANGE_MS);
    assert_names(h, h->vault, "a.json a.json~ ");
}

static void e_park_one_that_was_deleted_elsewhere_is_spent(void **state)
{
    struct harness *h = *state;

    fake_remove(h->fake, save_and_park(h));
    harness_advance_ms(2 * (int64_t)VF_OWN_CHANGE_MS);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json~ ");
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json~", "a.json"), -EINVAL);
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_park_moves_among_scratch_names(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(rename_name(h, "a.json~", "a.json.bak"), 0);
    assert_names(h, h->vault, "a.json.bak ");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    assert_true(fake_has(h->fake, id));
}

static void e_park_to_another_ordinary_name_renames(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(rename_name(h, "a.json~", "b.json"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_RENAME), 1);
    assert_ptr_equal(fake_find(h->fake, "b.json"), id);
    assert_names(h, h->vault, "b.json ");
    assert_int_equal(rename_name(h, "b.json", "b.json~"), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0); /* no home of anybody */
    assert_int_equal(fake_size(h->fake, h->vault_id), 2);
}

/* sed -i.bak, twice. */
static void e_park_a_spent_one_makes_room_without_a_request(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(save(h, "sedAbC123", SPEC), 0);
    assert_int_equal(rename_name(h, "sedAbC123", "a.json"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_names(h, h->vault, "a.json~ ");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_true(fake_has(h->fake, id));
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

static void e_park_what_takes_the_name_of_a_live_one_deletes_it(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    fake_fail_once(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    assert_int_equal(rename_name(h, "b.json", "a.json~"), -EACCES);
    assert_names(h, h->vault, "a.json~ b.json ");
    assert_int_equal(rename_name(h, "b.json", "a.json~"), 0);
    assert_false(fake_has(h->fake, id));
    assert_names(h, h->vault, "a.json~ ");
    assert_content(h, look(h, h->vault, "a.json~"), OTHER_URL);
    assert_int_equal(rename_name(h, "a.json~", "b.json"), 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

/* What vim does without a change to save. */
static void e_park_a_text_that_is_written_as_it_was_sends_nothing(void **state)
{
    struct harness *h = *state;
    char text[512];

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *id = fake_find(h->fake, "a.json");
    struct vf_file *file = open_for(h, look(h, h->vault, "a.json"), O_RDONLY);
    ssize_t size = vf_file_read(h->tree, file, text, sizeof(text) - 1, 0, NULL);
    text[size] = '\0';
    assert_int_equal(close_file(h, file), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    assert_int_equal(save(h, "a.json", text), 0);
    assert_names(h, h->vault, "a.json a.json~ ");
    /* The one that is spent says the same, and takes its place again. */
    assert_int_equal(rename_name(h, "a.json~", "a.json"), 0);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_true(fake_has(h->fake, id));
    assert_string_equal(fake_secret(h->fake, id), "t0ken");
}

static void e_park_a_spent_one_that_cannot_be_restored_stays(void **state)
{
    struct harness *h = *state;

    (void)save_and_park(h);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_reset_counts(h->fake);
    /* The service counts revisions, which nobody can turn back. */
    assert_int_equal(rename_name(h, "a.json~", "a.json"), -EINVAL);
    assert_names(h, h->vault, "a.json a.json~ ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void e_park_a_spent_one_becomes_scratch_when_written(void **state)
{
    struct harness *h = *state;

    (void)save_and_park(h);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_reset_counts(h->fake);
    struct vf_node *node = look(h, h->vault, "a.json~");
    struct vf_file *file = open_for(h, node, O_WRONLY | O_TRUNC);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(stat_of(h, node).st_size, strlen(SPEC));
}

static void e_park_a_live_one_is_rotated_in_its_place(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);
    struct vf_file *file =
        open_for(h, look(h, h->vault, "a.json~"), O_WRONLY | O_TRUNC);

    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    assert_names(h, h->vault, "a.json~ ");
    assert_int_equal(rename_name(h, "a.json~", "a.json"), 0);
    assert_ptr_equal(fake_find(h->fake, "a.json"), id);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

/* Another identity is written to a parked file: a creation and a deletion. A
 * listing between the two shows what was created under its home. */
static void start_replacing(struct harness *h, struct vf_file *file,
                            struct task *write)
{
    *write = (struct task){.h = h,
                           .file = file,
                           .text = spec_for("https://mcp.example.com/b"),
                           .run = run_write};
    fake_hold(h->fake, FAKE_DELETE, FAKE_BEFORE);
    task_start(write);
    fake_wait_held(h->fake, FAKE_DELETE, 1);
}

static void finish_replacing(struct harness *h, struct vf_file *file,
                             struct task *write)
{
    fake_let_go(h->fake, FAKE_DELETE);
    assert_int_equal(task_join(write), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void e_park_what_replaces_a_live_one_keeps_its_home(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);
    struct vf_file *file =
        open_for(h, look(h, h->vault, "a.json~"), O_WRONLY | O_TRUNC);
    struct task write;

    start_replacing(h, file, &write);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json a.json~ ");
    finish_replacing(h, file, &write);
    assert_false(fake_has(h->fake, id));
    assert_names(h, h->vault, "a.json~ ");
    assert_int_equal(rename_name(h, "a.json~", "b.json"), 0);
    assert_names(h, h->vault, "b.json ");
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

/* Meanwhile it was deleted elsewhere, its text removed, and the scratch name
 * taken by a file that has nothing to do with it. */
static void e_park_what_replaces_one_that_left_its_name_is_home(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);
    struct vf_file *file =
        open_for(h, look(h, h->vault, "a.json~"), O_WRONLY | O_TRUNC);
    struct task write;

    start_replacing(h, file, &write);
    fake_remove(h->fake, id);
    fake_set_lag(h->fake, fake_find(h->fake, "a.json"), FAKE_NOT_YET);
    harness_advance_ms(2 * (int64_t)VF_OWN_CHANGE_MS);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json~ ");
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_int_equal(save(h, "a.json~", "{"), 0);
    finish_replacing(h, file, &write);
    assert_names(h, h->vault, "a.json a.json~ ");
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_int_equal(rename_name(h, "a.json", "b.json"), 0);
    assert_names(h, h->vault, "b.json ");
}

/* Its removal and its rotation must not overlap: the one would delete what the
 * other has just taken over. */
static void e_park_is_serial_under_its_home(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);
    struct vf_file *file = create(h, "a.json");
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};
    struct task removal = {
        .h = h, .node = h->vault, .name = "a.json~", .run = run_unlink};

    fake_hold(h->fake, FAKE_UPDATE, FAKE_AFTER);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_UPDATE, 1);
    task_start(&removal);
    task_wait_waiting(&removal);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE), 0);
    fake_let_go(h->fake, FAKE_UPDATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(task_join(&removal), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_true(fake_has(h->fake, id));
    assert_names(h, h->vault, "a.json ");
}

static void e_park_a_rename_waits_for_the_rotation_of_its_home(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);
    struct vf_file *file = create(h, "a.json");
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};
    struct task move = {.h = h,
                        .node = h->vault,
                        .name = "a.json~",
                        .text = "b.json",
                        .run = run_rename};

    fake_hold(h->fake, FAKE_UPDATE, FAKE_AFTER);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_UPDATE, 1);
    task_start(&move);
    task_wait_waiting(&move);
    fake_let_go(h->fake, FAKE_UPDATE);
    assert_int_equal(task_join(&write), 0);
    /* It is spent by then: a text without a secret, under a new name. */
    assert_int_equal(task_join(&move), -EINVAL);
    assert_int_equal(close_file(h, file), 0);
    assert_ptr_equal(fake_find(h->fake, "a.json"), id);
    assert_names(h, h->vault, "a.json a.json~ ");
}

static void e_park_a_removal_is_remembered_under_the_home(void **state)
{
    struct harness *h = *state;
    const char *id = save_and_park(h);

    assert_int_equal(unlink_name(h, "a.json~"), 0);
    pthread_mutex_lock(&h->tree->lock);
    const struct vf_removal *removal =
        vf_removal_find(h->tree, h->vault, "a.json", 0);
    assert_non_null(removal);
    assert_string_equal(removal->id, id);
    assert_null(vf_removal_find(h->tree, h->vault, "a.json", 1));
    assert_null(vf_removal_find(h->tree, h->root, "a.json", 0));
    harness_advance_ms(60000);
    assert_null(vf_removal_find(h->tree, h->vault, "a.json", 0));
    pthread_mutex_unlock(&h->tree->lock);
}

/* --- .vault.json --- */

static void let_vaults_change(struct harness *h)
{
    fake_set_traits(h->fake,
                    &(struct vf_service_traits){.dialect = "fake",
                                                .has_keys = true,
                                                .can_update_credential = true,
                                                .can_update_vault = true});
}

static void e_park_a_vaults_own_metadata_stays_where_it_cannot_change(
    void **state)
{
    struct harness *h = *state;

    assert_int_equal(rename_name(h, ".vault.json", ".vault.json~"),
                     -EOPNOTSUPP);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), 0);
}

static void e_park_a_vaults_own_metadata_is_a_copy(void **state)
{
    struct harness *h = *state;
    struct vf_file *file;
    struct vf_entry entry;

    let_vaults_change(h);
    assert_int_equal(rename_name(h, ".vault.json", ".vault.json~"), 0);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), -ENOENT);
    assert_content(h, look(h, h->vault, ".vault.json~"), "prod");
    assert_int_equal(rename_name(h, ".vault.json~", ".vault.json"), 0);
    assert_int_equal(look_up(h, h->vault, ".vault.json~"), -ENOENT);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE_VAULT), 0);
    /* Made again, by vim. */
    assert_int_equal(rename_name(h, ".vault.json", ".vault.json~"), 0);
    assert_int_equal(vf_tree_create(h->tree, h->vault, ".vault.json",
                                    O_WRONLY | O_EXCL, &(struct vf_caller){0},
                                    &entry, &file, NULL),
                     0);
    vf_tree_forget(h->tree, entry.node, 1);
    assert_int_equal(put(h, file, "{\"metadata\": {\"team\": \"docs\"}}", 0),
                     0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE_VAULT), 1);
    assert_int_equal(unlink_name(h, ".vault.json~"), 0);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), 0);
}

static void e_park_a_vaults_own_metadata_is_back_when_the_copy_goes(
    void **state)
{
    struct harness *h = *state;

    let_vaults_change(h);
    assert_int_equal(rename_name(h, ".vault.json", ".vault.json~"), 0);
    assert_int_equal(unlink_name(h, ".vault.json~"), 0);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), 0);
}

static void e_park_a_refresh_does_not_bring_the_vaults_own_metadata_back(
    void **state)
{
    struct harness *h = *state;

    let_vaults_change(h);
    assert_int_equal(rename_name(h, ".vault.json", ".vault.json~"), 0);
    vf_tree_refresh(h->tree);
    assert_int_equal(look_up(h, h->vault, "other.json"), -ENOENT);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), -ENOENT);
    assert_int_equal(unlink_name(h, ".vault.json~"), 0);
    assert_int_equal(look_up(h, h->vault, ".vault.json"), 0);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(e_park_asks_nobody),
        TEST(e_park_keeps_the_node_that_the_kernel_holds),
        TEST(e_park_a_new_file_of_the_same_identity_rotates),
        TEST(e_park_another_identity_leaves_it_parked),
        TEST(e_park_removing_it_deletes_when_nothing_took_its_place),
        TEST(e_park_a_failed_removal_keeps_it),
        TEST(e_park_survives_a_refresh),
        TEST(e_park_one_that_was_deleted_elsewhere_is_spent),
        TEST(e_park_moves_among_scratch_names),
        TEST(e_park_to_another_ordinary_name_renames),
        TEST(e_park_a_spent_one_makes_room_without_a_request),
        TEST(e_park_what_takes_the_name_of_a_live_one_deletes_it),
        TEST(e_park_a_text_that_is_written_as_it_was_sends_nothing),
        TEST(e_park_a_spent_one_that_cannot_be_restored_stays),
        TEST(e_park_a_spent_one_becomes_scratch_when_written),
        TEST(e_park_a_live_one_is_rotated_in_its_place),
        TEST(e_park_what_replaces_a_live_one_keeps_its_home),
        TEST(e_park_what_replaces_one_that_left_its_name_is_home),
        TEST(e_park_is_serial_under_its_home),
        TEST(e_park_a_rename_waits_for_the_rotation_of_its_home),
        TEST(e_park_a_removal_is_remembered_under_the_home),
        TEST(e_park_a_vaults_own_metadata_stays_where_it_cannot_change),
        TEST(e_park_a_vaults_own_metadata_is_a_copy),
        TEST(e_park_a_vaults_own_metadata_is_back_when_the_copy_goes),
        TEST(e_park_a_refresh_does_not_bring_the_vaults_own_metadata_back),
    };

    return cmocka_run_group_tests_name("tree parking", tests, NULL, NULL);
}
