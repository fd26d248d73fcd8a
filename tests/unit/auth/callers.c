/* SPDX-License-Identifier: MIT */
#include "callers.h"

#include "fakes.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

int64_t soon(void)
{
    return vf_clock_monotonic_ms() + 20;
}

struct vf_auth *open_unarmed(const char *on_expired)
{
    const struct vf_auth_options options = {
        .on_expired = on_expired,
        .mountpoint = "/mnt/a b",
        .source = "qoder",
        .sink = fake_sink,
    };
    struct vf_auth *auth;

    assert_int_equal(vf_auth_new(&options, &auth, NULL), 0);
    return auth;
}

struct vf_auth *open_auth(const char *on_expired)
{
    struct vf_auth *auth = open_unarmed(on_expired);

    vf_auth_arm(auth);
    return auth;
}

unsigned take(struct vf_auth *auth, const char *token)
{
    struct vf_secret *secret;
    unsigned generation;

    assert_int_equal(vf_auth_token(auth, LATE, &secret, &generation, NULL), 0);
    assert_int_equal(vf_secret_size(secret), strlen(token));
    assert_memory_equal(vf_secret_data(secret), token, strlen(token));
    vf_secret_unref(secret);
    return generation;
}

void wait_for_generation(struct vf_auth *auth, unsigned generation)
{
    struct vf_secret *secret;
    unsigned now = 0;

    while (now != generation) {
        assert_int_equal(vf_auth_token(auth, LATE, &secret, &now, NULL), 0);
        vf_secret_unref(secret);
        sched_yield();
    }
}

void assert_ended(struct vf_auth *auth, int code, struct vf_error *ret)
{
    struct vf_secret *secret;
    unsigned generation;

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(vf_auth_token(auth, LATE, &secret, &generation, ret),
                     -code);
    assert_int_equal(ret->code, code);
}

int refuse(struct vf_auth *auth, unsigned generation, struct vf_error *err)
{
    return vf_auth_refused(auth, generation, NULL, LATE, err);
}

enum vf_auth_state state_of(struct vf_auth *auth)
{
    struct vf_auth_status status;

    vf_auth_status(auth, &status);
    return status.state;
}

static void *call(void *context)
{
    struct caller *caller = context;
    struct vf_secret *secret;

    if (caller->generation > 0) {
        caller->result =
            vf_auth_refused(caller->auth, caller->generation, NULL, LATE, NULL);
        return NULL;
    }
    caller->result =
        vf_auth_token(caller->auth, LATE, &secret, &caller->generation, NULL);
    if (caller->result == 0)
        vf_secret_unref(secret);
    return NULL;
}

void start_caller(struct vf_auth *auth, unsigned generation, struct caller *ret)
{
    *ret = (struct caller){.auth = auth, .generation = generation};
    assert_int_equal(pthread_create(&ret->thread, NULL, call, ret), 0);
}

void join_caller(struct caller *caller, int result)
{
    assert_int_equal(pthread_join(caller->thread, NULL), 0);
    assert_int_equal(caller->result, result);
}

void start_callers(struct vf_auth *auth, unsigned generation,
                   struct caller ret[static CALLERS])
{
    for (size_t i = 0; i < CALLERS; i++)
        start_caller(auth, generation, &ret[i]);
}

void join_callers(struct caller callers[static CALLERS], int result)
{
    for (size_t i = 0; i < CALLERS; i++)
        join_caller(&callers[i], result);
}
