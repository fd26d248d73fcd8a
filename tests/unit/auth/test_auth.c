/* SPDX-License-Identifier: MIT */
#include "vaultfs/auth.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "pt-9f3c-canary"

static char directory[] = "/tmp/vf-test-auth-XXXXXX";
static const char *const defaults[] = {"VF_TEST_FIRST", "VF_TEST_SECOND", NULL};

static const char *path_of(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static const char *write_file(const char *name, const char *bytes, size_t size,
                              mode_t mode)
{
    const char *path = path_of(name);

    (void)unlink(path); /* it may belong to another user by now */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
    return path;
}

static void assert_token(struct vf_auth *auth, const char *expected)
{
    struct vf_secret *token;
    unsigned generation;

    vf_auth_token(auth, &token, &generation);
    assert_int_equal(vf_secret_size(token), strlen(expected));
    assert_memory_equal(vf_secret_data(token), expected, strlen(expected));
    vf_secret_unref(token);
}

static unsigned generation_of(struct vf_auth *auth)
{
    struct vf_secret *token;
    unsigned generation;

    vf_auth_token(auth, &token, &generation);
    vf_secret_unref(token);
    return generation;
}

static struct vf_auth *open_file(const char *path)
{
    const struct vf_auth_options options = {.token_file = path};
    struct vf_auth *auth = NULL;

    assert_int_equal(vf_auth_new(&options, &auth, NULL), 0);
    return auth;
}

static void refuse(const struct vf_auth_options *options, int code,
                   struct vf_error *err)
{
    struct vf_auth *auth = NULL;

    assert_int_equal(vf_auth_new(options, &auth, err), -code);
    assert_null(auth);
    assert_int_equal(err->code, code);
    assert_null(strstr(err->message, "canary"));
}

static void refuse_file(const char *path, int code, struct vf_error *err)
{
    const struct vf_auth_options options = {.token_file = path};

    refuse(&options, code, err);
}

static void a_token_file_is_one_line_with_or_without_its_end(void **state)
{
    static const char *const contents[] = {TOKEN, TOKEN "\n", TOKEN "\r\n"};

    for (size_t i = 0; i < 3; i++) {
        struct vf_auth *auth = open_file(
            write_file("token", contents[i], strlen(contents[i]), 0600));

        assert_token(auth, TOKEN);
        vf_auth_free(auth);
    }
}

static void what_cannot_be_a_token_is_refused_and_not_quoted(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"", 0},
        {"\n", 1},
        {"\r\n", 2},
        {"pt-canary x", 11},
        {"pt-canary\n\n", 11},
        {" pt-canary", 10},
        {"pt-canary\tx", 11},
        {"pt-canary\0x", 11},
        {"pt-canary\x7F", 10},
        {"pt-canary\xC3\xA9", 11},
        {"pt-canary\r\nX-Injected: 1", 24},
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refuse_file(write_file("token", bad[i].bytes, bad[i].size, 0600),
                    EINVAL, &err);
}

static void the_longest_token_is_taken_and_one_byte_more_is_refused(
    void **state)
{
    char *bytes = malloc(VF_AUTH_TOKEN_MAX + 2);
    struct vf_error err;

    assert_non_null(bytes);
    memset(bytes, 'x', VF_AUTH_TOKEN_MAX + 2);
    vf_auth_free(
        open_file(write_file("token", bytes, VF_AUTH_TOKEN_MAX, 0600)));
    refuse_file(write_file("token", bytes, VF_AUTH_TOKEN_MAX + 1, 0600), EINVAL,
                &err);
    refuse_file(write_file("token", bytes, VF_AUTH_TOKEN_MAX + 2, 0600), EINVAL,
                &err);
    free(bytes);
}

static void a_token_file_that_others_may_open_is_refused(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601};
    struct vf_error err;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        refuse_file(write_file("token", TOKEN, strlen(TOKEN), modes[i]), EACCES,
                    &err);
        assert_non_null(strstr(err.message, "chmod 600"));
    }
    vf_auth_free(open_file(write_file("token", TOKEN, strlen(TOKEN), 0400)));
}

static void a_token_file_of_another_user_is_refused(void **state)
{
    const char *path = write_file("token", TOKEN, strlen(TOKEN), 0600);
    struct vf_error err;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
    refuse_file(path, EACCES, &err);
}

static void a_symbolic_link_is_judged_by_what_it_points_to(void **state)
{
    char target[256];
    struct vf_error err;

    (void)snprintf(target, sizeof(target), "%s",
                   write_file("target", TOKEN, strlen(TOKEN), 0600));
    (void)unlink(path_of("link"));
    assert_int_equal(symlink(target, path_of("link")), 0);
    struct vf_auth *auth = open_file(path_of("link"));
    assert_token(auth, TOKEN);
    vf_auth_free(auth);
    assert_int_equal(chmod(target, 0644), 0);
    refuse_file(path_of("link"), EACCES, &err);
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
    struct vf_error err;

    refuse_file(directory, EINVAL, &err);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    refuse_file(path_of("fifo"), EINVAL, &err);
    refuse_file(path_of("absent"), ENOENT, &err);
    assert_non_null(strstr(err.message, "absent"));
}

