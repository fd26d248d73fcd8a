/* SPDX-License-Identifier: MIT */
#include "stage.h"

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
        assert_true(err.is_unknown);
        assert_non_null(strstr(err.message, "unknown"));
        assert_null(strstr(err.message, "canary"));
    }
}

static void the_list_of_vaults_is_never_gone(void **state)
{
    char name[] = "a";
    const struct vf_vault_spec spec = {.display_name = name};
    struct vf_page page;
    struct vf_error err;

    SCRIPT({.status = 404}, {.status = 404, .body = ENVELOPE("t", "no route")},
           {.status = 404, .body = ENVELOPE("t", "no vault")},
           {.status = 404, .body = ENVELOPE("t", "no vault")});
    assert_int_equal(list_code(&err), -EBADMSG);
    assert_int_equal(err.code, EBADMSG);
    assert_int_equal(err.http_status, 404);
    assert_non_null(strstr(err.message, "HTTP 404"));
    assert_non_null(strstr(err.message, "; that was its list of vaults"));
    assert_int_equal(create_vault(&spec, NULL, NULL, &err), -EBADMSG);
    assert_non_null(strstr(err.message, "no route"));
    assert_non_null(strstr(err.message, "is the base URL right?"));

    /* A vault may be. */
    assert_int_equal(list_credentials(VF_LIST_ACTIVE, NULL, &page, &err),
                     -ENOENT);
    assert_null(strstr(err.message, "base URL"));
    assert_int_equal(create_bearer("s", &err), -ENOENT);
}

/* A gateway that has lost the service does not know what is gone. */
static void a_404_of_anybody_s_is_not_the_service_s(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html>no route</html>",
        "{}",
        "{\"error\":\"not found\"}",
        "{\"error\":{\"message\":\"no route\"}}",
    };
    const struct vf_service_ops *ops = stage.ops;
    void *self = stage.service.self;
    struct vf_object object;
    struct vf_page page;
    struct vf_error err;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const struct fake_answer answer = {.status = 404, .body = bodies[i]};
        int64_t deadline = now_ms + DEADLINE_MS;

        SCRIPT(answer, answer, answer, answer, answer);
        assert_int_equal(delete_vault(&err), -EBADMSG);
        assert_non_null(strstr(err.message, "HTTP 404"));
        assert_int_equal(err.http_status, 404);
        assert_int_equal(
            ops->delete_credential(self, "v1", "c1", deadline, &err), -EBADMSG);
        assert_int_equal(
            ops->get_credential(self, "v1", "c1", deadline, &object, &err),
            -EBADMSG);
        assert_int_equal(err.code, EBADMSG);
        assert_int_equal(list_credentials(VF_LIST_ACTIVE, NULL, &page, NULL),
                         -EBADMSG);
        assert_int_equal(create_bearer("s", NULL), -EBADMSG);
    }
    SCRIPT({.status = 404, .body = ENVELOPE("not_found_error", "gone")});
    assert_int_equal(delete_vault(NULL), 0);
}

static void what_came_for_a_404_is_said_without_the_secrets(void **state)
{
    static const struct fake_answer answer = {
        .status = 404, .content_type = "text/pt-first-token"};
    struct vf_error err;

    SCRIPT(answer, answer);
    assert_int_equal(create_bearer("s", &err), -EBADMSG);
    assert_non_null(strstr(err.message, "(text/[...])"));
    assert_int_equal(delete_vault(&err), -EBADMSG);
    assert_non_null(strstr(err.message, "(text/[...])"));
}

/* Whatever a record is about, there is an id to look for in a log. */
static void a_record_has_the_id_that_was_sent_if_no_other(void **state)
{
    static const struct fake_answer answers[] = {
        {.silence = ETIMEDOUT, .fate = VF_HTTP_UNKNOWN},
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
    SCRIPT({.status = 200, .body = "<html>", .request_id = "req-1"});
    assert_int_equal(create_bearer("s", &err), -EBADMSG);
    assert_string_equal(err.request_id, "req-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deletion_that_another_page_answers_did_not_happen),
        TEST(the_service_s_reason_arrives_without_the_secrets),
        TEST(an_error_without_an_envelope_is_told_by_its_status),
        TEST(a_redirect_is_refused_and_names_its_target),
        TEST(a_duplicate_is_eexist_on_create_only),
        TEST(a_success_that_is_not_what_was_promised_is_ebadmsg),
        TEST(the_list_of_vaults_is_never_gone),
        TEST(a_404_of_anybody_s_is_not_the_service_s),
        TEST(what_came_for_a_404_is_said_without_the_secrets),
        TEST(a_record_has_the_id_that_was_sent_if_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
