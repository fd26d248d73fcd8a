/* SPDX-License-Identifier: MIT
 *
 * Where a request ends, as its head says. What says it twice can be read in two
 * ways: a proxy in front of us may have seen another end than we do, and what
 * follows, which we take for a request, is then not what it let through.
 */
#ifndef VAULTD_FRAMING_H
#define VAULTD_FRAMING_H

#include <stdbool.h>

struct MHD_Connection;

/* At most one Content-Length or "Transfer-Encoding: chunked", and not both. */
bool vf_framing_is_plain(struct MHD_Connection *connection);

#endif
