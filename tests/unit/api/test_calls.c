/* SPDX-License-Identifier: MIT */
#include "vaultfs/api.h"

#include "fake_http.h"
#include "vaultfs/auth.h"
#include "vaultfs/json.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 30000
#define TIMES                                                                  \
    "\"archived_at\":null,\"created_at\":\"2026-05-18T15:34:16Z\","            \
    "\"updated_at\":\"2026-05-18T15:34:16Z\""
#define VAULT                                                                  \
    "{\"id\":\"v1\",\"type\":\"vault\",\"display_name\":\"prod\",\"metadata\"" \
    ":{}," TIMES "}"
#define CREDENTIAL                                                             \
    "{\"id\":\"c1\",\"type\":\"vault_credential\",\"vault_id\":\"v1\","        \
    "\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":\"https://a/b\"}" \
    ",\"display_name\":null,\"metadata\":{}," TIMES "}"
#define ENVELOPE(type, message)                                                \
    "{\"type\":\"error\",\"request_id\":\"from-body\",\"error\":{\"type\":"    \
    "\"" type "\",\"message\":\"" message "\",\"param\":\"auth.token\"}}"

static char token_path[] = "/tmp/vf-test-api-XXXXXX";

/* The test's clock. A pause moves it to its end, or, as soon as the api was
 * shut down by the hook, ends where it is. */
static int64_t now_ms;
static void (*pause_hook)(void);

int64_t __wrap_vf_clock_monotonic_ms(void);
int64_t __wrap_vf_clock_monotonic_ms(void)
{
    return now_ms;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition,
                                  pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition,
                                  pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    if (pause_hook != NULL) {
        pthread_mutex_unlock(lock);
        pause_hook();
        pthread_mutex_lock(lock);
        return 0;
    }
    now_ms = (int64_t)until->tv_sec * 1000 + until->tv_nsec / 1000000;
    return ETIMEDOUT;
}

struct fixture {
    struct vf_auth *auth;
    struct vf_api *api;
    struct vf_service service;
};

static struct fixture fixture;

static void write_token(const char *token)
{
    int fd = open(token_path, O_WRONLY | O_TRUNC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, token, strlen(token)), (ssize_t)strlen(token));
    assert_int_equal(close(fd), 0);
}

static int set_up(void **state)
{
    const struct vf_auth_options options = {.token_file = token_path};

    write_token("pt-first-token");
    now_ms = 1000000;
    pause_hook = NULL;
    if (vf_auth_new(&options, &fixture.auth, NULL) < 0 ||
        vf_api_new("qoder", NULL, fixture.auth, &fixture.api, NULL) < 0)
        return -1;
    fixture.service = vf_api_service(fixture.api);
    return 0;
}

static int tear_down(void **state)
{
    vf_api_free(fixture.api);
    vf_auth_free(fixture.auth);
    return 0;
}

#define SCRIPT(...)                                                            \
    fake_http_script((const struct fake_answer[]){__VA_ARGS__},                \
                     sizeof((const struct fake_answer[]){__VA_ARGS__}) /       \
                         sizeof(struct fake_answer))

static int list_vaults(const char *cursor, struct vf_page *ret,
                       struct vf_error *err)
{
    return fixture.service.ops->list_vaults(fixture.service.self, cursor,
                                            now_ms + DEADLINE_MS, ret, err);
}

/* A list that fails. */
static int list_code(struct vf_error *err)
{
    struct vf_page page;
    int result = list_vaults(NULL, &page, err);

    if (result == 0)
        vf_page_done(&page);
    return result;
}

static struct vf_secret *secret_of(const char *text)
{
    struct vf_secret *secret;

    assert_int_equal(vf_secret_from(text, strlen(text), &secret, NULL), 0);
    return secret;
}

static int create_with(const struct vf_spec *spec, struct vf_error *err)
{
    struct vf_object object;
    int result = fixture.service.ops->create_credential(
        fixture.service.self, "v1", "git hub.json", spec, now_ms + DEADLINE_MS,
        &object, err);

    if (result == 0)
        vf_object_done(&object);
    return result;
}

