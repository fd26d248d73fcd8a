/* SPDX-License-Identifier: MIT
 *
 * What a listing costs, how long it is true, and how it meets what was done
 * here (R-cheap, R-fresh, R-down, R-meta).
 */
#include <errno.h>
#include <stdio.h>

#include "control.h"
#include "harness.h"
#include "internal.h"

static void r_cheap_a_walk_costs_one_list_a_page(void **state)
{
    struct harness *h = *state;
    char name[32];

    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof(name), "c%d.json", i);
        fake_add(h->fake, h->vault_id, name, HARNESS_URL);
    }
    fake_set_page_size(h->fake, 3);
    assert_int_equal(vf_tree_probe(h->tree, NULL), 0);
    assert_names(h, h->root, "prod ");
    h->vault = look(h, h->root, "prod");
    assert_names(h, h->vault,
                 "c0.json c1.json c2.json c3.json c4.json c5.json c6.json ");
    struct vf_node *node = look(h, h->vault, "c3.json");
    assert_int_equal(stat_of(h, node).st_nlink, 1);
    assert_content(h, node, "\"revision\": 0");
    (void)look(h, h->vault, ".vault.json");
    assert_int_equal(look_up(h, h->vault, "absent.json"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_VAULTS), 1);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 3);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 4);
}

static void r_cheap_changes_cost_one_request_each(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 2);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    assert_int_equal(look_up(h, h->vault, "a.json"), 0);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 3);
    assert_int_equal(make_vault(h, "new"), 0);
    assert_names(h, look(h, h->root, "new"), "");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 4);
    assert_int_equal(remove_vault(h, "new"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 6); /* a list, a delete */
    assert_int_equal(look_up(h, h->root, "new"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 6);
}

static void r_cheap_a_probe_serves_one_listing_while_it_is_fresh(void **state)
{
    struct harness *h = *state;

    assert_int_equal(vf_tree_probe(h->tree, NULL), 0);
    harness_advance_ms(TTL_MS - 1);
    assert_names(h, h->root, "prod ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_VAULTS), 1);
    /* The time that passed since is not what it took, and counts. */
    fake_add_vault(h->fake, "new");
    harness_advance_ms(1);
    assert_names(h, h->root, "new prod ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_VAULTS), 2);
}

static void r_fresh_a_probe_goes_stale_and_is_forgotten(void **state)
{
    struct harness *h = *state;

    assert_int_equal(vf_tree_probe(h->tree, NULL), 0);
    fake_add_vault(h->fake, "new");
    harness_advance_ms(TTL_MS);
    assert_names(h, h->root, "new prod ");
    assert_int_equal(vf_tree_probe(h->tree, NULL), 0);
    fake_add_vault(h->fake, "newer");
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "new newer prod ");
}

static void r_fresh_others_changes_show_after_ttl(void **state)
{
    struct harness *h = *state;
    const char *id = fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);

    harness_advance_ms(TTL_MS - 1);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    harness_advance_ms(1);
    struct vf_node *node = look(h, h->vault, "a.json");
    fake_touch(h->fake, id);
    assert_content(h, node, "\"revision\": 0");
    vf_tree_refresh(h->tree);
    assert_int_equal(look_up(h, h->vault, "a.json"), 0);
    assert_content(h, node, "\"revision\": 1");
    fake_remove(h->fake, id);
    vf_tree_refresh(h->tree);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(stat_of(h, node).st_nlink, 0);
}

static void r_fresh_a_listing_lives_ten_times_its_fetch(void **state)
{
    struct harness *h = *state;

    fake_set_list_takes_ms(h->fake, 2000);
    assert_names(h, h->root, "prod ");
    fake_add_vault(h->fake, "new");
    harness_advance_ms(19999);
    assert_names(h, h->root, "prod ");
    harness_advance_ms(1);
    assert_names(h, h->root, "new prod ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_VAULTS), 2);
}

static void r_fresh_each_page_counts_and_the_probe_is_one(void **state)
{
    struct harness *h = *state;

    fake_add_vault(h->fake, "other");
    fake_set_page_size(h->fake, 1);
    fake_set_list_takes_ms(h->fake, 2000);
    assert_int_equal(vf_tree_probe(h->tree, NULL), 0);
    assert_names(h, h->root, "other prod ");
    fake_add_vault(h->fake, "new");
    harness_advance_ms(39999);
    assert_names(h, h->root, "other prod ");
    harness_advance_ms(1);
    assert_names(h, h->root, "new other prod ");
}

static void r_fresh_what_was_waited_before_is_not_what_it_took(void **state)
{
    struct harness *h = *state;
    struct task task = {.h = h, .node = h->vault, .run = run_opendir};

    vf_tree_refresh(h->tree);
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE);
    task_start(&task);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
    harness_advance_ms(60000);
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(&task), 0);
    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    harness_advance_ms(TTL_MS);
    assert_names(h, h->vault, "a.json ");
}

