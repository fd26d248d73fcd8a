/* SPDX-License-Identifier: MIT
 *
 * Idempotency-Key: a request that comes again is answered again, not done
 * again.
 */
#ifndef VAULTD_IDEMPOTENCY_H
#define VAULTD_IDEMPOTENCY_H

#include "call.h"

/*
 * Run an endpoint on the writer's connection, once for each key: the first
 * success is kept for 24 hours with its reply, in the same transaction as its
 * effect. The same request under the key gets that reply; another request is
 * -EEXIST (409). A failure is not kept: nothing happened, and it may be tried
 * again. A data directory is one account: its tokens share the keys.
 */
VF_MUST_CHECK int vf_idempotent(vf_endpoint *endpoint, struct vf_call *call,
                                const struct vf_access *access,
                                struct vf_error *err);

#endif