static int create_bearer(const char *value, struct vf_error *err)
{
    char url[] = "https://a/b";
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .value = secret_of(value)};
    int result = create_with(&spec, err);

    vf_secret_unref(spec.value);
    return result;
}

static int delete_vault(struct vf_error *err)
{
    return fixture.service.ops->delete_vault(fixture.service.self, "v1",
                                             now_ms + DEADLINE_MS, err);
}

static bool is_uuid4(const char *text)
{
    return strlen(text) == 36 && text[8] == '-' && text[14] == '4' &&
           strchr("89ab", text[19]) != NULL;
}

static void a_list_asks_for_full_pages_and_passes_the_cursor(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 200,
            .body = "{\"data\":[" VAULT "],\"next_page\":\"a&b=c/d\"}"},
           {.status = 200, .body = "{\"data\":[],\"next_page\":null}"});
    assert_int_equal(list_vaults(NULL, &page, NULL), 0);
    assert_int_equal(page.count, 1);
    char *cursor = page.next;
    page.next = NULL;
    vf_page_done(&page);
    assert_int_equal(list_vaults(cursor, &page, NULL), 0);
    assert_null(page.next);
    vf_page_done(&page);
    free(cursor);

    const struct fake_request *first = fake_http_request(1);
    assert_int_equal(first->method, VF_HTTP_GET);
    assert_string_equal(first->path, "/vaults?limit=100");
    assert_string_equal(first->token, "Authorization: Bearer pt-first-token");
    assert_string_equal(first->accept, "application/json");
    assert_string_equal(first->key, "");
    assert_true(is_uuid4(first->request_id));
    assert_string_equal(fake_http_request(2)->path,
                        "/vaults?limit=100&page=a%26b%3Dc%2Fd");
    assert_string_not_equal(first->request_id,
                            fake_http_request(2)->request_id);
}

static void a_cursor_that_does_not_advance_is_an_error(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 200, .body = "{\"data\":[],\"next_page\":\"c\"}"});
    assert_int_equal(list_vaults("c", &page, NULL), -EBADMSG);
}

static void each_operation_is_one_request_of_its_kind(void **state)
{
    const struct vf_service_ops *ops = fixture.service.ops;
    void *self = fixture.service.self;
    int64_t deadline = now_ms + DEADLINE_MS;
    struct vf_object object;
    struct vf_page page;

    SCRIPT({.status = 201, .body = VAULT}, {.status = 204},
           {.status = 200, .body = CREDENTIAL},
           {.status = 200,
            .body = "{\"id\":\"c1\",\"type\":\"vault_credential_deleted\"}"},
           {.status = 200, .body = "{\"data\":[" CREDENTIAL "]}"});
    assert_int_equal(ops->create_vault(self, "a\"b", deadline, &object, NULL),
                     0);
    vf_object_done(&object);
    assert_int_equal(ops->delete_vault(self, "v1", deadline, NULL), 0);
    assert_int_equal(
        ops->get_credential(self, "v1", "c1", deadline, &object, NULL), 0);
    vf_object_done(&object);
    assert_int_equal(ops->delete_credential(self, "v1", "c1", deadline, NULL),
                     0);
    assert_int_equal(
        ops->list_credentials(self, "v1", NULL, deadline, &page, NULL), 0);
    vf_page_done(&page);

    static const struct {
        enum vf_http_method method;
        const char *path;
        const char *body;
    } expected[] = {
        {VF_HTTP_POST, "/vaults", "{\"display_name\":\"a\\\"b\"}"},
        {VF_HTTP_DELETE, "/vaults/v1", ""},
        {VF_HTTP_GET, "/vaults/v1/credentials/c1", ""},
        {VF_HTTP_DELETE, "/vaults/v1/credentials/c1", ""},
        {VF_HTTP_GET, "/vaults/v1/credentials?limit=100", ""},
    };
    for (unsigned i = 0; i < 5; i++) {
        const struct fake_request *request = fake_http_request(i + 1);

        assert_int_equal(request->method, expected[i].method);
        assert_string_equal(request->path, expected[i].path);
        assert_string_equal(request->body, expected[i].body);
        assert_int_equal(is_uuid4(request->key),
                         request->method != VF_HTTP_GET);
    }
}

