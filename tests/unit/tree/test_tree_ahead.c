/* SPDX-License-Identifier: MIT
 *
 * Listings that are fetched ahead of a walk (R-ahead).
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "internal.h"
#include "row.h"

static void visit_range(struct harness *h, int from, int to)
{
    for (int i = from; i < to; i++)
        visit(h, i);
}

/* Fetches that were started and are not done. */
static unsigned in_flight(struct harness *h)
{
    unsigned count = 0;

    pthread_mutex_lock(&h->tree->lock);
    for (const struct vf_job *job = h->tree->pool.live; job != NULL;
         job = job->next_live)
        count++;
    pthread_mutex_unlock(&h->tree->lock);
    return count;
}

static void hold_all(struct harness *h)
{
    for (int i = 0; i < VAULTS; i++)
        fake_hold_list(h->fake, vaults[i].id);
}

static void assert_each_listed_once(struct harness *h)
{
    for (int i = 0; i < VAULTS; i++)
        assert_int_equal(fake_listed(h->fake, vaults[i].id), 1);
}

/* A look that waits for its vault, and what is in flight then. */
static void start_look(struct harness *h, struct task *task, int i,
                       unsigned expected)
{
    *task = (struct task){.h = h, .node = vaults[i].node, .run = run_opendir};
    task_start(task);
    task_wait_waiting(task);
    assert_int_equal(in_flight(h), expected);
}

static void end_look(struct harness *h, struct task *task, int from, int to)
{
    let_go(h, from, to);
    assert_int_equal(task_join(task), 0);
    harness_wait_idle(h);
}

static void a_walk_is_known_at_its_second_vault_and_doubles(void **state)
{
    struct harness *h = *state;
    struct task task;
    static const unsigned expected[] = {5, 14, 15, 16};

    hold_all(h);
    start_look(h, &task, 0, 1);
    end_look(h, &task, 0, 1);
    start_look(h, &task, 1, 1 + 1);
    end_look(h, &task, 1, 3);
    assert_int_equal(open_vault(h, 2), 0);
    assert_int_equal(in_flight(h), 2);
    start_look(h, &task, 3, 1 + 4);
    end_look(h, &task, 3, 8);
    /* 8 behind the fourth, and 16 behind those after it, less what is here. */
    for (int i = 4; i < 8; i++) {
        assert_int_equal(open_vault(h, i), 0);
        assert_int_equal(in_flight(h), expected[i - 4]);
    }
    start_look(h, &task, 8, 16);
    end_look(h, &task, 8, VAULTS);
    visit_range(h, 9, VAULTS);
    assert_each_listed_once(h);
    assert_int_equal(stats(h).listings_ahead, VAULTS - 2);
    assert_int_equal(stats(h).ahead_unused, 0);
}

static void no_more_are_in_flight_than_have_their_turn(void **state)
{
    struct harness *h = *state;
    struct task task;

    fake_set_turns(h->fake, 4);
    hold_all(h);
    start_look(h, &task, 0, 1);
    end_look(h, &task, 0, 1);
    start_look(h, &task, 1, 2);
    end_look(h, &task, 1, 3);
    assert_int_equal(open_vault(h, 2), 0);
    start_look(h, &task, 3, 4);
    end_look(h, &task, 3, 7);
    for (int i = 4; i < 7; i++)
        assert_int_equal(open_vault(h, i), 0);
    start_look(h, &task, 7, 4);
    /* Nor when somebody else looks elsewhere; but he is not one of them. */
    struct task other;
    start_look(h, &other, 20, 5);
    let_go(h, 0, VAULTS);
    assert_int_equal(task_join(&task), 0);
    assert_int_equal(task_join(&other), 0);
    harness_wait_idle(h);
    visit_range(h, 8, VAULTS);
    assert_each_listed_once(h);
    assert_true(fake_lists(h->fake).most <= 5);
}

