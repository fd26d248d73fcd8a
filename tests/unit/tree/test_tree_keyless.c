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
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000002");
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
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

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, setup_keyless, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_idempotent_a_look_finds_what_was_made),
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
    };

    return cmocka_run_group_tests_name("tree keyless", tests, NULL, NULL);
}
