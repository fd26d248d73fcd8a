/* SPDX-License-Identifier: MIT
 *
 * What a listing says, put into the tree.
 *
 * What was done here and what a listing says can disagree, because the listing
 * left the service before the change, or because the service's lists lag behind
 * its writes. The tree's clock counts changes. An object that changed here
 * after the fetch began keeps its local state; for VF_OWN_CHANGE_MS after a
 * change, so does one whose listed state is older, missing, or still there
 * though it was deleted. All else follows the listing.
 *
 * Names: a name that was shown stays with its id. New objects are named oldest
 * first; one whose name is taken gets digits of its id. A vault's name that
 * becomes free in a listing does not pass to another vault in the same one. A
 * credential's does, node and all: that is how a rotation by delete and create
 * looks from outside.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/name.h"

#define DIGITS_FIRST 6
#define DIGITS_STEP 2
#define DIGITS_MAX 80

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static int compare_age(const void *a, const void *b)
{
    const struct vf_object *left = *(const struct vf_object *const *)a;
    const struct vf_object *right = *(const struct vf_object *const *)b;

    if (is_before(left->created, right->created))
        return -1;
    if (is_before(right->created, left->created))
        return 1;
    return strcmp(left->id, right->id);
}

static bool was_changed_lately(const struct vf_node *node)
{
    return node->changed_at != 0 &&
           vf_clock_boottime_ms() - node->changed_ms < VF_OWN_CHANGE_MS;
}

static bool is_newer_here(const struct vf_node *node,
                          const struct vf_object *object, uint64_t began_at)
{
    return node->changed_at > began_at ||
           (was_changed_lately(node) &&
            is_before(object->updated, node->mtime));
}

static void drop_old_tombstones(struct vf_listing *listing, uint64_t began_at)
{
    struct vf_tombstone **link = &listing->tombstones;
    int64_t now = vf_clock_boottime_ms();

    while (*link != NULL) {
        struct vf_tombstone *stone = *link;

        if (stone->changed_at <= began_at && stone->until_ms < now) {
            *link = stone->next;
            free(stone);
        } else {
            link = &stone->next;
        }
    }
}

static bool is_buried(const struct vf_listing *listing, const char *id)
{
    const struct vf_tombstone *stone = listing->tombstones;

    while (stone != NULL && strcmp(stone->id, id) != 0)
        stone = stone->next;
    return stone != NULL;
}

void vf_listing_bury(struct vf_tree *tree, struct vf_node *directory,
                     const char *id)
{
    struct vf_tombstone *stone = calloc(1, sizeof(*stone));

    if (stone == NULL)
        return; /* at worst it shows until the next listing */
    stone->changed_at = ++tree->changes;
    stone->until_ms = vf_clock_boottime_ms() + VF_OWN_CHANGE_MS;
    memcpy(stone->id, id, strlen(id) + 1);
    stone->next = directory->listing->tombstones;
    directory->listing->tombstones = stone;
}

void vf_listing_unbury(struct vf_listing *listing)
{
    while (listing->tombstones != NULL) {
        struct vf_tombstone *next = listing->tombstones->next;

        free(listing->tombstones);
        listing->tombstones = next;
    }
}

static bool is_gone(const struct vf_node *node)
{
    return node->kind == VF_NODE_CREDENTIAL && !node->is_listed;
}

/* Whether a new object may live on in the node that has its plain name. For a
 * vault that is one that waits to be made: it has been, by a request of ours
 * whose answer was lost, or by somebody else. */
static bool may_take_over(const struct vf_node *node, bool is_vault)
{
    if (is_vault)
        return node->kind == VF_NODE_VAULT && node->id == NULL;
    return node->kind == VF_NODE_DRAFT || is_gone(node);
}

static struct vf_node *take_over(struct vf_tree *tree, struct vf_node *node,
                                 const char *id)
{
    if (vf_node_set_id(tree, node, id) < 0)
        return NULL;
    if (node->listing != NULL)
        vf_listing_expire(tree, node);
    return node;
}

static const char *text_of(const struct vf_object *object)
{
    const char *text = object->name != NULL ? object->name : object->label;

    return text != NULL ? text : "";
}

static enum vf_name_kind kind_of_names(const struct vf_node *directory)
{
    return vf_node_holds_vaults(directory) ? VF_NAME_VAULT : VF_NAME_FILE;
}

bool vf_listing_free_name(const struct vf_node *directory, const char *text,
                          const char *id, char ret[static VF_NAME_MAX + 1])
{
    enum vf_name_kind kind = kind_of_names(directory);

    vf_name_encode(kind, text, id, 0, ret);
    for (unsigned digits = DIGITS_FIRST; vf_node_child(directory, ret) != NULL;
         digits += DIGITS_STEP) {
        if (digits > DIGITS_MAX)
            return false;
        vf_name_encode(kind, text, id, digits, ret);
    }
    return true;
}

/* A node for an object that is not in the directory yet. */
static struct vf_node *place_object(struct vf_tree *tree,
                                    struct vf_node *directory,
                                    const struct vf_object *object)
{
    bool is_vault = vf_node_holds_vaults(directory);
    char name[VF_NAME_MAX + 1];

    vf_name_encode(kind_of_names(directory), text_of(object), object->id, 0,
                   name);
    struct vf_node *taken = vf_node_child(directory, name);
    if (taken != NULL && may_take_over(taken, is_vault))
        return take_over(tree, taken, object->id);
    if (!vf_listing_free_name(directory, text_of(object), object->id, name))
        return NULL;
    return vf_node_new_child(tree, directory,
                             is_vault ? VF_NODE_VAULT : VF_NODE_CREDENTIAL,
                             name, object->id);
}