static void archiving_is_a_post_that_is_confirmed(void **state)
{
    const struct vf_service_ops *ops = fixture.service.ops;
    struct vf_error err;

    SCRIPT({.status = 200,
            .body = "{\"id\":\"c1\",\"type\":\"vault_credential\",\"vault_id\":"
                    "\"v1\",\"auth\":{\"type\":\"x\"},\"archived_at\":"
                    "\"2026-05-18T15:34:16Z\",\"created_at\":"
                    "\"2026-05-18T15:34:16Z\",\"updated_at\":"
                    "\"2026-05-18T15:34:16Z\"}"},
           {.status = 200, .body = CREDENTIAL});
    assert_int_equal(ops->archive_credential(fixture.service.self, "v1", "c1",
                                             now_ms + DEADLINE_MS, NULL),
                     0);
    assert_string_equal(fake_http_request(1)->path,
                        "/vaults/v1/credentials/c1/archive");
    assert_string_equal(fake_http_request(1)->body, "{}");
    assert_int_equal(ops->archive_credential(fixture.service.self, "v1", "c1",
                                             now_ms + DEADLINE_MS, &err),
                     -EBADMSG);
    assert_string_equal(err.param, "archived_at");
}

static void a_name_that_json_cannot_carry_is_not_sent(void **state)
{
    struct vf_object object;
    struct vf_error err;

    SCRIPT({.status = 201, .body = VAULT});
    assert_int_equal(fixture.service.ops->create_vault(fixture.service.self,
                                                       "a\xFF", DEADLINE_MS,
                                                       &object, &err),
                     -EINVAL);
    assert_non_null(strstr(err.message, "UTF-8"));
    assert_int_equal(fake_http_count(), 0);
}

static void the_name_is_kept_in_the_metadata_on_create(void **state)
{
    char url[] = "https://a/b";
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .value = secret_of("s\"1")};
    const char *metadata = "{\"team\":\"core\"}";

    assert_int_equal(
        vf_json_parse(metadata, strlen(metadata), &spec.metadata, NULL), 0);
    SCRIPT({.status = 201, .body = CREDENTIAL});
    assert_int_equal(create_with(&spec, NULL), 0);
    assert_string_equal(
        fake_http_request(1)->body,
        "{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":"
        "\"https://a/b\",\"token\":\"s\\\"1\"},\"metadata\":{\"team\":"
        "\"core\",\"vaultfs.name\":\"git hub.json\"}}");
    assert_true(fake_http_request(1)->is_body_secret);
    vf_json_free(spec.metadata);
    vf_secret_unref(spec.value);
}

