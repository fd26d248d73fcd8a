/* SPDX-License-Identifier: MIT */
#include "client.h"
#include "server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* What the scripts below saw and are to say. A test sets them before the first
 * request and reads them after the reply. */
static struct request seen;
static const char *answer;

static void answer_all(struct server *server, int fd, unsigned index)
{
    struct request request;

    while (server_read(server, fd, &request)) {
        seen = request;
        if (!server_send(fd, answer))
            break;
    }
}

/* Says it and ends the connection. */
static void answer_once(struct server *server, int fd, unsigned index)
{
    if (server_read(server, fd, &seen))
        (void)server_send(fd, answer);
}

/* The reply to a GET when the server says text. */
static struct outcome reply_to(server_script *script, const char *text,
                               size_t reply_max)
{
    struct server *server = server_start(script);
    struct vf_http *http = client_new_with(&(struct vf_http_options){
        .base_url = server_url(server), .reply_max = reply_max});

    answer = text;
    struct outcome outcome = client_get(http, "/");
    vf_http_free(http);
    server_stop(server);
    return outcome;
}

static void a_request_is_sent_as_it_was_asked_for(void **state)
{
    struct server *server = server_start(answer_all);
    char base[128];
    struct vf_secret *token = secret_of("pt-1"), *body = secret_of("{\"a\":1}");

    (void)snprintf(base, sizeof(base), "%s/api/v1/cloud//", server_url(server));
    struct vf_http *http = client_new(base);
    answer = OK_EMPTY;
    struct outcome outcome = client_perform(
        http, &(struct vf_http_request){
                  .method = VF_HTTP_POST,
                  .path = "/vaults/../v%2Fx?limit=100",
                  .headers =
                      (struct vf_http_header[]){
                          {"Idempotency-Key", "k-1"},
                          {"x-empty", ""},
                      },
                  .headers_count = 2,
                  .token_header = "Authorization",
                  .token_prefix = "Bearer ",
                  .token = token,
                  .body = body,
                  .is_body_secret = true,
                  .deadline_ms = vf_clock_monotonic_ms() + PATIENCE_MS,
              });
    assert_int_equal(outcome.result, 0);
    static const char first[] =
        "POST /api/v1/cloud/vaults/../v%2Fx?limit=100 HTTP/1.1\r\n";
    assert_memory_equal(seen.head, first, sizeof(first) - 1);
    assert_non_null(strstr(seen.head, "\r\nIdempotency-Key: k-1\r\n"));
    assert_non_null(strstr(seen.head, "\r\nx-empty:\r\n"));
    assert_non_null(strstr(seen.head, "\r\nAuthorization: Bearer pt-1\r\n"));
    assert_non_null(
        strstr(seen.head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(seen.head, "\r\nContent-Length: 7\r\n"));
    assert_null(strcasestr(seen.head, "\r\nExpect"));
    assert_null(strcasestr(seen.head, "\r\nAccept-Encoding"));
    assert_null(strcasestr(seen.head, "\r\nx-request-id"));
    assert_int_equal(seen.body_size, 7);
    assert_memory_equal(seen.body, "{\"a\":1}", 7);
    vf_http_reply_done(&outcome.reply);

    vf_secret_unref(token);
    vf_secret_unref(body);
    vf_http_free(http);
    server_stop(server);
}

static void a_request_without_a_body_says_so(void **state)
{
    struct server *server = server_start(answer_all);
    struct vf_http *http = client_new(server_url(server));
    static const struct {
        enum vf_http_method method;
        const char *first;
        bool has_length;
    } cases[] = {
        {VF_HTTP_GET, "GET /x HTTP/1.1\r\n", false},
        {VF_HTTP_POST, "POST /x HTTP/1.1\r\n", true},
        {VF_HTTP_DELETE, "DELETE /x HTTP/1.1\r\n", false},
    };

    answer = OK_EMPTY;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome =
            client_ask(http, cases[i].method, "/x", NULL, PATIENCE_MS);

        assert_int_equal(outcome.result, 0);
        assert_memory_equal(seen.head, cases[i].first, strlen(cases[i].first));
        assert_null(strcasestr(seen.head, "\r\nContent-Type"));
        assert_null(strcasestr(seen.head, "\r\nAuthorization"));
        assert_int_equal(strstr(seen.head, "\r\nContent-Length: 0\r\n") != NULL,
                         cases[i].has_length);
        vf_http_reply_done(&outcome.reply);
    }
    vf_http_free(http);
    server_stop(server);
}