static void turns_may_shrink_to_one_in_mid_walk(void **state)
{
    struct harness *h = *state;
    unsigned known;

    visit_range(h, 0, 6);
    known = fake_count(h->fake, FAKE_LIST_CREDENTIALS);
    assert_true(known > 6);
    fake_set_turns(h->fake, 1);
    hold_all(h);
    for (int i = 6; i < (int)known; i++)
        assert_int_equal(open_vault(h, i), 0);
    assert_true(in_flight(h) <= 1);
    let_go(h, 0, VAULTS);
    for (int i = (int)known; i < VAULTS; i++) {
        assert_int_equal(open_vault(h, i), 0);
        assert_true(in_flight(h) <= 1);
    }
    harness_wait_idle(h);
    assert_each_listed_once(h);
}

static void a_whole_walk_asks_for_each_page_once(void **state)
{
    struct harness *h = *state;
    unsigned pages = 0;

    fake_set_page_size(h->fake, 2);
    for (int i = 0; i < VAULTS; i++)
        for (int more = i % 4; more > 0; more--)
            fake_add(h->fake, vaults[i].id, "more.json", HARNESS_URL);
    vf_tree_refresh(h->tree);
    fake_reset_counts(h->fake);
    assert_int_equal(look_up(h, h->root, "prod"), 0);
    for (int i = 0; i < VAULTS; i++) {
        assert_int_equal(open_vault(h, i), 0); /* however fast it goes */
        assert_int_equal(look_up(h, vaults[i].node, "a.json"), 0);
        pages += (1 + i % 4 + 1) / 2;
    }
    harness_wait_idle(h);
    assert_each_listed_once(h);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), pages);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_VAULTS), (VAULTS + 2) / 2);
    assert_true(fake_lists(h->fake).most <= 16);
    assert_int_equal(stats(h).ahead_unused, 0);
}

/* --- What is no walk --- */

static void looking_at_one_fetches_one(void **state)
{
    struct harness *h = *state;

    visit(h, 0); /* the first of all is no exception */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(look_up(h, vaults[0].node, "a.json"), 0);
        visit(h, 0);
    }
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
}

static void looks_here_and_there_fetch_one_each(void **state)
{
    struct harness *h = *state;
    static const int places[] = {3, 30, 12, 7, 22, 39, 1, 17, 28, 9};

    for (size_t i = 0; i < 10; i++)
        visit(h, places[i]);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 10);
    assert_int_equal(fake_lists(h->fake).ahead, 0);
}

static void cats_of_neighbours_fetch_one_each_but_a_loop_is_a_walk(void **state)
{
    struct harness *h = *state;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(look_up(h, vaults[i].node, "a.json"), 0);
        assert_int_equal(look_up(h, vaults[i].node, "b.json"), -ENOENT);
        harness_wait_idle(h);
    }
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 3);
    for (int i = 3; i < VAULTS; i++)
        assert_int_equal(look_up(h, vaults[i].node, "a.json"), 0);
    assert_each_listed_once(h);
    assert_int_equal(stats(h).listings_ahead, VAULTS - 4);
}

static void the_names_of_the_root_are_no_look_at_a_vault(void **state)
{
    struct harness *h = *state;

    for (int i = 0; i < VAULTS; i++) {
        struct vf_caller caller = {0};
        struct vf_entry entry;

        assert_int_equal(look_up(h, h->root, vaults[i].name), 0);
        assert_int_equal(look_up(h, vaults[i].node, ".vault.json"), 0);
        assert_int_equal(vf_tree_getattr(h->tree, vaults[i].node, false,
                                         &caller, &entry, NULL),
                         0);
    }
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 0);
}

static void a_walk_that_stops_has_wasted_a_window(void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, 8);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 8 + 16);
    assert_int_equal(stats(h).ahead_unused, 16);
    visit(h, 7);
    visit(h, 3);
    harness_advance_ms(10 * (int64_t)TTL_MS);
    visit(h, 0);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 8 + 16 + 1);
    assert_int_equal(stats(h).ahead_unused, 16);
    /* Another one asks for what has gone stale unused, once more. */
    visit_range(h, 1, VAULTS);
    for (int i = 0; i < VAULTS; i++)
        assert_int_equal(fake_listed(h->fake, vaults[i].id), i < 24 ? 2 : 1);
}

