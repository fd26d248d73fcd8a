/* SPDX-License-Identifier: MIT
 *
 * A service that gives back what it was sent: nothing of it is kept.
 */
#include "stage.h"

#define CANARY "canary-9f8e7d6c5b4a"

static void assert_clean(const struct vf_object *object, const char *secret)
{
    assert_null(strstr(object->text, secret));
    assert_true(object->name == NULL || strstr(object->name, secret) == NULL);
    assert_true(object->label == NULL || strstr(object->label, secret) == NULL);
}

/* The object that a creation with the secret is answered with, in which the
 * members come with the others. */
static int create_answered(const char *secret, const char *members,
                           struct vf_object *ret, struct vf_error *err)
{
    char url[] = "https://a/b", body[8192];
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .value = secret_of(secret)};

    (void)snprintf(body, sizeof(body),
                   CREDENTIAL_WITH("https://a/b", "%s," TIMES), members);
    SCRIPT({.status = 200, .body = body});
    int result = create("n.json", &spec, ret, err);
    vf_secret_unref(spec.value);
    return result;
}

static void a_secret_in_an_object_is_struck_out_wherever_it_stands(void **state)
{
    static const struct {
        const char *members, *shown;
    } cases[] = {
        {"\"note\":\"got " CANARY ".\"", "\"note\": \"got [...].\""},
        {"\"display_name\":\"" CANARY "\"", "\"display_name\": \"[...]\""},
        {"\"metadata\":{\"team\":\"" CANARY "\"}", "\"team\": \"[...]\""},
        {"\"metadata\":{\"" CANARY "\":\"x\"}", "\"[...]\": \"x\""},
        {"\"deep\":[{\"a\":[[\"" CANARY "\"]]}]", "\"[...]\""},
        {"\"echo\":\"{\\\"token\\\":\\\"" CANARY "\\\"}\"",
         "\"echo\": \"{\\\"token\\\":\\\"[...]\\\"}\""},
        {"\"url\":\"https://x/?t=canary%2D9f8e7d6c5b4a\"",
         "\"url\": \"https://x/?t=[...]\""},
        {"\"part\":\"ends in 9f8e7d6c5b4a\"", "\"part\": \"ends in [...]\""},
        {"\"u\":\"\\u0063anary-9f8e7d6c5b4a\"", "\"u\": \"[...]\""},
    };
    struct vf_object object;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (create_answered(CANARY, cases[i].members, &object, NULL) < 0)
            fail_msg("refused: %s", cases[i].members);
        if (strstr(object.text, cases[i].shown) == NULL)
            fail_msg("%s in %s", cases[i].shown, object.text);
        assert_clean(&object, CANARY);
        vf_object_done(&object);
    }
}

static void a_number_can_be_a_secret_too(void **state)
{
    struct vf_object object;

    assert_int_equal(create_answered("123456789012",
                                     "\"pin\":123456789012,\"other\":"
                                     "12345678901,\"list\":[ 123456789012 ]",
                                     &object, NULL),
                     0);
    assert_clean(&object, "123456789012");
    assert_non_null(strstr(object.text, "\"pin\": \"[...]\""));
    assert_non_null(strstr(object.text, "\"other\": 12345678901"));
    vf_object_done(&object);
}

/* An id made of it would be a file's inode and in every URL. */
static void a_secret_for_an_id_is_no_reply(void **state)
{
    char url[] = "https://a/b";
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .value = secret_of(CANARY)};
    struct vf_error err;

    SCRIPT({.status = 200,
            .body =
                "{\"id\":\"" CANARY "\",\"type\":\"vault_credential\","
                "\"vault_id\":\"v1\",\"auth\":{\"type\":\"x\"}," TIMES "}"});
    assert_int_equal(create("n.json", &spec, NULL, &err), -EBADMSG);
    assert_string_equal(err.param, "id");
    assert_null(strstr(err.message, CANARY));
    vf_secret_unref(spec.value);
}

static void a_secret_in_the_member_of_its_own_is_taken_out(void **state)
{
    struct vf_object object;

    assert_int_equal(create_answered(CANARY,
                                     "\"token\":\"" CANARY
                                     "\",\"in\":[{\"client_secret\":\"x\"}]",
                                     &object, NULL),
                     0);
    assert_clean(&object, "token");
    assert_non_null(strstr(object.text, "{}"));
    vf_object_done(&object);
}

/* What is harmless often has a few characters of a short secret. */
static void a_short_secret_is_struck_out_as_a_whole_string_only(void **state)
{
    struct vf_object object;

    assert_int_equal(create_answered("prod",
                                     "\"a\":\"production\",\"b\":\"prod\","
                                     "\"c\":\"2026\"",
                                     &object, NULL),
                     0);
    assert_non_null(strstr(object.text, "\"a\": \"production\""));
    assert_non_null(strstr(object.text, "\"b\": \"[...]\""));
    assert_string_equal(object.id, "c1");
    vf_object_done(&object);
}

