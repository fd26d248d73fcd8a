/* SPDX-License-Identifier: MIT */
#include "stage.h"

#define URL "https://a/b"
#define BEARER(more)                                                           \
    "{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":\"" URL          \
    "\"" more "}"
#define TOKEN ",\"token\":\"s\""
#define OAUTH(more)                                                            \
    "{\"auth\":{\"type\":\"mcp_oauth\",\"mcp_server_url\":\"" URL "\"" more "}"
#define NAMED(name) ",\"metadata\":{\"vaultfs.name\":\"" name "\"}"
#define SHOWN(metadata)                                                        \
    CREDENTIAL_WITH(URL,                                                       \
                    "\"display_name\":null,\"metadata\":" metadata "," TIMES)
#define SHOWN_OAUTH(more)                                                      \
    "{\"id\":\"c1\",\"type\":\"vault_credential\",\"vault_id\":\"v1\","        \
    "\"auth\":{\"type\":\"mcp_oauth\",\"mcp_server_url\":\"" URL "\"" more     \
    "},\"metadata\":{\"vaultfs.name\":\"n.json\"}," TIMES "}"
#define REFRESH(scope)                                                         \
    ",\"refresh\":{\"client_id\":\"c\",\"token_endpoint\":\"https://t/t\","    \
    "\"token_endpoint_auth\":{\"type\":\"none\"}" scope "}"

/* What an update of n.json from a document sends; NULL: nothing. */
static void assert_update(const char *document, const char *current,
                          const char *sent)
{
    struct vf_spec *spec = parse_spec(document, current);

    SCRIPT({.status = 200, .body = CREDENTIAL});
    if (update("n.json", spec, current, NULL, NULL) < 0)
        fail_msg("refused: %s", document);
    assert_int_equal(fake_http_count(), sent != NULL);
    if (sent != NULL)
        assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1", sent);
    vf_spec_free(spec);
}

static void W_rotate_sends_the_secret_and_nothing_else(void **state)
{
    assert_update(BEARER(TOKEN) "}", SHOWN("{\"vaultfs.name\":\"n.json\"}"),
                  "{\"auth\":{\"type\":\"static_bearer\",\"token\":\"s\"}}");
    assert_true(fake_http_request(1)->is_body_secret);
    assert_true(is_uuid4(fake_http_request(1)->key));
}

static void W_edit_sends_the_metadata_and_leaves_the_secret_alone(void **state)
{
    assert_update(
        BEARER("") ",\"metadata\":{\"team\":\"b\",\"new\":\"2\"}}",
        SHOWN("{\"old\":\"1\",\"team\":\"a\",\"vaultfs.name\":\"n.json\"}"),
        "{\"metadata\":{\"team\":\"b\",\"new\":\"2\",\"old\":null}}");
    assert_false(fake_http_request(1)->is_body_secret);
}

static void an_update_names_the_metadata_that_vanishes(void **state)
{
    assert_update(
        BEARER(TOKEN) ",\"metadata\":{\"team\":\"b\",\"new\":\"2\"}}",
        SHOWN("{\"old\":\"1\",\"team\":\"a\",\"vaultfs.name\":\"before\"}"),
        "{\"auth\":{\"type\":\"static_bearer\",\"token\":\"s\"},\"metadata\":{"
        "\"team\":\"b\",\"new\":\"2\",\"old\":null,\"vaultfs.name\":"
        "\"n.json\"}}");
}

static void W_edit_without_a_difference_sends_nothing(void **state)
{
    static const char shown[] =
        SHOWN("{\"team\":\"a\",\"vaultfs.name\":\"n.json\"}");
    static const char *const documents[] = {
        BEARER("") "}",
        BEARER("") ",\"metadata\":{\"team\":\"a\"}}",
        shown,
    };
    struct vf_object object;

    fake_http_script(NULL, 0);
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        struct vf_spec *spec = parse_spec(documents[i], shown);

        assert_int_equal(update("n.json", spec, shown, &object, NULL), 0);
        assert_string_equal(object.id, "c1");
        assert_string_equal(object.name, "n.json");
        assert_non_null(strstr(object.text, "\"team\": \"a\""));
        vf_object_done(&object);
        vf_spec_free(spec);
    }
}

static void W_edit_of_oauth_sends_only_what_differs(void **state)
{
    static const char shown[] = SHOWN_OAUTH(
        ",\"expires_at\":\"2030-01-01T00:00:00Z\"" REFRESH(",\"scope\":\"r\""));

    assert_update(OAUTH("") "}", shown, NULL);
    assert_update(shown, shown, NULL);
    assert_update(OAUTH(",\"expires_at\":\"2031-01-01T00:00:00Z\"") "}", shown,
                  "{\"auth\":{\"type\":\"mcp_oauth\",\"expires_at\":"
                  "\"2031-01-01T00:00:00Z\"}}");
    assert_update(OAUTH(",\"expires_at\":null") "}", shown,
                  "{\"auth\":{\"type\":\"mcp_oauth\",\"expires_at\":null}}");
    assert_update(OAUTH(REFRESH(",\"scope\":\"w\"")) "}", shown,
                  "{\"auth\":{\"type\":\"mcp_oauth\",\"refresh\":{\"scope\":"
                  "\"w\"}}}");
}

