/* SPDX-License-Identifier: MIT */
#include "vaultfs/name.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/text.h"

#define ID "vault_019e3bb940277f0db05ab74291acf6ef"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROUNDS 300000

static const struct {
    const char *text;
    const char *name;
} spellings[] = {
    {"github.json", "github.json"},
    {"a/b", "a%2Fb"},
    {"//", "%2F%2F"},
    {".", "%2E"},
    {"..", "%2E."},
    {"...", "%2E.."},
    {".vault.json", "%2Evault.json"},
    {".archive", "%2Earchive"},
    {".vaultfs", "%2Evaultfs"},
    {"a.b", "a.b"},
    {"-rf", "%2Drf"},
    {"a-b-", "a-b-"},
    {" a b ", "%20a b%20"},
    {" ", "%20"},
    {"100%", "100%"},
    {"100%2", "100%2"},
    {"100%25", "100%2525"},
    {"%2f", "%252f"},
    {"%%41", "%%2541"},
    {"%\x01", "%%01"},
    {"%2/", "%2%2F"},
    {"%zz", "%zz"},
    {"a\tb\nc\x7F", "a%09b%0Ac%7F"},
    {"h\xC3\xA9llo", "h\xC3\xA9llo"},
    {"\xC2\x85", "%C2%85"},
    {"\xC2\xA0", "\xC2\xA0"},
    {"\xE2\x80\xA8", "%E2%80%A8"},
    {"\xE2\x80\xAE", "%E2%80%AE"},
    {"\xF0\x9F\x94\x91", "\xF0\x9F\x94\x91"},
    {"\xFF", "%FF"},
    {"\xC3", "%C3"},
    {"\xC0\xAF", "%C0%AF"},
    {"\xED\xA0\x80", "%ED%A0%80"},
    {"#todo", "%23todo"},
    {"#todo~", "%23todo~"},
    {"old~", "%6Fld~"},
    {"~", "%7E"},
    {"4913", "%34913"},
    {"0", "%30"},
    {"0000", "%30000"},
    {"sedAbc123", "%73edAbc123"},
    {"tmpa_b1c2d3", "%74mpa_b1c2d3"},
    {"XXabcdef", "%58Xabcdef"},
    {"x.tmp", "%78.tmp"},
    {"\xC3\xA9.old", "%C3%A9.old"},
    {"new", "new"},
    {"foo~a1b2c3", "foo~a1b2c3"},
};

static void each_text_has_its_spelling(void **state)
{
    for (size_t i = 0; i < COUNT(spellings); i++) {
        char name[VF_NAME_MAX + 1];
        char *text = NULL;

        vf_name_encode(VF_NAME_VAULT, spellings[i].text, ID, 0, name);
        assert_string_equal(name, spellings[i].name);
        assert_int_equal(vf_name_decode(VF_NAME_FILE, name, &text, NULL), 0);
        assert_string_equal(text, spellings[i].text);
        free(text);
    }
}

static const struct {
    const char *name;
    const char *right; /* NULL: there is none */
} misspellings[] = {
    {"%41", "A"},           {"a%2fb", "a%2Fb"},   {"%C3%A9", "\xC3\xA9"},
    {"-rf", "%2Drf"},       {" a", "%20a"},       {"a ", "a%20"},
    {"a/b", "a%2Fb"},       {".env", "%2Eenv"},   {"..", "%2E."},
    {"4913", "%34913"},     {"x.tmp", "%78.tmp"}, {"x%2Etmp", "%78.tmp"},
    {"x.tm%70", "%78.tmp"}, {"\xFF", "%FF"},      {"a\n", "a%0A"},
    {"%00", NULL},          {"", NULL},
};

static void a_misspelled_name_is_refused_with_the_right_one(void **state)
{
    for (size_t i = 0; i < COUNT(misspellings); i++) {
        const char *right = misspellings[i].right;
        char *text = NULL;
        struct vf_error err = {0};
        char quoted[64];
        int result =
            vf_name_decode(VF_NAME_VAULT, misspellings[i].name, &text, &err);

        assert_int_equal(result, -EINVAL);
        assert_int_equal(err.code, EINVAL);
        assert_null(text);
        (void)snprintf(quoted, sizeof(quoted), "\"%s\"", right ? right : "");
        assert_int_equal(strstr(err.message, quoted) != NULL, right != NULL);
    }
}