/* Who puts the token into the URL as well has it in the open. */
static void what_was_sent_in_the_open_stays(void **state)
{
    char url[] = "https://a/" CANARY "/mcp";
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .value = secret_of(CANARY)};
    struct vf_object object;

    SCRIPT({.status = 200,
            .body = CREDENTIAL_WITH("https:\\/\\/a\\/" CANARY "\\/mcp",
                                    "\"metadata\":{\"vaultfs.name\":\"" CANARY
                                    "\"},\"other\":\"a " CANARY "\"," TIMES)});
    assert_int_equal(create(CANARY, &spec, &object, NULL), 0);
    assert_non_null(strstr(object.text, url));
    assert_string_equal(object.name, CANARY);
    assert_non_null(strstr(object.text, "\"other\": \"a [...]\""));
    vf_object_done(&object);
    vf_secret_unref(spec.value);
}

/* Where the secret has a quote, what follows it looks like a string. */
static void the_end_of_a_secret_was_not_sent_in_the_open(void **state)
{
    struct vf_object object;

    assert_int_equal(create_answered("begins\"" CANARY, "\"a\":\"" CANARY "\"",
                                     &object, NULL),
                     0);
    assert_clean(&object, CANARY);
    vf_object_done(&object);
}

static void the_access_token_is_struck_out_of_lists_as_well(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 200,
            .body = "{\"data\":[" VAULT_WITH(
                "prod", "\"by\":\"Bearer pt-first-token\"," TIMES) "]}"});
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    assert_non_null(strstr(page.objects[0].text, "\"by\": \"Bearer [...]\""));
    vf_page_done(&page);
}

static void an_error_keeps_no_secret_in_any_field(void **state)
{
    static const struct fake_answer answers[] = {
        {.status = 400,
         .body = "{\"request_id\":\"id " CANARY "\",\"error\":{\"type\":\"t "
                 "" CANARY "\",\"message\":\"{\\\"token\\\":\\\"" CANARY
                 "\\\"}\",\"param\":\"p " CANARY "\"}}"},
        {.status = 400, .body = CANARY, .request_id = CANARY},
        {.status = 302, .location = "https://" CANARY},
        {.status = 200, .body = CANARY, .request_id = CANARY},
        {.status = 200, .body = "{\"" CANARY "\":}", .request_id = CANARY},
        {.status = 202, .body = CANARY, .request_id = CANARY},
        {.status = 422,
         .body = "{\"request_id\":\"\\u0063anary-9f8e7d6c5b4a\",\"error\":{"
                 "\"type\":\"t\",\"param\":\"auth." CANARY "\"}}"},
        {.status = 404,
         .body = "{\"error\":{\"type\":\"t\"}}",
         .request_id = "req-" CANARY},
        {.status = 200,
         .body = "{\"type\":\"vault_credential\"}",
         .request_id = "req-" CANARY "-1"},
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fake_http_script(&answers[i], 1);
        assert_true(create_bearer(CANARY, &err) < 0);
        assert_null(memmem(&err, sizeof(err), CANARY, strlen(CANARY)));
    }
}

/* Longer than what is looked at in one go, and in many places of it. */
static void a_long_secret_in_a_long_reply_is_struck_out(void **state)
{
    enum { SECRET = 5000, PADDING = 2037 };
    static char secret[SECRET + 1], body[4 * SECRET];
    struct vf_object object;
    char *escaped, url[] = "https://a/b";

    for (size_t i = 0; i < SECRET; i++)
        secret[i] = (char)('!' + (i * i + i / 90) % 90);
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .value = secret_of(secret)};
    struct vf_json *json = NULL;
    size_t size;

    assert_int_equal(vf_json_new_object(&json), 0);
    assert_int_equal(vf_json_set_string(json, "e", secret), 0);
    assert_int_equal(vf_json_render_compact(json, &escaped, &size), 0);
    vf_json_free(json);
    for (size_t padding = PADDING; padding < PADDING + 20; padding++) {
        (void)snprintf(body, sizeof(body),
                       CREDENTIAL_WITH("https://a/b", "\"p\":\"%0*d%.*s,"
                                                      "\"q\":1," TIMES),
                       (int)padding, 0, (int)(size - 7), escaped + 6);
        SCRIPT({.status = 200, .body = body});
        assert_int_equal(create("n.json", &spec, &object, NULL), 0);
        for (size_t at = 0; at + 12 <= SECRET; at += 4)
            assert_null(memmem(object.text, object.size, secret + at, 12));
        assert_non_null(strstr(object.text, "0[...]\""));
        vf_object_done(&object);
    }
    free(escaped);
    vf_secret_unref(spec.value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_secret_in_an_object_is_struck_out_wherever_it_stands),
        TEST(a_number_can_be_a_secret_too),
        TEST(a_secret_for_an_id_is_no_reply),
        TEST(a_secret_in_the_member_of_its_own_is_taken_out),
        TEST(a_short_secret_is_struck_out_as_a_whole_string_only),
        TEST(what_was_sent_in_the_open_stays),
        TEST(the_end_of_a_secret_was_not_sent_in_the_open),
        TEST(the_access_token_is_struck_out_of_lists_as_well),
        TEST(an_error_keeps_no_secret_in_any_field),
        TEST(a_long_secret_in_a_long_reply_is_struck_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
