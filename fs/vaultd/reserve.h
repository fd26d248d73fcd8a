/* SPDX-License-Identifier: MIT
 *
 * Room on the disk that is kept for the day when there is none: what makes the
 * store smaller needs some room first. Belongs to one thread at a time.
 */
#ifndef VAULTD_RESERVE_H
#define VAULTD_RESERVE_H

#include "vaultfs/error.h"

struct vf_reserve;

/* Opens DIR/reserve, making it where it is not there; takes nothing yet. */
VF_MUST_CHECK int vf_reserve_new(const char *dir, struct vf_reserve **ret,
                                 struct vf_error *err);

/* The file stays as it is. NULL is allowed. */
void vf_reserve_free(struct vf_reserve *reserve);

/* Cheap when it is held. -ENOSPC when the disk has no such room; a file system
 * that cannot tell counts as one that has. */
VF_MUST_CHECK int vf_reserve_take(struct vf_reserve *reserve,
                                  struct vf_error *err);
void vf_reserve_give(struct vf_reserve *reserve);

#endif
