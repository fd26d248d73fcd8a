/* SPDX-License-Identifier: MIT */
#include "callers.h"
#include "fakes.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "renewal.h"
#include "vaultfs/secret.h"

/* Moves the clock of ends. The thread waits on another clock, and looks at this
 * one when it wakes: a refusal of a generation that never was does no more. */
static void pass(struct vf_auth *auth, int64_t seconds)
{
    fake_pass_time(seconds * 1000);
    assert_int_equal(refuse(auth, 0, NULL), 0);
}

/* Until as many readings are over, and what they gave has been judged: before,
 * time must not pass. */
static void wait_for_verdict(struct vf_auth *auth, unsigned readings)
{
    struct vf_auth_status status;

    do {
        sched_yield();
        vf_auth_status(auth, &status);
    } while (status.reads < readings);
    assert_int_equal(status.reads, readings);
}

static void it_is_due_a_fifth_of_the_life_before_the_end(void **state)
{
    static const struct {
        int64_t life_s, due_ms;
    } cases[] = {
        {100, 80000},    /* a fifth */
        {1500, 1200000}, /* the longest margin */
        {3600, 3300000}, /* no longer than that */
        {5, 4000},       /* the shortest margin */
        {2, 1000},       /* no shorter than that */
        {1, 1000},       /* not sooner than in a second */
        {-1000, 1000},   /* its end has passed, by our clock */
        {INT64_MAX / 2000, (INT64_MAX / 2000) * 1000 - 300000},
    };
    const int64_t now = 1000000000;
    struct vf_auth_renewal renewal;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        vf_auth_renewal_begin(&renewal, now, now / 1000 + cases[i].life_s);
        assert_int_equal(renewal.due_ms, now + cases[i].due_ms);
    }
}

static void an_end_that_is_not_known_or_no_time_is_never_due(void **state)
{
    static const int64_t ends[] = {0, INT64_MAX, INT64_MAX / 1000 + 1};
    struct vf_auth_renewal renewal;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        vf_auth_renewal_begin(&renewal, 1000, ends[i]);
        assert_int_equal(renewal.due_ms, INT64_MAX);
        assert_int_equal(renewal.expires_ms, INT64_MAX);
    }
}

static void the_pauses_grow_to_a_minute_and_stop_at_the_end(void **state)
{
    static const int64_t pauses[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    struct vf_auth_renewal renewal;
    int64_t now = 700000;

    vf_auth_renewal_begin(&renewal, 0, 1000);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        vf_auth_renewal_postpone(&renewal, now);
        assert_int_equal(renewal.due_ms, now + pauses[i] * 1000);
        now = renewal.due_ms;
    }
    vf_auth_renewal_postpone(&renewal, 1000000);
    assert_int_equal(renewal.due_ms, INT64_MAX);
}

