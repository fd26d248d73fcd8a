/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/json.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Stands where secrets stand; without digits and short, so that it would be
 * shown if it were taken for a name. */
#define CANARY "canary_value"

#define URL "\"mcp_server_url\":\"https://h/\""
#define FLAT_AUTH "\"type\":\"static_bearer\",\"access_token\":\"" CANARY "\""
#define FLAT(more) "{" URL "," FLAT_AUTH more "}"
#define BEARER(more)                                                           \
    "\"auth\":{\"type\":\"static_bearer\"," URL ",\"token\":\"" CANARY         \
    "\"" more "}"
#define NESTED(more) "{" BEARER("") more "}"
#define WITH_URL(url) "{\"mcp_server_url\":\"" url "\"," FLAT_AUTH "}"
#define WITH_TOKEN(token)                                                      \
    "{\"auth\":{\"type\":\"static_bearer\"," URL ",\"token\":" token "}}"
#define OAUTH(more)                                                            \
    "{\"auth\":{\"type\":\"mcp_oauth\"," URL ",\"access_token\":\"" CANARY     \
    "\"" more "}}"
#define ENDPOINT "\"token_endpoint\":\"https://h/t\""
#define CLIENT "\"client_id\":\"c\",\"refresh_token\":\"" CANARY "\""
#define NO_AUTH "\"token_endpoint_auth\":{\"type\":\"none\"}"
#define REFRESH(fields) OAUTH(",\"refresh\":{" fields "}")
#define ENDPOINT_AUTH(fields)                                                  \
    REFRESH(CLIENT "," ENDPOINT ",\"token_endpoint_auth\":{" fields "}")
#define VARIABLE(more)                                                         \
    "{\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"A_1\","    \
    "\"secret_value\":\"" CANARY "\"" more "}}"
#define WITH_NAME(name)                                                        \
    "{\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"" name     \
    "\",\"secret_value\":\"" CANARY "\"}}"
#define NETWORKING(fields) VARIABLE(",\"networking\":{" fields "}")
#define HOSTS(hosts) NETWORKING("\"type\":\"limited\",\"allowed_hosts\":" hosts)
#define INJECTION(value) VARIABLE(",\"injection_location\":" value)
#define METADATA(members) NESTED(",\"metadata\":{" members "}")

static struct vf_spec *parse(const char *text)
{
    struct vf_spec *spec = NULL;
    struct vf_error err = {0};

    if (vf_spec_parse(text, strlen(text), &spec, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return spec;
}

static void assert_secret(const struct vf_secret *secret, const char *wanted)
{
    assert_non_null(secret);
    assert_int_equal(vf_secret_size(secret), strlen(wanted));
    assert_memory_equal(vf_secret_data(secret), wanted, strlen(wanted));
}

static void assert_json(const struct vf_json *json, const char *wanted)
{
    char *text;
    size_t size;

    assert_non_null(json);
    assert_int_equal(vf_json_render_compact(json, &text, &size), 0);
    assert_string_equal(text, wanted);
    free(text);
}

static void the_flat_form_is_a_static_bearer(void **state)
{
    struct vf_spec *spec =
        parse(" {\"mcp_server_url\": \"https://mcp.github.com/sse\", "
              "\"protocol\": \"sse\", \"type\": \"static_bearer\", "
              "\"access_token\": \"gh\\u0070_\\u00e9\"}\n");

    assert_int_equal(spec->type, VF_AUTH_STATIC_BEARER);
    assert_string_equal(spec->mcp_server_url, "https://mcp.github.com/sse");
    assert_string_equal(spec->protocol, "sse");
    assert_secret(spec->value, "ghp_\xC3\xA9");
    assert_null(spec->metadata);
    assert_null(spec->display_name);
    assert_null(spec->secret_name);
    assert_false(spec->refresh.is_present);
    vf_spec_free(spec);

    spec = parse(FLAT(",\"metadata\":{\"a\":\"b\"},\"display_name\":\"d\""));
    assert_null(spec->protocol);
    assert_json(spec->metadata, "{\"a\":\"b\"}");
    assert_string_equal(spec->display_name, "d");
    vf_spec_free(spec);
}

static void the_nested_form_has_three_types(void **state)
{
    struct vf_spec *spec = parse(NESTED(",\"display_name\":null"));

    assert_int_equal(spec->type, VF_AUTH_STATIC_BEARER);
    assert_string_equal(spec->mcp_server_url, "https://h/");
    assert_secret(spec->value, CANARY);
    assert_null(spec->display_name);
    vf_spec_free(spec);

    spec = parse(OAUTH(""));
    assert_int_equal(spec->type, VF_AUTH_MCP_OAUTH);
    assert_secret(spec->value, CANARY);
    assert_null(spec->expires_at);
    assert_false(spec->is_expiry_cleared);
    vf_spec_free(spec);

    spec = parse(VARIABLE(""));
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
              "\"type\":\"client_secret_post\"}}"));

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

