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

#include "bodies.h"

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
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refused(bad[i].text, NULL, bad[i].param, NULL);
}

/* Nothing of it depends on whether the name is taken. */
static void over_a_credential_it_is_refused_too(void **state)
{
    static const char shown[] =
        "{\"auth\":{\"type\":\"vault_pin\",\"pin_name\":\"p\"}}";

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refused(bad[i].text, shown, bad[i].param, NULL);
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

        assert_int_equal(
            vf_spec_parse(texts[i], strlen(texts[i]), NULL, 0, &spec, &err),
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

        assert_int_equal(vf_spec_parse(rows[i].text, strlen(rows[i].text), NULL,
                                       0, &spec, &err),
                         -EINVAL);
        if (strstr(err.message, rows[i].part) == NULL)
            fail_msg("%s, not: %s", err.message, rows[i].part);
    }
}

/* What a few changed bytes make of a good spec is refused or has what its type
 * demands; and what is accepted, the scanner calls complete. */
static void check_damaged(const char *text, size_t size, unsigned *accepted)
{
    struct vf_spec_scan scan = VF_SPEC_SCAN_INIT;
    struct vf_spec *spec;

    if (vf_spec_parse(text, size, NULL, 0, &spec, NULL) < 0)
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
        {FLAT_AS_READ(""), "access_token"},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].text, NULL, cases[i].param, "metadata as read");
}

/* Where the secret is there, or the type is none, that is not the trouble. */
static void what_only_resembles_metadata_is_told_its_own_mistake(void **state)
{
    static const char *const texts[] = {
        AS_READ("\"type\":\"static_bearer\"," URL ",\"token\":\"" CANARY "\""),
        AS_READ("\"type\":\"telepathy\""),
        AS_READ(""),
        "{\"id\":1,\"type\":\"vault_credential\",\"auth\":3}",
        "{\"id\":1,\"vault_id\":2,\"type\":\"vault_credential\"}",
        FLAT_AS_READ(",\"access_token\":\"" CANARY "\""),
        "{\"type\":\"vault_credential\",\"auth\":{\"type\":\"static_bearer\"}}",
        "{\"id\":1,\"type\":\"vault\",\"auth\":{\"type\":\"static_bearer\"}}",
    };
    struct vf_spec *spec = NULL;
    struct vf_error err;

    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(
            vf_spec_parse(texts[i], strlen(texts[i]), NULL, 0, &spec, &err),
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
        cmocka_unit_test(what_is_not_a_spec_is_refused_and_named),
        cmocka_unit_test(over_a_credential_it_is_refused_too),
        cmocka_unit_test(a_token_in_the_place_of_a_name_is_not_shown),
        cmocka_unit_test(a_refusal_says_what_is_wrong),
        cmocka_unit_test(metadata_as_read_lacks_its_secret),
        cmocka_unit_test(what_only_resembles_metadata_is_told_its_own_mistake),
        cmocka_unit_test(a_damaged_spec_is_refused_or_whole),
    };

    return cmocka_run_group_tests_name("W-strict", tests, NULL, NULL);
}