struct vf_node *vf_listing_adopt(struct vf_tree *tree,
                                 struct vf_node *directory,
                                 const struct vf_object *object,
                                 struct vf_node *preferred)
{
    struct vf_node *node = vf_node_child_by_id(directory, object->id);

    if (node == NULL && preferred != NULL && preferred->is_linked &&
        vf_node_set_id(tree, preferred, object->id) == 0)
        node = preferred;
    if (node == NULL)
        node = place_object(tree, directory, object);
    if (node == NULL || vf_node_set_object(tree, node, object) < 0)
        return NULL;
    return node;
}

static bool is_called_so(const struct vf_node *node,
                         const struct vf_object *object)
{
    enum vf_name_kind kind = kind_of_names(node->parent);
    char name[VF_NAME_MAX + 1];
    unsigned digits = 0;

    do {
        vf_name_encode(kind, text_of(object), object->id, digits, name);
        if (strcmp(name, node->name) == 0)
            return true;
        digits = digits == 0 ? DIGITS_FIRST : digits + DIGITS_STEP;
    } while (digits <= DIGITS_MAX);
    return false;
}

int vf_listing_rename(struct vf_tree *tree, struct vf_node *vault,
                      const struct vf_object *object)
{
    char name[VF_NAME_MAX + 1];

    if (is_called_so(vault, object) ||
        !vf_listing_free_name(vault->parent, text_of(object), object->id, name))
        return 0;
    return vf_node_rename(tree, vault, name);
}

/* Objects that have a node; the others are counted and put into new_objects. */
static size_t update_known(struct vf_tree *tree, struct vf_node *directory,
                           const struct vf_page *page, uint64_t began_at,
                           const struct vf_object **new_objects)
{
    size_t count = 0;

    for (size_t i = 0; i < page->count; i++) {
        const struct vf_object *object = &page->objects[i];
        struct vf_node *node = vf_node_child_by_id(directory, object->id);

        if (node == NULL) {
            if (!is_buried(directory->listing, object->id))
                new_objects[count++] = object;
            continue;
        }
        node->is_listed = true;
        if (!is_newer_here(node, object, began_at))
            (void)vf_node_set_object(tree, node, object);
    }
    return count;
}

static void mark_children(struct vf_node **children, uint64_t began_at)
{
    for (; *children != NULL; children++) {
        struct vf_node *node = *children;

        node->is_listed = node->changed_at > began_at ||
                          (node->is_made_here && was_changed_lately(node));
    }
}

static void unlink_unlisted(struct vf_tree *tree, struct vf_node **children)
{
    for (; *children != NULL; children++) {
        struct vf_node *node = *children;
        bool is_gone_elsewhere = node->id != NULL && !node->is_listed;

        if (is_gone_elsewhere && node->kind == VF_NODE_PARKED)
            vf_park_spend(tree, node); /* its text stays, for who parked it */
        else if (is_gone_elsewhere || vf_node_is_expired_draft(node))
            vf_node_unlink(tree, node);
    }
}

/* Objects that are not in the directory yet, oldest first. One that cannot get
 * a name is left out; one that there is no memory for fails the listing, which
 * would else say that it is absent. */
static int adopt_new(struct vf_tree *tree, struct vf_node *directory,
                     const struct vf_object **objects, size_t count)
{
    char name[VF_NAME_MAX + 1];
    int result = 0;

    qsort(objects, count, sizeof(const struct vf_object *), compare_age);
    for (size_t i = 0; i < count; i++) {
        struct vf_node *node =
            vf_listing_adopt(tree, directory, objects[i], NULL);

        if (node != NULL)
            node->is_listed = true;
        else if (vf_listing_free_name(directory, text_of(objects[i]),
                                      objects[i]->id, name))
            result = -ENOMEM;
    }
    return result;
}

/* Its name is kept free while an editor has it under another. */
static bool is_info_parked(struct vf_node **children)
{
    for (; *children != NULL; children++)
        if ((*children)->kind == VF_NODE_PARKED && (*children)->home != NULL &&
            strcmp((*children)->home, VF_INFO_NAME) == 0)
            return true;
    return false;
}

int vf_listing_reconcile(struct vf_tree *tree, struct vf_node *directory,
                         const struct vf_page *page, uint64_t began_at)
{
    struct vf_node **children = vf_node_children(directory);
    const struct vf_object **new_objects =
        calloc(page->count + 1, sizeof(const struct vf_object *));
    int result = -ENOMEM;

    if (children != NULL && new_objects != NULL) {
        drop_old_tombstones(directory->listing, began_at);
        mark_children(children, began_at);
        bool is_parked = is_info_parked(children); /* while all of them are */
        size_t count =
            update_known(tree, directory, page, began_at, new_objects);
        result = adopt_new(tree, directory, new_objects, count);
        if (directory->listing->info != NULL && !is_parked)
            vf_node_set_hidden(directory->listing->info, false);
        unlink_unlisted(tree, children); /* children may be gone from here on */
    }
    free(children);
    free(new_objects);
    return result;
}