/* --- Orders --- */

static int compare_inodes(const void *a, const void *b)
{
    uint64_t left = vaults[*(const int *)a].node->ino;
    uint64_t right = vaults[*(const int *)b].node->ino;

    return (left > right) - (left < right);
}

static void a_walk_may_go_in_the_order_of_inodes(void **state)
{
    struct harness *h = *state;
    int places[VAULTS];

    for (int i = 0; i < VAULTS; i++)
        places[i] = i;
    qsort(places, VAULTS, sizeof(*places), compare_inodes);
    for (int i = 0; i < 3; i++)
        visit(h, places[i]); /* they may be neighbours by chance */
    assert_int_equal(fake_lists(h->fake).ahead, 0);
    for (int i = 3; i < VAULTS; i++)
        visit(h, places[i]);
    assert_each_listed_once(h);
    /* "prod" stands among them, in a place of no walk's choosing. */
    assert_true(fake_lists(h->fake).ahead >= VAULTS - 8);
}

static void a_walk_may_go_from_the_last_to_the_first(void **state)
{
    struct harness *h = *state;

    for (int i = VAULTS - 1; i >= 0; i--)
        visit(h, i);
    assert_each_listed_once(h);
    /* "prod" comes last, and is left. */
    assert_int_equal(fake_lists(h->fake).ahead, VAULTS - 4 + 1);
    assert_int_equal(stats(h).ahead_unused, 1);
}

/* Close to where the one before has ended. */
static void a_walk_may_follow_one_that_went_the_other_way(void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, VAULTS);
    unsigned before = fake_lists(h->fake).ahead;
    harness_advance_ms(TTL_MS);
    assert_int_equal(look_up(h, h->root, "prod"), 0);
    for (int i = VAULTS - 2; i >= 0; i--)
        visit(h, i);
    assert_true(fake_lists(h->fake).ahead - before >= VAULTS - 1 - 5);
    for (int i = 0; i < VAULTS - 1; i++)
        assert_int_equal(fake_listed(h->fake, vaults[i].id), 2);
}

static const char *in_two_cases(int i)
{
    static char name[8];

    snprintf(name, sizeof(name), "%c%02d", i < VAULTS / 2 ? 'A' : 'r',
             i % (VAULTS / 2));
    return name;
}

/* As a locale has it that puts A01 beside a01. */
static void two_runs_of_names_may_be_shuffled(void **state)
{
    struct harness *h = *state;

    row_make(h, in_two_cases);
    for (int i = 0; i < VAULTS / 2; i++) {
        visit(h, i);
        visit(h, VAULTS / 2 + i);
    }
    assert_each_listed_once(h);
    assert_true(fake_lists(h->fake).ahead >= VAULTS - 2 * 4);
}

/* As one does that does not look at "-". */
static void some_may_be_swapped(void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, 2);
    for (int i = 2; i < VAULTS; i += 2) {
        visit(h, i + 1);
        visit(h, i);
    }
    assert_each_listed_once(h);
    assert_true(fake_lists(h->fake).ahead >= VAULTS - 4);
}

static void two_walks_go_on_side_by_side(void **state)
{
    struct harness *h = *state;

    for (int i = 0; i < VAULTS / 2; i++) {
        visit(h, i);
        visit(h, VAULTS - VAULTS / 2 + i);
    }
    assert_each_listed_once(h);
    assert_int_equal(fake_lists(h->fake).ahead, VAULTS - 2 * 4);
}

