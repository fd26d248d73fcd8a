/* SPDX-License-Identifier: MIT
 *
 * Ids and times of stored objects. Ids are UUIDv7 and grow strictly, whatever
 * the clock does: lists are ordered by id and a cursor is one, so that a page
 * can follow an object that is gone.
 */
#ifndef VAULTD_ID_H
#define VAULTD_ID_H

#include <stdbool.h>
#include <stdint.h>

#define VF_ID_SIZE 40 /* the longest prefix, 32 hex digits, NUL */
#define VF_ID_DIGITS 32

/* Not thread-safe: the writer's. Start from zero. */
struct vf_ids {
    uint64_t last; /* the top 60 bits of time and count of the last id */
};

/* No id made from now on is smaller than this one; NULL changes nothing. */
void vf_ids_resume(struct vf_ids *ids, const char *id);

void vf_ids_next(struct vf_ids *ids, const char *prefix, int64_t now_us,
                 char ret[static VF_ID_SIZE]);

/* Whether text is prefix and 32 lower-case hex digits. */
bool vf_id_is_valid(const char *prefix, const char *text);

/* CLOCK_REALTIME in microseconds. */
int64_t vf_now_us(void);

/* The time of a change to what was changed before: now, but later in any case.
 */
int64_t vf_moved_us(int64_t before_us);

#endif
