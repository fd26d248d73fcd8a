/* SPDX-License-Identifier: MIT */
#include "stage.h"

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

/* No reply, and no knowing. */
#define LOST                                                                   \
    {                                                                          \
        .silence = EREMOTEIO, .fate = VF_HTTP_UNKNOWN                          \
    }

static void W_idempotent_a_lost_reply_is_repeated_under_the_same_key(
    void **state)
{
    char key[VF_UUID_SIZE];

    memcpy(key, stage_key, sizeof(key));
    SCRIPT(LOST, LOST, {.status = 201, .body = CREDENTIAL});
    assert_int_equal(create_bearer("s", NULL), 0);
    for (unsigned i = 1; i <= 3; i++)
        assert_string_equal(fake_http_request(i)->key, key);
    assert_string_equal(stage_key, key);
}

static void the_key_is_kept_as_long_as_the_outcome_is_open(void **state)
{
    static const struct {
        struct fake_answer answer;
        bool is_kept, is_unknown;
    } cases[] = {
        {{.silence = ETIMEDOUT, .fate = VF_HTTP_UNKNOWN}, true, true},
        {{.silence = ETIMEDOUT, .fate = VF_HTTP_NOT_SENT}, true, false},
        {{.silence = EPROTO, .fate = VF_HTTP_NOT_SENT}, true, false},
        {{.status = 408, .should_retry = "false"}, true, true},
        {{.status = 429, .should_retry = "false"}, true, false},
        {{.status = 500, .should_retry = "false"}, true, true},
        {{.status = 502, .should_retry = "false"}, true, true},
        {{.status = 503, .should_retry = "false"}, true, false},
        {{.status = 504, .should_retry = "false"}, true, true},
        {{.status = 200, .body = "<html>"}, true, true},
        {{.status = 201}, true, true},
        {{.status = 400}, false, false},
        {{.status = 401}, false, false},
        {{.status = 409}, false, false},
        {{.status = 501}, false, false},
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[VF_UUID_SIZE];

        memcpy(key, stage_key, sizeof(key));
        fake_http_script(&cases[i].answer, 1);
        assert_true(create_bearer("s", &err) < 0);
        assert_int_equal(strcmp(stage_key, key) == 0, cases[i].is_kept);
        assert_true(is_uuid4(stage_key));
        assert_int_equal(err.is_unknown, cases[i].is_unknown);
        assert_int_equal(strstr(err.message, "outcome is unknown") != NULL,
                         cases[i].is_unknown);
    }
}

/* What a later reply says of the attempt whose reply was lost. */
static void only_a_reply_that_decides_settles_a_lost_one(void **state)
{
    static const struct {
        struct fake_answer answer;
        bool is_unknown;
    } cases[] = {
        {{.status = 400}, false},
        {{.status = 422}, false},
        {{.status = 404}, false},
        {{.status = 403}, true},
        {{.status = 409}, true},
        {{.status = 429, .should_retry = "false"}, true},
        {{.status = 503, .should_retry = "false"}, true},
        {{.silence = ETIMEDOUT, .fate = VF_HTTP_NOT_SENT}, true},
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[VF_UUID_SIZE];

        memcpy(key, stage_key, sizeof(key));
        SCRIPT(LOST, cases[i].answer);
        assert_true(create_bearer("s", &err) < 0);
        assert_int_equal(fake_http_count(), 2);
        assert_int_equal(err.is_unknown, cases[i].is_unknown);
        assert_int_equal(strcmp(stage_key, key) == 0, cases[i].is_unknown);
    }
}

static void a_creation_without_keys_is_not_repeated_once_it_was_sent(
    void **state)
{
    static const int codes[] = {EREMOTEIO, EBADMSG, ETIMEDOUT};
    struct vf_error err;

    for (size_t i = 0; i < 3; i++) {
        SCRIPT({.silence = codes[i], .fate = VF_HTTP_UNKNOWN});
        assert_int_equal(create_bearer("s", &err), -codes[i]);
        assert_int_equal(fake_http_count(), 1);
        assert_true(err.is_unknown);
        assert_string_equal(err.request_id, fake_http_request(1)->request_id);
        assert_string_equal(fake_http_request(1)->key, "");
    }
    SCRIPT({.status = 500});
    assert_int_equal(create_bearer("s", &err), -EREMOTEIO);
    assert_true(err.is_unknown);
}

