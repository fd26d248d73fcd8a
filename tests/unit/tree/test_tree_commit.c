/* SPDX-License-Identifier: MIT
 *
 * What a complete document does (W-commit, W-create).
 */
#include <errno.h>

#include "harness.h"

static const int codes[] = {
    EKEYREJECTED, EKEYEXPIRED,  EACCES,       ENOENT,  EINVAL,    EOPNOTSUPP,
    EEXIST,       EBUSY,        EFBIG,        EDQUOT,  EREMOTEIO, ETIMEDOUT,
    EPROTO,       ECONNREFUSED, EHOSTUNREACH, EBADMSG,
};

#define FOR_EACH(code)                                                         \
    for (size_t i_ = 0;                                                        \
         i_ < sizeof(codes) / sizeof(codes[0]) && ((code) = codes[i_], 1);     \
         i_++)

static void w_commit_a_failed_create_tells_and_leaves_no_name(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_error err;
    int code;

    FOR_EACH(code)
    {
        struct vf_file *file = create(h, "a.json");
        const char *spec = SPEC;

        fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, code);
        assert_int_equal(
            vf_file_write(h->tree, file, spec, strlen(spec), 0, &caller, &err),
            -code);
        assert_int_equal(err.code, code);
        assert_non_null(strstr(err.message, "the service says"));
        assert_int_equal(close_file(h, file), 0);
        assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
        assert_names(h, h->vault, "");
    }
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 0); /* the caller was told */
}

static void w_commit_a_failed_rotation_leaves_the_credential(void **state)
{
    struct harness *h = *state;
    int code;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    FOR_EACH(code)
    {
        if (code == ENOENT || code == EOPNOTSUPP)
            continue; /* there is more to be done */
        fake_fail(h->fake, FAKE_UPDATE, FAKE_BEFORE, code);
        assert_int_equal(save(h, "a.json", SPEC), -code);
        assert_names(h, h->vault, "a.json ");
        assert_content(h, node, "\"revision\": 0");
    }
}

static void w_commit_a_lost_reply_is_looked_for(void **state)
{
    struct harness *h = *state;

    fake_fail(h->fake, FAKE_CREATE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(save(h, "a.json", SPEC), -ETIMEDOUT);
    assert_names(h, h->vault, "a.json ");
    fake_fail(h->fake, FAKE_UPDATE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(save(h, "a.json", SPEC), -ETIMEDOUT);
    struct vf_node *node = look(h, h->vault, "a.json");
    assert_content(h, node, "\"revision\": 1");
}

static void w_create_the_draft_becomes_the_credential(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct vf_node *node = look(h, h->vault, "a.json");

    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_true(stat_of(h, node).st_size > 0);
    assert_int_equal(stat_of(h, node).st_mode & 0777, 0600);
    assert_int_equal(close_file(h, file), 0);
    assert_trace(h, "create a.json; ");
}

static void w_draft_commits_of_one_name_are_serial(void **state)
{
    struct harness *h = *state;
    struct vf_file *a = create(h, "a.json"), *b = create(h, "a.json");
    struct vf_file *c = create(h, "c.json");
    struct task first = {.h = h, .file = a, .text = SPEC, .run = run_write};
    struct task second = {.h = h, .file = b, .text = SPEC, .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_AFTER);
    task_start(&first);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    task_start(&second);
    task_wait_waiting(&second);
    /* Another name does not wait. */
    struct task other = {.h = h, .file = c, .text = SPEC, .run = run_write};
    task_start(&other);
    fake_wait_held(h->fake, FAKE_CREATE, 2);
    assert_trace(h, "create a.json; create c.json; ");
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&first), 0);
    assert_int_equal(task_join(&second), 0);
    assert_int_equal(task_join(&other), 0);
    assert_trace(h, "create a.json; create c.json; update vcred_000002; ");
    assert_int_equal(close_file(h, a), 0);
    assert_int_equal(close_file(h, b), 0);
    assert_int_equal(close_file(h, c), 0);
}

static void w_draft_a_failure_before_does_not_fail_the_next(void **state)
{
    struct harness *h = *state;
    struct vf_file *a = create(h, "a.json"), *b = create(h, "a.json");

    assert_int_equal(put(h, a, "x", 0), -EINVAL);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(put(h, b, SPEC, 0), 0);
    assert_int_equal(close_file(h, a), 0);
    assert_int_equal(close_file(h, b), 0);
    assert_names(h, h->vault, "a.json ");
    assert_true(stat_of(h, look(h, h->vault, "a.json")).st_size > 0);
}

static void w_create_a_name_made_elsewhere_meanwhile_is_rotated(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct vf_node *draft = look(h, h->vault, "a.json");

    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
    assert_ptr_equal(look(h, h->vault, "a.json"), draft);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_trace(h, "update vcred_000002; ");
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

static void w_create_a_listing_may_show_it_before_the_reply(void **state)
{
    struct harness *h = *state;
    struct vf_file *file = create(h, "a.json");
    struct vf_node *draft = look(h, h->vault, "a.json");
    struct task write = {.h = h, .file = file, .text = SPEC, .run = run_write};

    fake_hold(h->fake, FAKE_CREATE, FAKE_AFTER);
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_ptr_equal(look(h, h->vault, "a.json"), draft);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(vf_tree_count(h->tree), 2);
    /* And it counts as made here. */
    fake_set_lag(h->fake, fake_find(h->fake, "a.json"), FAKE_NOT_YET);
    harness_advance_ms(30000);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(close_file(h, file), 0);
}

static void w_create_an_open_file_outlives_its_name_elsewhere(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    struct vf_file *file = open_for(h, node, O_WRONLY);
    harness_advance_ms(60000);
    fake_remove(h->fake, fake_find(h->fake, "a.json"));
    assert_names(h, h->vault, "");
    fake_reset_counts(h->fake);
    assert_int_equal(put(h, file, SPEC, 0), 0);
    assert_trace(h, "create a.json; ");
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_int_equal(close_file(h, file), 0);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_commit_a_failed_create_tells_and_leaves_no_name),
        TEST(w_commit_a_failed_rotation_leaves_the_credential),
        TEST(w_commit_a_lost_reply_is_looked_for),
        TEST(w_create_the_draft_becomes_the_credential),
        TEST(w_draft_commits_of_one_name_are_serial),
        TEST(w_draft_a_failure_before_does_not_fail_the_next),
        TEST(w_create_a_name_made_elsewhere_meanwhile_is_rotated),
        TEST(w_create_a_listing_may_show_it_before_the_reply),
        TEST(w_create_an_open_file_outlives_its_name_elsewhere),
    };

    return cmocka_run_group_tests_name("tree commits", tests, NULL, NULL);
}
