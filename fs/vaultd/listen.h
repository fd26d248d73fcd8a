/* SPDX-License-Identifier: MIT
 *
 * Where the server listens: a unix socket or an address.
 */
#ifndef VAULTD_LISTEN_H
#define VAULTD_LISTEN_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_listener {
    int fd;
    char *path;     /* of a unix socket; NULL for an address; owned */
    char name[160]; /* "unix:PATH" or "http://127.0.0.1:8443" */
};

/*
 * Open what text names: unix:PATH (0600, at most 107 bytes; a socket that
 * nobody answers any more is replaced, one that somebody answers is
 * -EADDRINUSE) or ADDR:PORT, [ADDR]:PORT, with port 0 for a free one. An
 * address that is not loopback is -EPERM without anywhere. Call before any
 * thread is made: it moves the umask for a moment.
 */
VF_MUST_CHECK int vf_listener_open(const char *text, bool anywhere,
                                   struct vf_listener *ret,
                                   struct vf_error *err);

/* Removes a unix socket's file too. Does not close fd, which the HTTP library
 * takes over. */
void vf_listener_done(struct vf_listener *listener);

#endif
