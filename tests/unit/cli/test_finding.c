/* SPDX-License-Identifier: MIT */
#include "finding.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/json.h"
#include "vaultfs/text.h"

static void assert_json(const struct vf_finding *finding, const char *expected)
{
    struct vf_buf out = VF_BUF_INIT;
    struct vf_json *parsed;

    assert_int_equal(vf_finding_put_json(finding, &out), 0);
    assert_int_equal(vf_json_parse(out.data, out.size, &parsed, NULL), 0);
    assert_string_equal(out.data, expected);
    vf_json_free(parsed);
    vf_buf_free(&out);
}

static void assert_text(void (*put)(const struct vf_finding *, struct vf_buf *),
                        const struct vf_finding *finding, const char *expected)
{
    struct vf_buf out = VF_BUF_INIT;

    vf_buf_puts(&out, "");
    put(finding, &out);
    assert_string_equal(out.data, expected);
    vf_buf_free(&out);
}

static const struct vf_finding accepted = {
    .service = "https://h.example/p",
    .dialect = "qoder",
    .token_source = "token file /t",
    .expires_s = 1790000000,
    .is_accepted = true,
    .account = {.name = "me", .scopes = "vaults:read, vaults:write"},
};

static void what_was_accepted_is_told_with_what_is_known_of_it(void **state)
{
    assert_text(vf_finding_put_question, &accepted,
                "service: https://h.example/p\n"
                "dialect: qoder\n"
                "token:   token file /t\n"
                "expires: 2026-09-21T14:13:20Z\n");
    assert_text(vf_finding_put_answer, &accepted,
                "access:  accepted\n"
                "account: me\n"
                "scopes:  vaults:read, vaults:write\n");
    assert_json(&accepted, "{\n"
                           "  \"service\": \"https://h.example/p\",\n"
                           "  \"dialect\": \"qoder\",\n"
                           "  \"token\": {\n"
                           "    \"source\": \"token file /t\",\n"
                           "    \"expires_at\": \"2026-09-21T14:13:20Z\"\n"
                           "  },\n"
                           "  \"accepted\": true,\n"
                           "  \"account\": \"me\",\n"
                           "  \"scopes\": \"vaults:read, vaults:write\"\n"
                           "}\n");
}

static void what_is_not_known_is_left_out_or_null(void **state)
{
    const struct vf_finding finding = {
        .service = "local",
        .err = {.code = ENOKEY,
                .type = "auth_not_configured",
                .message = "no access token"},
    };

    assert_text(vf_finding_put_question, &finding, "service: local\n");
    assert_text(vf_finding_put_answer, &finding, "");
    assert_json(&finding, "{\n"
                          "  \"service\": \"local\",\n"
                          "  \"dialect\": null,\n"
                          "  \"token\": {\n"
                          "    \"source\": null\n"
                          "  },\n"
                          "  \"accepted\": false,\n"
                          "  \"error\": {\n"
                          "    \"errno\": \"ENOKEY\",\n"
                          "    \"http_status\": 0,\n"
                          "    \"type\": \"auth_not_configured\",\n"
                          "    \"message\": \"no access token\",\n"
                          "    \"param\": \"\",\n"
                          "    \"request_id\": \"\"\n"
                          "  }\n"
                          "}\n");
}

/* Paths are any bytes, and a service's words may be made to deceive. */
static void any_bytes_make_an_object_that_shows_them(void **state)
{
    const struct vf_finding finding = {
        .service = "unix:/\xFF\n\"",
        .err = {.code = EACCES,
                .http_status = 403,
                .message = "\x1B[31m \xE2\x80\xAE",
                .request_id = "r"},
    };

    assert_text(vf_finding_put_question, &finding,
                "service: unix:/\\xFF\\x0A\"\n");
    assert_json(&finding,
                "{\n"
                "  \"service\": \"unix:/\\\\xFF\\\\x0A\\\"\",\n"
                "  \"dialect\": null,\n"
                "  \"token\": {\n"
                "    \"source\": null\n"
                "  },\n"
                "  \"accepted\": false,\n"
                "  \"error\": {\n"
                "    \"errno\": \"EACCES\",\n"
                "    \"http_status\": 403,\n"
                "    \"type\": \"\",\n"
                "    \"message\": \"\\\\x1B[31m \\\\xE2\\\\x80\\\\xAE\",\n"
                "    \"param\": \"\",\n"
                "    \"request_id\": \"r\"\n"
                "  }\n"
                "}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_accepted_is_told_with_what_is_known_of_it),
        cmocka_unit_test(what_is_not_known_is_left_out_or_null),
        cmocka_unit_test(any_bytes_make_an_object_that_shows_them),
    };

    return cmocka_run_group_tests_name("finding", tests, NULL, NULL);
}
