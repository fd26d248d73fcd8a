/* SPDX-License-Identifier: MIT
 *
 * Pages of a list: query parameters, cursors, the envelope.
 */
#ifndef VAULTD_LIST_H
#define VAULTD_LIST_H

#include "call.h"
#include "db.h"

/*
 * A list is a statement for each direction, with these parameters: ?1 the id to
 * begin after, ?2 an enum vf_wanted, ?3 the name to look for
 * or null, ?4 the number of rows, ?5 the vault's id. Column 0 of a row is its
 * id.
 */
struct vf_list {
    const char *ascending;
    const char *descending;
    const char *id_prefix;
    vf_put_object *put;
};

/* Answer a call with a page. */
VF_MUST_CHECK int vf_list_answer(const struct vf_list *list,
                                 struct vf_call *call,
                                 const struct vf_access *access,
                                 struct vf_error *err);

#endif
