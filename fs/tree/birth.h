/* SPDX-License-Identifier: MIT
 *
 * How a vault comes into being, with or without credentials: mkdir, a vault
 * spec at the root, the first credential of a pending vault.
 */
#ifndef TREE_BIRTH_H
#define TREE_BIRTH_H

#include "internal.h"

struct vf_vault_spec;

struct vf_birth {
    struct vf_object vault;
    struct vf_page credentials; /* those of the spec, once they are made */
};

void vf_birth_done(struct vf_birth *birth);

/*
 * Make the vault and its credentials, all or nothing: when a credential fails,
 * the new vault is deleted again, and err->param names the credential, as
 * "credentials[2].auth.token". One that was there before, made by a request
 * whose answer was lost or only like it, is never deleted: what it lacks is
 * made, and what it has too much shows that it is another's. The spec has a
 * display_name. Returns 0 and *ret, or -EEXIST when an earlier attempt made it
 * or it is another's (then err->is_unknown), -ENODATA when the service wants a
 * first credential, or an errno of the service; err is not NULL. No lock may be
 * held.
 */
int vf_birth_run(struct vf_tree *tree, const struct vf_vault_spec *spec,
                 struct vf_birth *ret, struct vf_error *err);

/* Put a new vault into the tree, into `pending` if that is not NULL; what it
 * holds is known then. Lock held. NULL: no memory. */
struct vf_node *vf_birth_apply(struct vf_tree *tree,
                               const struct vf_birth *birth,
                               struct vf_node *pending);

/* Whether a new vault has got the name that it was made for, by whoever makes a
 * vault: 0, -ENOMEM for a vault that is NULL, or -EEXIST, and err tells its
 * name. Lock held. */
int vf_birth_check(const struct vf_node *vault, const char *name,
                   struct vf_error *err);

#endif
