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

static void a_failed_allocation_is_told_and_forgotten(void **state)
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
        work(h);
        harness_wait_idle(h);
        is_armed = false;
        is_over = !has_failed;
        check(h);
        assert_true(n > 20 || !is_over);
        harness_teardown(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_allocation_is_told_and_forgotten),
    };

    return cmocka_run_group_tests_name("tree memory", tests, NULL, NULL);
}
