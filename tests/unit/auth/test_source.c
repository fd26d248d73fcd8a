/* SPDX-License-Identifier: MIT */
#include "sources.h"

#include "vaultfs/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const defaults[] = {"VF_TEST_FIRST", "VF_TEST_SECOND",
                                       "VF_TEST_THIRD", NULL};

static void expect_found(const struct vf_auth_options *options,
                         const char *description)
{
    struct vf_auth_source *source = sources_find(options);

    assert_memory_equal(vf_auth_source_description(source), description,
                        strlen(description));
    vf_auth_source_free(source);
}

/* Nothing of it needs to exist, and none is read. */
static void the_first_source_that_is_configured_wins(void **state)
{
    const struct vf_http_options exchange = {.base_url = "https://x.example"};
    struct vf_auth_options options = {
        .token_file = "/absent/token",
        .token_fd = 1000,
        .token_command = "exit 1",
        .key_file = "/absent/key",
        .exchange = &exchange,
        .token_env = "VF_TEST_NAMED",
        .default_env = defaults,
    };

    assert_int_equal(setenv("VF_TEST_SECOND", "x", 1), 0);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", sources_path(""), 1), 0);
    (void)sources_write("vaultfs-token", "x");
    expect_found(&options, "token file /absent/token");
    options.token_file = NULL;
    expect_found(&options, "descriptor 1000");
    options.token_fd = -1;
    expect_found(&options, "token command");
    options.token_command = NULL;
    expect_found(&options, "service account key file /absent/key");
    options.key_file = NULL;
    expect_found(&options, "environment variable VF_TEST_NAMED");
    options.token_env = NULL;
    expect_found(&options, "credential vaultfs-token");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    expect_found(&options, "environment variable ");
    assert_int_equal(unsetenv("VF_TEST_SECOND"), 0);
}

static void without_a_source_the_message_says_how_to_give_one(void **state)
{
    struct vf_auth_options options = sources_nothing();
    struct vf_auth_source *source = NULL;
    struct vf_error err;

    assert_int_equal(vf_auth_source_find(&options, &source, &err), -ENOKEY);
    assert_string_equal(err.type, "auth_not_configured");
    assert_string_equal(
        err.message, "no access token: give --token-file FILE, --token-fd N, "
                     "--token-command CMD, --service-account-key-file FILE or "
                     "--token-env NAME");
    options.default_env = defaults;
    options.env_file = NULL;
    assert_int_equal(vf_auth_source_find(&options, &source, &err), -ENOKEY);
    assert_non_null(strstr(err.message, ", or set VF_TEST_FIRST, "
                                        "VF_TEST_SECOND or VF_TEST_THIRD"));
    assert_int_equal(vf_auth_source_find(&options, &source, NULL), -ENOKEY);
    assert_null(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_source_that_is_configured_wins),
        cmocka_unit_test(without_a_source_the_message_says_how_to_give_one),
    };

    return cmocka_run_group_tests(tests, sources_make_directory,
                                  sources_remove_directory);
}
