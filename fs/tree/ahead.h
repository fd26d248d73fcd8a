/* SPDX-License-Identifier: MIT
 *
 * Walks over the vaults, and the listings that are fetched ahead of them
 * (R-ahead). Everything here is guarded by the tree's lock.
 */
#ifndef TREE_AHEAD_H
#define TREE_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

struct vf_listing;
struct vf_node;
struct vf_tree;

/* In which tools go through the vaults that they were shown, */
enum vf_order { VF_ORDER_NAME, VF_ORDER_INODE, VF_ORDERS };
/* from the first to the last; and with VF_ORDERS added, the other way. */
#define VF_WAYS (2 * VF_ORDERS)

/* That may be under way at a time in one directory of vaults. */
#define VF_WALKS 8

struct vf_walk {
    struct vf_node *at;       /* where it is; a reference, or NULL: none */
    unsigned weight;          /* of the looks at that one */
    unsigned points[VF_WAYS]; /* for each way, as long as window is 0 */
    unsigned way;             /* once window is not */
    unsigned window;  /* listings to have at hand or in flight; 0: it is not
                         known to be a walk */
    unsigned scanned; /* places beyond this one that it has seen to, */
    unsigned pending; /* and listings there that were not at hand before */
    unsigned number;  /* no two that were recognised have the same */
};

/* Of one directory of vaults. */
struct vf_ahead {
    struct vf_node **vaults[VF_ORDERS]; /* references; NULL until wanted */
    size_t count;
    struct vf_walk walks[VF_WALKS]; /* the one that moved last comes first */
};

/* Somebody is about to look at the listing of a vault, and has opened it or
 * looks up a name. Starts fetches when that is a step of a walk; never blocks.
 * Other directories are none of its business. */
void vf_ahead_look(struct vf_tree *tree, struct vf_node *vault, bool is_opened);

/* What was fetched ahead has found its use. */
void vf_ahead_use(struct vf_tree *tree, struct vf_listing *listing);

/* The directory's vaults may be others now. */
void vf_ahead_forget(struct vf_tree *tree, const struct vf_node *directory);

/* When nothing uses the tree any more. */
void vf_ahead_done(struct vf_tree *tree);

#endif
