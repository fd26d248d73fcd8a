/* SPDX-License-Identifier: MIT */
#include "server.h"
#include "sources.h"

#include "vaultfs/http.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "sak-0123456789/canary+x"
#define TOKEN "sat-9f3c-canary"
#define GRANT "{\"access_token\":\"" TOKEN "\""

struct answer {
    const char *status; /* NULL: nothing, ever */
    const char *headers;
    const char *body;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct answer answer;  /* to give from now on; guarded by lock */
static struct request latest; /* that came; the same */

static void answer_with(const char *status, const char *headers,
                        const char *body)
{
    pthread_mutex_lock(&lock);
    answer = (struct answer){status, headers, body};
    pthread_mutex_unlock(&lock);
}

static struct answer take(const struct request *request)
{
    pthread_mutex_lock(&lock);
    latest = *request;
    struct answer now = answer;
    pthread_mutex_unlock(&lock);
    return now;
}

static void assert_asked_with(const char *text)
{
    pthread_mutex_lock(&lock);
    bool is_there = strstr(latest.head, text) != NULL;
    pthread_mutex_unlock(&lock);
    assert_true(is_there);
}

static void exchange(struct server *server, int fd, unsigned index)
{
    struct request request;
    char head[512];

    while (server_read(server, fd, &request)) {
        const struct answer now = take(&request);

        if (now.status == NULL) {
            server_drain(fd);
            return;
        }
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n",
                       now.status, strlen(now.body), now.headers);
        if (!server_send(fd, head) || !server_send(fd, now.body))
            return;
    }
}

static struct vf_auth_source *open_key(const char *path, const char *url)
{
    struct vf_auth_options options = sources_nothing();
    char base_url[64];

    /* All of it is copied. */
    (void)snprintf(base_url, sizeof(base_url), "%s", url);
    const struct vf_http_options exchange_options = {.base_url = base_url};
    options.key_file = path;
    options.exchange = &exchange_options;
    struct vf_auth_source *source = sources_find(&options);
    memset(base_url, 'x', sizeof(base_url));
    return source;
}

struct bench {
    struct server *server;
    struct vf_auth_source *source;
};

static struct bench begin(const char *status, const char *body)
{
    struct server *server = server_start(exchange);

    answer_with(status, "", body);
    return (struct bench){
        server, open_key(sources_write("key", KEY "\n"), server_url(server))};
}

static void end(struct bench *bench)
{
    vf_auth_source_free(bench->source);
    server_stop(bench->server);
}

static int64_t end_of_next_read(struct vf_auth_source *source)
{
    struct vf_auth_reading reading = {0};
    struct vf_error err = {0};

    assert_int_equal(vf_auth_source_read(source, &reading, &err), 0);
    assert_memory_equal(vf_secret_data(reading.token), TOKEN, strlen(TOKEN));
    vf_secret_unref(reading.token);
    return reading.expires_s;
}

static void a_key_is_exchanged_for_a_token(void **state)
{
    struct bench bench = begin("200 OK", GRANT "}");
    char description[300];

    sources_expect(bench.source, TOKEN, 0);
    assert_asked_with("POST /api/v1/serviceToken/exchange HTTP/1.1\r\n");
    assert_asked_with("\r\nAuthorization: Bearer " KEY "\r\n");
    assert_asked_with("\r\nContent-Type: application/json\r\n");
    assert_string_equal(latest.body,
                        "{\"grant_type\":\"client_credentials\",\"audience\":"
                        "\"qoder\",\"scope\":\"qca.access\","
                        "\"ttl_seconds\":3600}");
    (void)snprintf(description, sizeof(description),
                   "service account key file %s", sources_path("key"));
    assert_string_equal(vf_auth_source_description(bench.source), description);
    assert_true(vf_auth_source_can_change(bench.source));

    answer_with("201 Created", "", GRANT "}");
    sources_expect(bench.source, TOKEN, 0);
    assert_int_equal(server_requests(bench.server), 2);
    assert_int_equal(server_connections(bench.server), 2); /* none is kept */
    end(&bench);
}

static void the_reply_may_tell_when_the_token_ends(void **state)
{
    struct bench bench = begin("200 OK", GRANT ",\"expires_in\":3600}");
    int64_t before = time(NULL);
    int64_t expires_s = end_of_next_read(bench.source);

    assert_true(expires_s >= before + 3600);
    assert_true(expires_s <= time(NULL) + 3600);
    answer_with("200 OK", "", GRANT ",\"expires_in\":3600.9,\"expires_at\":0}");
    expires_s = end_of_next_read(bench.source);
    assert_true(expires_s >= before + 3600);
    assert_true(expires_s <= time(NULL) + 3600);
    answer_with("200 OK", "", GRANT ",\"expires_in\":99999999999999999999999}");
    assert_true(end_of_next_read(bench.source) >= before + INT32_MAX);
    answer_with("200 OK", "", GRANT ",\"expires_in\":9223372036854775807}");
    assert_true(end_of_next_read(bench.source) >= before + INT32_MAX);
    answer_with(
        "200 OK", "",
        GRANT ",\"expires_in\":null,\"expires_at\":\"2100-01-01T00:00:00Z\"}");
    assert_int_equal(end_of_next_read(bench.source), 4102444800);
    answer_with("200 OK", "",
                GRANT ",\"expires_at\":null,\"token_type\":\"Bearer\"}");
    assert_int_equal(end_of_next_read(bench.source), 0);
    end(&bench);
}

