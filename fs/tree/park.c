/* SPDX-License-Identifier: MIT
 *
 * Parking.
 *
 * An editor moves a file out of the way, writes a new one under its name, and
 * removes what it moved. Taken by the letter, that would delete a credential
 * and make another one, with another id. So a credential that is renamed to a
 * scratch name is only parked: the service hears nothing, the node keeps the id
 * and remembers its home, the name that it had. A document that is then written
 * under that name and describes the same credential rotates the parked one: the
 * id passes to the new file's node, and what is left under the scratch name is
 * spent. That is a text which any reader may have, and removing it removes
 * nothing.
 *
 * Scratch names mean nothing to the service, so what is to be serial about a
 * parked credential is serial under its home: see vf_park_key().
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool vf_park_is_live(const struct vf_node *node)
{
    return node->kind == VF_NODE_PARKED && node->id != NULL;
}

/* The one that was parked last, should there be several. */
struct vf_node *vf_park_find(const struct vf_node *directory, const char *home)
{
    const struct vf_index *children = &directory->listing->by_name;
    struct vf_node *found = NULL;

    for (size_t i = 0; i < children->count; i++) {
        struct vf_node *node = children->nodes[i];

        if (vf_park_is_live(node) && strcmp(node->home, home) == 0 &&
            (found == NULL || node->changed_at > found->changed_at))
            found = node;
    }
    return found;
}

const char *vf_park_key(const struct vf_node *directory, const char *name)
{
    const struct vf_node *node = vf_node_child(directory, name);

    return node != NULL && vf_park_is_live(node) ? node->home : name;
}

void vf_park_spend(struct vf_tree *tree, struct vf_node *parked)
{
    vf_node_drop_id(tree, parked);
    vf_node_changed_here(tree, parked);
}
