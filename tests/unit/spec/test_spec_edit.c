/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include "bodies.h"

static void what_is_as_shown_is_in_the_spec(void **state)
{
    static const char shown[] = SHOWN(
        GRANT ",\"expires_at\":\"2030-01-01T00:00:00Z\",\"refresh\":{"
              "\"client_id\":\"c\"," ENDPOINT ",\"resource\":\"r\","
              "\"scope\":\"s\",\"token_endpoint_auth\":{\"type\":\"none\"}}",
        "\"display_name\":\"d\"," TAGS);
    static const char variable[] = VARIABLE_AS_READ(
        ",\"networking\":" LIMITED ",\"injection_location\":{\"header\":true}");
    struct vf_spec *spec = parse(shown, shown);

    assert_string_equal(spec->mcp_server_url, "https://h/");
    assert_string_equal(spec->expires_at, "2030-01-01T00:00:00Z");
    assert_true(spec->refresh.is_present);
    assert_string_equal(spec->refresh.client_id, "c");
    assert_string_equal(spec->refresh.token_endpoint, "https://h/t");
    assert_string_equal(spec->refresh.token_endpoint_auth_type, "none");
    assert_string_equal(spec->refresh.resource, "r");
    assert_string_equal(spec->refresh.scope, "s");
    assert_string_equal(spec->display_name, "d");
    assert_json(spec->metadata, "{\"team\":\"a\"}");
    vf_spec_free(spec);

    spec = parse(variable, variable);
    assert_json(spec->networking, LIMITED);
    assert_json(spec->injection_location, "{\"header\":true}");
    vf_spec_free(spec);
}

/* What a service may come to show one day is none of our business, and neither
 * is what it let others make. */
static void what_is_as_shown_need_not_be_known_or_good(void **state)
{
    static const char *const shown[] = {
        AS_READ("\"type\":\"static_bearer\",\"later\":{\"a\":[1.50,{}]}," URL),
        SHOWN("\"type\":\"static_bearer\"," URL,
              "\"later\":[\"x\"],\"0\":1,\"\":null"),
        AS_READ("\"type\":\"static_bearer\","
                "\"mcp_server_url\":\"ftp://u:p@h/#f\""),
        AS_READ("\"type\":\"static_bearer\",\"mcp_server_url\":null"),
        AS_READ("\"type\":\"static_bearer\",\"mcp_server_url\":\"h\\u0000\""),
        AS_READ("\"type\":\"static_bearer\",\"secret_name\":\"A\"," URL),
        AS_READ("\"type\":\"environment_variable\",\"secret_name\":\"1-A\","
                "\"networking\":{\"type\":\"tunnel\",\"to\":7},"
                "\"injection_location\":[\"header\"]"),
        AS_READ(GRANT ",\"expires_at\":\"soon\",\"refresh\":null"),
        AS_READ(GRANT ",\"expires_at\":1893456000,\"refresh\":{}"),
        AS_READ(SCOPED("\"type\":\"private_key_jwt\",\"kid\":\"k\"", "a")),
        AS_READ(SCOPED("\"kid\":\"k\"", "a")),
        AS_READ(GRANT ",\"refresh\":{\"scope\":[\"a\"],\"later\":true,"
                      "\"token_endpoint_auth\":null}"),
        SHOWN("\"type\":\"static_bearer\"," URL,
              "\"display_name\":7,\"metadata\":null"),
        SHOWN("\"type\":\"static_bearer\"," URL,
              "\"metadata\":{\"\":1,\"a\":null}"),
        FLAT_AS_READ(",\"protocol_version\":2"),
        "{\"type\":\"static_bearer\",\"protocol\":null," URL "}",
        "{\"auth\":{\"type\":\"static_bearer\"}}",
    };

    for (size_t i = 0; i < COUNT(shown); i++)
        assert_edits_itself(shown[i]);
}

static void a_type_that_we_do_not_have_cannot_be_edited(void **state)
{
    static const char shown[] = AS_READ("\"type\":\"vault_pin\"," URL);

    assert_refused(shown, shown, "auth.type", "must be");
    assert_refused("{}", "{}", "auth", "is missing");
    assert_refused("{\"auth\":{}}", "{\"auth\":{}}", "auth.type", "is missing");
}

