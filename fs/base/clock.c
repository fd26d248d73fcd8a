/* SPDX-License-Identifier: MIT */
#include "vaultfs/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t vf_clock_monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t vf_clock_boottime_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

int vf_clock_init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int result = pthread_condattr_init(&attributes);

    if (result != 0)
        return -result;
    result = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (result == 0)
        result = pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return -result;
}

struct timespec vf_clock_timespec(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000,
                             .tv_nsec = (ms % 1000) * 1000000};
}

/* Exactly count digits at *text; moves past them. -1 when there are fewer. */
static int parse_digits(const char **text, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*text)[i]))
            return -1;
        value = value * 10 + ((*text)[i] - '0');
    }
    *text += count;
    return value;
}

/* "Z", "+hh:mm" or "-hh:mm" to the end of text. */
static int parse_zone(const char *text, long *ret_seconds)
{
    if ((*text == 'Z' || *text == 'z') && text[1] == '\0') {
        *ret_seconds = 0;
        return 0;
    }
    if (*text != '+' && *text != '-')
        return -EINVAL;
    long sign = *text++ == '-' ? -1 : 1;
    int hours = parse_digits(&text, 2);
    if (hours < 0 || hours > 23 || *text++ != ':')
        return -EINVAL;
    int minutes = parse_digits(&text, 2);
    if (minutes < 0 || minutes > 59 || *text != '\0')
        return -EINVAL;
    *ret_seconds = sign * (hours * 3600L + minutes * 60L);
    return 0;
}

static int parse_fraction(const char **text, long *ret_ns)
{
    long ns = 0;
    int digits = 0;

    if (**text == '.') {
        for ((*text)++; isdigit((unsigned char)**text); (*text)++) {
            if (++digits > 9)
                return -EINVAL;
            ns = ns * 10 + (**text - '0');
        }
        if (digits == 0)
            return -EINVAL;
    }
    for (; digits < 9; digits++)
        ns *= 10;
    *ret_ns = ns;
    return 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

int vf_time_parse(const char *text, struct timespec *ret)
{
    struct tm tm = {0};
    long ns, zone;
    const struct {
        int *field;
        int digits;
        int min;
        int max;
        char after[4];
    } parts[] = {
        {&tm.tm_year, 4, 1, 9999, "-"}, {&tm.tm_mon, 2, 1, 12, "-"},
        {&tm.tm_mday, 2, 1, 31, "Tt "}, {&tm.tm_hour, 2, 0, 23, ":"},
        {&tm.tm_min, 2, 0, 59, ":"},    {&tm.tm_sec, 2, 0, 60, ""},
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int value = parse_digits(&text, parts[i].digits);

        if (value < parts[i].min || value > parts[i].max)
            return -EINVAL;
        *parts[i].field = value;
        if (parts[i].after[0] == '\0')
            continue;
        if (*text == '\0' || strchr(parts[i].after, *text) == NULL)
            return -EINVAL;
        text++;
    }
    if (tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon))
        return -EINVAL;
    if (parse_fraction(&text, &ns) < 0 || parse_zone(text, &zone) < 0)
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret = (struct timespec){.tv_sec = timegm(&tm) - zone, .tv_nsec = ns};
    return 0;
}

void vf_time_format(struct timespec time, char ret[static VF_TIME_SIZE])
{
    struct tm tm = {.tm_mday = 1}; /* stays so when the year fits no int */
    char fraction[32] = "";

    (void)gmtime_r(&time.tv_sec, &tm);
    if (time.tv_nsec >= 1000) {
        (void)snprintf(fraction, sizeof(fraction), ".%06ld",
                       time.tv_nsec / 1000);
        size_t size = strlen(fraction);
        while (fraction[size - 1] == '0')
            fraction[--size] = '\0';
    }
    /* Not strftime(): its %Y has no leading zeros. */
    (void)snprintf(ret, VF_TIME_SIZE, "%04ld-%02d-%02dT%02d:%02d:%02d%sZ",
                   tm.tm_year + 1900L, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                   tm.tm_min, tm.tm_sec, fraction);
}
