/* SPDX-License-Identifier: MIT */
#include "stage.h"

#define SHOWN                                                                  \
    VAULT_WITH("prod", "\"metadata\":{\"old\":\"1\",\"team\":\"a\","           \
                       "\"vaultfs.name\":\"x\"}," TIMES)

static struct vf_vault_spec *parse_over(const char *text, const char *shown)
{
    struct vf_vault_spec *spec = NULL;

    assert_int_equal(vf_vault_spec_parse(text, strlen(text), shown,
                                         strlen(shown), &spec, NULL),
                     0);
    return spec;
}

static int update_vault(const char *document, struct vf_object *ret,
                        struct vf_error *err)
{
    struct vf_vault_spec *spec = parse_over(document, SHOWN);
    struct vf_object object;
    int result = stage.ops->update_vault(stage.service.self, "v1", spec, SHOWN,
                                         strlen(SHOWN), now_ms + DEADLINE_MS,
                                         &object, err);

    vf_vault_spec_free(spec);
    if (result == 0 && ret != NULL)
        *ret = object;
    else if (result == 0)
        vf_object_done(&object);
    return result;
}

static void W_edit_of_a_vault_sends_a_patch(void **state)
{
    SCRIPT({.silence = EREMOTEIO, .fate = VF_HTTP_UNKNOWN},
           {.status = 200, .body = VAULT});
    assert_int_equal(update_vault("{\"display_name\":\"new\",\"metadata\":{"
                                  "\"team\":\"b\"}}",
                                  NULL, NULL),
                     0);
    assert_sent(2, VF_HTTP_POST, "/vaults/v1",
                "{\"display_name\":\"new\",\"metadata\":{\"team\":\"b\","
                "\"old\":null,\"vaultfs.name\":null}}");
}

static void W_edit_of_a_vault_without_a_difference_sends_nothing(void **state)
{
    static const char *const documents[] = {
        SHOWN,
        "{}",
        "{\"display_name\":\"prod\"}",
        "{\"metadata\":{\"team\":\"a\",\"vaultfs.name\":\"x\",\"old\":\"1\"}}",
    };
    struct vf_object object;

    fake_http_script(NULL, 0);
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        assert_int_equal(update_vault(documents[i], &object, NULL), 0);
        assert_string_equal(object.name, "prod");
        vf_object_done(&object);
    }
}

/* No file's name is kept there. */
static void W_edit_all_metadata_of_a_vault_is_the_user_s(void **state)
{
    SCRIPT({.status = 200, .body = VAULT}, {.status = 200, .body = VAULT});
    assert_int_equal(
        update_vault("{\"metadata\":{\"old\":\"1\",\"team\":\"a\"}}", NULL,
                     NULL),
        0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1",
                "{\"metadata\":{\"old\":\"1\",\"team\":\"a\","
                "\"vaultfs.name\":null}}");
    assert_int_equal(update_vault("{\"metadata\":{\"old\":\"1\",\"team\":"
                                  "\"a\",\"vaultfs.name\":\"y\"}}",
                                  NULL, NULL),
                     0);
    assert_sent(2, VF_HTTP_POST, "/vaults/v1",
                "{\"metadata\":{\"old\":\"1\",\"team\":\"a\","
                "\"vaultfs.name\":\"y\"}}");
}

static void a_service_without_the_call_says_so(void **state)
{
    struct vf_service_traits traits;

    stage.ops->traits(stage.service.self, &traits);
    assert_false(traits.can_update_vault);
    fake_http_script(NULL, 0);
    assert_int_equal(update_vault("{\"display_name\":\"new\"}", NULL, NULL),
                     -EOPNOTSUPP);
}

/* Two credentials, one with the name of its file. */
#define TWO                                                                    \
    "{\"display_name\":\"prod\",\"credentials\":["                             \
    "{\"mcp_server_url\":\"https://a/b\",\"protocol\":\"sse\",\"type\":"       \
    "\"static_bearer\",\"access_token\":\"canary-of-the-first\",\"metadata\":" \
    "{\"vaultfs.name\":\"first.json\"}},"                                      \
    "{\"mcp_server_url\":\"https://c/d\",\"protocol\":\"streamable_http\","    \
    "\"type\":\"static_bearer\",\"access_token\":\"canary-of-the-other\"}]}"
