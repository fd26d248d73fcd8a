/* SPDX-License-Identifier: MIT
 *
 * How many requests go to the origin at a time, and whose turn it is. Pure
 * counting: it has no lock, no clock, and knows no call.
 */
#ifndef VAULTFS_HTTP_TURNS_H
#define VAULTFS_HTTP_TURNS_H

#include <stdbool.h>

struct vf_http_turns {
    unsigned max;        /* constant */
    unsigned limit;      /* now: 1 to max */
    unsigned active;     /* requests that have a turn of the limit, */
    unsigned spare;      /* and those that have one above it */
    unsigned earned;     /* successes since the limit changed */
    unsigned passed;     /* turns that went past those who are ahead */
    unsigned generation; /* grows when the limit shrinks */
};

/* What the end of a request says of how much the origin can do. */
enum vf_http_verdict {
    VF_HTTP_NO_VERDICT,
    VF_HTTP_GOES_WELL,
    VF_HTTP_TOO_MUCH
};

/* concurrency is above 0. */
void vf_http_turns_init(struct vf_http_turns *ret, unsigned concurrency);

/* What a request has, until vf_http_turns_end(). */
struct vf_http_turn {
    unsigned generation; /* of the limit that it began under */
    bool is_spare;
};

/* How many turns above the limit there are, for groups with nothing in flight,
 * by the limit. */
unsigned vf_http_turns_spare(const struct vf_http_turns *turns);

/* Whether anybody may start; and whether, else, one may whose group has nothing
 * in flight, and who is not ahead. */
bool vf_http_turns_are_free(const struct vf_http_turns *turns);
bool vf_http_turns_are_spare(const struct vf_http_turns *turns);

/* One that is ahead is to have the next free turn, whoever else waits. */
bool vf_http_turns_is_for_ahead(const struct vf_http_turns *turns);

/*
 * A request starts, in a spare turn only if no other is free; has_passed: one
 * that is ahead could have started instead, is_ahead: this is one.
 */
struct vf_http_turn vf_http_turns_begin(struct vf_http_turns *turns,
                                        bool is_ahead, bool has_passed);
void vf_http_turns_end(struct vf_http_turns *turns, struct vf_http_turn turn,
                       enum vf_http_verdict verdict);

#endif
