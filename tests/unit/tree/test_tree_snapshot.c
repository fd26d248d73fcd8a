/* SPDX-License-Identifier: MIT
 *
 * Directories that are open while their names change, and what a cache above
 * may keep of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "internal.h"

#define MANY 300
/* As many as fit into a reply of READDIR, to the order. */
#define STRETCH 40

static void *(*fail_malloc)(size_t size);

void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return fail_malloc != NULL ? fail_malloc(size) : __real_malloc(size);
}

static void *no_memory(size_t size)
{
    (void)size;
    errno = ENOMEM;
    return NULL;
}

static struct vf_snapshot *open_directory(struct harness *h,
                                          struct vf_node *directory)
{
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;

    assert_int_equal(
        vf_tree_opendir(h->tree, directory, &caller, &snapshot, NULL), 0);
    return snapshot;
}

static struct vf_snapshot *open_vault(struct harness *h)
{
    return open_directory(h, h->vault);
}

static void begin(struct harness *h, const struct vf_snapshot *snapshot)
{
    struct item item;

    (void)read_item(h, snapshot, 0, false, &item);
}

/* Open it, begin to read, close it; whether a cache above could stay. */
static bool is_kept(struct harness *h)
{
    struct vf_snapshot *snapshot = open_vault(h);
    bool is_unchanged = vf_snapshot_is_unchanged(snapshot);

    begin(h, snapshot);
    vf_snapshot_free(h->tree, snapshot);
    return is_unchanged;
}

/* What is left of it from an index on: "a.json b.json ". */
static void assert_rest(struct harness *h, const struct vf_snapshot *snapshot,
                        size_t index, const char *expected)
{
    char names[1024] = "";
    struct item item;

    while ((index = read_item(h, snapshot, index, false, &item)) != 0) {
        strcat(names, item.name);
        strcat(names, " ");
    }
    assert_string_equal(names, expected);
}

static void save_three(struct harness *h)
{
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for("https://b.example/")), 0);
    assert_int_equal(save(h, "c.json", spec_for("https://c.example/")), 0);
}

static void add_many(struct harness *h)
{
    char name[32];

    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "c%04d.json", i);
        fake_add(h->fake, h->vault_id, name, HARNESS_URL);
    }
    harness_advance_ms(TTL_MS);
}

/* --- Places --- */

static void a_reader_that_removes_what_it_reads_misses_nothing(void **state)
{
    struct harness *h = *state;
    char names[STRETCH][VF_NAME_MAX + 1];
    struct item item;
    size_t next = 1;

    add_many(h);
    struct vf_snapshot *snapshot = open_vault(h);
    for (bool is_more = true; is_more;) {
        size_t count = 0, index = next;

        while (count < STRETCH &&
               (index = read_item(h, snapshot, index, false, &item)) != 0) {
            strcpy(names[count++], item.name);
            next = index;
        }
        for (size_t i = 0; i < count; i++)
            assert_int_equal(unlink_name(h, names[i]), 0);
        is_more = count == STRETCH;
    }
    vf_snapshot_free(h->tree, snapshot);
    assert_int_equal(fake_size(h->fake, h->vault_id), 0);
    assert_names(h, h->vault, "");
}

/* A cache above served the first part, from an earlier snapshot of the same
 * names: the rest is found where that one had it. */
static void a_place_means_the_same_in_all_snapshots_of_the_same_names(
    void **state)
{
    struct harness *h = *state;
    struct item item;

    save_three(h);
    struct vf_snapshot *first = open_vault(h);
    assert_int_equal(unlink_name(h, ".vault.json"), 0);
    struct vf_snapshot *second = open_vault(h);
    struct vf_snapshot *third = open_vault(h);
    assert_true(vf_snapshot_is_unchanged(third) ==
                vf_snapshot_is_unchanged(second));
    size_t next = read_item(h, second, 0, false, &item);
    assert_string_equal(item.name, "a.json");
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_rest(h, third, next, "b.json c.json ");
    assert_rest(h, second, next, "b.json c.json ");
    assert_rest(h, first, next, "b.json c.json ");
    vf_snapshot_free(h->tree, second);
    vf_snapshot_free(h->tree, first);
    vf_snapshot_free(h->tree, third);
}

