/* SPDX-License-Identifier: MIT
 *
 * The token of a request, and what a reply tells of its owner.
 */
#include "client.h"
#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The last request, and what the script below says to all. */
static struct request seen;
static char answer[1024];

static void answer_all(struct server *server, int fd, unsigned index)
{
    struct request request;

    while (server_read(server, fd, &request)) {
        seen = request;
        if (!server_send(fd, answer))
            break;
    }
}

/* The headers, in front of an empty body. */
static void say(const char *headers)
{
    (void)snprintf(answer, sizeof(answer),
                   "HTTP/1.1 200 OK\r\n%sContent-Length: 0\r\n\r\n", headers);
}

static unsigned count(const char *text, const char *part)
{
    unsigned found = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        found++;
    return found;
}

static struct outcome get_with(struct vf_http *http, const char *header,
                               const char *prefix, const char *text)
{
    struct vf_secret *token = secret_of(text);
    struct outcome outcome = client_perform(
        http, &(struct vf_http_request){
                  .path = "/",
                  .token_header = header,
                  .token_prefix = prefix,
                  .token = token,
                  .deadline_ms = vf_clock_monotonic_ms() + PATIENCE_MS,
              });

    vf_secret_unref(token);
    return outcome;
}

/* Connections are kept, and tokens change on them. */
static void each_request_has_its_own_token_once(void **state)
{
    static const struct {
        const char *header, *prefix, *token, *line;
    } cases[] = {
        {"Authorization", "Bearer ", "pt-1",
         "\r\nAuthorization: Bearer pt-1\r\n"},
        {"Authorization", "Bearer ", "pt-2",
         "\r\nAuthorization: Bearer pt-2\r\n"},
        {"x-api-key", "", "pt-3", "\r\nx-api-key: pt-3\r\n"},
    };
    struct server *server = server_start(answer_all);
    struct vf_http *http = client_new(server_url(server));

    say("");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome =
            get_with(http, cases[i].header, cases[i].prefix, cases[i].token);

        assert_int_equal(outcome.result, 0);
        assert_int_equal(count(seen.head, cases[i].line), 1);
        assert_int_equal(count(seen.head, "pt-"), 1);
        vf_http_reply_done(&outcome.reply);
    }
    assert_int_equal(server_connections(server), 1);
    client_expect(http, "/", 200);
    assert_null(strstr(seen.head, "pt-"));
    vf_http_free(http);
    server_stop(server);
}

/* Wherever it leads to, here or to another. */
static void a_redirect_is_a_reply_and_is_not_followed(void **state)
{
    struct server *server = server_start(answer_all);
    struct server *other = server_start(answer_all);
    const struct server *const targets[] = {server, other};
    struct vf_http *http = client_new(server_url(server));

    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(answer, sizeof(answer),
                       "HTTP/1.1 307 x\r\nLocation: %s/there\r\n"
                       "Content-Length: 2\r\n\r\nno",
                       i == 0 ? "" : server_url(targets[i]));
        struct outcome outcome =
            get_with(http, "Authorization", "Bearer ", "pt-1");
        assert_int_equal(outcome.result, 0);
        assert_int_equal(outcome.reply.status, 307);
        assert_string_equal(outcome.reply.location, server_url(targets[i]));
        assert_string_equal(outcome.reply.body, "no");
        assert_int_equal(server_requests(server), i + 1);
        vf_http_reply_done(&outcome.reply);
    }
    assert_int_equal(server_connections(other), 0);
    vf_http_free(http);
    server_stop(other);
    server_stop(server);
}

static void a_reply_tells_whose_the_token_is(void **state)
{
    static const struct {
        const char *headers, *account, *scopes;
    } cases[] = {
        {"", "", ""},
        {"Anthropic-Organization-Id: org-1\r\n", "org-1", ""},
        {"X-OAuth-Scopes:  vaults:read, vaults:write \r\n", "",
         "vaults:read, vaults:write"},
        /* What a terminal would act upon, and what is no text. */
        {"anthropic-organization-id: a\x1B[31mb\xC3\xA4\x7F\tc\r\n",
         "a?[31mb????c", ""},
        {"x-oauth-scopes:\r\n", "", ""},
    };
    struct server *server = server_start(answer_all);
    struct vf_http *http = client_new(server_url(server));

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        say(cases[i].headers);
        struct outcome outcome = client_get(http, "/");
        assert_int_equal(outcome.result, 0);
        assert_string_equal(outcome.reply.account, cases[i].account);
        assert_string_equal(outcome.reply.scopes, cases[i].scopes);
        vf_http_reply_done(&outcome.reply);
    }
    vf_http_free(http);
    server_stop(server);
}

static void a_long_account_is_cut(void **state)
{
    struct server *server = server_start(answer_all);
    struct vf_http *http = client_new(server_url(server));
    char headers[800];

    (void)snprintf(headers, sizeof(headers),
                   "anthropic-organization-id: %0300d\r\n"
                   "x-oauth-scopes: %0300d\r\n",
                   7, 7);
    say(headers);
    struct outcome outcome = client_get(http, "/");
    assert_int_equal(outcome.result, 0);
    assert_int_equal(strlen(outcome.reply.account),
                     sizeof(outcome.reply.account) - 1);
    assert_int_equal(strlen(outcome.reply.scopes),
                     sizeof(outcome.reply.scopes) - 1);
    vf_http_reply_done(&outcome.reply);
    vf_http_free(http);
    server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_has_its_own_token_once),
        cmocka_unit_test(a_redirect_is_a_reply_and_is_not_followed),
        cmocka_unit_test(a_reply_tells_whose_the_token_is),
        cmocka_unit_test(a_long_account_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
