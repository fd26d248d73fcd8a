/* SPDX-License-Identifier: MIT
 *
 * One write is one credential, also where the service has no keys
 * (W-idempotent).
 */
#include <errno.h>

#include "harness.h"

#define OTHER_URL "https://other.example.com/mcp"

static const struct vf_service_traits keyless = {.dialect = "keyless",
                                                 .can_update_credential = true};

static int setup_keyless(void **state)
{
    harness_setup_vault(state);
    struct harness *h = *state;

    fake_set_traits(h->fake, &keyless);
    return 0;
}

static void w_idempotent_a_look_finds_what_was_made(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create a.json; update vcred_000002; ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
}

/* Write a.json; while the request is on its way to nowhere, another client
 * makes one of that name for the same purpose, but with a secret of its own. */
static int race_for_name(struct harness *h, const char **ret_other,
                         struct vf_error *err)
{
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, ETIMEDOUT);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    *ret_other = fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    fake_let_go(h->fake, FAKE_CREATE);
    int result = task_join(&write);
    *err = write.err;
    assert_int_equal(close_file(h, write.file), 0);
    return result;
}

static void w_idempotent_what_a_look_finds_gets_our_secret(void **state)
{
    struct harness *h = *state;
    struct vf_error err;
    const char *other;

    assert_int_equal(race_for_name(h, &other, &err), 0);
    assert_string_equal(fake_secret(h->fake, other), "t0ken");
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
}

static void w_idempotent_what_a_look_finds_may_not_be_ours(void **state)
{
    struct harness *h = *state;
    struct vf_error err;
    const char *other;

    fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, EACCES);
    assert_int_equal(race_for_name(h, &other, &err), -EACCES);
    assert_true(err.is_unknown);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_names(h, h->vault, "a.json ");
}

/* Where nothing can be updated it is replaced, and that has an end. */
static void w_idempotent_what_a_look_finds_is_replaced_once(void **state)
{
    struct harness *h = *state;

    fake_set_traits(h->fake, &(struct vf_service_traits){.dialect = "none"});
    fake_fail(h->fake, FAKE_CREATE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "create a.json; create a.json; delete vcred_000002; ");
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
}

static void w_idempotent_every_page_is_looked_at(void **state)
{
    struct harness *h = *state;

    fake_set_page_size(h->fake, 1);
    fake_hold(h->fake, FAKE_CREATE, FAKE_AFTER);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_AFTER, ETIMEDOUT);
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_add(h->fake, h->vault_id, "b.json", HARNESS_URL);
    fake_add(h->fake, h->vault_id, "c.json", OTHER_URL);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
}

static void w_idempotent_what_never_came_is_sent_again(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, ETIMEDOUT);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 2);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

/* Neither one that was there before, nor one that is for something else, nor
 * one that was deleted here and is still listed. */
static void w_idempotent_no_other_is_taken_for_it(void **state)
{
    struct harness *h = *state;

    fake_add(h->fake, h->vault_id, NULL, HARNESS_URL);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_set_lag(h->fake, fake_find(h->fake, "a.json"), FAKE_STILL);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "label.json ");
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, ETIMEDOUT);
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_add(h->fake, h->vault_id, "a.json", OTHER_URL);
    fake_add(h->fake, h->vault_id, "b.json", HARNESS_URL);
    fake_reset_counts(h->fake);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1); /* the second */
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000006");
}

static void w_idempotent_one_without_a_name_is_known_by_its_url(void **state)
{
    struct harness *h = *state;

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, ETIMEDOUT);
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_add(h->fake, h->vault_id, NULL, HARNESS_URL);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_names(h, h->vault, "a.json ");
}

static void w_idempotent_a_listing_may_be_faster(void **state)
{
    struct harness *h = *state;

    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, ETIMEDOUT);
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = SPEC, .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_add(h->fake, h->vault_id, NULL, HARNESS_URL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json label.json ");
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
}

static void w_idempotent_two_lost_answers_are_told(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, ETIMEDOUT);
    assert_int_equal(save_in(h, h->vault, "a.json", SPEC, &err), -ETIMEDOUT);
    assert_true(err.is_unknown);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 2);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 2);
    assert_names(h, h->vault, "");
}

static void w_idempotent_nobody_guesses_without_a_look(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_fail(h->fake, FAKE_CREATE, FAKE_AFTER, ETIMEDOUT);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save_in(h, h->vault, "a.json", SPEC, &err), -ETIMEDOUT);
    assert_true(err.is_unknown);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
}

static void w_idempotent_the_deadline_is_for_all_attempts(void **state)
{
    struct vf_tree_options options = harness_options();

    options.timeout_ms = 0;
    struct harness *h = harness_new(&options);
    *state = h;
    harness_look_at_vault(h);
    fake_set_traits(h->fake, &keyless);
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, ETIMEDOUT);
    assert_int_equal(save(h, "a.json", SPEC), -ETIMEDOUT);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
}

static void w_idempotent_a_refusal_is_not_repeated(void **state)
{
    struct harness *h = *state;

    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
}

static void w_idempotent_a_vault_is_looked_for(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(make_vault(h, "v"), 0);
    assert_int_equal(fake_size(h->fake, ""), 2);
    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE, ETIMEDOUT);
    assert_int_equal(make_vault(h, "w"), 0);
    assert_int_equal(fake_size(h->fake, ""), 3);
    assert_names(h, h->root, "prod v w ");
}

