/* SPDX-License-Identifier: MIT
 *
 * Looking at directories.
 *
 * A directory that is open is read through many calls, and a reader that
 * removes what it reads (`rm -r`) must not miss what comes behind. While its
 * names stay as they are, a snapshot is nothing but the directory itself, and
 * costs the same for ten names and for ten thousand. Just before they change,
 * the names are kept aside, once for all snapshots that are open then: these
 * are apart from there on, and a place in them goes on to mean what it did.
 *
 * A cache above may keep what it read of a directory as long as that is true.
 * It fills itself from whatever snapshots may be cached, a stretch from each,
 * and goes on in it for whoever reads one of these, by the place that he had
 * reached; stretches of different names do not join. So those that may be
 * cached are all of the same names. Once the names change, those that are open
 * go on to share the cache, which nobody asks any more what is true; what is
 * opened beside them does without. When the last of them is closed, the next
 * one makes the cache begin anew.
 *
 * That an opening made it begin anew is certain only when who opened begins to
 * read: replies to others may have overtaken that one. Until then, each opening
 * makes it begin anew.
 *
 * True is not enough: a cache of names alone that outlived the entries that
 * came with them would make the kernel ask for each name, where reading the
 * directory again renews them all at once. So it ends with their life, and
 * begins anew with each listing that is fetched, also when that one finds
 * nothing new.
 */
#include "archive.h"
#include "control.h"
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/name.h"

#define ENTRIES_PER_REPLY 100

/* Who had the names of a directory at one moment. */
struct kept {
    size_t references; /* one for each snapshot */
    size_t count;
    struct vf_node *nodes[]; /* references; by slot, see node_in() */
};

struct vf_snapshot {
    struct vf_snapshot *next, *previous; /* of the same directory */
    struct vf_node *directory;           /* a reference */
    bool is_cacheable, is_unchanged;
    bool is_apart;     /* the names have changed since it was opened */
    int64_t begins;    /* expires_ms, if a cache is to begin with it; or 0 */
    struct kept *kept; /* the names, if is_apart; NULL: no memory */
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
    vf_ahead_look(tree, directory, false);
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

/* A vault's .vault.json comes first, and has its slot also while it is not
 * shown. */
static size_t slots_before_children(const struct vf_node *directory)
{
    return directory->kind == VF_NODE_VAULT ? 1 : 0;
}

static size_t count_slots(const struct vf_node *directory)
{
    return slots_before_children(directory) + directory->listing->by_name.count;
}

/* NULL: nothing is in that slot. */
static struct vf_node *node_in(const struct vf_node *directory, size_t slot)
{
    const struct vf_listing *listing = directory->listing;
    size_t before = slots_before_children(directory);

    return slot < before ? listing->info
                         : listing->by_name.nodes[slot - before];
}

static struct kept *keep_names(const struct vf_node *directory)
{
    size_t count = count_slots(directory);
    struct kept *kept =
        malloc(sizeof(*kept) + count * sizeof(struct vf_node *));

    if (kept == NULL)
        return NULL;
    kept->references = 0;
    kept->count = count;
    for (size_t slot = 0; slot < count; slot++) {
        kept->nodes[slot] = node_in(directory, slot);
        if (kept->nodes[slot] != NULL)
            vf_node_ref(kept->nodes[slot]);
    }
    return kept;
}

void vf_listing_change_names(struct vf_node *directory)
{
    struct vf_snapshot *snapshot = directory->listing->snapshots;
    struct kept *kept = NULL;

    directory->listing->names++;
    if (snapshot != NULL && !snapshot->is_apart)
        kept = keep_names(directory);
    /* Behind one that is apart all are. */
    for (; snapshot != NULL && !snapshot->is_apart; snapshot = snapshot->next) {
        snapshot->is_apart = true;
        snapshot->kept = kept;
        if (kept != NULL)
            kept->references++;
    }
}

/* What is known here alone may have outlived its time. */
static void drop_expired(struct vf_tree *tree, struct vf_listing *listing)
{
    if (listing->by_name.count == listing->by_id.count)
        return; /* the service knows them all */
    for (size_t i = listing->by_name.count; i-- > 0;)
        if (vf_node_is_expired_draft(listing->by_name.nodes[i]))
            vf_node_unlink(tree, listing->by_name.nodes[i]);
}

/* Of a whole directory, in requests of a cache above, roughly. */
static size_t cost_of_reading(const struct vf_node *directory)
{
    return 2 + count_slots(directory) / ENTRIES_PER_REPLY;
}

/* Whether a cache above may keep what it has. */
static bool is_kept_above(const struct vf_node *directory)
{
    const struct vf_listing *listing = directory->listing;

    return listing->shown == listing->names &&
           listing->shown_life == listing->expires_ms &&
           vf_listing_is_fresh(listing) &&
           listing->lapsed <= cost_of_reading(directory);
}

/* What a cache above is to do with a snapshot that is opened now. */
static void show(struct vf_listing *listing, struct vf_snapshot *snapshot)
{
    snapshot->is_cacheable =
        listing->cacheable == 0 || listing->shown == listing->names;
    if (!snapshot->is_cacheable)
        return;
    listing->cacheable++;
    snapshot->is_unchanged = is_kept_above(snapshot->directory);
    if (snapshot->is_unchanged)
        return;
    listing->shown = listing->names;
    listing->shown_life = 0;
    listing->lapsed = 0;
    snapshot->begins = listing->expires_ms;
}

/* Who opened it has the reply. */
static void trust_cache(const struct vf_snapshot *snapshot)
{
    struct vf_listing *listing = snapshot->directory->listing;

    if (snapshot->begins != 0 && !snapshot->is_apart)
        listing->shown_life = snapshot->begins;
}

static int open_locked(struct vf_tree *tree, struct vf_node *directory,
                       struct vf_snapshot **ret, struct vf_error *err)
{
    struct vf_snapshot *snapshot = malloc(sizeof(*snapshot));
    struct vf_listing *listing = directory->listing;

