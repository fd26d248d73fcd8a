/* SPDX-License-Identifier: MIT */
#include "strike.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/secret.h"

static void assert_shown(const char *text, const char *secret_text,
                         const char *expected)
{
    char field[2 * VF_AUTH_STRIKE_MAX];
    struct vf_secret *secret = NULL;

    if (secret_text != NULL)
        assert_int_equal(
            vf_secret_from(secret_text, strlen(secret_text), &secret, NULL), 0);
    vf_auth_strike_copy(field, sizeof(field), text, strlen(text), secret);
    assert_string_equal(field, expected);
    vf_secret_unref(secret);
}

static void text_without_the_secret_stays_but_for_escapes(void **state)
{
    assert_shown("", "0123456789", "");
    assert_shown("plain \xC3\xA9 text", "0123456789", "plain \xC3\xA9 text");
    assert_shown("a\nb\x1B[1m\xFF", "0123456789", "a\\x0Ab\\x1B[1m\\xFF");
    assert_shown("no secret at all", NULL, "no secret at all");
    assert_shown("nor an empty one", "", "nor an empty one");
    assert_shown("123 is 012 and 4567890", "0123456789",
                 "123 is 012 and 4567890");
}

static void the_secret_and_its_longer_parts_are_struck_out(void **state)
{
    assert_shown("0123456789", "0123456789", "[...]");
    assert_shown("<0123456789><0123456789>", "0123456789", "<[...]><[...]>");
    assert_shown("x12345678x", "0123456789", "x[...]x");
    assert_shown("the key is abc", "abc", "the key is [...]");
    assert_shown("012345670123456789", "0123456789", "[...][...]");
    /* The longest part that begins somewhere counts, not the first found. */
    assert_shown("abcdefgh12345678Z", "abcdefgh abcdefgh12345678", "[...]Z");
    assert_shown("abcdefgh12345678Z", "abcdefgh12345678 abcdefgh", "[...]Z");
}

static void so_are_encoded_forms(void **state)
{
    assert_shown("k=ab%2Bcd%2fef%3D&", "ab+cd/ef=", "k=[...]&");
    assert_shown("k=%61%62%2B%63%64%2f%65%66%3D&", "ab+cd/ef=", "k=[...]&");
    assert_shown("\"ab\\+cd\\/ef\\=\"", "ab+cd/ef=", "\"[...]\"");
    assert_shown("a\\\\b%5C\\", "a\\b\\\\", "[...]");
    assert_shown("100%", "ab+cd/ef=", "100%");
    assert_shown("%2", "2345678901", "%2");
    assert_shown("%25%25abcdef", "%%abcdef", "[...]");
    assert_shown("%41bcdefgh", "%41bcdefgh", "[...]");
    assert_shown("\\\\abcdefgh", "\\\\abcdefgh", "[...]");
}

static void what_looks_like_a_secret_is_struck_out_too(void **state)
{
    assert_shown("bad token 'pt-9aZ_b8Yc7Xd6We5Vf4Ug'.", NULL,
                 "bad token '[...]'.");
    assert_shown("eyJhbGciOiJIUzI1NiJ9.short", "0123456789", "[...].short");
    assert_shown("internationalizations of /etc/a-rather-long-name.conf", NULL,
                 "internationalizations of /etc/a-rather-long-name.conf");
    assert_shown("vault-prod-eu-west-1", NULL, "[...]");
    assert_shown("vault-prod-eu-west1", NULL, "vault-prod-eu-west1");
    assert_shown("AbcdefghijklmnopqrsT", NULL, "[...]");
}

static void a_part_at_the_end_of_what_is_shown_is_known_for_one(void **state)
{
    static char text[2 * VF_AUTH_STRIKE_MAX + 1];
    static char expected[VF_AUTH_STRIKE_MAX + 16];

    memset(text, '.', sizeof(text) - 1);
    memcpy(text + VF_AUTH_STRIKE_MAX - 3, "0123456789", 10);
    memset(expected, '.', VF_AUTH_STRIKE_MAX - 3);
    (void)strcpy(expected + VF_AUTH_STRIKE_MAX - 3, "[...]");
    assert_shown(text, "0123456789", expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_without_the_secret_stays_but_for_escapes),
        cmocka_unit_test(the_secret_and_its_longer_parts_are_struck_out),
        cmocka_unit_test(so_are_encoded_forms),
        cmocka_unit_test(what_looks_like_a_secret_is_struck_out_too),
        cmocka_unit_test(a_part_at_the_end_of_what_is_shown_is_known_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
