/* SPDX-License-Identifier: MIT
 *
 * Many operations at once, others' changes among them: what they answer, and
 * that the tree and the service agree when all is over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define THREADS 6
#define STEPS 250
#define OTHER_URL "https://other.example.com/mcp"

struct actor {
    struct harness *h;
    unsigned seed;
    int surprise; /* the first result that was not expected */
    pthread_t thread;
};

static const char *any_name(struct actor *actor)
{
    static const char *const names[] = {"a.json", "b.json", "c.json", "d.json"};

    return names[(unsigned)rand_r(&actor->seed) % 4];
}

static void expect(struct actor *actor, int result, int also)
{
    if (result != 0 && result != also && actor->surprise == 0)
        actor->surprise = result;
}

static void act_write(struct actor *actor)
{
    struct vf_tree *tree = actor->h->tree;
    struct vf_caller caller = {0};
    const char *spec =
        spec_for(rand_r(&actor->seed) % 4 != 0 ? HARNESS_URL : OTHER_URL);
    size_t half = strlen(spec) / 2;
    struct vf_entry entry;
    struct vf_file *file;

    expect(actor,
           vf_tree_create(tree, actor->h->vault, any_name(actor),
                          O_WRONLY | O_TRUNC, &caller, &entry, &file, NULL),
           0);
    expect(actor, vf_file_write(tree, file, spec, half, 0, &caller, NULL),
           -ENOENT);
    if (rand_r(&actor->seed) % 4 != 0)
        expect(actor,
               vf_file_write(tree, file, spec + half, strlen(spec) - half,
                             (off_t)half, &caller, NULL),
               -ENOENT);
    (void)vf_file_release(tree, file, NULL);
    vf_tree_forget(tree, entry.node, 1);
}

static void act_read(struct actor *actor)
{
    struct vf_tree *tree = actor->h->tree;
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct vf_file *file;
    bool is_unchanged;
    char text[64];

    int result = vf_tree_lookup(tree, actor->h->vault, any_name(actor), &caller,
                                &entry, NULL);
    expect(actor, result, -ENOENT);
    if (result < 0)
        return;
    expect(actor,
           vf_tree_getattr(tree, entry.node, false, &caller, &entry, NULL),
           -ENOENT);
    result = vf_tree_open(tree, entry.node,
                          rand_r(&actor->seed) % 2 ? O_RDONLY : O_RDWR, &caller,
                          &file, &is_unchanged, NULL);
    expect(actor, result, -ESTALE);
    if (result == 0) {
        (void)!vf_file_read(tree, file, text, sizeof(text), 0, NULL);
        (void)vf_file_release(tree, file, NULL);
    }
    vf_tree_forget(tree, entry.node, 1);
}

static void act_list(struct actor *actor)
{
    struct vf_tree *tree = actor->h->tree;
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct item item;

    int result =
        vf_tree_opendir(tree, actor->h->vault, &caller, &snapshot, NULL);
    expect(actor, result, 0);
    if (result < 0)
        return;
    for (size_t i = 0;
         (i = read_item(actor->h, snapshot, i, true, &item)) != 0;)
        vf_tree_forget(tree, item.entry.node, 1);
    vf_snapshot_free(tree, snapshot);
}

static void act_vault(struct actor *actor)
{
    struct vf_tree *tree = actor->h->tree;
    struct vf_caller caller = {0};
    struct vf_entry entry;

    int result = vf_tree_mkdir(tree, actor->h->root, any_name(actor), &caller,
                               &entry, NULL);
    expect(actor, result, -EEXIST);
    if (result == 0)
        vf_tree_forget(tree, entry.node, 1);
    else
        expect(
            actor,
            vf_tree_rmdir(tree, actor->h->root, any_name(actor), &caller, NULL),
            -ENOENT);
}

static void act_elsewhere(struct actor *actor)
{
    struct fake *fake = actor->h->fake;
    const char *id = fake_find(fake, any_name(actor));

    if (id != NULL && strncmp(id, "vcred", 5) == 0)
        fake_remove(fake, id);
    else
        fake_add(fake, actor->h->vault_id, any_name(actor), HARNESS_URL);
}

static void *act(void *context)
{
    struct actor *actor = context;
    struct vf_caller caller = {0};

    for (int i = 0; i < STEPS; i++) {
        unsigned choice = (unsigned)rand_r(&actor->seed) % 20;

        if (choice < 7)
            act_write(actor);
        else if (choice < 10)
            expect(actor,
                   vf_tree_unlink(actor->h->tree, actor->h->vault,
                                  any_name(actor), &caller, NULL),
                   -ENOENT);
        else if (choice < 14)
            act_read(actor);
        else if (choice < 16)
            act_list(actor);
        else if (choice < 17)
            act_vault(actor);
        else if (choice < 18)
            act_elsewhere(actor);
        else if (choice < 19)
            harness_advance_ms(1000);
        else
            vf_tree_refresh(actor->h->tree);
    }
    return NULL;
}

/* Each name leads to an object that is there, and all objects have one. */
static void assert_agreement(struct harness *h)
{
    struct vf_caller caller = {0};
    struct vf_snapshot *snapshot;
    struct item item;
    char text[256], *id;
    size_t count = 0;

    harness_advance_ms(200000); /* no grace, no drafts */
    assert_int_equal(
        vf_tree_opendir(h->tree, h->vault, &caller, &snapshot, NULL), 0);
    for (size_t i = 1; (i = read_item(h, snapshot, i, false, &item)) != 0;
         count++) {
        struct vf_file *file = open_for(h, item.entry.node, O_RDONLY);
        text[vf_file_read(h->tree, file, text, sizeof(text) - 1, 0, NULL)] =
            '\0';
        id = strstr(text, "vcred_");
        assert_non_null(id);
        *strchr(id, '"') = '\0';
        assert_true(fake_has(h->fake, id));
        assert_int_equal(close_file(h, file), 0);
    }
    vf_snapshot_free(h->tree, snapshot);
    assert_int_equal(count, fake_size(h->fake, h->vault_id));
    assert_int_equal(look_up(h, h->root, "prod"), 0);
    assert_int_equal(vf_tree_count(h->tree), count + fake_size(h->fake, ""));
}

static void tree_and_service_agree_after_a_crowd(void **state)
{
    struct harness *h = *state;
    struct actor actors[THREADS];

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < THREADS; i++) {
            actors[i] = (struct actor){.h = h, .seed = 100 * round + i};
            assert_int_equal(
                pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(actors[i].thread, NULL), 0);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(actors[i].surprise, 0);
        harness_wait_idle(h);
        assert_agreement(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tree_and_service_agree_after_a_crowd,
                                        harness_setup_vault, harness_teardown),
    };

    return cmocka_run_group_tests_name("tree model", tests, NULL, NULL);
}
