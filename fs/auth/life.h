/* SPDX-License-Identifier: MIT
 *
 * The life of a token, as a state machine: what was taken up, what the service
 * and the source said, and what follows from it. It has no lock of its own and
 * goes to no source.
 */
#ifndef VF_AUTH_LIFE_H
#define VF_AUTH_LIFE_H

#include "renewal.h"
#include "source.h"

struct vf_auth_hook;

enum vf_auth_phase {
    VF_AUTH_TRYING, /* the service said nothing of it yet */
    VF_AUTH_PROVED,
    VF_AUTH_ASKING, /* it was refused: the source is to be asked */
    VF_AUTH_ENDED   /* access has expired */
};

struct vf_auth_life {
    /* These stay as they are. */
    const char *source;        /* borrowed; for people */
    bool can_change;           /* read again, it may give another token */
    struct vf_auth_hook *hook; /* borrowed; NULL: there is none */

    enum vf_auth_phase phase;
    unsigned generation;
    struct vf_secret *token; /* owned; its bytes never change */
    int64_t expires_s;       /* CLOCK_REALTIME; 0: not known */
    struct vf_auth_renewal renewal;
    bool is_last_try;      /* the token before it was refused */
    bool has_user;         /* there is somebody for the hook to tell */
    bool is_told;          /* the hook knows; until a token is accepted */
    int64_t next_look_ms;  /* CLOCK_BOOTTIME; when ENDED */
    struct vf_error ended; /* what callers are told when ENDED */
    char refusal[VF_ERROR_MESSAGE_MAX + 1]; /* the service's own words */
};

/* A visit to the source: as it was begun, and what it gave. */
struct vf_auth_visit {
    enum vf_auth_phase before;
    bool is_renewal; /* for nothing else */
    int result;
    struct vf_auth_reading reading; /* of a good result */
    struct vf_error why;            /* of a failure */
};

/* CLOCK_REALTIME. */
int64_t vf_auth_now_ms(void);

/* Begin a generation. Takes the token out of the reading. */
void vf_auth_take_up(struct vf_auth_life *life,
                     struct vf_auth_reading *reading);

/* From now on the hook is told. */
void vf_auth_note_user(struct vf_auth_life *life);

/* The service took, or refused, the token of a generation. Both are ignored
 * when the generation is over, or its end is decided. refusal may be NULL. */
void vf_auth_note_accepted(struct vf_auth_life *life, unsigned generation);
void vf_auth_note_refused(struct vf_auth_life *life, unsigned generation,
                          const struct vf_error *refusal);

/* Draw the conclusions from a visit; may take the token out of it. Returns
 * whether it was a failure that wants a record, as no caller is told of it. */
bool vf_auth_note_visit(struct vf_auth_life *life, struct vf_auth_visit *visit);

/* Access has ended, and nobody has looked for long. */
bool vf_auth_is_look_due(const struct vf_auth_life *life);

enum vf_auth_state vf_auth_state(const struct vf_auth_life *life);

#endif
