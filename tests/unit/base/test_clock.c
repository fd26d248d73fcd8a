/* SPDX-License-Identifier: MIT */
#include "vaultfs/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *text;
    time_t seconds;
    long ns;
} times[] = {
    {"1970-01-01T00:00:00Z", 0, 0},
    {"1969-12-31T23:59:59.5Z", -1, 500000000},
    {"2026-05-18T15:34:16.874877Z", 1779118456, 874877000},
    {"2026-05-18t15:34:16z", 1779118456, 0},
    {"2026-05-18 15:34:16Z", 1779118456, 0},
    {"2026-05-18T17:34:16+02:00", 1779118456, 0},
    {"2026-05-18T10:04:16-05:30", 1779118456, 0},
    {"2026-05-18T15:34:16-00:00", 1779118456, 0},
    {"2026-05-18T15:34:16.000000001Z", 1779118456, 1},
    {"2026-05-18T15:34:16.999999999Z", 1779118456, 999999999},
    {"2000-02-29T00:00:00Z", 951782400, 0},
    {"2024-02-29T23:59:59Z", 1709251199, 0},
    {"2100-02-28T00:00:00Z", 4107456000, 0},
    {"2016-12-31T23:59:60Z", 1483228800, 0},
    {"2024-02-29T23:59:60Z", 1709251200, 0},
    {"2038-01-19T03:14:08Z", 2147483648, 0},
    {"0001-01-01T00:00:00Z", -62135596800, 0},
    {"9999-12-31T23:59:59Z", 253402300799, 0},
    {"2026-01-31T00:00:00Z", 1769817600, 0},
    {"2026-04-30T00:00:00Z", 1777507200, 0},
};

static void a_time_is_read(void **state)
{
    for (size_t i = 0; i < COUNT(times); i++) {
        struct timespec time;

        if (vf_time_parse(times[i].text, &time) != 0)
            fail_msg("refused: %s", times[i].text);
        assert_int_equal(time.tv_sec, times[i].seconds);
        assert_int_equal(time.tv_nsec, times[i].ns);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-05-18",
        "2026-05-18T15:34:16",
        "2026-05-18T15:34Z",
        "2026-05-18T15:34:16ZZ",
        "2026-05-18T15:34:16Z ",
        " 2026-05-18T15:34:16Z",
        "2026-05-18_15:34:16Z",
        "26-05-18T15:34:16Z",
        "+2026-05-18T15:34:16Z",
        "0000-01-01T00:00:00Z",
        "2026-00-18T15:34:16Z",
        "2026-13-18T15:34:16Z",
        "2026-05-00T15:34:16Z",
        "2026-05-32T15:34:16Z",
        "2026-5-18T15:34:16Z",
        "2026-05-18T24:00:00Z",
        "2026-05-18T15:60:16Z",
        "2026-05-18T15:34:61Z",
        "2026-05-18T15:34:-1Z",
        "2026-05-18T15:34:16.Z",
        "2026-05-18T15:34:16.1234567890Z",
        "2026-05-18T15:34:16,5Z",
        "2026-05-18T15:34:16+24:00",
        "2026-05-18T15:34:16+02:60",
        "2026-05-18T15:34:16+0200",
        "2026-05-18T15:34:16+02",
        "2026-05-18T15:34:16+02:00Z",
        "2026-02-29T00:00:00Z",
        "2026-02-29T00:00:01Z",
        "2026-02-30T12:00:00Z",
        "2024-02-30T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-06-31T00:00:00Z",
        "2026-09-31T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-11-31T23:59:60Z",
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct timespec time = {.tv_sec = 42, .tv_nsec = 43};

        if (vf_time_parse(wrong[i], &time) != -EINVAL)
            fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(time.tv_sec, 42);
        assert_int_equal(time.tv_nsec, 43);
    }
}

