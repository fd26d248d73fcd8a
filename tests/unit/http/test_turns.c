/* SPDX-License-Identifier: MIT */
#include "hold.h"
#include "turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* One request alone, from its turn to its end. */
static void one(struct vf_http_turns *turns, enum vf_http_verdict verdict)
{
    vf_http_turns_end(turns, vf_http_turns_begin(turns, false, false), verdict);
}

static void the_limit_halves_once_for_all_in_flight_together(void **state)
{
    struct vf_http_turns turns;
    struct vf_http_turn turn[16];

    vf_http_turns_init(&turns, 16);
    for (unsigned i = 0; i < 16; i++)
        turn[i] = vf_http_turns_begin(&turns, false, false);
    for (unsigned i = 0; i < 15; i++)
        vf_http_turns_end(&turns, turn[i], VF_HTTP_TOO_MUCH);
    assert_int_equal(turns.limit, 8);

    /* One that began later says something new, the last of before does not. */
    one(&turns, VF_HTTP_TOO_MUCH);
    assert_int_equal(turns.limit, 4);
    vf_http_turns_end(&turns, turn[15], VF_HTTP_TOO_MUCH);
    assert_int_equal(turns.limit, 4);
    assert_int_equal(turns.active, 0);
}

static void the_limit_stays_between_1_and_what_was_asked_for(void **state)
{
    struct vf_http_turns turns;

    vf_http_turns_init(&turns, 5);
    for (unsigned i = 0; i < 10; i++)
        one(&turns, VF_HTTP_TOO_MUCH);
    assert_int_equal(turns.limit, 1);
    assert_true(vf_http_turns_are_free(&turns));
    for (unsigned i = 0; i < 1000; i++)
        one(&turns, VF_HTTP_GOES_WELL);
    assert_int_equal(turns.limit, 5);
}

static void it_takes_as_many_successes_as_the_limit_to_grow_by_one(void **state)
{
    struct vf_http_turns turns;

    vf_http_turns_init(&turns, 16);
    one(&turns, VF_HTTP_TOO_MUCH);
    one(&turns, VF_HTTP_TOO_MUCH);
    assert_int_equal(turns.limit, 4);
    for (unsigned limit = 4; limit < 16; limit++)
        for (unsigned i = 0; i < limit; i++) {
            assert_int_equal(turns.limit, limit);
            one(&turns, VF_HTTP_NO_VERDICT);
            one(&turns, VF_HTTP_GOES_WELL);
        }
    assert_int_equal(turns.limit, 16);
}

static void successes_from_before_it_shrank_do_not_count(void **state)
{
    struct vf_http_turns turns;
    struct vf_http_turn before[3];

    vf_http_turns_init(&turns, 4);
    for (unsigned i = 0; i < 3; i++)
        before[i] = vf_http_turns_begin(&turns, false, false);
    one(&turns, VF_HTTP_TOO_MUCH);
    for (unsigned i = 0; i < 3; i++)
        vf_http_turns_end(&turns, before[i], VF_HTTP_GOES_WELL);
    assert_int_equal(turns.limit, 2);
}

static void spare_turns_shrink_with_the_limit_but_for_one(void **state)
{
    static const struct {
        unsigned concurrency, halvings, spare;
    } cases[] = {{1, 0, 1},  {4, 0, 1},  {8, 0, 2},   {16, 0, 4}, {16, 1, 2},
                 {16, 2, 1}, {16, 4, 1}, {64, 0, 16}, {64, 2, 4}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_http_turns turns;

        vf_http_turns_init(&turns, cases[i].concurrency);
        for (unsigned k = 0; k < cases[i].halvings; k++)
            one(&turns, VF_HTTP_TOO_MUCH);
        assert_int_equal(vf_http_turns_spare(&turns), cases[i].spare);
        for (unsigned k = 0; k < turns.limit; k++)
            (void)vf_http_turns_begin(&turns, false, false);
        assert_false(vf_http_turns_are_free(&turns));
        for (unsigned k = 0; k < cases[i].spare; k++) {
            assert_true(vf_http_turns_are_spare(&turns));
            (void)vf_http_turns_begin(&turns, false, false);
        }
        assert_false(vf_http_turns_are_spare(&turns));
    }
}

