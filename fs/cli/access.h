/* SPDX-License-Identifier: MIT
 *
 * From the command line to an access token: which variables may hold one, which
 * options name a source, and where a service account's key is exchanged.
 */
#ifndef VAULTFS_CLI_ACCESS_H
#define VAULTFS_CLI_ACCESS_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_auth;
struct vf_client;
struct vf_http_options;
struct vf_options;

/* What goes with a dialect. */
struct vf_manner {
    const char *const *token_variables; /* NULL-terminated, as below */
    const char *const *other_variables; /* secrets that are none of ours here */
    const char *socket_url; /* what a socket answers to: a host is only a name
                               there */
    bool has_exchange;      /* of service accounts' keys */
};

/* dialect is an enum vf_dialect_choice. */
const struct vf_manner *vf_access_manner(unsigned dialect);

/* Whom a token is for. */
struct vf_access_user {
    const char *mountpoint; /* NULL: there is none */
    /* As of struct vf_auth_options. */
    vf_record_sink *sink;
    void *sink_context;
    void (*found)(void *context, const char *description);
    void *found_context;
};

/*
 * What can be refused at once. To be asked before anything is opened: a
 * descriptor that was not given to us could be one of our own later. Errors:
 *   -ENOKEY  cloud_agent_auth_requires_access_token: another program's login
 *   -EBADF   the descriptor that is to have the token is not open
 */
VF_MUST_CHECK int vf_access_check(const struct vf_options *options,
                                  struct vf_error *err);

/* The descriptor that the token will be read from, or -1. */
int vf_access_descriptor(const struct vf_options *options);

/*
 * Where the keys of service accounts are exchanged: as the options say, else
 * where the service's own documentation says, else at the service itself. The
 * client's source and manner must be settled. Borrows from all; *ret_url is the
 * base URL that *ret points to, to be freed with free(). -ENOMEM.
 */
VF_MUST_CHECK int vf_access_exchange(const struct vf_client *client,
                                     const struct vf_options *options,
                                     struct vf_http_options *ret,
                                     char **ret_url);

/* Find the token of a client whose source and manner are settled. *ret is freed
 * with vf_auth_free(). Errors and blocking as of vf_auth_new(). */
VF_MUST_CHECK int vf_access_open(const struct vf_client *client,
                                 const struct vf_options *options,
                                 const struct vf_access_user *user,
                                 struct vf_auth **ret, struct vf_error *err);

#endif
