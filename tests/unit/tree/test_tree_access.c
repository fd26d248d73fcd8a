/* SPDX-License-Identifier: MIT
 *
 * What a change that had no access leaves: all as it was, and known as it was.
 * For as long as access is refused a listing that is thrown away is lost.
 */
#include <errno.h>

#include "harness.h"
#include "internal.h"

#define OTHER_URL "https://other.example.com/mcp"
#define THIRD_URL "https://third.example.com/mcp"

static const struct vf_service_traits changing = {
    .has_keys = true, .can_update_vault = true, .can_update_credential = true};

static int move(struct harness *h, struct vf_node *from, const char *name,
                struct vf_node *to, const char *new_name)
{
    struct vf_caller caller = {0};

    return vf_tree_rename(h->tree, from, name, to, new_name, 0, &caller, NULL);
}

static int make_dir(struct harness *h)
{
    return make_vault(h, "dev");
}

static int remove_dir(struct harness *h)
{
    return remove_vault(h, "empty");
}

static int rename_dir(struct harness *h)
{
    return move(h, h->root, "prod", h->root, "dev");
}

static int archive_dir(struct harness *h)
{
    return move(h, h->root, "prod", look(h, h->root, ".archive"), "prod");
}

static int write_dir(struct harness *h)
{
    return save_in(h, h->root, "dev.json", "{}", NULL);
}

static int edit_dir(struct harness *h)
{
    struct vf_file *file =
        open_for(h, look(h, h->vault, VF_INFO_NAME), O_WRONLY);
    int result = put(h, file, "{\"display_name\": \"dev\"}", 0);

    (void)close_file(h, file);
    return result;
}

static int write_new(struct harness *h)
{
    return save(h, "c.json", spec_for(THIRD_URL));
}

static int write_over(struct harness *h)
{
    return save(h, "a.json", SPEC);
}

static int write_another(struct harness *h)
{
    return save(h, "a.json", spec_for(THIRD_URL));
}

static int rename_file(struct harness *h)
{
    return rename_name(h, "a.json", "c.json");
}

static int replace_file(struct harness *h)
{
    return rename_name(h, "a.json", "b.json");
}

static int remove_file(struct harness *h)
{
    return unlink_name(h, "a.json");
}

static int archive_file(struct harness *h)
{
    return move(h, h->vault, "a.json", look(h, h->vault, ".archive"), "a.json");
}

static const struct change {
    int (*run)(struct harness *h);
    bool is_of_root; /* the listing that it would change */
} changes[] = {
    {make_dir, true},      {remove_dir, true},    {rename_dir, true},
    {archive_dir, true},   {write_dir, true},     {edit_dir, true},
    {write_new, false},    {write_over, false},   {write_another, false},
    {rename_file, false},  {replace_file, false}, {remove_file, false},
    {archive_file, false},
};

#define CHANGES (sizeof(changes) / sizeof(changes[0]))

static void fail_all(struct harness *h, enum fake_when when, int code)
{
    static const enum fake_op ops[] = {
        FAKE_CREATE_VAULT, FAKE_UPDATE_VAULT, FAKE_ARCHIVE_VAULT,
        FAKE_DELETE_VAULT, FAKE_CREATE,       FAKE_UPDATE,
        FAKE_RENAME,       FAKE_DELETE,       FAKE_ARCHIVE,
    };

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        fake_fail(h->fake, ops[i], when, code);
}

/* Two files in a vault, an empty vault, and everything seen. */
static void fill(struct harness *h)
{
    fake_set_traits(h->fake, &changing);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(save(h, "b.json", spec_for(OTHER_URL)), 0);
    assert_int_equal(make_vault(h, "empty"), 0);
    harness_advance_ms(TTL_MS + 1);
    assert_names(h, h->root, "empty prod ");
    assert_names(h, h->vault, "a.json b.json ");
}

/* Lists of what a change is about, after it. */
static unsigned lists_after(struct harness *h, const struct change *change,
                            int expected)
{
    assert_int_equal(change->run(h), expected);
    fake_reset_counts(h->fake);
    if (!change->is_of_root) {
        assert_names(h, h->vault, "a.json b.json ");
        return fake_count(h->fake, FAKE_LIST_CREDENTIALS);
    }
    assert_names(h, h->root, "empty prod ");
    return fake_count(h->fake, FAKE_LIST_VAULTS);
}