/* Groups that are busy above the limit do not take it from the others. */
static void what_a_turn_of_the_limit_leaves_is_free_for_anybody(void **state)
{
    struct vf_http_turns turns;

    vf_http_turns_init(&turns, 1);
    for (unsigned i = 0; i < 3; i++) {
        struct vf_http_turn first = vf_http_turns_begin(&turns, false, false);
        struct vf_http_turn above = vf_http_turns_begin(&turns, false, false);

        assert_false(first.is_spare);
        assert_true(above.is_spare);
        vf_http_turns_end(&turns, first, VF_HTTP_GOES_WELL);
        assert_true(vf_http_turns_are_free(&turns));
        assert_false(vf_http_turns_are_spare(&turns));
        vf_http_turns_end(&turns, above, VF_HTTP_GOES_WELL);
        assert_true(vf_http_turns_are_spare(&turns));
    }
}

static void every_fourth_turn_is_for_one_who_is_ahead(void **state)
{
    struct vf_http_turns turns;

    vf_http_turns_init(&turns, 16);
    for (unsigned round = 0; round < 3; round++) {
        (void)vf_http_turns_begin(&turns, false, false); /* nobody was there */
        for (unsigned i = 0; i < 3; i++) {
            assert_false(vf_http_turns_is_for_ahead(&turns));
            (void)vf_http_turns_begin(&turns, false, true);
        }
        assert_true(vf_http_turns_is_for_ahead(&turns));
        (void)vf_http_turns_begin(&turns, true, false);
    }
}

/* The clock begins anywhere. */
#define NOW INT64_C(1000)

static void only_a_429_that_says_how_long_holds(void **state)
{
    static const struct {
        int status;
        int64_t retry_after_ms, left_ms;
    } cases[] = {
        {429, 3000, 3000}, {429, 1, 1},
        {429, -1, 0},      {429, 0, 0},
        {503, 3000, 0},    {500, 3000, 0},
        {200, 3000, 0},    {429, 86400000, VF_HTTP_HOLD_MAX_MS},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct vf_http_reply reply = {.status = cases[i].status,
                                            .retry_after_ms =
                                                cases[i].retry_after_ms};
        struct vf_http_hold hold = {0};

        assert_int_equal(vf_http_hold_note(&hold, VF_HTTP_GET, &reply, NOW),
                         cases[i].left_ms > 0);
        assert_int_equal(vf_http_hold_left(&hold, VF_HTTP_GET, NOW),
                         cases[i].left_ms);
        assert_int_equal(vf_http_hold_left(&hold, VF_HTTP_POST, NOW), 0);
        assert_int_equal(
            vf_http_hold_left(&hold, VF_HTTP_GET, NOW + cases[i].left_ms), 0);
    }
}

static void a_hold_may_become_longer_but_not_shorter(void **state)
{
    const struct vf_http_reply some = {.status = 429, .retry_after_ms = 300};
    const struct vf_http_reply more = {.status = 429, .retry_after_ms = 500};
    struct vf_http_hold hold = {0};

    assert_true(vf_http_hold_note(&hold, VF_HTTP_POST, &some, NOW));
    assert_true(vf_http_hold_note(&hold, VF_HTTP_DELETE, &more, NOW));
    assert_false(vf_http_hold_note(&hold, VF_HTTP_POST, &some, NOW + 100));
    assert_int_equal(vf_http_hold_left(&hold, VF_HTTP_POST, NOW + 100), 400);
    assert_int_equal(vf_http_hold_left(&hold, VF_HTTP_DELETE, NOW + 100), 400);
    assert_true(vf_http_hold_note(&hold, VF_HTTP_GET, &some, NOW));
    assert_int_equal(vf_http_hold_next(&hold, 60000, NOW), 300);
    assert_int_equal(vf_http_hold_next(&hold, 60000, NOW + 300), 200);
    assert_int_equal(vf_http_hold_next(&hold, 60000, NOW + 500), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_halves_once_for_all_in_flight_together),
        cmocka_unit_test(the_limit_stays_between_1_and_what_was_asked_for),
        cmocka_unit_test(
            it_takes_as_many_successes_as_the_limit_to_grow_by_one),
        cmocka_unit_test(successes_from_before_it_shrank_do_not_count),
        cmocka_unit_test(spare_turns_shrink_with_the_limit_but_for_one),
        cmocka_unit_test(what_a_turn_of_the_limit_leaves_is_free_for_anybody),
        cmocka_unit_test(every_fourth_turn_is_for_one_who_is_ahead),
        cmocka_unit_test(only_a_429_that_says_how_long_holds),
        cmocka_unit_test(a_hold_may_become_longer_but_not_shorter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
