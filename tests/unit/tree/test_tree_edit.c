/* SPDX-License-Identifier: MIT
 *
 * What was read can be written back changed (W-edit); what cannot be taken is
 * refused before anything is sent (W-strict).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define OTHER_URL "https://other.example.com/mcp"
#define EDIT(more)                                                             \
    "{\"auth\": {\"type\": \"static_bearer\", \"mcp_server_url\": "            \
    "\"" HARNESS_URL "\"}" more "}"

static int write_to(struct harness *h, const char *name, const char *text,
                    struct vf_error *err)
{
    return save_in(h, h->vault, name, text, err);
}

/* What a reader sees, to be freed, with a part of it replaced. */
static char *text_of(struct harness *h, const char *name, const char *part,
                     const char *by)
{
    struct vf_file *file = open_for(h, look(h, h->vault, name), O_RDONLY);
    char text[1024], *edited = NULL;
    ssize_t size = vf_file_read(h->tree, file, text, sizeof(text) - 1, 0, NULL);

    text[size] = '\0';
    assert_int_equal(close_file(h, file), 0);
    const char *at = strstr(text, part);
    assert_non_null(at);
    assert_true(asprintf(&edited, "%.*s%s%s", (int)(at - text), text, by,
                         at + strlen(part)) > 0);
    return edited;
}

static void w_edit_metadata_is_one_request_and_keeps_id_and_secret(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    char *edited = text_of(h, "a.json", "{}", "{\"team\": \"core\"}");
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", edited), 0);
    assert_trace(h, "update vcred_000002; ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_string_equal(fake_metadata(h->fake, "vcred_000002"),
                        "{\"team\":\"core\"}");
    assert_string_equal(fake_secret(h->fake, "vcred_000002"), "t0ken");
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_content(h, node, "\"team\":\"core\"");
    free(edited);
}

static void w_edit_without_a_difference_sends_nothing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    char *same = text_of(h, "a.json", "}", "}");
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", same), 0);
    assert_int_equal(save(h, "a.json", EDIT()), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_names(h, h->vault, "a.json ");
    free(same);
}

static void w_edit_with_the_secret_rotates_it(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    char *edited = text_of(h, "a.json", "\"auth\": {",
                           "\"auth\": {\"token\": \"second\", ");
    assert_int_equal(save(h, "a.json", edited), 0);
    assert_string_equal(fake_secret(h->fake, "vcred_000002"), "second");
    free(edited);
}

static void w_edit_a_changed_field_that_cannot_change_is_refused(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    char *edited = text_of(h, "a.json", "\"revision\": 0", "\"revision\": 7");
    fake_reset_counts(h->fake);
    assert_int_equal(write_to(h, "a.json", edited, &err), -EINVAL);
    assert_string_equal(err.param, "revision");
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0); /* nor listed again */
    free(edited);
}

static void w_edit_a_new_name_needs_the_secret(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    assert_int_equal(write_to(h, "a.json", EDIT(), &err), -EINVAL);
    assert_string_equal(err.param, "auth.token");
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_names(h, h->vault, "");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_edit_another_identity_needs_the_secret(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    char *edited = text_of(h, "a.json", HARNESS_URL, OTHER_URL);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", edited), -EINVAL);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    free(edited);
}

static void w_edit_where_the_service_cannot_is_eopnotsupp(void **state)
{
    const struct vf_service_traits old = {.has_keys = true};
    struct harness *h = *state;
    struct vf_error err;

    fake_set_traits(h->fake, &old);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(
        write_to(h, "a.json", EDIT(", \"metadata\": {\"a\": \"b\"}"), &err),
        -EOPNOTSUPP);
    assert_non_null(strstr(err.message, "with its secrets"));
    assert_int_equal(save(h, "a.json", EDIT()), 0); /* there is nothing to do */
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void w_edit_where_the_service_turns_out_to_be_unable_is_eopnotsupp(
    void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, ENOENT);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", EDIT(", \"metadata\": {\"a\": \"b\"}")),
                     -EOPNOTSUPP);
    assert_trace(h, "update vcred_000002; ");
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

