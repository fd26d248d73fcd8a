/* SPDX-License-Identifier: MIT
 *
 * The server's life: locks, listeners, signals.
 */
#ifndef VAULTD_SERVE_H
#define VAULTD_SERVE_H

#include "options.h"

/* Serve until SIGTERM or SIGINT, or until nobody uses it. Blocks. Logs what
 * happens on the way; err says why it did not come to serving. */
VF_MUST_CHECK int vf_serve(const struct vf_options *options, const char *dir,
                           struct vf_error *err);

#endif