static void what_is_changed_is_in_the_spec(void **state)
{
    struct vf_spec *spec =
        parse(SHOWN(SCOPED(POST, "b"),
                    "\"display_name\":null,\"metadata\":{\"team\":\"b\","
                    "\"" VF_SPEC_NAME_KEY "\":\"other.json\",\"new\":\"n\"}"),
              GRANT_AS_READ);

    assert_string_equal(spec->refresh.scope, "b");
    assert_json(spec->metadata, "{\"team\":\"b\",\"new\":\"n\"}");
    assert_false(vf_spec_has_secret(spec));
    vf_spec_free(spec);

    spec =
        parse("{\"auth\":{\"type\":\"static_bearer\"," URL "},\"metadata\":{}}",
              BEARER_AS_READ);
    assert_json(spec->metadata, "{}");
    vf_spec_free(spec);

    spec = parse("{\"auth\":{\"type\":\"static_bearer\"," URL "}}",
                 BEARER_AS_READ);
    assert_null(spec->metadata);
    vf_spec_free(spec);
}

static void an_expiry_is_cleared_where_one_is_shown(void **state)
{
    static const char shown[] =
        AS_READ(GRANT ",\"expires_at\":\"2030-01-01T00:00:00Z\"");
    struct vf_spec *spec = parse(AS_READ(GRANT ",\"expires_at\":null"), shown);

    assert_true(spec->is_expiry_cleared);
    assert_null(spec->expires_at);
    vf_spec_free(spec);
}

static void what_is_not_known_is_refused_unless_it_is_shown(void **state)
{
    static const char shown[] =
        AS_READ("\"type\":\"static_bearer\"," URL ",\"in\":{\"a\":[1,2]}");

    assert_refused("{" BEARER(",\"in\":{\"a\":[2,1]}") "}", shown, "auth.in",
                   "cannot be changed");
    assert_refused("{" BEARER(",\"in\":null") "}", shown, "auth.in",
                   "cannot be changed");
    assert_refused("{" BEARER(",\"in\":\"" CANARY "\"") "}", shown, "auth.in",
                   "cannot be changed");
    assert_refused("{" BEARER(",\"on\":1") "}", shown, "auth.on",
                   "unknown field");
    assert_refused(NESTED(",\"in\":{\"a\":[1,2]}"), shown, "in",
                   "unknown field");
    assert_refused("{" BEARER(",\"pt-7f3\":null") "}", shown, "auth",
                   "name not shown");
    assert_refused(NESTED(",\"type\":\"vault\""), shown, "type",
                   "cannot be changed");
    assert_refused(NESTED(",\"protocol\":\"sse\""), shown, "protocol",
                   "beside \"auth\"");
}

/* Of an object of another type than the one that is shown, or where none is. */
#define UPDATED(time) NESTED(",\"updated_at\":" time)

/* TIMES has 15:34:36. */
static void what_was_read_once_can_be_written_twice(void **state)
{
    vf_spec_free(parse(UPDATED("\"2026-05-18T15:34:35.9Z\""), BEARER_AS_READ));
    vf_spec_free(parse(FLAT(",\"updated_at\":\"2025-05-18T15:34:37Z\""),
                       BEARER_AS_READ));
    assert_refused(UPDATED("\"2026-05-18T15:34:36.1Z\""), BEARER_AS_READ,
                   "updated_at", "cannot be changed");
    assert_refused(UPDATED("\"2026-05-18T15:34:37Z\""), BEARER_AS_READ,
                   "updated_at", "cannot be changed");
    assert_refused(UPDATED("\"yesterday\""), BEARER_AS_READ, "updated_at",
                   "cannot be changed");
    assert_refused(UPDATED("null"), BEARER_AS_READ, "updated_at",
                   "cannot be changed");
    assert_refused(UPDATED("\"2025-05-18T15:34:37Z\""), NULL, "updated_at",
                   "unknown field");
}

static void a_secret_of_what_is_not_shown_is_needed(void **state)
{
    assert_refused(
        AS_READ(SCOPED("\"type\":\"client_secret_basic\"", "a")), GRANT_AS_READ,
        "auth.refresh.token_endpoint_auth.client_secret", "is missing");
    assert_refused(
        AS_READ(SCOPED(POST, "a")), AS_READ(SCOPED("\"type\":\"none\"", "a")),
        "auth.refresh.token_endpoint_auth.client_secret", "is missing");
    assert_refused(AS_READ(SCOPED("\"type\":\"none\"", "a")), AS_READ(GRANT),
                   "auth.refresh.refresh_token", "is missing");
    assert_refused(AS_READ(GRANT ",\"refresh\":{\"scope\":\"a\"," ENDPOINT
                                 "," NO_AUTH "}"),
                   GRANT_AS_READ, "auth.refresh.client_id", "is missing");
    vf_spec_free(
        parse(AS_READ(SCOPED("\"type\":\"none\"", "a")), GRANT_AS_READ));
}

