/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct vf_http *client_new_with(const struct vf_http_options *options)
{
    struct vf_http *http = NULL;
    struct vf_error err = {0};
    int result = vf_http_new(options, &http, &err);

    assert_string_equal(err.message, "");
    assert_int_equal(result, 0);
    return http;
}

struct vf_http *client_new(const char *base_url)
{
    return client_new_with(&(struct vf_http_options){.base_url = base_url});
}

struct vf_secret *secret_of(const char *text)
{
    struct vf_secret *secret = NULL;

    assert_int_equal(vf_secret_from(text, strlen(text), &secret, NULL), 0);
    return secret;
}

struct outcome client_perform(struct vf_http *http,
                              const struct vf_http_request *request)
{
    struct outcome outcome = {0};

    outcome.result = vf_http_perform(http, request, &outcome.reply,
                                     &outcome.fate, &outcome.err);
    if (outcome.result < 0) {
        assert_int_equal(outcome.err.code, -outcome.result);
        assert_string_not_equal(outcome.err.message, "");
        assert_null(outcome.reply.body);
    }
    return outcome;
}

struct outcome client_ask(struct vf_http *http, enum vf_http_method method,
                          const char *path, const char *body,
                          int64_t timeout_ms)
{
    struct vf_secret *secret = body != NULL ? secret_of(body) : NULL;
    struct outcome outcome = client_perform(
        http, &(struct vf_http_request){
                  .method = method,
                  .path = path,
                  .body = secret,
                  .deadline_ms = vf_clock_monotonic_ms() + timeout_ms,
              });

    vf_secret_unref(secret);
    return outcome;
}

struct outcome client_get(struct vf_http *http, const char *path)
{
    return client_ask(http, VF_HTTP_GET, path, NULL, PATIENCE_MS);
}

void client_expect(struct vf_http *http, const char *path, int status)
{
    struct outcome outcome = client_get(http, path);

    assert_string_equal(outcome.err.message, "");
    assert_int_equal(outcome.reply.status, status);
    vf_http_reply_done(&outcome.reply);
}
