/* SPDX-License-Identifier: MIT */
#include "retry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct vf_attempt reply(int status)
{
    return (struct vf_attempt){.number = 1,
                               .is_repeatable = true,
                               .status = status,
                               .retry_after_ms = -1,
                               .should_retry = -1};
}

static struct vf_attempt silence(bool is_repeatable, int code,
                                 enum vf_http_fate fate)
{
    return (struct vf_attempt){.number = 1,
                               .is_repeatable = is_repeatable,
                               .result = -code,
                               .fate = fate};
}

static bool is_due(struct vf_attempt attempt)
{
    return vf_retry_is_due(&attempt);
}

static void only_statuses_that_pass_are_repeated(void **state)
{
    for (int status = 200; status < 600; status++) {
        bool passes =
            status == 408 || status == 429 || (status >= 500 && status != 501);

        assert_int_equal(is_due(reply(status)), passes);
    }
}

static void what_cannot_be_done_twice_is_repeated_on_429_only(void **state)
{
    for (int status = 200; status < 600; status++) {
        struct vf_attempt attempt = reply(status);

        attempt.is_repeatable = false;
        assert_int_equal(vf_retry_is_due(&attempt), status == 429);
    }
}

static void a_lost_reply_is_repeated_where_twice_is_once(void **state)
{
    static const int codes[] = {ECONNREFUSED, EHOSTUNREACH, EREMOTEIO, EBADMSG};

    for (size_t i = 0; i < 4; i++) {
        assert_true(is_due(silence(true, codes[i], VF_HTTP_UNKNOWN)));
        assert_true(is_due(silence(true, codes[i], VF_HTTP_NOT_SENT)));
        assert_true(is_due(silence(false, codes[i], VF_HTTP_NOT_SENT)));
        assert_false(is_due(silence(false, codes[i], VF_HTTP_UNKNOWN)));
    }
}

/* Whether the outcome is unknown after a status, by what it was before. */
static void a_reply_settles_what_it_can(void **state)
{
    static const struct {
        int status;
        bool when_known, when_unknown;
    } cases[] = {
        {400, false, false}, {404, false, false}, {405, false, false},
        {413, false, false}, {422, false, false}, {501, false, false},
        {302, false, false}, {401, false, true},  {403, false, true},
        {409, false, true},  {429, false, true},  {503, false, true},
        {408, true, true},   {500, true, true},   {502, true, true},
        {504, true, true},   {529, true, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_attempt attempt = reply(cases[i].status);

        assert_int_equal(vf_retry_is_unknown(&attempt, false),
                         cases[i].when_known);
        assert_int_equal(vf_retry_is_unknown(&attempt, true),
                         cases[i].when_unknown);
    }
}

static void silence_leaves_open_what_was_sent(void **state)
{
    struct vf_attempt lost = silence(true, EREMOTEIO, VF_HTTP_UNKNOWN);
    struct vf_attempt unsent = silence(true, ECONNREFUSED, VF_HTTP_NOT_SENT);

    assert_true(vf_retry_is_unknown(&lost, false));
    assert_false(vf_retry_is_unknown(&unsent, false));
    assert_true(vf_retry_is_unknown(&unsent, true));
}

static void what_another_attempt_cannot_cure_is_not_repeated(void **state)
{
    static const int codes[] = {ETIMEDOUT, EPROTO, EACCES,
                                ECANCELED, ENOMEM, EINVAL};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_false(is_due(silence(true, codes[i], VF_HTTP_NOT_SENT)));
}

static void there_are_at_most_three_attempts(void **state)
{
    struct vf_attempt attempt = reply(503);

    attempt.should_retry = 1;
    attempt.number = 2;
    assert_true(vf_retry_is_due(&attempt));
    attempt.number = 3;
    assert_false(vf_retry_is_due(&attempt));
}

static void the_service_has_the_last_word_on_another_attempt(void **state)
{
    struct vf_attempt refused = reply(503);
    struct vf_attempt invited = reply(409);
    struct vf_attempt done = reply(200);

    refused.should_retry = 0;
    assert_false(vf_retry_is_due(&refused));
    invited.should_retry = 1;
    assert_true(vf_retry_is_due(&invited));
    assert_false(vf_retry_keeps_key(&invited));
    done.should_retry = 1;
    assert_false(vf_retry_is_due(&done));

    /* But not on what might then be done twice. */
    struct vf_attempt unsure = reply(500);
    unsure.should_retry = 1;
    assert_true(vf_retry_is_due(&unsure));
    unsure.is_repeatable = false;
    assert_false(vf_retry_is_due(&unsure));
}

static void pauses_double_up_to_eight_seconds_less_a_quarter(void **state)
{
    static const int64_t most[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};
    struct vf_attempt attempt = reply(503);

    for (unsigned i = 0; i < 7; i++) {
        attempt.number = i + 1;
        assert_int_equal(vf_retry_delay_ms(&attempt, 0), most[i]);
        for (uint32_t random = 0; random < 4096; random++) {
            int64_t delay = vf_retry_delay_ms(&attempt, random);

            assert_in_range(delay, most[i] * 3 / 4, most[i]);
        }
        assert_in_range(vf_retry_delay_ms(&attempt, UINT32_MAX),
                        most[i] * 3 / 4, most[i] * 3 / 4 + most[i] / 100);
    }
}

static void the_service_s_own_pause_is_taken_as_it_is(void **state)
{
    struct vf_attempt attempt = reply(429);

    attempt.retry_after_ms = 0;
    assert_int_equal(vf_retry_delay_ms(&attempt, 7), 0);
    attempt.retry_after_ms = 61000;
    assert_int_equal(vf_retry_delay_ms(&attempt, 7), 61000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_statuses_that_pass_are_repeated),
        cmocka_unit_test(what_cannot_be_done_twice_is_repeated_on_429_only),
        cmocka_unit_test(a_lost_reply_is_repeated_where_twice_is_once),
        cmocka_unit_test(a_reply_settles_what_it_can),
        cmocka_unit_test(silence_leaves_open_what_was_sent),
        cmocka_unit_test(what_another_attempt_cannot_cure_is_not_repeated),
        cmocka_unit_test(there_are_at_most_three_attempts),
        cmocka_unit_test(the_service_has_the_last_word_on_another_attempt),
        cmocka_unit_test(pauses_double_up_to_eight_seconds_less_a_quarter),
        cmocka_unit_test(the_service_s_own_pause_is_taken_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