/* What came since is not in it, and what went is not shown; a name that came
 * back is another file. */
static void a_snapshot_shows_what_it_began_with_and_is_there_still(void **state)
{
    struct harness *h = *state;

    save_three(h);
    struct vf_snapshot *snapshot = open_vault(h);
    assert_int_equal(save(h, "aa.json", spec_for("https://aa.example/")), 0);
    assert_int_equal(unlink_name(h, "b.json"), 0);
    assert_int_equal(save(h, "b.json", spec_for("https://b.example/")), 0);
    assert_int_equal(unlink_name(h, ".vault.json"), 0);
    assert_rest(h, snapshot, 0, "a.json c.json ");
    vf_snapshot_free(h->tree, snapshot);
    snapshot = open_vault(h);
    assert_rest(h, snapshot, 0, "a.json aa.json b.json c.json ");
    vf_snapshot_free(h->tree, snapshot);
}

/* Of a vault that is gone nothing is left, and what was kept of it goes with
 * the last who reads it. */
static void what_is_kept_goes_with_the_last_snapshot(void **state)
{
    struct harness *h = *state;
    struct vf_snapshot *snapshots[4];

    add_many(h);
    for (size_t i = 0; i < 4; i++)
        snapshots[i] = open_vault(h);
    fake_remove(h->fake, h->vault_id);
    harness_advance_ms(TTL_MS);
    assert_int_equal(look_up(h, h->root, "prod"), -ENOENT);
    assert_true(harness_nodes(h) > MANY); /* that is what is kept */
    vf_tree_forget(h->tree, h->vault, 1); /* harness_setup_vault()'s */
    for (size_t i = 0; i < 4; i++) {
        assert_rest(h, snapshots[i], 0, "");
        assert_true(harness_nodes(h) > MANY);
        vf_snapshot_free(h->tree, snapshots[i]);
    }
    assert_int_equal(harness_nodes(h), 1); /* the root */
}

static void without_memory_to_keep_them_names_are_not_made_up(void **state)
{
    struct harness *h = *state;
    struct vf_caller caller = {0};
    struct item item;

    save_three(h);
    struct vf_snapshot *snapshot = open_vault(h);
    pthread_mutex_lock(&h->tree->lock);
    fail_malloc = no_memory;
    vf_listing_change_names(h->vault);
    fail_malloc = NULL;
    pthread_mutex_unlock(&h->tree->lock);
    assert_int_equal(vf_snapshot_read(h->tree, snapshot, 0, false, NULL, &item),
                     -ENOMEM);
    struct vf_snapshot *other = open_vault(h);
    assert_rest(h, other, 1, "a.json b.json c.json ");
    vf_snapshot_free(h->tree, snapshot);
    fail_malloc = no_memory;
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL), -ENOMEM);
    fail_malloc = NULL;
    vf_snapshot_free(h->tree, other);
}

/* --- What a cache above may keep --- */

typedef void change_names(struct harness *h);

static void change_by_create(struct harness *h)
{
    assert_int_equal(save(h, "d.json", spec_for("https://d.example/")), 0);
}

static void change_by_unlink(struct harness *h)
{
    assert_int_equal(unlink_name(h, "d.json"), 0);
}

static void change_by_rename(struct harness *h)
{
    assert_int_equal(rename_name(h, "c.json", "d.json"), 0);
}

static void change_by_parking(struct harness *h)
{
    assert_int_equal(rename_name(h, "d.json", "d.json~"), 0);
}

static void change_by_scratch(struct harness *h)
{
    assert_int_equal(close_file(h, create(h, "x.tmp")), 0);
}

static void change_by_touch(struct harness *h)
{
    assert_int_equal(close_file(h, create(h, "touched.json")), 0);
}

/* The inode number is another one, and the names are the same. */
static void change_by_commit(struct harness *h)
{
    struct vf_file *file =
        open_for(h, look(h, h->vault, "touched.json"), O_WRONLY);

    assert_int_equal(put(h, file, spec_for("https://t.example/"), 0), 0);
    assert_int_equal(close_file(h, file), 0);
}

