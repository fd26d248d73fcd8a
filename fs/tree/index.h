/* SPDX-License-Identifier: MIT
 *
 * The children of a directory in the order of a text of theirs: eight bytes a
 * child, and one block for all. A directory has some thousands of them at most,
 * so that making room in the middle costs less than a tree would.
 */
#ifndef TREE_INDEX_H
#define TREE_INDEX_H

#include "vaultfs/error.h"

#include <stddef.h>

struct vf_node;

/* The text; constant as long as the node is in the index. */
typedef const char *vf_index_key(const struct vf_node *node);

/* All zero is an empty one. */
struct vf_index {
    struct vf_node **nodes; /* borrowed */
    size_t count, capacity;
};

void vf_index_done(struct vf_index *index);

/* NULL: no node has this text. */
struct vf_node *vf_index_find(const struct vf_index *index, vf_index_key *key,
                              const char *text);

/* -ENOMEM, but not where one was removed just before. */
VF_MUST_CHECK int vf_index_add(struct vf_index *index, vf_index_key *key,
                               struct vf_node *node);

/* Nothing is done when the node is not there. */
void vf_index_remove(struct vf_index *index, vf_index_key *key,
                     const struct vf_node *node);

#endif
