/* SPDX-License-Identifier: MIT
 *
 * Many credentials: what one costs in memory, and that a refresh tells what
 * changed and costs nothing that lasts.
 */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "internal.h"

#define CREDENTIALS 1000
/* Of memory that a credential takes beside its text. */
#define BYTES_BESIDE_TEXT 350
/* What malloc() keeps of a block for itself. */
#define BLOCK_BYTES 8

/* Blocks and bytes that are allocated at the moment. */
static atomic_long blocks, bytes;

void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__real_strdup(const char *text);
void __wrap_free(void *block);
void __real_free(void *block);

static void *count_in(void *block)
{
    if (block != NULL) {
        blocks++;
        bytes += (long)malloc_usable_size(block) + BLOCK_BYTES;
    }
    return block;
}

static void count_out(void *block)
{
    if (block != NULL) {
        blocks--;
        bytes -= (long)malloc_usable_size(block) + BLOCK_BYTES;
    }
}

void *__wrap_malloc(size_t size)
{
    return count_in(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return count_in(__real_calloc(count, size));
}

/* No test runs out of memory here: what fails here changes nothing. */
void *__wrap_realloc(void *old, size_t size)
{
    count_out(old);
    return count_in(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    count_out(old);
    return count_in(__real_reallocarray(old, count, size));
}

char *__wrap_strdup(const char *text)
{
    return count_in(__real_strdup(text));
}

void __wrap_free(void *block)
{
    count_out(block);
    __real_free(block);
}

/* What the watch was told: "name " of an entry, "*name " of a content. */
static char told[256];

static void tell(const char *sign, const char *name)
{
    size_t size = strlen(told);

    (void)snprintf(told + size, sizeof(told) - size, "%s%s ", sign, name);
}

static void entry_changed(void *context, const struct vf_node *directory,
                          const char *name)
{
    tell("", name);
}

static void content_changed(void *context, const struct vf_node *node)
{
    tell("*", node->name);
}

static const struct vf_tree_watch watch = {.entry_changed = entry_changed,
                                           .content_changed = content_changed};

static const char *ids[CREDENTIALS]; /* borrowed from the service */

static void add_credentials(struct harness *h)
{
    char name[32];

    for (int i = 0; i < CREDENTIALS; i++) {
        (void)snprintf(name, sizeof(name), "c%04d.json", i);
        ids[i] = fake_add(h->fake, h->vault_id, name, HARNESS_URL);
    }
    fake_set_page_size(h->fake, 100);
}

/* Listings that have outlived their ttl are fetched again; returns how many
 * names the vault has, its own metadata aside. With *ret_size, the sum of their
 * sizes; with_references as `ls -l` leaves them in the kernel. */
static size_t list(struct harness *h, bool with_references, off_t *ret_size)
{
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct item item;
    size_t count = 0;

    harness_advance_ms(TTL_MS + 1);
    assert_names(h, h->root, "prod ");
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL), 0);
    *ret_size = 0;
    for (size_t i = 0;
         (i = read_item(h, snapshot, i, with_references, &item)) != 0; count++)
        *ret_size += item.entry.attr.st_size;
    vf_snapshot_free(h->tree, snapshot);
    harness_wait_idle(h);
    return count - 1;
}

/* All is known, and the kernel refers to it. */
static void look_at_all(struct harness *h)
{
    off_t size;

    add_credentials(h);
    vf_tree_set_watch(h->tree, &watch);
    assert_int_equal(list(h, true, &size), CREDENTIALS);
    told[0] = '\0';
}

static void a_credential_costs_its_text_and_little_else(void **state)
{
    struct harness *h = *state;
    off_t size;

    assert_int_equal(list(h, false, &size), 0);
    add_credentials(h);
    long before = bytes;
    assert_int_equal(list(h, false, &size), CREDENTIALS);
    long each = (bytes - before - (long)size) / CREDENTIALS;
    assert_in_range(each, 0, BYTES_BESIDE_TEXT);
    /* A fifth of a kilobyte more would be seen. */
    assert_true(each + 200 > BYTES_BESIDE_TEXT);
}

