/* SPDX-License-Identifier: MIT */
#include "fake_http.h"

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static struct fake_answer answers[FAKE_REQUESTS_MAX];
static struct fake_request requests[FAKE_REQUESTS_MAX];
static unsigned answers_count, requests_count;

void (*fake_http_hook)(unsigned number);

void fake_http_script(const struct fake_answer *script, unsigned count)
{
    assert_true(count <= FAKE_REQUESTS_MAX);
    if (count > 0)
        memcpy(answers, script, count * sizeof(answers[0]));
    answers_count = count;
    memset(requests, 0, sizeof(requests));
    requests_count = 0;
    fake_http_hook = NULL;
}

unsigned fake_http_count(void)
{
    return requests_count;
}

const struct fake_request *fake_http_request(unsigned number)
{
    assert_in_range(number, 1, requests_count);
    return &requests[number - 1];
}

static void copy(char *field, size_t size, const void *data, size_t data_size)
{
    assert_true(data_size < size);
    memcpy(field, data, data_size);
    field[data_size] = '\0';
}

static void record_header(const struct vf_http_header *header,
                          struct fake_request *ret)
{
    const struct {
        const char *name;
        char *field;
    } known[] = {
        {"Idempotency-Key", ret->key},       {"x-request-id", ret->request_id},
        {"request-id", ret->request_id},     {"Accept", ret->accept},
        {"anthropic-version", ret->version}, {"anthropic-beta", ret->beta},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(header->name, known[i].name) != 0)
            continue;
        copy(known[i].field, sizeof(ret->key), header->value,
             strlen(header->value));
        return;
    }
    fail_msg("a header that was not expected: %s", header->name);
}

static void record(const struct vf_http_request *request,
                   struct fake_request *ret)
{
    ret->method = request->method;
    ret->is_body_secret = request->is_body_secret;
    ret->group = request->group;
    ret->is_ahead = request->is_ahead;
    ret->is_impatient = request->is_impatient;
    ret->at_ms = vf_clock_monotonic_ms();
    copy(ret->path, sizeof(ret->path), request->path, strlen(request->path));
    for (size_t i = 0; i < request->headers_count; i++)
        record_header(&request->headers[i], ret);
    (void)snprintf(ret->token, sizeof(ret->token), "%s: %s%.*s",
                   request->token_header, request->token_prefix,
                   (int)vf_secret_size(request->token),
                   vf_secret_data(request->token));
    if (request->body != NULL)
        copy(ret->body, sizeof(ret->body), vf_secret_data(request->body),
             vf_secret_size(request->body));
}

static void copy_header(char *field, size_t size, const char *value)
{
    if (value != NULL)
        vf_error_copy(field, size, value);
}

static void fill(const struct fake_answer *answer, struct vf_http_reply *ret)
{
    const char *body = answer->body != NULL ? answer->body : "";

    *ret = (struct vf_http_reply){
        .status = answer->status,
        .retry_after_ms = answer->retry_after_s * 1000 - 1000,
        .should_retry = answer->should_retry != NULL
                            ? strcmp(answer->should_retry, "true") == 0
                            : -1,
        .took_ms = answer->took_ms,
        .body = strdup(body),
        .body_size = strlen(body),
    };
    if (answer->retry_after_s == 0)
        ret->retry_after_ms = -1;
    copy_header(ret->request_id, sizeof(ret->request_id), answer->request_id);
    copy_header(ret->content_type, sizeof(ret->content_type),
                answer->content_type);
    copy_header(ret->location, sizeof(ret->location), answer->location);
    copy_header(ret->account, sizeof(ret->account), answer->account);
    copy_header(ret->scopes, sizeof(ret->scopes), answer->scopes);
}

int vf_http_perform(struct vf_http *http, const struct vf_http_request *request,
                    struct vf_http_reply *ret, enum vf_http_fate *ret_fate,
                    struct vf_error *err)
{
    assert_true(requests_count < answers_count);
    const struct fake_answer *answer = &answers[requests_count];

    record(request, &requests[requests_count++]);
    if (fake_http_hook != NULL)
        fake_http_hook(requests_count);
    if (answer->silence != 0) {
        *ret_fate = answer->fate;
        return vf_error_set(err, answer->silence, "no reply");
    }
    fill(answer, ret);
    return 0;
}

void vf_http_reply_done(struct vf_http_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
}

unsigned vf_http_turns(struct vf_http *http)
{
    return 16;
}
