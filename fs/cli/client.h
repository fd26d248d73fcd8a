/* SPDX-License-Identifier: MIT
 *
 * From options to a service that can be asked: what mount and check share.
 */
#ifndef VAULTFS_CLI_CLIENT_H
#define VAULTFS_CLI_CLIENT_H

#include "access.h"
#include "complain.h"
#include "local.h"
#include "source.h"

#include "vaultfs/api.h"

/* The parts that are not there yet are NULL. */
struct vf_client {
    const struct vf_source *source; /* borrowed */
    const char *dialect;            /* static */
    const struct vf_manner *manner; /* what goes with the dialect; static */
    struct vf_local local;
    struct vf_http *http;
    struct vf_auth *auth;
    struct vf_api *api;
};

/* Nothing is opened, nothing can fail. source is borrowed for the client's
 * life. */
void vf_client_init(struct vf_client *client, const struct vf_source *source);

/*
 * Start the embedded service if it is that, make the parts that talk, and find
 * the token. No request for vaults is sent. options are borrowed for the
 * client's life, user but for its context until the return. On failure err has
 * the reason, and the client what was there before it: it can be asked what it
 * is, and is closed as ever.
 */
VF_MUST_CHECK enum vf_exit vf_client_open(struct vf_client *client,
                                          const struct vf_options *options,
                                          const struct vf_access_user *user,
                                          struct vf_error *err);

/* The socket that the service listens on; NULL: it is not on this machine. */
const char *vf_client_socket(const struct vf_client *client);

/* What the service is known by, however the user spelled it: that socket, or
 * the base URL. The client was opened. */
const char *vf_client_service(const struct vf_client *client);

/* End every request in flight, and every wait for a token; for threads that
 * still wait. The client was opened. */
void vf_client_shutdown(struct vf_client *client);

/* No thread may be inside the client. */
void vf_client_close(struct vf_client *client);

#endif
