/* SPDX-License-Identifier: MIT
 *
 * Vaults that are to have a first credential (W-vault): a directory that is
 * local until then.
 */
#include <errno.h>

#include "harness.h"
#include "internal.h"

#define OTHER_URL "https://other.example.com/mcp"

static const struct vf_service_traits taking = {.has_keys = true,
                                                .can_update_vault = true,
                                                .takes_credentials_with_vault =
                                                    true};

/* With a pending vault, "dev", that is h->vault. */
static int setup(void **state)
{
    harness_setup(state);
    struct harness *h = *state;

    fake_set_traits(h->fake, &taking);
    fake_set_wants_credential(h->fake, true);
    assert_int_equal(make_vault(h, "dev"), 0);
    h->vault = look(h, h->root, "dev");
    assert_names(h, h->root, "dev prod ");
    fake_reset_counts(h->fake);
    return 0;
}

static void w_vault_a_pending_vault_is_local(void **state)
{
    struct harness *h = *state;

    assert_names(h, h->vault, "");
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(look_up(h, h->vault, VF_INFO_NAME), 0);
    assert_int_equal(stat_of(h, h->vault).st_mode & 0777, 0700);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(make_vault(h, "dev"), -EEXIST);
}

static void w_vault_a_pending_vault_outlives_listings(void **state)
{
    struct harness *h = *state;

    vf_tree_refresh(h->tree);
    harness_advance_ms(VF_OWN_CHANGE_MS + 1);
    assert_names(h, h->root, "dev prod ");
    assert_ptr_equal(look(h, h->root, "dev"), h->vault);
    assert_names(h, h->vault, "");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 0);
}

static void w_vault_a_pending_vault_is_removed_without_a_request(void **state)
{
    struct harness *h = *state;

    assert_int_equal(remove_vault(h, "dev"), 0);
    assert_names(h, h->root, "prod ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(make_vault(h, "dev"), 0);
}

static void w_vault_the_first_credential_makes_the_vault(void **state)
{
    struct harness *h = *state;
    ino_t local = stat_of(h, h->vault).st_ino;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create dev; ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_int_equal(fake_size(h->fake, fake_find(h->fake, "dev")), 1);
    assert_ptr_equal(look(h, h->root, "dev"), h->vault);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
    assert_content(h, look(h, h->vault, VF_INFO_NAME), "vault_000002");
    assert_true(stat_of(h, h->vault).st_ino != local);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    /* From now on it is as any other. */
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    assert_trace(h, "create dev; create b.json; ");
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "dev prod ");
    assert_names(h, h->vault, "a.json b.json ");
    assert_int_equal(unlink_name(h, "a.json"), 0);
}

static void w_vault_a_first_credential_that_fails_leaves_it_pending(
    void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", "{\"nonsense\": 1}"), -EINVAL);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_names(h, h->vault, "");
    assert_names(h, h->root, "dev prod ");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_names(h, h->vault, "a.json ");
}

static void w_vault_one_that_was_made_all_the_same_is_seen(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_names(h, h->root, "dev prod ");
    assert_ptr_equal(look(h, h->root, "dev"), h->vault);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_size(h->fake, ""), 2);
}

static void w_vault_a_listing_may_show_it_before_the_reply(void **state)
{
    struct harness *h = *state;
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};

    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "dev prod ");
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_names(h, h->root, "dev prod ");
    assert_ptr_equal(look(h, h->root, "dev"), h->vault);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
}

static int rename_vault(struct harness *h, const char *name,
                        const char *new_name)
{
    struct vf_caller caller = {0};

    return vf_tree_rename(h->tree, h->root, name, h->root, new_name, 0, &caller,
                          NULL);
}

static void w_vault_a_pending_vault_is_renamed_without_a_request(void **state)
{
    struct harness *h = *state;

    assert_int_equal(rename_vault(h, "dev", "other"), 0);
    assert_names(h, h->root, "other prod ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create other; ");
}