static void an_oauth_spec_is_written_whole_on_create(void **state)
{
    char url[] = "https://a/b", expiry[] = "2030-01-01T00:00:00Z";
    char client[] = "id", endpoint[] = "https://a/t", scope[] = "r";
    char type[] = "client_secret_post", resource[] = "res";
    struct vf_spec spec = {
        .type = VF_AUTH_MCP_OAUTH,
        .mcp_server_url = url,
        .expires_at = expiry,
        .value = secret_of("at"),
        .refresh = {.is_present = true,
                    .client_id = client,
                    .token_endpoint = endpoint,
                    .token_endpoint_auth_type = type,
                    .resource = resource,
                    .scope = scope,
                    .refresh_token = secret_of("rt"),
                    .client_secret = secret_of("cs")},
    };
    struct vf_object object;

    SCRIPT({.status = 200, .body = CREDENTIAL},
           {.status = 200, .body = CREDENTIAL});
    assert_int_equal(create_with(&spec, NULL), 0);
    assert_string_equal(
        fake_http_request(1)->body,
        "{\"auth\":{\"type\":\"mcp_oauth\",\"mcp_server_url\":\"https://a/b\","
        "\"access_token\":\"at\",\"expires_at\":\"2030-01-01T00:00:00Z\","
        "\"refresh\":{\"client_id\":\"id\",\"refresh_token\":\"rt\","
        "\"token_endpoint\":\"https://a/t\",\"token_endpoint_auth\":{\"type\":"
        "\"client_secret_post\",\"client_secret\":\"cs\"},\"resource\":\"res\","
        "\"scope\":\"r\"}},\"metadata\":{\"vaultfs.name\":\"git hub.json\"}}");

    /* An update has only what can change. */
    spec.expires_at = NULL;
    spec.is_expiry_cleared = true;
    assert_int_equal(fixture.service.ops->update_credential(
                         fixture.service.self, "v1", "c1", "git hub.json",
                         &spec, NULL, 0, now_ms + DEADLINE_MS, &object, NULL),
                     0);
    vf_object_done(&object);
    assert_string_equal(
        fake_http_request(2)->body,
        "{\"auth\":{\"type\":\"mcp_oauth\",\"access_token\":\"at\","
        "\"expires_at\":null,\"refresh\":{\"refresh_token\":\"rt\",\"scope\":"
        "\"r\",\"token_endpoint_auth\":{\"type\":\"client_secret_post\","
        "\"client_secret\":\"cs\"}}}}");
    vf_secret_unref(spec.value);
    vf_secret_unref(spec.refresh.refresh_token);
    vf_secret_unref(spec.refresh.client_secret);
}

static void an_update_names_the_metadata_that_vanishes(void **state)
{
    const char *current = "{\"metadata\":{\"old\":\"1\",\"team\":\"a\","
                          "\"vaultfs.name\":\"before.json\"}}";
    const char *metadata = "{\"team\":\"b\",\"new\":\"2\"}";
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .value = secret_of("s")};
    struct vf_object object;

    assert_int_equal(
        vf_json_parse(metadata, strlen(metadata), &spec.metadata, NULL), 0);
    SCRIPT({.status = 200, .body = CREDENTIAL});
    assert_int_equal(fixture.service.ops->update_credential(
                         fixture.service.self, "v1", "c1", "n.json", &spec,
                         current, strlen(current), now_ms + DEADLINE_MS,
                         &object, NULL),
                     0);
    vf_object_done(&object);
    assert_string_equal(fake_http_request(1)->path,
                        "/vaults/v1/credentials/c1");
    assert_string_equal(
        fake_http_request(1)->body,
        "{\"auth\":{\"type\":\"static_bearer\",\"token\":\"s\"},\"metadata\":{"
        "\"team\":\"b\",\"new\":\"2\",\"old\":null,\"vaultfs.name\":"
        "\"n.json\"}}");
    vf_json_free(spec.metadata);
    vf_secret_unref(spec.value);
}

/* An update over a credential as last seen; its body is request 1's. */
static int update_over(const struct vf_spec *spec, const char *current,
                       struct vf_error *err)
{
    struct vf_object object;
    int result = fixture.service.ops->update_credential(
        fixture.service.self, "v1", "c1", "n.json", spec, current,
        strlen(current), now_ms + DEADLINE_MS, &object, err);

    if (result == 0)
        vf_object_done(&object);
    return result;
}

