/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include "bodies.h"

static void the_flat_form_is_a_static_bearer(void **state)
{
    struct vf_spec *spec =
        parse(" {\"mcp_server_url\": \"https://mcp.github.com/sse\", "
              "\"protocol\": \"sse\", \"type\": \"static_bearer\", "
              "\"access_token\": \"gh\\u0070_\\u00e9\"}\n",
              NULL);

    assert_int_equal(spec->type, VF_AUTH_STATIC_BEARER);
    assert_string_equal(spec->mcp_server_url, "https://mcp.github.com/sse");
    assert_string_equal(spec->protocol, "sse");
    assert_secret(spec->value, "ghp_\xC3\xA9");
    assert_null(spec->metadata);
    assert_null(spec->display_name);
    assert_null(spec->secret_name);
    assert_false(spec->refresh.is_present);
    vf_spec_free(spec);

    spec =
        parse(FLAT(",\"metadata\":{\"a\":\"b\"},\"display_name\":\"d\""), NULL);
    assert_null(spec->protocol);
    assert_json(spec->metadata, "{\"a\":\"b\"}");
    assert_string_equal(spec->display_name, "d");
    vf_spec_free(spec);
}

static void the_nested_form_has_three_types(void **state)
{
    struct vf_spec *spec = parse(NESTED(",\"display_name\":null"), NULL);

    assert_int_equal(spec->type, VF_AUTH_STATIC_BEARER);
    assert_string_equal(spec->mcp_server_url, "https://h/");
    assert_secret(spec->value, CANARY);
    assert_null(spec->display_name);
    vf_spec_free(spec);

    spec = parse(OAUTH(""), NULL);
    assert_int_equal(spec->type, VF_AUTH_MCP_OAUTH);
    assert_secret(spec->value, CANARY);
    assert_null(spec->expires_at);
    assert_false(spec->is_expiry_cleared);
    vf_spec_free(spec);

    spec = parse(VARIABLE(""), NULL);
    assert_int_equal(spec->type, VF_AUTH_ENVIRONMENT_VARIABLE);
    assert_string_equal(spec->secret_name, "A_1");
    assert_null(spec->mcp_server_url);
    assert_secret(spec->value, CANARY);
    assert_null(spec->networking);
    vf_spec_free(spec);
}

static void oauth_carries_expiry_and_refresh(void **state)
{
    struct vf_spec *spec = parse(
        OAUTH(",\"expires_at\":\"2026-12-31T23:59:59.5+02:00\",\"refresh\":{"
              "\"client_id\":\"c\",\"refresh_token\":\"r-t\"," ENDPOINT
              ",\"resource\":\"urn:x\",\"scope\":\"\","
              "\"token_endpoint_auth\":{\"client_secret\":\"c-s\","
              "\"type\":\"client_secret_post\"}}"),
        NULL);

    assert_string_equal(spec->expires_at, "2026-12-31T23:59:59.5+02:00");
    assert_false(spec->is_expiry_cleared);
    assert_true(spec->refresh.is_present);
    assert_string_equal(spec->refresh.client_id, "c");
    assert_string_equal(spec->refresh.token_endpoint, "https://h/t");
    assert_string_equal(spec->refresh.token_endpoint_auth_type,
                        "client_secret_post");
    assert_string_equal(spec->refresh.resource, "urn:x");
    assert_string_equal(spec->refresh.scope, "");
    assert_secret(spec->refresh.refresh_token, "r-t");
    assert_secret(spec->refresh.client_secret, "c-s");
    vf_spec_free(spec);

    spec = parse(OAUTH(",\"expires_at\":null"), NULL);
    assert_null(spec->expires_at);
    assert_true(spec->is_expiry_cleared);
    vf_spec_free(spec);

    spec = parse(REFRESH(CLIENT "," ENDPOINT "," NO_AUTH), NULL);
    assert_string_equal(spec->refresh.token_endpoint_auth_type, "none");
    assert_null(spec->refresh.client_secret);
    assert_null(spec->refresh.resource);
    vf_spec_free(spec);
}

static void a_variable_keeps_where_it_may_go(void **state)
{
    struct vf_spec *spec = parse(
        VARIABLE(",\"networking\":{\"allowed_hosts\":[\"a.b\",\"*.c\"],"
                 "\"type\":\"limited\"},\"injection_location\":{\"body\":false,"
                 "\"header\":true}"),
        NULL);

    assert_json(spec->networking,
                "{\"allowed_hosts\":[\"a.b\",\"*.c\"],\"type\":\"limited\"}");
    assert_json(spec->injection_location, "{\"body\":false,\"header\":true}");
    vf_spec_free(spec);

    spec = parse(NETWORKING("\"type\":\"unrestricted\""), NULL);
    assert_json(spec->networking, "{\"type\":\"unrestricted\"}");
    vf_spec_free(spec);
}

static void the_name_key_is_checked_and_dropped(void **state)
{
    struct vf_spec *spec =
        parse(METADATA("\"a\":\"1\",\"" VF_SPEC_NAME_KEY "\":\"x.json\","
                       "\"b\":\"\\u0000\""),
              NULL);

    assert_json(spec->metadata, "{\"a\":\"1\",\"b\":\"\\u0000\"}");
    vf_spec_free(spec);

    spec = parse(METADATA("\"" VF_SPEC_NAME_KEY "\":\"x.json\""), NULL);
    assert_json(spec->metadata, "{}");
    vf_spec_free(spec);
}