/* The vault is on its way under its old name, and has a new one after that. */
static void w_vault_a_rename_waits_for_the_first_credential(void **state)
{
    struct harness *h = *state;
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    struct task move = {.h = h,
                        .node = h->root,
                        .name = "dev",
                        .text = "other",
                        .run = run_rename};

    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    task_start(&move);
    task_wait_waiting(&move);
    assert_names(h, h->root, "dev prod ");
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(task_join(&move), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE_VAULT), 1);
    assert_names(h, h->root, "other prod ");
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "other prod ");
}

static void w_vault_of_two_first_credentials_one_makes_the_vault(void **state)
{
    struct harness *h = *state;
    struct task first = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    struct task second = {.h = h,
                          .file = create(h, "b.json"),
                          .text = spec_for(OTHER_URL),
                          .run = run_write};
    struct task third = second;

    third.file = create(h, "c.json");
    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER);
    task_start(&first);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    task_start(&second);
    task_start(&third);
    task_wait_waiting(&second);
    task_wait_waiting(&third);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&first), 0);
    assert_int_equal(task_join(&second), 0);
    assert_int_equal(task_join(&third), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE_VAULT), 1);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 2);
    assert_int_equal(close_file(h, first.file), 0);
    assert_int_equal(close_file(h, second.file), 0);
    assert_int_equal(close_file(h, third.file), 0);
    assert_names(h, h->vault, "a.json b.json c.json ");
}

static void w_vault_a_rmdir_waits_for_the_first_credential(void **state)
{
    struct harness *h = *state;
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    struct task removal = {
        .h = h, .node = h->root, .name = "dev", .run = run_rmdir};

    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    task_start(&removal);
    task_wait_waiting(&removal);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(task_join(&removal), -ENOTEMPTY);
    assert_int_equal(close_file(h, write.file), 0);
}

static void w_vault_the_directorys_name_is_decoded(void **state)
{
    struct harness *h = *state;

    assert_int_equal(make_vault(h, "a%2Fb"), 0);
    h->vault = look(h, h->root, "a%2Fb");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_non_null(fake_find(h->fake, "a/b"));
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "a%2Fb dev prod ");
}

static void w_vault_a_pending_vault_has_no_metadata_yet(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_error err;
    static const char text[] = "{\"display_name\": \"new\"}";
    struct vf_file *file =
        open_for(h, look(h, h->vault, VF_INFO_NAME), O_WRONLY);

    assert_int_equal(
        vf_file_write(h->tree, file, text, strlen(text), 0, &caller, &err),
        -EOPNOTSUPP);
    assert_non_null(strstr(err.message, "first credential"));
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_vault_a_first_credential_from_a_scratch_file(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json.tmp", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_int_equal(rename_name(h, "a.json.tmp", "a.json"), 0);
    assert_trace(h, "create dev; ");
    assert_names(h, h->vault, "a.json ");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_vault_a_pending_vault_is_local),
        TEST(w_vault_a_pending_vault_outlives_listings),
        TEST(w_vault_a_pending_vault_is_removed_without_a_request),
        TEST(w_vault_the_first_credential_makes_the_vault),
        TEST(w_vault_a_first_credential_that_fails_leaves_it_pending),
        TEST(w_vault_one_that_was_made_all_the_same_is_seen),
        TEST(w_vault_a_listing_may_show_it_before_the_reply),
        TEST(w_vault_a_pending_vault_is_renamed_without_a_request),
        TEST(w_vault_a_rename_waits_for_the_first_credential),
        TEST(w_vault_of_two_first_credentials_one_makes_the_vault),
        TEST(w_vault_a_rmdir_waits_for_the_first_credential),
        TEST(w_vault_the_directorys_name_is_decoded),
        TEST(w_vault_a_pending_vault_has_no_metadata_yet),
        TEST(w_vault_a_first_credential_from_a_scratch_file),
    };

    return cmocka_run_group_tests_name("tree pending", tests, NULL, NULL);
}