static void w_edit_the_document_is_read_against_what_is_there_in_its_turn(
    void **state)
{
    struct harness *h = *state;
    struct vf_file *a = create(h, "a.json"), *b = create(h, "a.json");
    struct task first = {.h = h, .file = a, .text = SPEC, .run = run_write};
    struct task second = {.h = h,
                          .file = b,
                          .text = EDIT(", \"metadata\": {\"team\": \"core\"}"),
                          .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_AFTER);
    task_start(&first);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_start(&second);
    task_wait_waiting(&second);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&first), 0);
    assert_int_equal(task_join(&second), 0);
    assert_trace(h, "create a.json; update vcred_000002; ");
    assert_string_equal(fake_secret(h->fake, "vcred_000002"), "t0ken");
    assert_int_equal(close_file(h, a), 0);
    assert_int_equal(close_file(h, b), 0);
}

static void w_strict_a_refused_document_leaves_what_is_there(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    unsigned dropped = harness_secrets_dropped();
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", "{\"nonsense\": 1}"), -EINVAL);
    assert_true(harness_secrets_dropped() > dropped);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
}

static void the_document_is_wiped_before_it_is_sent(void **state)
{
    struct harness *h = *state;
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    unsigned before = harness_secrets_dropped();

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    assert_int_equal(harness_secrets_dropped(), before + 1);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
}

static void w_delete_a_document_without_its_secret_names_what_was_deleted(
    void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {.tid = gettid()};
    struct vf_error err;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(vf_tree_unlink(h->tree, h->vault, "a.json", &caller, NULL),
                     0);
    assert_int_equal(write_to(h, "a.json", EDIT(), &err), -EINVAL);
    assert_non_null(strstr(err.message, "vcred_000002"));
    assert_string_equal(err.param, "auth.token");
    /* Of another name, nothing is known. */
    assert_int_equal(write_to(h, "b.json", EDIT(), &err), -EINVAL);
    assert_null(strstr(err.message, "vcred_000002"));
}

/* --- Editors (E-park) --- */

static void e_park_a_new_file_rotates_the_parked_one(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "update vcred_000002; ");
    assert_names(h, h->vault, "a.json a.json~ ");
    assert_content(h, look(h, h->vault, "a.json"), "\"revision\": 1");
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_true(fake_has(h->fake, "vcred_000002"));
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
}

static void e_park_an_edit_keeps_the_secret_of_the_parked_one(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    char *edited = text_of(h, "a.json", "{}", "{\"team\": \"core\"}");
    char *same = text_of(h, "a.json", "}", "}");
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", edited), 0);
    assert_trace(h, "update vcred_000002; ");
    assert_string_equal(fake_secret(h->fake, "vcred_000002"), "t0ken");
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_true(fake_has(h->fake, "vcred_000002"));
    free(edited);
    free(same);
}

static void e_park_what_is_written_back_unchanged_sends_nothing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    char *same = text_of(h, "a.json", "}", "}");
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", same), 0);
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
    free(same);
}

static void e_park_another_identity_leaves_the_parked_one_alone(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", spec_for(OTHER_URL)), 0);
    assert_trace(h, "create a.json; ");
    assert_content(h, look(h, h->vault, "a.json"), OTHER_URL);
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_trace(h, "create a.json; delete vcred_000002; ");
    assert_names(h, h->vault, "a.json ");
}

