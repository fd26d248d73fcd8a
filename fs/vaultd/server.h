/* SPDX-License-Identifier: MIT
 *
 * The HTTP side: one server for one store, on several listeners.
 */
#ifndef VAULTD_SERVER_H
#define VAULTD_SERVER_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_dialect;
struct vf_rules;
struct vf_server;
struct vf_store;

/* Borrowed for the server's life. */
struct vf_server_options {
    struct vf_store *store;
    const struct vf_dialect *dialect;
    const struct vf_rules *rules;
    bool is_logging;        /* a line a request */
    size_t connections_max; /* of one listener; the others wait */
};

VF_MUST_CHECK int vf_server_new(const struct vf_server_options *options,
                                struct vf_server **ret, struct vf_error *err);

/* Serve a listening socket from now on. Takes fd over, also on failure. */
VF_MUST_CHECK int vf_server_listen(struct vf_server *server, int fd,
                                   struct vf_error *err);

/*
 * Accept no more, answer what was asked (for at most 5 s), close. NULL is
 * allowed. Blocks.
 */
void vf_server_free(struct vf_server *server);

#endif
