/* SPDX-License-Identifier: MIT
 *
 * Nodes.
 *
 * A node is what the kernel holds on to; an object of the service is what it
 * shows at the moment. The two are not tied for ever: a draft becomes a
 * credential when it is committed, and a credential that was deleted and made
 * again elsewhere keeps its node under its name. So a node's address is the
 * kernel's handle, its ino is a hash of the object's id, the same in every
 * mount, and neither can be computed from the other.
 *
 * A node lives as long as something refers to it: its name in a directory, an
 * open file, a job, a lookup that the kernel has not forgotten, a child.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "vaultfs/clock.h"
#include "vaultfs/text.h"

static const char *name_of(const struct vf_node *node)
{
    return node->name;
}

static const char *id_of(const struct vf_node *node)
{
    return node->id;
}

struct vf_text *vf_text_ref(struct vf_text *text)
{
    if (text != NULL)
        text->references++;
    return text;
}

void vf_text_unref(struct vf_text *text)
{
    if (text != NULL && --text->references == 0)
        free(text);
}

static void free_listing(struct vf_listing *listing)
{
    if (listing == NULL)
        return;
    vf_listing_unbury(listing);
    vf_snapshot_free_all(listing);
    vf_index_done(&listing->by_name);
    vf_index_done(&listing->by_id);
    free(listing);
}

static void add_to_all(struct vf_tree *tree, struct vf_node *node)
{
    node->next_node = tree->nodes;
    if (tree->nodes != NULL)
        tree->nodes->previous_node = node;
    tree->nodes = node;
}

static void free_node(struct vf_tree *tree, struct vf_node *node)
{
    if (node->previous_node != NULL)
        node->previous_node->next_node = node->next_node;
    else
        tree->nodes = node->next_node;
    if (node->next_node != NULL)
        node->next_node->previous_node = node->previous_node;
    vf_scratch_end(tree, node);
    vf_text_unref(node->text);
    free_listing(node->listing);
    free(node->name);
    free(node->id);
    free(node->home);
    free(node);
}

/* The kernel does not say that it forgets when a mount ends. */
void vf_node_free_all(struct vf_tree *tree)
{
    while (tree->nodes != NULL)
        free_node(tree, tree->nodes);
}

struct vf_node *vf_node_ref(struct vf_node *node)
{
    node->references++;
    return node;
}

void vf_node_unref(struct vf_tree *tree, struct vf_node *node, uint64_t count)
{
    node->references -= count;
    if (node->references > 0)
        return;
    struct vf_node *parent = node->parent;
    free_node(tree, node);
    if (parent != NULL)
        vf_node_unref(tree, parent, 1);
}

static uint64_t make_ino(const struct vf_node *node)
{
    struct vf_buf key = VF_BUF_INIT;
    uint64_t ino = 1;

    switch (node->kind) {
    case VF_NODE_ROOT:
        return 1;
    case VF_NODE_VAULT:
    case VF_NODE_CREDENTIAL:
    case VF_NODE_PARKED:
        if (node->id != NULL) {
            ino = vf_hash64(node->id, strlen(node->id));
            break;
        }
        /* fall through */
    case VF_NODE_INFO:
    case VF_NODE_DRAFT:
    case VF_NODE_SCRATCH:
    case VF_NODE_ARCHIVE:
    case VF_NODE_CONTROL_DIRECTORY:
    case VF_NODE_CONTROL:
    case VF_NODE_LINK:
        vf_buf_printf(&key, "%016jx/%s", (uintmax_t)node->parent->ino,
                      node->name);
        if (!key.is_broken)
            ino = vf_hash64(key.data, key.size);
        vf_buf_free(&key);
        break;
    }
    return ino > 1 ? ino : ino + 2; /* 0 is no inode, 1 is the root */
}

