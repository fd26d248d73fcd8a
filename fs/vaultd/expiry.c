/* SPDX-License-Identifier: MIT */
#include "expiry.h"

#include "vaultfs/clock.h"

#include <errno.h>
#include <string.h>

#define SECOND_US 1000000LL
#define MAX_S (100LL * 366 * 86400)

static int64_t seconds_of(char unit)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {
        {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400LL}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (units[i].unit == unit)
            return units[i].seconds;
    return 0;
}

/* "30d" in seconds; a number with a unit, and nothing else. */
static int parse_span(const char *text, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    int64_t number = 0;

    if (digits == 0 || text[digits] == '\0' || text[digits + 1] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < digits && number <= MAX_S; i++)
        number = number * 10 + (text[i] - '0');
    int64_t unit = seconds_of(text[digits]);
    if (unit == 0)
        return -EINVAL;
    number *= unit;
    *ret = number <= MAX_S ? number : MAX_S + 1;
    return 0;
}

int vf_expiry_parse(const char *text, int64_t now_us, int64_t *ret_us,
                    struct vf_error *err)
{
    struct timespec time;
    int64_t span, end_us;

    if (parse_span(text, &span) == 0)
        end_us = now_us + span * SECOND_US;
    else if (vf_time_parse(text, &time) == 0)
        end_us = time.tv_sec * SECOND_US + time.tv_nsec / 1000;
    else
        return vf_error_set(err, EINVAL,
                            "neither a number with s, m, h, d or w, nor a time "
                            "like 2030-01-31T12:00:00Z");
    if (end_us <= now_us)
        return vf_error_set(err, EINVAL, "must be ahead");
    if (end_us - now_us > MAX_S * SECOND_US)
        return vf_error_set(err, EINVAL, "at most a hundred years ahead");
    *ret_us = end_us;
    return 0;
}