    if (snapshot == NULL)
        return vf_error_set(err, ENOMEM, "no memory to list");
    drop_expired(tree, listing);
    *snapshot = (struct vf_snapshot){.directory = vf_node_ref(directory),
                                     .next = listing->snapshots};
    show(listing, snapshot);
    if (snapshot->next != NULL)
        snapshot->next->previous = snapshot;
    listing->snapshots = snapshot;
    *ret = snapshot;
    return 0;
}

int vf_tree_opendir(struct vf_tree *tree, struct vf_node *directory,
                    struct vf_caller *caller, struct vf_snapshot **ret,
                    struct vf_error *err)
{
    if (directory->listing == NULL)
        return -ENOTDIR;
    pthread_mutex_lock(&tree->lock);
    vf_ahead_look(tree, directory, true);
    int result = vf_listing_ensure(tree, directory, false, caller, err);
    if (result == 0)
        result = open_locked(tree, directory, ret, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

bool vf_snapshot_is_cacheable(const struct vf_snapshot *snapshot)
{
    return snapshot->is_cacheable;
}

bool vf_snapshot_is_unchanged(const struct vf_snapshot *snapshot)
{
    return snapshot->is_unchanged;
}

void vf_tree_lapse(struct vf_tree *tree, struct vf_node *node)
{
    pthread_mutex_lock(&tree->lock);
    if (node->parent != NULL)
        node->parent->listing->lapsed++;
    pthread_mutex_unlock(&tree->lock);
}

static bool is_shown(const struct vf_node *directory,
                     const struct vf_node *node)
{
    return node != NULL && node->is_linked && node->parent == directory &&
           !node->is_hidden && !node->is_spent;
}

static void read_from(struct vf_tree *tree, const struct vf_snapshot *snapshot,
                      size_t slot, bool wants_references, vf_entry_sink *sink,
                      void *context)
{
    const struct kept *kept = snapshot->kept;
    size_t count =
        kept != NULL ? kept->count : count_slots(snapshot->directory);
    struct vf_entry entry;

    for (; slot < count; slot++) {
        struct vf_node *node = kept != NULL
                                   ? kept->nodes[slot]
                                   : node_in(snapshot->directory, slot);

        if (!is_shown(snapshot->directory, node))
            continue;
        vf_node_fill_entry(tree, node, &entry);
        if (!sink(context, node->name, &entry, slot + 1))
            return;
        if (wants_references)
            vf_node_ref(node);
    }
}

int vf_snapshot_read(struct vf_tree *tree, const struct vf_snapshot *snapshot,
                     size_t index, bool wants_references, vf_entry_sink *sink,
                     void *context)
{
    int result = 0;

    pthread_mutex_lock(&tree->lock);
    trust_cache(snapshot);
    if (snapshot->is_apart && snapshot->kept == NULL)
        result = -ENOMEM;
    else
        read_from(tree, snapshot, index, wants_references, sink, context);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* Returns what was kept, if nobody else reads it; else NULL. */
static struct kept *close_snapshot(struct vf_snapshot *snapshot)
{
    struct kept *kept = snapshot->kept;

    if (snapshot->is_cacheable)
        snapshot->directory->listing->cacheable--;
    if (snapshot->previous != NULL)
        snapshot->previous->next = snapshot->next;
    else
        snapshot->directory->listing->snapshots = snapshot->next;
    if (snapshot->next != NULL)
        snapshot->next->previous = snapshot->previous;
    free(snapshot);
    return kept != NULL && --kept->references == 0 ? kept : NULL;
}

void vf_snapshot_free(struct vf_tree *tree, struct vf_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    pthread_mutex_lock(&tree->lock);
    struct vf_node *directory = snapshot->directory;
    struct kept *kept = close_snapshot(snapshot);
    for (size_t slot = 0; kept != NULL && slot < kept->count; slot++)
        if (kept->nodes[slot] != NULL)
            vf_node_unref(tree, kept->nodes[slot], 1);
    free(kept);
    vf_node_unref(tree, directory, 1);
    pthread_mutex_unlock(&tree->lock);
}

void vf_snapshot_free_all(struct vf_listing *listing)
{
    while (listing->snapshots != NULL)
        free(close_snapshot(listing->snapshots));
}