static void what_gives_no_token_that_lives_is_refused(void **state)
{
    static const struct {
        const char *body;
        int code;
        const char *words;
    } bad[] = {
        {"", EBADMSG, "what the exchange at http://127.0.0.1:"},
        {"<html>canary</html>", EBADMSG, "byte 0"},
        {"[]", EBADMSG, "an array"},
        {"{\"expires_in\":3600}", EBADMSG, "access_token"},
        {"{\"access_token\":7}", EBADMSG, "access_token is a number"},
        {GRANT ",\"expires_in\":\"3600\"}", EBADMSG, "expires_in is a string"},
        {GRANT ",\"expires_at\":1}", EBADMSG, "expires_at is a number"},
        {GRANT ",\"expires_in\":0}", EBADMSG, "expires_in is not positive"},
        {GRANT ",\"expires_in\":-9223372036854775808}", EBADMSG,
         "expires_in is not positive"},
        {GRANT ",\"expires_in\":-1e99}", EBADMSG, "expires_in is not positive"},
        {GRANT ",\"expires_at\":\"2020-01-01T00:00:00Z\"}", EKEYEXPIRED,
         "expired"},
        {"{\"access_token\":\"sat canary\"}", EBADMSG, "byte 3 of the token"},
        {"{\"access_token\":\"sat\\ncanary\"}", EBADMSG,
         "answered cannot be used: there is more than one line in it"},
        {"{\"access_token\":\"\"}", EBADMSG, "there is no token in it"},
    };
    struct bench bench = begin("200 OK", "");
    struct vf_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        answer_with("200 OK", "", bad[i].body);
        sources_refuse(bench.source, bad[i].code, bad[i].words, &err);
    }
    end(&bench);
}

static void each_status_is_an_errno_with_a_reason(void **state)
{
    static const struct {
        const char *status;
        int code;
        const char *words;
    } cases[] = {
        {"401 Unauthorized", EKEYREJECTED, "the key was refused"},
        {"403 Forbidden", EACCES, "may not be exchanged"},
        {"404 Not Found", EBADMSG, "there is no exchange at http://127.0.0.1:"},
        {"405 Method Not Allowed", EBADMSG, "there is no exchange at"},
        {"408 Request Timeout", ETIMEDOUT, "HTTP 408"},
        {"422 Unprocessable", EINVAL, "HTTP 422"},
        {"429 Too Many Requests", EBUSY, "HTTP 429"},
        {"500 Internal Server Error", EREMOTEIO, "HTTP 500"},
        {"204 No Content", EBADMSG, "HTTP 204"},
    };
    struct bench bench = begin("200 OK", "");
    struct vf_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answer_with(cases[i].status, "X-Request-Id: req-1\r\n", "");
        sources_refuse(bench.source, cases[i].code, cases[i].words, &err);
        assert_int_equal(err.http_status, atoi(cases[i].status));
        assert_string_equal(err.request_id, "req-1");
    }
    end(&bench);
}

static void a_redirect_is_refused_and_its_target_named(void **state)
{
    struct bench bench = begin("302 Found", "");
    struct vf_error err;

    answer_with("302 Found", "Location: https://elsewhere.example/x?y=1\r\n",
                "");
    sources_refuse(bench.source, EPROTO, "https://elsewhere.example", &err);
    assert_int_equal(server_requests(bench.server), 1);
    end(&bench);
}

static void the_service_says_why_without_the_key(void **state)
{
    /* The key as it is, percent-encoded, escaped, and parts of it. */
    struct bench bench = begin("", "");
    struct vf_error err;

    answer_with(
        "401 Unauthorized", "X-Request-Id: r-" KEY "\r\n",
        "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\","
        "\"message\":\"no: " KEY ", sak-0123456789%2Fcanary%2bx, "
        "sak-0123456789\\\\/canary+x; 89/canar; \\u001b[31m\\nend\"}}");
    sources_refuse(bench.source, EKEYREJECTED,
                   ": the key was refused: no: [...], [...], [...]; [...]; "
                   "\\x1B[31m\\x0Aend",
                   &err);
    assert_string_equal(err.type, "authentication_error");
    assert_string_equal(err.request_id, "r-[...]");
    end(&bench);
}