    spec = parse(OAUTH(",\"expires_at\":null"));
    assert_null(spec->expires_at);
    assert_true(spec->is_expiry_cleared);
    vf_spec_free(spec);

    spec = parse(REFRESH(CLIENT "," ENDPOINT "," NO_AUTH));
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
                 "\"header\":true}"));

    assert_json(spec->networking,
                "{\"allowed_hosts\":[\"a.b\",\"*.c\"],\"type\":\"limited\"}");
    assert_json(spec->injection_location, "{\"body\":false,\"header\":true}");
    vf_spec_free(spec);

    spec = parse(NETWORKING("\"type\":\"unrestricted\""));
    assert_json(spec->networking, "{\"type\":\"unrestricted\"}");
    vf_spec_free(spec);
}

static void the_name_key_is_checked_and_dropped(void **state)
{
    struct vf_spec *spec =
        parse(METADATA("\"a\":\"1\",\"" VF_SPEC_NAME_KEY "\":\"x.json\","
                       "\"b\":\"\\u0000\""));

    assert_json(spec->metadata, "{\"a\":\"1\",\"b\":\"\\u0000\"}");
    vf_spec_free(spec);

    spec = parse(METADATA("\"" VF_SPEC_NAME_KEY "\":\"x.json\""));
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
    int result = vf_spec_parse(text.data, text.size, &spec, err);
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
    int result = vf_spec_parse(text.data, text.size, &spec, err);
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
        vf_spec_free(parse(good[i]));
}

