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

#define WITH(credentials) "{\"credentials\":[" credentials "]}"
#define NAMED(url, name)                                                       \
    "{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":\"https://" url  \
    "\",\"token\":\"" CANARY "\"},\"metadata\":{\"a\":\"b\","                  \
    "\"" VF_SPEC_NAME_KEY "\":" name "}}"

#define SHOWN_VAULT                                                            \
    "{\"id\":\"vault_1\",\"type\":\"vault\",\"display_name\":\"prod\","        \
    "\"metadata\":{\"team\":\"a\"},\"archived_at\":null,\"later\":[1]," TIMES  \
    "}"

static struct vf_vault_spec *parse_vault(const char *text, const char *shown)
{
    struct vf_vault_spec *vault = NULL;
    struct vf_error err = {0};

    if (vf_vault_spec_parse(text, strlen(text), shown,
                            shown != NULL ? strlen(shown) : 0, &vault,
                            &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return vault;
}

static void all_of_a_vault_spec_is_optional(void **state)
{
    struct vf_vault_spec *vault = parse_vault(" {}\n", NULL);

    assert_null(vault->display_name);
    assert_null(vault->metadata);
    assert_int_equal(vault->count, 0);
    vf_vault_spec_free(vault);

    vault = parse_vault("{\"credentials\":[]}", NULL);
    assert_int_equal(vault->count, 0);
    vf_vault_spec_free(vault);
    vf_vault_spec_free(NULL);
}

static void it_has_credentials_in_either_form(void **state)
{
    struct vf_vault_spec *vault = parse_vault(
        "{\"display_name\":\"my vault\",\"metadata\":{\"team\":\"docs\","
        "\"" VF_SPEC_NAME_KEY "\":\"n\"},\"credentials\":[" FLAT(
            ",\"protocol\":\"sse\"") "," VARIABLE("") "," NAMED("i",
                                                                "\"i\"") "]}",
        NULL);

    assert_string_equal(vault->display_name, "my vault");
    assert_json(vault->metadata,
                "{\"team\":\"docs\",\"" VF_SPEC_NAME_KEY "\":\"n\"}");
    assert_int_equal(vault->count, 3);
    assert_string_equal(vault->credentials[0]->protocol, "sse");
    assert_null(vault->credentials[0]->stored_name);
    assert_int_equal(vault->credentials[1]->type, VF_AUTH_ENVIRONMENT_VARIABLE);
    assert_string_equal(vault->credentials[2]->stored_name, "i");
    assert_json(vault->credentials[2]->metadata, "{\"a\":\"b\"}");
    for (size_t i = 0; i < vault->count; i++)
        assert_secret(vault->credentials[i]->value, CANARY);
    vf_vault_spec_free(vault);
}

static void what_is_no_vault_spec_is_refused_and_named(void **state)
{
    static const struct {
        const char *text;
        const char *param;
        const char *part;
    } rows[] = {
        {"[]", "", "must be an object"},
        {"{", "", "at byte 1"},
        {"{\"name\":\"x\"}", "name", "unknown field"},
        {"{\"id\":\"vault_1\"}", "id", "unknown field"},
        {FLAT(""), "mcp_server_url", "unknown field"},
        {"{\"display_name\":\"\"}", "display_name", "must not be empty"},
        {"{\"display_name\":null}", "display_name", "must be a string"},
        {"{\"display_name\":\"a\\u0000\"}", "display_name", "NUL"},
        {"{\"metadata\":null}", "metadata", "must be an object"},
        {"{\"metadata\":{\"a\":1}}", "metadata.a", "must be a string"},
        {"{\"metadata\":{\"token\":\"" CANARY "\"}}", "metadata.token",
         "a secret's name"},
        {"{\"credentials\":null}", "credentials", "must be an array"},
        {"{\"credentials\":{}}", "credentials", "must be an array"},
        {WITH("7"), "credentials[0]", "must be an object"},
        {WITH("{}"), "credentials[0].auth", "is missing"},
        {WITH(NESTED("") "," WITH_TOKEN("\"\"")), "credentials[1].auth.token",
         "must not be empty"},
        {WITH(WITH_TOKEN("7")), "credentials[0].auth.token",
         "must be a string"},
        {WITH(NESTED(",\"tokn\":\"" CANARY "\"")), "credentials[0].tokn",
         "unknown field"},
        {WITH(NESTED(",\"pt-7f3\":0")), "credentials[0]",
         "field 2 of credentials[0] (name not shown)"},
        {WITH(METADATA("\"a\":1")), "credentials[0].metadata.a",
         "must be a string"},
        {WITH(HOSTS("[\"h\",\"\"]")),
         "credentials[0].auth.networking.allowed_hosts[1]",
         "must not be empty"},
        {WITH(FLAT(",\"auth\":{}")), "credentials[0].mcp_server_url",
         "beside \"auth\""},
        {WITH("{" URL ",\"type\":\"static_bearer\"}"),
         "credentials[0].access_token", "is missing"},
        {WITH(BEARER_AS_READ), "credentials[0].auth.token", "metadata as read"},
        {WITH(FLAT_AS_READ("")), "credentials[0].access_token",
         "metadata as read"},
        {WITH(ENDPOINT_AUTH("\"type\":\"client_secret_post\"")),
         "credentials[0].auth.refresh.token_endpoint_auth.client_secret",
         "is missing"},
        {WITH(NAMED("h", "\"\"")), "credentials[0].metadata." VF_SPEC_NAME_KEY,
         "must not be empty"},
        {WITH(NAMED("h", "\"a\\u0000\"")),
         "credentials[0].metadata." VF_SPEC_NAME_KEY, "NUL"},
        {WITH(NAMED("h", "7")), "credentials[0].metadata." VF_SPEC_NAME_KEY,
         "must be a string"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_vault_refused(rows[i].text, NULL, rows[i].param, rows[i].part);
}

static void no_two_credentials_are_one(void **state)
{
    assert_vault_refused(WITH(NESTED("") "," FLAT("")), NULL, "credentials[1]",
                         "the same credential as \"credentials[0]\"");
    assert_vault_refused(WITH(NESTED("") "," VARIABLE("") "," VARIABLE("")),
                         NULL, "credentials[2]", "\"credentials[1]\"");
    assert_vault_refused(WITH(NAMED("a", "\"n\"") "," NAMED(
                             "b", "\"m\"") "," NAMED("c", "\"n\"")),
                         NULL, "credentials[2]",
                         "the same file name as \"credentials[0]\"");
    vf_vault_spec_free(
        parse_vault(WITH(NESTED("") "," OAUTH("") "," VARIABLE("") "," NAMED(
                        "a", "\"n\"") "," NAMED("b", "\"N\"")),
                    NULL));
}

static int parse_many(unsigned count, struct vf_error *err)
{
    struct vf_vault_spec *vault = NULL;
    struct vf_buf text = VF_BUF_INIT;

    vf_buf_puts(&text, "{\"credentials\":[");
    for (unsigned i = 0; i < count; i++)
        vf_buf_printf(&text,
                      "%s{\"mcp_server_url\":\"https://h/%u\"," FLAT_AUTH "}",
                      i > 0 ? "," : "", i);
    vf_buf_puts(&text, "]}");
    int result =
        vf_vault_spec_parse(text.data, text.size, NULL, 0, &vault, err);
    if (result == 0)
        assert_int_equal(vault->count, count);
    vf_vault_spec_free(vault);
    vf_buf_free(&text);
    return result;
}

static void it_has_at_most_a_hundred_credentials(void **state)
{
    struct vf_error err = {0};

    assert_int_equal(parse_many(VF_SPEC_CREDENTIALS_MAX, &err), 0);
    assert_int_equal(parse_many(VF_SPEC_CREDENTIALS_MAX + 1, &err), -EINVAL);
    assert_string_equal(err.param, "credentials");
}

static int parse_limits(unsigned name_length, unsigned keys,
                        struct vf_error *err)
{
    struct vf_vault_spec *vault = NULL;
    struct vf_buf text = VF_BUF_INIT;

    vf_buf_puts(&text, "{\"display_name\":\"");
    for (unsigned i = 0; i < name_length; i++)
        vf_buf_puts(&text, "\xC3\xA9");
    vf_buf_puts(&text, "\",\"metadata\":{");
    for (unsigned i = 0; i < keys; i++)
        vf_buf_printf(&text, "%s\"k%u\":\"v\"", i > 0 ? "," : "", i);
    vf_buf_puts(&text, "}}");
    int result =
        vf_vault_spec_parse(text.data, text.size, NULL, 0, &vault, err);
    vf_vault_spec_free(vault);
    vf_buf_free(&text);
    return result;
}

static void its_name_and_metadata_have_limits(void **state)
{
    struct vf_error err = {0};

    assert_int_equal(parse_limits(255, 16, &err), 0);
    assert_int_equal(parse_limits(256, 16, &err), -EINVAL);
    assert_string_equal(err.param, "display_name");
    assert_int_equal(parse_limits(255, 17, &err), -EINVAL);
    assert_string_equal(err.param, "metadata");
}

static void it_has_a_largest_size(void **state)
{
    char *text = malloc(VF_SPEC_MAX + 1);
    struct vf_vault_spec *vault = NULL;

    assert_non_null(text);
    memset(text, ' ', VF_SPEC_MAX + 1);
    memcpy(text, "{}", 2);
    assert_int_equal(
        vf_vault_spec_parse(text, VF_SPEC_MAX + 1, NULL, 0, &vault, NULL),
        -EFBIG);
    assert_int_equal(
        vf_vault_spec_parse(text, VF_SPEC_MAX, NULL, 0, &vault, NULL), 0);
    vf_vault_spec_free(vault);
    free(text);
}

static void a_vault_as_read_can_be_edited(void **state)
{
    struct vf_vault_spec *vault = parse_vault(SHOWN_VAULT, SHOWN_VAULT);

    assert_string_equal(vault->display_name, "prod");
    assert_json(vault->metadata, "{\"team\":\"a\"}");
    assert_int_equal(vault->count, 0);
    vf_vault_spec_free(vault);

    vault = parse_vault("{\"id\":\"vault_1\",\"display_name\":\"live\"}",
                        SHOWN_VAULT);
    assert_string_equal(vault->display_name, "live");
    assert_null(vault->metadata);
    vf_vault_spec_free(vault);

    vault =
        parse_vault("{\"metadata\":{\"team\":\"b\",\"x\":\"y\"},"
                    "\"later\":[1],\"updated_at\":\"2026-05-18T15:34:35Z\"}",
                    SHOWN_VAULT);
    assert_null(vault->display_name);
    assert_json(vault->metadata, "{\"team\":\"b\",\"x\":\"y\"}");
    vf_vault_spec_free(vault);
}

static void what_of_a_vault_cannot_change_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *param;
        const char *part;
    } rows[] = {
        {"{\"id\":\"vault_2\"}", "id", "cannot be changed"},
        {"{\"later\":[2]}", "later", "cannot be changed"},
        {"{\"sooner\":[1]}", "sooner", "unknown field"},
        {"{\"display_name\":\"\"}", "display_name", "must not be empty"},
        {"{\"display_name\":null}", "display_name", "must be a string"},
        {"{\"metadata\":{\"team\":1}}", "metadata.team", "must be a string"},
        {"{\"credentials\":[]}", "credentials", "is a file"},
        {WITH(NESTED("")), "credentials", "is a file"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_vault_refused(rows[i].text, SHOWN_VAULT, rows[i].param,
                             rows[i].part);
}

static void what_is_shown_of_a_vault_need_not_be_good(void **state)
{
    static const char shown[] = "{\"display_name\":\"\",\"metadata\":null,"
                                "\"status\":\"active\",\"credentials\":[]}";
    struct vf_vault_spec *vault = parse_vault(shown, shown);

    assert_null(vault->metadata);
    assert_int_equal(vault->count, 0);
    vf_vault_spec_free(vault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_vault_spec_is_optional),
        cmocka_unit_test(it_has_credentials_in_either_form),
        cmocka_unit_test(what_is_no_vault_spec_is_refused_and_named),
        cmocka_unit_test(no_two_credentials_are_one),
        cmocka_unit_test(it_has_at_most_a_hundred_credentials),
        cmocka_unit_test(its_name_and_metadata_have_limits),
        cmocka_unit_test(it_has_a_largest_size),
        cmocka_unit_test(a_vault_as_read_can_be_edited),
        cmocka_unit_test(what_of_a_vault_cannot_change_is_named),
        cmocka_unit_test(what_is_shown_of_a_vault_need_not_be_good),
    };

    return cmocka_run_group_tests_name("W-vault", tests, NULL, NULL);
}
