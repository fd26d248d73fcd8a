/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct vf_error *err)
{
    return vf_error_set(err, ENOMEM, "no memory for a request");
}

/* Control characters would end a line and begin the next. */
static bool is_header_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    return true;
}

/* A token in the sense of HTTP, or nearly so: what can be a header's name. */
static bool is_header_name(const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-' &&
            text[i] != '_')
            return false;
    return size > 0;
}

/* libcurl would cut off a fragment and refuse the rest late. */
static bool is_path(const char *text)
{
    if (text[0] != '/')
        return false;
    for (; *text != '\0'; text++)
        if (*text <= 0x20 || *text >= 0x7F || *text == '#')
            return false;
    return true;
}

static int check_request(const struct vf_http_request *request,
                         struct vf_error *err)
{
    if (!is_path(request->path))
        return vf_error_set(err, EINVAL, "a request's path is not encoded");
    for (size_t i = 0; i < request->headers_count; i++) {
        const struct vf_http_header *header = &request->headers[i];

        if (!is_header_name(header->name) ||
            !is_header_text(header->value, strlen(header->value)))
            return vf_error_set_param(err, EINVAL, header->name,
                                      "a request's header cannot be sent");
    }
    if (request->token != NULL &&
        !is_header_text(vf_secret_data(request->token),
                        vf_secret_size(request->token)))
        return vf_error_set_param(err, EINVAL, "token",
                                  "the token has a control character");
    return 0;
}

/* libcurl takes "Name;" for a header with an empty value. */
static bool add_header(struct vf_http_call *call, const char *name,
                       const char *value)
{
    struct vf_buf line = VF_BUF_INIT;
    struct curl_slist *grown = NULL;

    vf_buf_printf(&line, *value != '\0' ? "%s: %s" : "%s;", name, value);
    if (!line.is_broken)
        grown = curl_slist_append(call->headers, line.data);
    vf_buf_free(&line);
    if (grown != NULL)
        call->headers = grown;
    return grown != NULL;
}

/* What libcurl would add by itself and must not: a form's content type, and a
 * round trip for "Expect: 100-continue". */
static bool add_own_headers(struct vf_http_call *call)
{
    const char *const lines[] = {
        "Accept: application/json",
        "Expect:",
        call->body != NULL ? "Content-Type: application/json" : "Content-Type:",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct curl_slist *grown = curl_slist_append(call->headers, lines[i]);

        if (grown == NULL)
            return false;
        call->headers = grown;
    }
    return true;
}

static bool copy_request(struct vf_http_call *call,
                         const struct vf_http_request *request)
{
    call->method = request->method;
    call->is_body_secret = request->is_body_secret;
    call->group = request->group;
    call->is_ahead = request->is_ahead;
    call->is_impatient = request->is_impatient;
    call->deadline_ms = request->deadline_ms;
    if (request->body != NULL)
        call->body = vf_secret_ref(request->body);
    if (asprintf(&call->url, "%s%s", call->http->origin.base, request->path) <
        0) {
        call->url = NULL;
        return false;
    }
    if (request->token != NULL) {
        call->token = vf_secret_ref(request->token);
        if (asprintf(&call->token_lead, "%s: %s", request->token_header,
                     request->token_prefix) < 0) {
            call->token_lead = NULL;
            return false;
        }
    }
    for (size_t i = 0; i < request->headers_count; i++)
        if (!add_header(call, request->headers[i].name,
                        request->headers[i].value))
            return false;
    return add_own_headers(call);
}

int vf_http_call_new(struct vf_http *http,
                     const struct vf_http_request *request,
                     struct vf_http_call **ret, struct vf_error *err)
{
    int result = check_request(request, err);

    if (result < 0)
        return result;
    struct vf_http_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        return out_of_memory(err);
    call->http = http;
    call->socket = -1;
    atomic_init(&call->references, 1);
    if (vf_clock_init_cond(&call->changed) < 0) {
        free(call);
        return out_of_memory(err);
    }
    if (!copy_request(call, request)) {
        vf_http_call_unref(call);
        return out_of_memory(err);
    }
    *ret = call;
    return 0;
}

void vf_http_call_ref(struct vf_http_call *call)
{
    atomic_fetch_add(&call->references, 1);
}

void vf_http_call_unref(struct vf_http_call *call)
{
    if (atomic_fetch_sub(&call->references, 1) != 1)
        return;
    vf_http_call_forget(call);
    curl_slist_free_all(call->headers);
    free(call->url);
    free(call->token_lead);
    vf_buf_free(&call->text);
    vf_http_reply_done(&call->reply);
    pthread_cond_destroy(&call->changed);
    free(call);
}

void vf_http_call_forget(struct vf_http_call *call)
{
    if (call->token_header != NULL) {
        vf_wipe(call->token_header->data, strlen(call->token_header->data));
        call->token_header->next = NULL; /* that is call->headers */
        curl_slist_free_all(call->token_header);
        call->token_header = NULL;
    }
    call->token = vf_secret_unref(call->token);
    call->body = vf_secret_unref(call->body);
}

bool vf_http_call_settle(struct vf_http_call *call,
                         const struct vf_error *error)
{
    if (call->is_settled)
        return false;
    if (error != NULL)
        call->error = *error;
    call->fate = call->is_begun ? VF_HTTP_UNKNOWN : VF_HTTP_NOT_SENT;
    call->is_settled = true;
    return true;
}

void vf_http_call_tell(struct vf_http_call *call)
{
    pthread_cond_signal(&call->changed);
}
