/* SPDX-License-Identifier: MIT
 *
 * The one place that requests go to, checked once.
 */
#ifndef VAULTFS_HTTP_ORIGIN_H
#define VAULTFS_HTTP_ORIGIN_H

#include "vaultfs/http.h"

struct vf_http_origin {
    char *base;        /* scheme://host[:port][/path], no slash at the end */
    char *name;        /* scheme://host[:port], or unix:/path, for messages */
    char *unix_socket; /* or NULL */
    char *cacert;      /* or NULL */
    char *proxy;       /* "": none */
    char *no_proxy;
    bool is_tls;
};

/* Errors as vf_http_new(). Release with vf_http_origin_done(), also after a
 * failure. ret is zeroed by the caller. */
VF_MUST_CHECK int vf_http_origin_init(struct vf_http_origin *ret,
                                      const struct vf_http_options *options,
                                      struct vf_error *err);
void vf_http_origin_done(struct vf_http_origin *origin);

#endif
