/* SPDX-License-Identifier: MIT
 *
 * One allocation fails, each in its turn: the caller is told -ENOMEM, nothing
 * that is there is said to be absent, and afterwards all is as it should be.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "harness.h"

static atomic_long countdown; /* allocations until the one that fails */
static atomic_bool is_armed, has_failed;

static bool fails(void)
{
    if (!is_armed || fake_is_busy || --countdown != 0)
        return false;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__real_strdup(const char *text);
void *__wrap_tsearch(const void *key, void **root,
                     int (*compare)(const void *, const void *));
void *__real_tsearch(const void *key, void **root,
                     int (*compare)(const void *, const void *));

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

void *__wrap_tsearch(const void *key, void **root,
                     int (*compare)(const void *, const void *))
{
    return fails() ? NULL : __real_tsearch(key, root, compare);
}

/* Whether it was done; else, for want of memory. */
static bool is_done(int result)
{
    if (result != 0)
        assert_int_equal(result, -ENOMEM);
    return result == 0;
}

static int try_list(struct harness *h, struct vf_node *directory)
{
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    int result = vf_tree_opendir(h->tree, directory, &caller, &snapshot, NULL);

    if (result == 0)
        vf_snapshot_free(h->tree, snapshot);
    return result;
}

static int try_look(struct harness *h, struct vf_node *directory,
                    const char *name, struct vf_node **ret)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;
    int result =
        vf_tree_lookup(h->tree, directory, name, &caller, &entry, NULL);

    if (result == 0)
        *ret = entry.node;
    return result;
}

static int try_open(struct harness *h, struct vf_node *node)
{
    struct vf_caller caller = {0};
    struct vf_file *file;
    bool is_unchanged;
    int result = vf_tree_open(h->tree, node, O_RDONLY, &caller, &file,
                              &is_unchanged, NULL);

    if (result == 0)
        assert_int_equal(close_file(h, file), 0);
    return result;
}

static int try_save(struct harness *h, const char *name)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file;
    int result = vf_tree_create(h->tree, h->vault, name, O_WRONLY | O_EXCL,
                                &caller, &entry, &file, NULL);

    if (result < 0)
        return result;
    vf_tree_forget(h->tree, entry.node, 1);
    result = put(h, file, SPEC, 0);
    assert_int_equal(close_file(h, file), 0);
    return result;
}

static int try_rotate(struct harness *h, struct vf_node *node)
{
    struct vf_caller caller = {0};
    struct vf_file *file;
    bool is_unchanged;
    int result = vf_tree_open(h->tree, node, O_WRONLY, &caller, &file,
                              &is_unchanged, NULL);

    if (result < 0)
        return result;
    result = put(h, file, SPEC, 0);
    assert_int_equal(close_file(h, file), 0);
    return result;
}

static void work(struct harness *h)
{
    struct vf_node *node;

    (void)is_done(try_list(h, h->root));
    if (!is_done(try_look(h, h->root, "prod", &h->vault)))
        return;
    (void)is_done(try_list(h, h->vault));
    if (is_done(try_look(h, h->vault, "b.json", &node))) {
        (void)is_done(try_open(h, node));
        (void)is_done(try_rotate(h, node));
    }
    (void)is_done(try_save(h, "new.json"));
    (void)is_done(unlink_name(h, "a.json"));
    if (is_done(make_vault(h, "v")))
        (void)is_done(remove_vault(h, "v"));
}

static void check(struct harness *h)
{
    vf_tree_refresh(h->tree);
    h->vault = look(h, h->root, "prod");
    assert_names(h, h->vault,
                 fake_find(h->fake, "new.json") != NULL
                     ? fake_has(h->fake, "vcred_a") ? "a.json b.json new.json "
                                                    : "b.json new.json "
                 : fake_has(h->fake, "vcred_a") ? "a.json b.json "
                                                : "b.json ");
    assert_int_equal(try_save(h, "last.json"), 0);
    harness_wait_idle(h);
    assert_int_equal(vf_tree_count(h->tree),
                     fake_size(h->fake, "") + fake_size(h->fake, h->vault_id));
}

static int try_archive(struct harness *h, struct vf_node *directory,
                       const char *name)
{
    struct vf_caller caller = {0};
    struct vf_node *archive = NULL;
    int result = try_look(h, directory, ".archive", &archive);

    if (result == 0)
        result = try_list(h, archive);
    if (result < 0)
        return result;
    result = vf_tree_rename(h->tree, directory, name, archive, name, 0, &caller,
                            NULL);
    (void)is_done(try_list(h, archive));
    return result;
}