static void a_time_is_written_as_the_service_writes_it(void **state)
{
    static const struct {
        struct timespec time;
        const char *text;
    } table[] = {
        {{0, 0}, "1970-01-01T00:00:00Z"},
        {{1779118456, 874877000}, "2026-05-18T15:34:16.874877Z"},
        {{1779118456, 874877999}, "2026-05-18T15:34:16.874877Z"},
        {{1779118456, 874870000}, "2026-05-18T15:34:16.87487Z"},
        {{1779118456, 500000000}, "2026-05-18T15:34:16.5Z"},
        {{1779118456, 1000}, "2026-05-18T15:34:16.000001Z"},
        {{1779118456, 999}, "2026-05-18T15:34:16Z"},
        {{-1, 0}, "1969-12-31T23:59:59Z"},
        {{-62135596800, 0}, "0001-01-01T00:00:00Z"},
        {{253402300799, 999999999}, "9999-12-31T23:59:59.999999Z"},
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        char text[VF_TIME_SIZE];

        vf_time_format(table[i].time, text);
        assert_string_equal(text, table[i].text);
    }
}

static void every_day_of_800_years_is_read_back(void **state)
{
    char text[VF_TIME_SIZE];

    for (int day = -719162; day < -719162 + 800 * 366; day++) {
        struct timespec time = {.tv_sec = day * 86400L + 86399,
                                .tv_nsec = day % 7 == 0 ? 120000 : 0};
        struct timespec back;

        vf_time_format(time, text);
        assert_int_equal(vf_time_parse(text, &back), 0);
        assert_int_equal(back.tv_sec, time.tv_sec);
        assert_int_equal(back.tv_nsec, time.tv_nsec);
    }
}

static void a_time_that_no_calendar_holds_does_no_harm(void **state)
{
    struct {
        char text[VF_TIME_SIZE];
        char guard;
    } out = {.guard = '!'};

    vf_time_format((struct timespec){.tv_sec = INT64_MAX}, out.text);
    vf_time_format((struct timespec){.tv_sec = INT64_MIN}, out.text);
    vf_time_format((struct timespec){.tv_sec = INT32_MAX * 1000000L}, out.text);
    assert_int_equal(out.guard, '!');
    assert_true(memchr(out.text, '\0', sizeof(out.text)) != NULL);
}

static void milliseconds_become_a_timespec(void **state)
{
    struct timespec time = vf_clock_timespec(1234567);

    assert_int_equal(time.tv_sec, 1234);
    assert_int_equal(time.tv_nsec, 567000000);
}

static void the_clocks_are_those_of_the_system(void **state)
{
    static const struct {
        clockid_t clock;
        int64_t (*ms)(void);
    } clocks[] = {
        {CLOCK_MONOTONIC, vf_clock_monotonic_ms},
        {CLOCK_BOOTTIME, vf_clock_boottime_ms},
    };

    for (size_t i = 0; i < COUNT(clocks); i++) {
        struct timespec before, after;

        clock_gettime(clocks[i].clock, &before);
        int64_t ms = clocks[i].ms();
        clock_gettime(clocks[i].clock, &after);
        assert_true(ms >= before.tv_sec * 1000 + before.tv_nsec / 1000000);
        assert_true(ms <= after.tv_sec * 1000 + after.tv_nsec / 1000000);
    }
}

/* On CLOCK_REALTIME such a time is long over: the wait would end at once. */
static void a_condition_waits_by_the_monotonic_clock(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    int64_t until_ms = vf_clock_monotonic_ms() + 20;
    struct timespec until = vf_clock_timespec(until_ms);
    int result = 0;

    assert_int_equal(vf_clock_init_cond(&cond), 0);
    pthread_mutex_lock(&lock);
    while (result == 0)
        result = pthread_cond_timedwait(&cond, &lock, &until);
    pthread_mutex_unlock(&lock);
    assert_int_equal(result, ETIMEDOUT);
    assert_true(vf_clock_monotonic_ms() >= until_ms);
    pthread_cond_destroy(&cond);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_time_is_written_as_the_service_writes_it),
        cmocka_unit_test(every_day_of_800_years_is_read_back),
        cmocka_unit_test(a_time_that_no_calendar_holds_does_no_harm),
        cmocka_unit_test(milliseconds_become_a_timespec),
        cmocka_unit_test(the_clocks_are_those_of_the_system),
        cmocka_unit_test(a_condition_waits_by_the_monotonic_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
