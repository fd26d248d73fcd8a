/* SPDX-License-Identifier: MIT
 *
 * From options to a service that can be asked: what mount and check share.
 */
#ifndef VAULTFS_CLI_CLIENT_H
#define VAULTFS_CLI_CLIENT_H

#include "complain.h"
#include "local.h"
#include "source.h"

#include "vaultfs/api.h"

struct vf_auth;
struct vf_manner;
struct vf_options;

struct vf_client {
    const struct vf_source *source; /* borrowed */
    const char *dialect;            /* static */
    const struct vf_manner *manner; /* what goes with the dialect; static */
    struct vf_local local;
    struct vf_auth *auth;
    struct vf_http *http;
    struct vf_api *api;
};

/*
 * Start the embedded service if it is that, find the token, and make the parts
 * that talk. No request is sent. source and options are borrowed for the
 * client's life; *ret need not be initialized and is to be closed only on
 * success. On failure err has the reason.
 */
VF_MUST_CHECK enum vf_exit vf_client_open(const struct vf_source *source,
                                          const struct vf_options *options,
                                          struct vf_client *ret,
                                          struct vf_error *err);

/* The socket that the service listens on; NULL: it is not on this machine. */
const char *vf_client_socket(const struct vf_client *client);

/* What the service is known by, however the user spelled it: that socket, or
 * the base URL. */
const char *vf_client_service(const struct vf_client *client);

/* End every request in flight; for threads that still wait. */
void vf_client_shutdown(struct vf_client *client);

/* No thread may be inside the client. */
void vf_client_close(struct vf_client *client);

#endif