#define BEARER(host)                                                           \
    "{\"auth\": {\"type\": \"static_bearer\", \"mcp_server_url\": "            \
    "\"https://" host "/\", \"token\": \"t\"}, \"metadata\": "                 \
    "{\"vaultfs.name\": \"" host ".json\"}}"
#define TWO "{\"credentials\": [" BEARER("a") ", " BEARER("b") "]}"

/* Write a spec for "v" that never comes to the service, while another client
 * makes a vault of this name, with a credential for each of the URLs. */
static int race(struct harness *h, const char *text, const char *const *urls,
                struct vf_error *err)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct task write = {.h = h, .text = text, .run = run_write};

    assert_int_equal(vf_tree_create(h->tree, h->root, "v.json", O_WRONLY,
                                    &caller, &entry, &write.file, NULL),
                     0);
    vf_tree_forget(h->tree, entry.node, 1);
    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE);
    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE, ETIMEDOUT);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    const char *vault = fake_add_vault(h->fake, "v");
    for (; *urls != NULL; urls++)
        fake_add(h->fake, vault, NULL, *urls);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    int result = task_join(&write);
    *err = write.err;
    assert_int_equal(close_file(h, write.file), 0);
    return result;
}

/* It is neither filled nor deleted, and nobody is told that all went well. */
static void assert_others(struct harness *h, const char *text,
                          const char *const *urls)
{
    struct vf_error err;
    size_t count = 0;

    while (urls[count] != NULL)
        count++;
    assert_int_equal(race(h, text, urls, &err), -EEXIST);
    assert_true(err.is_unknown);
    assert_non_null(strstr(err.message, "not what was sent"));
    assert_trace(h, "create v; ");
    assert_int_equal(fake_size(h->fake, fake_find(h->fake, "v")), count);
    assert_names(h, h->root, "prod v ");
}

static void w_vault_one_that_holds_something_is_not_taken_for_ours(void **state)
{
    static const char *const urls[] = {"https://a/", NULL};

    assert_others(*state, TWO, urls);
}

static void w_vault_one_with_other_metadata_is_not_taken_for_ours(void **state)
{
    static const char *const urls[] = {NULL};

    assert_others(*state, "{\"metadata\": {\"team\": \"core\"}}", urls);
}

static const struct vf_service_traits taking = {.takes_credentials_with_vault =
                                                    true};

static void w_vault_one_that_lacks_what_was_sent_is_not_taken_for_ours(
    void **state)
{
    static const char *const urls[] = {"https://a/", "https://c/", NULL};
    struct harness *h = *state;

    fake_set_traits(h->fake, &taking);
    assert_others(h, TWO, urls);
}

static void w_vault_one_that_holds_more_is_not_taken_for_ours(void **state)
{
    static const char *const urls[] = {"https://a/", "https://b/", "https://c/",
                                       NULL};
    struct harness *h = *state;

    fake_set_traits(h->fake, &taking);
    assert_others(h, TWO, urls);
}

static void w_vault_one_that_a_look_found_is_filled(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(save_in(h, h->root, "v.json", TWO, NULL), 0);
    assert_trace(h, "create v; create a.json; create b.json; ");
    assert_names(h, look(h, h->root, "v"), "a.json b.json ");
}

static void w_vault_one_that_a_look_found_is_never_deleted(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, ETIMEDOUT);
    fake_fail_after(h->fake, FAKE_CREATE, 1, EINVAL);
    assert_int_equal(save_in(h, h->root, "v.json", TWO, &err), -EINVAL);
    assert_string_equal(err.param, "credentials[1]");
    assert_non_null(strstr(err.message, "may be another's"));
    assert_trace(h, "create v; create a.json; create b.json; ");
    assert_names(h, h->root, "prod v ");
    assert_names(h, look(h, h->root, "v"), "a.json ");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, setup_keyless, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_idempotent_a_look_finds_what_was_made),
        TEST(w_idempotent_what_a_look_finds_gets_our_secret),
        TEST(w_idempotent_what_a_look_finds_may_not_be_ours),
        TEST(w_idempotent_what_a_look_finds_is_replaced_once),
        TEST(w_idempotent_every_page_is_looked_at),
        TEST(w_idempotent_what_never_came_is_sent_again),
        TEST(w_idempotent_no_other_is_taken_for_it),
        TEST(w_idempotent_one_without_a_name_is_known_by_its_url),
        TEST(w_idempotent_a_listing_may_be_faster),
        TEST(w_idempotent_two_lost_answers_are_told),
        TEST(w_idempotent_nobody_guesses_without_a_look),
        cmocka_unit_test_teardown(w_idempotent_the_deadline_is_for_all_attempts,
                                  harness_teardown),
        TEST(w_idempotent_a_refusal_is_not_repeated),
        TEST(w_idempotent_a_vault_is_looked_for),
        TEST(w_vault_one_that_holds_something_is_not_taken_for_ours),
        TEST(w_vault_one_with_other_metadata_is_not_taken_for_ours),
        TEST(w_vault_one_that_lacks_what_was_sent_is_not_taken_for_ours),
        TEST(w_vault_one_that_holds_more_is_not_taken_for_ours),
        TEST(w_vault_one_that_a_look_found_is_filled),
        TEST(w_vault_one_that_a_look_found_is_never_deleted),
    };

    return cmocka_run_group_tests_name("tree keyless", tests, NULL, NULL);
}
