/* SPDX-License-Identifier: MIT */
#include "sources.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const defaults[] = {"VF_TEST_FIRST", "VF_TEST_SECOND", NULL};

static void set(const char *name, const char *value)
{
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name),
                     0);
}

static int unset_all(void **state)
{
    return unsetenv("VF_TEST_NAMED") + unsetenv("VF_TEST_FIRST") +
           unsetenv("VF_TEST_SECOND");
}

static struct vf_auth_options named(const char *env_file)
{
    struct vf_auth_options options = sources_nothing();

    options.token_env = "VF_TEST_NAMED";
    options.env_file = env_file;
    options.default_env = defaults;
    return options;
}

static struct vf_auth_options by_default(const char *env_file)
{
    struct vf_auth_options options = named(env_file);

    options.token_env = NULL;
    return options;
}

static void take(const struct vf_auth_options *options, const char *token,
                 const char *description)
{
    struct vf_auth_source *source = sources_find(options);

    sources_expect(source, token, 0);
    assert_string_equal(vf_auth_source_description(source), description);
    vf_auth_source_free(source);
}

static void refuse(const struct vf_auth_options *options, int code,
                   const char *words, const char *type)
{
    struct vf_auth_source *source = sources_find(options);
    struct vf_error err;

    sources_refuse(source, code, words, &err);
    assert_string_equal(err.type, type);
    vf_auth_source_free(source);
}

static void a_named_variable_is_read_at_the_start_alone(void **state)
{
    const struct vf_auth_options options = named(NULL);
    struct vf_error err;

    set("VF_TEST_NAMED", "pt-named");
    set("VF_TEST_FIRST", "pt-first");
    struct vf_auth_source *source = sources_find(&options);
    sources_expect(source, "pt-named", 0);
    assert_string_equal(vf_auth_source_description(source),
                        "environment variable VF_TEST_NAMED");
    assert_false(vf_auth_source_can_change(source));
    assert_false(vf_auth_source_has_changed(source));
    sources_refuse(source, ENOKEY, "only at the start", &err);
    vf_auth_source_free(source);
}

static void a_named_variable_that_is_unset_or_empty_is_an_error(void **state)
{
    static const char code[] = "auth_access_token_env_var_not_configured";
    static const char *const values[] = {NULL, ""};
    const struct vf_auth_options options = named(NULL);
    const struct vf_auth_options with_file =
        named(sources_write("env", "VF_TEST_NAMED=\nVF_TEST_FIRST=canary\n"));

    set("VF_TEST_FIRST", "pt-canary");
    for (size_t i = 0; i < 2; i++) {
        set("VF_TEST_NAMED", values[i]);
        refuse(&options, ENOKEY, "VF_TEST_NAMED", code);
        refuse(&with_file, ENOKEY, "/env does not have it", code);
    }
}

static void a_value_that_is_no_token_is_refused(void **state)
{
    const struct vf_auth_options options = named(NULL);

    set("VF_TEST_NAMED", "pt canary");
    refuse(&options, EINVAL, "environment variable VF_TEST_NAMED", "");
}

static void the_file_comes_before_the_environment(void **state)
{
    const char *path = sources_write("env", "VF_TEST_NAMED=pt-file\n"
                                            "VF_TEST_SECOND=pt-second\n");
    const struct vf_auth_options options = named(path);
    const struct vf_auth_options unnamed = by_default(path);
    char description[300];

    set("VF_TEST_NAMED", "pt-environment");
    set("VF_TEST_FIRST", "pt-first");
    (void)snprintf(description, sizeof(description), "VF_TEST_NAMED in %s",
                   path);
    take(&options, "pt-file", description);
    (void)snprintf(description, sizeof(description), "VF_TEST_SECOND in %s",
                   path);
    take(&unnamed, "pt-second", description);
}

static void what_the_file_lacks_the_environment_may_have(void **state)
{
    const char *path = sources_write("env", "OTHER=1\nVF_TEST_NAMED=\n");
    const struct vf_auth_options options = named(path);

    set("VF_TEST_NAMED", "pt-environment");
    struct vf_auth_source *source = sources_find(&options);
    sources_expect(source, "pt-environment", 0);
    assert_false(vf_auth_source_can_change(source));
    (void)sources_write("env", "VF_TEST_NAMED=pt-file\n");
    assert_false(vf_auth_source_has_changed(source));
    vf_auth_source_free(source);
}