static const struct {
    const char *text;
    const char *param;
} bad[] = {
    /* not one JSON object */
    {"", ""},
    {"[]", ""},
    {"null", ""},
    {"\"" CANARY "\"", ""},
    {"{\"access_token\":\"" CANARY "\"", ""},
    {FLAT("") "x", ""},
    {FLAT(",\"access_token\":\"" CANARY "\""), ""},
    {"{\"access_token\":\"" CANARY "\n\"}", ""},
    /* forms */
    {"{}", "auth"},
    {"{\"metadata\":{}}", "auth"},
    {"{\"auth\":null}", "auth"},
    {"{\"auth\":\"" CANARY "\"}", "auth"},
    {"{\"auth\":[]}", "auth"},
    {"{\"auth\":{}}", "auth.type"},
    {"{\"auth\":{},\"token\":\"" CANARY "\"}", "token"},
    {NESTED(",\"protocol\":\"sse\""), "protocol"},
    {NESTED(",\"type\":\"static_bearer\""), "type"},
    {NESTED("," URL), "mcp_server_url"},
    {NESTED(",\"access_token\":\"" CANARY "\""), "access_token"},
    {NESTED(",\"id\":\"" CANARY "\""), "id"},
    {FLAT(",\"auth\":null"), "mcp_server_url"},
    {FLAT(",\"token\":\"" CANARY "\""), "token"},
    {FLAT(",\"expires_at\":null"), "expires_at"},
    /* the flat form's fields */
    {"{" URL ",\"access_token\":\"" CANARY "\"}", "type"},
    {"{" FLAT_AUTH "}", "mcp_server_url"},
    {"{" URL ",\"type\":\"static_bearer\"}", "access_token"},
    {"{" URL ",\"type\":\"mcp_oauth\",\"access_token\":\"" CANARY "\"}",
     "type"},
    {"{" URL ",\"type\":7,\"access_token\":\"" CANARY "\"}", "type"},
    {"{" URL ",\"type\":null,\"access_token\":\"" CANARY "\"}", "type"},
    {FLAT(",\"protocol\":\"" CANARY "\""), "protocol"},
    {FLAT(",\"protocol\":\"SSE\""), "protocol"},
    {FLAT(",\"protocol\":\"sse\\u0000\""), "protocol"},
    {FLAT(",\"protocol\":null"), "protocol"},
    {FLAT(",\"display_name\":5"), "display_name"},
    {FLAT(",\"display_name\":\"a\\u0000b\""), "display_name"},
    /* auth.type */
    {"{\"auth\":{\"type\":\"" CANARY "\"}}", "auth.type"},
    {"{\"auth\":{\"type\":\"Static_Bearer\"," URL ",\"token\":\"" CANARY "\"}}",
     "auth.type"},
    {"{\"auth\":{\"type\":\"static_bearer\\u0000\"," URL ",\"token\":\"" CANARY
     "\"}}",
     "auth.type"},
    {"{\"auth\":{\"type\":[\"static_bearer\"]}}", "auth.type"},
    /* static_bearer */
    {"{" BEARER(",\"tokn\":\"" CANARY "\"") "}", "auth.tokn"},
    {"{" BEARER(",\"access_token\":\"" CANARY "\"") "}", "auth.access_token"},
    {"{\"auth\":{\"type\":\"static_bearer\",\"token\":\"" CANARY "\"}}",
     "auth.mcp_server_url"},
    {"{\"auth\":{\"type\":\"static_bearer\"," URL "}}", "auth.token"},
    {WITH_TOKEN("null"), "auth.token"},
    {WITH_TOKEN("12345"), "auth.token"},
    {WITH_TOKEN("[\"" CANARY "\"]"), "auth.token"},
    {WITH_TOKEN("{\"" CANARY "\":1}"), "auth.token"},
    {WITH_TOKEN("\"\""), "auth.token"},
    {WITH_TOKEN("\"" CANARY "\\n\""), "auth.token"},
    {WITH_TOKEN("\"" CANARY "\\r\""), "auth.token"},
    {WITH_TOKEN("\"\\t" CANARY "\""), "auth.token"},
    {WITH_TOKEN("\"" CANARY "\\u0000\""), "auth.token"},
    {WITH_TOKEN("\"" CANARY "\\u001f\""), "auth.token"},
    {WITH_TOKEN("\"" CANARY "\\u007f\""), "auth.token"},
    {WITH_TOKEN("\"" CANARY "\x7f\""), "auth.token"},
    /* URLs */
    {WITH_URL(""), "mcp_server_url"},
    {WITH_URL(CANARY), "mcp_server_url"},
    {WITH_URL("//h/"), "mcp_server_url"},
    {WITH_URL("ftp://h/"), "mcp_server_url"},
    {WITH_URL("https:h"), "mcp_server_url"},
    {WITH_URL("https://"), "mcp_server_url"},
    {WITH_URL("https:///x"), "mcp_server_url"},
    {WITH_URL("https://?x"), "mcp_server_url"},
    {WITH_URL("https://:80/"), "mcp_server_url"},
    {WITH_URL("https://u:" CANARY "@h/"), "mcp_server_url"},
    {WITH_URL("https://" CANARY "@h"), "mcp_server_url"},
    {WITH_URL("https://@h/"), "mcp_server_url"},
    {WITH_URL("https://h\\\\@g/"), "mcp_server_url"},
    {WITH_URL("https://h/a\\\\b"), "mcp_server_url"},
    {WITH_URL("https://h/#" CANARY), "mcp_server_url"},
    {WITH_URL("https://h#"), "mcp_server_url"},
    {WITH_URL("https://h /"), "mcp_server_url"},
    {WITH_URL(" https://h/"), "mcp_server_url"},
    {WITH_URL("https://h/\\n"), "mcp_server_url"},
    {WITH_URL("https://h/\\u0000"), "mcp_server_url"},
    {WITH_URL("https://h\\u0000.g/"), "mcp_server_url"},
    {WITH_URL("https://h/\\u007f"), "mcp_server_url"},
    {WITH_URL("https://h:/"), "mcp_server_url"},
    {WITH_URL("https://h:0/"), "mcp_server_url"},
    {WITH_URL("https://h:65536/"), "mcp_server_url"},
    {WITH_URL("https://h:8a/"), "mcp_server_url"},
    {WITH_URL("https://h:-1/"), "mcp_server_url"},
    {WITH_URL("https://h:000080/"), "mcp_server_url"},
    {WITH_URL("https://$HOST/"), "mcp_server_url"},
    {WITH_URL("https://.h/"), "mcp_server_url"},
    {WITH_URL("https://h%2f/"), "mcp_server_url"},
    {WITH_URL("https://[::1/"), "mcp_server_url"},
    {WITH_URL("https://[]/"), "mcp_server_url"},
    {WITH_URL("https://[::g]/"), "mcp_server_url"},
    {WITH_URL("https://[::1]x/"), "mcp_server_url"},
    {WITH_URL("https://[::1]x80/"), "mcp_server_url"},
    {WITH_URL("https://[::1]:/"), "mcp_server_url"},
    {WITH_URL("https://::1/"), "mcp_server_url"},
    {WITH_URL("https://[1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19]/"),
     "mcp_server_url"},
    /* mcp_oauth */
    {OAUTH(",\"token\":\"" CANARY "\""), "auth.token"},
    {OAUTH(",\"expires_at\":\"" CANARY "\""), "auth.expires_at"},
    {OAUTH(",\"expires_at\":\"2026-13-01T00:00:00Z\""), "auth.expires_at"},
    {OAUTH(",\"expires_at\":\"2026-01-01T00:00:00Z\\u0000\""),
     "auth.expires_at"},
    {OAUTH(",\"expires_at\":1767225600"), "auth.expires_at"},
    {OAUTH(",\"refresh\":null"), "auth.refresh"},
    {OAUTH(",\"refresh\":\"" CANARY "\""), "auth.refresh"},
    {REFRESH(""), "auth.refresh.client_id"},
    {REFRESH("\"client_id\":\"\",\"refresh_token\":\"" CANARY "\"," ENDPOINT
             "," NO_AUTH),
     "auth.refresh.client_id"},
    {REFRESH("\"client_id\":\"c\"," ENDPOINT "," NO_AUTH),
     "auth.refresh.refresh_token"},
    {REFRESH("\"client_id\":\"c\",\"refresh_token\":\"" CANARY "\\n\"," ENDPOINT
             "," NO_AUTH),
     "auth.refresh.refresh_token"},
    {REFRESH(CLIENT "," NO_AUTH), "auth.refresh.token_endpoint"},
    {REFRESH(CLIENT ",\"token_endpoint\":\"" CANARY "\"," NO_AUTH),
     "auth.refresh.token_endpoint"},
    {REFRESH(CLIENT "," ENDPOINT), "auth.refresh.token_endpoint_auth"},
    {REFRESH(CLIENT "," ENDPOINT "," NO_AUTH ",\"scope\":[]"),
     "auth.refresh.scope"},
    {REFRESH(CLIENT "," ENDPOINT "," NO_AUTH ",\"scopes\":\"a\""),
     "auth.refresh.scopes"},
    {ENDPOINT_AUTH(""), "auth.refresh.token_endpoint_auth.type"},
    {ENDPOINT_AUTH("\"type\":\"" CANARY "\""),
     "auth.refresh.token_endpoint_auth.type"},
    {ENDPOINT_AUTH("\"type\":\"client_secret_basic\""),
     "auth.refresh.token_endpoint_auth.client_secret"},
    {ENDPOINT_AUTH("\"type\":\"client_secret_post\",\"client_secret\":\"\""),
     "auth.refresh.token_endpoint_auth.client_secret"},
    {ENDPOINT_AUTH("\"type\":\"none\",\"client_secret\":\"" CANARY "\""),
     "auth.refresh.token_endpoint_auth.client_secret"},
    /* environment_variable */
    {WITH_NAME(""), "auth.secret_name"},
    {WITH_NAME("1A"), "auth.secret_name"},
    {WITH_NAME("A-B"), "auth.secret_name"},
    {WITH_NAME("A\\u0000"), "auth.secret_name"},
    {WITH_NAME("\xC3\xA9"), "auth.secret_name"},
    {VARIABLE("," URL), "auth.mcp_server_url"},
    {VARIABLE(",\"networking\":\"unrestricted\""), "auth.networking"},
    {NETWORKING(""), "auth.networking.type"},
    {NETWORKING("\"type\":\"open\""), "auth.networking.type"},
    {NETWORKING("\"type\":\"unrestricted\",\"allowed_hosts\":[\"a\"]"),
     "auth.networking.allowed_hosts"},
    {NETWORKING("\"type\":\"limited\""), "auth.networking.allowed_hosts"},
    {HOSTS("\"a\""), "auth.networking.allowed_hosts"},
    {HOSTS("[]"), "auth.networking.allowed_hosts"},
    {HOSTS("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"),
     "auth.networking.allowed_hosts"},
    {HOSTS("[\"a\",1]"), "auth.networking.allowed_hosts[1]"},
    {HOSTS("[\"\"]"), "auth.networking.allowed_hosts[0]"},
    {HOSTS("[\"a b\"]"), "auth.networking.allowed_hosts[0]"},
    {INJECTION("[]"), "auth.injection_location"},
    {INJECTION("{\"header\":\"true\"}"), "auth.injection_location.header"},
    {INJECTION("{\"body\":null}"), "auth.injection_location.body"},
    {INJECTION("{\"query\":true}"), "auth.injection_location.query"},
    /* metadata */
    {NESTED(",\"metadata\":null"), "metadata"},
    {NESTED(",\"metadata\":[\"" CANARY "\"]"), "metadata"},
    {METADATA("\"team\":1"), "metadata.team"},
    {METADATA("\"team\":null"), "metadata.team"},
    {METADATA("\"team\":{\"a\":\"" CANARY "\"}"), "metadata.team"},
    {METADATA("\"\":\"a\""), "metadata"},
    {METADATA("\"token\":\"" CANARY "\""), "metadata.token"},
    {METADATA("\"" VF_SPEC_NAME_KEY "\":1"), "metadata." VF_SPEC_NAME_KEY},
    /* names that are not shown */
    {NESTED(",\"ghp_0123456789\":\"\""), ""},
    {NESTED(",\"averyveryverylongnamewithoutdigits\":\"\""), ""},
    {"{" BEARER(",\"pt-1\":\"\"") "}", "auth"},
    {"{" BEARER(",\"a b\":\"\"") "}", "auth"},
    {METADATA("\"a\\n\":1"), "metadata"},
};

