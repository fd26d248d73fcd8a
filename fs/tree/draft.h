/* SPDX-License-Identifier: MIT
 *
 * A draft: the bytes of a document on its way in, in locked memory. Guarded by
 * the tree's lock, like the file that it belongs to.
 */
#ifndef TREE_DRAFT_H
#define TREE_DRAFT_H

#include "vaultfs/spec.h"

/* Stretches with gaps between them, while a document is written in any order.
 */
#define VF_DRAFT_EXTENTS_MAX 16

struct vf_draft_extent {
    size_t begin, end;
};

struct vf_draft {
    struct vf_secret *bytes;  /* NULL until the first write; 0 in gaps */
    struct vf_spec_scan scan; /* of what there is before the first gap */
    struct vf_draft_extent extents[VF_DRAFT_EXTENTS_MAX]; /* in order, apart */
    unsigned count;
};

/* Up to the end of the last byte; gaps count. */
size_t vf_draft_size(const struct vf_draft *draft);

/* Where the first gap begins, as bytes from the start; the size if there is
 * none. */
size_t vf_draft_gap(const struct vf_draft *draft);

/* Whether a document is complete, or can become one at all; with a gap it is
 * not complete. START: nothing but white space so far, or nothing. */
enum vf_spec_scan_state vf_draft_state(const struct vf_draft *draft);

/* Write anywhere. -EFBIG above VF_SPEC_MAX, -EINVAL for too many gaps, -ENOMEM;
 * the draft then holds what it held. */
VF_MUST_CHECK int vf_draft_write(struct vf_draft *draft, const void *data,
                                 size_t size, off_t offset,
                                 struct vf_error *err);

/* Shorten; 0 drops and wipes all. -EINVAL for a size beyond the end, or in a
 * gap. */
VF_MUST_CHECK int vf_draft_truncate(struct vf_draft *draft, off_t size,
                                    struct vf_error *err);

void vf_draft_drop(struct vf_draft *draft);

/* Make bytes at least size long, with zeros. -ENOMEM: they are longer than they
 * were, or not. */
VF_MUST_CHECK int vf_draft_fill(struct vf_secret *bytes, size_t size,
                                struct vf_error *err);

#endif
