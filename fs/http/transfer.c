/* SPDX-License-Identifier: MIT
 *
 * A call as libcurl sees it: what it sends and what comes back. gate.c decides
 * whether it may.
 *
 * Copies of secrets. The token's header is made when the transfer begins and
 * wiped when it ends; libcurl takes the body straight from its locked memory
 * and puts it behind the head, so that a small one leaves in one packet with
 * it. What libcurl copies it frees with the easy handle, and the process's
 * free() wipes.
 *
 * A body that libcurl has in hand it could send again by itself, where a
 * connection that was kept turns out to be dead: the gate lets no POST pass
 * twice.
 */
#include "engine.h"

#include "vaultfs/secret.h"

#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A reply's head, with all its interim replies and trailers. */
#define HEADER_MAX (64 * 1024)

static size_t take_header(char *line, size_t size, size_t count, void *data)
{
    struct vf_http_call *call = data;

    size *= count;
    call->has_reply = true;
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
        call->is_head_whole = false;
    else if (size > 0 && (line[0] == '\r' || line[0] == '\n'))
        call->is_head_whole = true;
    call->header_size += size;
    if (call->header_size > HEADER_MAX) {
        (void)vf_http_gate_refuse(call, EBADMSG,
                                  "the reply's head is too large");
        return 0;
    }
    return size;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
    struct vf_http_call *call = data;

    size *= count;
    if (size > call->http->reply_max - call->text.size) {
        (void)vf_http_gate_refuse(call, EBADMSG, "the reply is too large");
        return 0;
    }
    vf_buf_append(&call->text, bytes, size);
    if (call->text.is_broken) {
        (void)vf_http_gate_refuse(call, ENOMEM, "no memory for the reply");
        return 0;
    }
    return size;
}

/* The token's header, in front of the others. */
static bool make_token_header(struct vf_http_call *call)
{
    size_t lead = strlen(call->token_lead);
    size_t size = lead + vf_secret_size(call->token);
    char *line = malloc(size + 1);

    if (line == NULL)
        return false;
    memcpy(line, call->token_lead, lead);
    memcpy(line + lead, vf_secret_data(call->token), size - lead);
    line[size] = '\0';
    call->token_header = curl_slist_append(NULL, line);
    vf_wipe(line, size);
    free(line);
    if (call->token_header == NULL)
        return false;
    call->token_header->next = call->headers;
    return true;
}

static void set_origin(CURL *easy, struct vf_http_call *call)
{
    const struct vf_http_origin *origin = &call->http->origin;
    bool is_shared = origin->is_tls && !call->is_body_secret;

    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                     origin->is_tls ? "https" : "http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     is_shared ? CURL_HTTP_VERSION_2TLS
                               : CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, is_shared ? 1L : 0L);
    /* A pool of their own: a read that found one of their connections idle
     * would take it, and the next would, too, instead of sharing one. */
    if (origin->is_tls && call->is_body_secret)
        curl_easy_setopt(easy, CURLOPT_SHARE, call->http->secret_connections);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (origin->cacert != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, origin->cacert);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, origin->unix_socket);
    curl_easy_setopt(easy, CURLOPT_PROXY, origin->proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, origin->no_proxy);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_request(CURL *easy, struct vf_http_call *call)
{
    bool has_upload = call->method == VF_HTTP_POST || call->body != NULL;
    size_t size = call->body != NULL ? vf_secret_size(call->body) : 0;

    curl_easy_setopt(easy, CURLOPT_USERAGENT, "vaultfs/" VF_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
                     call->token_header != NULL ? call->token_header
                                                : call->headers);
    if (has_upload) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                         size > 0 ? vf_secret_data(call->body) : "");
    }
    if (call->method == VF_HTTP_DELETE)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
}

static void set_reply(CURL *easy, struct vf_http_call *call)
{
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                     (curl_off_t)call->http->reply_max);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->reason);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
}

int vf_http_transfer_begin(struct vf_http_call *call)
{
    if (call->token != NULL && !make_token_header(call))
        return -ENOMEM;
    call->easy = curl_easy_init();
    if (call->easy == NULL)
        return -ENOMEM;
    set_origin(call->easy, call);
    vf_http_gate_set(call->easy, call);
    set_request(call->easy, call);
    set_reply(call->easy, call);
    return 0;
}

void vf_http_transfer_restart(struct vf_http_call *call)
{
    call->is_stale = false;
    call->reason[0] = '\0';
    curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 1L);
}

void vf_http_transfer_end(struct vf_http_call *call)
{
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    vf_http_call_forget(call);
}

/* Since it was last given to libcurl. */
static int64_t took_ms(CURL *easy)
{
    curl_off_t took_us = 0;

    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &took_us);
    return took_us / 1000;
}

static bool take_reply(struct vf_http_call *call, struct vf_error *ret_error)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    /* libcurl is content with a head that was cut. */
    if (!call->is_head_whole || status < 200) {
        (void)vf_error_set(ret_error, EBADMSG, "%s: the reply's head is cut",
                           call->http->origin.name);
        return false;
    }
    vf_buf_append(&call->text, "", 0); /* at least a NUL */
    if (call->text.is_broken) {
        (void)vf_error_set(ret_error, ENOMEM, "no memory for the reply");
        return false;
    }
    vf_http_reply_read_headers(&call->reply, call->easy);
    vf_http_reply_read_location(&call->reply, call->easy);
    call->reply.status = (int)status;
    call->reply.took_ms = took_ms(call->easy);
    call->reply.body_size = call->text.size;
    call->reply.body = call->text.data;
    call->text = VF_BUF_INIT;
    return true;
}

bool vf_http_transfer_judge(struct vf_http_call *call, CURLcode result,
                            struct vf_error *ret_error)
{
    if (result == CURLE_OK)
        return take_reply(call, ret_error);
    vf_http_failure_explain(call, result, ret_error);
    return false;
}