static void e_park_a_failure_leaves_the_parked_one_to_be_restored(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_int_equal(rename_name(h, "a.json~", "a.json"), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
}

static void e_park_the_same_handle_may_try_again(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    struct vf_file *file = create(h, "a.json");
    struct vf_node *draft = look(h, h->vault, "a.json");
    assert_int_equal(put(h, file, "{\"nonsense\": 1}", 0), -EINVAL);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(vf_file_truncate(h->tree, file, 0, &caller, NULL), 0);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_ptr_equal(look(h, h->vault, "a.json"), draft);
    assert_content(h, draft, "\"revision\": 1");
}

static void e_park_without_update_the_parked_one_goes(void **state)
{
    const struct vf_service_traits old = {.has_keys = true};
    struct harness *h = *state;

    fake_set_traits(h->fake, &old);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_trace(h, "create a.json; delete vcred_000002; ");
    assert_names(h, h->vault, "a.json ");
}

static void e_park_one_that_is_gone_elsewhere_is_made_again(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_remove(h->fake, "vcred_000002");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(unlink_name(h, "a.json~"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_DELETE), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
}

static void e_park_a_write_to_the_parked_name_rotates_it_there(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    fake_reset_counts(h->fake);
    struct vf_file *file = open_for(h, look(h, h->vault, "a.json~"), O_WRONLY);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    assert_trace(h, "update vcred_000002; ");
    assert_string_equal(fake_find(h->fake, "a.json"), "vcred_000002");
    assert_int_equal(rename_name(h, "a.json~", "a.json"), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "\"revision\": 1");
}

static void e_park_a_write_to_the_parked_name_may_change_its_id(void **state)
{
    const struct vf_service_traits old = {.has_keys = true};
    struct harness *h = *state;

    fake_set_traits(h->fake, &old);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    struct vf_file *file = open_for(h, look(h, h->vault, "a.json~"), O_WRONLY);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_int_equal(close_file(h, file), 0);
    fake_reset_counts(h->fake);
    assert_int_equal(rename_name(h, "a.json~", "a.json"), 0); /* restores */
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
}

static void e_park_writes_to_both_names_are_serial(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    struct task parked = {
        .h = h,
        .file = open_for(h, look(h, h->vault, "a.json~"), O_WRONLY),
        .text = SPEC,
        .run = run_write};
    struct task home = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};

    fake_hold(h->fake, FAKE_UPDATE, FAKE_BEFORE);
    task_start(&parked);
    fake_wait_held(h->fake, FAKE_UPDATE, 1);
    task_start(&home);
    task_wait_waiting(&home);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    fake_let_go(h->fake, FAKE_UPDATE);
    assert_int_equal(task_join(&parked), 0);
    assert_int_equal(task_join(&home), 0);
    assert_int_equal(close_file(h, parked.file), 0);
    assert_int_equal(close_file(h, home.file), 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_content(h, look(h, h->vault, "a.json"), "\"revision\": 2");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_edit_metadata_is_one_request_and_keeps_id_and_secret),
        TEST(w_edit_without_a_difference_sends_nothing),
        TEST(w_edit_with_the_secret_rotates_it),
        TEST(w_edit_a_changed_field_that_cannot_change_is_refused),
        TEST(w_edit_a_new_name_needs_the_secret),
        TEST(w_edit_another_identity_needs_the_secret),
        TEST(w_edit_where_the_service_cannot_is_eopnotsupp),
        TEST(w_edit_where_the_service_turns_out_to_be_unable_is_eopnotsupp),
        TEST(w_edit_the_document_is_read_against_what_is_there_in_its_turn),
        TEST(w_strict_a_refused_document_leaves_what_is_there),
        TEST(the_document_is_wiped_before_it_is_sent),
        TEST(w_delete_a_document_without_its_secret_names_what_was_deleted),
        TEST(e_park_a_new_file_rotates_the_parked_one),
        TEST(e_park_an_edit_keeps_the_secret_of_the_parked_one),
        TEST(e_park_what_is_written_back_unchanged_sends_nothing),
        TEST(e_park_another_identity_leaves_the_parked_one_alone),
        TEST(e_park_a_failure_leaves_the_parked_one_to_be_restored),
        TEST(e_park_the_same_handle_may_try_again),
        TEST(e_park_without_update_the_parked_one_goes),
        TEST(e_park_one_that_is_gone_elsewhere_is_made_again),
        TEST(e_park_a_write_to_the_parked_name_rotates_it_there),
        TEST(e_park_a_write_to_the_parked_name_may_change_its_id),
        TEST(e_park_writes_to_both_names_are_serial),
    };

    return cmocka_run_group_tests_name("tree edits", tests, NULL, NULL);
}