#define TWO_SENT                                                               \
    "{\"display_name\":\"prod\",\"credentials\":["                             \
    "{\"mcp_server_url\":\"https://a/b\",\"protocol\":\"sse\",\"type\":"       \
    "\"static_bearer\",\"access_token\":\"canary-of-the-first\"},"             \
    "{\"mcp_server_url\":\"https://c/d\",\"protocol\":\"streamable_http\","    \
    "\"type\":\"static_bearer\",\"access_token\":\"canary-of-the-other\"}]}"
#define TWO_MADE                                                               \
    VAULT_WITH("prod",                                                         \
               "\"status\":\"active\",\"credentials\":[" FLAT_CREDENTIAL(      \
                   "c2", "https://c/d",                                        \
                   "active") "," FLAT_CREDENTIAL("c1", "https://a/b",          \
                                                 "active") "]," MADE)

static void W_vault_credentials_come_with_the_vault(void **state)
{
    struct vf_vault_spec *spec = parse_vault_spec(TWO);
    struct vf_object vault;
    struct vf_page page;

    SCRIPT({.status = 201, .body = TWO_MADE});
    assert_int_equal(create_vault(spec, &vault, &page, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults", TWO_SENT);
    assert_true(fake_http_request(1)->is_body_secret);
    assert_null(strstr(vault.text, "credentials"));
    vf_object_done(&vault);
    assert_int_equal(page.count, 2);
    assert_null(page.next);
    assert_string_equal(page.objects[0].id, "c2");
    assert_null(page.objects[0].name);
    assert_string_equal(page.objects[0].label, "c_d.json");
    assert_string_equal(page.objects[1].name, "first.json");
    assert_null(page.objects[1].label);
    vf_page_done(&page);
    vf_vault_spec_free(spec);
}

static void a_vault_that_came_without_a_credential_is_no_success(void **state)
{
    struct vf_vault_spec *spec = parse_vault_spec(TWO);
    struct vf_error err;

    SCRIPT({.status = 201, .body = FLAT_VAULT});
    assert_int_equal(create_vault(spec, NULL, NULL, &err), -EBADMSG);
    assert_string_equal(err.param, "credentials");
    assert_true(err.is_unknown);
    vf_vault_spec_free(spec);
}

static void what_a_credential_of_a_vault_cannot_have_is_named(void **state)
{
    struct vf_vault_spec *spec = parse_vault_spec(
        "{\"display_name\":\"p\",\"credentials\":[{\"mcp_server_url\":"
        "\"https://a/b\",\"protocol\":\"sse\",\"type\":\"static_bearer\","
        "\"access_token\":\"s\"},{\"mcp_server_url\":\"https://c/d\","
        "\"protocol\":\"sse\",\"type\":\"static_bearer\",\"access_token\":"
        "\"s\",\"metadata\":{\"team\":\"a\"}}]}");
    struct vf_error err;

    fake_http_script(NULL, 0);
    assert_int_equal(create_vault(spec, NULL, NULL, &err), -EINVAL);
    assert_string_equal(err.param, "credentials[1].metadata");
    vf_vault_spec_free(spec);
}

/* Of a service with a call for each. */
static void credentials_that_are_not_taken_along_are_not_looked_at(void **state)
{
    struct vf_vault_spec *spec = parse_vault_spec(TWO);
    struct vf_page page;

    SCRIPT({.status = 200,
            .body = VAULT_WITH("prod", "\"credentials\":[]," TIMES)});
    assert_int_equal(create_vault(spec, NULL, &page, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults", "{\"display_name\":\"prod\"}");
    assert_false(fake_http_request(1)->is_body_secret);
    assert_int_equal(page.count, 0);
    vf_page_done(&page);
    vf_vault_spec_free(spec);
}

#define DEMAND(status_, param)                                                 \
    {                                                                          \
        .status = (status_),                                                   \
        .body = "{\"error\":{\"type\":\"invalid_request_error\",\"message\":"  \
                "\"no\",\"param\":\"" param "\"}}"                             \
    }

#define REFUSAL(message_)                                                      \
    {                                                                          \
        .status = 400, .body = "{\"error\":{\"type\":\"t\",\"message\":"       \
                               "\"" message_ "\"}}"                            \
    }

static void the_demand_for_a_first_credential_is_ENODATA(void **state)
{
    struct vf_vault_spec *spec =
        parse_vault_spec("{\"display_name\":\"prod\"}");
    struct vf_error err;

    SCRIPT(DEMAND(400, "credentials"));
    assert_int_equal(create_vault(spec, NULL, NULL, &err), -ENODATA);
    assert_int_equal(err.code, ENODATA);
    assert_string_equal(err.message, "no");
    SCRIPT(DEMAND(422, "credentials"));
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -ENODATA);
    SCRIPT(DEMAND(400, "credentials[0].protocol"));
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -ENODATA);
    SCRIPT(REFUSAL("At least one credential is required"));
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -ENODATA);
    SCRIPT(REFUSAL("your credentials do not match the workspace"));
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -EINVAL);
    SCRIPT({.status = 400,
            .body = ENVELOPE("t", "at least one credential is broken")});
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -EINVAL);
    SCRIPT(DEMAND(400, "display_name"));
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -EINVAL);
    SCRIPT(DEMAND(409, "credentials"));
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -EEXIST);
    vf_vault_spec_free(spec);
}

