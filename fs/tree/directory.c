/* SPDX-License-Identifier: MIT */
#include "archive.h"
#include "control.h"
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/name.h"

struct snapshot_entry {
    struct vf_node *node; /* a reference */
    const char *name;     /* that it had; behind the last entry */
};

struct vf_snapshot {
    struct vf_snapshot *next;        /* open too */
    const struct vf_node *directory; /* borrowed: who reads it has it open */
    size_t count;
    struct snapshot_entry entries[];
};

static bool is_local(const struct vf_node *node)
{
    return node->kind == VF_NODE_DRAFT || node->kind == VF_NODE_SCRATCH ||
           node->kind == VF_NODE_PARKED;
}

/* Lock held. A name whose listing needs no look, or NULL. */
static struct vf_node *find_local(struct vf_tree *tree,
                                  struct vf_node *directory, const char *name)
{
    struct vf_node *node;

    if (directory->kind == VF_NODE_VAULT && strcmp(name, VF_INFO_NAME) == 0) {
        node = directory->listing->info;
        return node != NULL && !node->is_hidden ? node : NULL;
    }
    node = vf_node_child(directory, name);
    if (node != NULL && vf_node_is_expired_draft(node)) {
        vf_node_unlink(tree, node);
        node = NULL;
    }
    return node != NULL && is_local(node) ? node : NULL;
}

static int lookup_locked(struct vf_tree *tree, struct vf_node *directory,
                         const char *name, struct vf_caller *caller,
                         struct vf_node **ret, struct vf_error *err)
{
    if (directory->kind == VF_NODE_CONTROL_DIRECTORY)
        return vf_control_find(tree, directory, name, caller, ret, err);
    if (strcmp(name, VF_ARCHIVE_NAME) == 0)
        return vf_archive_of(tree, directory, ret, err);
    if (directory->kind == VF_NODE_ROOT && strcmp(name, VF_CONTROL_NAME) == 0)
        return vf_control_of(tree, ret, err);
    int result =
        vf_job_settle(tree, directory, vf_park_key(directory, name), caller);
    if (result < 0)
        return result;
    *ret = find_local(tree, directory, name);
    if (*ret != NULL)
        return 0;
    if (vf_name_is_scratch(name)) /* the service gives no such name */
        return -ENOENT;
    result = vf_listing_ensure(tree, directory, false, caller, err);
    if (result < 0)
        return result;
    *ret = vf_node_child(directory, name);
    return *ret != NULL ? 0 : -ENOENT;
}

int vf_tree_lookup(struct vf_tree *tree, struct vf_node *directory,
                   const char *name, struct vf_caller *caller,
                   struct vf_entry *ret, struct vf_error *err)
{
    struct vf_node *node;

    if (directory->listing == NULL)
        return -ENOTDIR;
    if (strlen(name) > VF_NAME_MAX)
        return -ENAMETOOLONG;
    pthread_mutex_lock(&tree->lock);
    int result = lookup_locked(tree, directory, name, caller, &node, err);
    if (result == 0)
        vf_node_fill_entry(tree, vf_node_ref(node), ret);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* The directory whose listing a node's attributes came with; NULL: none. */
static struct vf_node *source_of(const struct vf_node *node)
{
    switch (node->kind) {
    case VF_NODE_INFO:
        return node->parent->parent;
    case VF_NODE_VAULT:
    case VF_NODE_CREDENTIAL:
        return node->parent;
    case VF_NODE_ROOT:
    case VF_NODE_DRAFT:
    case VF_NODE_SCRATCH:
    case VF_NODE_PARKED:
    case VF_NODE_ARCHIVE:
    case VF_NODE_CONTROL_DIRECTORY:
    case VF_NODE_CONTROL:
    case VF_NODE_LINK:
        break;
    }
    return NULL;
}

int vf_tree_getattr(struct vf_tree *tree, struct vf_node *node, bool has_handle,
                    struct vf_caller *caller, struct vf_entry *ret,
                    struct vf_error *err)
{
    int result = 0;

    pthread_mutex_lock(&tree->lock);
    struct vf_node *source = has_handle ? NULL : source_of(node);
    if (source != NULL && node->is_linked) {
        result = vf_listing_ensure(tree, source, false, caller, err);
        if (result == 0 && !node->is_linked)
            result = -ENOENT;
    }
    if (result == 0 && !has_handle)
        result = vf_control_update(tree, node, err);
    if (result == 0)
        vf_node_fill_entry(tree, node, ret);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* What is shown, in place of the children: their NULL leaves room for info. */
static size_t pick_shown(struct vf_tree *tree, struct vf_node *info,
                         struct vf_node **nodes)
{
    size_t count = 0;