static void what_is_not_a_spec_is_refused_and_named(void **state)
{
    assert_true(COUNT(bad) >= 60);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct vf_spec *spec = (struct vf_spec *)state;
        size_t size = strlen(bad[i].text);
        struct vf_error err = {0};

        if (vf_spec_parse(bad[i].text, size, &spec, &err) != -EINVAL)
            fail_msg("accepted: %s", bad[i].text);
        assert_ptr_equal(spec, state);
        assert_int_equal(err.code, EINVAL);
        if (strcmp(err.param, bad[i].param) != 0)
            fail_msg("%s: \"%s\", %s", bad[i].text, err.param, err.message);
        if (err.param[0] != '\0' && strstr(err.message, err.param) == NULL)
            fail_msg("%s is not named: %s", err.param, err.message);
        assert_int_equal(vf_spec_parse(bad[i].text, size, &spec, NULL),
                         -EINVAL);
    }
}

static void a_refusal_never_quotes_a_value(void **state)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct vf_spec *spec;
        struct vf_error err;

        assert_int_equal(
            vf_spec_parse(bad[i].text, strlen(bad[i].text), &spec, &err),
            -EINVAL);
        if (strstr(err.message, CANARY) != NULL ||
            strstr(err.param, CANARY) != NULL)
            fail_msg("leaks: %s", err.message);
    }
}

