/* SPDX-License-Identifier: MIT */
#include "vaultfs/text.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void well_formed_utf8_is_decoded(void **state)
{
    static const struct {
        const char *text;
        uint32_t code;
        size_t length;
    } table[] = {
        {"a", 'a', 1},
        {"\x7F", 0x7F, 1},
        {"\xC2\x80", 0x80, 2},
        {"\xDF\xBF", 0x7FF, 2},
        {"\xE0\xA0\x80", 0x800, 3},
        {"\xED\x9F\xBF", 0xD7FF, 3},
        {"\xEE\x80\x80", 0xE000, 3},
        {"\xEF\xBF\xBF", 0xFFFF, 3},
        {"\xF0\x90\x80\x80", 0x10000, 4},
        {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4},
        {"\xC3\xA9\xC3", 0xE9, 2}, /* what follows does not matter */
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        uint32_t code = 0;

        assert_int_equal(
            vf_utf8_decode(table[i].text, strlen(table[i].text), &code),
            table[i].length);
        assert_int_equal(code, table[i].code);
    }
}

static void malformed_utf8_is_refused(void **state)
{
    static const char *const wrong[] = {
        "\x80",             /* a continuation alone */
        "\xBF",             /* likewise */
        "\xC0\x80",         /* overlong NUL */
        "\xC0\xAF",         /* overlong "/" */
        "\xC1\xBF",         /* overlong */
        "\xE0\x80\xAF",     /* overlong "/" */
        "\xE0\x9F\xBF",     /* overlong */
        "\xF0\x80\x80\xAF", /* overlong "/" */
        "\xF0\x8F\xBF\xBF", /* overlong */
        "\xED\xA0\x80",     /* the first surrogate */
        "\xED\xBF\xBF",     /* the last one */
        "\xF4\x90\x80\x80", /* U+110000 */
        "\xF5\x80\x80\x80", /* above */
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xC3",         /* cut */
        "\xE2\x82",     /* cut */
        "\xF0\x9F\x94", /* cut */
        "\xC3(",        /* not continued */
        "\xE2\x82(",
        "\xF0\x9F\x94(",
        "\xE2(\xA1",
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        uint32_t code = 42;

        assert_int_equal(vf_utf8_decode(wrong[i], strlen(wrong[i]), &code), 0);
        assert_int_equal(code, 42);
        assert_false(vf_utf8_is_valid(wrong[i], strlen(wrong[i])));
    }
}

static void every_code_point_is_decoded_as_it_was_encoded(void **state)
{
    for (uint32_t code = 0x10000; code <= 0x10FFFF; code++) {
        char text[4] = {
            (char)(0xF0 | code >> 18),
            (char)(0x80 | (code >> 12 & 0x3F)),
            (char)(0x80 | (code >> 6 & 0x3F)),
            (char)(0x80 | (code & 0x3F)),
        };
        uint32_t got = 0;

        assert_int_equal(vf_utf8_decode(text, 4, &got), 4);
        assert_int_equal(got, code);
    }
}

static void text_is_valid_up_to_its_size_and_no_further(void **state)
{
    assert_true(vf_utf8_is_valid("", 0));
    assert_true(vf_utf8_is_valid("a\0b", 3));
    assert_true(vf_utf8_is_valid("a\xC3\xA9", 3));
    assert_false(vf_utf8_is_valid("a\xC3\xA9", 2));
    assert_true(vf_utf8_is_valid("a\xC3\xA9", 1));
}

static void a_wrong_byte_is_seen_wherever_it_stands(void **state)
{
    char text[32];

    for (size_t size = 1; size <= sizeof(text); size++) {
        for (size_t at = 0; at < size; at++) {
            memset(text, 'a', sizeof(text));
            assert_true(vf_utf8_is_valid(text, size));
            text[at] = '\xFF';
            assert_false(vf_utf8_is_valid(text, size));
        }
    }
}

static void length_counts_characters(void **state)
{
    assert_int_equal(vf_utf8_length("", 0), 0);
    assert_int_equal(
        vf_utf8_length("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x91", 10), 4);
}