static void an_expiry_that_is_not_given_again_is_cleared(void **state)
{
    static const struct {
        const char *current;
        const char *sent;
    } cases[] = {
        {"{\"auth\":{\"expires_at\":\"2030-01-01T00:00:00Z\"}}",
         ",\"expires_at\":null"},
        {"{\"auth\":{\"expires_at\":null}}", ""},
        {"{\"auth\":{}}", ""},
    };
    struct vf_spec spec = {.type = VF_AUTH_MCP_OAUTH, .value = secret_of("s")};
    char body[256];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SCRIPT({.status = 200, .body = CREDENTIAL});
        assert_int_equal(update_over(&spec, cases[i].current, NULL), 0);
        (void)snprintf(body, sizeof(body),
                       "{\"auth\":{\"type\":\"mcp_oauth\",\"access_token\":"
                       "\"s\"%s}}",
                       cases[i].sent);
        assert_string_equal(fake_http_request(1)->body, body);
    }
    vf_secret_unref(spec.value);
}

static void what_an_update_cannot_do_is_refused_before_any_request(void **state)
{
    struct vf_spec spec = {.type = VF_AUTH_MCP_OAUTH,
                           .value = secret_of("s"),
                           .refresh.is_present = true};
    struct vf_error err;

    fake_http_script(NULL, 0);
    assert_int_equal(update_over(&spec, "{\"auth\":{}}", &err), -EINVAL);
    assert_string_equal(err.param, "auth.refresh");
    assert_int_equal(fake_http_count(), 0);
    vf_secret_unref(spec.value);
}

static void what_passes_is_asked_again_under_the_same_key(void **state)
{
    SCRIPT({.status = 503}, {.status = 429, .retry_after_s = 1 + 3},
           {.status = 201, .body = CREDENTIAL});
    int64_t start = now_ms;
    assert_int_equal(create_bearer("s", NULL), 0);
    assert_int_equal(fake_http_count(), 3);
    for (unsigned i = 2; i <= 3; i++) {
        assert_string_equal(fake_http_request(i)->key,
                            fake_http_request(1)->key);
        assert_string_equal(fake_http_request(i)->request_id,
                            fake_http_request(1)->request_id);
        assert_string_equal(fake_http_request(i)->body,
                            fake_http_request(1)->body);
    }
    assert_in_range(fake_http_request(2)->at_ms - start, 375, 500);
    assert_int_equal(fake_http_request(3)->at_ms - fake_http_request(2)->at_ms,
                     3000);
}

static void after_three_attempts_the_last_reason_is_told(void **state)
{
    struct vf_error err;

    SCRIPT({.status = 500}, {.silence = ECONNREFUSED},
           {.status = 429, .body = ENVELOPE("rate_limit_error", "slow down")});
    assert_int_equal(list_code(&err), -EBUSY);
    assert_int_equal(fake_http_count(), 3);
    assert_int_equal(err.code, EBUSY);
    assert_int_equal(err.http_status, 429);
    assert_string_equal(err.type, "rate_limit_error");
    assert_string_equal(err.message, "slow down");
    assert_string_equal(err.request_id, "from-body");
}

static void a_pause_beyond_the_deadline_is_not_waited_for(void **state)
{
    int64_t start = now_ms;
    struct vf_error err;

    SCRIPT({.status = 429, .retry_after_s = 1 + DEADLINE_MS / 1000});
    assert_int_equal(list_code(&err), -EBUSY);
    assert_int_equal(fake_http_count(), 1);
    assert_int_equal(now_ms, start);
}

static void a_lost_reply_to_a_post_is_told_and_not_repeated(void **state)
{
    static const int codes[] = {EREMOTEIO, EBADMSG, ETIMEDOUT};
    struct vf_error err;

    for (size_t i = 0; i < 3; i++) {
        SCRIPT({.silence = codes[i], .fate = VF_HTTP_UNKNOWN});
        assert_int_equal(create_bearer("s", &err), -codes[i]);
        assert_int_equal(fake_http_count(), 1);
        assert_non_null(strstr(err.message, "unknown"));
        assert_string_equal(err.request_id, fake_http_request(1)->request_id);
    }
}

static void a_post_that_was_not_sent_is_repeated(void **state)
{
    SCRIPT({.silence = ECONNREFUSED, .fate = VF_HTTP_NOT_SENT},
           {.status = 201, .body = CREDENTIAL});
    assert_int_equal(create_bearer("s", NULL), 0);
    assert_string_equal(fake_http_request(1)->key, fake_http_request(2)->key);
}