static void a_token_in_the_place_of_a_name_is_not_shown(void **state)
{
    static const char *const texts[] = {
        NESTED(",\"pt-7f3\":\"\""),
        "{" BEARER(",\"ghp_abc4\":\"\"") "}",
        METADATA("\"sk-live-9\":7"),
        FLAT(",\"eyJhbGciOiJIUzI.eyJzdWIiOiJhYmMi\":\"\""),
    };
    static const char *const parts[] = {"7f3", "abc4", "live", "eyJ"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct vf_spec *spec;
        struct vf_error err;

        assert_int_equal(vf_spec_parse(texts[i], strlen(texts[i]), &spec, &err),
                         -EINVAL);
        assert_non_null(strstr(err.message, "field "));
        assert_null(strstr(err.message, parts[i]));
        assert_null(strstr(err.param, parts[i]));
    }
}

static void a_refusal_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        const char *part;
    } rows[] = {
        {WITH_URL("https://u:p@h/"), "user name"},
        {WITH_URL("https://h:0/"), "port"},
        {WITH_URL("https:///"), "host"},
        {WITH_TOKEN("\"a\\n\""), "line break"},
        {WITH_TOKEN("5"), "must be a string, not a number"},
        {FLAT(",\"auth\":{}"), "beside \"auth\""},
        {NESTED(",\"x\":1"), "unknown field"},
        {"{\"auth\":{\"type\":\"x\"}}",
         "static_bearer, mcp_oauth or environment_variable"},
        {"[]", "must be an object, not an array"},
        {"{", "at byte 1:"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct vf_spec *spec;
        struct vf_error err;

        assert_int_equal(
            vf_spec_parse(rows[i].text, strlen(rows[i].text), &spec, &err),
            -EINVAL);
        if (strstr(err.message, rows[i].part) == NULL)
            fail_msg("%s, not: %s", err.message, rows[i].part);
    }
}

