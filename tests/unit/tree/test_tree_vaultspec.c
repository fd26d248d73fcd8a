/* SPDX-License-Identifier: MIT
 *
 * A vault and its credentials from one document, all or nothing, and changes of
 * a vault's own metadata (W-vault).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "internal.h"

#define BEARER(host, name)                                                     \
    "{\"auth\": {\"type\": \"static_bearer\", \"mcp_server_url\": "            \
    "\"https://" host "/\", \"token\": \"t0ken\"}, \"metadata\": "             \
    "{\"vaultfs.name\": \"" name "\"}}"
#define TWO                                                                    \
    "\"credentials\": [" BEARER("a.example.com", "a.json") ", " BEARER(        \
        "b.example.com", "b.json") "]"

static const struct vf_service_traits taking = {
    .has_keys = true, .takes_credentials_with_vault = true};
static const struct vf_service_traits changing = {
    .has_keys = true, .can_update_vault = true, .can_update_credential = true};

static int write_to(struct harness *h, const char *name, const char *text,
                    struct vf_error *err)
{
    return save_in(h, h->root, name, text, err);
}

static void w_vault_a_spec_makes_the_vault_and_what_it_holds(void **state)
{
    struct harness *h = *state;

    assert_int_equal(write_to(h, "dev.json",
                              "{\"metadata\": {\"team\": \"core\"}, " TWO "}",
                              NULL),
                     0);
    assert_trace(h, "create dev; create a.json; create b.json; ");
    assert_names(h, h->root, "dev prod ");
    struct vf_node *vault = look(h, h->root, "dev");
    assert_names(h, vault, "a.json b.json ");
    assert_content(h, look(h, vault, "a.json"), "a.example.com");
    assert_content(h, look(h, vault, ".vault.json"), "\"team\":\"core\"");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 3);
    assert_string_equal(fake_secret(h->fake, fake_find(h->fake, "b.json")),
                        "t0ken");
}

static void w_vault_a_service_may_take_all_at_once(void **state)
{
    struct harness *h = *state;

    fake_set_traits(h->fake, &taking);
    assert_int_equal(write_to(h, "dev.json", "{" TWO "}", NULL), 0);
    assert_trace(h, "create dev; ");
    assert_names(h, look(h, h->root, "dev"), "a.json b.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
}

static void w_vault_the_display_name_decides(void **state)
{
    struct harness *h = *state;

    assert_int_equal(write_to(h, "x.json", "{\"display_name\": \"a/b\"}", NULL),
                     0);
    assert_names(h, h->root, "a%2Fb prod ");
    assert_non_null(fake_find(h->fake, "a/b"));
    assert_int_equal(write_to(h, "plain", "{\"metadata\": {}}", NULL), 0);
    assert_non_null(fake_find(h->fake, "plain"));
    assert_int_equal(write_to(h, "c%2Fd.json", "{\"metadata\": {}}", NULL), 0);
    assert_non_null(fake_find(h->fake, "c/d"));
}

static void w_vault_the_specs_own_name_answers_for_a_while(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};

    assert_int_equal(write_to(h, "dev.json", "{\"metadata\": {}}", NULL), 0);
    struct vf_node *spent = look(h, h->root, "dev.json");
    assert_int_equal(stat_of(h, spent).st_size, 0);
    harness_advance_ms(VF_SPENT_DRAFT_MS);
    assert_int_equal(look_up(h, h->root, "dev.json"), 0);
    assert_names(h, h->root, "dev prod ");
    harness_advance_ms(1);
    assert_int_equal(look_up(h, h->root, "dev.json"), -ENOENT);
    /* It can also be removed, and written again. */
    assert_int_equal(write_to(h, "new.json", "{\"metadata\": {}}", NULL), 0);
    assert_int_equal(
        vf_tree_unlink(h->tree, h->root, "new.json", &caller, NULL), 0);
    assert_int_equal(look_up(h, h->root, "new.json"), -ENOENT);
    assert_int_equal(write_to(h, "new.json", "{\"metadata\": {}}", NULL),
                     -EEXIST);
}

static void w_vault_a_directory_may_have_the_specs_own_name(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file;

    assert_int_equal(vf_tree_create(h->tree, h->root, "dev", O_RDWR | O_CREAT,
                                    &caller, &entry, &file, NULL),
                     0);
    assert_int_equal(put(h, file, "{\"metadata\": {}}", 0), 0);
    assert_true(S_ISDIR(stat_of(h, look(h, h->root, "dev")).st_mode));
    char byte;
    assert_int_equal(vf_file_read(h->tree, file, &byte, 1, 0, NULL), 0);
    assert_int_equal(close_file(h, file), 0);
    vf_tree_forget(h->tree, entry.node, 1);
    assert_names(h, h->root, "dev prod ");
}

