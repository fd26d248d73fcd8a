/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include "vaultfs/secret.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

/* Longer than any wait that somebody could mean. */
#define RETRY_AFTER_MAX_MS (24 * 60 * 60 * 1000.0)

static void read_request_id(struct vf_http_reply *reply, const char *value)
{
    vf_error_copy(reply->request_id, sizeof(reply->request_id), value);
}

static void read_content_type(struct vf_http_reply *reply, const char *value)
{
    char type[sizeof(reply->content_type)];
    size_t size = strcspn(value, "; \t");

    if (size >= sizeof(type))
        size = 0; /* too long to be one that we know */
    for (size_t i = 0; i < size; i++)
        type[i] = (char)tolower((unsigned char)value[i]);
    type[size] = '\0';
    memcpy(reply->content_type, type, size + 1);
}

/* For people, who may have a terminal that acts upon other bytes. */
static void read_printable(char *field, size_t field_size, const char *value)
{
    size_t size = 0;

    for (; value[size] != '\0' && size + 1 < field_size; size++)
        field[size] =
            value[size] >= 0x20 && value[size] < 0x7F ? value[size] : '?';
    field[size] = '\0';
}

static void read_account(struct vf_http_reply *reply, const char *value)
{
    read_printable(reply->account, sizeof(reply->account), value);
}

static void read_scopes(struct vf_http_reply *reply, const char *value)
{
    read_printable(reply->scopes, sizeof(reply->scopes), value);
}

static int64_t bounded_wait(double wait_ms)
{
    if (wait_ms < 0)
        return 0;
    return (int64_t)(wait_ms < RETRY_AFTER_MAX_MS ? wait_ms
                                                  : RETRY_AFTER_MAX_MS);
}

/* A plain number, perhaps with a fraction. */
static bool parse_wait(const char *value, double unit_ms, int64_t *ret_ms)
{
    char *end;

    if (!isdigit((unsigned char)value[0]) ||
        value[strspn(value, "0123456789.")] != '\0')
        return false;
    double wait = strtod(value, &end);
    if (*end != '\0')
        return false;
    *ret_ms = bounded_wait(wait * unit_ms);
    return true;
}

static void read_retry_after(struct vf_http_reply *reply, const char *value)
{
    if (parse_wait(value, 1000, &reply->retry_after_ms))
        return;
    time_t then = curl_getdate(value, NULL);
    if (then != -1)
        reply->retry_after_ms = bounded_wait(difftime(then, time(NULL)) * 1000);
}

static void read_retry_after_ms(struct vf_http_reply *reply, const char *value)
{
    (void)parse_wait(value, 1, &reply->retry_after_ms);
}

static void read_should_retry(struct vf_http_reply *reply, const char *value)
{
    if (strcasecmp(value, "true") == 0)
        reply->should_retry = 1;
    else if (strcasecmp(value, "false") == 0)
        reply->should_retry = 0;
}

/* libcurl takes the line's end for the value of a header that has none. */
static bool has_value(const struct curl_header *header)
{
    return header->value[strspn(header->value, "\r\n")] != '\0';
}

void vf_http_reply_read_headers(struct vf_http_reply *reply, CURL *easy)
{
    /* Where two headers say the same thing the later row wins. */
    static const struct {
        const char *name;
        void (*read)(struct vf_http_reply *reply, const char *value);
    } headers[] = {
        {"content-type", read_content_type},
        {"request-id", read_request_id},
        {"x-request-id", read_request_id},
        {"anthropic-organization-id", read_account},
        {"x-oauth-scopes", read_scopes},
        {"x-should-retry", read_should_retry},
        {"retry-after", read_retry_after},
        {"retry-after-ms", read_retry_after_ms},
    };
    struct curl_header *header;

    reply->retry_after_ms = -1;
    reply->should_retry = -1;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (curl_easy_header(easy, headers[i].name, 0, CURLH_HEADER, -1,
                             &header) == CURLHE_OK &&
            has_value(header))
            headers[i].read(reply, header->value);
}

void vf_http_reply_read_location(struct vf_http_reply *reply, CURL *easy)
{
    const char *target = NULL;
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLU *url = curl_url();

    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &target);
    if (target != NULL && url != NULL &&
        curl_url_set(url, CURLUPART_URL, target, CURLU_NON_SUPPORT_SCHEME) ==
            CURLUE_OK &&
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        char origin[sizeof(reply->location) + 1];

        (void)curl_url_get(url, CURLUPART_PORT, &port, 0);
        (void)snprintf(origin, sizeof(origin), "%s://%s%s%s", scheme, host,
                       port != NULL ? ":" : "", port != NULL ? port : "");
        vf_error_copy(reply->location, sizeof(reply->location), origin);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
}

void vf_http_reply_done(struct vf_http_reply *reply)
{
    /* A faulty service may have answered with a secret. */
    vf_wipe(reply->body, reply->body_size);
    free(reply->body);
    reply->body = NULL;
    reply->body_size = 0;
}