static void a_spec_has_a_largest_size(void **state)
{
    char *text = malloc(VF_SPEC_MAX + 1);
    struct vf_spec *spec;
    struct vf_error err;

    assert_non_null(text);
    memset(text, ' ', VF_SPEC_MAX + 1);
    memcpy(text, FLAT(""), sizeof(FLAT("")) - 1);
    assert_int_equal(vf_spec_parse(text, VF_SPEC_MAX + 1, &spec, &err), -EFBIG);
    assert_int_equal(vf_spec_parse(text, VF_SPEC_MAX, &spec, &err), 0);
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

/* What a few changed bytes make of a good spec is refused or has what its type
 * demands; and what is accepted, the scanner calls complete. */
static void check_damaged(const char *text, size_t size, unsigned *accepted)
{
    struct vf_spec_scan scan = VF_SPEC_SCAN_INIT;
    struct vf_spec *spec;

    if (vf_spec_parse(text, size, &spec, NULL) < 0)
        return;
    ++*accepted;
    assert_int_equal(vf_spec_scan_feed(&scan, text, size),
                     VF_SPEC_SCAN_COMPLETE);
    assert_true(vf_secret_size(spec->value) > 0);
    if (spec->type == VF_AUTH_ENVIRONMENT_VARIABLE)
        assert_non_null(spec->secret_name);
    else
        assert_non_null(spec->mcp_server_url);
    if (spec->refresh.is_present)
        assert_true(vf_secret_size(spec->refresh.refresh_token) > 0);
    vf_spec_free(spec);
}

/* What a read shows of a credential whose auth has these members. */
#define AS_READ(auth)                                                          \
    "{\"id\":\"vcred_1\",\"type\":\"vault_credential\",\"vault_id\":\"vault_"  \
    "1\""                                                                      \
    ",\"auth\":{" auth "},\"display_name\":null,\"metadata\":{},"              \
    "\"archived_at\":null}"

static void metadata_as_read_lacks_its_secret(void **state)
{
    static const struct {
        const char *text;
        const char *param;
    } cases[] = {
        {AS_READ("\"type\":\"static_bearer\"," URL), "auth.token"},
        {AS_READ("\"type\":\"mcp_oauth\",\"expires_at\":null," URL),
         "auth.access_token"},
        {AS_READ("\"type\":\"environment_variable\",\"secret_name\":\"A\""),
         "auth.secret_value"},
    };
    struct vf_spec *spec = NULL;
    struct vf_error err;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(
            vf_spec_parse(cases[i].text, strlen(cases[i].text), &spec, &err),
            -EINVAL);
        assert_string_equal(err.param, cases[i].param);
        assert_non_null(strstr(err.message, "metadata as read"));
    }
}