static void r_ahead_a_listing_is_fetched_once_for_all(void **state)
{
    struct harness *h = *state;
    struct task tasks[8] = {{0}};

    fake_hold(h->fake, FAKE_LIST_VAULTS, FAKE_BEFORE);
    for (size_t i = 0; i < 8; i++) {
        tasks[i] = (struct task){.h = h,
                                 .node = h->root,
                                 .name = "prod",
                                 .run = i % 2 ? run_lookup : run_opendir};
        task_start(&tasks[i]);
    }
    for (size_t i = 0; i < 8; i++)
        task_wait_waiting(&tasks[i]);
    fake_let_go(h->fake, FAKE_LIST_VAULTS);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(task_join(&tasks[i]), 0);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_VAULTS), 1);
}

/* A listing that has left the service, with what happens before it is here. */
static void start_late_listing(struct harness *h, struct task *task)
{
    vf_tree_refresh(h->tree);
    *task = (struct task){.h = h, .node = h->vault, .run = run_opendir};
    fake_hold(h->fake, FAKE_LIST_CREDENTIALS, FAKE_AFTER);
    task_start(task);
    fake_wait_held(h->fake, FAKE_LIST_CREDENTIALS, 1);
}

static void end_late_listing(struct harness *h, struct task *task)
{
    fake_let_go(h->fake, FAKE_LIST_CREDENTIALS);
    assert_int_equal(task_join(task), 0);
}

static void r_fresh_changes_here_outweigh_a_listing_in_flight(void **state)
{
    struct harness *h = *state;
    struct task task;

    assert_int_equal(save(h, "old.json", SPEC), 0);
    assert_int_equal(save(h, "rotated.json", SPEC), 0);
    struct vf_node *rotated = look(h, h->vault, "rotated.json");
    harness_advance_ms(100000); /* no grace for what was made long ago */
    start_late_listing(h, &task);
    assert_int_equal(save(h, "new.json", SPEC), 0);
    assert_int_equal(save(h, "rotated.json", SPEC), 0);
    assert_int_equal(unlink_name(h, "old.json"), 0);
    harness_advance_ms(100000); /* however long it takes */
    end_late_listing(h, &task);
    assert_names(h, h->vault, "new.json rotated.json ");
    assert_content(h, rotated, "\"revision\": 1");
}

static void r_fresh_a_refresh_does_not_settle_for_a_fetch_in_flight(
    void **state)
{
    struct harness *h = *state;
    struct task early, late;

    start_late_listing(h, &early);
    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    vf_tree_refresh(h->tree);
    late = (struct task){
        .h = h, .node = h->vault, .name = "a.json", .run = run_lookup};
    task_start(&late);
    task_wait_waiting(&late);
    end_late_listing(h, &early);
    assert_int_equal(task_join(&late), 0);
    /* Nor does who comes when that fetch is over. */
    start_late_listing(h, &early);
    fake_add(h->fake, h->vault_id, "b.json", HARNESS_URL);
    vf_tree_refresh(h->tree);
    end_late_listing(h, &early);
    assert_int_equal(look_up(h, h->vault, "b.json"), 0);
}