static void archived_vaults_are_walked_too(void **state)
{
    struct harness *h = *state;
    struct vf_node *archive = look(h, h->root, ".archive");

    for (int i = 0; i < VAULTS; i += 2)
        assert_int_equal(vf_tree_rename(h->tree, h->root, vaults[i].name,
                                        archive, vaults[i].name, 0,
                                        &(struct vf_caller){0}, NULL),
                         0);
    vf_tree_refresh(h->tree);
    assert_int_equal(look_up(h, h->root, "prod"), 0);
    assert_int_equal(look_up(h, archive, "v00"), 0);
    for (int i = 0; i < VAULTS; i++)
        visit(h, i);
    assert_each_listed_once(h);
    assert_int_equal(fake_lists(h->fake).ahead, VAULTS - 4);
}

/* --- What is passed by --- */

static void fresh_listings_are_passed_by(void **state)
{
    struct harness *h = *state;

    for (int i = 18; i >= 4; i -= 2)
        visit(h, i);
    assert_int_equal(fake_lists(h->fake).ahead, 0);
    visit_range(h, 0, VAULTS);
    assert_each_listed_once(h);
    /* Those are steps of a walk all the same. */
    assert_int_equal(fake_lists(h->fake).ahead, VAULTS - 2 - 8);
}

/* They were, when the walk saw to them. */
static void listings_that_end_before_a_walk_comes_are_fetched_ahead(
    void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, VAULTS);
    unsigned before = fake_lists(h->fake).ahead;
    harness_advance_ms(TTL_MS - 1);
    visit_range(h, 0, 6);
    assert_int_equal(fake_lists(h->fake).ahead, before);
    harness_advance_ms(1);
    visit_range(h, 6, VAULTS);
    assert_int_equal(fake_lists(h->fake).ahead - before, VAULTS - 6 - 1);
}

static void a_listing_that_does_not_live_is_fetched_ahead_once(void **state)
{
    struct vf_tree_options options = harness_options();

    options.ttl_ms = 0;
    struct harness *h = harness_new(&options);
    *state = h;
    row_make(h, numbered);
    visit_range(h, 0, VAULTS);
    for (int i = 0; i < VAULTS; i++)
        assert_true(fake_listed(h->fake, vaults[i].id) <= 2);
}

static void what_was_fetched_before_a_refresh_is_not_believed(void **state)
{
    struct harness *h = *state;
    struct task task;

    hold_all(h);
    let_go(h, 0, 2);
    assert_int_equal(open_vault(h, 0), 0);
    assert_int_equal(open_vault(h, 1), 0);
    assert_int_equal(in_flight(h), 1);
    vf_tree_refresh(h->tree);
    start_look(h, &task, 2, 1 + 2);
    end_look(h, &task, 0, VAULTS);
    assert_int_equal(fake_listed(h->fake, vaults[2].id), 2);
}

static void vaults_may_go_while_they_are_fetched_ahead(void **state)
{
    struct harness *h = *state;
    struct task task;

    visit_range(h, 0, 2);
    fake_hold_list(h->fake, vaults[3].id);
    fake_hold_list(h->fake, vaults[4].id);
    assert_int_equal(open_vault(h, 2), 0);
    assert_int_equal(in_flight(h), 2);
    fake_remove(h->fake, vaults[3].id); /* by somebody else */
    fake_remove(h->fake, fake_find(h->fake, "a.json"));
    task = (struct task){
        .h = h, .node = h->root, .name = vaults[4].name, .run = run_rmdir};
    task_start(&task);
    task_wait_waiting(&task);
    let_go(h, 3, 5);
    (void)task_join(&task);
    harness_wait_idle(h);
    assert_int_equal(open_vault(h, 3), -ENOENT);
    visit_range(h, 5, VAULTS);
    for (int i = 5; i < VAULTS; i++)
        assert_int_equal(fake_listed(h->fake, vaults[i].id), 1);
    assert_true(fake_lists(h->fake).ahead >= VAULTS - 6);
}

static void vaults_that_are_gone_are_not_asked_for(void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, 1);
    h->vault = vaults[4].node;
    assert_int_equal(look_up(h, h->vault, "a.json"), 0);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_int_equal(remove_vault(h, vaults[4].name), 0);
    harness_advance_ms(TTL_MS); /* nor is what it held still fresh */
    unsigned listed = fake_listed(h->fake, vaults[4].id);
    visit_range(h, 1, 4);
    visit_range(h, 5, VAULTS);
    assert_int_equal(fake_listed(h->fake, vaults[4].id), listed);
}

