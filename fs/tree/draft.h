/* SPDX-License-Identifier: MIT
 *
 * A draft: the bytes of a document on its way in, in locked memory. Guarded by
 * the tree's lock, like the file that it belongs to.
 */
#ifndef TREE_DRAFT_H
#define TREE_DRAFT_H

#include "vaultfs/spec.h"

struct vf_draft {
    struct vf_secret *bytes; /* NULL until the first write */
    struct vf_spec_scan scan;
};

size_t vf_draft_size(const struct vf_draft *draft);

/* Nothing but white space so far, or nothing at all. */
bool vf_draft_is_empty(const struct vf_draft *draft);

/* -EINVAL for a gap, -EFBIG above VF_SPEC_MAX, -ENOMEM; the draft is then as it
 * was. Whether a document is complete, and whether the bytes can become one at
 * all, is in draft->scan.state afterwards. */
VF_MUST_CHECK int vf_draft_write(struct vf_draft *draft, const void *data,
                                 size_t size, off_t offset,
                                 struct vf_error *err);

/* Shorten; 0 drops and wipes all. -EINVAL for a size beyond the end. */
VF_MUST_CHECK int vf_draft_truncate(struct vf_draft *draft, off_t size,
                                    struct vf_error *err);

void vf_draft_drop(struct vf_draft *draft);

#endif