static void a_deletion_is_repeated_until_the_thing_is_gone(void **state)
{
    SCRIPT(
        {.silence = EREMOTEIO, .fate = VF_HTTP_UNKNOWN},
        {.status = 404, .body = ENVELOPE("not_found_error", "no such vault")});
    assert_int_equal(delete_vault(NULL), 0);
    assert_int_equal(fake_http_count(), 2);
}

static void a_deletion_that_another_page_answers_did_not_happen(void **state)
{
    struct vf_error err;

    SCRIPT({.status = 200, .body = "<html>please log in</html>"});
    assert_int_equal(delete_vault(&err), -EBADMSG);
    assert_null(strstr(err.message, "log in"));
    SCRIPT({.status = 202, .body = "{}"});
    assert_int_equal(delete_vault(&err), -EBADMSG);
    SCRIPT({.status = 200});
    assert_int_equal(delete_vault(&err), 0);
}

static void use_second_token(unsigned number)
{
    if (number == 1)
        write_token("pt-second-token");
}

static void a_refused_token_is_replaced_once_with_a_new_key(void **state)
{
    SCRIPT({.status = 401}, {.status = 201, .body = CREDENTIAL});
    fake_http_hook = use_second_token;
    assert_int_equal(create_bearer("s", NULL), 0);
    assert_string_equal(fake_http_request(2)->token,
                        "Authorization: Bearer pt-second-token");
    assert_string_not_equal(fake_http_request(1)->key,
                            fake_http_request(2)->key);
}

static void a_refused_token_costs_no_attempt(void **state)
{
    SCRIPT({.status = 401}, {.status = 503}, {.status = 503},
           {.status = 201, .body = CREDENTIAL});
    fake_http_hook = use_second_token;
    assert_int_equal(create_bearer("s", NULL), 0);
}

static void use_another_token(unsigned number)
{
    write_token(number == 1 ? "pt-second-token" : "pt-third-token");
}

static void a_second_refusal_is_the_end(void **state)
{
    struct vf_error err;

    SCRIPT({.status = 401}, {.status = 401});
    fake_http_hook = use_another_token;
    assert_int_equal(create_bearer("s", &err), -EKEYREJECTED);
    assert_int_equal(fake_http_count(), 2);
    assert_int_equal(err.code, EKEYREJECTED);
}

static void the_same_token_again_is_not_tried(void **state)
{
    struct vf_error err;

    SCRIPT({.status = 401,
            .body = ENVELOPE("TOKEN_INVALID", "pt-first-token is no good")});
    assert_int_equal(list_code(&err), -EKEYREJECTED);
    assert_int_equal(fake_http_count(), 1);
    assert_int_equal(err.http_status, 401);
    assert_string_equal(err.type, "TOKEN_INVALID");
    assert_non_null(strstr(err.message, "[...] is no good; "));
    assert_non_null(strstr(err.message, token_path));
}

static void the_service_s_reason_arrives_without_the_secrets(void **state)
{
    struct vf_error err;

    SCRIPT({.status = 422,
            .body = "{\"error\":{\"type\":\"bad canary-0123456789\","
                    "\"message\":\"value canary-0123456789 of pt-first-token\","
                    "\"param\":\"canary%2D0123456789\"}}",
            .request_id = "from-header"});
    assert_int_equal(create_bearer("canary-0123456789", &err), -EINVAL);
    assert_string_equal(err.type, "bad [...]");
    assert_string_equal(err.message, "value [...] of [...]");
    assert_string_equal(err.param, "[...]");
    assert_string_equal(err.request_id, "from-header");
    assert_int_equal(err.http_status, 422);
}

