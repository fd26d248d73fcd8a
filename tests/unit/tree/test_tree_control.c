/* SPDX-License-Identifier: MIT
 *
 * The control directory: there, but not listed; whatever else fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

static unsigned renders;

/* Another text each time, a little longer than the last. */
static int render(void *context, const char *name,
                  const struct vf_tree_stats *stats, char **ret,
                  size_t *ret_size)
{
    renders++;
    int size = asprintf(ret, "%s %0*u vaults %ju credentials %ju%s\n", name,
                        (int)renders, renders, (uintmax_t)stats->vaults,
                        (uintmax_t)stats->credentials,
                        stats->is_degraded ? " degraded" : "");

    *ret_size = (size_t)size;
    return 0;
}

static int setup_with(void **state, struct vf_tree_options options)
{
    options.render = render;
    renders = 0;
    *state = harness_new(&options);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, harness_options());
}

static int setup_read_only(void **state)
{
    struct vf_tree_options options = harness_options();

    options.is_read_only = true;
    return setup_with(state, options);
}

static struct vf_node *control(struct harness *h)
{
    return look(h, h->root, ".vaultfs");
}

static struct vf_node *file_of(struct harness *h, const char *name)
{
    return look(h, control(h), name);
}

static struct stat stat_now(struct harness *h, struct vf_node *node)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;

    assert_int_equal(
        vf_tree_getattr(h->tree, node, false, &caller, &entry, NULL), 0);
    assert_int_equal(entry.valid_ms, 0);
    return entry.attr;
}

static int open_to_write(struct harness *h, struct vf_node *node, int flags)
{
    struct vf_caller caller = {0};
    struct vf_file *file;
    bool is_unchanged;
    int result =
        vf_tree_open(h->tree, node, flags, &caller, &file, &is_unchanged, NULL);

    if (result < 0)
        return result;
    assert_int_equal(vf_file_write(h->tree, file, "1\n", 2, 0, &caller, NULL),
                     0);
    assert_int_equal(vf_file_truncate(h->tree, file, 0, &caller, NULL), 0);
    return close_file(h, file);
}

static void it_is_reached_by_name_and_not_listed(void **state)
{
    struct harness *h = *state;

    assert_names(h, control(h),
                 "by-id errors last_error metrics refresh status ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    assert_names(h, h->root, "prod ");
    assert_int_equal(look_up(h, look(h, h->root, "prod"), ".vaultfs"), -ENOENT);
    assert_int_equal(look_up(h, control(h), "none"), -ENOENT);
}

static void each_open_reads_what_is_so_then(void **state)
{
    struct harness *h = *state;
    struct vf_node *node = file_of(h, "status");
    struct vf_file *file = open_for(h, node, O_RDONLY);
    char text[128], again[128];

    assert_true(vf_file_is_live(file));
    ssize_t size = vf_file_read(h->tree, file, text, sizeof(text), 0, NULL);
    assert_true(size > 0);
    assert_int_equal(memcmp(text, "status ", 7), 0);
    assert_int_equal(text[size - 1], '\n');
    /* Its size is that of what it reads: fstat(2) renders nothing. */
    assert_int_equal(stat_of(h, node).st_size, size);
    struct vf_file *other = open_for(h, node, O_RDONLY);
    ssize_t more = vf_file_read(h->tree, other, again, sizeof(again), 0, NULL);
    assert_int_equal(more, size + 1);
    /* One who has begun reads the same text to its end. */
    assert_int_equal(vf_file_read(h->tree, file, again, sizeof(again), 5, NULL),
                     size - 5);
    assert_memory_equal(again, text + 5, (size_t)size - 5);
    assert_int_equal(close_file(h, file), 0);
    assert_int_equal(close_file(h, other), 0);
}

static void a_size_is_exact_when_it_is_asked_for(void **state)
{
    struct harness *h = *state;
    struct vf_node *node = file_of(h, "metrics");
    off_t size = stat_now(h, node).st_size;

    assert_int_equal(stat_now(h, node).st_size, size + 1);
    assert_int_equal(stat_now(h, node).st_mode, S_IFREG | 0600);
    assert_int_equal(stat_now(h, file_of(h, "refresh")).st_size, 0);
}

static void nothing_of_it_needs_the_service(void **state)
{
    struct harness *h = *state;

    fake_fail(h->fake, FAKE_LIST_VAULTS, FAKE_BEFORE, ECONNREFUSED);
    assert_int_equal(look_up(h, h->root, "prod"), -ECONNREFUSED);
    fake_reset_counts(h->fake);
    assert_content(h, file_of(h, "status"), "degraded");
    assert_int_equal(open_to_write(h, file_of(h, "refresh"), O_WRONLY), 0);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    fake_fail(h->fake, FAKE_LIST_VAULTS, FAKE_BEFORE, 0);
    assert_int_equal(look_up(h, h->root, "prod"), 0);
    assert_content(h, file_of(h, "status"), "credentials 0\n");
}

static void who_refuses_is_there(void **state)
{
    static const int codes[] = {EKEYREJECTED, EKEYEXPIRED, EACCES};
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fake_fail(h->fake, FAKE_LIST_VAULTS, FAKE_BEFORE, ETIMEDOUT);
        assert_int_equal(look_up(h, h->root, "prod"), -ETIMEDOUT);
        assert_content(h, file_of(h, "status"), "degraded");
        fake_fail(h->fake, FAKE_LIST_VAULTS, FAKE_BEFORE, codes[i]);
        assert_int_equal(look_up(h, h->root, "prod"), -codes[i]);
        assert_content(h, file_of(h, "status"), "credentials 0\n");
    }
}

