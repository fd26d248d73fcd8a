/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_same(const char *got, const char *expected)
{
    if (expected == NULL)
        assert_null(got);
    else
        assert_string_equal(got, expected);
}

static void each_source_has_its_address(void **state)
{
    static const struct {
        const char *text;
        struct {
            const char *base_url, *unix_socket, *local_name, *dialect;
        } is;
    } cases[] = {
        {"qoder", {.base_url = "https://api.qoder.com/api/v1/cloud"}},
        {"qoder-cn", {.base_url = "https://api.qoder.com.cn/api/v1/cloud"}},
        {"anthropic",
         {.base_url = "https://api.anthropic.com/v1", .dialect = "anthropic"}},
        {"local", {.local_name = "default"}},
        {"local:a-b.c_9", {.local_name = "a-b.c_9"}},
        {"unix:/nonexistent/s", {.unix_socket = "/nonexistent/s"}},
        {"https://h:8/p", {.base_url = "https://h:8/p"}},
        {"http://127.0.0.1:80", {.base_url = "http://127.0.0.1:80"}},
    };

    unsetenv("QODER_BASE_URL");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_source source;

        assert_int_equal(vf_source_parse(cases[i].text, &source, NULL), 0);
        assert_string_equal(source.name, cases[i].text);
        assert_same(source.base_url, cases[i].is.base_url);
        assert_same(source.unix_socket, cases[i].is.unix_socket);
        assert_same(source.local_name, cases[i].is.local_name);
        assert_same(source.dialect, cases[i].is.dialect);
        vf_source_done(&source);
    }
}

static void the_default_is_qoder_wherever_its_variable_says(void **state)
{
    struct vf_source source;

    setenv("QODER_BASE_URL", "https://example.com/v1", 1);
    assert_int_equal(vf_source_parse(NULL, &source, NULL), 0);
    assert_string_equal(source.name, "qoder");
    assert_string_equal(source.base_url, "https://example.com/v1");
    vf_source_done(&source);
    assert_int_equal(vf_source_parse("qoder-cn", &source, NULL), 0);
    assert_string_equal(source.base_url,
                        "https://api.qoder.com.cn/api/v1/cloud");
    vf_source_done(&source);
    setenv("QODER_BASE_URL", "", 1);
    assert_int_equal(vf_source_parse("", &source, NULL), 0);
    assert_string_equal(source.base_url, "https://api.qoder.com/api/v1/cloud");
    vf_source_done(&source);
}

/* What is kept for a service is found again. */
static void two_spellings_are_one_service(void **state)
{
    static const struct {
        const char *text, *is;
    } urls[] = {
        {"https://h:8/p/", "https://h:8/p"},
        {"https://h//", "https://h"},
        {"https://h", "https://h"},
    };
    static const char *const sockets[] = {
        "unix:/dev/null", "unix:/usr/../dev/./null", "unix://dev///null"};
    struct vf_source source;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(vf_source_parse(urls[i].text, &source, NULL), 0);
        assert_string_equal(source.base_url, urls[i].is);
        assert_string_equal(source.name, urls[i].text);
        vf_source_done(&source);
    }
    setenv("QODER_BASE_URL", "https://example.com/v1/", 1);
    assert_int_equal(vf_source_parse(NULL, &source, NULL), 0);
    assert_string_equal(source.base_url, "https://example.com/v1");
    vf_source_done(&source);
    unsetenv("QODER_BASE_URL");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(vf_source_parse(sockets[i], &source, NULL), 0);
        assert_string_equal(source.unix_socket, "/dev/null");
        vf_source_done(&source);
    }
}

static void what_is_no_source_is_refused(void **state)
{
    static const char *const texts[] = {
        "Qoder",     "qoder ",    "localhost", "ftp://h",    "unix:",
        "unix:s",    "local:",    "local:..",  "local:a/b",  "local:.a",
        "/dev/sda1", "Anthropic", "local:a b", "local:a\nb",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct vf_source source = {.name = NULL};
        struct vf_error err = {0};

        if (vf_source_parse(texts[i], &source, &err) != -EINVAL)
            fail_msg("'%s' accepted", texts[i]);
        assert_null(source.name);
        assert_string_not_equal(err.message, "");
    }
}

static void lengths_are_limited(void **state)
{
    char text[256];
    struct vf_source source;

    (void)snprintf(text, sizeof(text), "unix:/%0*d", VF_SOCKET_PATH_MAX - 1, 0);
    assert_int_equal(vf_source_parse(text, &source, NULL), 0);
    vf_source_done(&source);
    strcat(text, "0");
    assert_int_equal(vf_source_parse(text, &source, NULL), -ENAMETOOLONG);
    (void)snprintf(text, sizeof(text), "local:%064d", 0);
    assert_int_equal(vf_source_parse(text, &source, NULL), 0);
    vf_source_done(&source);
    strcat(text, "0");
    assert_int_equal(vf_source_parse(text, &source, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_source_has_its_address),
        cmocka_unit_test(the_default_is_qoder_wherever_its_variable_says),
        cmocka_unit_test(two_spellings_are_one_service),
        cmocka_unit_test(what_is_no_source_is_refused),
        cmocka_unit_test(lengths_are_limited),
    };

    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
