/* SPDX-License-Identifier: MIT
 *
 * Archives (E-archive): what `.archive` of a vault and of the root shows, and
 * how things get there. Guarded by the tree's lock, which every function
 * expects held.
 */
#ifndef TREE_ARCHIVE_H
#define TREE_ARCHIVE_H

#include "internal.h"

/* The archive of a vault or of the root, made when it is first asked for;
 * borrowed. -ENOENT: the directory has none; -ENOMEM. */
int vf_archive_of(struct vf_tree *tree, struct vf_node *directory,
                  struct vf_node **ret, struct vf_error *err);

/* -EOPNOTSUPP, with the reason, for what is in an archive: it can be looked at
 * and removed, and nothing else. */
int vf_archive_check(const struct vf_node *node, struct vf_error *err);

/* An object of the directory was archived, or may have been, without being
 * moved: the next look at the archive asks the service. */
void vf_archive_expire(struct vf_tree *tree, struct vf_node *directory);

/*
 * Archive what has a name in directory. It keeps its name there, or gets a
 * suffix if that is taken. -EOPNOTSUPP for another archive than directory's
 * own, for another new_name, and for what the service does not know; -ENOENT;
 * others from the service. Drops the lock while it waits.
 */
int vf_archive_move(struct vf_tree *tree, struct vf_node *directory,
                    const char *name, struct vf_node *archive,
                    const char *new_name, struct vf_caller *caller,
                    struct vf_error *err);

#endif