static void a_secret_that_is_there_must_be_good(void **state)
{
    assert_refused(WITH_TOKEN("\"\""), BEARER_AS_READ, "auth.token",
                   "must not be empty");
    assert_refused(WITH_TOKEN("null"), BEARER_AS_READ, "auth.token",
                   "must be a string");
    assert_refused(WITH_TOKEN("\"" CANARY "\\n\""), BEARER_AS_READ,
                   "auth.token", "line break");
}

/* Copied over a file that is there, or another address typed into one. */
static void another_credential_needs_its_secret(void **state)
{
    static const char moved[] = AS_READ(
        "\"type\":\"static_bearer\",\"mcp_server_url\":\"https://other/\"");
    static const char flat[] = "{\"mcp_server_url\":\"https://other/\","
                               "\"type\":\"static_bearer\"}";

    assert_refused(moved, BEARER_AS_READ, "auth.token", "another credential");
    assert_refused(GRANT_AS_READ, BEARER_AS_READ, "auth.access_token",
                   "another credential");
    assert_refused(VARIABLE_AS_READ(""), GRANT_AS_READ, "auth.secret_value",
                   "another credential");
    assert_refused(flat, BEARER_AS_READ, "access_token", "another credential");
    assert_refused(flat, FLAT_AS_READ(""), "access_token",
                   "another credential");
    assert_refused(
        OAUTH(",\"refresh\":{\"client_id\":\"c\"," ENDPOINT "," NO_AUTH "}"),
        BEARER_AS_READ, "auth.refresh.refresh_token", "another credential");
    assert_refused("{\"auth\":{\"type\":\"static_bearer\"}}", BEARER_AS_READ,
                   "auth.mcp_server_url", "is missing");

    struct vf_spec *spec =
        parse(AS_READ("\"type\":\"static_bearer\",\"token\":\"t\","
                      "\"mcp_server_url\":\"https://other/\""),
              BEARER_AS_READ);
    assert_secret(spec->value, "t");
    assert_false(is_same(spec, BEARER_AS_READ));
    vf_spec_free(spec);
}

#define LABELLED(label) NESTED(",\"display_name\":" label)
#define LABELLED_AS_READ(label)                                                \
    SHOWN("\"type\":\"static_bearer\"," URL, "\"display_name\":" label)

static void the_display_name_is_the_services(void **state)
{
    static const char shown[] = LABELLED_AS_READ("\"a\"");

    assert_refused(LABELLED("\"b\""), shown, "display_name", "with mv");
    assert_refused(LABELLED("\"\""), shown, "display_name", "with mv");
    assert_refused(FLAT(",\"display_name\":\"b\""), shown, "display_name",
                   "with mv");
    assert_refused(LABELLED("7"), shown, "display_name", "must be a string");
    vf_spec_free(parse(LABELLED("\"a\""), shown));
    vf_spec_free(parse(NESTED(""), shown));

    struct vf_spec *spec = parse(LABELLED("null"), shown);
    assert_null(spec->display_name);
    vf_spec_free(spec);

    spec = parse(LABELLED("\"b\""), LABELLED_AS_READ("null"));
    assert_string_equal(spec->display_name, "b");
    vf_spec_free(spec);

    spec = parse("{\"display_name\":\"b\",\"auth\":{\"type\":\"static_bearer\","
                 "\"mcp_server_url\":\"https://other/\",\"token\":\"t\"}}",
                 shown);
    assert_string_equal(spec->display_name, "b");
    vf_spec_free(spec);
}

static void the_flat_form_edits_what_is_shown_nested(void **state)
{
    static const char flat[] = "{" URL ",\"type\":\"static_bearer\"}";
    struct vf_spec *spec = parse(flat, BEARER_AS_READ);

    assert_false(vf_spec_has_secret(spec));
    assert_true(is_same(spec, BEARER_AS_READ));
    vf_spec_free(spec);

    spec = parse(FLAT(",\"id\":\"vcred_1\",\"protocol\":\"sse\"," TIMES
                      ",\"metadata\":{\"team\":\"b\"}"),
                 BEARER_AS_READ);
    assert_secret(spec->value, CANARY);
    assert_true(is_same(spec, BEARER_AS_READ));
    assert_json(spec->metadata, "{\"team\":\"b\"}");
    vf_spec_free(spec);

    assert_refused(FLAT(",\"id\":\"vcred_2\""), BEARER_AS_READ, "id",
                   "cannot be changed");
    assert_refused(FLAT(",\"token\":\"" CANARY "\""), BEARER_AS_READ, "token",
                   "unknown field");
    assert_refused("{" URL ",\"type\":\"mcp_oauth\"}", AS_READ(GRANT), "type",
                   "must be static_bearer");
}