/* A service without the call may know no better; who asked looks. */
static void any_404_to_an_update_is_worth_a_look(void **state)
{
    static const char shown[] = SHOWN("{}");
    struct vf_spec *spec = parse_spec(BEARER(TOKEN) "}", shown);
    struct vf_object object;

    SCRIPT({.status = 404, .body = "404 page not found"});
    assert_int_equal(update("n.json", spec, shown, &object, NULL), -ENOENT);
    vf_spec_free(spec);
}

/* An expiry belongs to its token. */
static void an_expiry_that_is_not_given_again_is_cleared(void **state)
{
    static const char token[] = OAUTH(",\"access_token\":\"s\"") "}";

    assert_update(token,
                  SHOWN_OAUTH(",\"expires_at\":\"2030-01-01T00:00:00Z\""),
                  "{\"auth\":{\"type\":\"mcp_oauth\",\"access_token\":\"s\","
                  "\"expires_at\":null}}");
    assert_update(token, SHOWN_OAUTH(",\"expires_at\":null"),
                  "{\"auth\":{\"type\":\"mcp_oauth\",\"access_token\":\"s\"}}");
    assert_update(token, SHOWN_OAUTH(""),
                  "{\"auth\":{\"type\":\"mcp_oauth\",\"access_token\":\"s\"}}");
}

static void what_an_update_cannot_do_is_refused_before_any_request(void **state)
{
    struct vf_spec spec = {.type = VF_AUTH_MCP_OAUTH,
                           .value = secret_of("s"),
                           .refresh.is_present = true};
    struct vf_error err;

    fake_http_script(NULL, 0);
    assert_int_equal(update("n.json", &spec, "{\"auth\":{}}", NULL, &err),
                     -EINVAL);
    assert_string_equal(err.param, "auth.refresh");
    vf_secret_unref(spec.value);
}

static void over_something_unknown_all_that_is_given_is_sent(void **state)
{
    struct vf_spec *spec =
        parse_spec(BEARER(TOKEN) ",\"metadata\":{\"a\":\"b\"}}", NULL);

    SCRIPT({.status = 200, .body = CREDENTIAL});
    assert_int_equal(update("n.json", spec, NULL, NULL, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1",
                "{\"auth\":{\"type\":\"static_bearer\",\"token\":\"s\"},"
                "\"metadata\":{\"a\":\"b\",\"vaultfs.name\":\"n.json\"}}");
    vf_spec_free(spec);
}

static void E_rename_changes_the_name_and_nothing_else(void **state)
{
    static const char shown[] =
        SHOWN("{\"team\":\"a\",\"vaultfs.name\":\"n.json\"}");
    struct vf_object object;

    SCRIPT({.status = 200, .body = CREDENTIAL});
    assert_int_equal(rename_to("m.json", shown, NULL, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1",
                "{\"metadata\":{\"vaultfs.name\":\"m.json\"}}");

    fake_http_script(NULL, 0);
    assert_int_equal(rename_to("n.json", shown, &object, NULL), 0);
    assert_string_equal(object.name, "n.json");
    vf_object_done(&object);
}

/* What a credential made elsewhere goes by is as good as a stored name. */
static void a_label_is_not_made_a_name_by_the_way(void **state)
{
    static const char shown[] = SHOWN("{}");
    struct vf_spec *spec = parse_spec(BEARER("") "}", shown);
    struct vf_object object;

    fake_http_script(NULL, 0);
    assert_int_equal(update("a_b.json", spec, shown, &object, NULL), 0);
    assert_null(object.name);
    assert_string_equal(object.label, "a_b.json");
    vf_object_done(&object);

    SCRIPT({.status = 200, .body = CREDENTIAL});
    assert_int_equal(update("c.json", spec, shown, NULL, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1",
                "{\"metadata\":{\"vaultfs.name\":\"c.json\"}}");
    vf_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(W_rotate_sends_the_secret_and_nothing_else),
        TEST(W_edit_sends_the_metadata_and_leaves_the_secret_alone),
        TEST(an_update_names_the_metadata_that_vanishes),
        TEST(W_edit_without_a_difference_sends_nothing),
        TEST(W_edit_of_oauth_sends_only_what_differs),
        TEST(any_404_to_an_update_is_worth_a_look),
        TEST(an_expiry_that_is_not_given_again_is_cleared),
        TEST(what_an_update_cannot_do_is_refused_before_any_request),
        TEST(over_something_unknown_all_that_is_given_is_sent),
        TEST(E_rename_changes_the_name_and_nothing_else),
        TEST(a_label_is_not_made_a_name_by_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