static void r_fresh_a_create_stays_though_lists_lag(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_set_lag(h->fake, fake_find(h->fake, "a.json"), FAKE_NOT_YET);
    harness_advance_ms(59999);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    harness_advance_ms(TTL_MS);
    assert_names(h, h->vault, "");
}

static void r_fresh_a_delete_stays_though_lists_lag(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_set_lag(h->fake, fake_find(h->fake, "a.json"), FAKE_STILL);
    assert_int_equal(unlink_name(h, "a.json"), 0);
    harness_advance_ms(59999);
    assert_names(h, h->vault, "");
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    /* Beyond that the service knows better. */
    harness_advance_ms(TTL_MS + 2);
    assert_names(h, h->vault, "a.json ");
}

static void r_fresh_a_rotation_is_not_undone_by_an_older_listing(void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    const char *id = fake_find(h->fake, "a.json");
    fake_set_lag(h->fake, id, FAKE_OLD);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, node, "\"revision\": 1");
    harness_advance_ms(60000);
    assert_names(h, h->vault, "a.json ");
    assert_content(h, node, "\"revision\": 0");
}

static void r_down_what_was_listed_serves_until_stale_if_error(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, ETIMEDOUT);
    harness_advance_ms(TTL_MS);
    assert_names(h, h->vault, "a.json ");
    assert_names(h, h->vault, "a.json "); /* and does not ask again at once */
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
    harness_wait_idle(h);
    assert_int_equal(harness_records(h), 1); /* no caller was told */
    assert_int_equal(h->record_code, ETIMEDOUT);
    assert_string_equal(h->record_path, "/prod");
    harness_advance_ms(STALE_MS);
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL),
        -ETIMEDOUT);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, 0);
    assert_int_equal(look_up(h, h->vault, "a.json"), 0);
}

static void r_down_a_refusal_is_never_papered_over(void **state)
{
    static const int codes[] = {EKEYREJECTED, EKEYEXPIRED, ENOKEY, EACCES,
                                EBADMSG,      EINVAL,      EPROTO};
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, codes[i]);
        vf_tree_refresh(h->tree);
        assert_int_equal(look_up(h, h->vault, "a.json"), -codes[i]);
    }
}

/* The service is back, and refuses: that ends what the outage let be served. */
static void r_down_a_refusal_ends_an_outage(void **state)
{
    static const int codes[] = {EKEYREJECTED, EKEYEXPIRED, EACCES};
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, ETIMEDOUT);
        harness_advance_ms(TTL_MS);
        assert_int_equal(look_up(h, h->vault, "a.json"), 0);
        fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, codes[i]);
        harness_advance_ms(TTL_MS);
        assert_int_equal(look_up(h, h->vault, "a.json"), 0); /* and asks */
        harness_wait_idle(h);
        assert_int_equal(look_up(h, h->vault, "a.json"), -codes[i]);
        assert_int_equal(look_up(h, h->vault, "a.json"), -codes[i]);
        fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, 0);
        assert_int_equal(look_up(h, h->vault, "a.json"), 0);
    }
}

static void assert_is_degraded(struct harness *h, bool expected)
{
    struct vf_tree_stats stats;

    pthread_mutex_lock(&h->tree->lock);
    vf_control_count(h->tree, &stats);
    pthread_mutex_unlock(&h->tree->lock);
    assert_true(stats.is_degraded == expected);
}

/* Who has an older answer to go by does not wait for a service that wants to be
 * left alone; who has none does. */
static void r_down_a_service_that_says_later_is_not_waited_for(void **state)
{
    static const int codes[] = {EBUSY, EREMOTEIO};
    struct harness *h = *state;

    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    for (size_t i = 0; i < 2; i++) {
        fake_fail_hasty(h->fake, codes[i]);
        vf_tree_refresh(h->tree);
        assert_names(h, h->vault, i == 0 ? "" : "a.json ");
        assert_is_degraded(h, true);
        unsigned count = fake_count(h->fake, FAKE_LIST_CREDENTIALS);
        assert_names(h, h->vault, i == 0 ? "" : "a.json ");
        assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), count);
        fake_fail_hasty(h->fake, 0);
        harness_advance_ms(TTL_MS);
        assert_names(h, h->vault, i == 0 ? "" : "a.json "); /* and asks */
        harness_wait_idle(h);
        assert_names(h, h->vault, "a.json ");
        assert_is_degraded(h, false);
    }
    assert_int_equal(harness_records(h), 2);
}

