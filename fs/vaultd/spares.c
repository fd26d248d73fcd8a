/* SPDX-License-Identifier: MIT
 *
 * A secret is a mapping of its own. To map, lock and unmap a page for each
 * request costs as much as all else that is done with a small body, and the
 * unmapping interrupts every other thread. So a few pages stay, wiped, for the
 * next ones: as many as are in use at a time in all but rare moments, and few
 * against what an ordinary user may lock. Large bodies take their memory along.
 */
#include "spares.h"

#include "vaultfs/secret.h"

#define KEPT_SIZE 4096 /* bytes of a body: its mapping is not much larger */

void vf_spares_init(struct vf_spares *spares)
{
    *spares = (struct vf_spares){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void vf_spares_done(struct vf_spares *spares)
{
    while (spares->count > 0)
        vf_secret_unref(spares->kept[--spares->count]);
    pthread_mutex_destroy(&spares->lock);
}

int vf_spares_take(struct vf_spares *spares, size_t size,
                   struct vf_secret **ret, struct vf_error *err)
{
    struct vf_secret *secret = NULL;

    pthread_mutex_lock(&spares->lock);
    if (size <= KEPT_SIZE && spares->count > 0)
        secret = spares->kept[--spares->count];
    pthread_mutex_unlock(&spares->lock);
    if (secret == NULL)
        return vf_secret_new(size, ret, err);
    *ret = secret;
    return 0;
}

void vf_spares_give(struct vf_spares *spares, struct vf_secret *secret)
{
    if (secret == NULL)
        return;
    bool is_small = vf_secret_size(secret) <= KEPT_SIZE;
    vf_secret_truncate(secret, 0);
    pthread_mutex_lock(&spares->lock);
    if (is_small && spares->count < VF_SPARES_MAX) {
        spares->kept[spares->count++] = secret;
        secret = NULL;
    }
    pthread_mutex_unlock(&spares->lock);
    vf_secret_unref(secret);
}