static struct vf_node *new_node(struct vf_tree *tree, struct vf_node *parent,
                                enum vf_node_kind kind, const char *name,
                                const char *id)
{
    struct vf_node *node = calloc(1, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->kind = kind;
    node->references = 1;
    node->is_listed = true;
    node->name = strdup(name);
    node->id = id != NULL ? strdup(id) : NULL;
    if (vf_node_is_directory(node))
        node->listing = calloc(1, sizeof(*node->listing));
    if (node->name == NULL || (id != NULL && node->id == NULL) ||
        (vf_node_is_directory(node) && node->listing == NULL)) {
        free(node->listing);
        free(node->name);
        free(node->id);
        free(node);
        return NULL;
    }
    node->parent = parent != NULL ? vf_node_ref(parent) : NULL;
    node->ino = make_ino(node);
    (void)clock_gettime(CLOCK_REALTIME, &node->mtime);
    add_to_all(tree, node);
    return node;
}

struct vf_node *vf_node_new_root(struct vf_tree *tree)
{
    struct vf_node *root = new_node(tree, NULL, VF_NODE_ROOT, "", NULL);

    if (root != NULL)
        root->is_linked = true;
    return root;
}

/* The service knows it: it is found by its id too. */
static bool is_counted(const struct vf_node *node)
{
    return node->id != NULL;
}

static int add_to_ids(struct vf_tree *tree, struct vf_node *node)
{
    int result = vf_index_add(&node->parent->listing->by_id, id_of, node);

    if (result == 0)
        tree->count++;
    return result;
}

static void take_from_ids(struct vf_tree *tree, struct vf_node *node)
{
    if (!is_counted(node))
        return;
    vf_index_remove(&node->parent->listing->by_id, id_of, node);
    tree->count--;
}

int vf_node_link(struct vf_tree *tree, struct vf_node *node)
{
    struct vf_listing *listing = node->parent->listing;

    vf_listing_change_names(node->parent);
    if (vf_index_add(&listing->by_name, name_of, node) < 0)
        return -ENOMEM;
    if (is_counted(node) && add_to_ids(tree, node) < 0) {
        vf_index_remove(&listing->by_name, name_of, node);
        return -ENOMEM;
    }
    node->is_linked = true;
    vf_node_ref(node);
    return 0;
}

void vf_node_tell_entry(struct vf_tree *tree, const struct vf_node *directory,
                        const char *name)
{
    if (tree->watch.entry_changed != NULL)
        tree->watch.entry_changed(tree->watch.context, directory, name);
}

void vf_node_tell_content(struct vf_tree *tree, const struct vf_node *node)
{
    if (tree->watch.content_changed != NULL)
        tree->watch.content_changed(tree->watch.context, node);
}

static void unlink_children(struct vf_tree *tree, struct vf_node *directory);

void vf_node_drop_aside(struct vf_tree *tree, struct vf_node **node)
{
    struct vf_node *dropped = *node;

    if (dropped == NULL)
        return;
    *node = NULL;
    if (dropped->listing != NULL)
        unlink_children(tree, dropped);
    dropped->is_linked = false;
    vf_node_tell_entry(tree, dropped->parent, dropped->name);
    vf_node_unref(tree, dropped, 1);
}

/* What hangs below a directory whose name goes. */
static void unlink_children(struct vf_tree *tree, struct vf_node *directory)
{
    struct vf_listing *listing = directory->listing;

    while (listing->by_name.count > 0) {
        struct vf_node *child =
            listing->by_name.nodes[listing->by_name.count - 1];

        vf_node_drop_drafts(child);
        vf_node_unlink(tree, child);
    }
    vf_node_drop_aside(tree, &listing->info);
    vf_node_drop_aside(tree, &listing->archive);
}

void vf_node_unlink(struct vf_tree *tree, struct vf_node *node)
{
    struct vf_listing *listing;

    if (!node->is_linked)
        return;
    if (node->listing != NULL)
        unlink_children(tree, node);
    node->is_linked = false;
    vf_scratch_end_unused(tree, node);
    vf_node_tell_entry(tree, node->parent, node->name);
    vf_listing_change_names(node->parent);
    listing = node->parent->listing;
    vf_index_remove(&listing->by_name, name_of, node);
    take_from_ids(tree, node);
    vf_node_unref(tree, node, 1);
}

int vf_node_move(struct vf_tree *tree, struct vf_node *node,
                 struct vf_node *parent, const char *name)
{
    char *copy = strdup(name);
    struct vf_node *old_parent = node->parent;

    if (copy == NULL)
        return -ENOMEM;
    vf_node_tell_entry(tree, node->parent, node->name);
    vf_listing_change_names(old_parent);
    vf_index_remove(&old_parent->listing->by_name, name_of, node);
    take_from_ids(tree, node);
    free(node->name);
    node->name = copy;
    node->parent = vf_node_ref(parent);
    int result = vf_node_link(tree, node);
    if (result == 0) {
        vf_node_tell_entry(tree, node->parent, node->name);
    } else {
        node->is_linked = false;
        if (node->listing != NULL)
            unlink_children(tree, node);
    }
    vf_node_unref(tree, old_parent, 1);
    vf_node_unref(tree, node, 1); /* the old link's */
    return result;
}

struct vf_node *vf_node_new_aside(struct vf_tree *tree, struct vf_node *parent,
                                  enum vf_node_kind kind, const char *name)
{
    struct vf_node *node = new_node(tree, parent, kind, name, NULL);

    if (node != NULL)
        node->is_linked = true;
    return node;
}

/* .vault.json comes with the vault's own object, needs no listing of its
 * credentials, and does not make the vault non-empty. */
static int add_info(struct vf_tree *tree, struct vf_node *vault)
{
    vault->listing->info =
        vf_node_new_aside(tree, vault, VF_NODE_INFO, VF_INFO_NAME);
    return vault->listing->info != NULL ? 0 : -ENOMEM;
}

struct vf_node *vf_node_new_child(struct vf_tree *tree, struct vf_node *parent,
                                  enum vf_node_kind kind, const char *name,
                                  const char *id)
{
    struct vf_node *node = new_node(tree, parent, kind, name, id);

    if (node == NULL)
        return NULL;
    if ((kind == VF_NODE_VAULT && add_info(tree, node) < 0) ||
        vf_node_link(tree, node) < 0) {
        if (node->listing != NULL && node->listing->info != NULL)
            vf_node_unref(tree, node->listing->info, 1);
        vf_node_unref(tree, node, 1);
        return NULL;
    }
    node->references--; /* the link's alone is left */
    return node;
}

struct vf_node *vf_node_child(const struct vf_node *directory, const char *name)
{
    return vf_index_find(&directory->listing->by_name, name_of, name);
}

struct vf_node *vf_node_child_by_id(const struct vf_node *directory,
                                    const char *id)
{
    return vf_index_find(&directory->listing->by_id, id_of, id);
}

int vf_node_set_id(struct vf_tree *tree, struct vf_node *node, const char *id)
{
    char *copy = strdup(id);

    if (copy == NULL)
        return -ENOMEM;
    if (node->is_linked)
        vf_listing_change_names(node->parent);
    take_from_ids(tree, node);
    free(node->id);
    node->id = copy;
    if (node->kind != VF_NODE_VAULT) /* one that was pending */
        node->kind = VF_NODE_CREDENTIAL;
    node->is_listed = true;
    node->is_made_here = false;
    if (node->is_linked && add_to_ids(tree, node) < 0) {
        free(node->id);
        node->id = NULL;
        if (node->kind != VF_NODE_VAULT)
            node->kind = VF_NODE_DRAFT;
        return -ENOMEM;
    }
    node->ino = make_ino(node);
    return 0;
}

void vf_node_drop_id(struct vf_tree *tree, struct vf_node *node)
{
    if (node->is_linked) {
        vf_listing_change_names(node->parent);
        take_from_ids(tree, node);
    }
    free(node->id);
    node->id = NULL;
    node->ino = make_ino(node);
}

void vf_node_become_draft(struct vf_tree *tree, struct vf_node *node)
{
    node->kind = VF_NODE_DRAFT;
    vf_node_drop_id(tree, node);
    vf_text_unref(node->text);
    node->text = NULL;
    node->version++;
}

/* Takes the name over. */
static void set_name(struct vf_node *node, char *name)
{
    struct vf_index *by_name = &node->parent->listing->by_name;

    if (node->is_linked) {
        vf_listing_change_names(node->parent);
        vf_index_remove(by_name, name_of, node);
    }
    free(node->name);
    node->name = name;
    if (!node->is_linked)
        return;
    int result = vf_index_add(by_name, name_of, node);
    assert(result == 0); /* its own place is free */
    (void)result;
}

int vf_node_rename(struct vf_tree *tree, struct vf_node *node,
                   const char *new_name)
{
    if (strcmp(node->name, new_name) == 0)
        return 0;
    char *copy = strdup(new_name);
    if (copy == NULL)
        return -ENOMEM;
    if (node->is_linked)
        vf_node_tell_entry(tree, node->parent, node->name);
    set_name(node, copy);
    if (node->id == NULL && node->kind != VF_NODE_SCRATCH)
        node->ino = make_ino(node);
    if (node->is_linked)
        vf_node_tell_entry(tree, node->parent, node->name);
    return 0;
}

void vf_node_changed_here(struct vf_tree *tree, struct vf_node *node)
{
    node->changed_at = ++tree->changes;
    node->changed_ms = vf_clock_boottime_ms();
    if (node->parent == NULL)
        return;
    /* The kernel does not know of each change that it was one of the directory:
     * not of a write that makes a vault, for one. */
    (void)clock_gettime(CLOCK_REALTIME, &node->parent->listing->changed);
    vf_node_tell_content(tree, node->parent);
}

void vf_node_set_hidden(struct vf_node *info, bool is_hidden)
{
    if (info->is_hidden == is_hidden)
        return;
    vf_listing_change_names(info->parent);
    info->is_hidden = is_hidden;
}

struct vf_node **vf_node_children(const struct vf_node *directory)
{
    const struct vf_index *by_name = &directory->listing->by_name;
    struct vf_node **children = calloc(by_name->count + 1, sizeof(*children));

    if (children != NULL && by_name->count > 0)
        memcpy(children, by_name->nodes, by_name->count * sizeof(*children));
    return children;
}

bool vf_node_is_empty_directory(const struct vf_node *directory)
{
    const struct vf_index *children = &directory->listing->by_name;

    for (size_t i = 0; i < children->count; i++)
        if (children->nodes[i]->kind != VF_NODE_DRAFT)
            return false;
    return true;
}
