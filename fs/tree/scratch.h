/* SPDX-License-Identifier: MIT
 *
 * Scratch files: what a tool writes under a temporary name on its way to
 * another one (E-scratch). Their bytes are in locked memory, go to nobody but
 * the handle that wrote them, and reach the service only when the file is
 * renamed to an ordinary name. Guarded by the tree's lock.
 */
#ifndef TREE_SCRATCH_H
#define TREE_SCRATCH_H

#include "internal.h"

#define VF_SCRATCH_FILES_MAX 64
/* A whole spec that lies that long under a scratch name leaves a record. */
#define VF_SCRATCH_UNSENT_MS 60000

struct vf_file;
struct vf_secret;

/* Take the limits as they are now. Needs no lock: before the tree is used. */
void vf_scratch_init(struct vf_tree *tree);

/* -ENOSPC when there are too many for one more. */
int vf_scratch_check_room(const struct vf_tree *tree, struct vf_error *err);
/* Give a node of kind SCRATCH what it holds: nothing yet. -ENOSPC as above,
 * -ENOMEM. */
int vf_scratch_start(struct vf_tree *tree, struct vf_node *node,
                     struct vf_error *err);
/* A node of another kind becomes a scratch file; its id is not there any more.
 * -ENOSPC as above. */
int vf_scratch_convert(struct vf_tree *tree, struct vf_node *node,
                       struct vf_error *err);
/* The node goes, or nobody can reach what it holds any more. */
void vf_scratch_end(struct vf_tree *tree, struct vf_node *node);
/* The same if its name is gone and no handle is left: the kernel forgets the
 * node in its own time, which is not to count. */
void vf_scratch_end_unused(struct vf_tree *tree, struct vf_node *node);

size_t vf_scratch_size(const struct vf_scratch *scratch);

/* What the file wrote; -EACCES when another one had a part in it. */
ssize_t vf_scratch_read(const struct vf_scratch *scratch,
                        const struct vf_file *file, void *buffer, size_t size,
                        off_t offset, struct vf_error *err);

/* Anywhere; a hole reads as zeros. -EFBIG above VF_SPEC_MAX; -ENOSPC above the
 * share of locked memory; -EINVAL when it was committed; -ENOMEM. */
int vf_scratch_write(struct vf_tree *tree, struct vf_node *node,
                     const struct vf_file *file, const void *data, size_t size,
                     off_t offset, struct vf_error *err);

/* Shorten, or make longer with zeros. file: who does it; NULL: by path. */
int vf_scratch_truncate(struct vf_tree *tree, struct vf_node *node,
                        const struct vf_file *file, off_t size,
                        struct vf_error *err);

/* A handle is closed. */
void vf_scratch_release(struct vf_tree *tree, struct vf_node *node);

/* A copy of the document that it holds, for a commit. -EINVAL when it holds
 * none that is whole; -EBUSY when one is on its way; -ENOMEM. */
int vf_scratch_copy(struct vf_scratch *scratch, struct vf_secret **ret,
                    struct vf_error *err);

/* The copy is on its way: nobody can write to it until vf_scratch_sent(). */
void vf_scratch_send(struct vf_scratch *scratch);

/* How that ended: committed, and the name goes; or it stays as it was. The node
 * may have been unlinked meanwhile. */
void vf_scratch_sent(struct vf_tree *tree, struct vf_node *node,
                     bool is_committed);

/* When its record is due (CLOCK_BOOTTIME); INT64_MAX: there is nothing to tell.
 */
int64_t vf_scratch_due(const struct vf_node *node);
/* Fill in the record, which will not come again before another write; false
 * when what it holds is no whole document. */
bool vf_scratch_tell(struct vf_node *node, struct vf_error *ret,
                     pid_t *ret_pid);

/* The counts of scratch files. */
void vf_scratch_count(const struct vf_tree *tree, struct vf_tree_stats *ret);

#endif