static void an_error_without_an_envelope_is_told_by_its_status(void **state)
{
    static const char *const bodies[] = {"",   "<html>canary</html>",
                                         "[]", "{\"error\":\"canary\"}",
                                         "{}", "{\"error\":{\"message\":7}}"};
    struct vf_error err;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        SCRIPT({.status = 403, .body = bodies[i]});
        assert_int_equal(list_code(&err), -EACCES);
        assert_string_equal(err.message, "the service answered HTTP 403");
        assert_int_equal(err.http_status, 403);
    }
}

static void a_redirect_is_refused_and_names_its_target(void **state)
{
    struct vf_error err;

    SCRIPT({.status = 302, .location = "https://other.example"});
    assert_int_equal(list_code(&err), -EPROTO);
    assert_non_null(strstr(err.message, "https://other.example"));
}

static void a_duplicate_is_eexist_on_create_only(void **state)
{
    SCRIPT({.status = 409});
    assert_int_equal(create_bearer("s", NULL), -EEXIST);
    SCRIPT({.status = 409});
    assert_int_equal(delete_vault(NULL), -EBUSY);
}

static void a_success_that_is_not_what_was_promised_is_ebadmsg(void **state)
{
    static const struct fake_answer answers[] = {
        {.status = 200}, /* no body */
        {.status = 201, .body = "<html>canary</html>"},
        {.status = 200, .body = VAULT},
        {.status = 202, .body = CREDENTIAL},
        {.status = 204},
        {.status = 200, .body = CREDENTIAL "x"},
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fake_http_script(&answers[i], 1);
        assert_int_equal(create_bearer("s", &err), -EBADMSG);
        assert_int_equal(err.http_status, answers[i].status);
        assert_non_null(strstr(err.message, "unknown"));
        assert_null(strstr(err.message, "canary"));
    }
}

static void shut_down(void)
{
    vf_api_shutdown(fixture.api);
}

static void the_list_of_vaults_is_never_gone(void **state)
{
    const struct vf_service_ops *ops = fixture.service.ops;
    void *self = fixture.service.self;
    int64_t deadline = now_ms + DEADLINE_MS;
    struct vf_object object;
    struct vf_page page;
    struct vf_error err;

    SCRIPT({.status = 404}, {.status = 404, .body = ENVELOPE("t", "no route")},
           {.status = 404}, {.status = 404});
    assert_int_equal(list_code(&err), -EBADMSG);
    assert_int_equal(err.code, EBADMSG);
    assert_int_equal(err.http_status, 404);
    assert_non_null(strstr(err.message, "404; that was its list of vaults"));
    assert_int_equal(ops->create_vault(self, "a", deadline, &object, &err),
                     -EBADMSG);
    assert_non_null(strstr(err.message, "no route"));
    assert_non_null(strstr(err.message, "is the base URL right?"));

    /* A vault may be. */
    assert_int_equal(
        ops->list_credentials(self, "v1", NULL, deadline, &page, &err),
        -ENOENT);
    assert_null(strstr(err.message, "base URL"));
    assert_int_equal(create_bearer("s", &err), -ENOENT);
}

static void requests_about_one_vault_are_a_group(void **state)
{
    const struct vf_service_ops *ops = fixture.service.ops;
    void *self = fixture.service.self;
    int64_t deadline = now_ms + DEADLINE_MS;
    struct vf_page page;

    SCRIPT({.status = 404}, {.status = 204}, {.status = 400}, {.status = 400},
           {.status = 400});
    (void)list_code(NULL);
    assert_int_equal(delete_vault(NULL), 0);
    (void)create_bearer("s", NULL);
    assert_true(ops->list_credentials(self, "v1", NULL, deadline, &page, NULL) <
                0);
    assert_true(ops->list_credentials(self, "v2", NULL, deadline, &page, NULL) <
                0);
    assert_true(fake_http_request(1)->group == 0);
    assert_true(fake_http_request(2)->group != 0);
    assert_true(fake_http_request(3)->group == fake_http_request(2)->group);
    assert_true(fake_http_request(4)->group == fake_http_request(2)->group);
    assert_true(fake_http_request(5)->group != fake_http_request(2)->group);
}

