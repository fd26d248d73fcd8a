/* SPDX-License-Identifier: MIT */
#include "callers.h"
#include "fakes.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/secret.h"

static void many_refused_callers_ask_the_source_once(void **state)
{
    struct caller callers[CALLERS];

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_give("pt-new", 0);
    fake_close_gate();
    start_callers(auth, first, callers);
    fake_wait_for_reading(2);
    fake_open_gate();
    join_callers(callers, 0);

    assert_int_equal(fake_readings(), 2);
    assert_int_equal(take(auth, "pt-new"), first + 1);
    vf_auth_free(auth);
}

static void who_wants_a_token_waits_for_the_asking(void **state)
{
    struct caller callers[CALLERS];
    struct vf_secret *secret;
    struct vf_error err;
    unsigned generation;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_give("pt-new", 0);
    fake_close_gate();
    assert_int_equal(vf_auth_refused(auth, first, NULL, soon(), &err),
                     -ETIMEDOUT);
    assert_int_equal(vf_auth_token(auth, soon(), &secret, &generation, &err),
                     -ETIMEDOUT);
    assert_non_null(strstr(err.message, FAKE_SOURCE));
    start_callers(auth, 0, callers);
    fake_open_gate();
    join_callers(callers, 0);

    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(callers[i].generation, first + 1);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void the_asking_goes_on_when_its_caller_has_left(void **state)
{
    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_give("pt-new", 0);
    fake_close_gate();
    assert_int_equal(vf_auth_refused(auth, first, NULL, 0, NULL), -ETIMEDOUT);
    fake_open_gate();
    assert_int_equal(take(auth, "pt-new"), first + 1);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void a_generation_that_is_over_has_its_answer_already(void **state)
{
    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_give("pt-new", 0);
    assert_int_equal(refuse(auth, first, NULL), 0);
    fake_fail(ENOENT, "gone");
    assert_int_equal(refuse(auth, first, NULL), 0);
    assert_int_equal(take(auth, "pt-new"), first + 1);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void a_source_without_another_token_ends_access(void **state)
{
    struct vf_error refused, err;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    vf_auth_accepted(auth, first);
    assert_int_equal(refuse(auth, first, &refused), -EKEYREJECTED);
    assert_non_null(strstr(refused.message, FAKE_SOURCE));
    assert_null(strstr(refused.message, "pt-"));
    assert_ended(auth, EKEYREJECTED, &err);
    assert_string_equal(err.message, refused.message);
    assert_string_equal(err.type, "");
    assert_int_equal(err.http_status, 0);
    assert_int_equal(state_of(auth), VF_AUTH_REFUSED);
    assert_int_equal(refuse(auth, first, NULL), -EKEYREJECTED);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void a_source_that_cannot_be_read_ends_access_and_says_why(void **state)
{
    struct vf_error err;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_fail(EACCES, "chmod 600 it");
    assert_int_equal(refuse(auth, first, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.message, "chmod 600 it"));
    assert_ended(auth, EKEYREJECTED, &err);
    assert_int_equal(fake_records(), 0);
    vf_auth_free(auth);
}

/* A command that makes up a new token each time would be asked for ever. */
static void a_token_in_place_of_a_refused_one_has_one_try(void **state)
{
    struct vf_error err;

    fake_reset("pt-1");
    struct vf_auth *auth = open_auth(NULL);
    fake_give("pt-2", 0);
    assert_int_equal(refuse(auth, take(auth, "pt-1"), NULL), 0);
    unsigned second = take(auth, "pt-2");
    fake_give("pt-3", 0);
    assert_int_equal(refuse(auth, second, NULL), -EKEYREJECTED);
    assert_ended(auth, EKEYREJECTED, &err);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void a_token_that_was_accepted_is_worth_another_asking(void **state)
{
    fake_reset("pt-1");
    struct vf_auth *auth = open_auth(NULL);
    fake_give("pt-2", 0);
    assert_int_equal(refuse(auth, take(auth, "pt-1"), NULL), 0);
    unsigned second = take(auth, "pt-2");
    vf_auth_accepted(auth, second);
    fake_give("pt-3", 0);
    assert_int_equal(refuse(auth, second, NULL), 0);
    assert_int_equal(take(auth, "pt-3"), second + 1);
    vf_auth_free(auth);
}

/* Requests overtake each other: what is said of an older token says nothing of
 * this one. */
static void a_late_acceptance_proves_nothing(void **state)
{
    struct vf_error err;

    fake_reset("pt-1");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-1");
    fake_give("pt-2", 0);
    assert_int_equal(refuse(auth, first, NULL), 0);
    vf_auth_accepted(auth, first);
    assert_int_equal(state_of(auth), VF_AUTH_UNUSED);
    assert_int_equal(refuse(auth, first + 1, NULL), -EKEYREJECTED);
    assert_int_equal(fake_readings(), 2);
    vf_auth_accepted(auth, first + 1);
    assert_int_equal(state_of(auth), VF_AUTH_REFUSED);
    assert_ended(auth, EKEYREJECTED, &err);
    vf_auth_free(auth);
}

/* The reading began when nobody had been refused yet: what it brings may be
 * older than what made the service refuse. */
static void an_answer_older_than_the_refusal_does_not_count(void **state)
{
    struct caller callers[CALLERS];

    for (int is_failure = 0; is_failure < 2; is_failure++) {
        fake_reset("pt-old");
        struct vf_auth *auth = open_auth(NULL);
        if (is_failure)
            fake_fail(ENOENT, "not yet");
        fake_close_gate();
        vf_auth_look_again(auth);
        fake_wait_for_reading(2);
        fake_give("pt-new", 0);
        start_callers(auth, 1, callers);
        while (state_of(auth) != VF_AUTH_REFUSED)
            sched_yield();
        fake_open_gate();
        join_callers(callers, 0);

        assert_int_equal(take(auth, "pt-new"), 2);
        assert_int_equal(fake_readings(), 3);
        assert_int_equal(fake_records(), 0);
        vf_auth_free(auth);
    }
}

static void an_answer_with_another_token_counts_whenever_it_was_asked_for(
    void **state)
{
    struct caller callers[CALLERS];

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_give("pt-new", 0);
    fake_close_gate();
    vf_auth_look_again(auth);
    fake_wait_for_reading(2);
    start_callers(auth, first, callers);
    while (state_of(auth) != VF_AUTH_REFUSED)
        sched_yield();
    fake_open_gate();
    join_callers(callers, 0);

    assert_int_equal(take(auth, "pt-new"), first + 1);
    assert_int_equal(fake_readings(), 2);
    vf_auth_free(auth);
}

static void a_refusal_after_the_known_end_is_called_expired(void **state)
{
    struct vf_error err;

    fake_reset("pt-old");
    fake_give("pt-old", fake_now_s() + 1000);
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_pass_time(1001000);
    assert_int_equal(take(auth, "pt-old"), first); /* not by our clock */
    assert_int_equal(refuse(auth, first, &err), -EKEYEXPIRED);
    assert_non_null(strstr(err.message, "has expired"));
    assert_ended(auth, EKEYEXPIRED, &err);
    assert_int_equal(state_of(auth), VF_AUTH_EXPIRED);
    vf_auth_free(auth);
}

static void a_refusal_before_the_known_end_is_called_rejected(void **state)
{
    struct vf_auth_status status;
    struct vf_error err;

    fake_reset("pt-old");
    const int64_t end = fake_now_s() + 1000;
    fake_give("pt-old", end);
    struct vf_auth *auth = open_auth(NULL);
    assert_int_equal(refuse(auth, take(auth, "pt-old"), &err), -EKEYREJECTED);
    assert_non_null(strstr(err.message, "was refused"));
    vf_auth_status(auth, &status);
    assert_int_equal(status.state, VF_AUTH_REFUSED);
    assert_int_equal(status.expires_s, end);
    assert_int_equal(status.reads, 2);
    vf_auth_free(auth);
}

static void a_source_that_knows_that_it_has_expired_is_believed(void **state)
{
    struct vf_error err;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_fail(EKEYEXPIRED, "what it printed has expired");
    assert_int_equal(refuse(auth, take(auth, "pt-old"), &err), -EKEYEXPIRED);
    assert_non_null(strstr(err.message, "what it printed has expired"));
    vf_auth_free(auth);
}

static void a_source_that_cannot_change_is_not_asked(void **state)
{
    struct vf_error err;

    fake_reset("pt-old");
    fake_cannot_change();
    struct vf_auth *auth = open_auth(NULL);
    assert_int_equal(refuse(auth, take(auth, "pt-old"), &err), -EKEYREJECTED);
    assert_non_null(strstr(err.message, "is read only at the start"));
    assert_int_equal(fake_readings(), 1);
    vf_auth_free(auth);
}

static void a_shutdown_ends_every_wait_and_the_reading(void **state)
{
    struct caller refused[CALLERS], wanting[CALLERS];
    struct vf_secret *secret;
    unsigned generation;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    unsigned first = take(auth, "pt-old");
    fake_close_gate();
    start_callers(auth, first, refused);
    fake_wait_for_reading(2);
    start_callers(auth, 0, wanting);
    vf_auth_shutdown(auth);
    vf_auth_shutdown(auth);
    join_callers(refused, -ECANCELED);
    join_callers(wanting, -ECANCELED);
    assert_int_equal(vf_auth_token(auth, LATE, &secret, &generation, NULL),
                     -ECANCELED);
    vf_auth_look_again(auth);
    vf_auth_free(auth);
}

/* What hangs in a file system that is gone cannot be ended. */
static void a_shutdown_ends_the_waits_for_a_reading_that_goes_on(void **state)
{
    struct caller callers[CALLERS];

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    fake_lock_gate();
    start_callers(auth, 1, callers);
    fake_wait_for_reading(2);
    vf_auth_shutdown(auth);
    join_callers(callers, -ECANCELED);
    fake_open_gate();
    vf_auth_free(auth);
}

static void the_thread_takes_no_signal(void **state)
{
    sigset_t mask;

    fake_reset("pt-old");
    struct vf_auth *auth = open_auth(NULL);
    assert_false(fake_was_read_without_signals());
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM));
    (void)refuse(auth, take(auth, "pt-old"), NULL);
    assert_true(fake_was_read_without_signals());
    vf_auth_free(auth);
}

static void a_first_reading_that_fails_leaves_nothing_behind(void **state)
{
    const struct vf_auth_options options = {.on_expired = "true"};
    struct vf_auth *auth = NULL;
    struct vf_error err;

    fake_reset("pt-old");
    fake_fail(EACCES, "chmod 600 it");
    assert_int_equal(vf_auth_new(&options, &auth, &err), -EACCES);
    assert_string_equal(err.message, "chmod 600 it");
    assert_null(auth);
    vf_auth_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_refused_callers_ask_the_source_once),
        cmocka_unit_test(who_wants_a_token_waits_for_the_asking),
        cmocka_unit_test(the_asking_goes_on_when_its_caller_has_left),
        cmocka_unit_test(a_generation_that_is_over_has_its_answer_already),
        cmocka_unit_test(a_source_without_another_token_ends_access),
        cmocka_unit_test(a_source_that_cannot_be_read_ends_access_and_says_why),
        cmocka_unit_test(a_token_in_place_of_a_refused_one_has_one_try),
        cmocka_unit_test(a_token_that_was_accepted_is_worth_another_asking),
        cmocka_unit_test(a_late_acceptance_proves_nothing),
        cmocka_unit_test(an_answer_older_than_the_refusal_does_not_count),
        cmocka_unit_test(
            an_answer_with_another_token_counts_whenever_it_was_asked_for),
        cmocka_unit_test(a_refusal_after_the_known_end_is_called_expired),
        cmocka_unit_test(a_refusal_before_the_known_end_is_called_rejected),
        cmocka_unit_test(a_source_that_knows_that_it_has_expired_is_believed),
        cmocka_unit_test(a_source_that_cannot_change_is_not_asked),
        cmocka_unit_test(a_shutdown_ends_every_wait_and_the_reading),
        cmocka_unit_test(a_shutdown_ends_the_waits_for_a_reading_that_goes_on),
        cmocka_unit_test(the_thread_takes_no_signal),
        cmocka_unit_test(a_first_reading_that_fails_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
