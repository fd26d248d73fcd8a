/* SPDX-License-Identifier: MIT */
#include "fake_auth.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct vf_auth {
    const char *token;
    unsigned generation;
};

struct fake_auth fake_auth;
static struct vf_auth in_use;

void fake_auth_reset(void)
{
    fake_auth = (struct fake_auth){.source = "pt-first-token"};
    in_use = (struct vf_auth){.token = fake_auth.source, .generation = 1};
}

struct vf_auth *fake_auth_handle(void)
{
    return &in_use;
}

int vf_auth_token(struct vf_auth *auth, int64_t deadline_ms,
                  struct vf_secret **ret, unsigned *ret_generation,
                  struct vf_error *err)
{
    fake_auth.takes++;
    fake_auth.deadline_ms = deadline_ms;
    if (fake_auth.token_code != 0 && fake_auth.takes > fake_auth.good_takes)
        return vf_error_set(err, fake_auth.token_code, FAKE_AUTH_REASON);
    *ret_generation = auth->generation;
    assert_int_equal(vf_secret_from(auth->token, strlen(auth->token), ret, err),
                     0);
    return 0;
}

void vf_auth_accepted(struct vf_auth *auth, unsigned generation)
{
    fake_auth.acceptances++;
    fake_auth.accepted = generation;
}

int vf_auth_refused(struct vf_auth *auth, unsigned generation,
                    const struct vf_error *refusal, int64_t deadline_ms,
                    struct vf_error *err)
{
    fake_auth.refusals++;
    fake_auth.refused = generation;
    fake_auth.refusal = *refusal;
    fake_auth.deadline_ms = deadline_ms;
    if (fake_auth.refused_code != 0)
        return vf_error_set(err, fake_auth.refused_code, FAKE_AUTH_REASON);
    if (strcmp(auth->token, fake_auth.source) == 0)
        return vf_error_set(err, EKEYREJECTED, FAKE_AUTH_REASON);
    auth->token = fake_auth.source;
    auth->generation++;
    return 0;
}

void vf_auth_look_again(struct vf_auth *auth)
{
    fake_auth.looks++;
}

void vf_auth_status(struct vf_auth *auth, struct vf_auth_status *ret)
{
    *ret = (struct vf_auth_status){.state = fake_auth.state};
}