static void a_body_larger_than_every_buffer_arrives_whole(void **state)
{
    struct server *server = server_start(answer_all);
    struct vf_http *http = client_new(server_url(server));
    char body[sizeof(seen.body)];

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 23);
    body[sizeof(body) - 1] = '\0';
    answer = OK_EMPTY;
    struct outcome outcome =
        client_ask(http, VF_HTTP_POST, "/", body, PATIENCE_MS);
    assert_int_equal(outcome.result, 0);
    assert_int_equal(seen.body_size, sizeof(body) - 1);
    assert_memory_equal(seen.body, body, sizeof(body) - 1);
    vf_http_reply_done(&outcome.reply);
    vf_http_free(http);
    server_stop(server);
}

static void what_would_break_a_request_is_refused_and_not_sent(void **state)
{
    struct server *server = server_start(answer_all);
    struct vf_http *http = client_new(server_url(server));
    struct vf_secret *good = secret_of("pt"), *bad = secret_of("pt\r\nx: y");
    const struct {
        const char *path;
        struct vf_http_header header;
        struct vf_secret *token;
    } cases[] = {
        {"x", {"a", "b"}, good},         {"/a b", {"a", "b"}, good},
        {"/a\r\nb", {"a", "b"}, good},   {"/a#b", {"a", "b"}, good},
        {"/\xC3\xA4", {"a", "b"}, good}, {"/", {"a", "b\r\nc: d"}, good},
        {"/", {"a", "b\n"}, good},       {"/", {"a: b\r\nc", "d"}, good},
        {"/", {"", "d"}, good},          {"/", {"a", "b"}, bad},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = client_perform(
            http, &(struct vf_http_request){
                      .path = cases[i].path,
                      .headers = &cases[i].header,
                      .headers_count = 1,
                      .token_header = "Authorization",
                      .token_prefix = "Bearer ",
                      .token = cases[i].token,
                      .deadline_ms = vf_clock_monotonic_ms() + PATIENCE_MS,
                  });

        assert_int_equal(outcome.result, -EINVAL);
        assert_int_equal(outcome.fate, VF_HTTP_NOT_SENT);
        assert_null(strstr(outcome.err.message, "pt"));
    }
    assert_int_equal(server_connections(server), 0);
    vf_secret_unref(good);
    vf_secret_unref(bad);
    vf_http_free(http);
    server_stop(server);
}

static void a_reply_carries_what_its_head_says(void **state)
{
    static const struct {
        const char *head;
        struct vf_http_reply expected;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n", {200, "", "", "", "", "", -1, -1}},
        {"HTTP/1.1 429 \r\nX-Request-Id:  r 1 \r\nContent-Type: "
         "Application/JSON; charset=utf-8\r\nRetry-After: 3\r\n"
         "x-should-retry: TRUE\r\n",
         {429, "r 1", "application/json", "", "", "", 3000, 1}},
        {"HTTP/1.1 503 x\r\nrequest-id: r2\r\nretry-after-ms: 250\r\n"
         "Retry-After: 9\r\nx-should-retry: false\r\n",
         {503, "r2", "", "", "", "", 250, 0}},
        {"HTTP/1.1 503 x\r\nx-request-id: a\r\nrequest-id: b\r\n"
         "Retry-After: 1.5\r\nx-should-retry: maybe\r\n",
         {503, "a", "", "", "", "", 1500, -1}},
        {"HTTP/1.1 503 x\r\nRetry-After: soon\r\n",
         {503, "", "", "", "", "", -1, -1}},
        {"HTTP/1.1 503 x\r\nRetry-After: -5\r\n",
         {503, "", "", "", "", "", -1, -1}},
        {"HTTP/1.1 503 x\r\nRetry-After: 1.2.3\r\n",
         {503, "", "", "", "", "", -1, -1}},
        {"HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999999\r\n",
         {503, "", "", "", "", "", 86400000, -1}},
        {"HTTP/1.1 503 x\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n",
         {503, "", "", "", "", "", 0, -1}},
        {"HTTP/1.1 302 x\r\nLocation: https://user:pw@evil.test:8/a?t=1\r\n",
         {302, "", "", "https://evil.test:8", "", "", -1, -1}},
        {"HTTP/1.1 307 x\r\nLocation: ftp://other.test/\r\n",
         {307, "", "", "ftp://other.test", "", "", -1, -1}},
        {"HTTP/1.1 200 x\r\nx-request-id:\r\nrequest-id: \r\n",
         {200, "", "", "", "", "", -1, -1}},
        {"HTTP/1.1 304 x\r\n", {304, "", "", "", "", "", -1, -1}},
        {"HTTP/1.1 999 x\r\n", {999, "", "", "", "", "", -1, -1}},
        {"HTTP/1.1 103 Early\r\nx-request-id: early\r\n\r\n"
         "HTTP/1.1 201 x\r\n",
         {201, "", "", "", "", "", -1, -1}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct vf_http_reply *expected = &cases[i].expected;
        char text[1024];

        (void)snprintf(text, sizeof(text), "%sContent-Length: 0\r\n\r\n",
                       cases[i].head);
        struct outcome outcome = reply_to(answer_all, text, 0);
        const struct vf_http_reply *reply = &outcome.reply;
        assert_int_equal(outcome.result, 0);
        assert_int_equal(reply->status, expected->status);
        assert_string_equal(reply->request_id, expected->request_id);
        assert_string_equal(reply->content_type, expected->content_type);
        assert_string_equal(reply->location, expected->location);
        assert_int_equal(reply->retry_after_ms, expected->retry_after_ms);
        assert_int_equal(reply->should_retry, expected->should_retry);
        assert_int_equal(reply->body_size, 0);
        assert_string_equal(reply->body, "");
        vf_http_reply_done(&outcome.reply);
    }
}

static void a_date_to_retry_after_counts_from_now(void **state)
{
    char text[256], date[64];
    time_t then = time(NULL) + 3600;
    struct tm tm;

    gmtime_r(&then, &tm);
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 503 x\r\nRetry-After: %s\r\n"
                   "Content-Length: 0\r\n\r\n",
                   date);
    struct outcome outcome = reply_to(answer_all, text, 0);
    assert_int_equal(outcome.result, 0);
    assert_in_range(outcome.reply.retry_after_ms, 3000000, 3600000);
    vf_http_reply_done(&outcome.reply);
}

