/* SPDX-License-Identifier: MIT */
#include "complain.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_says(const struct vf_error *err, const char *expected)
{
    struct vf_buf text = VF_BUF_INIT;

    vf_complain_text(err, &text);
    assert_string_equal(text.data, expected);
    vf_buf_free(&text);
}

static void a_code_of_ours_comes_first(void **state)
{
    assert_says(&(struct vf_error){.code = ENOKEY,
                                   .type = "auth_not_configured",
                                   .message = "no access token"},
                "auth_not_configured: no access token");
    assert_says(&(struct vf_error){.code = EPERM}, "Operation not permitted");
}

static void the_errno_is_told_where_it_is_news(void **state)
{
    assert_says(&(struct vf_error){.code = ECONNREFUSED, .message = "h: no"},
                "h: no (Connection refused)");
    assert_says(&(struct vf_error){.code = ENOENT,
                                   .message = "f: No such file or directory"},
                "f: No such file or directory");
    assert_says(&(struct vf_error){.code = EINVAL, .message = "bad"}, "bad");
    assert_says(&(struct vf_error){.code = ECHILD, .message = "it failed"},
                "it failed");
}

static void a_reply_is_told_with_its_status_and_request(void **state)
{
    assert_says(&(struct vf_error){.code = EACCES,
                                   .http_status = 403,
                                   .type = "permission_error",
                                   .message = "not yours",
                                   .request_id = "r-1"},
                "not yours (Permission denied; HTTP 403; type "
                "permission_error; request id r-1)");
    assert_says(&(struct vf_error){.code = EREMOTEIO, .http_status = 502},
                "Remote I/O error (Remote I/O error; HTTP 502)");
}

static void what_a_server_sends_cannot_drive_the_terminal(void **state)
{
    assert_says(&(struct vf_error){.code = EINVAL,
                                   .http_status = 400,
                                   .type = "a\x1B[31m",
                                   .message = "b\nc\x07",
                                   .request_id = "\xE2\x80\xAE"},
                "b\\x0Ac\\x07 (Invalid argument; HTTP 400; type a\\x1B[31m; "
                "request id \\xE2\\x80\\xAE)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_of_ours_comes_first),
        cmocka_unit_test(the_errno_is_told_where_it_is_news),
        cmocka_unit_test(a_reply_is_told_with_its_status_and_request),
        cmocka_unit_test(what_a_server_sends_cannot_drive_the_terminal),
    };

    return cmocka_run_group_tests_name("complain", tests, NULL, NULL);
}
