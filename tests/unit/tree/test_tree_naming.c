/* SPDX-License-Identifier: MIT
 *
 * Which object has which name, from one listing to the next.
 */
#include <errno.h>
#include <stdio.h>

#include "harness.h"
#include "vaultfs/name.h"

static void the_oldest_keeps_its_name(void **state)
{
    struct harness *h = *state;

    fake_add_with_id(h->fake, h->vault_id, "vcred_aaaaaa", "a.json", 3);
    fake_add_with_id(h->fake, h->vault_id, "vcred_bbbbbb", "a.json", 1);
    fake_add_with_id(h->fake, h->vault_id, "vcred_cccccc", "a.json", 2);
    fake_add_with_id(h->fake, h->vault_id, "vcred_dddddd", "a.json", 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault,
                 "a.json a~aaaaaa.json a~cccccc.json a~dddddd.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_bbbbbb");
}

static void digits_grow_while_names_clash(void **state)
{
    struct harness *h = *state;

    fake_add_with_id(h->fake, h->vault_id, "vcred_1111aaaaaa", "a.json", 1);
    fake_add_with_id(h->fake, h->vault_id, "vcred_2211aaaaaa", "a.json", 2);
    fake_add_with_id(h->fake, h->vault_id, "vcred_3311aaaaaa", "a.json", 3);
    fake_add_with_id(h->fake, h->vault_id, "vcred_4411aaaaaa", "a.json", 4);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault,
                 "a.json a~11aaaaaa.json a~4411aaaaaa.json a~aaaaaa.json ");
}

static void a_name_stays_with_its_id(void **state)
{
    struct harness *h = *state;

    fake_add_with_id(h->fake, h->vault_id, "vcred_aaaaaa", "a.json", 2);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
    /* An older one that shows up later does not take it away. */
    fake_add_with_id(h->fake, h->vault_id, "vcred_bbbbbb", "a.json", 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json a~bbbbbb.json ");
    assert_content(h, look(h, h->vault, "a.json"), "vcred_aaaaaa");
    /* Nor does one get a better name when that becomes free. */
    fake_remove(h->fake, "vcred_aaaaaa");
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a~bbbbbb.json ");
}

static void a_vaults_freed_name_is_not_passed_on_at_once(void **state)
{
    struct harness *h = *state;
    struct vf_node *old = h->vault;

    fake_remove(h->fake, h->vault_id);
    fake_add_with_id(h->fake, "", "vault_aaaaaa", "prod", 5000);
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "prod~aaaaaa ");
    assert_int_equal(stat_of(h, old).st_nlink, 0);
    fake_add_with_id(h->fake, "", "vault_bbbbbb", "prod", 6000);
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "prod prod~aaaaaa ");
}

static void a_credential_made_anew_elsewhere_keeps_its_node(void **state)
{
    struct harness *h = *state;

    fake_add_with_id(h->fake, h->vault_id, "vcred_aaaaaa", "a.json", 1);
    vf_tree_refresh(h->tree);
    struct vf_node *node = look(h, h->vault, "a.json");
    ino_t ino = stat_of(h, node).st_ino;
    fake_remove(h->fake, "vcred_aaaaaa");
    fake_add_with_id(h->fake, h->vault_id, "vcred_bbbbbb", "a.json", 2);
    fake_add_with_id(h->fake, h->vault_id, "vcred_cccccc", "a.json", 3);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json a~cccccc.json ");
    assert_ptr_equal(look(h, h->vault, "a.json"), node);
    assert_int_not_equal(stat_of(h, node).st_ino, ino);
    assert_content(h, node, "vcred_bbbbbb");
    assert_int_equal(vf_tree_count(h->tree), 3);
}

static void a_rotation_elsewhere_is_not_taken_for_one_made_here(void **state)
{
    struct harness *h = *state;

    /* Made here, made anew elsewhere, rotated here, deleted elsewhere. */
    assert_int_equal(save(h, "a.json", SPEC), 0);
    fake_remove(h->fake, fake_find(h->fake, "a.json"));
    harness_advance_ms(60000);
    fake_add(h->fake, h->vault_id, "a.json", HARNESS_URL);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_count(h->fake, FAKE_UPDATE), 1);
    fake_remove(h->fake, fake_find(h->fake, "a.json"));
    harness_advance_ms(TTL_MS);
    assert_names(h, h->vault, "");
}

