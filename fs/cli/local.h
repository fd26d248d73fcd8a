/* SPDX-License-Identifier: MIT
 *
 * The embedded service: one directory for each name, with a server that is
 * started when it is needed and ends when nobody uses it any more.
 */
#ifndef VAULTFS_CLI_LOCAL_H
#define VAULTFS_CLI_LOCAL_H

#include "vaultfs/error.h"

#include <stdbool.h>

#define VF_LOCAL_DIALECT_SIZE 32

/* Owns its strings. */
struct vf_local {
    char *socket;
    char *token_file;
    char dialect[VF_LOCAL_DIALECT_SIZE]; /* that the service speaks */
    int use_fd;      /* while it is open, the service stays; close-on-exec */
    bool is_started; /* by this very call */
};

/*
 * Have the service of this name answer, and keep it until vf_local_close() or
 * the end of this process, however that comes. Makes the directory, the access
 * token and the server as needed. Blocks while an older server ends and a new
 * one starts. A service speaks one dialect for ever: that which it was first
 * opened with; NULL is that, or "qoder" for a new one. Errors: -EINVAL for
 * another than the running server's, those of opening files, -ENAMETOOLONG when
 * the socket's path would not fit, -ECONNREFUSED when the server did not start.
 */
VF_MUST_CHECK int vf_local_open(const char *name, const char *dialect,
                                struct vf_local *ret, struct vf_error *err);
void vf_local_close(struct vf_local *local);

/* A connection to the server, or -ECONNREFUSED, -ENOENT and others. */
VF_MUST_CHECK int vf_local_connect(const char *socket_path);

#endif
