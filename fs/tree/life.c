/* SPDX-License-Identifier: MIT
 *
 * How long a listing is taken as true, and how long it is shown when it is not.
 *
 * While the service cannot be reached, only the first look waits for that to
 * show. Those after it are served what was listed before, for stale_if_error,
 * and have one fetch at a time find out in the background whether the service
 * is back. A service that wants to be left alone for a while counts as one that
 * cannot be reached where there is something to be shown instead, and is waited
 * for where there is not.
 */
#include "internal.h"

#include <errno.h>

#include "vaultfs/clock.h"

bool vf_listing_is_fresh(const struct vf_listing *listing)
{
    return listing->is_known && vf_clock_boottime_ms() < listing->expires_ms;
}

bool vf_listing_is_outage(int code)
{
    return code == ETIMEDOUT || code == ECONNREFUSED || code == EHOSTUNREACH ||
           code == EREMOTEIO || code == EBUSY;
}

bool vf_listing_is_worth_showing(const struct vf_tree *tree,
                                 const struct vf_listing *listing)
{
    return listing->is_known && vf_clock_boottime_ms() - listing->fetched_ms <
                                    tree->options.stale_if_error_ms;
}

bool vf_listing_may_be_shown(const struct vf_tree *tree,
                             const struct vf_listing *listing)
{
    return listing->is_down && vf_listing_is_worth_showing(tree, listing);
}

void vf_listing_expire(struct vf_tree *tree, struct vf_node *directory)
{
    directory->listing->expires_ms = 0;
    directory->listing->expired_at = ++tree->changes;
    directory->listing->is_down = false;
}

void vf_listing_distrust(struct vf_tree *tree, struct vf_node *directory,
                         const char *name)
{
    vf_listing_expire(tree, directory);
    if (tree->watch.entry_changed != NULL)
        tree->watch.entry_changed(tree->watch.context, directory, name);
}

bool vf_listing_is_untouched(const struct vf_error *err)
{
    return !err->is_unknown &&
           (err->code == EKEYREJECTED || err->code == EKEYEXPIRED);
}

void vf_listing_set_empty(struct vf_tree *tree, struct vf_node *directory)
{
    struct vf_listing *listing = directory->listing;

    listing->is_known = true;
    listing->fetched_ms = vf_clock_boottime_ms();
    listing->expires_ms = listing->fetched_ms + tree->options.ttl_ms;
}
