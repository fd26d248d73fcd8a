/* SPDX-License-Identifier: MIT
 *
 * What happens to names by time alone: a touched name that nobody wrote to
 * goes, and so does a vault spec that was committed; a spec that stays in a
 * scratch file leaves a record. Guarded by the tree's lock.
 */
#ifndef TREE_SWEEP_H
#define TREE_SWEEP_H

#include "internal.h"

/* Look at that time (CLOCK_BOOTTIME), on a thread that is made when it is first
 * needed. Without one, names go when they are next looked at. */
void vf_sweep_at(struct vf_tree *tree, int64_t when_ms);

/* Do what is due; drops the lock for each record. Returns when to look again,
 * INT64_MAX: when something new comes. */
int64_t vf_sweep(struct vf_tree *tree);

/* End the thread, which ends by itself after vf_tree_shutdown(). No lock may be
 * held. */
void vf_sweep_wake(struct vf_tree *tree);
void vf_sweep_end(struct vf_tree *tree);

#endif
