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

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

#define INTERVAL_MS 30000

/* Access has ended in the generation 1; the source was read twice. */
static struct vf_auth *open_ended(void)
{
    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    assert_int_equal(take(auth, "pt-old"), 1);
    assert_int_equal(refuse(auth, 1, NULL), -EKEYREJECTED);
    assert_int_equal(fake_readings(), 2);
    return auth;
}

static void ended_access_fails_without_a_look_for_30_seconds(void **state)
{
    struct vf_auth *auth = open_ended();
    struct vf_error err;

    assert_ended(auth, EKEYREJECTED, &err);
    fake_pass_time(INTERVAL_MS - 2000);
    assert_ended(auth, EKEYREJECTED, &err);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void after_30_seconds_the_same_token_is_tried_again(void **state)
{
    struct vf_auth *auth = open_ended();

    fake_pass_time(INTERVAL_MS);
    assert_int_equal(take(auth, "pt-old"), 2);
    assert_int_equal(fake_readings(), 3);
    assert_int_equal(state_of(auth), VF_AUTH_UNUSED);
    vf_auth_accepted(auth, 2);
    assert_int_equal(state_of(auth), VF_AUTH_OK);
    assert_int_equal(take(auth, "pt-old"), 2);
    vf_auth_free(auth);
}

static void a_try_that_is_refused_again_waits_another_30_seconds(void **state)
{
    struct vf_auth *auth = open_ended();
    struct vf_error err;

    fake_pass_time(INTERVAL_MS);
    assert_int_equal(take(auth, "pt-old"), 2);
    assert_int_equal(refuse(auth, 2, NULL), -EKEYREJECTED);
    assert_ended(auth, EKEYREJECTED, &err);
    assert_int_equal(fake_readings(), 3);
    fake_pass_time(INTERVAL_MS);
    assert_int_equal(take(auth, "pt-old"), 3);
    vf_auth_free(auth);
}

static void a_look_that_fails_says_why_and_waits_another_30_seconds(
    void **state)
{
    struct vf_auth *auth = open_ended();
    struct vf_error err;

    fake_fail(EACCES, "chmod 600 it");
    fake_pass_time(INTERVAL_MS);
    assert_ended(auth, EKEYREJECTED, &err);
    assert_non_null(strstr(err.message, "chmod 600 it"));
    assert_ended(auth, EKEYREJECTED, &err);
    assert_int_equal(fake_readings(), 3);
    assert_int_equal(fake_records(), 0); /* callers were told */
    vf_auth_free(auth);
}

static void a_changed_file_brings_access_back_at_once_and_for_all(void **state)
{
    struct vf_auth *auth = open_ended();
    struct caller callers[CALLERS];

    fake_give("pt-new", 0);
    fake_touch();
    fake_close_gate();
    start_callers(auth, 0, callers);
    fake_wait_for_reading(3);
    fake_open_gate();
    join_callers(callers, 0);

    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(callers[i].generation, 2);
    assert_int_equal(fake_readings(), 3);
    (void)take(auth, "pt-new");
    vf_auth_free(auth);
}

static void who_is_told_to_look_again_does_so_at_once(void **state)
{
    struct vf_auth *auth = open_ended();

    fake_give("pt-new", 0);
    vf_auth_look_again(auth);
    fake_wait_for_reading(3);
    assert_int_equal(take(auth, "pt-new"), 2);
    assert_int_equal(fake_readings(), 3);
    vf_auth_free(auth);
}

static void a_source_that_cannot_change_is_tried_with_what_it_had(void **state)
{
    fake_reset("pt-old");
    fake_cannot_change();
    struct vf_auth *auth = open_auth(NULL);
    fake_fail(EBADF, "it was closed");
    assert_int_equal(refuse(auth, 1, NULL), -EKEYREJECTED);
    fake_pass_time(INTERVAL_MS);
    assert_int_equal(take(auth, "pt-old"), 2);
    assert_int_equal(refuse(auth, 2, NULL), -EKEYREJECTED);
    vf_auth_look_again(auth);
    assert_int_equal(take(auth, "pt-old"), 3);
    assert_int_equal(fake_readings(), 1);
    vf_auth_free(auth);
}

static void a_caller_waits_for_a_look_only_until_its_deadline(void **state)
{
    struct vf_auth *auth = open_ended();
    struct vf_secret *secret;
    struct caller patient;
    unsigned generation;

    fake_give("pt-new", 0);
    fake_touch();
    fake_close_gate();
    start_caller(auth, 0, &patient);
    fake_wait_for_reading(3);
    assert_int_equal(vf_auth_token(auth, soon(), &secret, &generation, NULL),
                     -ETIMEDOUT);
    fake_open_gate();
    join_caller(&patient, 0);
    assert_int_equal(patient.generation, 2);
    assert_int_equal(take(auth, "pt-new"), 2);
    assert_int_equal(fake_readings(), 3);
    vf_auth_free(auth);
}

static void a_changed_file_replaces_a_token_that_works(void **state)
{
    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    vf_auth_accepted(auth, 1);
    fake_give("pt-new", 0);
    assert_int_equal(take(auth, "pt-old"), 1);
    fake_touch();
    assert_int_equal(take(auth, "pt-new"), 2);
    assert_int_equal(fake_readings(), 2);

    /* It did not come because another was refused: it has a second try. */
    fake_give("pt-newer", 0);
    assert_int_equal(refuse(auth, 2, NULL), 0);
    assert_int_equal(take(auth, "pt-newer"), 3);
    vf_auth_free(auth);
}

static void a_changed_file_with_the_same_token_changes_nothing(void **state)
{
    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    vf_auth_accepted(auth, 1);
    fake_touch();
    assert_int_equal(take(auth, "pt-old"), 1);
    assert_int_equal(fake_readings(), 2);
    assert_int_equal(state_of(auth), VF_AUTH_OK);
    vf_auth_free(auth);
}

static void a_changed_file_without_a_token_is_one_record_and_no_failure(
    void **state)
{
    struct caller callers[CALLERS];
    struct vf_error err;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    vf_auth_accepted(auth, 1);
    fake_fail(EACCES, "chmod 600 it");
    fake_touch();
    start_callers(auth, 0, callers);
    join_callers(callers, 0);
    fake_wait_for_record(1, "token", &err);
    assert_int_equal(err.code, EACCES);
    assert_string_equal(err.message, "chmod 600 it");
    assert_int_equal(take(auth, "pt-old"), 1);
    assert_int_equal(state_of(auth), VF_AUTH_OK);
    assert_int_equal(fake_readings(), 2);

    fake_touch();
    assert_int_equal(take(auth, "pt-old"), 1);
    fake_wait_for_record(2, "token", &err);
    vf_auth_free(auth);
    assert_int_equal(fake_records(), 2);
}

/* They wait for a moment, together: who comes later does not wait again. */
static void a_file_on_a_disk_that_hangs_is_waited_for_only_once(void **state)
{
    struct caller callers[CALLERS];

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_give("pt-new", 0);
    fake_touch();
    fake_hold_judgements();
    start_callers(auth, 0, callers);
    join_callers(callers, 0);
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(callers[i].generation, 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(take(auth, "pt-old"), 1);
    assert_int_equal(fake_judgements(), 1);
    assert_int_equal(fake_readings(), 1);
    fake_release_judgements();
    wait_for_generation(auth, 2);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

/* They wait no more when the disk is back: one for who comes then. */
static void a_judgement_that_nobody_waits_for_is_not_made(void **state)
{
    struct caller callers[CALLERS];

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_hold_judgements();
    start_callers(auth, 0, callers);
    join_callers(callers, 0);
    fake_release_judgements();
    for (int i = 0; i < 10000; i++) { /* time enough to do it */
        (void)state_of(auth);
        sched_yield();
    }
    assert_int_equal(fake_judgements(), 1);
    while (fake_judgements() < 2)
        (void)take(auth, "pt-old");
    vf_auth_free(auth);
}

static void ended_access_does_not_wait_for_a_disk_that_hangs(void **state)
{
    struct vf_auth *auth = open_ended();
    struct vf_error err;

    fake_give("pt-new", 0);
    fake_touch();
    fake_hold_judgements();
    for (int i = 0; i < 1000; i++)
        assert_ended(auth, EKEYREJECTED, &err);
    fake_release_judgements();
    while (state_of(auth) != VF_AUTH_UNUSED)
        sched_yield();
    assert_int_equal(take(auth, "pt-new"), 2);
    vf_auth_free(auth);
}

static void a_shutdown_does_not_wait_for_who_waits_for_a_disk(void **state)
{
    struct caller caller;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_hold_judgements();
    start_caller(auth, 0, &caller);
    fake_wait_for_judgement(1);
    vf_auth_shutdown(auth);
    join_caller(&caller, -ECANCELED);
    fake_touch(); /* is no reason any more */
    fake_release_judgements();
    vf_auth_free(auth);
    assert_int_equal(fake_readings(), 1);
}

/* A reason for the look, to be given while the gate is closed. */
static void touch_and_come(struct vf_auth *auth)
{
    fake_touch();
    assert_int_equal(take(auth, "pt-old"), 1);
}

static void look_and_come(struct vf_auth *auth)
{
    vf_auth_look_again(auth);
    assert_int_equal(take(auth, "pt-old"), 1);
}

static void a_look_that_takes_long_leaves_the_token_in_use(void **state)
{
    static void (*const reasons[])(struct vf_auth *) = {touch_and_come,
                                                        look_and_come};

    for (size_t i = 0; i < 2; i++) {
        fake_reset("pt-old");
        struct vf_auth *auth = open_auth(NULL);
        if (i == 0) /* proved or not */
            vf_auth_accepted(auth, 1);
        fake_give("pt-new", 0);
        fake_close_gate();
        reasons[i](auth);
        for (int j = 0; j < 1000; j++)
            assert_int_equal(take(auth, "pt-old"), 1);
        fake_open_gate();
        wait_for_generation(auth, 2);
        assert_int_equal(fake_readings(), 2);
        assert_int_equal(fake_records(), 0);
        vf_auth_free(auth);
    }
}

/* The other half is for the request. */
static void who_has_little_time_waits_for_half_of_it(void **state)
{
    struct vf_secret *secret;
    unsigned generation;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_close_gate();
    vf_auth_look_again(auth);
    const int64_t deadline_ms =
        vf_clock_monotonic_ms() + VF_AUTH_LOOK_MAX_MS * 9 / 10;
    assert_int_equal(
        vf_auth_token(auth, deadline_ms, &secret, &generation, NULL), 0);
    vf_secret_unref(secret);
    assert_true(vf_clock_monotonic_ms() < deadline_ms);
    vf_auth_free(auth);
}

static void a_token_that_is_refused_during_a_look_is_not_gone_on_with(
    void **state)
{
    struct caller callers[CALLERS];
    struct vf_secret *secret;
    unsigned generation;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_give("pt-new", 0);
    fake_close_gate();
    look_and_come(auth);
    start_callers(auth, 1, callers);
    while (state_of(auth) != VF_AUTH_REFUSED)
        sched_yield();
    assert_int_equal(vf_auth_token(auth, soon(), &secret, &generation, NULL),
                     -ETIMEDOUT);
    fake_open_gate();
    join_callers(callers, 0);
    assert_int_equal(take(auth, "pt-new"), 2);
    vf_auth_free(auth);
}

static void a_look_that_a_shutdown_ended_is_no_failure(void **state)
{
    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_close_gate();
    vf_auth_look_again(auth);
    fake_wait_for_reading(2);
    vf_auth_free(auth);
    assert_int_equal(fake_records(), 0);
}

/* Each sees what the source had after he asked for the look. */
static void a_look_asked_for_during_a_look_is_another_one(void **state)
{
    fake_reset("pt-1");
    struct vf_auth *auth = open_auth(NULL);
    fake_give("pt-2", 0);
    fake_close_gate();
    vf_auth_look_again(auth);
    fake_wait_for_reading(2);
    fake_give("pt-3", 0);
    vf_auth_look_again(auth);
    vf_auth_look_again(auth);
    fake_open_gate();
    assert_int_equal(take(auth, "pt-3"), 3);
    assert_int_equal(fake_readings(), 3);
    vf_auth_free(auth);
}

/* Neither is the thread asked that would judge. */
static void a_source_without_a_file_is_not_judged(void **state)
{
    fake_reset("pt-old");
    fake_has_no_file();
    struct vf_auth *auth = open_auth(NULL);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(take(auth, "pt-old"), 1);
        if (i == 500)
            vf_auth_accepted(auth, 1);
    }
    assert_int_equal(fake_judgements(), 0);

    /* But what was asked for is waited for, and looked at when access ended. */
    fake_give("pt-new", 0);
    vf_auth_look_again(auth);
    assert_int_equal(take(auth, "pt-new"), 2);
    assert_int_equal(refuse(auth, 2, NULL), -EKEYREJECTED);
    fake_pass_time(INTERVAL_MS);
    assert_int_equal(take(auth, "pt-new"), 3);
    assert_int_equal(fake_judgements(), 0);
    vf_auth_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ended_access_fails_without_a_look_for_30_seconds),
        cmocka_unit_test(after_30_seconds_the_same_token_is_tried_again),
        cmocka_unit_test(a_try_that_is_refused_again_waits_another_30_seconds),
        cmocka_unit_test(
            a_look_that_fails_says_why_and_waits_another_30_seconds),
        cmocka_unit_test(a_changed_file_brings_access_back_at_once_and_for_all),
        cmocka_unit_test(who_is_told_to_look_again_does_so_at_once),
        cmocka_unit_test(a_source_that_cannot_change_is_tried_with_what_it_had),
        cmocka_unit_test(a_caller_waits_for_a_look_only_until_its_deadline),
        cmocka_unit_test(a_changed_file_replaces_a_token_that_works),
        cmocka_unit_test(a_changed_file_with_the_same_token_changes_nothing),
        cmocka_unit_test(
            a_changed_file_without_a_token_is_one_record_and_no_failure),
        cmocka_unit_test(a_file_on_a_disk_that_hangs_is_waited_for_only_once),
        cmocka_unit_test(a_judgement_that_nobody_waits_for_is_not_made),
        cmocka_unit_test(ended_access_does_not_wait_for_a_disk_that_hangs),
        cmocka_unit_test(a_shutdown_does_not_wait_for_who_waits_for_a_disk),
        cmocka_unit_test(a_look_that_takes_long_leaves_the_token_in_use),
        cmocka_unit_test(who_has_little_time_waits_for_half_of_it),
        cmocka_unit_test(
            a_token_that_is_refused_during_a_look_is_not_gone_on_with),
        cmocka_unit_test(a_look_that_a_shutdown_ended_is_no_failure),
        cmocka_unit_test(a_look_asked_for_during_a_look_is_another_one),
        cmocka_unit_test(a_source_without_a_file_is_not_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
