/* SPDX-License-Identifier: MIT */
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "pt-9f3c-canary"

static struct vf_auth_source *open_command(const char *text)
{
    struct vf_auth_options options = sources_nothing();

    options.token_command = text;
    return sources_find(&options);
}

/* A command that prints the file of this name, which then has this text. */
static struct vf_auth_source *open_printer(const char *text)
{
    static char command[300];

    (void)snprintf(command, sizeof(command), "cat %s",
                   sources_write("output", text));
    return open_command(command);
}

static void a_command_prints_a_token_again_and_again(void **state)
{
    struct vf_auth_source *source = open_printer(TOKEN "\n");

    assert_true(vf_auth_source_can_change(source));
    sources_expect(source, TOKEN, 0);
    assert_false(vf_auth_source_has_changed(source));
    (void)sources_write("output", "pt-another");
    sources_expect(source, "pt-another", 0);
    vf_auth_source_free(source);
}

static void json_has_the_token_and_may_tell_its_end(void **state)
{
    static const struct {
        const char *text;
        int64_t expires_s;
    } good[] = {
        {"{\"access_token\":\"" TOKEN "\"}", 0},
        {" \n\t{\"access_token\": \"" TOKEN "\", \"expires_at\": null}\n", 0},
        {"{\"access_token\":\"" TOKEN
         "\",\"expires_at\":\"2100-01-01T00:00:00Z\"}",
         4102444800},
        /* When it was issued nobody knows, so this does not count. */
        {"{\"access_token\":\"" TOKEN
         "\",\"expires_in\":1,\"other\":{\"access_token\":7}}",
         0},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct vf_auth_source *source = open_printer(good[i].text);

        sources_expect(source, TOKEN, good[i].expires_s);
        vf_auth_source_free(source);
    }
}

static void what_is_no_token_is_refused_and_not_quoted(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *words;
    } bad[] = {
        {"", EINVAL, "no token in token command"},
        {"\n", EINVAL, "no token"},
        {TOKEN "\nuser: me\n", EINVAL, "| head -n1"},
        {"{\"access_token\":\"" TOKEN "\"", EINVAL, "JSON"},
        {"{\"access_token\":\"" TOKEN "\",\"access_token\":\"x\"}", EINVAL,
         "second member"},
        {"{\"token\":\"" TOKEN "\"}", EINVAL, "access_token"},
        {"{\"access_token\":null}", EINVAL, "access_token is null"},
        {"{\"access_token\":\"\"}", EINVAL, "no token"},
        {"{\"access_token\":\"" TOKEN "\\u0000x\"}", EINVAL, "byte 14"},
        {"{\"access_token\":\"" TOKEN " x\"}", EINVAL, "byte 14"},
        {"{\"access_token\":\"" TOKEN "\",\"expires_at\":2}", EINVAL,
         "expires_at is a number"},
        {"{\"access_token\":\"" TOKEN "\",\"expires_at\":\"canary\"}", EINVAL,
         "expires_at is not a time"},
        {"{\"access_token\":\"" TOKEN
         "\",\"expires_at\":\"2100-01-01T00:00:00Z\\u0000\"}",
         EINVAL, "expires_at is not a time"},
        {"{\"access_token\":\"" TOKEN
         "\",\"expires_at\":\"2020-01-01T00:00:00Z\"}",
         EKEYEXPIRED, "2020-01-01T00:00:00Z"},
        {"{\"access_token\":\"" TOKEN
         "\",\"expires_at\":\"1970-01-01T00:00:00Z\"}",
         EKEYEXPIRED, "expired"},
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vf_auth_source *source = open_printer(bad[i].text);

        sources_refuse(source, bad[i].code, bad[i].words, &err);
        vf_auth_source_free(source);
    }
}

static void the_longest_token_fits_into_json(void **state)
{
    static char token[VF_AUTH_TOKEN_MAX + 1], text[VF_AUTH_TOKEN_MAX + 100];

    memset(token, 'x', VF_AUTH_TOKEN_MAX);
    (void)snprintf(text, sizeof(text), "{\"access_token\":\"%s\"}", token);
    struct vf_auth_source *source = open_printer(text);
    sources_expect(source, token, 0);
    vf_auth_source_free(source);
}

static void what_never_ends_is_cut_off(void **state)
{
    struct vf_auth_source *source = open_command("yes");
    struct vf_error err;

    sources_refuse(source, EINVAL, "131072 bytes", &err);
    vf_auth_source_free(source);
}

static void its_text_is_nowhere_shown(void **state)
{
    struct vf_auth_source *source =
        open_command("PASSWORD=canary false canary");
    struct vf_error err;

    assert_string_equal(vf_auth_source_description(source), "token command");
    sources_refuse(source, ECHILD, "exit status 1", &err);
    sources_refuse(source, ECHILD, "exit status 1", &err);
    vf_auth_source_free(source);
}

/* The first time somebody sits at the terminal; later only records are read. */
static void its_errors_are_shown_once_and_then_told(void **state)
{
    struct vf_auth_source *source = open_command(
        "echo pt-secret-canary; echo is pt-secret-canary bad >&2; exit 7");
    int before = dup(STDERR_FILENO), ends[2];
    char shown[64] = "";
    struct vf_auth_reading reading;
    struct vf_error err;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    int result = vf_auth_source_read(source, &reading, &err);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(before), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_true(read(ends[0], shown, sizeof(shown) - 1) > 0);
    assert_int_equal(close(ends[0]), 0);
    assert_string_equal(shown, "is pt-secret-canary bad\n");
    assert_int_equal(result, -ECHILD);
    assert_null(strstr(err.message, "bad"));
    sources_refuse(source, ECHILD, "exit status 7: is [...] bad", &err);
    vf_auth_source_free(source);
}

static void a_slow_one_is_killed(void **state)
{
    struct vf_auth_options options = sources_nothing();
    struct vf_error err;

    options.token_command = "sleep 1000";
    options.command_ms = 50;
    struct vf_auth_source *source = sources_find(&options);
    sources_refuse(source, ETIMEDOUT, "50 ms", &err);
    vf_auth_source_free(source);
}

static void *read_and_fail(void *source)
{
    static struct vf_error err;

    sources_refuse(source, ECANCELED, NULL, &err);
    return NULL;
}

static void to_cancel_ends_a_command_now_and_for_ever(void **state)
{
    int ends[2];
    char text[128], byte;
    pthread_t thread;
    struct vf_error err;

    assert_int_equal(pipe(ends), 0);
    (void)snprintf(text, sizeof(text), "echo >/proc/%d/fd/%d; sleep 1000",
                   (int)getpid(), ends[1]);
    struct vf_auth_source *source = open_command(text);
    assert_int_equal(pthread_create(&thread, NULL, read_and_fail, source), 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    vf_auth_source_cancel(source);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sources_refuse(source, ECANCELED, NULL, &err);
    vf_auth_source_free(source);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_prints_a_token_again_and_again),
        cmocka_unit_test(json_has_the_token_and_may_tell_its_end),
        cmocka_unit_test(what_is_no_token_is_refused_and_not_quoted),
        cmocka_unit_test(the_longest_token_fits_into_json),
        cmocka_unit_test(what_never_ends_is_cut_off),
        cmocka_unit_test(its_text_is_nowhere_shown),
        cmocka_unit_test(its_errors_are_shown_once_and_then_told),
        cmocka_unit_test(a_slow_one_is_killed),
        cmocka_unit_test(to_cancel_ends_a_command_now_and_for_ever),
    };

    return cmocka_run_group_tests(tests, sources_make_directory,
                                  sources_remove_directory);
}
