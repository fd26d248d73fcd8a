/* SPDX-License-Identifier: MIT
 *
 * What a finished transfer's head says, read into the reply.
 */
#ifndef VAULTFS_HTTP_REPLY_H
#define VAULTFS_HTTP_REPLY_H

#include "vaultfs/http.h"

#include <curl/curl.h>

/* All that stands in a header of its own, but the location. Interim replies and
 * trailers do not count. */
void vf_http_reply_read_headers(struct vf_http_reply *reply, CURL *easy);

/* The origin that a redirect points to; unchanged when there is none. */
void vf_http_reply_read_location(struct vf_http_reply *reply, CURL *easy);

#endif