    for (struct vf_node **child = nodes; *child != NULL; child++) {
        if (vf_node_is_expired_draft(*child))
            vf_node_unlink(tree, *child);
        else if (!(*child)->is_spent)
            nodes[count++] = *child;
    }
    if (info == NULL || info->is_hidden)
        return count;
    memmove(nodes + 1, nodes, count * sizeof(*nodes));
    nodes[0] = info;
    return count + 1;
}

/* With names of its own: it is read without the lock, and a node's name goes
 * with a rename. */
static struct vf_snapshot *new_snapshot(const struct vf_node *directory,
                                        struct vf_node *const *nodes,
                                        size_t count)
{
    size_t size =
        sizeof(struct vf_snapshot) + count * sizeof(struct snapshot_entry);

    for (size_t i = 0; i < count; i++)
        size += strlen(nodes[i]->name) + 1;
    struct vf_snapshot *snapshot = malloc(size);
    if (snapshot == NULL)
        return NULL;
    snapshot->directory = directory;
    snapshot->count = count;
    char *name = (char *)&snapshot->entries[count];
    for (size_t i = 0; i < count; i++) {
        snapshot->entries[i] =
            (struct snapshot_entry){vf_node_ref(nodes[i]), name};
        name = stpcpy(name, nodes[i]->name) + 1;
    }
    return snapshot;
}

static struct vf_snapshot *take_snapshot(struct vf_tree *tree,
                                         struct vf_node *directory)
{
    struct vf_node **nodes = vf_node_children(directory);

    if (nodes == NULL)
        return NULL;
    size_t count = pick_shown(tree, directory->listing->info, nodes);
    struct vf_snapshot *snapshot = new_snapshot(directory, nodes, count);
    free(nodes);
    return snapshot;
}

int vf_tree_opendir(struct vf_tree *tree, struct vf_node *directory,
                    struct vf_caller *caller, struct vf_snapshot **ret,
                    struct vf_error *err)
{
    if (directory->listing == NULL)
        return -ENOTDIR;
    pthread_mutex_lock(&tree->lock);
    int result = vf_listing_ensure(tree, directory, false, caller, err);
    if (result == 0) {
        struct vf_snapshot *snapshot = take_snapshot(tree, directory);

        if (snapshot == NULL) {
            result = vf_error_set(err, ENOMEM, "no memory to list");
        } else {
            snapshot->next = tree->snapshots;
            tree->snapshots = snapshot;
            *ret = snapshot;
        }
    }
    pthread_mutex_unlock(&tree->lock);
    return result;
}

const char *vf_snapshot_name(const struct vf_snapshot *snapshot, size_t index)
{
    return index < snapshot->count ? snapshot->entries[index].name : NULL;
}

void vf_snapshot_entry(struct vf_tree *tree, const struct vf_snapshot *snapshot,
                       size_t index, bool wants_reference, struct vf_entry *ret)
{
    const struct snapshot_entry *entry = &snapshot->entries[index];
    struct vf_node *node = entry->node;

    pthread_mutex_lock(&tree->lock);
    vf_node_fill_entry(tree, wants_reference ? vf_node_ref(node) : node, ret);
    if (node->parent != snapshot->directory ||
        strcmp(node->name, entry->name) != 0)
        ret->valid_ms = 0; /* it has another name by now */
    pthread_mutex_unlock(&tree->lock);
}

static void free_snapshot(struct vf_tree *tree, struct vf_snapshot *snapshot)
{
    struct vf_snapshot **link = &tree->snapshots;

    while (*link != snapshot)
        link = &(*link)->next;
    *link = snapshot->next;
    for (size_t i = 0; i < snapshot->count; i++)
        vf_node_unref(tree, snapshot->entries[i].node, 1);
    free(snapshot);
}

void vf_snapshot_free(struct vf_tree *tree, struct vf_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    pthread_mutex_lock(&tree->lock);
    free_snapshot(tree, snapshot);
    pthread_mutex_unlock(&tree->lock);
}

void vf_snapshot_free_all(struct vf_tree *tree)
{
    while (tree->snapshots != NULL)
        free_snapshot(tree, tree->snapshots);
}