static void a_name_over_255_bytes_is_too_long(void **state)
{
    char name[VF_NAME_MAX + 2] = {0};
    char *text = NULL;
    struct vf_error err = {0};

    memset(name, 'a', VF_NAME_MAX);
    assert_int_equal(vf_name_decode(VF_NAME_VAULT, name, &text, NULL), 0);
    assert_string_equal(text, name);
    free(text);
    text = NULL;
    name[VF_NAME_MAX] = 'a';
    assert_int_equal(vf_name_decode(VF_NAME_VAULT, name, &text, &err),
                     -ENAMETOOLONG);
    assert_int_equal(err.code, ENAMETOOLONG);
    assert_null(text);
}

static void a_name_whose_right_spelling_is_too_long_is_refused(void **state)
{
    char name[VF_NAME_MAX + 1] = {0};
    char *text = NULL;

    memset(name, '\x01', VF_NAME_MAX);
    assert_int_equal(vf_name_decode(VF_NAME_VAULT, name, &text, NULL), -EINVAL);
    assert_null(text);
}

static const struct {
    enum vf_name_kind kind;
    const char *text;
    const char *id;
    unsigned digits;
    const char *name;
} tagged[] = {
    {VF_NAME_VAULT, "prod", ID, 6, "prod~acf6ef"},
    {VF_NAME_VAULT, "prod", ID, 8, "prod~91acf6ef"},
    {VF_NAME_VAULT, "prod.json", ID, 6, "prod.json~acf6ef"},
    {VF_NAME_FILE, "prod.json", ID, 6, "prod~acf6ef.json"},
    {VF_NAME_FILE, "prod", ID, 6, "prod~acf6ef"},
    {VF_NAME_FILE, ".json", ID, 6, "%2Ejson~acf6ef"},
    {VF_NAME_FILE, "..json", ID, 6, "%2E~acf6ef.json"},
    {VF_NAME_FILE, "#.json", ID, 6, "%23~acf6ef.json"},
    {VF_NAME_VAULT, "x.tmp", ID, 6, "x.tmp~acf6ef"},
    {VF_NAME_VAULT, "a/b", ID, 6, "a%2Fb~acf6ef"},
    {VF_NAME_VAULT, "", ID, 0, "vault~acf6ef"},
    {VF_NAME_VAULT, "", ID, 8, "vault~91acf6ef"},
    {VF_NAME_FILE, "", ID, 0, "credential~acf6ef.json"},
    {VF_NAME_VAULT, "a", "x-y_z1Q2w3", 6, "a~z1Q2w3"},
    {VF_NAME_VAULT, "a", "-1-2-3-4-5-6-7-", 6, "a~234567"},
};

static void a_taken_name_gets_the_last_digits_of_its_id(void **state)
{
    for (size_t i = 0; i < COUNT(tagged); i++) {
        char name[VF_NAME_MAX + 1];

        vf_name_encode(tagged[i].kind, tagged[i].text, tagged[i].id,
                       tagged[i].digits, name);
        assert_string_equal(name, tagged[i].name);
    }
}

static void different_ids_get_different_names_in_the_end(void **state)
{
    static const char *const ids[] = {"ab",  "a_b", "_", "__", "-",
                                      "a-b", "Ab",  "b", "bb", ""};

    for (size_t i = 0; i < COUNT(ids); i++)
        for (size_t j = 0; j < i; j++) {
            char one[VF_NAME_MAX + 1], other[VF_NAME_MAX + 1];

            vf_name_encode(VF_NAME_VAULT, "x", ids[i], 1000, one);
            vf_name_encode(VF_NAME_VAULT, "x", ids[j], 1000, other);
            assert_string_not_equal(one, other);
        }
}

/* Text of count times one piece, then end; freed by the caller. */
static char *repeat(const char *piece, size_t count, const char *end)
{
    struct vf_buf buf = VF_BUF_INIT;

    for (size_t i = 0; i < count; i++)
        vf_buf_puts(&buf, piece);
    vf_buf_puts(&buf, end);
    assert_false(buf.is_broken);
    return buf.data;
}

