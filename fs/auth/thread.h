/* SPDX-License-Identifier: MIT
 *
 * Threads of this module.
 */
#ifndef VF_AUTH_THREAD_H
#define VF_AUTH_THREAD_H

#include "vaultfs/error.h"

#include <pthread.h>

/* Start a thread that takes no signal: those are for whoever watches for them.
 * To be joined. */
VF_MUST_CHECK int vf_auth_thread_start(void *(*run)(void *), void *context,
                                       pthread_t *ret, struct vf_error *err);

#endif
