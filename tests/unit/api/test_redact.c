/* SPDX-License-Identifier: MIT */
#include "redact.h"

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *redact_sized(const char *text, const void *secret,
                                size_t size)
{
    static char field[1025];
    struct vf_secret *value;

    assert_int_equal(vf_secret_from(secret, size, &value, NULL), 0);
    const struct vf_secret *secrets[] = {NULL, value};
    const struct vf_in_flight in_flight = {.secrets = secrets, .count = 2};
    vf_redact_copy(field, sizeof(field), text, &in_flight);
    vf_secret_unref(value);
    return field;
}

static const char *redact(const char *text, const char *secret)
{
    return redact_sized(text, secret, strlen(secret));
}

/* The secret in the middle of a text, in one of the ways to write it. */
static void assert_struck(const char *secret, const char *written)
{
    char text[2048];

    (void)snprintf(text, sizeof(text), "bad value <%s> in token", written);
    assert_string_equal(redact(text, secret), "bad value <[...]> in token");
}

static void a_secret_is_struck_out_however_it_is_escaped(void **state)
{
    static const struct {
        const char *secret;
        const char *written;
    } cases[] = {
        {"ghp_example", "ghp_example"},
        {"a\"quote\\slash/", "a\"quote\\slash/"},
        {"a\"quote\\slash/", "a\\\"quote\\\\slash/"},
        {"a\"quote\\slash/", "a\\\"quote\\\\slash\\/"},
        {"a\"quote\\slash/", "a%22quote%5Cslash%2F"},
        {"a\"quote\\slash/", "a%22quote%5cslash%2f"},
        {"a\"quote\\slash/", "a\\u0022quote\\u005cslash\\u002F"},
        {"a\"quote\\slash/", "a%5C%22quote%5C%5Cslash/"},
        {"a\"quote\\slash/", "a\\\\\\\"quote\\\\\\\\slash/"},
        {"gr\xC3\xBC\xC3\x9F"
         "e-\xF0\x9F\x94\x91-key",
         "gr\xC3\xBC\xC3\x9F"
         "e-\xF0\x9F\x94\x91-key"},
        {"gr\xC3\xBC\xC3\x9F"
         "e-\xF0\x9F\x94\x91-key",
         "gr\\u00fc\\u00DFe-\\ud83d\\udd11-key"},
        {"gr\xC3\xBC\xC3\x9F"
         "e-\xF0\x9F\x94\x91-key",
         "gr%C3%BC%c3%9fe-%F0%9F%94%91-key"},
        {"two words", "two+words"},
        {"two words", "two%20words"},
        {"a+b/c==", "a+b%2Fc%3D%3D"},
        {"a+b/c==", "a%2Bb%2Fc%3D%3D"},
        {"literal\\n/", "literal%5Cn\\/"},
        {"literal\\n+/", "literal\\n+%2F"},
        {"literal%41\\n", "literal%41\\n"},
        {"literal%41\\n", "literal%2541%5Cn"},
        {"literal%41\\n", "literal%41\\\\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_struck(cases[i].secret, cases[i].written);
}

static void every_byte_of_a_secret_survives_its_escapes(void **state)
{
    unsigned char secret[255];
    char text[255 * 3 + 1];

    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (unsigned char)(i + 1);
        (void)snprintf(text + 3 * i, 4, "%%%02x", secret[i]);
    }
    assert_string_equal(redact_sized(text, secret, sizeof(secret)), "[...]");
}

static void twelve_bytes_of_a_secret_are_struck_out(void **state)
{
    const char *secret = "abcdefghijklmnopqrstuvwxyz0123456789";

    assert_string_equal(redact("got abcdefghijkl", secret), "got [...]");
    assert_string_equal(redact("got yz0123456789.", secret), "got [...].");
    assert_string_equal(redact("got mnopqrstuvwx%79z...", secret),
                        "got [...]...");
    assert_string_equal(redact("got abcdefghijk?", secret), "got abcdefghijk?");
}

static void a_short_secret_is_struck_out_only_whole(void **state)
{
    assert_string_equal(redact("pass pas passpass", "pass"), "[...] pas [...]");
}

static void nothing_is_struck_out_of_an_innocent_text(void **state)
{
    const char *text = "100%% of \\q \\u12 %4 %zz + \\ud83d \\";

    assert_string_equal(redact(text, "ghp_0123456789abcdef"), text);
    assert_string_equal(redact(text, ""), text);
    assert_string_equal(redact("", "ghp_0123456789abcdef"), "");
}

/* Text that the sieve passes over is never looked at again. */
static void the_sieve_sees_a_secret_wherever_it_stands(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrst";
    struct vf_secret *secret;
    struct vf_sieve sieve;
    char text[48];

    for (size_t size = 1; size < sizeof(letters); size++) {
        size_t part = size < VF_REDACT_PART_MIN ? size : VF_REDACT_PART_MIN;

        assert_int_equal(vf_secret_from(letters, size, &secret, NULL), 0);
        const struct vf_in_flight in_flight = {.token = secret};
        vf_sieve_init(&sieve, &in_flight);
        for (size_t at = 0; at + part <= sizeof(text); at++) {
            memset(text, '.', sizeof(text));
            memcpy(text + at, letters + size - part, part);
            assert_true(vf_sieve_may_have(&sieve, text, sizeof(text)));
            assert_true(vf_sieve_may_have(&sieve, text + at, part));
            text[at + part / 2] = '.';
            assert_false(vf_sieve_may_have(&sieve, text, sizeof(text)));
            text[0] = "\\%+"[at % 3]; /* it may be escaped */
            assert_true(vf_sieve_may_have(&sieve, text, sizeof(text)));
        }
        vf_secret_unref(secret);
    }
}

static void a_text_without_secrets_in_flight_is_passed_over(void **state)
{
    const struct vf_in_flight in_flight = {0};
    struct vf_sieve sieve;

    vf_sieve_init(&sieve, &in_flight);
    assert_false(vf_sieve_may_have(&sieve, "a%20b\\u0041", 11));
    assert_false(vf_sieve_may_have(&sieve, "", 0));
}

/* However a secret lies across the end of what is looked at: nothing of it gets
 * through. The secrets before it shrink to marks, which brings that end into
 * the copy. */
static void a_secret_at_the_cut_does_not_get_through(void **state)
{
    const char *secret = "S0123456789ABCDEFGHIJKLMNOPQRSTUV";

    for (size_t offset = 0; offset < strlen(secret); offset++) {
        char text[4096] = "";

        memset(text, '.', offset);
        while (strlen(text) < 2200)
            strcat(text, secret);
        assert_null(strpbrk(redact(text, secret), "S0123456789ABCDEFGHIJKLMNO"
                                                  "PQRSTUV"));
    }
}

/* At the end of the field, and, once a mark took the place of most of the text,
 * at the end of what is looked at. */
static void a_long_text_is_cut_at_a_character(void **state)
{
    const char *secret = "S0123456789ABCDEFGHIJKLMNOPQRSTUV";

    for (size_t offset = 0; offset < 6; offset++) {
        char text[4096] = "";

        memset(text, '.', offset);
        while (offset >= 3 && strlen(text) < 1500)
            strcat(text, secret);
        while (strlen(text) < 3000)
            strcat(text, "\xE2\x82\xAC");
        const char *clean = redact(text, secret);
        size_t size = strlen(clean);
        assert_true(size > 100 && size <= 1024);
        assert_true(vf_utf8_is_valid(clean, size));
    }
}

/* What is left of a reply that was cut. Nothing stands behind it: a sanitizer
 * watches whoever looks there. */
static void a_string_that_is_cut_is_cleaned_to_its_last_byte(void **state)
{
    static const char sent[] = "{\"url\":\"at ghp_0123456789\"}";
    static const char cut[] = "{\"url\":\"at ghp_0123456789";
    size_t size = strlen(cut), clean_size = 0;
    struct vf_secret *secret, *body;
    char *clean = NULL, *text = malloc(size);

    assert_non_null(text);
    memcpy(text, cut, size);
    assert_int_equal(vf_secret_from("ghp_0123456789", 14, &secret, NULL), 0);
    assert_int_equal(vf_secret_from(sent, strlen(sent), &body, NULL), 0);
    const struct vf_in_flight in_flight = {.token = secret, .body = body};
    assert_int_equal(
        vf_redact_json(text, size, &in_flight, &clean, &clean_size), 0);
    assert_int_equal(clean_size, strlen("{\"url\":\"at [...]"));
    assert_memory_equal(clean, "{\"url\":\"at [...]", clean_size);
    free(clean);
    free(text);
    vf_secret_unref(body);
    vf_secret_unref(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_struck_out_however_it_is_escaped),
        cmocka_unit_test(every_byte_of_a_secret_survives_its_escapes),
        cmocka_unit_test(twelve_bytes_of_a_secret_are_struck_out),
        cmocka_unit_test(a_short_secret_is_struck_out_only_whole),
        cmocka_unit_test(nothing_is_struck_out_of_an_innocent_text),
        cmocka_unit_test(the_sieve_sees_a_secret_wherever_it_stands),
        cmocka_unit_test(a_text_without_secrets_in_flight_is_passed_over),
        cmocka_unit_test(a_secret_at_the_cut_does_not_get_through),
        cmocka_unit_test(a_long_text_is_cut_at_a_character),
        cmocka_unit_test(a_string_that_is_cut_is_cleaned_to_its_last_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