/* Cut where the next whole piece would not fit, with a tag of seven bytes. */
static void assert_cut(enum vf_name_kind kind, const char *piece,
                       const char *spelled, const char *end)
{
    char name[VF_NAME_MAX + 1];
    char *text = repeat(piece, 2000, end);
    size_t room = VF_NAME_MAX - strlen("~acf6ef") - strlen(end);
    struct vf_buf tail = VF_BUF_INIT;

    vf_buf_printf(&tail, "~acf6ef%s", end);
    char *want = repeat(spelled, room / strlen(spelled), tail.data);
    vf_name_encode(kind, text, ID, 0, name);
    assert_string_equal(name, want);
    vf_buf_free(&tail);
    free(want);
    free(text);
}

static void a_long_name_is_cut_at_a_character_and_tagged(void **state)
{
    assert_cut(VF_NAME_VAULT, "a", "a", "");
    assert_cut(VF_NAME_VAULT, "\xC3\xA9", "\xC3\xA9", "");
    assert_cut(VF_NAME_VAULT, "\xF0\x9F\x94\x91", "\xF0\x9F\x94\x91", "");
    assert_cut(VF_NAME_VAULT, "/", "%2F", "");
    assert_cut(VF_NAME_VAULT, "\xE2\x80\xAE", "%E2%80%AE", "");
    assert_cut(VF_NAME_FILE, "\xC3\xA9", "\xC3\xA9", ".json");
}

static void a_name_is_cut_only_above_255_bytes(void **state)
{
    char name[VF_NAME_MAX + 1];
    char *fits = repeat("a", VF_NAME_MAX - 3, "/");
    char *longer = repeat("a", VF_NAME_MAX - 2, "/");

    vf_name_encode(VF_NAME_VAULT, fits, ID, 0, name);
    assert_int_equal(strlen(name), VF_NAME_MAX);
    assert_string_equal(name + VF_NAME_MAX - 3, "%2F");
    vf_name_encode(VF_NAME_VAULT, longer, ID, 0, name);
    assert_int_equal(strlen(name), VF_NAME_MAX);
    assert_string_equal(name + VF_NAME_MAX - 7, "~acf6ef");
    free(fits);
    free(longer);
}

static void the_scratch_names_are_exactly_these(void **state)
{
    static const char *const scratch[] = {
        ".github.json.swp",
        ".f.Xy12Zq",
        "#f#",
        ".#f",
        ".json",
        "#.json",
        "github.json~",
        "~",
        "4913",
        "sedAbC123",
        "sed000000",
        "tmpab_12xyz",
        "tmp________",
        "XXabcdef",
        "XXabcdeF1",
        "XXabcdeF12",
        "f.tmp",
        "f.swp",
        "f.swx",
        "f.swo",
        "f.new",
        "f.bak",
        "f.orig",
        "f.old",
        "f.part",
        "f.json.bak",
        ".tmp",
        "0",
        "00000000000",
        "a\nb.tmp",
    };
    static const char *const ordinary[] = {
        "github.json",
        "f",
        "f.tmpx",
        "ftmp",
        "f.TMP",
        "tmp",
        "49130",
        "04913",
        "4913.json",
        "sedAbC12",
        "sedAbC1234",
        "sed-bC123",
        "sedAbC12.json",
        "tmpabcdefg",
        "tmpabcdefghi",
        "tmpABCDEFGH",
        "tmpabcd.json",
        "XXabcde",
        "XXabcdeF123",
        "XXabc_ef",
        "xxabcdef",
        "00a",
        "a0",
        "0.json",
        "~f",
        "f~g",
        "f#",
        "f.bak.json",
        "",
    };

    for (size_t i = 0; i < COUNT(scratch); i++)
        if (!vf_name_is_scratch(scratch[i]))
            fail_msg("not scratch: %s", scratch[i]);
    for (size_t i = 0; i < COUNT(ordinary); i++)
        if (vf_name_is_scratch(ordinary[i]))
            fail_msg("scratch: %s", ordinary[i]);
}

/* A generator of its own (xorshift), so that every machine tries the same. */
static uint64_t seed = 0x9E3779B97F4A7C15;

static unsigned below(unsigned limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % limit);
}