static void a_body_is_read_in_every_framing(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nx-request-id: trailer\r\n\r\n"),
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct outcome outcome = reply_to(answer_once, answers[i], 0);

        assert_int_equal(outcome.result, 0);
        assert_int_equal(outcome.reply.body_size, 5);
        assert_string_equal(outcome.reply.body, "hello");
        assert_string_equal(outcome.reply.request_id, "");
        vf_http_reply_done(&outcome.reply);
    }
}

static void answer_with_nul(struct server *server, int fd, unsigned index)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\0b";

    if (server_read(server, fd, &seen))
        (void)server_send_bytes(fd, text, sizeof(text) - 1);
}

static void a_nul_in_a_body_does_not_shorten_it(void **state)
{
    struct outcome outcome = reply_to(answer_with_nul, NULL, 0);

    assert_int_equal(outcome.result, 0);
    assert_int_equal(outcome.reply.body_size, 3);
    assert_memory_equal(outcome.reply.body, "a\0b", 4);
    vf_http_reply_done(&outcome.reply);
}

static void a_reply_of_exactly_the_limit_is_taken(void **state)
{
    struct outcome outcome = reply_to(
        answer_once, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 5);

    assert_int_equal(outcome.result, 0);
    assert_string_equal(outcome.reply.body, "hello");
    vf_http_reply_done(&outcome.reply);
}

/* Announces much, sends nothing of it: the length is enough to refuse. */
static void announce_much(struct server *server, int fd, unsigned index)
{
    if (server_read(server, fd, &seen) &&
        server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
        server_drain(fd);
}

static void send_chunks(struct server *server, int fd, unsigned index)
{
    if (!server_read(server, fd, &seen) ||
        !server_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                         "\r\n"))
        return;
    while (server_send(fd, "4\r\nabcd\r\n"))
        ;
}

static void send_headers(struct server *server, int fd, unsigned index)
{
    if (!server_read(server, fd, &seen) ||
        !server_send(fd, "HTTP/1.1 200 OK\r\n"))
        return;
    while (server_send(fd, "x-more: yes\r\n"))
        ;
}