static void change_by_hiding(struct harness *h)
{
    assert_int_equal(unlink_name(h, ".vault.json"), 0);
}

static void change_elsewhere(struct harness *h)
{
    fake_add(h->fake, h->vault_id, "else.json", "https://else.example/");
    vf_tree_refresh(h->tree); /* it brings .vault.json back, too */
}

static void r_fresh_names_that_changed_end_what_is_kept(void **state)
{
    static change_names *const changes[] = {
        change_by_create,  change_by_unlink,  change_by_rename,
        change_by_parking, change_by_scratch, change_by_touch,
        change_by_commit,  change_by_hiding,  change_elsewhere,
    };
    struct harness *h = *state;

    save_three(h);
    (void)is_kept(h);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        assert_true(is_kept(h));
        changes[i](h);
        if (is_kept(h))
            fail_msg("change %zu is not seen", i);
    }
    assert_true(is_kept(h));
}

/* A listing that outlives a draft: the name goes all the same. */
static int set_up_lasting(void **state)
{
    struct vf_tree_options options = harness_options();

    options.ttl_ms = INT64_C(10) * VF_EMPTY_DRAFT_MS;
    struct harness *h = harness_new(&options);
    harness_look_at_vault(h);
    *state = h;
    return 0;
}

static void r_fresh_a_draft_that_expires_ends_what_is_kept(void **state)
{
    struct harness *h = *state;

    assert_int_equal(close_file(h, create(h, "touched.json")), 0);
    (void)is_kept(h);
    harness_advance_ms(VF_EMPTY_DRAFT_MS);
    assert_true(is_kept(h));
    harness_advance_ms(1);
    assert_false(is_kept(h));
    assert_names(h, h->vault, "");
    assert_true(is_kept(h));
}

/* Not even the rest of it is read now: that may come, and would be joined to
 * what begins now. */
static void r_fresh_nothing_is_kept_beside_one_that_is_apart(void **state)
{
    struct harness *h = *state;

    (void)is_kept(h);
    struct vf_snapshot *early = open_vault(h);
    assert_true(vf_snapshot_is_unchanged(early));
    assert_true(vf_snapshot_is_cacheable(early));
    save_three(h);
    struct vf_snapshot *late = open_vault(h);
    assert_false(vf_snapshot_is_cacheable(late));
    for (int i = 0; i < 3; i++)
        assert_false(is_kept(h));
    vf_snapshot_free(h->tree, early);
    assert_false(is_kept(h)); /* it begins here, with nobody apart */
    assert_true(is_kept(h));
    vf_snapshot_free(h->tree, late);
    assert_true(is_kept(h));
}

static void r_fresh_those_of_the_same_names_do_not_disturb_each_other(
    void **state)
{
    struct harness *h = *state;

    save_three(h);
    struct vf_snapshot *one = open_vault(h);
    begin(h, one);
    struct vf_snapshot *two = open_vault(h);
    assert_true(vf_snapshot_is_unchanged(two));
    vf_snapshot_free(h->tree, one);
    assert_true(is_kept(h));
    vf_snapshot_free(h->tree, two);
}

/* Names of other directories are none of its business. */
static void r_fresh_what_is_kept_survives_changes_in_other_directories(
    void **state)
{
    struct harness *h = *state;

    save_three(h);
    (void)is_kept(h);
    struct vf_snapshot *of_root = open_directory(h, h->root);
    assert_int_equal(make_vault(h, "other"), 0);
    struct vf_snapshot *again = open_directory(h, h->root);
    assert_true(is_kept(h));
    vf_snapshot_free(h->tree, of_root);
    vf_snapshot_free(h->tree, again);
}

/* The reply to the first may be the last to arrive, and the cache is empty only
 * then. */
static void r_fresh_nothing_is_kept_before_the_first_who_reads(void **state)
{
    struct harness *h = *state;

    save_three(h);
    struct vf_snapshot *first = open_vault(h);
    struct vf_snapshot *second = open_vault(h);
    assert_false(vf_snapshot_is_unchanged(first));
    assert_false(vf_snapshot_is_unchanged(second));
    vf_snapshot_free(h->tree, second); /* nobody had the reply */
    assert_false(is_kept(h));
    vf_snapshot_free(h->tree, first);
    assert_true(is_kept(h));
}