/* Where the secret is there, or the type is none, that is not the trouble. */
static void what_only_resembles_metadata_is_told_its_own_mistake(void **state)
{
    static const char *const texts[] = {
        AS_READ("\"type\":\"static_bearer\"," URL ",\"token\":\"" CANARY "\""),
        AS_READ("\"type\":\"telepathy\""),
        AS_READ(""),
        "{\"id\":1,\"type\":\"vault_credential\",\"auth\":3}",
        "{\"id\":1,\"type\":\"vault_credential\"}",
        "{\"type\":\"vault_credential\",\"auth\":{\"type\":\"static_bearer\"}}",
        "{\"id\":1,\"type\":\"vault\",\"auth\":{\"type\":\"static_bearer\"}}",
    };
    struct vf_spec *spec = NULL;
    struct vf_error err;

    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(vf_spec_parse(texts[i], strlen(texts[i]), &spec, &err),
                         -EINVAL);
        assert_null(strstr(err.message, "metadata as read"));
        assert_null(strstr(err.message, CANARY));
    }
}

static void a_damaged_spec_is_refused_or_whole(void **state)
{
    static const char *const seeds[] = {
        FLAT(",\"protocol\":\"sse\""),
        METADATA("\"a\":\"b\""),
        ENDPOINT_AUTH(
            "\"type\":\"client_secret_post\",\"client_secret\":\"x\""),
        NETWORKING("\"type\":\"limited\",\"allowed_hosts\":[\"a\",\"b\"]"),
    };
    static const char bytes[] = "{}[]\",:\\u0 n7.a@#/\x7f\xC3";
    unsigned accepted = 0;

    srand(13);
    for (int round = 0; round < 40000; round++) {
        const char *seed = seeds[(size_t)round % COUNT(seeds)];
        size_t size = strlen(seed);
        char text[512];

        assert_true(size < sizeof(text));
        memcpy(text, seed, size);
        for (int n = rand() % 4; n > 0; n--)
            text[(size_t)rand() % size] =
                bytes[(size_t)rand() % (sizeof(bytes) - 1)];
        check_damaged(text, size, &accepted);
    }
    assert_true(accepted > 1000);
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
        cmocka_unit_test(what_is_not_a_spec_is_refused_and_named),
        cmocka_unit_test(a_refusal_never_quotes_a_value),
        cmocka_unit_test(a_token_in_the_place_of_a_name_is_not_shown),
        cmocka_unit_test(a_refusal_says_what_is_wrong),
        cmocka_unit_test(a_spec_has_a_largest_size),
        cmocka_unit_test(auth_types_have_the_services_names),
        cmocka_unit_test(metadata_as_read_lacks_its_secret),
        cmocka_unit_test(what_only_resembles_metadata_is_told_its_own_mistake),
        cmocka_unit_test(a_damaged_spec_is_refused_or_whole),
    };

    return cmocka_run_group_tests_name("W-strict", tests, NULL, NULL);
}
