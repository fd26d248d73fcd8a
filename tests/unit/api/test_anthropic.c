/* SPDX-License-Identifier: MIT */
#include "stage.h"

#define LIST(...) "{\"data\":[" __VA_ARGS__ "]}"

#define SPEC(more)                                                             \
    "{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":\"https://a/b\"" \
    ",\"token\":\"s\"}" more "}"
#define NAMED(name, metadata)                                                  \
    CREDENTIAL_WITH("https://a/b", "\"display_name\":" name                    \
                                   ",\"metadata\":" metadata "," TIMES)

static void anthropic_requests_have_its_headers(void **state)
{
    SCRIPT({.status = 200, .body = "{\"data\":[],\"next_page\":null}"},
           {.status = 204});
    assert_int_equal(list_code(NULL), 0);
    assert_int_equal(delete_vault(NULL), 0);
    for (unsigned i = 1; i <= 2; i++) {
        const struct fake_request *request = fake_http_request(i);

        assert_string_equal(request->token, "x-api-key: pt-first-token");
        assert_string_equal(request->version, "2023-06-01");
        assert_string_equal(request->beta, "managed-agents-2026-04-01");
        assert_string_equal(request->key, "");
        assert_true(is_uuid4(request->request_id));
    }
}

static void anthropic_the_name_is_the_display_name(void **state)
{
    struct vf_spec *spec =
        parse_spec(SPEC(",\"metadata\":{\"team\":\"a\"}"), NULL);
    struct vf_object object;

    SCRIPT({.status = 200, .body = NAMED("\"git.json\"", "{\"team\":\"a\"}")});
    assert_int_equal(create("git.json", spec, &object, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials",
                "{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":"
                "\"https://a/b\",\"token\":\"s\"},\"display_name\":"
                "\"git.json\",\"metadata\":{\"team\":\"a\"}}");
    assert_string_equal(object.name, "git.json");
    vf_object_done(&object);
    vf_spec_free(spec);
}

static void anthropic_a_display_name_is_sent_where_there_is_no_name(
    void **state)
{
    struct vf_spec *spec =
        parse_spec(SPEC(",\"display_name\":\"Ann's Slack\""), NULL);
    struct vf_object object;
    struct vf_error err;

    SCRIPT({.status = 200, .body = NAMED("\"Ann's Slack\"", "{}")});
    assert_int_equal(create(NULL, spec, &object, NULL), 0);
    assert_non_null(
        strstr(fake_http_request(1)->body, "\"display_name\":\"Ann's Slack\""));
    assert_string_equal(object.name, "Ann's Slack");
    vf_object_done(&object);

    fake_http_script(NULL, 0);
    assert_int_equal(create("slack.json", spec, NULL, &err), -EINVAL);
    assert_string_equal(err.param, "display_name");
    vf_spec_free(spec);
}

static void anthropic_what_is_no_file_name_is_no_name(void **state)
{
    static const char *const titles[] = {
        "null",      "\"\"",          "\"CI/CD\"",    "\".hidden\"",
        "\"a\\nb\"", "\"a\\u202eb\"", "\"a\\u0000b\""};
    char body[1024];

    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        struct vf_page page;

        (void)snprintf(body, sizeof(body),
                       LIST(CREDENTIAL_WITH("https://a/b",
                                            "\"display_name\":%s,\"metadata\":"
                                            "{}," TIMES)),
                       titles[i]);
        SCRIPT({.status = 200, .body = body});
        assert_int_equal(list_credentials(VF_LIST_ACTIVE, NULL, &page, NULL),
                         0);
        assert_null(page.objects[0].name);
        assert_string_equal(page.objects[0].label, "a_b.json");
        vf_page_done(&page);
    }
}

static void anthropic_an_update_patches_name_and_metadata(void **state)
{
    static const char shown[] =
        NAMED("\"n.json\"", "{\"old\":\"1\",\"team\":\"a\"}");
    struct vf_spec *edit =
        parse_spec("{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":"
                   "\"https://a/b\"},\"metadata\":{\"team\":\"b\"}}",
                   shown);

    SCRIPT({.status = 200, .body = NAMED("\"n.json\"", "{}")},
           {.status = 200, .body = NAMED("\"m.json\"", "{}")});
    assert_int_equal(update("n.json", edit, shown, NULL, NULL), 0);
    assert_int_equal(rename_to("m.json", shown, NULL, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1",
                "{\"metadata\":{\"team\":\"b\",\"old\":null}}");
    assert_sent(2, VF_HTTP_POST, "/vaults/v1/credentials/c1",
                "{\"display_name\":\"m.json\"}");
    vf_spec_free(edit);
}

static void anthropic_networking_can_change(void **state)
{
#define VARIABLE(more)                                                         \
    "{\"id\":\"c1\",\"type\":\"vault_credential\",\"vault_id\":\"v1\","        \
    "\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"A\"," more  \
    "},\"display_name\":\"n.json\",\"metadata\":{}," TIMES "}"
    static const char shown[] =
        VARIABLE("\"networking\":{\"type\":\"unrestricted\"}");
    struct vf_spec *edit = parse_spec(
        "{\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"A\","
        "\"networking\":{\"type\":\"limited\",\"allowed_hosts\":[\"h\"]}}}",
        shown);

    SCRIPT({.status = 200, .body = shown});
    assert_int_equal(update("n.json", edit, shown, NULL, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1",
                "{\"auth\":{\"type\":\"environment_variable\",\"networking\":{"
                "\"type\":\"limited\",\"allowed_hosts\":[\"h\"]}}}");
    vf_spec_free(edit);
}

static void anthropic_archiving_sends_no_body(void **state)
{
    SCRIPT({.status = 200, .body = CREDENTIAL_WITH("https://a/b", ARCHIVED)});
    assert_int_equal(archive(NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1/archive", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF("anthropic", anthropic_requests_have_its_headers),
        TEST_OF("anthropic", anthropic_the_name_is_the_display_name),
        TEST_OF("anthropic",
                anthropic_a_display_name_is_sent_where_there_is_no_name),
        TEST_OF("anthropic", anthropic_what_is_no_file_name_is_no_name),
        TEST_OF("anthropic", anthropic_an_update_patches_name_and_metadata),
        TEST_OF("anthropic", anthropic_networking_can_change),
        TEST_OF("anthropic", anthropic_archiving_sends_no_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
