/* SPDX-License-Identifier: MIT
 *
 * Callers of an auth, alone and many at once.
 */
#ifndef TESTS_AUTH_CALLERS_H
#define TESTS_AUTH_CALLERS_H

#include "vaultfs/auth.h"

#include <pthread.h>

#define CALLERS 16

/* A deadline that is never reached, and one that is as good as reached. */
#define LATE INT64_MAX
int64_t soon(void);

/* With the fake source; the hook runs this when it is not NULL. */
struct vf_auth *open_auth(const char *on_expired);

/* The same; nobody is there yet to be told by the hook. */
struct vf_auth *open_unarmed(const char *on_expired);

/* Take the token: it must be this one. Returns its generation. */
unsigned take(struct vf_auth *auth, const char *token);

/* Take tokens until one is of this generation. */
void wait_for_generation(struct vf_auth *auth, unsigned generation);

/* Access must have ended, with this errno; the message goes to *ret. */
void assert_ended(struct vf_auth *auth, int code, struct vf_error *ret);

/* The service refuses the token of a generation; and what comes of it. */
int refuse(struct vf_auth *auth, unsigned generation, struct vf_error *err);

enum vf_auth_state state_of(struct vf_auth *auth);

/* Threads that call at once, or one alone, and what each got. */
struct caller {
    struct vf_auth *auth;
    unsigned generation; /* 0: wants a token, and notes its generation */
    int result;
    pthread_t thread;
};
void start_caller(struct vf_auth *auth, unsigned generation,
                  struct caller *ret);
void join_caller(struct caller *caller, int result);
void start_callers(struct vf_auth *auth, unsigned generation,
                   struct caller ret[static CALLERS]);
void join_callers(struct caller callers[static CALLERS], int result);

#endif
