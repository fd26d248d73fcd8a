/* SPDX-License-Identifier: MIT
 *
 * Which endpoint a method and a path mean.
 */
#ifndef VAULTD_ROUTES_H
#define VAULTD_ROUTES_H

#include "call.h"

struct vf_route;

/*
 * Find the route of call->method and call->path, or call->url for what lies
 * outside the dialect's prefix, and fill the call's ids from it. -ENOENT (404),
 * or -EOPNOTSUPP (405) when the path exists for other methods.
 */
VF_MUST_CHECK int vf_route_find(struct vf_call *call,
                                const struct vf_route **ret,
                                struct vf_error *err);

/*
 * Whether the call's grant is good for its route, which is NULL when there is
 * none. A key is good for the exchange alone, and nothing else is
 * (-EKEYREJECTED, 401); a token needs vaults:read for GET and HEAD, and
 * vaults:write for all other methods (-EACCES, 403).
 */
VF_MUST_CHECK int vf_route_permit(const struct vf_route *route,
                                  const struct vf_call *call,
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
