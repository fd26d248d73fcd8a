/* SPDX-License-Identifier: MIT
 *
 * The control directory, `.vaultfs` at the root. Guarded by the tree's lock,
 * which every function expects held.
 */
#ifndef TREE_CONTROL_H
#define TREE_CONTROL_H

#include "internal.h"

/* Made when it is first asked for; borrowed. -ENOMEM. */
int vf_control_of(struct vf_tree *tree, struct vf_node **ret,
                  struct vf_error *err);

/* -EPERM, with the reason, when a name may be neither made nor renamed nor
 * removed: below the control directory, and those of directories of ours. */
int vf_control_check(const struct vf_node *directory, const char *name,
                     struct vf_error *err);

/* A name in the control directory, or -ENOENT; borrowed. Asks the service for
 * nothing but the names of vaults, below by-id: drops the lock then. */
int vf_control_find(struct vf_tree *tree, struct vf_node *directory,
                    const char *name, struct vf_caller *caller,
                    struct vf_node **ret, struct vf_error *err);

/* Before a directory of it is listed. As above. */
int vf_control_list(struct vf_tree *tree, struct vf_node *directory,
                    struct vf_caller *caller, struct vf_error *err);

/* Bring content and size up to date, of what else may be asked about as well.
 * Drops the lock while a file's content is rendered. */
int vf_control_update(struct vf_tree *tree, struct vf_node *node,
                      struct vf_error *err);

/* Open a file: with what it holds now. -EACCES for writing what is for
 * reading; `refresh` is for writing, which is what it does. As above. */
int vf_control_open(struct vf_tree *tree, struct vf_node *node, int flags,
                    struct vf_error *err);

/* What the status and the metrics say of the tree. */
void vf_control_count(struct vf_tree *tree, struct vf_tree_stats *ret);

/* vf_tree_refresh() for who has the lock. */
void vf_refresh_all(struct vf_tree *tree);

#endif
