/* SPDX-License-Identifier: MIT
 *
 * What a whole document does to the credential that has its name (W-rotate),
 * and what is there when that stops half-way.
 */
#include <errno.h>

#include "harness.h"

#define OTHER_URL "https://other.example.com/mcp"
#define VARIABLE                                                               \
    "{\"auth\": {\"type\": \"environment_variable\", \"secret_name\": "        \
    "\"NPM_TOKEN\", \"secret_value\": \"t0ken\"}}"

#define EDIT                                                                   \
    "{\"auth\": {\"type\": \"static_bearer\", \"mcp_server_url\": "            \
    "\"" HARNESS_URL "\"}, \"metadata\": {\"team\": \"core\"}}"

static const struct vf_service_traits old_service = {.dialect = "old",
                                                     .has_keys = true};

static int write_to(struct harness *h, const char *name, const char *text,
                    struct vf_error *err)
{
    return save_in(h, h->vault, name, text, err);
}

static void w_rotate_keeps_id_node_and_ino(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    ino_t ino = stat_of(h, node).st_ino;
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_int_equal(stat_of(h, node).st_ino, ino);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_content(h, node, "\"revision\": 1");
}

static void w_rotate_another_identity_is_created_then_the_old_deleted(
    void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *old = fake_find(h->fake, "a.json");
    struct vf_node *node = look(h, h->vault, "a.json");
    fake_set_lag(h->fake, old, FAKE_STILL);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", spec_for(OTHER_URL)), 0);
    assert_trace(h, "create a.json; delete vcred_000002; ");
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_content(h, node, OTHER_URL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json "); /* though the old one lags */
    assert_content(h, node, OTHER_URL);
}

static void w_rotate_an_old_one_that_stays_is_told_and_seen(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_error err;
    const char *spec = spec_for(OTHER_URL);

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    struct vf_file *file = create(h, "a.json");
    assert_int_equal(
        vf_file_write(h->tree, file, spec, strlen(spec), 0, &caller, &err),
        -EACCES);
    assert_non_null(strstr(err.message, "could not be deleted"));
    assert_non_null(strstr(err.message, "the service says"));
    assert_int_equal(close_file(h, file), 0);
    assert_names(h, h->vault, "a.json a~000002.json ");
    assert_content(h, look(h, h->vault, "a.json"), OTHER_URL);
}

static void w_rotate_a_create_that_fails_deletes_nothing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EEXIST);
    assert_int_equal(save(h, "a.json", spec_for(OTHER_URL)), -EEXIST);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE), 0);
    assert_content(h, look(h, h->vault, "a.json"), HARNESS_URL);
}

static void w_rotate_404_and_gone_creates(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    const char *old = fake_find(h->fake, "a.json");
    fake_remove(h->fake, old);
    fake_set_lag(h->fake, old, FAKE_STILL);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    assert_int_equal(fake_count(h->fake, FAKE_GET), 1);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
}

static void w_rotate_404_and_gone_and_no_create_drops_the_name(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_remove(h->fake, fake_find(h->fake, "a.json"));
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    assert_int_equal(save(h, "a.json", SPEC), -EACCES);
    assert_names(h, h->vault, "");
}

static void archive(struct harness *h, const char *id)
{
    const struct vf_service service = fake_service(h->fake);

    assert_int_equal(service.ops->archive_credential(service.self, h->vault_id,
                                                     id, INT64_MAX, NULL),
                     0);
    fake_reset_counts(h->fake);
}

/* Somebody put it away: it is not there to be changed, and not ours to delete;
 * and nothing is learned from it about the service. */
static void w_rotate_404_and_archived_creates_and_deletes_nothing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *old = fake_find(h->fake, "a.json");
    archive(h, old);
    fake_fail_once(h->fake, FAKE_UPDATE, FAKE_BEFORE, ENOENT);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "update vcred_000002; create a.json; ");
    assert_true(fake_has(h->fake, old));
    assert_true(fake_is_archived(h->fake, old));
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "update vcred_000003; ");
}

static void w_edit_of_an_archived_one_is_enoent(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    const char *old = fake_find(h->fake, "a.json");
    archive(h, old);
    fake_fail_once(h->fake, FAKE_UPDATE, FAKE_BEFORE, ENOENT);
    assert_int_equal(write_to(h, "a.json", EDIT, &err), -ENOENT);
    assert_non_null(strstr(err.message, "only a whole document"));
    assert_true(fake_has(h->fake, old));
    assert_names(h, h->vault, "");
}

/* --- No update call --- */