static void what_deceives_a_reader_is_known(void **state)
{
    static const uint32_t edges[] = {
        /* first and last of each range */
        0x00,   0x1F,   0x7F,   0x9F,   0x061C, 0x061C,
        0x200E, 0x200F, 0x2028, 0x202E, 0x2066, 0x2069,
    };

    for (size_t i = 0; i < COUNT(edges); i += 2) {
        assert_true(vf_utf8_is_deceptive(edges[i]));
        assert_true(vf_utf8_is_deceptive(edges[i + 1]));
        assert_false(vf_utf8_is_deceptive(edges[i] - 1));
        assert_false(vf_utf8_is_deceptive(edges[i + 1] + 1));
    }
}

static void text_is_escaped_for_a_terminal(void **state)
{
    static const struct {
        const char *text;
        const char *escaped;
    } table[] = {
        {"plain \xC3\xA9 \xF0\x9F\x94\x91", "plain \xC3\xA9 \xF0\x9F\x94\x91"},
        {"a\nb\r\t", "a\\x0Ab\\x0D\\x09"},
        {"\x1B[31m", "\\x1B[31m"},
        {"\x7F", "\\x7F"},
        {"\xC2\x9B", "\\xC2\\x9B"},
        {"\xE2\x80\xAE", "\\xE2\\x80\\xAE"},
        {"\xE2\x80\xA8", "\\xE2\\x80\\xA8"},
        {"a\xFFz", "a\\xFFz"},
        {"\xE2\x82", "\\xE2\\x82"},
        {"\xED\xA0\x80", "\\xED\\xA0\\x80"},
        {"", ""},
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        struct vf_buf buf = VF_BUF_INIT;

        vf_buf_puts(&buf, "<");
        vf_buf_put_escaped(&buf, table[i].text, strlen(table[i].text));
        assert_string_equal(buf.data + 1, table[i].escaped);
        vf_buf_free(&buf);
    }
}

static void a_nul_is_escaped_too(void **state)
{
    struct vf_buf buf = VF_BUF_INIT;

    vf_buf_put_escaped(&buf, "a\0b", 3);
    assert_string_equal(buf.data, "a\\x00b");
    vf_buf_free(&buf);
}

static void escaped_text_holds_nothing_for_a_terminal_to_act_on(void **state)
{
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        struct vf_buf buf = VF_BUF_INIT;
        char bytes[24];

        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)(random() >> 8);
        vf_buf_put_escaped(&buf, bytes, sizeof(bytes));
        for (size_t i = 0; i < buf.size;) {
            uint32_t code = 0;
            size_t length = vf_utf8_decode(buf.data + i, buf.size - i, &code);

            assert_true(length > 0);
            assert_false(vf_utf8_is_deceptive(code));
            i += length;
        }
        vf_buf_free(&buf);
    }
}

static void any_bytes_make_a_json_string_of_one_line(void **state)
{
    static const struct {
        const char *text, *json;
    } table[] = {
        {"", "\"\""},
        {"a/b \xC3\xA9", "\"a/b \xC3\xA9\""},
        {"say \"\\\"", "\"say \\\"\\\\\\\"\""},
        {"a\nb\x1B\x7F", "\"a\\u000ab\\u001b\\u007f\""},
        {"\xE2\x80\xAE\xC2\x85", "\"\\u202e\\u0085\""},
        {"a\xFFz\xC3", "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\""},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vf_buf buf = VF_BUF_INIT;

        vf_buf_put_json(&buf, table[i].text);
        assert_string_equal(buf.data, table[i].json);
        vf_buf_free(&buf);
    }
}

static void a_url_segment_holds_only_unreserved_characters(void **state)
{
    struct vf_buf buf = VF_BUF_INIT;

    vf_buf_put_url(&buf, "aZ09-._~ /?#%&+=:@\xC3\xA9\n");
    assert_string_equal(buf.data,
                        "aZ09-._~%20%2F%3F%23%25%26%2B%3D%3A%40%C3%A9%0A");
    vf_buf_free(&buf);
}

static void a_buffer_grows_and_stays_terminated(void **state)
{
    struct vf_buf buf = VF_BUF_INIT;

    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(buf.size, i);
        vf_buf_append(&buf, "x", 1);
        assert_int_equal(buf.data[buf.size], '\0');
        assert_true(buf.capacity > buf.size);
    }
    vf_buf_printf(&buf, "%0*d", 9000, 7);
    assert_int_equal(buf.size, 14000);
    assert_int_equal(strlen(buf.data), 14000);
    assert_int_equal(strspn(buf.data, "x"), 5000);
    assert_int_equal(buf.data[13999], '7');
    vf_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.size, 0);
}