static void a_token_is_renewed_before_its_end_and_nobody_waits(void **state)
{
    fake_reset("pt-1");
    fake_give("pt-1", fake_now_s() + 1000);
    struct vf_auth *auth = open_auth(NULL);
    vf_auth_accepted(auth, 1);
    fake_give("pt-2", fake_now_s() + 2000);
    pass(auth, 790);
    assert_int_equal(fake_readings(), 1);
    fake_close_gate();
    pass(auth, 20);
    fake_wait_for_reading(2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(take(auth, "pt-1"), 1);
    fake_open_gate();
    wait_for_generation(auth, 2);
    (void)take(auth, "pt-2");
    pass(auth, 200);
    assert_int_equal(fake_readings(), 2); /* it has a life of its own */
    vf_auth_free(auth);
}

/* On real clocks: nothing else happens that would wake the thread. */
static void a_renewal_needs_nobody_to_ask_for_it(void **state)
{
    fake_reset("pt-1");
    fake_give("pt-1", fake_now_s() + 2);
    struct vf_auth *auth = open_auth(NULL);
    fake_wait_for_reading(2);
    vf_auth_free(auth);
}

static void a_renewal_that_fails_is_tried_again_with_one_record(void **state)
{
    struct vf_error err;

    fake_reset("pt-1");
    fake_give("pt-1", fake_now_s() + 1000);
    struct vf_auth *auth = open_auth(NULL);
    vf_auth_accepted(auth, 1);
    fake_fail(ECHILD, "it ended with 1");
    pass(auth, 801);
    fake_wait_for_record(1, "token", &err);
    assert_int_equal(err.code, ECHILD);
    for (unsigned attempt = 3; attempt < 6; attempt++) {
        pass(auth, 60);
        wait_for_verdict(auth, attempt);
        assert_int_equal(take(auth, "pt-1"), 1);
    }
    assert_int_equal(fake_records(), 1);

    /* A changed file is news of its own. */
    fake_touch();
    assert_int_equal(take(auth, "pt-1"), 1);
    fake_wait_for_record(2, "token", &err);

    /* Another life, another record. */
    fake_give("pt-2", fake_now_s() + 1000);
    pass(auth, 60);
    wait_for_generation(auth, 2);
    fake_fail(ECHILD, "it ended with 2");
    pass(auth, 801);
    fake_wait_for_record(3, "token", &err);
    assert_string_equal(err.message, "it ended with 2");
    vf_auth_free(auth);
}

static void the_same_token_again_is_asked_for_later(void **state)
{
    fake_reset("pt-1");
    const int64_t end = fake_now_s() + 1000;
    fake_give("pt-1", end);
    struct vf_auth *auth = open_auth(NULL);
    pass(auth, 801);
    wait_for_verdict(auth, 2);
    assert_int_equal(take(auth, "pt-1"), 1);
    fake_give("pt-2", end + 1000);
    pass(auth, 60);
    wait_for_generation(auth, 2);
    vf_auth_free(auth);
    assert_int_equal(fake_records(), 0);
}

static void a_later_end_of_the_same_token_is_a_renewal(void **state)
{
    struct vf_auth_status status;

    fake_reset("pt-1");
    const int64_t end = fake_now_s() + 1000;
    fake_give("pt-1", end);
    struct vf_auth *auth = open_auth(NULL);
    vf_auth_accepted(auth, 1);
    fake_give("pt-1", end + 1000);
    pass(auth, 801);
    wait_for_verdict(auth, 2);
    vf_auth_status(auth, &status);
    assert_int_equal(status.expires_s, end + 1000);
    assert_int_equal(status.state, VF_AUTH_OK);
    pass(auth, 100);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

/* Our clock may be wrong, or the service lenient. */
static void past_its_end_a_token_stays_in_use_and_is_not_renewed(void **state)
{
    fake_reset("pt-1");
    fake_give("pt-1", fake_now_s() + 1000);
    struct vf_auth *auth = open_auth(NULL);
    fake_fail(ECHILD, "it ended with 1");
    pass(auth, 1001);
    wait_for_verdict(auth, 2);
    vf_auth_accepted(auth, 1);
    pass(auth, 1000);
    vf_auth_look_again(auth);
    assert_int_equal(take(auth, "pt-1"), 1);
    vf_auth_look_again(auth); /* would come after a renewal that is due */
    assert_int_equal(take(auth, "pt-1"), 1);
    assert_int_equal(fake_readings(), 4);
    assert_int_equal(state_of(auth), VF_AUTH_OK);
    vf_auth_free(auth);
}

static void a_refusal_during_a_renewal_waits_for_what_it_gives(void **state)
{
    struct caller callers[CALLERS];

    fake_reset("pt-1");
    fake_give("pt-1", fake_now_s() + 1000);
    struct vf_auth *auth = open_auth(NULL);
    fake_give("pt-2", fake_now_s() + 2000);
    fake_close_gate();
    pass(auth, 801);
    fake_wait_for_reading(2);
    start_callers(auth, 1, callers);
    while (state_of(auth) != VF_AUTH_REFUSED)
        sched_yield();
    fake_open_gate();
    join_callers(callers, 0);
    assert_int_equal(take(auth, "pt-2"), 2);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void what_has_ended_is_not_renewed(void **state)
{
    struct vf_error err;

    fake_reset("pt-1");
    fake_give("pt-1", fake_now_s() + 100);
    struct vf_auth *auth = open_auth(NULL);
    fake_fail(ECHILD, "it ended with 1");
    assert_int_equal(refuse(auth, 1, NULL), -EKEYREJECTED);
    fake_pass_time(90000);
    for (unsigned reading = 3; reading < 20; reading++) {
        vf_auth_look_again(auth);
        assert_ended(auth, EKEYREJECTED, &err);
        assert_int_equal(fake_readings(), reading);
    }
    vf_auth_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_due_a_fifth_of_the_life_before_the_end),
        cmocka_unit_test(an_end_that_is_not_known_or_no_time_is_never_due),
        cmocka_unit_test(the_pauses_grow_to_a_minute_and_stop_at_the_end),
        cmocka_unit_test(a_token_is_renewed_before_its_end_and_nobody_waits),
        cmocka_unit_test(a_renewal_needs_nobody_to_ask_for_it),
        cmocka_unit_test(a_renewal_that_fails_is_tried_again_with_one_record),
        cmocka_unit_test(the_same_token_again_is_asked_for_later),
        cmocka_unit_test(a_later_end_of_the_same_token_is_a_renewal),
        cmocka_unit_test(past_its_end_a_token_stays_in_use_and_is_not_renewed),
        cmocka_unit_test(a_refusal_during_a_renewal_waits_for_what_it_gives),
        cmocka_unit_test(what_has_ended_is_not_renewed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