static void no_other_service_has_that_demand(void **state)
{
    struct vf_vault_spec *spec =
        parse_vault_spec("{\"display_name\":\"prod\"}");

    SCRIPT(DEMAND(400, "credentials"));
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -EINVAL);
    vf_vault_spec_free(spec);
}

/* Where a name cannot be kept, nothing of the vault is made. */
static void W_vault_names_are_seen_to_before_any_request(void **state)
{
    struct vf_vault_spec *spec = parse_vault_spec(TWO);
    char directory[sizeof(stage.directory)];
    struct vf_page page;
    struct vf_error err;

    stage_close();
    memcpy(directory, stage.directory, sizeof(directory));
    (void)snprintf(stage.directory, sizeof(stage.directory),
                   "/dev/null/in/a/directory");
    stage_open("qoder-flat");
    fake_http_script(NULL, 0);
    assert_int_equal(create_vault(spec, NULL, &page, &err), -ENOTDIR);
    assert_false(err.is_unknown);
    memcpy(stage.directory, directory, sizeof(directory));
    vf_vault_spec_free(spec);
}

/* The demand tells the service, and what it demands is at hand. */
static void a_service_that_is_told_by_its_demand_gets_it_at_once(void **state)
{
    struct vf_vault_spec *spec = parse_vault_spec(TWO);
    struct vf_page page;

    SCRIPT(DEMAND(400, "credentials"), {.status = 201, .body = TWO_MADE});
    assert_int_equal(create_vault(spec, NULL, &page, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults", "{\"display_name\":\"prod\"}");
    assert_sent(2, VF_HTTP_POST, "/vaults", TWO_SENT);
    assert_string_not_equal(fake_http_request(1)->key,
                            fake_http_request(2)->key);
    assert_int_equal(page.count, 2);
    vf_page_done(&page);
    vf_vault_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF("anthropic", W_edit_of_a_vault_sends_a_patch),
        TEST_OF("anthropic",
                W_edit_of_a_vault_without_a_difference_sends_nothing),
        TEST(a_service_without_the_call_says_so),
        TEST_OF("qoder-flat", W_vault_credentials_come_with_the_vault),
        TEST_OF("qoder-flat",
                a_vault_that_came_without_a_credential_is_no_success),
        TEST_OF("qoder-flat",
                what_a_credential_of_a_vault_cannot_have_is_named),
        TEST(credentials_that_are_not_taken_along_are_not_looked_at),
        TEST_OF("qoder-flat", the_demand_for_a_first_credential_is_ENODATA),
        TEST(no_other_service_has_that_demand),
        TEST_OF("anthropic", no_other_service_has_that_demand),
        TEST_OF("qoder-flat", W_vault_names_are_seen_to_before_any_request),
        TEST_OF("anthropic", W_edit_all_metadata_of_a_vault_is_the_user_s),
        TEST_OF("auto", a_service_that_is_told_by_its_demand_gets_it_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
