/* SPDX-License-Identifier: MIT */
#include "expiry.h"
#include "scope.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND_US 1000000LL
/* 2027-01-15T08:00:00.000005Z */
#define NOW_US (1800000000LL * SECOND_US + 5)

static void a_span_is_counted_from_now(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } spans[] = {{"1s", 1},
                 {"90m", 5400},
                 {"0012h", 43200},
                 {"30d", 2592000},
                 {"52w", 31449600},
                 {"3162240000s", 3162240000},
                 {"36600d", 3162240000}};

    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        int64_t end_us = -1;

        assert_int_equal(vf_expiry_parse(spans[i].text, NOW_US, &end_us, NULL),
                         0);
        assert_int_equal(end_us, NOW_US + spans[i].seconds * SECOND_US);
    }
}

static void a_time_is_taken_as_it_is(void **state)
{
    int64_t end_us = -1;

    assert_int_equal(
        vf_expiry_parse("2027-01-15T08:00:00.000006Z", NOW_US, &end_us, NULL),
        0);
    assert_int_equal(end_us, NOW_US + 1);
    assert_int_equal(
        vf_expiry_parse("2027-01-15T10:00:01+02:00", NOW_US, &end_us, NULL), 0);
    assert_int_equal(end_us, 1800000001 * SECOND_US);
}

static void what_is_not_ahead_or_no_end_at_all_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "s",
        "0s",
        "1",
        "1x",
        "1ss",
        "+1s",
        "1.5h",
        "3162240001s",
        "36601d",
        "5229w",
        "9223372036854775807s",
        "9223372036854775808w",
        "18446744073709551617s",
        "2027-01-15T08:00:00.000005Z", /* now */
        "2027-01-15T08:00:00Z",
        "2127-05-01T00:00:00Z",
        "2027-01-16",
        "tomorrow",
    };
    struct vf_error err;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t end_us = -1;

        assert_int_equal(vf_expiry_parse(texts[i], NOW_US, &end_us, &err),
                         -EINVAL);
        assert_int_equal(end_us, -1);
        assert_int_not_equal(err.message[0], '\0');
    }
}

static void scopes_add_up_and_write_implies_read(void **state)
{
    unsigned scopes = 0;

    assert_int_equal(vf_scopes_add("vaults:read", &scopes, NULL), 0);
    assert_int_equal(scopes, VF_SCOPE_READ);
    assert_int_equal(vf_scopes_add("vaults:write", &scopes, NULL), 0);
    assert_int_equal(scopes, VF_SCOPE_ALL);
    scopes = 0;
    assert_int_equal(vf_scopes_add("vaults:write,vaults:read", &scopes, NULL),
                     0);
    assert_int_equal(scopes, VF_SCOPE_ALL);
}

static void a_list_with_one_wrong_scope_adds_none(void **state)
{
    static const char *const texts[] = {"",
                                        ",",
                                        "vaults:read,",
                                        ",vaults:read",
                                        "vaults:write,vaults:rea",
                                        "vaults:reads",
                                        "vaults:read vaults:write"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        unsigned scopes = 0;

        assert_int_equal(vf_scopes_add(texts[i], &scopes, NULL), -EINVAL);
        assert_int_equal(scopes, 0);
    }
}

static void scopes_are_named_in_one_order(void **state)
{
    struct vf_buf text = VF_BUF_INIT;

    vf_scopes_put(VF_SCOPE_ALL, "", ", ", &text);
    vf_scopes_put(VF_SCOPE_READ, "'", ", ", &text);
    vf_scopes_put(0, "'", ", ", &text);
    assert_string_equal(text.data, "vaults:read, vaults:write'vaults:read'");
    vf_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_counted_from_now),
        cmocka_unit_test(a_time_is_taken_as_it_is),
        cmocka_unit_test(what_is_not_ahead_or_no_end_at_all_is_refused),
        cmocka_unit_test(scopes_add_up_and_write_implies_read),
        cmocka_unit_test(a_list_with_one_wrong_scope_adds_none),
        cmocka_unit_test(scopes_are_named_in_one_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
