/* SPDX-License-Identifier: MIT
 *
 * Giving something another name in its directory, by all means but a commit.
 * Guarded by the tree's lock, which every function expects held.
 */
#ifndef TREE_MOVE_H
#define TREE_MOVE_H

#include "internal.h"

struct vf_move {
    struct vf_node *directory; /* the root, or a vault that is not archived */
    const char *name, *new_name;
    bool must_be_new; /* -EEXIST when another node has the new name */
};

/* What a name leads to in such a directory; borrowed, or NULL. */
struct vf_node *vf_move_find(struct vf_tree *tree, struct vf_node *directory,
                             const char *name);

/*
 * Start the mutation and wait, as vf_job_finish(). The new name was checked.
 * -ENOENT, -EEXIST, -EOPNOTSUPP, -EINVAL, -EPERM, errors of the service; -EBUSY
 * when a pending vault began to be made under the old name meanwhile; then
 * nothing was renamed, here or there, or err says what was. -ESTALE: what has
 * the name holds a document by now, which is to be committed. Drops the lock
 * while it waits.
 */
int vf_move_run(struct vf_tree *tree, const struct vf_move *move,
                struct vf_caller *caller, struct vf_error *err);

#endif