/* Whatever a record is about, there is an id to look for in a log. */
static void a_record_has_the_id_that_was_sent_if_no_other(void **state)
{
    static const struct fake_answer answers[] = {
        {.silence = EBADMSG, .fate = VF_HTTP_UNKNOWN},
        {.status = 200, .body = "<html>"},
        {.status = 200, .body = "{\"data\":1}"},
        {.status = 202},
        {.status = 404},
        {.status = 500, .should_retry = "false"},
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fake_http_script(&answers[i], 1);
        assert_true(create_bearer("s", &err) < 0);
        assert_true(is_uuid4(err.request_id));
        assert_string_equal(err.request_id, fake_http_request(1)->request_id);
    }
    SCRIPT({.status = 200, .body = "<html>", .request_id = "theirs"});
    assert_int_equal(create_bearer("s", &err), -EBADMSG);
    assert_string_equal(err.request_id, "theirs");
}

static void a_pause_ends_when_the_api_is_shut_down(void **state)
{
    SCRIPT({.status = 503});
    pause_hook = shut_down;
    assert_int_equal(list_code(NULL), -ECANCELED);
    assert_int_equal(fake_http_count(), 1);
}

static void an_unknown_dialect_is_refused(void **state)
{
    struct vf_api *api = NULL;
    struct vf_error err;

    assert_int_equal(vf_api_new("klingon", NULL, fixture.auth, &api, &err),
                     -EINVAL);
    assert_null(api);
    assert_non_null(strstr(err.message, "klingon"));
}

static int make_token_file(void **state)
{
    int fd = mkstemp(token_path);

    return fd >= 0 ? close(fd) : -1;
}

static int remove_token_file(void **state)
{
    return unlink(token_path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_asks_for_full_pages_and_passes_the_cursor),
        TEST(a_cursor_that_does_not_advance_is_an_error),
        TEST(each_operation_is_one_request_of_its_kind),
        TEST(archiving_is_a_post_that_is_confirmed),
        TEST(a_name_that_json_cannot_carry_is_not_sent),
        TEST(the_name_is_kept_in_the_metadata_on_create),
        TEST(an_oauth_spec_is_written_whole_on_create),
        TEST(an_update_names_the_metadata_that_vanishes),
        TEST(an_expiry_that_is_not_given_again_is_cleared),
        TEST(what_an_update_cannot_do_is_refused_before_any_request),
        TEST(what_passes_is_asked_again_under_the_same_key),
        TEST(after_three_attempts_the_last_reason_is_told),
        TEST(a_pause_beyond_the_deadline_is_not_waited_for),
        TEST(a_lost_reply_to_a_post_is_told_and_not_repeated),
        TEST(a_post_that_was_not_sent_is_repeated),
        TEST(a_deletion_is_repeated_until_the_thing_is_gone),
        TEST(a_deletion_that_another_page_answers_did_not_happen),
        TEST(a_refused_token_is_replaced_once_with_a_new_key),
        TEST(a_refused_token_costs_no_attempt),
        TEST(a_second_refusal_is_the_end),
        TEST(the_same_token_again_is_not_tried),
        TEST(the_service_s_reason_arrives_without_the_secrets),
        TEST(an_error_without_an_envelope_is_told_by_its_status),
        TEST(a_redirect_is_refused_and_names_its_target),
        TEST(a_duplicate_is_eexist_on_create_only),
        TEST(a_success_that_is_not_what_was_promised_is_ebadmsg),
        TEST(the_list_of_vaults_is_never_gone),
        TEST(requests_about_one_vault_are_a_group),
        TEST(a_record_has_the_id_that_was_sent_if_no_other),
        TEST(a_pause_ends_when_the_api_is_shut_down),
        TEST(an_unknown_dialect_is_refused),
    };

    return cmocka_run_group_tests(tests, make_token_file, remove_token_file);
}