static void what_is_the_same_when_done_twice_is_repeated_without_keys(
    void **state)
{
    static const char shown[] =
        CREDENTIAL_WITH("https://a/b", "\"metadata\":{}," TIMES);
    struct vf_spec *spec =
        parse_spec("{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":"
                   "\"https://a/b\",\"token\":\"s\"}}",
                   NULL);

    SCRIPT(LOST, {.status = 500}, {.status = 200, .body = CREDENTIAL});
    assert_int_equal(update(NULL, spec, shown, NULL, NULL), 0);
    assert_int_equal(fake_http_count(), 3);
    vf_spec_free(spec);
    SCRIPT(LOST, LOST, {.status = 204});
    assert_int_equal(delete_vault(NULL), 0);
}

static void archived_already_is_archived_after_a_lost_reply(void **state)
{
    struct vf_error err;

    SCRIPT(LOST, {.status = 409, .body = ENVELOPE("conflict_error", "is so")});
    assert_int_equal(archive(&err), 0);
    SCRIPT({.status = 409});
    assert_int_equal(archive(&err), -EBUSY);
    assert_false(err.is_unknown);
    SCRIPT(LOST, {.status = 404, .body = ENVELOPE("not_found_error", "gone")});
    assert_int_equal(archive(&err), -ENOENT);
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

/* It came to this call with a past that no refusal tells about. */
static void W_idempotent_an_old_key_stays_whatever_is_answered(void **state)
{
    static const struct fake_answer answers[] = {
        {.status = 400},
        {.status = 401},
        {.status = 403},
        {.status = 404},
        {.status = 409},
        {.status = 422},
        {.status = 429, .should_retry = "false"},
        {.status = 501},
        {.status = 503, .should_retry = "false"},
        {.silence = ETIMEDOUT, .fate = VF_HTTP_NOT_SENT},
    };
    struct vf_error err;
    char key[VF_UUID_SIZE];

    memcpy(key, stage_key, sizeof(key));
    stage_creation.is_old = true;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fake_http_script(&answers[i], 1);
        assert_true(create_bearer("s", &err) < 0);
        assert_true(err.is_unknown);
        assert_string_equal(stage_key, key);
    }
}

static int list_as(struct vf_list_query query, struct vf_error *err)
{
    struct vf_page page;

    query.deadline_ms = now_ms + DEADLINE_MS;
    int result = stage.ops->list_credentials(stage.service.self, "v1", &query,
                                             &page, err);
    if (result == 0)
        vf_page_done(&page);
    return result;
}

static void a_list_that_is_impatient_or_ahead_takes_later_for_an_answer(
    void **state)
{
    static const struct vf_list_query queries[] = {{.is_impatient = true},
                                                   {.is_ahead = true}};
    static const struct {
        struct fake_answer answer;
        int code;
    } cases[] = {
        {{.status = 429}, EBUSY},
        {{.status = 429, .retry_after_s = 1 + 3}, EBUSY},
        {{.status = 503, .retry_after_s = 1}, EREMOTEIO},
        {{.status = 503, .should_retry = "true"}, EREMOTEIO},
    };
    int64_t start = now_ms;
    struct vf_error err;

    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
            fake_http_script(&cases[k].answer, 1);
            assert_int_equal(list_as(queries[i], &err), -cases[k].code);
            assert_int_equal(fake_http_count(), 1);
            assert_int_equal(fake_http_request(1)->is_impatient,
                             queries[i].is_impatient);
            assert_int_equal(fake_http_request(1)->is_ahead,
                             queries[i].is_ahead);
        }
    assert_int_equal(now_ms, start);

    /* All else as for others, if somebody waits. */
    SCRIPT({.status = 500}, {.silence = ECONNREFUSED}, {.status = 429});
    assert_int_equal(list_as(queries[0], &err), -EBUSY);
    assert_int_equal(fake_http_count(), 3);
    SCRIPT({.status = 503}, {.status = 429}, {.status = 429});
    assert_int_equal(list_as((struct vf_list_query){0}, &err), -EBUSY);
    assert_int_equal(fake_http_count(), 3);
    assert_false(fake_http_request(1)->is_ahead);
    assert_false(fake_http_request(1)->is_impatient);
}

