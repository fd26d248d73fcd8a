/* SPDX-License-Identifier: MIT */
#include "db.h"
#include "store.h"
#include "token.h"
#include "usage.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOKENS 40 /* more than the table begins with */

struct fixture {
    char dir[64];
    struct vf_store *store;
    struct vf_usage *usage;
    struct vf_grant grants[TOKENS];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct vf_secret *token;

    strcpy(fixture->dir, "/tmp/vaultd-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    assert_int_equal(vf_store_open(fixture->dir, true, &fixture->store, NULL),
                     0);
    assert_int_equal(vf_usage_new(fixture->store, &fixture->usage, NULL), 0);
    for (size_t i = 0; i < TOKENS; i++) {
        assert_int_equal(vf_token_create(fixture->store, &fixture->grants[i],
                                         "", &token, NULL),
                         0);
        vf_secret_unref(token);
    }
    *state = fixture;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    vf_usage_free(fixture->usage);
    vf_store_close(fixture->store);
    nftw(fixture->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

/* Holds the writer until the gate opens. */
struct gate {
    struct vf_store *store;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool is_entered, is_open;
    pthread_t holder;
};

static int wait_at_gate(void *context, const struct vf_access *access,
                        struct vf_error *err)
{
    struct gate *gate = context;

    pthread_mutex_lock(&gate->lock);
    gate->is_entered = true;
    pthread_cond_broadcast(&gate->moved);
    while (!gate->is_open)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

static void *run_gate(void *context)
{
    struct gate *gate = context;

    assert_int_equal(
        vf_store_write(gate->store, VF_STORE_GROWS, wait_at_gate, gate, NULL),
        0);
    return NULL;
}

static void close_gate(struct gate *gate, struct vf_store *store)
{
    *gate = (struct gate){.store = store,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .moved = PTHREAD_COND_INITIALIZER};
    pthread_create(&gate->holder, NULL, run_gate, gate);
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_entered)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
    pthread_join(gate->holder, NULL);
}

static int count_used(void *context, const struct vf_access *access,
                      struct vf_error *err)
{
    return vf_db_get_int(access->db,
                         "SELECT count(*) FROM issued WHERE used_us > 0", NULL,
                         0, context, err);
}

/* Runs after everything that was queued before it. */
static int64_t used(struct vf_store *store)
{
    int64_t count = -1;

    assert_int_equal(
        vf_store_write(store, VF_STORE_GROWS, count_used, &count, NULL), 0);
    return count;
}

static void a_use_is_noted_without_waiting_and_once_a_minute(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate;

    close_gate(&gate, fixture->store);
    for (int i = 0; i < 100; i++)
        vf_usage_note(fixture->usage, fixture->grants[0].id);
    size_t queued = vf_store_queued(fixture->store);
    open_gate(&gate);
    assert_int_equal(queued, 1);
    assert_int_equal(used(fixture->store), 1);
}

static void each_token_is_noted_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate;

    close_gate(&gate, fixture->store);
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < TOKENS; i++)
            vf_usage_note(fixture->usage, fixture->grants[i].id);
    size_t queued = vf_store_queued(fixture->store);
    open_gate(&gate);
    assert_int_equal(queued, TOKENS);
    assert_int_equal(used(fixture->store), TOKENS);
}

static int fail_once(void *context, const struct vf_access *access,
                     struct vf_error *err)
{
    return vf_error_set(err, EINVAL, "as told");
}

static void a_posted_job_that_fails_takes_nobody_along(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate;

    close_gate(&gate, fixture->store);
    int result =
        vf_store_post(fixture->store, VF_STORE_GROWS, fail_once, malloc(1));
    vf_usage_note(fixture->usage, fixture->grants[1].id);
    open_gate(&gate);
    assert_int_equal(result, 0);
    assert_int_equal(used(fixture->store), 1);
}

static void what_was_posted_is_done_before_the_store_closes(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate;

    close_gate(&gate, fixture->store);
    vf_usage_note(fixture->usage, fixture->grants[2].id);
    open_gate(&gate);
    vf_usage_free(fixture->usage);
    vf_store_close(fixture->store);
    fixture->usage = NULL;
    assert_int_equal(vf_store_open(fixture->dir, false, &fixture->store, NULL),
                     0);
    assert_int_equal(used(fixture->store), 1);
}

int main(void)
{
#define USAGE_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        USAGE_TEST(a_use_is_noted_without_waiting_and_once_a_minute),
        USAGE_TEST(each_token_is_noted_by_itself),
        USAGE_TEST(a_posted_job_that_fails_takes_nobody_along),
        USAGE_TEST(what_was_posted_is_done_before_the_store_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
