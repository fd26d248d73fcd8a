/* SPDX-License-Identifier: MIT */
#include "vaultfs/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

static void a_message_is_set_and_all_else_cleared(void **state)
{
    struct vf_error err;

    memset(&err, 'x', sizeof(err));
    assert_int_equal(vf_error_set(&err, EBUSY, "%s %d", "number", 7), -EBUSY);
    assert_int_equal(err.code, EBUSY);
    assert_int_equal(err.http_status, 0);
    assert_string_equal(err.message, "number 7");
    assert_string_equal(err.type, "");
    assert_string_equal(err.param, "");
    assert_string_equal(err.request_id, "");
}

static void a_param_is_named(void **state)
{
    struct vf_error err;

    assert_int_equal(vf_error_set_param(&err, EINVAL, "auth.token", "empty"),
                     -EINVAL);
    assert_string_equal(err.param, "auth.token");
    assert_string_equal(err.message, "empty");
}

static void nobody_needs_to_want_the_reason(void **state)
{
    assert_int_equal(vf_error_set(NULL, ENOENT, "%s", "gone"), -ENOENT);
    assert_int_equal(vf_error_set_param(NULL, EINVAL, "x", "bad"), -EINVAL);
}

static void errno_is_preserved(void **state)
{
    struct vf_error err;

    errno = EXDEV;
    /* A character that the C locale cannot write: formatting sets errno. */
    (void)vf_error_set(&err, EINVAL, "%ls", L"\x20AC");
    (void)vf_error_set_param(&err, EINVAL, "x", "%ls", L"\x20AC");
    assert_int_equal(errno, EXDEV);
}

static void the_arguments_may_be_parts_of_the_error(void **state)
{
    struct vf_error err;

    (void)vf_error_set_param(&err, EINVAL, "metadata", "too long");
    (void)vf_error_set_param(&err, EFBIG, err.param, "%s: %s", err.param,
                             err.message);
    assert_string_equal(err.param, "metadata");
    assert_string_equal(err.message, "metadata: too long");
}

static void a_long_message_is_cut_at_a_character(void **state)
{
    char text[3 * VF_ERROR_MESSAGE_MAX];
    struct vf_error err;

    /* An even limit: one byte, then characters of two, and the last is cut. */
    for (size_t i = 1; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[0] = 'a';
    text[sizeof(text) - 1] = '\0';
    (void)vf_error_set(&err, EINVAL, "%s", text);
    assert_int_equal(strlen(err.message), VF_ERROR_MESSAGE_MAX - 1);
    assert_memory_equal(err.message, text, VF_ERROR_MESSAGE_MAX - 1);
}

static void a_copy_fits_its_field_and_is_whole_characters(void **state)
{
    static const struct {
        const char *text;
        const char *in_five_bytes;
    } table[] = {
        {"", ""},
        {"abcd", "abcd"},
        {"abcde", "abcd"},
        {"abc\xC3\xA9", "abc"},
        {"ab\xC3\xA9", "ab\xC3\xA9"},
        {"a\xE2\x82\xAC", "a\xE2\x82\xAC"},
        {"ab\xE2\x82\xAC", "ab"},
        {"a\xF0\x9F\x94\x91", "a"},
        {"\xF0\x9F\x94\x91z", "\xF0\x9F\x94\x91"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct {
            char field[5];
            char guard;
        } copy;

        memset(&copy, '!', sizeof(copy));
        vf_error_copy(copy.field, sizeof(copy.field), table[i].text);
        assert_string_equal(copy.field, table[i].in_five_bytes);
        assert_int_equal(copy.guard, '!');
    }
}

static void an_errno_has_the_name_of_the_manual(void **state)
{
    assert_string_equal(vf_errno_name(EINVAL), "EINVAL");
    assert_string_equal(vf_errno_name(EKEYREJECTED), "EKEYREJECTED");
    assert_string_equal(vf_errno_name(EOPNOTSUPP), "EOPNOTSUPP");
    assert_string_equal(vf_errno_name(EAGAIN), "EAGAIN");
    assert_string_equal(vf_errno_name(0), "E?");
    assert_string_equal(vf_errno_name(-EINVAL), "E?");
    assert_string_equal(vf_errno_name(99999), "E?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_set_and_all_else_cleared),
        cmocka_unit_test(a_param_is_named),
        cmocka_unit_test(nobody_needs_to_want_the_reason),
        cmocka_unit_test(errno_is_preserved),
        cmocka_unit_test(the_arguments_may_be_parts_of_the_error),
        cmocka_unit_test(a_long_message_is_cut_at_a_character),
        cmocka_unit_test(a_copy_fits_its_field_and_is_whole_characters),
        cmocka_unit_test(an_errno_has_the_name_of_the_manual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