static void work_on_archives(struct harness *h)
{
    struct vf_node *node = NULL, *links = NULL;

    if (is_done(try_look(h, h->root, ".vaultfs", &node)) &&
        is_done(try_look(h, node, "by-id", &links))) {
        (void)is_done(try_list(h, links));
        (void)is_done(try_look(h, links, h->vault_id, &node));
    }
    if (!is_done(try_look(h, h->root, "prod", &h->vault)))
        return;
    if (is_done(try_list(h, h->vault)))
        (void)is_done(try_archive(h, h->vault, "a.json"));
    (void)is_done(try_archive(h, h->root, "prod"));
}

static void check_archives(struct harness *h)
{
    bool is_vault_archived = fake_is_archived(h->fake, h->vault_id);
    bool is_archived = fake_is_archived(h->fake, "vcred_a");
    struct vf_node *directory = h->root;

    vf_tree_refresh(h->tree);
    assert_names(h, h->root, is_vault_archived ? "" : "prod ");
    if (is_vault_archived)
        directory = look(h, h->root, ".archive");
    h->vault = look(h, directory, "prod");
    assert_names(h, h->vault,
                 is_archived && !is_vault_archived ? "b.json "
                                                   : "a.json b.json ");
    if (!is_vault_archived)
        assert_names(h, look(h, h->vault, ".archive"),
                     is_archived ? "a.json " : "");
    harness_wait_idle(h);
}

static void work_on_renames(struct harness *h)
{
    static const char *const moves[][2] = {
        {"x.tmp", "y.tmp"},   {"y.tmp", "new.json"}, {"b.json", "b.json~"},
        {"b.json~", "b.bak"}, {"b.bak", "b.json"},   {"b.json", "c.json"},
        {"a.json", "c.json"}, {"c.json", "c.json~"}, {"c.json~", "d.json"},
    };

    if (!is_done(try_look(h, h->root, "prod", &h->vault)) ||
        !is_done(try_list(h, h->vault)))
        return;
    (void)is_done(try_save(h, "x.tmp"));
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        int result = rename_name(h, moves[i][0], moves[i][1]);

        /* What comes before it failed: the name is not there, or empty. */
        if (result != -ENOENT && (i != 1 || result != -EINVAL))
            (void)is_done(result);
    }
}

/* What is there has a name, be it a parked one. */
static void check_renames(struct harness *h)
{
    static const char *const names[] = {"a.json",  "b.json", "c.json", "d.json",
                                        "b.json~", "b.bak",  "c.json~"};
    size_t count = 0;

    vf_tree_refresh(h->tree);
    h->vault = look(h, h->root, "prod");
    assert_int_equal(try_list(h, h->vault), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        count += look_up(h, h->vault, names[i]) == 0;
    count += look_up(h, h->vault, "new.json") == 0;
    assert_int_equal(count, fake_size(h->fake, h->vault_id));
    assert_true(fake_has(h->fake, "vcred_a"));
    assert_int_equal(try_save(h, "last.json"), 0);
    harness_wait_idle(h);
    assert_int_equal(vf_tree_count(h->tree),
                     fake_size(h->fake, "") + fake_size(h->fake, h->vault_id));
}

static void fail_each_allocation(void **state, void (*use)(struct harness *h),
                                 void (*judge)(struct harness *h))
{
    const struct vf_tree_options options = harness_options();
    bool is_over = false;

    for (long n = 1; !is_over; n++) {
        struct harness *h = harness_new(&options);

        *state = h;
        fake_add_with_id(h->fake, h->vault_id, "vcred_a", "a.json", 1);
        fake_add_with_id(h->fake, h->vault_id, "vcred_b", "b.json", 1);
        has_failed = false;
        countdown = n;
        is_armed = true;
        use(h);
        harness_wait_idle(h);
        is_armed = false;
        is_over = !has_failed;
        judge(h);
        assert_true(n > 20 || !is_over);
        harness_teardown(state);
    }
}

static void a_failed_allocation_is_told_and_forgotten(void **state)
{
    fail_each_allocation(state, work, check);
}

static void archives_bear_it_too(void **state)
{
    fail_each_allocation(state, work_on_archives, check_archives);
}

static void renames_bear_it_too(void **state)
{
    fail_each_allocation(state, work_on_renames, check_renames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_is_told_and_forgotten),
        cmocka_unit_test(archives_bear_it_too),
        cmocka_unit_test(renames_bear_it_too),
    };

    return cmocka_run_group_tests_name("tree memory", tests, NULL, NULL);
}