/* Pieces of names that have a meaning somewhere, then any byte but NUL. */
static size_t put_piece(char *out)
{
    static const char *const pieces[] = {
        ".",
        "..",
        "/",
        "-",
        " ",
        "%",
        "%2",
        "%41",
        "%2F",
        "%2f",
        "%00",
        "%25",
        "~",
        "#",
        "0",
        "4913",
        "sed",
        "tmp",
        "XX",
        "abcdef",
        "12",
        ".json",
        ".tmp",
        ".old",
        ".part",
        ".vault.json",
        ".archive",
        ".vaultfs",
        "a",
        "F",
        "\x01",
        "\n",
        "\x7F",
        "\xC2\x85",
        "\xE2\x80\xA8",
        "\xE2\x80\xAE",
        "\xC3\xA9",
        "\xC3",
        "\xA9",
        "\xF0\x9F\x94\x91",
        "\xED\xA0\x80",
        "\xFF",
        "\xC0",
        "~a1b2c3",
    };
    unsigned pick = below(COUNT(pieces) + 8);

    if (pick >= COUNT(pieces)) {
        *out = (char)(1 + below(255));
        return 1;
    }
    strcpy(out, pieces[pick]);
    return strlen(pieces[pick]);
}

static void make_text(char *out)
{
    unsigned count = below(40) == 0 ? below(300) : below(9);
    char *end = out;

    for (unsigned i = 0; i < count; i++)
        end += put_piece(end);
    *end = '\0';
}

static void assert_is_file_name(const char *name, const char *text)
{
    size_t size = strlen(name);
    bool is_good = size > 0 && size <= VF_NAME_MAX && name[0] != '.' &&
                   name[0] != '-' && name[0] != ' ' && name[size - 1] != ' ' &&
                   strchr(name, '/') == NULL && vf_utf8_is_valid(name, size) &&
                   !vf_name_is_scratch(name);

    for (size_t i = 0; i < size && is_good; i++)
        is_good = (unsigned char)name[i] >= 0x20 && name[i] != 0x7F;
    if (!is_good)
        fail_msg("bad name \"%s\" for \"%s\"", name, text);
}

static void encoding_is_reversible_and_yields_file_names(void **state)
{
    char text[4096], name[VF_NAME_MAX + 1];
    unsigned whole = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        enum vf_name_kind kind = i % 2 == 0 ? VF_NAME_VAULT : VF_NAME_FILE;
        char *back = NULL;

        make_text(text);
        vf_name_encode(kind, text, ID, below(3) * 6, name);
        assert_is_file_name(name, text);
        vf_name_encode(kind, text, ID, 0, name);
        assert_is_file_name(name, text);
        if (strstr(name, "~acf6ef") != NULL)
            continue; /* empty or cut */
        assert_int_equal(vf_name_decode(kind, name, &back, NULL), 0);
        assert_string_equal(back, text);
        free(back);
        whole++;
    }
    assert_true(whole > ROUNDS / 2);
}

static void decoding_is_reversible_or_names_a_name_that_is(void **state)
{
    char name[4096], again[VF_NAME_MAX + 1];
    unsigned accepted = 0, corrected = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct vf_error err = {0};
        char *text = NULL;

        make_text(name);
        int result = vf_name_decode(VF_NAME_FILE, name, &text, &err);
        if (result == 0) {
            vf_name_encode(VF_NAME_FILE, text, ID, 0, again);
            assert_string_equal(again, name);
            free(text);
            accepted++;
            continue;
        }
        assert_int_equal(result,
                         strlen(name) > VF_NAME_MAX ? -ENAMETOOLONG : -EINVAL);
        char *right = strchr(err.message, '"');
        if (right == NULL)
            continue;
        right++;
        right[strlen(right) - 1] = '\0';
        assert_string_not_equal(right, name);
        assert_is_file_name(right, name);
        assert_int_equal(vf_name_decode(VF_NAME_FILE, right, &text, NULL), 0);
        free(text);
        corrected++;
    }
    assert_true(accepted > ROUNDS / 20);
    assert_true(corrected > ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_has_its_spelling),
        cmocka_unit_test(a_misspelled_name_is_refused_with_the_right_one),
        cmocka_unit_test(a_name_over_255_bytes_is_too_long),
        cmocka_unit_test(a_name_whose_right_spelling_is_too_long_is_refused),
        cmocka_unit_test(a_taken_name_gets_the_last_digits_of_its_id),
        cmocka_unit_test(different_ids_get_different_names_in_the_end),
        cmocka_unit_test(a_long_name_is_cut_at_a_character_and_tagged),
        cmocka_unit_test(a_name_is_cut_only_above_255_bytes),
        cmocka_unit_test(the_scratch_names_are_exactly_these),
        cmocka_unit_test(encoding_is_reversible_and_yields_file_names),
        cmocka_unit_test(decoding_is_reversible_or_names_a_name_that_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