static void a_relative_path_holds_after_the_directory_changed(void **state)
{
    (void)write_file("token", TOKEN, strlen(TOKEN), 0600);
    assert_int_equal(chdir(directory), 0);
    struct vf_auth *auth = open_file("token");
    assert_int_equal(chdir("/"), 0);
    (void)write_file("token", "pt-new", 6, 0600);
    assert_int_equal(vf_auth_refused(auth, generation_of(auth), NULL), 0);
    assert_token(auth, "pt-new");
    vf_auth_free(auth);
}

static void a_variable_is_wiped_from_the_environment_block(void **state)
{
    /* A block as execve() makes one: the kernel shows these very bytes. */
    char entry[] = "VF_TEST_NAMED=" TOKEN;
    char empty[sizeof(TOKEN)] = {0};
    const struct vf_auth_options options = {.token_env = "VF_TEST_NAMED"};
    struct vf_auth *auth;

    assert_int_equal(putenv(entry), 0);
    assert_int_equal(vf_auth_new(&options, &auth, NULL), 0);
    assert_null(getenv("VF_TEST_NAMED"));
    assert_memory_equal(entry + strlen("VF_TEST_NAMED="), empty, sizeof(empty));
    assert_token(auth, TOKEN);
    assert_string_equal(vf_auth_source(auth),
                        "environment variable VF_TEST_NAMED");
    vf_auth_free(auth);
}

static void a_named_variable_that_is_unset_or_empty_is_an_error(void **state)
{
    const struct vf_auth_options options = {.token_env = "VF_TEST_NAMED",
                                            .default_env = defaults};
    struct vf_error err;

    assert_int_equal(setenv("VF_TEST_FIRST", TOKEN, 1), 0);
    assert_int_equal(unsetenv("VF_TEST_NAMED"), 0);
    for (int i = 0; i < 2; i++) {
        refuse(&options, ENOKEY, &err);
        assert_string_equal(err.type,
                            "auth_access_token_env_var_not_configured");
        assert_non_null(strstr(err.message, "VF_TEST_NAMED"));
        assert_int_equal(setenv("VF_TEST_NAMED", "", 1), 0);
    }
    assert_int_equal(unsetenv("VF_TEST_NAMED"), 0);
    assert_int_equal(unsetenv("VF_TEST_FIRST"), 0);
}

static void the_first_source_that_is_configured_wins(void **state)
{
    struct vf_auth_options options = {
        .token_file = write_file("token", "pt-file", 7, 0600),
        .token_env = "VF_TEST_NAMED",
        .default_env = defaults,
    };
    static const char *const expected[] = {"pt-file", "pt-named", "pt-second"};
    struct vf_auth *auth;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(setenv("VF_TEST_NAMED", "pt-named", 1), 0);
        assert_int_equal(setenv("VF_TEST_FIRST", "", 1), 0);
        assert_int_equal(setenv("VF_TEST_SECOND", "pt-second", 1), 0);
        assert_int_equal(vf_auth_new(&options, &auth, NULL), 0);
        assert_token(auth, expected[i]);
        vf_auth_free(auth);
        if (options.token_file == NULL)
            options.token_env = NULL;
        options.token_file = NULL;
    }
    assert_int_equal(unsetenv("VF_TEST_NAMED"), 0);
}

/* A token in the environment is as secret when another one is used. */
static void every_variable_is_wiped_whatever_the_source(void **state)
{
    static const char *const others[] = {"VF_TEST_OTHER", NULL};
    struct vf_auth_options options = {
        .token_file = write_file("token", "pt-file", 7, 0600),
        .token_env = "VF_TEST_NAMED",
        .default_env = defaults,
        .other_env = others,
    };
    char empty[sizeof(TOKEN)] = {0};
    struct vf_auth *auth;

    for (size_t i = 0; i < 3; i++) {
        char entries[][40] = {"VF_TEST_NAMED=" TOKEN, "VF_TEST_FIRST=" TOKEN,
                              "VF_TEST_SECOND=" TOKEN, "VF_TEST_OTHER=" TOKEN};
        const size_t from = options.token_env != NULL ? 0 : 1;

        for (size_t k = from; k < 4; k++)
            assert_int_equal(putenv(entries[k]), 0);
        assert_int_equal(vf_auth_new(&options, &auth, NULL), 0);
        vf_auth_free(auth);
        for (size_t k = from; k < 4; k++) {
            const char *value = strchr(entries[k], '=') + 1;

            assert_memory_equal(value, empty, sizeof(empty));
        }
        assert_null(getenv("VF_TEST_NAMED"));
        assert_null(getenv("VF_TEST_FIRST"));
        assert_null(getenv("VF_TEST_SECOND"));
        assert_null(getenv("VF_TEST_OTHER"));
        if (options.token_file == NULL)
            options.token_env = NULL;
        options.token_file = NULL;
    }
}

