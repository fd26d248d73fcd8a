/* SPDX-License-Identifier: MIT
 *
 * The whole module, with sources as users have them.
 */
#include "sources.h"

#include "vaultfs/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "pt-9f3c-canary"
#define PATIENCE_MS 60000

static const char *const defaults[] = {"VF_TEST_FIRST", "VF_TEST_SECOND", NULL};

static struct vf_auth *open_auth(const struct vf_auth_options *options)
{
    struct vf_auth *auth = NULL;
    struct vf_error err = {0};
    int result = vf_auth_new(options, &auth, &err);

    assert_string_equal(err.message, "");
    assert_int_equal(result, 0);
    return auth;
}

/* Returns its generation. */
static unsigned expect_token(struct vf_auth *auth, const char *expected)
{
    struct vf_secret *token = NULL;
    unsigned generation = 0;

    assert_int_equal(vf_auth_token(auth, vf_clock_monotonic_ms() + PATIENCE_MS,
                                   &token, &generation, NULL),
                     0);
    assert_int_equal(vf_secret_size(token), strlen(expected));
    assert_memory_equal(vf_secret_data(token), expected, strlen(expected));
    vf_secret_unref(token);
    return generation;
}

static int refuse(struct vf_auth *auth, unsigned generation,
                  struct vf_error *err)
{
    const struct vf_error refusal = {.code = EKEYREJECTED,
                                     .message = "refused"};

    return vf_auth_refused(auth, generation, &refusal,
                           vf_clock_monotonic_ms() + PATIENCE_MS, err);
}

static void a_variable_is_wiped_from_the_environment_block(void **state)
{
    /* A block as execve() makes one: the kernel shows these very bytes. */
    char entry[] = "VF_TEST_NAMED=" TOKEN;
    char empty[sizeof(TOKEN)] = {0};
    struct vf_auth_options options = sources_nothing();

    options.token_env = "VF_TEST_NAMED";
    assert_int_equal(putenv(entry), 0);
    struct vf_auth *auth = open_auth(&options);
    assert_null(getenv("VF_TEST_NAMED"));
    assert_memory_equal(entry + strlen("VF_TEST_NAMED="), empty, sizeof(empty));
    (void)expect_token(auth, TOKEN);
    assert_string_equal(vf_auth_source(auth),
                        "environment variable VF_TEST_NAMED");
    vf_auth_free(auth);
}

/* A token in the environment is as secret when another one is used, or none
 * is. */
static void every_variable_is_wiped_whatever_the_source(void **state)
{
    static const char *const others[] = {"VF_TEST_OTHER", NULL};
    struct vf_auth_options options = sources_nothing();
    const char *const files[] = {sources_write("token", "pt-file"), NULL,
                                 sources_path("absent")};
    char empty[sizeof(TOKEN)] = {0};

    options.token_env = "VF_TEST_NAMED";
    options.default_env = defaults;
    options.other_env = others;
    for (size_t i = 0; i < 3; i++) {
        char entries[][40] = {"VF_TEST_NAMED=" TOKEN, "VF_TEST_FIRST=" TOKEN,
                              "VF_TEST_SECOND=" TOKEN, "VF_TEST_OTHER=" TOKEN};
        struct vf_auth *auth = NULL;

        for (size_t k = 0; k < 4; k++)
            assert_int_equal(putenv(entries[k]), 0);
        options.token_file = files[i];
        assert_int_equal(vf_auth_new(&options, &auth, NULL),
                         i == 2 ? -ENOENT : 0);
        vf_auth_free(auth);
        for (size_t k = 0; k < 4; k++) {
            char *value = strchr(entries[k], '=') + 1;

            assert_memory_equal(value, empty, sizeof(empty));
            value[-1] = '\0';
            assert_null(getenv(entries[k]));
        }
    }
}

static void a_token_file_that_changed_is_taken_up_by_the_next_request(
    void **state)
{
    struct vf_auth_options options = sources_nothing();

    options.token_file = sources_write("token", "pt-old");
    struct vf_auth *auth = open_auth(&options);
    unsigned first = expect_token(auth, "pt-old");
    (void)sources_write("token", "pt-new");
    assert_true(expect_token(auth, "pt-new") > first);
    assert_int_equal(refuse(auth, first, NULL), 0);
    (void)expect_token(auth, "pt-new");
    vf_auth_free(auth);
}

static void a_refused_token_asks_the_command_again(void **state)
{
    struct vf_auth_options options = sources_nothing();
    char command[300] = "cat ";

    (void)strcat(command, sources_write("output", "pt-old"));
    options.token_command = command;
    struct vf_auth *auth = open_auth(&options);
    unsigned first = expect_token(auth, "pt-old");
    (void)sources_write("output", "pt-new");
    assert_int_equal(refuse(auth, first, NULL), 0);
    assert_true(expect_token(auth, "pt-new") > first);
    vf_auth_free(auth);
}

static void a_variable_cannot_give_another_token(void **state)
{
    struct vf_auth_options options = sources_nothing();
    struct vf_error err = {0};

    options.token_env = "VF_TEST_NAMED";
    assert_int_equal(setenv("VF_TEST_NAMED", TOKEN, 1), 0);
    struct vf_auth *auth = open_auth(&options);
    assert_int_equal(setenv("VF_TEST_NAMED", "pt-other", 1), 0);
    assert_int_equal(refuse(auth, expect_token(auth, TOKEN), &err),
                     -EKEYREJECTED);
    assert_non_null(strstr(err.message, "VF_TEST_NAMED"));
    assert_null(strstr(err.message, CANARY));
    vf_auth_free(auth);
    assert_int_equal(unsetenv("VF_TEST_NAMED"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_is_wiped_from_the_environment_block),
        cmocka_unit_test(every_variable_is_wiped_whatever_the_source),
        cmocka_unit_test(
            a_token_file_that_changed_is_taken_up_by_the_next_request),
        cmocka_unit_test(a_refused_token_asks_the_command_again),
        cmocka_unit_test(a_variable_cannot_give_another_token),
    };

    return cmocka_run_group_tests(tests, sources_make_directory,
                                  sources_remove_directory);
}
