/* SPDX-License-Identifier: MIT
 *
 * Creations that are done once, though their answer may be lost (W-idempotent).
 * Everything here is for `remote`: no lock may be held.
 */
#ifndef TREE_CREATE_H
#define TREE_CREATE_H

#include "internal.h"

struct vf_creation {
    const char *vault_id;       /* "": a vault is made */
    const char *name;           /* the service's text for it */
    const struct vf_spec *spec; /* of a credential */
    const char *except_id; /* of a credential that is to be replaced, or "" */
    const struct vf_vault_spec *vault_spec;
    /* Set by vf_create(): */
    struct vf_object made;
    struct vf_page credentials; /* that came with a vault */
    bool was_sought; /* made, or there, by a request whose answer was lost: what
                        came with it is not known */
    bool is_guess;   /* was_sought, and no answer ever named it: it looks like
                        what was asked for, but may be another's */
    bool is_earlier; /* not made: it is there from an earlier attempt, and may
                        differ from what is wanted now */
};

/*
 * Make it. Returns 0 with creation->made set, which the caller releases (and
 * credentials, too); with is_earlier it is for the caller to decide again. Else
 * an errno of the service; err is not NULL.
 */
int vf_create(struct vf_tree *tree, struct vf_creation *creation,
              struct vf_error *err);

/* A credential as it is now, which the caller releases. -ENOENT also when it is
 * archived: then it is in its directory no more. */
int vf_look(struct vf_tree *tree, const char *vault_id, const char *id,
            int64_t deadline_ms, struct vf_object *ret, struct vf_error *err);

/*
 * Go through a whole list of the service's, active objects only ("" lists
 * vaults), until `take` returns true: then *ret_is_taken is set. take may move
 * the object's content away.
 */
int vf_seek(struct vf_tree *tree, const char *vault_id, int64_t deadline_ms,
            bool (*take)(void *context, struct vf_object *object),
            void *context, bool *ret_is_taken, struct vf_error *err);

#endif
