/* SPDX-License-Identifier: MIT
 *
 * Calls and their access token: a refusal, another token, none.
 */
#include "stage.h"

#define FIRST "Authorization: Bearer pt-first-token"
#define SECOND "Authorization: Bearer pt-second-token"

/* No reply, and no knowing. */
#define LOST                                                                   \
    {                                                                          \
        .silence = EREMOTEIO, .fate = VF_HTTP_UNKNOWN                          \
    }
#define REFUSED                                                                \
    {                                                                          \
        .status = 401, .body = ENVELOPE("TOKEN_INVALID", "no good")            \
    }
#define MADE_IT                                                                \
    {                                                                          \
        .status = 201, .body = CREDENTIAL                                      \
    }

/* --- Another token --- */

static void a_refused_token_is_replaced_once_with_a_new_key(void **state)
{
    SCRIPT(REFUSED, MADE_IT);
    fake_auth.source = "pt-second-token";
    assert_int_equal(create_bearer("s", NULL), 0);
    assert_int_equal(fake_http_count(), 2);
    assert_string_equal(fake_http_request(1)->token, FIRST);
    assert_string_equal(fake_http_request(2)->token, SECOND);
    assert_string_not_equal(fake_http_request(1)->key,
                            fake_http_request(2)->key);
    assert_int_equal(fake_auth.refused, 1);
    assert_int_equal(fake_auth.accepted, 2);
    assert_int_equal(fake_auth.acceptances, 1);
}

/* Under another key it may be made twice. */
static void W_idempotent_a_lost_creation_keeps_its_key_under_another_token(
    void **state)
{
    char key[VF_UUID_SIZE];

    memcpy(key, stage_key, sizeof(key));
    SCRIPT(LOST, REFUSED, MADE_IT);
    fake_auth.source = "pt-second-token";
    assert_int_equal(create_bearer("s", NULL), 0);
    assert_string_equal(fake_http_request(3)->token, SECOND);
    assert_string_equal(fake_http_request(3)->key, key);
}

static void W_idempotent_an_old_key_stays_with_another_token(void **state)
{
    char key[VF_UUID_SIZE];

    memcpy(key, stage_key, sizeof(key));
    stage_creation.is_old = true;
    SCRIPT(REFUSED, MADE_IT);
    fake_auth.source = "pt-second-token";
    assert_int_equal(create_bearer("s", NULL), 0);
    assert_string_equal(fake_http_request(2)->token, SECOND);
    assert_string_equal(fake_http_request(2)->key, key);
}

static void a_refused_token_costs_no_attempt(void **state)
{
    SCRIPT(REFUSED, {.status = 503}, {.status = 503}, MADE_IT);
    fake_auth.source = "pt-second-token";
    assert_int_equal(create_bearer("s", NULL), 0);
}

static void renew_by_itself(unsigned number)
{
    struct vf_error reason = {0};

    fake_auth.source = "pt-second-token";
    if (number == 1) /* for another call */
        assert_int_equal(
            vf_auth_refused(fake_auth_handle(), 1, &reason, 0, NULL), 0);
}

static void what_is_tried_again_goes_under_the_token_of_that_time(void **state)
{
    SCRIPT({.status = 503}, MADE_IT);
    fake_http_hook = renew_by_itself;
    assert_int_equal(create_bearer("s", NULL), 0);
    assert_string_equal(fake_http_request(1)->token, FIRST);
    assert_string_equal(fake_http_request(2)->token, SECOND);
    assert_string_equal(fake_http_request(1)->key, fake_http_request(2)->key);
    assert_int_equal(fake_auth.accepted, 2);
}

static void use_third_token(unsigned number)
{
    if (number == 2)
        fake_auth.source = "pt-third-token";
}

/* But auth knows of it, for whoever comes next. */
static void a_second_refusal_is_told_and_is_the_end(void **state)
{
    struct vf_error err;

    SCRIPT(REFUSED, REFUSED);
    fake_auth.source = "pt-second-token";
    fake_http_hook = use_third_token;
    assert_int_equal(create_bearer("s", &err), -EKEYREJECTED);
    assert_int_equal(fake_http_count(), 2);
    assert_int_equal(fake_auth.refusals, 2);
    assert_int_equal(fake_auth.refused, 2);
    assert_int_equal(err.code, EKEYREJECTED);
    assert_int_equal(err.http_status, 401);
    assert_string_equal(err.message, "no good");
    assert_false(err.is_unknown);
    assert_int_equal(fake_auth.acceptances, 0);
}

/* --- No other token --- */

static void the_service_s_reason_comes_first_then_ours(void **state)
{
    static const struct {
        int refused_code, code;
    } cases[] = {{0, EKEYREJECTED},
                 {EKEYREJECTED, EKEYREJECTED},
                 {EKEYEXPIRED, EKEYEXPIRED},
                 {ETIMEDOUT, EKEYREJECTED}}; /* 401 was the answer */
    struct vf_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SCRIPT({.status = 401,
                .body = ENVELOPE("TOKEN_INVALID", "no pt-first-token")});
        fake_auth.refused_code = cases[i].refused_code;
        assert_int_equal(list_code(&err), -cases[i].code);
        assert_int_equal(fake_http_count(), 1);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(err.http_status, 401);
        assert_string_equal(err.type, "TOKEN_INVALID");
        assert_string_equal(err.message, "no [...]; " FAKE_AUTH_REASON);
        assert_string_equal(err.request_id, "from-body");
        assert_string_equal(fake_auth.refusal.message, "no [...]");
        assert_int_equal(fake_auth.deadline_ms, now_ms + DEADLINE_MS);
    }
}

