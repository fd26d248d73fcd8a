/* SPDX-License-Identifier: MIT
 *
 * Locked memory for bodies that is kept from one request to the next.
 */
#ifndef VAULTD_SPARES_H
#define VAULTD_SPARES_H

#include "vaultfs/error.h"

#include <pthread.h>
#include <stddef.h>

struct vf_secret;

#define VF_SPARES_MAX 16

/* Thread-safe; no call blocks. */
struct vf_spares {
    pthread_mutex_t lock; /* guards what follows */
    struct vf_secret *kept[VF_SPARES_MAX];
    size_t count;
};

void vf_spares_init(struct vf_spares *spares);
void vf_spares_done(struct vf_spares *spares);

/* An empty secret with room for so many bytes; it grows as any. To be given
 * back. Errors as vf_secret_new(). */
VF_MUST_CHECK int vf_spares_take(struct vf_spares *spares, size_t size,
                                 struct vf_secret **ret, struct vf_error *err);

/* Wiped on return, kept or not. Nobody else may hold it. NULL is allowed. */
void vf_spares_give(struct vf_spares *spares, struct vf_secret *secret);

#endif
