/* SPDX-License-Identifier: MIT
 *
 * Two clocks, in milliseconds, and the service's way to write a time.
 *
 * Deadlines count on CLOCK_MONOTONIC, which stops while the machine sleeps: a
 * request is not late because a lid was closed. The age of what is cached
 * counts on CLOCK_BOOTTIME, which does not stop: a listing is old after a
 * night's sleep.
 */
#ifndef VAULTFS_CLOCK_H
#define VAULTFS_CLOCK_H

#include "vaultfs/error.h"

#include <pthread.h>

int64_t vf_clock_monotonic_ms(void);
int64_t vf_clock_boottime_ms(void);

/* A condition variable whose waits end at CLOCK_MONOTONIC times. Destroy it
 * with pthread_cond_destroy(). */
VF_MUST_CHECK int vf_clock_init_cond(pthread_cond_t *cond);

/* The absolute CLOCK_MONOTONIC time of a millisecond count, for such waits. */
struct timespec vf_clock_timespec(int64_t ms);

/* -EINVAL unless text is RFC 3339 with 0 to 9 fractional digits and "Z" or an
 * offset. */
VF_MUST_CHECK int vf_time_parse(const char *text, struct timespec *ret);

/* RFC 3339 in UTC with "Z"; fraction to the microsecond, its trailing zeros
 * dropped, as the service writes it. */
#define VF_TIME_SIZE 112 /* of any int, for a compiler that checks */
void vf_time_format(struct timespec time, char ret[static VF_TIME_SIZE]);

#endif