static void a_change_without_access_leaves_listings_fresh(void **state)
{
    static const int codes[] = {EKEYREJECTED, EKEYEXPIRED};
    struct harness *h = *state;

    fill(h);
    for (size_t i = 0; i < 2 * CHANGES; i++) {
        fail_all(h, FAKE_BEFORE, codes[i % 2]);
        assert_int_equal(lists_after(h, &changes[i / 2], -codes[i % 2]), 0);
    }
}

static void any_other_refusal_makes_them_doubtful(void **state)
{
    struct harness *h = *state;

    fill(h);
    fail_all(h, FAKE_BEFORE, EACCES);
    for (size_t i = 0; i < CHANGES; i++)
        assert_int_equal(lists_after(h, &changes[i], -EACCES), 1);
}

/* It had access the first time, and the answer was lost. */
static void so_does_an_unknown_outcome(void **state)
{
    struct harness *h = *state;

    fill(h);
    fake_fail(h->fake, FAKE_DELETE, FAKE_AFTER, EKEYREJECTED);
    assert_int_equal(remove_file(h), -EKEYREJECTED);
    assert_names(h, h->vault, "b.json ");
    fake_fail(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, EKEYREJECTED);
    assert_int_equal(make_dir(h), -EKEYREJECTED);
    assert_names(h, h->root, "dev empty prod ");
}

/* Access ends in the middle of what takes several requests. */
static void so_does_a_rename_that_could_not_be_undone(void **state)
{
    struct harness *h = *state;

    fill(h);
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EKEYREJECTED);
    fake_fail_after(h->fake, FAKE_RENAME, 1, EKEYREJECTED);
    assert_int_equal(replace_file(h), -EKEYREJECTED);
    fake_reset_counts(h->fake);
    assert_names(h, h->vault, "a.json b.json "); /* names stay */
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
}

static void so_does_a_replacement_that_stopped_half_way(void **state)
{
    struct harness *h = *state;

    fill(h);
    fake_fail(h->fake, FAKE_DELETE, FAKE_BEFORE, EKEYREJECTED);
    assert_int_equal(write_another(h), -EKEYREJECTED);
    assert_int_equal(fake_size(h->fake, h->vault_id), 3);
    fake_reset_counts(h->fake);
    assert_int_equal(look_up(h, h->vault, "a.json"), 0);
    assert_int_equal(fake_count(h->fake, FAKE_LIST_CREDENTIALS), 1);
}

static void so_does_a_vault_that_could_not_be_taken_back(void **state)
{
    struct harness *h = *state;

    fill(h);
    fake_fail(h->fake, FAKE_CREATE, FAKE_BEFORE, EKEYREJECTED);
    fake_fail(h->fake, FAKE_DELETE_VAULT, FAKE_BEFORE, EKEYREJECTED);
    assert_int_equal(
        save_in(h, h->root, "dev.json",
                "{\"credentials\": [{\"auth\": {\"type\": \"static_bearer\", "
                "\"mcp_server_url\": \"" THIRD_URL "\", \"token\": \"t0ken\"}}]"
                "}",
                NULL),
        -EKEYREJECTED);
    assert_names(h, h->root, "dev empty prod ");
}

/* What was made a moment ago, and is not listed by a service that lags behind,
 * is not forgotten because it could not be changed. */
static void what_was_made_here_stays_made_here(void **state)
{
    struct harness *h = *state;

    fill(h);
    assert_int_equal(write_new(h), 0);
    fake_set_lag(h->fake, fake_find(h->fake, "c.json"), FAKE_NOT_YET);
    fail_all(h, FAKE_BEFORE, EKEYREJECTED);
    assert_int_equal(unlink_name(h, "c.json"), -EKEYREJECTED);
    assert_int_equal(
        move(h, h->vault, "c.json", look(h, h->vault, ".archive"), "c.json"),
        -EKEYREJECTED);
    assert_int_equal(rename_name(h, "a.json", "c.json"), -EKEYREJECTED);
    harness_advance_ms(TTL_MS + 1);
    assert_names(h, h->vault, "a.json b.json c.json ");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_change_without_access_leaves_listings_fresh),
        TEST(any_other_refusal_makes_them_doubtful),
        TEST(so_does_an_unknown_outcome),
        TEST(so_does_a_rename_that_could_not_be_undone),
        TEST(so_does_a_replacement_that_stopped_half_way),
        TEST(so_does_a_vault_that_could_not_be_taken_back),
        TEST(what_was_made_here_stays_made_here),
    };

    return cmocka_run_group_tests_name("tree access", tests, NULL, NULL);
}
