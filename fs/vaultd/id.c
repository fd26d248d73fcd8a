/* SPDX-License-Identifier: MIT */
#include "id.h"

#include "vaultfs/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * A UUIDv7 is 48 bits of milliseconds, 4 bits of version, 12 bits that we fill
 * with the fraction of the millisecond, 2 bits of variant, 62 random bits. The
 * 60 bits of time and fraction are one number here; when it would not grow, it
 * is counted up.
 */
void vf_ids_next(struct vf_ids *ids, const char *prefix, int64_t now_us,
                 char ret[static VF_ID_SIZE])
{
    uint64_t time = (uint64_t)(now_us / 1000) << 12 |
                    (uint64_t)(now_us % 1000 * 4096 / 1000);
    uint64_t noise;

    if (time <= ids->last)
        time = ids->last + 1;
    ids->last = time;
    vf_random_bytes(&noise, sizeof(noise));
    (void)snprintf(ret, VF_ID_SIZE, "%s%012llx7%03llx%016llx", prefix,
                   (unsigned long long)(time >> 12),
                   (unsigned long long)(time & 0xFFF),
                   (unsigned long long)((noise & ~(3ULL << 62)) | 2ULL << 62));
}

void vf_ids_resume(struct vf_ids *ids, const char *id)
{
    size_t size = id != NULL ? strlen(id) : 0;
    unsigned long long ms, fraction;

    if (size < VF_ID_DIGITS ||
        sscanf(id + size - VF_ID_DIGITS, "%12llx7%3llx", &ms, &fraction) != 2)
        return;
    if ((ms << 12 | fraction) > ids->last)
        ids->last = ms << 12 | fraction;
}

bool vf_id_is_valid(const char *prefix, const char *text)
{
    size_t size = strlen(prefix);

    return strncmp(text, prefix, size) == 0 &&
           strlen(text + size) == VF_ID_DIGITS &&
           strspn(text + size, "0123456789abcdef") == VF_ID_DIGITS;
}

int64_t vf_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t vf_moved_us(int64_t before_us)
{
    int64_t now_us = vf_now_us();

    return now_us > before_us ? now_us : before_us + 1;
}