/* NESTED() with that many metadata keys of its own. */
static int parse_with_keys(unsigned count, bool with_name, struct vf_error *err)
{
    struct vf_spec *spec = NULL;
    struct vf_buf text = VF_BUF_INIT;

    vf_buf_printf(&text, "{" BEARER("") ",\"metadata\":{%s",
                  with_name ? "\"" VF_SPEC_NAME_KEY "\":\"n\"" : "\"k\":\"\"");
    for (unsigned i = with_name ? 0 : 1; i < count; i++)
        vf_buf_printf(&text, ",\"k%u\":\"v\"", i);
    vf_buf_puts(&text, "}}");
    int result = vf_spec_parse(text.data, text.size, NULL, 0, &spec, err);
    vf_spec_free(spec);
    vf_buf_free(&text);
    return result;
}

static void one_of_sixteen_metadata_keys_is_ours(void **state)
{
    struct vf_error err;

    assert_int_equal(parse_with_keys(15, false, &err), 0);
    assert_int_equal(parse_with_keys(15, true, &err), 0);
    assert_int_equal(parse_with_keys(16, true, &err), -EINVAL);
    assert_string_equal(err.param, "metadata");
    assert_int_equal(parse_with_keys(16, false, &err), -EINVAL);
    assert_string_equal(err.param, "metadata");
}

/* A spec with one string of so many characters of two bytes each. */
static int parse_with_length(const char *before, unsigned length,
                             const char *after, struct vf_error *err)
{
    struct vf_spec *spec = NULL;
    struct vf_buf text = VF_BUF_INIT;

    vf_buf_puts(&text, before);
    for (unsigned i = 0; i < length; i++)
        vf_buf_puts(&text, "\xC3\xA9");
    vf_buf_puts(&text, after);
    int result = vf_spec_parse(text.data, text.size, NULL, 0, &spec, err);
    vf_spec_free(spec);
    vf_buf_free(&text);
    return result;
}

static void lengths_count_characters_up_to_the_limit(void **state)
{
    static const struct {
        const char *before;
        unsigned max;
        const char *after;
        const char *param;
    } rows[] = {
        {"{\"mcp_server_url\":\"https://h/", VF_SPEC_URL_MAX - 10,
         "\"," FLAT_AUTH "}", "mcp_server_url"},
        {"{" BEARER("") ",\"metadata\":{\"k\":\"", VF_SPEC_METADATA_VALUE_MAX,
         "\"}}", "metadata.k"},
        {"{" BEARER("") ",\"metadata\":{\"", VF_SPEC_METADATA_KEY_MAX,
         "\":\"v\"}}", "metadata"},
        {"{" BEARER("") ",\"metadata\":{\"" VF_SPEC_NAME_KEY "\":\"",
         VF_SPEC_METADATA_VALUE_MAX, "\"}}", "metadata." VF_SPEC_NAME_KEY},
        {"{" BEARER("") ",\"display_name\":\"", 255, "\"}", "display_name"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct vf_error err = {0};

        if (parse_with_length(rows[i].before, rows[i].max, rows[i].after,
                              &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(parse_with_length(rows[i].before, rows[i].max + 1,
                                           rows[i].after, &err),
                         -EINVAL);
        assert_string_equal(err.param, rows[i].param);
    }
}

static void good_urls_are_taken(void **state)
{
    static const char *const good[] = {
        WITH_URL("https://h"),
        WITH_URL("HTTPS://Host.Example:443/A?b=c&d=%20"),
        WITH_URL("http://127.0.0.1:8080"),
        WITH_URL("http://[::1]:65535/x"),
        WITH_URL("http://[::1]"),
        WITH_URL("https://a_b-c.d.?q"),
        WITH_URL("https://h:1?a:b/c"),
        WITH_URL("https://h/p@q:r"),
        WITH_URL("https://b\xC3\xBC"
                 "cher.example/"),
    };

    for (size_t i = 0; i < COUNT(good); i++)
        vf_spec_free(parse(good[i], NULL));
}

static void a_spec_has_a_largest_size(void **state)
{
    char *text = malloc(VF_SPEC_MAX + 1);
    struct vf_spec *spec;
    struct vf_error err;

    assert_non_null(text);
    memset(text, ' ', VF_SPEC_MAX + 1);
    memcpy(text, FLAT(""), sizeof(FLAT("")) - 1);
    assert_int_equal(vf_spec_parse(text, VF_SPEC_MAX + 1, NULL, 0, &spec, &err),
                     -EFBIG);
    assert_int_equal(vf_spec_parse(text, VF_SPEC_MAX, NULL, 0, &spec, &err), 0);
    vf_spec_free(spec);
    free(text);
}

static void auth_types_have_the_services_names(void **state)
{
    enum vf_auth_type type;

    for (int i = 0; i < VF_AUTH_TYPES; i++) {
        assert_int_equal(
            vf_auth_type_parse(vf_auth_type_name((enum vf_auth_type)i), &type),
            0);
        assert_int_equal(type, i);
    }
    assert_int_equal(vf_auth_type_parse("", &type), -EINVAL);
    assert_int_equal(vf_auth_type_parse("static", &type), -EINVAL);
    vf_spec_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_flat_form_is_a_static_bearer),
        cmocka_unit_test(the_nested_form_has_three_types),
        cmocka_unit_test(oauth_carries_expiry_and_refresh),
        cmocka_unit_test(a_variable_keeps_where_it_may_go),
        cmocka_unit_test(the_name_key_is_checked_and_dropped),
        cmocka_unit_test(one_of_sixteen_metadata_keys_is_ours),
        cmocka_unit_test(lengths_count_characters_up_to_the_limit),
        cmocka_unit_test(good_urls_are_taken),
        cmocka_unit_test(a_spec_has_a_largest_size),
        cmocka_unit_test(auth_types_have_the_services_names),
    };

    return cmocka_run_group_tests_name("the forms of a spec", tests, NULL,
                                       NULL);
}