static void a_list_that_nobody_waits_for_is_tried_once(void **state)
{
    static const struct fake_answer answers[] = {
        {.status = 500},
        {.status = 408},
        {.status = 502, .should_retry = "true"},
        {.silence = ECONNREFUSED, .fate = VF_HTTP_NOT_SENT},
        {.silence = EREMOTEIO, .fate = VF_HTTP_UNKNOWN},
    };
    const struct vf_list_query query = {.is_ahead = true};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fake_http_script(&answers[i], 1);
        assert_true(list_as(query, NULL) < 0);
    }
}

static void take_900_ms(unsigned number)
{
    now_ms += 900;
}

/* Waits of the engine are none of what it took, nor are pauses. */
static void a_page_took_what_its_last_attempt_took(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 503, .took_ms = 500},
           {.status = 429, .retry_after_s = 1 + 2, .took_ms = 5},
           {.status = 200, .took_ms = 70, .body = "{\"data\": []}"});
    fake_http_hook = take_900_ms;
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    assert_int_equal(fake_http_count(), 3);
    assert_int_equal(page.took_ms, 70);
    vf_page_done(&page);
}

/* The engine did not send it, and will not for as long as there is time. */
static void what_is_held_is_not_tried_again(void **state)
{
    struct vf_error err;
    char key[VF_UUID_SIZE];

    SCRIPT({.silence = EBUSY, .fate = VF_HTTP_NOT_SENT});
    assert_int_equal(list_code(&err), -EBUSY);
    assert_int_equal(fake_http_count(), 1);
    memcpy(key, stage_key, sizeof(key));
    SCRIPT({.silence = EBUSY, .fate = VF_HTTP_NOT_SENT});
    assert_int_equal(create_bearer("s", &err), -EBUSY);
    assert_int_equal(fake_http_count(), 1);
    assert_false(err.is_unknown);
    assert_string_equal(stage_key, key);

    /* It settles nothing of what was lost before. */
    SCRIPT(LOST, {.silence = EBUSY, .fate = VF_HTTP_NOT_SENT});
    assert_int_equal(create_bearer("s", &err), -EBUSY);
    assert_true(err.is_unknown);
}

static void shut_down(void)
{
    vf_api_shutdown(stage.api);
}

static void a_pause_ends_when_the_api_is_shut_down(void **state)
{
    SCRIPT({.status = 503});
    pause_hook = shut_down;
    assert_int_equal(list_code(NULL), -ECANCELED);
    assert_int_equal(fake_http_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_passes_is_asked_again_under_the_same_key),
        TEST(after_three_attempts_the_last_reason_is_told),
        TEST(a_pause_beyond_the_deadline_is_not_waited_for),
        TEST(W_idempotent_a_lost_reply_is_repeated_under_the_same_key),
        TEST(the_key_is_kept_as_long_as_the_outcome_is_open),
        TEST(only_a_reply_that_decides_settles_a_lost_one),
        TEST_OF("anthropic",
                a_creation_without_keys_is_not_repeated_once_it_was_sent),
        TEST_OF("anthropic",
                what_is_the_same_when_done_twice_is_repeated_without_keys),
        TEST(archived_already_is_archived_after_a_lost_reply),
        TEST(a_post_that_was_not_sent_is_repeated),
        TEST(a_deletion_is_repeated_until_the_thing_is_gone),
        TEST(W_idempotent_an_old_key_stays_whatever_is_answered),
        TEST(a_list_that_is_impatient_or_ahead_takes_later_for_an_answer),
        TEST(a_list_that_nobody_waits_for_is_tried_once),
        TEST(a_page_took_what_its_last_attempt_took),
        TEST(what_is_held_is_not_tried_again),
        TEST(a_pause_ends_when_the_api_is_shut_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