static void w_rotate_a_404_for_what_is_there_means_no_update_call(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, ENOENT);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "update vcred_000002; create a.json; "
                    "delete vcred_000002; ");
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_content(h, node, "vcred_000003");
    /* And that is remembered. */
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create a.json; delete vcred_000003; ");
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 0);
}

static void w_rotate_a_405_means_no_update_call(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail_once(h->fake, FAKE_UPDATE, FAKE_BEFORE, EOPNOTSUPP);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "update vcred_000002; create a.json; delete vcred_000002; "
                    "create a.json; delete vcred_000003; ");
}

static void w_rotate_where_nobody_can_look_nothing_is_done(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, ENOENT);
    fake_fail(h->fake, FAKE_GET, FAKE_BEFORE, EREMOTEIO);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_trace(h, "update vcred_000002; ");
    assert_names(h, h->vault, "a.json ");
}

static void w_rotate_without_update_the_new_one_comes_first(void **state)
{
    struct harness *h = *state;

    fake_set_traits(h->fake, &old_service);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create a.json; delete vcred_000002; ");
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_true(fake_has(h->fake, "vcred_000003"));
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
}

static void w_rotate_a_service_without_duplicates_has_the_old_one_go_first(
    void **state)
{
    struct harness *h = *state;

    fake_set_traits(h->fake, &old_service);
    fake_set_unique(h->fake, true);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create a.json; delete vcred_000002; create a.json; ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 3);
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_names(h, h->vault, "a.json ");
}

static void w_rotate_an_old_one_that_cannot_go_first_stays(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_set_traits(h->fake, &old_service);
    fake_set_unique(h->fake, true);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EACCES);
    assert_int_equal(write_to(h, "a.json", SPEC, &err), -EACCES);
    assert_non_null(strstr(err.message, "the old one could not be deleted"));
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 2);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
}

static void w_rotate_an_old_one_that_went_for_nothing_is_told_and_seen(
    void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_set_traits(h->fake, &old_service);
    fake_set_unique(h->fake, true);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    /* The second of its creations. */
    fake_hold(h->fake, FAKE_DELETE, FAKE_AFTER);
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_DELETE, 1);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EREMOTEIO);
    fake_let_go(h->fake, FAKE_DELETE);
    assert_int_equal(task_join(&write), -EREMOTEIO);
    err = write.err;
    assert_non_null(strstr(err.message, "vcred_000002 is gone"));
    assert_non_null(strstr(err.message, "the service says EREMOTEIO"));
    assert_int_equal(err.http_status, 500);
    assert_int_equal(close_file(h, write.file), 0);
    assert_names(h, h->vault, "");
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
}

static void w_rotate_an_old_one_that_may_be_there_is_told(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_DELETE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(write_to(h, "a.json", spec_for(OTHER_URL), &err),
                     -ETIMEDOUT);
    assert_non_null(strstr(err.message, "may be there too"));
    assert_true(err.is_unknown);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), OTHER_URL);
}

static void w_rotate_what_is_gone_cannot_be_edited(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_remove(h->fake, "vcred_000002");
    fake_reset_counts(h->fake);
    assert_int_equal(write_to(h, "a.json",
                              "{\"auth\": {\"type\": \"static_bearer\", "
                              "\"mcp_server_url\": \"" HARNESS_URL
                              "\"}, \"metadata\": {\"a\": \"b\"}}",
                              &err),
                     -ENOENT);
    assert_non_null(strstr(err.message, "is gone"));
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 0);
    assert_names(h, h->vault, "");
}

/* --- Reasons --- */

