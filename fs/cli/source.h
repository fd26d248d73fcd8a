/* SPDX-License-Identifier: MIT
 *
 * SOURCE, the first argument of mount and check: which service.
 */
#ifndef VAULTFS_CLI_SOURCE_H
#define VAULTFS_CLI_SOURCE_H

#include "vaultfs/error.h"

/* The longest path that fits a struct sockaddr_un. */
#define VF_SOCKET_PATH_MAX 107

/* Owns its strings. */
struct vf_source {
    char *name;     /* as it was given; the first column of mount(8) */
    char *base_url; /* without a "/" at its end; NULL: not over the network */
    char *unix_socket;   /* the shortest path to it; or NULL */
    char *local_name;    /* the embedded service of this name, or NULL */
    const char *dialect; /* that it is known to speak, static; or NULL */
};

/*
 * text is NULL or empty for the default, "qoder". The base URL is checked by
 * who connects. Returns 0 and *ret, to be released with vf_source_done(), or
 * -EINVAL for what is no source, -ENAMETOOLONG for a socket's path, -ENOMEM.
 * Reads the environment variable QODER_BASE_URL.
 */
VF_MUST_CHECK int vf_source_parse(const char *text, struct vf_source *ret,
                                  struct vf_error *err);
void vf_source_done(struct vf_source *source);

#endif
