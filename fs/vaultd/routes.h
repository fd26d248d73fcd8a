/* SPDX-License-Identifier: MIT
 *
 * Which endpoint a method and a path mean.
 */
#ifndef VAULTD_ROUTES_H
#define VAULTD_ROUTES_H

#include "call.h"

struct vf_route;

/*
 * Find the route of call->method and call->path (without the dialect's prefix)
 * and fill the call's ids from the path. -ENOENT (404), or -EOPNOTSUPP (405)
 * when the path exists for other methods.
 */
VF_MUST_CHECK int vf_route_find(struct vf_call *call,
                                const struct vf_route **ret,
                                struct vf_error *err);

/* Methods of the path, as the Allow header lists them. Static storage. */
const char *vf_route_allowed(const struct vf_call *call);

/*
 * Check the call's body, run its endpoint on the store, and leave the answer in
 * call. Returns when what was changed is durable. Blocks.
 */
VF_MUST_CHECK int vf_route_run(const struct vf_route *route,
                               struct vf_call *call, struct vf_store *store,
                               struct vf_error *err);

#endif