static void the_nested_form_edits_what_is_shown_flat(void **state)
{
    static const char shown[] = FLAT_AS_READ("");
    struct vf_spec *spec =
        parse("{\"auth\":{\"type\":\"static_bearer\"," URL "},\"id\":\"vcred_1"
              "\",\"status\":\"active\",\"protocol\":\"sse\"}",
              shown);

    assert_false(vf_spec_has_secret(spec));
    assert_true(is_same(spec, shown));
    vf_spec_free(spec);

    spec = parse(NESTED(""), shown);
    assert_secret(spec->value, CANARY);
    assert_true(is_same(spec, shown));
    vf_spec_free(spec);

    assert_refused(NESTED(",\"protocol\":\"streamable_http\""), shown,
                   "protocol", "cannot be changed");
    assert_refused(NESTED(",\"status\":\"archived\""), shown, "status",
                   "cannot be changed");
    assert_refused(NESTED(",\"access_token\":\"" CANARY "\""), shown,
                   "access_token", "beside \"auth\"");
}

static void metadata_may_have_what_it_has(void **state)
{
    struct vf_buf keys = VF_BUF_INIT, shown = VF_BUF_INIT, text = VF_BUF_INIT;
    char name[VF_SPEC_METADATA_KEY_MAX + 2] = "";

    memset(name, 'n', sizeof(name) - 1);
    for (int i = 0; i < 16; i++)
        vf_buf_printf(&keys, "\"k%d\":\"v\",", i);
    vf_buf_printf(&shown,
                  "{\"auth\":{\"type\":\"static_bearer\"," URL "},"
                  "\"metadata\":{%s\"%s\":\"v\",\"b\":7}}",
                  keys.data, name);

    vf_buf_printf(&text,
                  "{" BEARER("") ",\"metadata\":{%s\"%s\":\"v\",\"b\":"
                                 "\"changed\"}}",
                  keys.data, name);
    vf_spec_free(parse(text.data, shown.data));
    vf_buf_free(&text);
    text = VF_BUF_INIT;
    vf_buf_printf(&text, "{" BEARER("") ",\"metadata\":{%s\"%s\":\"\"}}",
                  keys.data, name);
    assert_refused(text.data, shown.data, "metadata", "name of 1 to 64");
    vf_buf_free(&text);
    text = VF_BUF_INIT;
    vf_buf_printf(&text,
                  "{" BEARER("") ",\"metadata\":{%s\"a\":\"\",\"b\":"
                                 "\"\",\"c\":\"\"}}",
                  keys.data);
    assert_refused(text.data, shown.data, "metadata", "at most 15 keys");
    assert_refused(METADATA("\"b\":8"), shown.data, "metadata.b",
                   "must be a string");
    vf_buf_free(&text);
    vf_buf_free(&keys);
    vf_buf_free(&shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_as_shown_is_in_the_spec),
        cmocka_unit_test(what_is_as_shown_need_not_be_known_or_good),
        cmocka_unit_test(a_type_that_we_do_not_have_cannot_be_edited),
        cmocka_unit_test(what_is_changed_is_in_the_spec),
        cmocka_unit_test(an_expiry_is_cleared_where_one_is_shown),
        cmocka_unit_test(what_is_not_known_is_refused_unless_it_is_shown),
        cmocka_unit_test(what_was_read_once_can_be_written_twice),
        cmocka_unit_test(a_secret_of_what_is_not_shown_is_needed),
        cmocka_unit_test(a_secret_that_is_there_must_be_good),
        cmocka_unit_test(another_credential_needs_its_secret),
        cmocka_unit_test(the_display_name_is_the_services),
        cmocka_unit_test(the_flat_form_edits_what_is_shown_nested),
        cmocka_unit_test(the_nested_form_edits_what_is_shown_flat),
        cmocka_unit_test(metadata_may_have_what_it_has),
    };

    return cmocka_run_group_tests_name("W-edit", tests, NULL, NULL);
}