/* It ends, and libcurl itself would take it. */
static void send_a_large_head(struct server *server, int fd, unsigned index)
{
    char line[1024];

    (void)snprintf(line, sizeof(line), "x: %01000d\r\n", 0);
    if (!server_read(server, fd, &seen) ||
        !server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"))
        return;
    for (int i = 0; i < 70; i++)
        if (!server_send(fd, line))
            return;
    (void)server_send(fd, "\r\n");
}

static void send_interim_replies(struct server *server, int fd, unsigned index)
{
    if (!server_read(server, fd, &seen))
        return;
    while (server_send(fd, "HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n"))
        ;
}

static void send_one_endless_header(struct server *server, int fd,
                                    unsigned index)
{
    if (!server_read(server, fd, &seen) ||
        !server_send(fd, "HTTP/1.1 200 OK\r\nx: "))
        return;
    while (server_send(fd, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"))
        ;
}

static void a_reply_that_is_too_large_is_refused(void **state)
{
    static server_script *const scripts[] = {
        announce_much, send_a_large_head,    send_chunks,
        send_headers,  send_interim_replies, send_one_endless_header,
    };

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct outcome outcome = reply_to(scripts[i], NULL, 999);

        assert_int_equal(outcome.result, -EBADMSG);
        assert_int_equal(outcome.fate, VF_HTTP_UNKNOWN);
    }
}

static void connections_are_kept_alive(void **state)
{
    struct server *server = server_start(answer_all);
    struct vf_http *http = client_new(server_url(server));

    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    for (int i = 0; i < 5; i++) {
        struct outcome outcome =
            client_ask(http, i % 2 == 0 ? VF_HTTP_GET : VF_HTTP_POST, "/",
                       i % 2 == 0 ? NULL : "{}", PATIENCE_MS);
        assert_int_equal(outcome.result, 0);
        vf_http_reply_done(&outcome.reply);
    }
    assert_int_equal(server_connections(server), 1);
    assert_int_equal(server_requests(server), 5);
    assert_int_equal(vf_http_requests(http), 5);
    vf_http_free(http);
    server_stop(server);
}

static void a_proxy_in_the_environment_gets_no_plain_request(void **state)
{
    static const char *const variables[] = {"http_proxy", "HTTP_PROXY",
                                            "all_proxy", "ALL_PROXY"};
    struct server *server = server_start(answer_all);
    struct server *proxy = server_start(answer_all);

    answer = OK_EMPTY;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        assert_int_equal(setenv(variables[i], server_url(proxy), 1), 0);
    struct vf_http *http = client_new(server_url(server));
    client_expect(http, "/", 200);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        assert_int_equal(unsetenv(variables[i]), 0);
    assert_int_equal(server_requests(server), 1);
    assert_int_equal(server_connections(proxy), 0);
    vf_http_free(http);
    server_stop(proxy);
    server_stop(server);
}

static void a_proxy_is_asked_to_connect_to_an_https_origin(void **state)
{
    struct server *proxy = server_start(answer_once);
    struct vf_secret *token = secret_of("pt-1");

    answer = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(setenv("https_proxy", server_url(proxy), 1), 0);
    struct vf_http *http = client_new("https://api.example.test");
    assert_int_equal(unsetenv("https_proxy"), 0);
    struct outcome outcome = client_perform(
        http, &(struct vf_http_request){.path = "/",
                                        .token_header = "Authorization",
                                        .token_prefix = "Bearer ",
                                        .token = token,
                                        .deadline_ms = vf_clock_monotonic_ms() +
                                                       PATIENCE_MS});
    assert_int_equal(outcome.result, -EHOSTUNREACH);
    assert_non_null(strstr(outcome.err.message, "proxy"));
    assert_non_null(strstr(outcome.err.message, "403"));
    assert_int_equal(outcome.fate, VF_HTTP_NOT_SENT);
    static const char first[] = "CONNECT api.example.test:443 HTTP/1.1\r\n";
    assert_memory_equal(seen.head, first, sizeof(first) - 1);
    assert_null(strstr(seen.head, "pt-1"));
    vf_secret_unref(token);
    vf_http_free(http);
    server_stop(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_sent_as_it_was_asked_for),
        cmocka_unit_test(a_request_without_a_body_says_so),
        cmocka_unit_test(a_body_larger_than_every_buffer_arrives_whole),
        cmocka_unit_test(what_would_break_a_request_is_refused_and_not_sent),
        cmocka_unit_test(a_reply_carries_what_its_head_says),
        cmocka_unit_test(a_date_to_retry_after_counts_from_now),
        cmocka_unit_test(a_body_is_read_in_every_framing),
        cmocka_unit_test(a_nul_in_a_body_does_not_shorten_it),
        cmocka_unit_test(a_reply_of_exactly_the_limit_is_taken),
        cmocka_unit_test(a_reply_that_is_too_large_is_refused),
        cmocka_unit_test(connections_are_kept_alive),
        cmocka_unit_test(a_proxy_in_the_environment_gets_no_plain_request),
        cmocka_unit_test(a_proxy_is_asked_to_connect_to_an_https_origin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