static void r_down_who_has_nothing_to_go_by_waits(void **state)
{
    struct harness *h = *state;

    fake_fail_hasty(h->fake, EBUSY);
    fake_add_vault(h->fake, "other");
    vf_tree_refresh(h->tree);
    assert_names(h, look(h, h->root, "other"), "");
    /* What was listed is too old to be shown. */
    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    harness_advance_ms(STALE_MS);
    assert_names(h, h->vault, "a.json ");
    /* What is to be deleted has to be looked at. */
    assert_int_equal(remove_vault(h, "prod"), -ENOTEMPTY);
    assert_int_equal(fake_lists(h->fake).impatient, 0);
    assert_is_degraded(h, false);
}

static void r_down_a_page_that_fails_is_no_shorter_listing(void **state)
{
    struct harness *h = *state;
    char name[32];

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "c%d.json", i);
        fake_add(h->fake, h->vault_id, name, HARNESS_URL);
    }
    fake_set_page_size(h->fake, 2);
    h->vault = look(h, h->root, "prod");
    fake_fail_after(h->fake, FAKE_LIST_CREDENTIALS, 2, EBADMSG);
    assert_int_equal(look_up(h, h->vault, "c0.json"), -EBADMSG);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, 0);
    assert_names(h, h->vault, "c0.json c1.json c2.json c3.json c4.json ");
}

static void a_vault_that_went_elsewhere_takes_its_names_along(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_entry entry;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    struct vf_node *info = look(h, h->vault, ".vault.json");
    fake_remove(h->fake, h->vault_id);
    harness_advance_ms(TTL_MS);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(stat_of(h, node).st_nlink, 0);
    assert_int_equal(stat_of(h, info).st_nlink, 0);
    assert_int_equal(unlink_name(h, ".vault.json"), -ENOENT);
    assert_int_equal(unlink_name(h, "a.json"), -ENOENT);
    assert_int_equal(vf_tree_create(h->tree, h->vault, "b.json", O_WRONLY,
                                    &caller, &entry, NULL, NULL),
                     -ENOENT);
    fake_reset_counts(h->fake);
    assert_int_equal(look_up(h, h->vault, "a.json"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 0);
}

static void r_meta_a_reader_sees_one_version_whole(void **state)
{
    struct harness *h = *state;
    char first[8] = "", second[200] = "";

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    struct vf_file *file = open_for(h, node, O_RDONLY);
    assert_int_equal(vf_file_read(h->tree, file, first, 7, 0, NULL), 7);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    size_t size =
        vf_file_read(h->tree, file, second, sizeof(second) - 1, 7, NULL);
    assert_int_equal(size, (size_t)stat_of(h, node).st_size - 7);
    assert_non_null(strstr(second, "\"revision\": 0"));
    assert_int_equal(vf_file_read(h->tree, file, second, 199, 0, NULL),
                     size + 7);
    assert_non_null(strstr(second, "\"revision\": 1"));
    assert_int_equal(vf_file_read(h->tree, file, second, 199, 1000, NULL), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void r_meta_an_open_tells_whether_the_content_is_unchanged(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    static const bool expected[] = {false, true, false, true};
    struct vf_file *file;
    bool is_unchanged;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    struct vf_node *node = look(h, h->vault, "a.json");
    for (size_t i = 0; i < 4; i++) {
        if (i == 2)
            assert_int_equal(save(h, "a.json", SPEC), 0);
        assert_int_equal(vf_tree_open(h->tree, node, O_RDONLY, &caller, &file,
                                      &is_unchanged, NULL),
                         0);
        assert_int_equal(is_unchanged, expected[i]);
        assert_int_equal(close_file(h, file), 0);
    }
}

static void nodes_go_when_nothing_refers_to_them(void **state)
{
    struct harness *h = *state;
    size_t before = harness_nodes(h);

    for (int i = 0; i < 20; i++) {
        assert_int_equal(save(h, "a.json", SPEC), 0);
        assert_int_equal(save(h, "a.json", SPEC), 0);
        assert_int_equal(unlink_name(h, "a.json"), 0);
        assert_int_equal(make_vault(h, "v"), 0);
        assert_int_equal(remove_vault(h, "v"), 0);
        assert_int_equal(save(h, "bad.json", "x"), -EINVAL);
    }
    harness_wait_idle(h);
    assert_int_equal(harness_nodes(h), before);
    assert_int_equal(vf_tree_count(h->tree), 1);
}

/* A mount can end before its callers close what they opened. */
static void what_is_open_at_the_end_goes_with_the_tree(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct item item;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    (void)open_for(h, look(h, h->vault, "a.json"), O_RDONLY);
    assert_int_equal(put(h, create(h, "b.json"), "{\"auth\":", 0), 0);
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL), 0);
    /* The teardown frees the tree; leaks and use after free show there. */
    assert_int_equal(save(h, "c.json", "x"), -EINVAL); /* it is apart */
    assert_int_equal(read_item(h, snapshot, 2, false, &item), 3);
    assert_string_equal(item.name, "b.json");
}

static void ten_thousand_credentials_are_listed_and_go(void **state)
{
    struct harness *h = *state;
    char name[32];

    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "c%d.json", i % 5000);
        fake_add(h->fake, h->vault_id, name, HARNESS_URL);
    }
    harness_advance_ms(TTL_MS);
    assert_int_equal(look_up(h, h->vault, "c4999.json"), 0);
    assert_int_equal(vf_tree_count(h->tree), 10001);
    fake_remove(h->fake, h->vault_id);
    harness_advance_ms(TTL_MS);
    assert_int_equal(look_up(h, h->vault, "c1.json"), -ENOENT);
    assert_int_equal(vf_tree_count(h->tree), 0);
}