static void without_a_source_the_message_says_how_to_give_one(void **state)
{
    const struct vf_auth_options options = {.default_env = defaults};
    const struct vf_auth_options nothing = {0};
    struct vf_error err;

    refuse(&options, ENOKEY, &err);
    assert_string_equal(err.type, "auth_not_configured");
    assert_non_null(strstr(err.message, "--token-file"));
    assert_non_null(strstr(err.message, "VF_TEST_FIRST or VF_TEST_SECOND"));
    refuse(&nothing, ENOKEY, &err);
    assert_string_equal(err.type, "auth_not_configured");
}

static void a_refused_token_file_is_read_again(void **state)
{
    const char *path = write_file("token", "pt-old", 6, 0600);
    struct vf_auth *auth = open_file(path);
    unsigned first = generation_of(auth);
    struct vf_error err;

    assert_int_equal(vf_auth_refused(auth, first, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(generation_of(auth), first);

    (void)write_file("token", "pt-new", 6, 0600);
    assert_int_equal(vf_auth_refused(auth, first, &err), 0);
    assert_token(auth, "pt-new");
    assert_true(generation_of(auth) > first);
    vf_auth_free(auth);
}

static void a_token_that_was_replaced_needs_no_source_any_more(void **state)
{
    struct vf_auth *auth = open_file(write_file("token", "pt-old", 6, 0600));
    unsigned first = generation_of(auth);

    (void)write_file("token", "pt-new", 6, 0600);
    assert_int_equal(vf_auth_refused(auth, first, NULL), 0);
    assert_int_equal(unlink(path_of("token")), 0);
    assert_int_equal(vf_auth_refused(auth, first, NULL), 0);
    assert_token(auth, "pt-new");
    vf_auth_free(auth);
}

static void a_source_that_broke_keeps_the_old_token_and_says_why(void **state)
{
    struct vf_auth *auth = open_file(write_file("token", TOKEN, 14, 0600));
    struct vf_error err;

    (void)write_file("token", "pt-new", 6, 0644);
    assert_int_equal(vf_auth_refused(auth, generation_of(auth), &err),
                     -EKEYREJECTED);
    assert_non_null(strstr(err.message, "chmod 600"));
    assert_token(auth, TOKEN);
    vf_auth_free(auth);
}

static void a_variable_cannot_give_another_token(void **state)
{
    const struct vf_auth_options options = {.token_env = "VF_TEST_NAMED"};
    struct vf_auth *auth;
    struct vf_error err;

    assert_int_equal(setenv("VF_TEST_NAMED", TOKEN, 1), 0);
    assert_int_equal(vf_auth_new(&options, &auth, NULL), 0);
    assert_int_equal(setenv("VF_TEST_NAMED", "pt-other", 1), 0);
    assert_int_equal(vf_auth_refused(auth, generation_of(auth), &err),
                     -EKEYREJECTED);
    assert_token(auth, TOKEN);
    vf_auth_free(auth);
    assert_int_equal(unsetenv("VF_TEST_NAMED"), 0);
}

static int make_directory(void **state)
{
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"token", "target", "link", "fifo"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(path_of(names[i]));
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_file_is_one_line_with_or_without_its_end),
        cmocka_unit_test(what_cannot_be_a_token_is_refused_and_not_quoted),
        cmocka_unit_test(
            the_longest_token_is_taken_and_one_byte_more_is_refused),
        cmocka_unit_test(a_token_file_that_others_may_open_is_refused),
        cmocka_unit_test(a_token_file_of_another_user_is_refused),
        cmocka_unit_test(a_symbolic_link_is_judged_by_what_it_points_to),
        cmocka_unit_test(what_is_no_regular_file_is_refused_without_waiting),
        cmocka_unit_test(a_relative_path_holds_after_the_directory_changed),
        cmocka_unit_test(a_variable_is_wiped_from_the_environment_block),
        cmocka_unit_test(a_named_variable_that_is_unset_or_empty_is_an_error),
        cmocka_unit_test(the_first_source_that_is_configured_wins),
        cmocka_unit_test(every_variable_is_wiped_whatever_the_source),
        cmocka_unit_test(without_a_source_the_message_says_how_to_give_one),
        cmocka_unit_test(a_refused_token_file_is_read_again),
        cmocka_unit_test(a_token_that_was_replaced_needs_no_source_any_more),
        cmocka_unit_test(a_source_that_broke_keeps_the_old_token_and_says_why),
        cmocka_unit_test(a_variable_cannot_give_another_token),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
