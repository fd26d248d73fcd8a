/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_document_ends_with_its_last_bracket(void **state)
{
    static const struct {
        const char *text;
        enum vf_spec_scan_state wanted;
        size_t offset;
    } rows[] = {
        {"", VF_SPEC_SCAN_START, 0},
        {" \t\r\n", VF_SPEC_SCAN_START, 4},
        {"{", VF_SPEC_SCAN_PARTIAL, 1},
        {"{}", VF_SPEC_SCAN_COMPLETE, 2},
        {" {} \r\n\t", VF_SPEC_SCAN_COMPLETE, 7},
        {"{\"a\":[{}]", VF_SPEC_SCAN_PARTIAL, 9},
        {"{\"a\":[{}]}", VF_SPEC_SCAN_COMPLETE, 10},
        {"{\"}\"", VF_SPEC_SCAN_PARTIAL, 4},
        {"{\"\\\"}\"", VF_SPEC_SCAN_PARTIAL, 6},
        {"{\"\\\\\"}", VF_SPEC_SCAN_COMPLETE, 6},
        {"{\"a\\", VF_SPEC_SCAN_PARTIAL, 4},
        {"{\"[[{{\"}", VF_SPEC_SCAN_COMPLETE, 8},
        {"{}x", VF_SPEC_SCAN_BAD, 2},
        {"{} {}", VF_SPEC_SCAN_BAD, 3},
        {"{}\f", VF_SPEC_SCAN_BAD, 2},
        {"{}}", VF_SPEC_SCAN_BAD, 2},
        {"x{}", VF_SPEC_SCAN_BAD, 0},
        {"  [1]", VF_SPEC_SCAN_BAD, 2},
        {"\"a\"", VF_SPEC_SCAN_BAD, 0},
        {"}", VF_SPEC_SCAN_BAD, 0},
        {"\xEF\xBB\xBF{}", VF_SPEC_SCAN_BAD, 0},
        {"\f{}", VF_SPEC_SCAN_BAD, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct vf_spec_scan scan = VF_SPEC_SCAN_INIT;

        if (vf_spec_scan_feed(&scan, rows[i].text, strlen(rows[i].text)) !=
            rows[i].wanted)
            fail_msg("%s: state %d", rows[i].text, (int)scan.state);
        assert_int_equal(scan.state, rows[i].wanted);
        assert_int_equal(scan.offset, rows[i].offset);
    }
}

static void a_nul_byte_is_no_white_space(void **state)
{
    struct vf_spec_scan scan = VF_SPEC_SCAN_INIT;

    assert_int_equal(vf_spec_scan_feed(&scan, "{}\0", 3), VF_SPEC_SCAN_BAD);
    scan = VF_SPEC_SCAN_INIT;
    assert_int_equal(vf_spec_scan_feed(&scan, "\0{}", 3), VF_SPEC_SCAN_BAD);
}

static void what_is_bad_stays_bad(void **state)
{
    struct vf_spec_scan scan = VF_SPEC_SCAN_INIT;

    assert_int_equal(vf_spec_scan_feed(&scan, "{}x", 3), VF_SPEC_SCAN_BAD);
    assert_int_equal(vf_spec_scan_feed(&scan, " {}", 3), VF_SPEC_SCAN_BAD);
    assert_int_equal(vf_spec_scan_feed(&scan, NULL, 0), VF_SPEC_SCAN_BAD);
    assert_int_equal(scan.offset, 2);
}

static void nesting_ends_where_the_parser_ends_it(void **state)
{
    for (unsigned depth = 1; depth <= VF_JSON_DEPTH_MAX + 1; depth++) {
        struct vf_spec_scan scan = VF_SPEC_SCAN_INIT;
        char text[8 * VF_JSON_DEPTH_MAX] = "";
        struct vf_json *json;

        for (unsigned i = 1; i < depth; i++)
            strcat(text, "{\"\":");
        strcat(text, "{}");
        for (unsigned i = 1; i < depth; i++)
            strcat(text, "}");
        bool is_good = vf_spec_scan_feed(&scan, text, strlen(text)) ==
                       VF_SPEC_SCAN_COMPLETE;
        assert_int_equal(is_good, depth <= VF_JSON_DEPTH_MAX);
        int result = vf_json_parse(text, strlen(text), &json, NULL);
        assert_int_equal(result == 0, is_good);
        if (result == 0)
            vf_json_free(json);
    }
}

/* One damaged document, in whatever pieces: the scanner says the same, and
 * what the parser takes as an object is complete. */
static void check_damaged(const char *text, size_t size, unsigned *accepted)
{
    struct vf_spec_scan whole = VF_SPEC_SCAN_INIT;
    struct vf_spec_scan pieces = VF_SPEC_SCAN_INIT;
    struct vf_json *json = NULL;

    vf_spec_scan_feed(&whole, text, size);
    for (size_t at = 0; at < size;) {
        size_t piece = 1 + (size_t)rand() % 3;

        piece = piece < size - at ? piece : size - at;
        vf_spec_scan_feed(&pieces, text + at, piece);
        at += piece;
    }
    assert_int_equal(whole.state, pieces.state);
    assert_int_equal(whole.offset, pieces.offset);
    if (vf_json_parse(text, size, &json, NULL) < 0)
        return;
    if (vf_json_type(json) == VF_JSON_OBJECT) {
        ++*accepted;
        if (whole.state != VF_SPEC_SCAN_COMPLETE)
            fail_msg("%.*s: state %d", (int)size, text, (int)whole.state);
    }
    vf_json_free(json);
}

static void what_parses_is_complete_and_pieces_do_not_matter(void **state)
{
    static const char seed[] =
        " {\"auth\":{\"type\":\"a\\\"}\",\"t\":[{},\"\\\\\",{}]},\"m\":1} \n";
    static const char bytes[] = "{}[]\",:\\u ntb\n19x";
    unsigned accepted = 0;

    srand(11);
    for (int round = 0; round < 200000; round++) {
        char text[sizeof(seed)];

        memcpy(text, seed, sizeof(seed));
        for (int n = rand() % 4; n > 0; n--)
            text[(size_t)rand() % (sizeof(seed) - 1)] =
                bytes[(size_t)rand() % (sizeof(bytes) - 1)];
        check_damaged(text,
                      (size_t)rand() % 4 ? sizeof(seed) - 1
                                         : (size_t)rand() % sizeof(seed),
                      &accepted);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_ends_with_its_last_bracket),
        cmocka_unit_test(a_nul_byte_is_no_white_space),
        cmocka_unit_test(what_is_bad_stays_bad),
        cmocka_unit_test(nesting_ends_where_the_parser_ends_it),
        cmocka_unit_test(what_parses_is_complete_and_pieces_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