static void who_gives_no_place_for_an_error_gets_none(void **state)
{
    SCRIPT(REFUSED);
    assert_int_equal(list_code(NULL), -EKEYREJECTED);
    assert_string_equal(fake_auth.refusal.message, "no good");
    fake_http_script(NULL, 0);
    fake_auth.token_code = EKEYREJECTED;
    assert_int_equal(list_code(NULL), -EKEYREJECTED);
}

/* It was refused meanwhile, by what another call got. */
static void a_token_that_goes_before_it_is_tried_is_a_refusal(void **state)
{
    static const int codes[][2] = {{EKEYREJECTED, EKEYREJECTED},
                                   {EKEYEXPIRED, EKEYEXPIRED},
                                   {ETIMEDOUT, EKEYREJECTED}};
    struct vf_error err;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fake_auth_reset();
        SCRIPT(REFUSED);
        fake_auth.source = "pt-second-token";
        fake_auth.token_code = codes[i][0];
        fake_auth.good_takes = 1;
        assert_int_equal(create_bearer("s", &err), -codes[i][1]);
        assert_int_equal(fake_http_count(), 1);
        assert_int_equal(err.http_status, 401);
        assert_string_equal(err.type, "TOKEN_INVALID");
        assert_string_equal(err.message, "no good; " FAKE_AUTH_REASON);
        assert_false(err.is_unknown);
    }
}

/* --- No token at all --- */

static void without_access_nothing_is_sent(void **state)
{
    static const int codes[] = {EKEYREJECTED, EKEYEXPIRED, ETIMEDOUT,
                                ECANCELED};
    struct vf_error err;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char key[VF_UUID_SIZE];

        memcpy(key, stage_key, sizeof(key));
        fake_http_script(NULL, 0);
        fake_auth.token_code = codes[i];
        assert_int_equal(create_bearer("s", &err), -codes[i]);
        assert_int_equal(fake_http_count(), 0);
        assert_int_equal(err.code, codes[i]);
        assert_int_equal(err.http_status, 0);
        assert_string_equal(err.type, "");
        assert_string_equal(err.message, FAKE_AUTH_REASON);
        assert_string_equal(err.request_id, ""); /* there was no request */
        assert_false(err.is_unknown);
        assert_string_equal(stage_key, key);
        assert_int_equal(fake_auth.deadline_ms, now_ms + DEADLINE_MS);
    }
    assert_int_equal(fake_auth.refusals, 0);
}

/* Or else what was listed before would be shown for what is. */
static void R_down_expired_access_is_no_service_that_is_slow(void **state)
{
    static const struct {
        enum vf_auth_state state;
        int code;
    } cases[] = {{VF_AUTH_UNUSED, ETIMEDOUT},
                 {VF_AUTH_OK, ETIMEDOUT},
                 {VF_AUTH_REFUSED, EKEYREJECTED},
                 {VF_AUTH_EXPIRED, EKEYEXPIRED}};
    struct vf_error err;

    fake_http_script(NULL, 0);
    fake_auth.token_code = ETIMEDOUT;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_auth.state = cases[i].state;
        assert_int_equal(list_code(&err), -cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.message, FAKE_AUTH_REASON);
    }
}

static void assert_open(const struct vf_error *err, const char *key)
{
    assert_true(err->is_unknown);
    assert_non_null(strstr(err->message, "outcome is unknown"));
    assert_string_equal(stage_key, key);
}

static void W_idempotent_without_a_token_what_was_open_stays_open(void **state)
{
    struct vf_error err;
    char key[VF_UUID_SIZE];

    memcpy(key, stage_key, sizeof(key));
    fake_auth.token_code = EKEYREJECTED;
    fake_auth.good_takes = 1;
    SCRIPT(LOST); /* and access expires in the pause */
    assert_int_equal(create_bearer("s", &err), -EKEYREJECTED);
    assert_open(&err, key);
    assert_int_equal(err.http_status, 0);
    assert_string_equal(err.request_id, fake_http_request(1)->request_id);

    fake_auth.token_code = 0;
    SCRIPT(LOST, REFUSED);
    assert_int_equal(create_bearer("s", &err), -EKEYREJECTED);
    assert_open(&err, key);
    assert_int_equal(err.http_status, 401);

    stage_creation.is_old = true;
    fake_auth.token_code = EKEYREJECTED;
    fake_auth.good_takes = 0;
    fake_http_script(NULL, 0);
    assert_int_equal(create_bearer("s", &err), -EKEYREJECTED);
    assert_open(&err, key);
}