static void a_long_reason_is_cut(void **state)
{
    static char body[20000];
    struct vf_error err;

    (void)strcpy(body, "{\"error\":{\"message\":\"");
    memset(body + strlen(body), 'm', 15000);
    (void)strcat(body, "\"}}");
    struct bench bench = begin("403 Forbidden", body);
    sources_refuse(bench.source, EACCES, "mmmm", &err);
    assert_true(strlen(err.message) < VF_ERROR_MESSAGE_MAX);
    end(&bench);
}

static void a_reply_without_end_is_refused(void **state)
{
    static char body[4 * VF_AUTH_TOKEN_MAX + 100];
    struct vf_error err;

    memset(body, ' ', sizeof(body) - 1);
    struct bench bench = begin("200 OK", body);
    sources_refuse(bench.source, EBADMSG, "service account key file", &err);
    end(&bench);
}

static void where_nobody_listens_there_is_no_token(void **state)
{
    struct bench bench = begin("200 OK", "");
    struct vf_error err;

    server_stop(bench.server);
    sources_refuse(bench.source, ECONNREFUSED, "127.0.0.1", &err);
    vf_auth_source_free(bench.source);
}

static void the_key_is_judged_before_anything_is_sent(void **state)
{
    struct bench bench = begin("200 OK", GRANT "}");
    struct vf_error err;

    (void)sources_write("key", "sak canary");
    sources_refuse(bench.source, EINVAL, "byte 3 of the key", &err);
    (void)sources_write("key", KEY "\nmore");
    sources_refuse(bench.source, EINVAL, "a key is one line", &err);
    (void)sources_write("key", "\n");
    sources_refuse(bench.source, EINVAL, "no key in", &err);
    (void)sources_write_bytes("key", KEY, strlen(KEY), 0640);
    sources_refuse(bench.source, EACCES, "chmod 600", &err);
    assert_int_equal(unlink(sources_path("key")), 0);
    sources_refuse(bench.source, ENOENT, "service account key file", &err);
    if (geteuid() == 0) {
        assert_int_equal(chown(sources_write("key", KEY), 12345, 12345), 0);
        sources_refuse(bench.source, EACCES, "another user", &err);
    }
    assert_int_equal(server_requests(bench.server), 0);
    end(&bench);
}

static void another_key_is_a_change(void **state)
{
    struct bench bench = begin("200 OK", GRANT "}");

    sources_expect(bench.source, TOKEN, 0);
    assert_false(vf_auth_source_has_changed(bench.source));
    (void)sources_write("key", "sak-another");
    assert_true(vf_auth_source_has_changed(bench.source));
    sources_expect(bench.source, TOKEN, 0);
    assert_asked_with("Bearer sak-another\r\n");
    end(&bench);
}

static void a_service_without_an_exchange_takes_no_key(void **state)
{
    struct vf_auth_options options = sources_nothing();
    struct vf_auth_source *source = NULL;
    struct vf_error err;

    options.key_file = "/key";
    assert_int_equal(vf_auth_source_find(&options, &source, &err), -EINVAL);
    assert_non_null(strstr(err.message, "exchange"));
    assert_null(source);
}

static void *read_and_fail(void *source)
{
    static struct vf_error err;

    sources_refuse(source, ECANCELED, NULL, &err);
    return NULL;
}

static void to_cancel_ends_an_exchange_now_and_for_ever(void **state)
{
    struct bench bench = begin(NULL, "");
    struct vf_error err;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, read_and_fail, bench.source),
                     0);
    server_wait_requests(bench.server, 1);
    vf_auth_source_cancel(bench.source);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sources_refuse(bench.source, ECANCELED, NULL, &err);
    assert_int_equal(server_requests(bench.server), 1);
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_exchanged_for_a_token),
        cmocka_unit_test(the_reply_may_tell_when_the_token_ends),
        cmocka_unit_test(what_gives_no_token_that_lives_is_refused),
        cmocka_unit_test(each_status_is_an_errno_with_a_reason),
        cmocka_unit_test(a_redirect_is_refused_and_its_target_named),
        cmocka_unit_test(the_service_says_why_without_the_key),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(a_reply_without_end_is_refused),
        cmocka_unit_test(where_nobody_listens_there_is_no_token),
        cmocka_unit_test(the_key_is_judged_before_anything_is_sent),
        cmocka_unit_test(another_key_is_a_change),
        cmocka_unit_test(a_service_without_an_exchange_takes_no_key),
        cmocka_unit_test(to_cancel_ends_an_exchange_now_and_for_ever),
    };

    return cmocka_run_group_tests(tests, sources_make_directory,
                                  sources_remove_directory);
}
