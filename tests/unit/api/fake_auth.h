/* SPDX-License-Identifier: MIT
 *
 * The auth module by script: a test says what the source has and what fails,
 * and sees what was asked.
 */
#ifndef TEST_FAKE_AUTH_H
#define TEST_FAKE_AUTH_H

#include "vaultfs/auth.h"

/* What every message of it is. */
#define FAKE_AUTH_REASON "give us another token"

struct fake_auth {
    const char *source; /* the token that it has; taken up after a refusal */

    /* vf_auth_token() fails with this errno, but for the first few times. */
    int token_code;
    unsigned good_takes;
    /* vf_auth_refused() fails with this; 0: as the source has it. */
    int refused_code;
    enum vf_auth_state state;

    unsigned takes, refusals, acceptances, looks;
    unsigned refused, accepted; /* the last generation, from 1 */
    struct vf_error refusal;    /* the last reason */
    int64_t deadline_ms;        /* the last one */
};
extern struct fake_auth fake_auth;

/* As it starts: a token that works. */
void fake_auth_reset(void);
struct vf_auth *fake_auth_handle(void);

#endif