static void a_look_that_finds_no_token_has_no_outcome(void **state)
{
    struct vf_error err;

    fake_auth.token_code = EKEYREJECTED;
    fake_auth.good_takes = 1;
    SCRIPT(LOST);
    assert_int_equal(list_code(&err), -EKEYREJECTED);
    assert_false(err.is_unknown);
}

static void who_waits_for_a_token_leaves_when_auth_is_shut_down(void **state)
{
    struct vf_error err;

    SCRIPT(REFUSED);
    fake_auth.refused_code = ECANCELED;
    assert_int_equal(create_bearer("s", &err), -ECANCELED);
    assert_int_equal(err.code, ECANCELED);
    assert_string_equal(err.message, FAKE_AUTH_REASON);
    assert_false(err.is_unknown);
    SCRIPT(LOST, REFUSED);
    assert_int_equal(create_bearer("s", &err), -ECANCELED);
    assert_true(err.is_unknown);
}

/* --- What proves a token, and whose it is --- */

static void only_who_looked_at_a_token_has_taken_it(void **state)
{
#define TOLD(code)                                                             \
    {                                                                          \
        .status = (code), .body = ENVELOPE("t", "m"), .should_retry = "false"  \
    }
#define UNTOLD(code)                                                           \
    {                                                                          \
        .status = (code), .body = "<html>", .should_retry = "false"            \
    }
    static const struct {
        struct fake_answer answer;
        bool is_taken;
    } cases[] = {
        {MADE_IT, true},      {TOLD(403), true},    {TOLD(404), true},
        {TOLD(409), true},    {UNTOLD(403), false}, {UNTOLD(404), false},
        {UNTOLD(409), false}, {TOLD(302), false},   {TOLD(400), false},
        {TOLD(401), false},   {TOLD(408), false},   {TOLD(429), false},
        {TOLD(500), false},   {TOLD(503), false},   {LOST, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_answer answers[] = {cases[i].answer, cases[i].answer,
                                              cases[i].answer};

        fake_auth.acceptances = 0;
        fake_auth.accepted = 0;
        fake_http_script(answers, 3);
        (void)!create_bearer("s", NULL);
        assert_int_equal(fake_auth.acceptances, cases[i].is_taken);
        assert_int_equal(fake_auth.accepted, cases[i].is_taken);
    }
}

static void assert_account(const char *name, const char *scopes)
{
    struct vf_api_account account;

    vf_api_account(stage.api, &account);
    assert_string_equal(account.name, name);
    assert_string_equal(account.scopes, scopes);
}

static void the_last_reply_that_said_whose_the_token_is_counts(void **state)
{
    assert_account("", "");
    SCRIPT({.status = 401, .account = "nobody", .scopes = "none"});
    assert_int_equal(list_code(NULL), -EKEYREJECTED);
    assert_account("", "");
    SCRIPT({.status = 403,
            .body = ENVELOPE("permission_error", "no"),
            .account = "acme",
            .scopes = "vaults:read"});
    assert_int_equal(list_code(NULL), -EACCES);
    assert_account("acme", "vaults:read");
    SCRIPT({.status = 200, .body = "{\"data\":[]}"});
    assert_int_equal(list_code(NULL), 0);
    assert_account("acme", "vaults:read");
    SCRIPT({.status = 200,
            .body = "{\"data\":[]}",
            .scopes = "vaults:read vaults:write"});
    assert_int_equal(list_code(NULL), 0);
    assert_account("acme", "vaults:read vaults:write");
}

static void an_account_does_not_show_the_token(void **state)
{
    SCRIPT({.status = 200,
            .body = "{\"data\":[]}",
            .account = "of pt-first-token",
            .scopes = "pt-first-token x"});
    assert_int_equal(list_code(NULL), 0);
    assert_account("of [...]", "[...] x");
}

static void a_refresh_looks_at_the_source_again(void **state)
{
    fake_http_script(NULL, 0);
    stage.ops->refresh(stage.service.self);
    assert_int_equal(fake_auth.looks, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_refused_token_is_replaced_once_with_a_new_key),
        TEST(W_idempotent_a_lost_creation_keeps_its_key_under_another_token),
        TEST(W_idempotent_an_old_key_stays_with_another_token),
        TEST(a_refused_token_costs_no_attempt),
        TEST(what_is_tried_again_goes_under_the_token_of_that_time),
        TEST(a_second_refusal_is_told_and_is_the_end),
        TEST(the_service_s_reason_comes_first_then_ours),
        TEST(who_gives_no_place_for_an_error_gets_none),
        TEST(a_token_that_goes_before_it_is_tried_is_a_refusal),
        TEST(without_access_nothing_is_sent),
        TEST(R_down_expired_access_is_no_service_that_is_slow),
        TEST(W_idempotent_without_a_token_what_was_open_stays_open),
        TEST(a_look_that_finds_no_token_has_no_outcome),
        TEST(who_waits_for_a_token_leaves_when_auth_is_shut_down),
        TEST_OF("anthropic", only_who_looked_at_a_token_has_taken_it),
        TEST(the_last_reply_that_said_whose_the_token_is_counts),
        TEST(an_account_does_not_show_the_token),
        TEST(a_refresh_looks_at_the_source_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
