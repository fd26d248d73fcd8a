/* SPDX-License-Identifier: MIT
 *
 * What an update cannot do is refused by name, and nothing else is.
 */
#include "change.h"

#include "vaultfs/secret.h"
#include "vaultfs/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define URL "\"mcp_server_url\":\"https://h/\""
#define OAUTH(more) "{\"auth\":{\"type\":\"mcp_oauth\"," URL more "}}"
#define VARIABLE(more)                                                         \
    "{\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"A\"" more  \
    "}}"
#define REFRESH(fields) OAUTH(",\"refresh\":{" fields "}")
#define CLIENT "\"client_id\":\"c\","
#define ENDPOINT "\"token_endpoint\":\"https://h/t\","
#define NO_AUTH "\"token_endpoint_auth\":{\"type\":\"none\"}"
#define SECRET ",\"refresh_token\":\"r\""

/* What a user writes: the above with its secret. */
#define W_OAUTH(more) OAUTH(",\"access_token\":\"a\"" more)
#define W_REFRESH(fields)                                                      \
    OAUTH(",\"access_token\":\"a\",\"refresh\":{" fields "}")
#define W_VARIABLE(more) VARIABLE(",\"secret_value\":\"v\"" more)

#define OPEN ",\"networking\":{\"type\":\"unrestricted\"}"
#define LIMITED                                                                \
    ",\"networking\":{\"type\":\"limited\",\"allowed_hosts\":[\"a\",\"b\"]}"
#define LIMITED_TURNED                                                         \
    ",\"networking\":{\"allowed_hosts\":[\"a\",\"b\"],\"type\":\"limited\"}"

#define SCOPE ",\"scope\":\"read\""
#define RESOURCE ",\"resource\":\"r\""
#define NO_RESOURCE ",\"resource\":null,\"scope\":null"

static int check(const char *written, const char *shown, struct vf_error *err)
{
    struct vf_json *current = NULL;
    struct vf_spec *spec = NULL;

    assert_int_equal(
        vf_spec_parse(written, strlen(written), NULL, 0, &spec, NULL), 0);
    if (shown != NULL)
        assert_int_equal(vf_json_parse(shown, strlen(shown), &current, NULL),
                         0);
    int result = vf_change_check(vf_dialect_qoder.fields, spec, current, err);
    vf_json_free(current);
    vf_spec_free(spec);
    return result;
}

static void W_rotate_what_cannot_change_is_refused_by_name(void **state)
{
    static const struct {
        const char *written, *shown, *message;
    } cases[] = {
        {W_REFRESH("\"client_id\":\"d\"," ENDPOINT NO_AUTH SECRET),
         REFRESH(CLIENT ENDPOINT NO_AUTH),
         "auth.refresh.client_id cannot be changed"},
        {W_REFRESH(CLIENT "\"token_endpoint\":\"https://h/u\"," NO_AUTH SECRET),
         REFRESH(CLIENT ENDPOINT NO_AUTH),
         "auth.refresh.token_endpoint cannot be changed"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET ",\"resource\":\"s\""),
         REFRESH(CLIENT ENDPOINT NO_AUTH RESOURCE),
         "auth.refresh.resource cannot be changed"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET RESOURCE),
         REFRESH(CLIENT ENDPOINT NO_AUTH NO_RESOURCE),
         "auth.refresh.resource cannot be added"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET RESOURCE),
         REFRESH(CLIENT ENDPOINT NO_AUTH),
         "auth.refresh.resource cannot be added"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET),
         REFRESH(CLIENT ENDPOINT NO_AUTH RESOURCE),
         "auth.refresh.resource cannot be taken away"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET),
         REFRESH(CLIENT ENDPOINT NO_AUTH SCOPE),
         "auth.refresh.scope cannot be taken away"},
        {W_OAUTH(""), REFRESH(CLIENT ENDPOINT NO_AUTH),
         "auth.refresh cannot be taken away"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET), OAUTH(""),
         "auth.refresh cannot be added"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET), OAUTH(",\"refresh\":null"),
         "auth.refresh cannot be added"},
        {W_VARIABLE(OPEN), VARIABLE(LIMITED),
         "auth.networking cannot be changed"},
        {W_VARIABLE(",\"injection_location\":{\"header\":true}"),
         VARIABLE(",\"injection_location\":{\"header\":false}"),
         "auth.injection_location cannot be changed"},
    };
    struct vf_error err;

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size = strcspn(cases[i].message, " ");

        assert_int_equal(check(cases[i].written, cases[i].shown, &err),
                         -EINVAL);
        assert_memory_equal(err.message, cases[i].message,
                            strlen(cases[i].message));
        assert_non_null(strstr(err.message, "delete the credential"));
        assert_int_equal(strlen(err.param), size);
        assert_memory_equal(err.param, cases[i].message, size);
    }
}

static void W_rotate_what_is_equal_or_can_change_is_taken(void **state)
{
    static const struct {
        const char *written, *shown;
    } cases[] = {
        {W_OAUTH(""), OAUTH("")},
        {W_OAUTH(""), OAUTH(",\"expires_at\":null")},
        {W_OAUTH(""), OAUTH(",\"expires_at\":\"2030-01-01T00:00:00Z\"")},
        {W_OAUTH(",\"expires_at\":\"2031-01-01T00:00:00Z\""),
         OAUTH(",\"expires_at\":\"2030-01-01T00:00:00Z\"")},
        {W_OAUTH(",\"expires_at\":\"2031-01-01T00:00:00Z\""), OAUTH("")},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET SCOPE RESOURCE),
         REFRESH(CLIENT ENDPOINT NO_AUTH SCOPE RESOURCE)},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET SCOPE),
         REFRESH(CLIENT ENDPOINT NO_AUTH ",\"scope\":\"write\"")},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET SCOPE),
         REFRESH(CLIENT ENDPOINT NO_AUTH NO_RESOURCE)},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET),
         REFRESH(CLIENT ENDPOINT
                 "\"token_endpoint_auth\":{\"type\":\"client_secret_post\"}")},
        {W_VARIABLE(LIMITED), VARIABLE(LIMITED_TURNED)},
        {W_VARIABLE(""), VARIABLE("")},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        if (check(cases[i].written, cases[i].shown, NULL) < 0)
            fail_msg("%s over %s", cases[i].written, cases[i].shown);
}

/* A service that shows less, or has values of its own, is not in the way. */
static void what_is_not_shown_is_no_difference(void **state)
{
    static const struct {
        const char *written, *shown;
    } cases[] = {
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET SCOPE RESOURCE), NULL},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET SCOPE RESOURCE), "{}"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET), "{\"auth\":\"hidden\"}"},
        {W_REFRESH(CLIENT ENDPOINT NO_AUTH SECRET), REFRESH("")},
        {W_VARIABLE(LIMITED), VARIABLE("")},
        {W_VARIABLE(""), VARIABLE(OPEN)},
        {W_VARIABLE(""), VARIABLE(",\"injection_location\":{\"body\":true}")},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        if (check(cases[i].written, cases[i].shown, NULL) < 0)
            fail_msg("%s over %s", cases[i].written,
                     cases[i].shown != NULL ? cases[i].shown : "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(W_rotate_what_cannot_change_is_refused_by_name),
        cmocka_unit_test(W_rotate_what_is_equal_or_can_change_is_taken),
        cmocka_unit_test(what_is_not_shown_is_no_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
