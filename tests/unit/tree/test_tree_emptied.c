/* SPDX-License-Identifier: MIT
 *
 * The listing of a vault that was emptied by who has it open: it is fetched at
 * once, for the removal that follows.
 */
#include <errno.h>
#include <sched.h>

#include "harness.h"
#include "internal.h"
#include "row.h"

/* All that it holds is deleted, one after another, while it is open or not. */
static void empty_vault(struct harness *h, int i, bool is_open)
{
    struct vf_snapshot *snapshot = NULL;

    fake_add(h->fake, vaults[i].id, "b.json", HARNESS_URL);
    h->vault = vaults[i].node;
    visit(h, i);
    if (is_open)
        assert_int_equal(vf_tree_opendir(h->tree, h->vault,
                                         &(struct vf_caller){0}, &snapshot,
                                         NULL),
                         0);
    fake_reset_counts(h->fake);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    harness_wait_idle(h);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    fake_hold_list(h->fake, vaults[i].id);
    assert_int_equal(unlink_name(h, "b.json"), 0);
    vf_snapshot_free(h->tree, snapshot);
}

static void who_empties_an_open_vault_need_not_wait_to_remove_it(void **state)
{
    struct harness *h = *state;

    empty_vault(h, 4, true);
    let_go(h, 4, 5);
    harness_wait_idle(h);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    assert_int_equal(remove_vault(h, vaults[4].name), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 2 + 1 + 1);
    assert_int_equal(stats(h).ahead_unused, 0);
}

static void who_removes_the_last_of_a_vault_asks_for_nothing_else(void **state)
{
    struct harness *h = *state;

    empty_vault(h, 4, false);
    let_go(h, 4, 5);
    harness_wait_idle(h);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 2);
    assert_int_equal(remove_vault(h, vaults[4].name), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 2 + 1 + 1);
}

static void what_came_in_elsewhere_keeps_the_vault(void **state)
{
    struct harness *h = *state;
    struct task task = {
        .h = h, .node = h->root, .name = vaults[4].name, .run = run_rmdir};

    empty_vault(h, 4, true);
    wait_listed(h, 4);
    task_start(&task);
    task_wait_waiting(&task);
    fake_add(h->fake, vaults[4].id, "new.json", HARNESS_URL);
    let_go(h, 4, 5);
    assert_int_equal(task_join(&task), -ENOTEMPTY);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    assert_names(h, vaults[4].node, "new.json ");
}

/* A moment after the listing came, or with a refresh behind it. */
static void what_came_in_later_keeps_the_vault_too(void **state)
{
    struct harness *h = *state;

    for (int i = 4; i < 6; i++) {
        empty_vault(h, i, true);
        let_go(h, i, i + 1);
        harness_wait_idle(h);
        fake_add(h->fake, vaults[i].id, "new.json", HARNESS_URL);
        if (i == 4)
            harness_advance_ms(1000);
        else
            vf_tree_refresh(h->tree);
        assert_int_equal(remove_vault(h, vaults[i].name), -ENOTEMPTY);
        assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 2);
    }
}

/* Whether its listing tells so, which is on its way or not asked for again, or
 * the service when it is to go. */
static void a_vault_that_others_removed_meanwhile_counts_as_removed(
    void **state)
{
    struct harness *h = *state;
    enum { BEFORE_LISTING, WHILE_JOINED, AFTER_LISTING, ROUNDS };

    for (int k = 0; k < 2 * ROUNDS; k++) {
        int i = VAULTS - 1 - 5 * k; /* no walk */
        struct task task = {
            .h = h, .node = h->root, .name = vaults[i].name, .run = run_rmdir};
        int round = k % ROUNDS;

        h->tree->options.is_rm_archive = k >= ROUNDS;
        empty_vault(h, i, true);
        wait_listed(h, i);
        if (round == WHILE_JOINED) {
            task_start(&task);
            task_wait_waiting(&task);
        }
        if (round != AFTER_LISTING)
            fake_remove(h->fake, vaults[i].id);
        let_go(h, i, i + 1);
        if (round != WHILE_JOINED) {
            harness_wait_idle(h);
            fake_remove(h->fake, vaults[i].id);
            task_start(&task);
        }
        assert_int_equal(task_join(&task), 0);
        assert_int_equal(look_up(h, h->root, vaults[i].name), -ENOENT);
        assert_int_equal(remove_vault(h, vaults[i].name), -ENOENT);
    }
}

/* It was on its way when the last one went: whether the removal meets it there,
 * or comes when it is here. */
static void remove_over_older_listing(struct harness *h, int i, bool is_joined)
{
    struct task task = {
        .h = h, .node = h->root, .name = vaults[i].name, .run = run_rmdir};
    struct vf_snapshot *snapshot;

    h->vault = vaults[i].node;
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &task.caller, &snapshot, NULL), 0);
    harness_advance_ms(TTL_MS);
    fake_hold_list(h->fake, vaults[i].id);
    unsigned listed = fake_listed(h->fake, vaults[i].id);
    pthread_mutex_lock(&h->tree->lock);
    vf_listing_fetch_ahead(h->tree, h->vault);
    pthread_mutex_unlock(&h->tree->lock);
    while (fake_listed(h->fake, vaults[i].id) == listed)
        sched_yield();
    assert_int_equal(unlink_name(h, "a.json"), 0);
    vf_snapshot_free(h->tree, snapshot);
    if (is_joined) {
        task_start(&task);
        task_wait_waiting(&task);
    }
    let_go(h, i, i + 1);
    if (!is_joined) {
        harness_wait_idle(h);
        task_start(&task);
    }
    assert_int_equal(task_join(&task), 0);
    assert_int_equal(fake_listed(h->fake, vaults[i].id), listed + 2);
}

static void an_older_listing_does_not_do_for_a_removal(void **state)
{
    struct harness *h = *state;

    remove_over_older_listing(h, 4, false);
    remove_over_older_listing(h, 20, true);
}

static void a_removal_does_not_depend_on_it(void **state)
{
    struct harness *h = *state;

    fake_fail_ahead(h->fake, EREMOTEIO);
    empty_vault(h, 4, true);
    let_go(h, 4, 5);
    assert_int_equal(remove_vault(h, vaults[4].name), 0);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 2);
    assert_int_equal(harness_records(h), 0);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, row_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_empties_an_open_vault_need_not_wait_to_remove_it),
        TEST(a_vault_that_others_removed_meanwhile_counts_as_removed),
        TEST(who_removes_the_last_of_a_vault_asks_for_nothing_else),
        TEST(what_came_in_elsewhere_keeps_the_vault),
        TEST(what_came_in_later_keeps_the_vault_too),
        TEST(an_older_listing_does_not_do_for_a_removal),
        TEST(a_removal_does_not_depend_on_it),
    };

    return cmocka_run_group_tests_name("tree emptied", tests, NULL, NULL);
}
