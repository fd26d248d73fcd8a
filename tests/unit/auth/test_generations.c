/* SPDX-License-Identifier: MIT */
#include "source.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CALLERS 16

/* A slow source: each reading begins, and ends when the test says so. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *token;
    unsigned begun;
    unsigned allowed;
} source = {.lock = PTHREAD_MUTEX_INITIALIZER,
            .changed = PTHREAD_COND_INITIALIZER};

static int find_slow(const struct vf_auth_options *options, char **ret)
{
    *ret = strdup("somewhere");
    return *ret != NULL ? 0 : -ENOMEM;
}

static int read_slow(const char *place, struct vf_secret **ret,
                     struct vf_error *err)
{
    pthread_mutex_lock(&source.lock);
    unsigned number = ++source.begun;
    pthread_cond_broadcast(&source.changed);
    while (source.allowed < number)
        pthread_cond_wait(&source.changed, &source.lock);
    const char *token = source.token;
    pthread_mutex_unlock(&source.lock);
    return vf_secret_from(token, strlen(token), ret, err);
}

const struct vf_auth_source vf_auth_sources[] = {
    {"slow source", find_slow, read_slow, .can_change = true}, {NULL}};

static void allow(unsigned count, const char *token)
{
    pthread_mutex_lock(&source.lock);
    source.allowed = count;
    source.token = token;
    pthread_cond_broadcast(&source.changed);
    pthread_mutex_unlock(&source.lock);
}

static void wait_for_reading(unsigned number)
{
    pthread_mutex_lock(&source.lock);
    while (source.begun < number)
        pthread_cond_wait(&source.changed, &source.lock);
    pthread_mutex_unlock(&source.lock);
}

static void *be_refused(void *auth)
{
    return vf_auth_refused(auth, 0, NULL) == 0 ? NULL : auth;
}

static void many_refused_callers_ask_the_source_once(void **state)
{
    const struct vf_auth_options options = {0};
    struct vf_secret *token;
    struct vf_auth *auth;
    pthread_t callers[CALLERS];
    unsigned generation;

    allow(1, "pt-old");
    assert_int_equal(vf_auth_new(&options, &auth, NULL), 0);
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, be_refused, auth),
                         0);
    wait_for_reading(2);

    /* Who only wants the token that there is does not wait. */
    vf_auth_token(auth, &token, &generation);
    assert_int_equal(generation, 0);
    vf_secret_unref(token);

    allow(2, "pt-new");
    for (size_t i = 0; i < CALLERS; i++) {
        void *failed;

        assert_int_equal(pthread_join(callers[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(source.begun, 2);
    vf_auth_token(auth, &token, &generation);
    assert_int_equal(generation, 1);
    assert_memory_equal(vf_secret_data(token), "pt-new", 6);
    vf_secret_unref(token);
    vf_auth_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_refused_callers_ask_the_source_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