static void vaults_that_are_new_are_fetched_ahead_too(void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, 2);
    const char *id = fake_add_vault(h->fake, "v03a");
    harness_advance_ms(TTL_MS);
    assert_int_equal(look_up(h, h->root, "v03a"), 0);
    visit_range(h, 2, 4);
    assert_int_equal(fake_listed(h->fake, id), 1);
    assert_int_equal(look_up(h, look(h, h->root, "v03a"), "a.json"), -ENOENT);
    visit_range(h, 4, VAULTS);
    assert_int_equal(fake_listed(h->fake, id), 1);
}

/* --- Failures --- */

static void a_failure_is_told_to_who_looks_and_to_nobody_else(void **state)
{
    struct harness *h = *state;

    fake_fail_list(h->fake, vaults[5].id, ETIMEDOUT);
    for (int i = 0; i < VAULTS; i++) {
        assert_int_equal(open_vault(h, i), i == 5 ? -ETIMEDOUT : 0);
        harness_wait_idle(h);
        assert_true(i == 5 || !stats(h).is_degraded);
        assert_int_equal(fake_listed(h->fake, vaults[i].id), i == 5 ? 2 : 1);
    }
    assert_int_equal(harness_records(h), 0);
    assert_true(fake_lists(h->fake).ahead >= VAULTS - 8);
}

static void a_walk_does_not_depend_on_what_is_fetched_ahead(void **state)
{
    struct harness *h = *state;

    fake_fail_ahead(h->fake, EBUSY);
    visit_range(h, 0, VAULTS);
    for (int i = 0; i < VAULTS; i++)
        assert_true(fake_listed(h->fake, vaults[i].id) <= 2);
    harness_advance_ms(TTL_MS);
    visit_range(h, 0, VAULTS); /* nor when there is something to be shown */
    assert_int_equal(harness_records(h), 0);
    assert_false(stats(h).is_degraded);
    assert_int_equal(stats(h).listings_ahead, 0);
}

/* Who waits for a listing is not to be told that it was asked for in a way that
 * may fail; but any other failure is his. */
static void who_joins_a_fetch_that_was_cut_short_asks_himself(void **state)
{
    struct harness *h = *state;
    struct task task;

    visit(h, 0);
    hold_all(h);
    let_go(h, 1, 2);
    assert_int_equal(open_vault(h, 1), 0);
    wait_listed(h, 2);
    fake_fail_ahead(h->fake, EBUSY);
    start_look(h, &task, 2, 1 + 2);
    end_look(h, &task, 2, VAULTS);
    assert_int_equal(fake_listed(h->fake, vaults[2].id), 2);
    assert_int_equal(harness_records(h), 0);
}

static void who_joins_a_fetch_that_is_refused_is_told(void **state)
{
    struct harness *h = *state;
    struct task task;

    visit(h, 0);
    hold_all(h);
    let_go(h, 1, 2);
    assert_int_equal(open_vault(h, 1), 0);
    fake_fail_list(h->fake, vaults[2].id, EACCES);
    start_look(h, &task, 2, 1 + 2);
    let_go(h, 2, VAULTS);
    assert_int_equal(task_join(&task), -EACCES);
    assert_int_equal(task.err.http_status, 403);
    assert_int_equal(fake_listed(h->fake, vaults[2].id), 1);
    harness_wait_idle(h);
}

static void nothing_is_fetched_ahead_while_nothing_is_answered(void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, 4);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, ECONNREFUSED);
    for (int i = 4; open_vault(h, i) == 0; i++)
        harness_wait_idle(h);
    harness_wait_idle(h);
    unsigned ahead = fake_lists(h->fake).ahead;
    for (int i = 20; i < 30; i++) {
        assert_int_equal(open_vault(h, i), -ECONNREFUSED);
        harness_wait_idle(h);
    }
    assert_int_equal(fake_lists(h->fake).ahead, ahead);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, 0);
    visit_range(h, 30, VAULTS);
    assert_true(fake_lists(h->fake).ahead > ahead);
}