static void an_object_that_is_sent_twice_is_one(void **state)
{
    struct harness *h = *state;

    fake_add_with_id(h->fake, h->vault_id, "vcred_aaaaaa", "a.json", 1);
    fake_add_with_id(h->fake, h->vault_id, "vcred_aaaaaa", "a.json", 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(vf_tree_count(h->tree), 2);
}

/* Each name that the last one could have is the plain name of another. */
static void an_object_without_any_free_name_is_left_out(void **state)
{
    static const char id[] = "vcred_0123456789abcdefghij";
    struct harness *h = *state;
    char name[VF_NAME_MAX + 1], other[32];
    uint64_t count = 2; /* the vault, and the one with the plain name */

    fake_add_with_id(h->fake, h->vault_id, "vcred_first", "a.json", 1);
    for (unsigned digits = 6; digits <= 80; digits += 2) {
        vf_name_encode(VF_NAME_FILE, "a.json", id, digits, name);
        if (fake_find(h->fake, name) != NULL)
            break; /* no more digits */
        snprintf(other, sizeof(other), "vcred_other%u", digits);
        fake_add_with_id(h->fake, h->vault_id, other, name, 2);
        count++;
    }
    fake_add_with_id(h->fake, h->vault_id, id, "a.json", 3);
    vf_tree_refresh(h->tree);
    assert_int_equal(look_up(h, h->vault, "a~efghij.json"), 0);
    assert_int_equal(vf_tree_count(h->tree), count);
}

static void objects_without_a_name_get_one(void **state)
{
    struct harness *h = *state;

    fake_add_with_id(h->fake, h->vault_id, "vcred_aaaaaa", "", 1);
    fake_add_with_id(h->fake, h->vault_id, "vcred_bbbbbb", ".hidden", 1);
    fake_add_with_id(h->fake, h->vault_id, "vcred_cccccc", "a/b\n", 1);
    fake_add_with_id(h->fake, h->vault_id, "vcred_dddddd", ".vault.json", 1);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault,
                 "%2Ehidden %2Evault.json a%2Fb%0A credential~aaaaaa.json ");
    assert_content(h, look(h, h->vault, "a%2Fb%0A"), "vcred_cccccc");
}

static void inode_numbers_come_from_ids(void **state)
{
    struct harness *h = *state, *other;
    const struct vf_tree_options options = harness_options();

    other = harness_new(&options);
    fake_add_with_id(h->fake, h->vault_id, "vcred_aaaaaa", "a.json", 1);
    fake_add_with_id(other->fake, other->vault_id, "vcred_aaaaaa", "b.json", 1);
    vf_tree_refresh(h->tree);
    harness_look_at_vault(other);
    assert_int_equal(
        stat_of(h, look(h, h->vault, "a.json")).st_ino,
        stat_of(other, look(other, other->vault, "b.json")).st_ino);
    assert_int_equal(stat_of(h, h->vault).st_ino,
                     stat_of(other, other->vault).st_ino);
    harness_teardown((void **)&other);
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, harness_setup_vault, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_keeps_its_name),
        TEST(digits_grow_while_names_clash),
        TEST(a_name_stays_with_its_id),
        TEST(a_vaults_freed_name_is_not_passed_on_at_once),
        TEST(a_credential_made_anew_elsewhere_keeps_its_node),
        TEST(a_rotation_elsewhere_is_not_taken_for_one_made_here),
        TEST(an_object_that_is_sent_twice_is_one),
        TEST(an_object_without_any_free_name_is_left_out),
        TEST(objects_without_a_name_get_one),
        TEST(inode_numbers_come_from_ids),
    };

    return cmocka_run_group_tests_name("tree naming", tests, NULL, NULL);
}