static void what_is_known_is_counted(void **state)
{
    struct harness *h = *state;

    assert_content(h, file_of(h, "status"), "vaults 0 credentials 0");
    harness_look_at_vault(h);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_content(h, file_of(h, "status"), "vaults 1 credentials 1");
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_content(h, file_of(h, "status"), "vaults 1 credentials 0");
}

static void assert_refreshes(struct harness *h,
                             int (*refresh)(struct harness *))
{
    assert_names(h, h->root, "prod ");
    fake_reset_counts(h->fake);
    assert_names(h, h->root, "prod ");
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 0);
    unsigned before = fake_refreshes(h->fake);
    assert_int_equal(refresh(h), 0);
    assert_int_equal(fake_refreshes(h->fake), before + 1);
    assert_names(h, h->root, "prod ");
    assert_int_equal(fake_refreshes(h->fake), before + 1);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
}

static int by_opening(struct harness *h)
{
    return open_to_write(h, file_of(h, "refresh"), O_WRONLY);
}

static int by_emptying(struct harness *h)
{
    return open_to_write(h, file_of(h, "refresh"), O_WRONLY | O_TRUNC);
}

static int by_truncating(struct harness *h)
{
    return vf_tree_truncate(h->tree, file_of(h, "refresh"), 0, NULL);
}

static int by_touching(struct harness *h)
{
    return vf_tree_touch(h->tree, file_of(h, "refresh"), NULL);
}

static int by_signal(struct harness *h)
{
    vf_tree_refresh(h->tree);
    return 0;
}

/* The same on a mount that is read-only. */
static void refresh_refreshes_in_every_way_to_touch_it(void **state)
{
    struct harness *h = *state;

    assert_refreshes(h, by_opening);
    assert_refreshes(h, by_emptying);
    assert_refreshes(h, by_truncating);
    assert_refreshes(h, by_touching);
    assert_refreshes(h, by_signal);
}

static void all_else_is_for_reading(void **state)
{
    static const char *const names[] = {"status", "last_error", "errors",
                                        "metrics"};
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct vf_node *node = file_of(h, names[i]);

        assert_int_equal(open_to_write(h, node, O_WRONLY), -EACCES);
        assert_int_equal(open_to_write(h, node, O_RDWR | O_TRUNC), -EACCES);
        assert_int_equal(vf_tree_truncate(h->tree, node, 0, NULL), -EACCES);
    }
}

static void nothing_is_made_renamed_or_removed(void **state)
{
    struct harness *h = *state;
    struct vf_node *there = control(h);
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file;

    assert_int_equal(vf_tree_create(h->tree, there, "new", O_WRONLY, &caller,
                                    &entry, &file, NULL),
                     -EPERM);
    assert_int_equal(
        vf_tree_mkdir(h->tree, there, "new", &caller, &entry, NULL), -EPERM);
    assert_int_equal(vf_tree_unlink(h->tree, there, "status", &caller, NULL),
                     -EPERM);
    assert_int_equal(vf_tree_rmdir(h->tree, there, "by-id", &caller, NULL),
                     -EPERM);
    assert_int_equal(vf_tree_rmdir(h->tree, h->root, ".vaultfs", &caller, NULL),
                     -EPERM);
    assert_int_equal(vf_tree_rename(h->tree, there, "status", there, "new", 0,
                                    &caller, NULL),
                     -EPERM);
    assert_int_equal(vf_tree_rename(h->tree, h->root, "prod", h->root,
                                    ".vaultfs", 0, &caller, NULL),
                     -EPERM);
}

/* Freed by the caller. */
static char *target_of(struct harness *h, const char *id)
{
    struct vf_node *link = look(h, file_of(h, "by-id"), id);
    struct stat st = stat_now(h, link);
    char *target = NULL;

    assert_int_equal(vf_tree_readlink(h->tree, link, &target), 0);
    assert_int_equal(st.st_mode & S_IFMT, S_IFLNK);
    assert_int_equal(st.st_size, strlen(target));
    return target;
}

static void a_link_leads_from_an_id_to_its_vault(void **state)
{
    struct harness *h = *state;
    const char *other = fake_add_vault(h->fake, "other");
    struct vf_node *links = file_of(h, "by-id");
    char names[256], *target = target_of(h, h->vault_id);

    assert_string_equal(target, "../../prod");
    free(target);
    (void)snprintf(names, sizeof(names), "%s %s ", h->vault_id, other);
    assert_names(h, links, names);
    assert_int_equal(look_up(h, links, "vault_none"), -ENOENT);
    assert_int_equal(fake_count(h->fake, FAKE_OPS), 1);
    assert_int_equal(remove_vault(h, "other"), 0);
    assert_int_equal(look_up(h, links, other), -ENOENT);
    (void)snprintf(names, sizeof(names), "%s ", h->vault_id);
    assert_names(h, links, names);
    char *none = NULL;
    assert_int_equal(vf_tree_readlink(h->tree, links, &none), -EINVAL);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_reached_by_name_and_not_listed),
        TEST(each_open_reads_what_is_so_then),
        TEST(a_size_is_exact_when_it_is_asked_for),
        TEST(nothing_of_it_needs_the_service),
        TEST(who_refuses_is_there),
        TEST(what_is_known_is_counted),
        TEST(refresh_refreshes_in_every_way_to_touch_it),
        cmocka_unit_test_setup_teardown(
            refresh_refreshes_in_every_way_to_touch_it, setup_read_only,
            harness_teardown),
        TEST(all_else_is_for_reading),
        TEST(nothing_is_made_renamed_or_removed),
        TEST(a_link_leads_from_an_id_to_its_vault),
    };

    return cmocka_run_group_tests_name("tree control", tests, NULL, NULL);
}