static void w_vault_a_name_that_is_taken_makes_nothing(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(
        write_to(h, "x.json", "{\"display_name\": \"prod\", " TWO "}", &err),
        -EEXIST);
    assert_non_null(strstr(err.message, "nothing was made"));
    assert_int_equal(look_up(h, h->root, "x.json"), -ENOENT);
    assert_names(h, h->root, "prod ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_vault_a_bad_spec_sends_nothing(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(
        write_to(
            h, "x.json",
            "{\"credentials\": [" BEARER(
                "a.example.com",
                "a.json") ", "
                          "{\"auth\": {\"type\": \"static_bearer\", "
                          "\"mcp_server_url\": \"https://b.example.com/\"}}]}",
            &err),
        -EINVAL);
    assert_string_equal(err.param, "credentials[1].auth.token");
    assert_int_equal(look_up(h, h->root, "x.json"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_vault_a_credential_that_fails_takes_the_vault_back(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_fail_after(h->fake, FAKE_CREATE, 1, EINVAL);
    assert_int_equal(write_to(h, "dev.json", "{" TWO "}", &err), -EINVAL);
    assert_string_equal(err.param, "credentials[1]");
    assert_non_null(strstr(err.message, "the vault was not made"));
    assert_non_null(strstr(err.message, "the service says EINVAL"));
    assert_trace(h, "create dev; create a.json; create b.json; "
                    "delete vault_000002; ");
    assert_names(h, h->root, "prod ");
    assert_int_equal(look_up(h, h->root, "dev.json"), -ENOENT);
    /* Nothing stands in the way of the next attempt. */
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, 0);
    assert_int_equal(write_to(h, "dev.json", "{" TWO "}", NULL), 0);
    assert_names(h, h->root, "dev prod ");
}

static void w_vault_what_cannot_be_taken_back_is_told_and_seen(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_fail_after(h->fake, FAKE_CREATE, 1, EINVAL);
    fake_fail(h->fake, FAKE_DELETE_VAULT, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(write_to(h, "dev.json", "{" TWO "}", &err), -EINVAL);
    assert_non_null(strstr(err.message, "vault_000002 is left"));
    assert_non_null(strstr(err.message, "the service says EINVAL"));
    assert_names(h, h->root, "dev prod ");
    assert_names(h, look(h, h->root, "dev"), "a.json ");
}

static void w_vault_what_a_spec_made_stays_though_lists_are_late(void **state)
{
    struct harness *h = *state;

    assert_int_equal(write_to(h, "dev.json", "{" TWO "}", NULL), 0);
    fake_set_lag(h->fake, fake_find(h->fake, "a.json"), FAKE_NOT_YET);
    harness_advance_ms(TTL_MS + 1);
    assert_names(h, look(h, h->root, "dev"), "a.json b.json ");
}

static void w_vault_no_vault_no_name(void **state)
{
    struct harness *h = *state;

    fake_fail(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE, EACCES);
    assert_int_equal(write_to(h, "dev.json", "{" TWO "}", NULL), -EACCES);
    assert_int_equal(look_up(h, h->root, "dev.json"), -ENOENT);
    assert_names(h, h->root, "prod ");
}

static void w_vault_a_lost_answer_is_looked_for_and_gone_on_with(void **state)
{
    const struct vf_service_traits keyless = {.takes_credentials_with_vault =
                                                  true};
    struct harness *h = *state;

    fake_set_traits(h->fake, &keyless);
    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(write_to(h, "dev.json", "{" TWO "}", NULL), 0);
    assert_trace(h, "create dev; ");
    assert_names(h, look(h, h->root, "dev"), "a.json b.json ");
}

static void w_vault_a_touched_name_is_not_in_the_way(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file;

    assert_int_equal(vf_tree_create(h->tree, h->root, "dev", O_WRONLY, &caller,
                                    &entry, &file, NULL),
                     0);
    vf_tree_forget(h->tree, entry.node, 1);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(write_to(h, "dev.json", "{\"metadata\": {}}", NULL), 0);
    assert_names(h, h->root, "dev prod ");
    assert_true(S_ISDIR(stat_of(h, look(h, h->root, "dev")).st_mode));
}

static void w_vault_a_spent_name_is_not_in_the_way(void **state)
{
    struct harness *h = *state;

    assert_int_equal(write_to(h, "dev.json", "{\"metadata\": {}}", NULL), 0);
    assert_int_equal(make_vault(h, "dev.json"), 0);
    assert_names(h, h->root, "dev dev.json prod ");
}

/* --- .vault.json --- */

static int edit(struct harness *h, const char *text, struct vf_error *err)
{
    struct vf_file *file =
        open_for(h, look(h, h->vault, VF_INFO_NAME), O_WRONLY);
    struct vf_caller caller = {0};
    int result =
        vf_file_write(h->tree, file, text, strlen(text), 0, &caller, err);

    assert_int_equal(close_file(h, file), 0);
    return result;
}

static int setup_changing(void **state)
{
    harness_setup_vault(state);
    struct harness *h = *state;

    fake_set_traits(h->fake, &changing);
    return 0;
}

static void w_edit_a_vaults_metadata_is_one_request(void **state)
{
    struct harness *h = *state;

    assert_int_equal(edit(h,
                          "{\"display_name\": \"prod\", \"metadata\": "
                          "{\"team\": \"core\"}}",
                          NULL),
                     0);
    assert_trace(h, "update vault_000001; ");
    assert_content(h, look(h, h->vault, VF_INFO_NAME), "\"team\":\"core\"");
    assert_names(h, h->root, "prod ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
}

static void w_edit_a_vaults_name_moves_the_directory(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(edit(h, "{\"display_name\": \"a/b\"}", NULL), 0);
    assert_ptr_equal(look(h, h->root, "a%2Fb"), h->vault);
    assert_int_equal(look_up(h, h->root, "prod"), -ENOENT);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "a%2Fb ");
}

static void w_edit_a_vaults_name_that_is_taken_gets_digits(void **state)
{
    struct harness *h = *state;

    assert_int_equal(make_vault(h, "dev"), 0);
    assert_int_equal(edit(h, "{\"display_name\": \"dev\"}", NULL), 0);
    assert_names(h, h->root, "dev dev~000001 ");
    /* And keeps them. */
    assert_int_equal(
        edit(h, "{\"display_name\": \"dev\", \"metadata\": {\"a\": \"b\"}}",
             NULL),
        0);
    assert_int_equal(remove_vault(h, "dev"), 0);
    assert_int_equal(
        edit(h, "{\"display_name\": \"dev\", \"metadata\": {\"a\": \"c\"}}",
             NULL),
        0);
    assert_names(h, h->root, "dev~000001 ");
}

static void w_edit_a_vault_without_a_difference_sends_nothing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(edit(h, "{\"display_name\": \"prod\"}", NULL), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_strict_a_vaults_other_fields_cannot_change(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(
        edit(h, "{\"display_name\": \"dev\", \"revision\": 9}", &err), -EINVAL);
    assert_string_equal(err.param, "revision");
    assert_names(h, h->root, "prod ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_edit_a_vault_that_fails_stays(void **state)
{
    struct harness *h = *state;

    fake_fail(h->fake, FAKE_UPDATE_VAULT, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(edit(h, "{\"display_name\": \"dev\"}", NULL), -EREMOTEIO);
    assert_names(h, h->root, "prod ");
}

static void w_edit_a_removed_vault_json_is_back_when_written(void **state)
{
    struct harness *h = *state;
    struct vf_file *file =
        open_for(h, look(h, h->vault, VF_INFO_NAME), O_WRONLY);

    assert_int_equal(unlink_name(h, VF_INFO_NAME), 0);
    assert_int_equal(look_up(h, h->vault, VF_INFO_NAME), -ENOENT);
    assert_int_equal(
        put(h, file,
            "{\"display_name\": \"prod\", \"metadata\": {\"a\": \"b\"}}", 0),
        0);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(look_up(h, h->vault, VF_INFO_NAME), 0);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)
#define CHANGING(test)                                                         \
    cmocka_unit_test_setup_teardown(test, setup_changing, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_vault_a_spec_makes_the_vault_and_what_it_holds),
        TEST(w_vault_a_service_may_take_all_at_once),
        TEST(w_vault_the_display_name_decides),
        TEST(w_vault_the_specs_own_name_answers_for_a_while),
        TEST(w_vault_a_directory_may_have_the_specs_own_name),
        TEST(w_vault_a_name_that_is_taken_makes_nothing),
        TEST(w_vault_a_bad_spec_sends_nothing),
        TEST(w_vault_a_credential_that_fails_takes_the_vault_back),
        TEST(w_vault_what_cannot_be_taken_back_is_told_and_seen),
        TEST(w_vault_what_a_spec_made_stays_though_lists_are_late),
        TEST(w_vault_no_vault_no_name),
        TEST(w_vault_a_lost_answer_is_looked_for_and_gone_on_with),
        TEST(w_vault_a_touched_name_is_not_in_the_way),
        TEST(w_vault_a_spent_name_is_not_in_the_way),
        CHANGING(w_edit_a_vaults_metadata_is_one_request),
        CHANGING(w_edit_a_vaults_name_moves_the_directory),
        CHANGING(w_edit_a_vaults_name_that_is_taken_gets_digits),
        CHANGING(w_edit_a_vault_without_a_difference_sends_nothing),
        CHANGING(w_strict_a_vaults_other_fields_cannot_change),
        CHANGING(w_edit_a_vault_that_fails_stays),
        CHANGING(w_edit_a_removed_vault_json_is_back_when_written),
    };

    return cmocka_run_group_tests_name("tree vault specs", tests, NULL, NULL);
}