static void what_nobody_has_seen_is_not_told(void **state)
{
    struct harness *h = *state;
    off_t size;

    add_credentials(h);
    vf_tree_set_watch(h->tree, &watch);
    told[0] = '\0';
    assert_int_equal(list(h, false, &size), CREDENTIALS);
    fake_touch(h->fake, ids[3]);
    assert_int_equal(list(h, false, &size), CREDENTIALS);
    assert_string_equal(told, "");
}

static void r_fresh_a_refresh_that_finds_nothing_new_leaves_no_trace(
    void **state)
{
    struct harness *h = *state;
    off_t size;

    look_at_all(h);
    struct vf_node *node = look(h, h->vault, "c0500.json");
    struct stat old = stat_of(h, node);
    unsigned version = node->version;
    long blocks_before = blocks, bytes_before = bytes;
    for (int i = 0; i < 3; i++)
        assert_int_equal(list(h, false, &size), CREDENTIALS);
    assert_string_equal(told, "");
    assert_int_equal(blocks, blocks_before);
    assert_int_equal(bytes, bytes_before);
    assert_int_equal(node->version, version);
    struct stat now = stat_of(h, node);
    assert_memory_equal(&now, &old, sizeof(now));
}

static void r_fresh_one_that_changed_is_told_alone(void **state)
{
    struct harness *h = *state;
    off_t size;

    look_at_all(h);
    long blocks_before = blocks;
    fake_touch(h->fake, ids[500]);
    assert_int_equal(list(h, false, &size), CREDENTIALS);
    assert_string_equal(told, "*c0500.json ");
    assert_int_equal(blocks, blocks_before); /* what it was is gone */
}

static void r_fresh_one_that_is_gone_is_told_alone(void **state)
{
    struct harness *h = *state;
    off_t size;

    look_at_all(h);
    fake_remove(h->fake, ids[7]);
    assert_int_equal(list(h, false, &size), CREDENTIALS - 1);
    assert_string_equal(told, "c0007.json ");
    assert_int_equal(look_up(h, h->vault, "c0007.json"), -ENOENT);
    assert_int_equal(look_up(h, h->vault, "c0008.json"), 0);
}

/* Nobody keeps in mind that a name is not there. */
static void r_fresh_one_that_is_new_needs_no_telling(void **state)
{
    struct harness *h = *state;
    off_t size;

    look_at_all(h);
    fake_add(h->fake, h->vault_id, "c0500a.json", HARNESS_URL);
    assert_int_equal(list(h, false, &size), CREDENTIALS + 1);
    assert_string_equal(told, "");
    assert_int_equal(look_up(h, h->vault, "c0500a.json"), 0);
}

/* What comes in no order is found all the same, and listed in order. */
static void names_and_ids_are_found_however_they_came(void **state)
{
    struct harness *h = *state;
    struct vf_node **children;
    char name[32];
    off_t size;

    for (int i = 0; i < CREDENTIALS; i++) {
        (void)snprintf(name, sizeof(name), "c%04d.json", i * 617 % CREDENTIALS);
        ids[i] = fake_add(h->fake, h->vault_id, name, HARNESS_URL);
    }
    assert_int_equal(list(h, false, &size), CREDENTIALS);
    for (int i = 0; i < CREDENTIALS; i += 3)
        fake_remove(h->fake, ids[i]);
    size_t left = list(h, false, &size);
    for (int i = 0; i < CREDENTIALS; i++) {
        struct vf_node *node = vf_node_child_by_id(h->vault, ids[i]);

        assert_int_equal(node == NULL, i % 3 == 0);
        if (node != NULL)
            assert_ptr_equal(vf_node_child(h->vault, node->name), node);
    }
    children = vf_node_children(h->vault);
    for (size_t i = 1; i < left; i++)
        assert_true(strcmp(children[i - 1]->name, children[i]->name) < 0);
    assert_null(children[left]);
    free(children);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_credential_costs_its_text_and_little_else),
        TEST(what_nobody_has_seen_is_not_told),
        TEST(r_fresh_a_refresh_that_finds_nothing_new_leaves_no_trace),
        TEST(r_fresh_one_that_changed_is_told_alone),
        TEST(r_fresh_one_that_is_gone_is_told_alone),
        TEST(r_fresh_one_that_is_new_needs_no_telling),
        TEST(names_and_ids_are_found_however_they_came),
    };

    return cmocka_run_group_tests_name("tree at scale", tests, NULL, NULL);
}