static void appending_nothing_gives_an_empty_string(void **state)
{
    struct vf_buf buf = VF_BUF_INIT;

    vf_buf_append(&buf, NULL, 0);
    assert_string_equal(buf.data, "");
    vf_buf_printf(&buf, "%s", "");
    assert_int_equal(buf.size, 0);
    vf_buf_free(&buf);
}

static void a_failed_append_sticks_and_keeps_what_was_there(void **state)
{
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 4, SIZE_MAX / 2};

    for (size_t i = 0; i < COUNT(absurd); i++) {
        struct vf_buf buf = VF_BUF_INIT;

        vf_buf_puts(&buf, "kept");
        vf_buf_append(&buf, "", absurd[i]);
        assert_true(buf.is_broken);
        vf_buf_puts(&buf, "more");
        vf_buf_printf(&buf, "%d", 1);
        assert_string_equal(buf.data, "kept");
        assert_int_equal(buf.size, 4);
        vf_buf_free(&buf);
        assert_false(buf.is_broken);
    }
}

static void the_hash_is_the_same_in_every_version(void **state)
{
    /* Inode numbers come from it: a change breaks hard-link detection of
     * backups made before. */
    assert_int_equal(vf_hash64("", 0), UINT64_C(0xEFD01F60BA992926));
    assert_int_equal(vf_hash64("vault_019e3bb940277f0db05ab74291acf6ef", 38),
                     UINT64_C(0x389D0424AB9FC6C6));
    assert_int_not_equal(vf_hash64("ab", 2), vf_hash64("ba", 2));
    assert_int_not_equal(vf_hash64("a", 1), vf_hash64("a\0", 2));
}

static void a_uuid_is_random_and_of_version_4(void **state)
{
    char one[VF_UUID_SIZE], other[VF_UUID_SIZE];

    vf_uuid4(one);
    vf_uuid4(other);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), 36);
    for (size_t i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(one[i], '-');
        else
            assert_true(isdigit((unsigned char)one[i]) ||
                        (one[i] >= 'a' && one[i] <= 'f'));
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
}

static void random_bytes_fill_all_and_no_more(void **state)
{
    unsigned char bytes[4096 + 1] = {0};
    size_t zeros = 0;

    vf_random_bytes(bytes, 4096);
    assert_int_equal(bytes[4096], 0);
    for (size_t i = 0; i < 4096; i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 200); /* 16 are likely */
}

static void a_hex_digit_has_a_value(void **state)
{
    for (int c = 0; c < 256; c++) {
        const char *digits = "0123456789abcdef";
        const char *found = c == 0 ? NULL : strchr(digits, tolower(c));

        assert_int_equal(vf_hex_value((char)c),
                         found != NULL ? found - digits : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_utf8_is_decoded),
        cmocka_unit_test(malformed_utf8_is_refused),
        cmocka_unit_test(every_code_point_is_decoded_as_it_was_encoded),
        cmocka_unit_test(text_is_valid_up_to_its_size_and_no_further),
        cmocka_unit_test(a_wrong_byte_is_seen_wherever_it_stands),
        cmocka_unit_test(length_counts_characters),
        cmocka_unit_test(what_deceives_a_reader_is_known),
        cmocka_unit_test(text_is_escaped_for_a_terminal),
        cmocka_unit_test(a_nul_is_escaped_too),
        cmocka_unit_test(escaped_text_holds_nothing_for_a_terminal_to_act_on),
        cmocka_unit_test(any_bytes_make_a_json_string_of_one_line),
        cmocka_unit_test(a_url_segment_holds_only_unreserved_characters),
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(appending_nothing_gives_an_empty_string),
        cmocka_unit_test(a_failed_append_sticks_and_keeps_what_was_there),
        cmocka_unit_test(the_hash_is_the_same_in_every_version),
        cmocka_unit_test(a_uuid_is_random_and_of_version_4),
        cmocka_unit_test(random_bytes_fill_all_and_no_more),
        cmocka_unit_test(a_hex_digit_has_a_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