/* A cache above, and who reads through it. */
struct reader {
    struct vf_snapshot *snapshot; /* NULL: closed */
    bool has_reply;               /* to its opening, which empties the cache */
    int names;                    /* as they were when it was opened */
};

struct cache {
    struct harness *h;
    struct reader readers[4];
    int names;  /* how often they changed */
    int cached; /* of which of these the cache is; -1: it is empty */
    int hits;
};

static void reader_opens(struct cache *cache, struct reader *reader)
{
    *reader = (struct reader){.snapshot = open_vault(cache->h),
                              .names = cache->names};
}

static void reader_has_reply(struct cache *cache, struct reader *reader)
{
    reader->has_reply = true;
    if (!vf_snapshot_is_unchanged(reader->snapshot))
        cache->cached = -1;
}

/* From the cache, or what is not in it from below, which fills it. */
static void reader_reads(struct cache *cache, const struct reader *reader,
                         bool is_from_cache)
{
    if (vf_snapshot_is_cacheable(reader->snapshot)) {
        if (cache->cached != -1)
            assert_int_equal(cache->cached, reader->names);
        if (cache->cached != -1 && is_from_cache) {
            cache->hits++;
            return;
        }
        cache->cached = reader->names;
    }
    begin(cache->h, reader->snapshot);
}

static void reader_closes(struct cache *cache, struct reader *reader)
{
    vf_snapshot_free(cache->h->tree, reader->snapshot);
    reader->snapshot = NULL;
}

static void names_change(struct cache *cache)
{
    pthread_mutex_lock(&cache->h->tree->lock);
    vf_listing_change_names(cache->h->vault);
    pthread_mutex_unlock(&cache->h->tree->lock);
    cache->names++;
}

static void step(struct cache *cache, unsigned choice)
{
    struct reader *reader = &cache->readers[choice / 8 % 4];

    if (choice % 8 == 0)
        names_change(cache);
    else if (choice % 64 == 1)
        cache->cached = -1; /* for want of memory */
    else if (reader->snapshot == NULL)
        reader_opens(cache, reader);
    else if (!reader->has_reply)
        reader_has_reply(cache, reader);
    else if (choice % 8 < 5)
        reader_reads(cache, reader, choice % 2 == 0);
    else
        reader_closes(cache, reader);
}

/* Whatever the order in which they open, have their replies, read and close
 * while the names change. */
static void r_fresh_a_cache_has_the_names_of_all_who_read_through_it(
    void **state)
{
    struct cache cache = {.h = *state, .cached = -1};
    unsigned seed = 1;

    save_three(cache.h);
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525 + 1013904223;
        step(&cache, seed >> 20);
    }
    assert_true(cache.hits > 1000);
    for (size_t i = 0; i < 4; i++)
        vf_snapshot_free(cache.h->tree, cache.readers[i].snapshot);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reader_that_removes_what_it_reads_misses_nothing),
        TEST(a_place_means_the_same_in_all_snapshots_of_the_same_names),
        TEST(a_snapshot_shows_what_it_began_with_and_is_there_still),
        TEST(what_is_kept_goes_with_the_last_snapshot),
        TEST(without_memory_to_keep_them_names_are_not_made_up),
        TEST(r_fresh_names_that_changed_end_what_is_kept),
        cmocka_unit_test_setup_teardown(
            r_fresh_a_draft_that_expires_ends_what_is_kept, set_up_lasting,
            harness_teardown),
        TEST(r_fresh_nothing_is_kept_beside_one_that_is_apart),
        TEST(r_fresh_those_of_the_same_names_do_not_disturb_each_other),
        TEST(r_fresh_what_is_kept_survives_changes_in_other_directories),
        TEST(r_fresh_nothing_is_kept_before_the_first_who_reads),
        TEST(r_fresh_a_cache_has_the_names_of_all_who_read_through_it),
    };

    return cmocka_run_group_tests_name("tree snapshots", tests, NULL, NULL);
}
