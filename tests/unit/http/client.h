/* SPDX-License-Identifier: MIT
 *
 * Short forms for the tests of requests.
 */
#ifndef VAULTFS_TESTS_HTTP_CLIENT_H
#define VAULTFS_TESTS_HTTP_CLIENT_H

#include "vaultfs/clock.h"
#include "vaultfs/http.h"
#include "vaultfs/secret.h"

/* Long enough to never be reached by a test that works. */
#define PATIENCE_MS 60000

/* What vf_http_perform() did. reply is valid when result is 0. */
struct outcome {
    int result;
    enum vf_http_fate fate;
    struct vf_error err;
    struct vf_http_reply reply;
};

/* Fails the test when it cannot. */
struct vf_http *client_new(const char *base_url);
struct vf_http *client_new_with(const struct vf_http_options *options);
struct vf_secret *secret_of(const char *text);

struct outcome client_perform(struct vf_http *http,
                              const struct vf_http_request *request);

/* body: NULL for none. timeout_ms counts from now. */
struct outcome client_ask(struct vf_http *http, enum vf_http_method method,
                          const char *path, const char *body,
                          int64_t timeout_ms);
struct outcome client_get(struct vf_http *http, const char *path);

/* client_get() that must be answered with this status; the body is dropped. */
void client_expect(struct vf_http *http, const char *path, int status);

#endif
