/* SPDX-License-Identifier: MIT
 *
 * A faulty server, on request: tests of clients prove with it that nothing gets
 * through them.
 */
#ifndef VAULTD_LEAK_H
#define VAULTD_LEAK_H

#include "call.h"

/* Put the secrets into every credential of the call's reply, which is JSON or
 * empty. What is kept of the reply was kept before. Blocks. */
VF_MUST_CHECK int vf_leak_secrets(struct vf_call *call, struct vf_store *store,
                                  struct vf_error *err);

#endif