#define FRESH(test)                                                            \
    cmocka_unit_test_setup_teardown(test, harness_setup, harness_teardown)
#define LISTED(test)                                                           \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(r_cheap_a_walk_costs_one_list_a_page),
        LISTED(r_cheap_changes_cost_one_request_each),
        FRESH(r_cheap_a_probe_serves_one_listing_while_it_is_fresh),
        FRESH(r_fresh_a_probe_goes_stale_and_is_forgotten),
        LISTED(r_fresh_others_changes_show_after_ttl),
        FRESH(r_fresh_a_listing_lives_ten_times_its_fetch),
        FRESH(r_fresh_each_page_counts_and_the_probe_is_one),
        LISTED(r_fresh_what_was_waited_before_is_not_what_it_took),
        FRESH(r_ahead_a_listing_is_fetched_once_for_all),
        LISTED(r_fresh_changes_here_outweigh_a_listing_in_flight),
        LISTED(r_fresh_a_refresh_does_not_settle_for_a_fetch_in_flight),
        LISTED(r_fresh_a_create_stays_though_lists_lag),
        LISTED(r_fresh_a_delete_stays_though_lists_lag),
        LISTED(r_fresh_a_rotation_is_not_undone_by_an_older_listing),
        LISTED(r_down_what_was_listed_serves_until_stale_if_error),
        LISTED(r_down_a_refusal_is_never_papered_over),
        LISTED(r_down_a_refusal_ends_an_outage),
        LISTED(r_down_a_service_that_says_later_is_not_waited_for),
        LISTED(r_down_who_has_nothing_to_go_by_waits),
        FRESH(r_down_a_page_that_fails_is_no_shorter_listing),
        LISTED(a_vault_that_went_elsewhere_takes_its_names_along),
        LISTED(r_meta_a_reader_sees_one_version_whole),
        LISTED(r_meta_an_open_tells_whether_the_content_is_unchanged),
        LISTED(nodes_go_when_nothing_refers_to_them),
        LISTED(what_is_open_at_the_end_goes_with_the_tree),
        LISTED(ten_thousand_credentials_are_listed_and_go),
    };

    return cmocka_run_group_tests_name("tree listings", tests, NULL, NULL);
}
