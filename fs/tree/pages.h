/* SPDX-License-Identifier: MIT
 *
 * A list that is gathered page after page. Needs no lock.
 */
#ifndef TREE_PAGES_H
#define TREE_PAGES_H

#include "vaultfs/api.h"

/* Zero is an empty one. */
struct vf_pages {
    struct vf_page all; /* in one; next is the cursor to go on from, took_ms
                           what all of them took */
    size_t capacity;
    unsigned count;
    unsigned idle; /* in a row, that brought nothing new */
    void *ids;     /* tsearch(3) tree of what pages brought, while more is to */
    size_t noted;  /* come; how many objects are in it */
};

/* Take one more page, which is empty then. A service that counts wrong, or
 * ignores cursors, says "more" for ever: -EBADMSG when that shows. -ENOMEM. */
VF_MUST_CHECK int vf_pages_add(struct vf_pages *pages, struct vf_page *page,
                               struct vf_error *err);
void vf_pages_done(struct vf_pages *pages);

#endif