static void a_file_that_gave_the_token_is_read_again(void **state)
{
    const struct vf_auth_options options =
        named(sources_write("env", "VF_TEST_NAMED=pt-one\n"));
    struct vf_auth_source *source = sources_find(&options);
    struct vf_error err;

    sources_expect(source, "pt-one", 0);
    assert_true(vf_auth_source_can_change(source));
    assert_false(vf_auth_source_has_changed(source));
    (void)sources_write("env", "VF_TEST_NAMED=pt-two\n");
    assert_true(vf_auth_source_has_changed(source));
    sources_expect(source, "pt-two", 0);

    set("VF_TEST_NAMED", "pt-canary"); /* too late */
    (void)sources_write("env", "OTHER=pt-canary\n");
    sources_refuse(source, ENOKEY, "VF_TEST_NAMED any more", &err);
    assert_false(vf_auth_source_has_changed(source));
    vf_auth_source_free(source);
}

static void the_file_is_judged_like_a_token_file(void **state)
{
    static const char text[] = "VF_TEST_NAMED=pt-canary\n";
    const struct vf_auth_options options =
        named(sources_write_bytes("env", text, strlen(text), 0644));

    set("VF_TEST_NAMED", "pt-environment");
    refuse(&options, EACCES, "env file", "");
    (void)sources_write("env", "VF_TEST_NAMED='pt-canary\n");
    refuse(&options, EINVAL, "line 1 of /", "");
    assert_int_equal(unlink(sources_path("env")), 0);
    refuse(&options, ENOENT, "env file", "");
    assert_int_equal(mkfifo(sources_path("env"), 0600), 0);
    refuse(&options, EINVAL, "regular", "");
    if (geteuid() == 0) {
        assert_int_equal(chown(sources_write("env", text), 12345, 12345), 0);
        refuse(&options, EACCES, "another user", "");
    }
}

static void a_file_may_be_large_but_not_endless(void **state)
{
    static char text[262145];
    struct vf_auth_options options;

    memset(text, '\n', sizeof(text));
    memcpy(text + sizeof(text) - 20, "VF_TEST_NAMED=pt-end", 20);
    options =
        named(sources_write_bytes("env", text + 1, sizeof(text) - 1, 0600));
    struct vf_auth_source *source = sources_find(&options);
    sources_expect(source, "pt-end", 0);
    vf_auth_source_free(source);
    (void)sources_write_bytes("env", text, sizeof(text), 0600);
    refuse(&options, EINVAL, "262144 bytes", "");
}

static void the_first_default_that_is_set_wins(void **state)
{
    const struct vf_auth_options options = by_default(NULL);

    set("VF_TEST_FIRST", "");
    set("VF_TEST_SECOND", "pt-second");
    take(&options, "pt-second", "environment variable VF_TEST_SECOND");
    set("VF_TEST_FIRST", "pt-first");
    take(&options, "pt-first", "environment variable VF_TEST_FIRST");
}

static void a_file_without_a_default_is_no_access(void **state)
{
    const struct vf_auth_options options =
        by_default(sources_write("env", "OTHER=pt-canary\n"));

    refuse(&options, ENOKEY, "VF_TEST_FIRST or VF_TEST_SECOND",
           "auth_not_configured");
    refuse(&options, ENOKEY, "/env", "auth_not_configured");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_named_variable_is_read_at_the_start_alone,
                                  unset_all),
        cmocka_unit_test_teardown(
            a_named_variable_that_is_unset_or_empty_is_an_error, unset_all),
        cmocka_unit_test_teardown(a_value_that_is_no_token_is_refused,
                                  unset_all),
        cmocka_unit_test_teardown(the_file_comes_before_the_environment,
                                  unset_all),
        cmocka_unit_test_teardown(what_the_file_lacks_the_environment_may_have,
                                  unset_all),
        cmocka_unit_test_teardown(a_file_that_gave_the_token_is_read_again,
                                  unset_all),
        cmocka_unit_test_teardown(the_file_is_judged_like_a_token_file,
                                  unset_all),
        cmocka_unit_test_teardown(a_file_may_be_large_but_not_endless,
                                  unset_all),
        cmocka_unit_test_teardown(the_first_default_that_is_set_wins,
                                  unset_all),
        cmocka_unit_test_teardown(a_file_without_a_default_is_no_access,
                                  unset_all),
    };

    return cmocka_run_group_tests(tests, sources_make_directory,
                                  sources_remove_directory);
}
