/* SPDX-License-Identifier: MIT */
#include "dotenv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/secret.h"

struct text {
    const char *bytes;
    size_t size;
};
#define TEXT(literal)                                                          \
    {                                                                          \
        literal, sizeof(literal) - 1                                           \
    }

static int find(const struct text *text, struct vf_secret **ret,
                struct vf_error *err)
{
    struct vf_secret *secret;

    assert_int_equal(vf_secret_from(text->bytes, text->size, &secret, NULL), 0);
    int result = vf_auth_dotenv_find(secret, "A", "/file", ret, err);
    vf_secret_unref(secret);
    return result;
}

static void values_are_what_shells_and_libraries_agree_upon(void **state)
{
    static const struct {
        struct text text;
        struct text value;
    } cases[] = {
        {TEXT("A=x"), TEXT("x")},
        {TEXT("A=x\n"), TEXT("x")},
        {TEXT("A=x\r\n"), TEXT("x")},
        {TEXT("A=x\r"), TEXT("x")},
        {TEXT("\xEF\xBB\xBF"
              "A=x\n"),
         TEXT("x")},
        {TEXT("\n  \n# A=no\n\t# no\n  A=x\n"), TEXT("x")},
        {TEXT("export A=x\n"), TEXT("x")},
        {TEXT("export\tA=x\n"), TEXT("x")},
        {TEXT("export=no\nA=x\n"), TEXT("x")},
        {TEXT("exportA=no\nA=x\n"), TEXT("x")},
        {TEXT("AB=no\nB=no\n_A=no\na=no\nA.B=no\nA-B=no\nA=x\n"), TEXT("x")},
        {TEXT("A=one\nA=x\n"), TEXT("x")},
        {TEXT("A=long one\nA=x\nB=no\n"), TEXT("x")},
        {TEXT("A = x \t\n"), TEXT("x")},
        {TEXT("A=x y  z # no\n"), TEXT("x y  z")},
        {TEXT("A=x#y\n"), TEXT("x#y")},
        {TEXT("A=x==\n"), TEXT("x==")},
        {TEXT("A=x\"y'\n"), TEXT("x\"y'")},
        {TEXT("A=a\\nb$C\n"), TEXT("a\\nb$C")},
        {TEXT("A='x # y' # no\n"), TEXT("x # y")},
        {TEXT("A='x\\n$B\"'\n"), TEXT("x\\n$B\"")},
        {TEXT("A=\"x\\\\ \\\" \\n \\$ \\t '\"\n"), TEXT("x\\ \" \n $ \\t '")},
        {TEXT("A=\"ends in a backslash\\\\\"\n"),
         TEXT("ends in a backslash\\")},
        {TEXT("A=\"$B ${C} `d`\"\r\n"), TEXT("$B ${C} `d`")},
        {TEXT("B=\"one\nA=no\n\"\nA=x"), TEXT("x")},
        {TEXT("A='one\ntwo'\n"), TEXT("one\ntwo")},
        {TEXT("A=x\0y\n"), TEXT("x\0y")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_secret *value = NULL;
        struct vf_error err = {0};
        int result = find(&cases[i].text, &value, &err);

        assert_string_equal(err.message, "");
        assert_int_equal(result, 0);
        if (value == NULL)
            fail_msg("nothing in: %s", cases[i].text.bytes);
        if (vf_secret_size(value) != cases[i].value.size)
            fail_msg("%zu bytes in: %s", vf_secret_size(value),
                     cases[i].text.bytes);
        assert_memory_equal(vf_secret_data(value), cases[i].value.bytes,
                            cases[i].value.size);
        vf_secret_unref(value);
    }
}

static void none_and_an_empty_one_are_the_same(void **state)
{
    static const struct text cases[] = {
        TEXT(""),     TEXT("\n\n"),       TEXT("B=x\n"),
        TEXT("A=\n"), TEXT("A= # no\n"),  TEXT("A=#no\n"),
        TEXT("A=''"), TEXT("A=\"\"\r\n"), TEXT("A=x\nA=\n"),
        TEXT("#A=x"), TEXT("B='A=x'\n"),  TEXT("\xEF\xBB\xBF"),
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_secret *value = NULL;
        struct vf_error err = {0};

        assert_int_equal(find(&cases[i], &value, &err), 0);
        assert_null(value);
    }
}

static void a_malformed_line_is_named_by_its_number_alone(void **state)
{
    static const struct {
        struct text text;
        const char *message;
    } cases[] = {
        {TEXT("A=x\ncanary\n"), "line 2 of /file is malformed: there is no = "
                                "after the name"},
        {TEXT("A=x\r\n\r\n=canary\n"),
         "line 3 of /file is malformed: a name was expected"},
        {TEXT("1A=canary\n"),
         "line 1 of /file is malformed: a name was expected"},
        {TEXT("export A\n"),
         "line 1 of /file is malformed: there is no = after the name"},
        {TEXT("export =canary\n"),
         "line 1 of /file is malformed: a name was expected"},
        {TEXT("A canary=x\n"),
         "line 1 of /file is malformed: there is no = after the name"},
        {TEXT("# one\nA='canary\nB=x\n"),
         "line 2 of /file is malformed: a quote without an end"},
        {TEXT("A=\"canary\\\""),
         "line 1 of /file is malformed: a quote without an end"},
        {TEXT("A=\"canary\\"),
         "line 1 of /file is malformed: a quote without an end"},
        {TEXT("B=\"1\n2\n3\"\nA='canary'x\n"),
         "line 4 of /file is malformed: text after a quote"},
        {TEXT("A='canary'#x\n"),
         "line 1 of /file is malformed: text after a quote"},
        {TEXT("A='canary'\"x\"\n"),
         "line 1 of /file is malformed: text after a quote"},
        {TEXT("A=x\n\0\n"),
         "line 2 of /file is malformed: a name was expected"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_secret *value = NULL;
        struct vf_error err = {0};

        assert_int_equal(find(&cases[i].text, &value, &err), -EINVAL);
        assert_string_equal(err.message, cases[i].message);
        assert_null(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_what_shells_and_libraries_agree_upon),
        cmocka_unit_test(none_and_an_empty_one_are_the_same),
        cmocka_unit_test(a_malformed_line_is_named_by_its_number_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