static void a_refused_duplicate_says_which_file_holds_the_url(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_set_unique(h->fake, true);
    assert_int_equal(save(h, "github.json", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(write_to(h, "b.json", SPEC, &err), -EEXIST);
    assert_non_null(strstr(
        err.message, "prod/github.json has a credential for this URL: the "
                     "service says there is one"));
    assert_int_equal(err.http_status, 409);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_names(h, h->vault, "github.json ");
}

static void a_holder_that_was_made_elsewhere_is_looked_for(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_set_unique(h->fake, true);
    assert_int_equal(look_up(h, h->vault, "b.json"), -ENOENT);
    fake_set_page_size(h->fake, 1);
    fake_add(h->fake, h->vault_id, "new.json", HARNESS_URL);
    fake_add(h->fake, h->vault_id, "other.json", OTHER_URL);
    assert_int_equal(write_to(h, "b.json", SPEC, &err), -EEXIST);
    assert_non_null(strstr(err.message, "prod/new.json has a credential"));
}

static void the_holder_of_a_variable_is_named(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_set_unique(h->fake, true);
    assert_int_equal(save(h, "npm.json", VARIABLE), 0);
    assert_int_equal(write_to(h, "b.json", VARIABLE, &err), -EEXIST);
    assert_non_null(strstr(err.message,
                           "prod/npm.json has a credential for this variable"));
}

static void a_replacement_whose_url_is_taken_deletes_nothing(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_set_unique(h->fake, true);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    assert_int_equal(write_to(h, "a.json", spec_for(OTHER_URL), &err), -EEXIST);
    assert_non_null(strstr(err.message, "prod/b.json has"));
    assert_int_equal(fake_count(h->fake, FAKE_DELETE), 0);
    assert_names(h, h->vault, "a.json b.json ");
    assert_content(h, look(h, h->vault, "a.json"), HARNESS_URL);
}

static void a_full_vault_is_edquot(void **state)
{
    const struct vf_service_traits small = {
        .has_keys = true, .can_update_credential = true, .credentials_max = 2};
    struct harness *h = *state;
    struct vf_error err;

    fake_set_traits(h->fake, &small);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    /* The other one is not known here yet. */
    fake_add(h->fake, h->vault_id, "b.json", OTHER_URL);
    assert_int_equal(
        write_to(h, "c.json", spec_for("https://c.example.com/"), &err),
        -EDQUOT);
    assert_int_equal(err.code, EDQUOT);
    assert_non_null(strstr(err.message, "holds 2 credentials"));
    assert_non_null(strstr(err.message, "the vault is full"));
    /* Other refusals are what they are. */
    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, EINVAL);
    assert_int_equal(save(h, "a.json", SPEC), -EINVAL);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EACCES);
    assert_int_equal(save(h, "c.json", SPEC), -EACCES);
}

static void a_refusal_that_names_a_field_stays_einval(void **state)
{
    const struct vf_service_traits small = {
        .has_keys = true, .can_update_credential = true, .credentials_max = 1};
    struct harness *h = *state;

    fake_set_traits(h->fake, &small);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EINVAL);
    fake_set_param(h->fake, "auth.token");
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), -EINVAL);
}

static void what_was_deleted_first_is_not_named_as_the_holder(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_set_traits(h->fake, &old_service);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EEXIST);
    assert_int_equal(write_to(h, "a.json", SPEC, &err), -EEXIST);
    assert_null(strstr(err.message, "prod/a.json has"));
    assert_non_null(strstr(err.message, "is gone"));
    assert_names(h, h->vault, "");
}

static void a_refusal_below_the_limit_stays_einval(void **state)
{
    const struct vf_service_traits small = {
        .has_keys = true, .can_update_credential = true, .credentials_max = 2};
    struct harness *h = *state;

    fake_set_traits(h->fake, &small);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EINVAL);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), -EINVAL);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_rotate_keeps_id_node_and_ino),
        TEST(w_rotate_another_identity_is_created_then_the_old_deleted),
        TEST(w_rotate_an_old_one_that_stays_is_told_and_seen),
        TEST(w_rotate_a_create_that_fails_deletes_nothing),
        TEST(w_rotate_404_and_gone_creates),
        TEST(w_rotate_404_and_gone_and_no_create_drops_the_name),
        TEST(w_rotate_404_and_archived_creates_and_deletes_nothing),
        TEST(w_edit_of_an_archived_one_is_enoent),
        TEST(w_rotate_a_404_for_what_is_there_means_no_update_call),
        TEST(w_rotate_a_405_means_no_update_call),
        TEST(w_rotate_where_nobody_can_look_nothing_is_done),
        TEST(w_rotate_without_update_the_new_one_comes_first),
        TEST(w_rotate_a_service_without_duplicates_has_the_old_one_go_first),
        TEST(w_rotate_an_old_one_that_cannot_go_first_stays),
        TEST(w_rotate_an_old_one_that_went_for_nothing_is_told_and_seen),
        TEST(w_rotate_an_old_one_that_may_be_there_is_told),
        TEST(w_rotate_what_is_gone_cannot_be_edited),
        TEST(a_refused_duplicate_says_which_file_holds_the_url),
        TEST(a_holder_that_was_made_elsewhere_is_looked_for),
        TEST(the_holder_of_a_variable_is_named),
        TEST(a_replacement_whose_url_is_taken_deletes_nothing),
        TEST(a_full_vault_is_edquot),
        TEST(a_refusal_that_names_a_field_stays_einval),
        TEST(what_was_deleted_first_is_not_named_as_the_holder),
        TEST(a_refusal_below_the_limit_stays_einval),
    };

    return cmocka_run_group_tests_name("tree rotations", tests, NULL, NULL);
}