/* --- Ends --- */

static void who_leaves_does_not_end_what_was_fetched_ahead(void **state)
{
    struct harness *h = *state;
    pid_t process = process_with(SIGINT);
    struct task task = {.h = h,
                        .node = vaults[2].node,
                        .caller = {.tid = process},
                        .run = run_opendir};

    fake_add(h->fake, vaults[2].id, "b.json", HARNESS_URL);
    fake_set_page_size(h->fake, 1);
    visit(h, 0);
    fake_hold_list(h->fake, vaults[2].id);
    assert_int_equal(open_vault(h, 1), 0);
    task_start(&task);
    task_wait_waiting(&task);
    task_interrupt(&task);
    assert_int_equal(task_join(&task), -EINTR);
    let_go(h, 2, 3);
    harness_wait_idle(h);
    assert_names(h, vaults[2].node, "a.json b.json ");
    assert_int_equal(fake_listed(h->fake, vaults[2].id), 1);
    assert_int_equal(harness_records(h), 0);
    end_process(process);
}

static void a_mount_may_end_while_listings_are_fetched_ahead(void **state)
{
    struct harness *h = *state;

    visit_range(h, 0, 6);
    hold_all(h);
    for (int i = 6; i < 10; i++)
        (void)open_vault(h, i);
    assert_true(in_flight(h) > 1);
    vf_tree_shutdown(h->tree);
    assert_int_equal(open_vault(h, 10), 0); /* at hand; and asks for no more */
    let_go(h, 0, VAULTS);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 0);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, row_setup, harness_teardown)
#define BARE(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_walk_is_known_at_its_second_vault_and_doubles),
        TEST(no_more_are_in_flight_than_have_their_turn),
        TEST(turns_may_shrink_to_one_in_mid_walk),
        TEST(a_whole_walk_asks_for_each_page_once),
        TEST(looking_at_one_fetches_one),
        TEST(looks_here_and_there_fetch_one_each),
        TEST(cats_of_neighbours_fetch_one_each_but_a_loop_is_a_walk),
        TEST(the_names_of_the_root_are_no_look_at_a_vault),
        TEST(a_walk_that_stops_has_wasted_a_window),
        TEST(a_walk_may_go_in_the_order_of_inodes),
        TEST(a_walk_may_go_from_the_last_to_the_first),
        TEST(a_walk_may_follow_one_that_went_the_other_way),
        BARE(two_runs_of_names_may_be_shuffled),
        TEST(some_may_be_swapped),
        TEST(two_walks_go_on_side_by_side),
        TEST(archived_vaults_are_walked_too),
        TEST(fresh_listings_are_passed_by),
        TEST(listings_that_end_before_a_walk_comes_are_fetched_ahead),
        cmocka_unit_test_teardown(
            a_listing_that_does_not_live_is_fetched_ahead_once,
            harness_teardown),
        TEST(what_was_fetched_before_a_refresh_is_not_believed),
        TEST(vaults_may_go_while_they_are_fetched_ahead),
        TEST(vaults_that_are_gone_are_not_asked_for),
        TEST(vaults_that_are_new_are_fetched_ahead_too),
        TEST(a_failure_is_told_to_who_looks_and_to_nobody_else),
        TEST(a_walk_does_not_depend_on_what_is_fetched_ahead),
        TEST(who_joins_a_fetch_that_was_cut_short_asks_himself),
        TEST(who_joins_a_fetch_that_is_refused_is_told),
        TEST(nothing_is_fetched_ahead_while_nothing_is_answered),
        TEST(who_leaves_does_not_end_what_was_fetched_ahead),
        TEST(a_mount_may_end_while_listings_are_fetched_ahead),
    };

    return cmocka_run_group_tests_name("tree ahead", tests, NULL, NULL);
}
