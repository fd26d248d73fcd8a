/* SPDX-License-Identifier: MIT
 *
 * Who goes to the source, and who waits. One thread goes there: to ask, when a
 * token was refused; to look, when something else gives reason to; to renew. It
 * holds no lock meanwhile, and one answer serves all who wait, each until its
 * own deadline. life.c has what follows from the answer.
 *
 * Who wants a token waits for a look that is under way: it may have been asked
 * for by somebody who has just changed the token and wants to see that. He
 * waits for an asking too, rather than send what was refused. For a renewal
 * nobody waits.
 */
#include "vaultfs/auth.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "environment.h"
#include "hook.h"
#include "life.h"
#include "thread.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

/* A suspended machine's clock of waits stands still, and the clock of renewals
 * may be set: look at it at least that often. */
#define WAIT_MAX_MS 60000

struct vf_auth {
    struct vf_auth_source *source;
    vf_record_sink *sink; /* may be NULL */
    void *sink_context;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;    /* guards all below; taken before the hook's own */
    pthread_cond_t wanted;   /* for the thread: there is something to do */
    pthread_cond_t answered; /* for callers: it was done */
    bool is_shut_down;
    struct vf_auth_life life;
    uint64_t looks_wanted;
    uint64_t looks_done; /* the looks up to this one */
    uint64_t reads;
};

static void tell(const struct vf_auth *auth, const struct vf_error *err)
{
    const struct vf_record record = {
        .operation = "token", .path = "/", .error = err};

    if (auth->sink != NULL)
        auth->sink(auth->sink_context, &record);
}

/* Lock held; dropped at the source. One that cannot change still has what it
 * had. */
static void read_source(struct vf_auth *auth, struct vf_auth_visit *visit)
{
    if (!auth->life.can_change) {
        visit->reading.token = vf_secret_ref(auth->life.token);
        visit->reading.expires_s = auth->life.expires_s;
        return;
    }
    pthread_mutex_unlock(&auth->lock);
    visit->result =
        vf_auth_source_read(auth->source, &visit->reading, &visit->why);
    pthread_mutex_lock(&auth->lock);
    auth->reads++;
}

/* Lock held; dropped at the source and for the sink. */
static void go_to_source(struct vf_auth *auth)
{
    const uint64_t looks = auth->looks_wanted;
    struct vf_auth_visit visit = {.before = auth->life.phase};
    bool wants_record = false;

    visit.is_renewal =
        visit.before != VF_AUTH_ASKING && looks == auth->looks_done;
    read_source(auth, &visit);
    if (!auth->is_shut_down)
        wants_record = vf_auth_note_visit(&auth->life, &visit);
    auth->looks_done = looks;
    pthread_cond_broadcast(&auth->answered);
    vf_secret_unref(visit.reading.token);
    if (wants_record) {
        pthread_mutex_unlock(&auth->lock);
        tell(auth, &visit.why);
        pthread_mutex_lock(&auth->lock);
    }
}

/* Until somebody wants something, or a renewal may be due. */
static void wait_for_work(struct vf_auth *auth)
{
    const int64_t left = auth->life.renewal.due_ms - vf_auth_now_ms();

    if (auth->life.renewal.due_ms == INT64_MAX) {
        pthread_cond_wait(&auth->wanted, &auth->lock);
        return;
    }
    const struct timespec until = vf_clock_timespec(
        vf_clock_monotonic_ms() + (left < WAIT_MAX_MS ? left : WAIT_MAX_MS));
    (void)pthread_cond_timedwait(&auth->wanted, &auth->lock, &until);
}

static void *run(void *context)
{
    struct vf_auth *auth = context;

    pthread_mutex_lock(&auth->lock);
    while (!auth->is_shut_down) {
        if (auth->life.phase == VF_AUTH_ASKING ||
            auth->looks_done < auth->looks_wanted ||
            auth->life.renewal.due_ms <= vf_auth_now_ms())
            go_to_source(auth);
        else
            wait_for_work(auth);
    }
    pthread_mutex_unlock(&auth->lock);
    return NULL;
}

/* The first reading; nobody else is there yet. The variables are wiped before
 * any thread of ours could read the environment, and before a command runs: it
 * must not find at noon what it will not find at night. */
static int open_source(const struct vf_auth_options *options,
                       struct vf_auth *auth, struct vf_error *err)
{
    struct vf_auth_reading reading = {0};
    int result = vf_auth_source_find(options, &auth->source, err);

    if (result < 0 || !vf_auth_source_reads_environment(auth->source))
        vf_auth_wipe_variables(options);
    if (result < 0)
        return result;
    auth->reads++;
    result = vf_auth_source_read(auth->source, &reading, err);
    vf_auth_wipe_variables(options);
    if (result < 0)
        return result;
    auth->life.source = vf_auth_source(auth);
    auth->life.can_change = vf_auth_source_can_change(auth->source);
    vf_auth_take_up(&auth->life, &reading);
    return 0;
}

static void look_again(void *auth)
{
    vf_auth_look_again(auth);
}

static int start(const struct vf_auth_options *options, struct vf_auth *auth,
                 struct vf_error *err)
{
    int result = 0;

    if (options->on_expired != NULL)
        result =
            vf_auth_hook_new(options, look_again, auth, &auth->life.hook, err);
    if (result == 0)
        result = vf_auth_thread_start(run, auth, &auth->thread, err);
    auth->has_thread = result == 0;
    return result;
}

static struct vf_auth *make(const struct vf_auth_options *options)
{
    struct vf_auth *auth = calloc(1, sizeof(*auth));

    if (auth == NULL || vf_clock_init_cond(&auth->wanted) < 0) {
        free(auth);
        return NULL;
    }
    if (vf_clock_init_cond(&auth->answered) < 0) {
        pthread_cond_destroy(&auth->wanted);
        free(auth);
        return NULL;
    }
    pthread_mutex_init(&auth->lock, NULL);
    auth->sink = options->sink;
    auth->sink_context = options->sink_context;
    return auth;
}

int vf_auth_new(const struct vf_auth_options *options, struct vf_auth **ret,
                struct vf_error *err)
{
    struct vf_auth *auth = make(options);

    if (auth == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    int result = open_source(options, auth, err);
    if (result == 0)
        result = start(options, auth, err);
    if (result < 0) {
        vf_auth_free(auth);
        return result;
    }
    *ret = auth;
    return 0;
}

void vf_auth_arm(struct vf_auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    vf_auth_note_user(&auth->life);
    pthread_mutex_unlock(&auth->lock);
}

void vf_auth_shutdown(struct vf_auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    auth->is_shut_down = true;
    pthread_cond_broadcast(&auth->wanted);
    pthread_cond_broadcast(&auth->answered);
    pthread_mutex_unlock(&auth->lock);
    vf_auth_source_cancel(auth->source);
    if (auth->life.hook != NULL)
        vf_auth_hook_cancel(auth->life.hook);
}

void vf_auth_free(struct vf_auth *auth)
{
    if (auth == NULL)
        return;
    if (auth->has_thread) {
        vf_auth_shutdown(auth);
        (void)pthread_join(auth->thread, NULL);
    }
    vf_auth_hook_free(auth->life.hook);
    vf_auth_source_free(auth->source);
    vf_secret_unref(auth->life.token);
    pthread_cond_destroy(&auth->answered);
    pthread_cond_destroy(&auth->wanted);
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}

static bool must_wait(const struct vf_auth *auth, uint64_t looks)
{
    return !auth->is_shut_down &&
           (auth->looks_done < looks || auth->life.phase == VF_AUTH_ASKING);
}

/* Until the looks that are wanted now, and the asking, have their answer. */
static int wait_for_source(struct vf_auth *auth, int64_t deadline_ms,
                           struct vf_error *err)
{
    const uint64_t looks = auth->looks_wanted;
    const struct timespec until = vf_clock_timespec(deadline_ms);
    int code = 0;

    while (code == 0 && must_wait(auth, looks))
        code = pthread_cond_timedwait(&auth->answered, &auth->lock, &until);
    if (auth->is_shut_down)
        return vf_error_set(err, ECANCELED, "shutting down");
    if (must_wait(auth, looks))
        return vf_error_set(err, ETIMEDOUT,
                            "no answer in time from the source of the access "
                            "token: %s",
                            vf_auth_source(auth));
    return 0;
}

static int check_access(const struct vf_auth *auth, struct vf_error *err)
{
    if (auth->life.phase != VF_AUTH_ENDED)
        return 0;
    if (err != NULL)
        *err = auth->life.ended;
    return -auth->life.ended.code;
}

static void want_look(struct vf_auth *auth)
{
    auth->looks_wanted++;
    pthread_cond_signal(&auth->wanted);
}

/*
 * Look when there is reason to. Lock held; dropped to look at a file. A look
 * that somebody else asked for meanwhile is as good. Who comes while one is
 * under way waits before he judges whether a file has changed, for it may be
 * being read: so one change makes one look.
 */
static int look_if_due(struct vf_auth *auth, int64_t deadline_ms,
                       struct vf_error *err)
{
    int result = wait_for_source(auth, deadline_ms, err);

    if (result < 0)
        return result;
    const uint64_t looks = auth->looks_wanted;
    pthread_mutex_unlock(&auth->lock);
    bool is_due = vf_auth_source_has_changed(auth->source);
    pthread_mutex_lock(&auth->lock);
    is_due |= vf_auth_is_look_due(&auth->life);
    if (is_due && looks == auth->looks_wanted)
        want_look(auth);
    return wait_for_source(auth, deadline_ms, err);
}

int vf_auth_token(struct vf_auth *auth, int64_t deadline_ms,
                  struct vf_secret **ret, unsigned *ret_generation,
                  struct vf_error *err)
{
    pthread_mutex_lock(&auth->lock);
    int result = look_if_due(auth, deadline_ms, err);
    if (result == 0)
        result = check_access(auth, err);
    if (result == 0) {
        *ret = vf_secret_ref(auth->life.token);
        *ret_generation = auth->life.generation;
    }
    pthread_mutex_unlock(&auth->lock);
    return result;
}

void vf_auth_accepted(struct vf_auth *auth, unsigned generation)
{
    pthread_mutex_lock(&auth->lock);
    vf_auth_note_accepted(&auth->life, generation);
    pthread_mutex_unlock(&auth->lock);
}

int vf_auth_refused(struct vf_auth *auth, unsigned generation,
                    const struct vf_error *refusal, int64_t deadline_ms,
                    struct vf_error *err)
{
    pthread_mutex_lock(&auth->lock);
    vf_auth_note_refused(&auth->life, generation, refusal);
    pthread_cond_signal(&auth->wanted);
    int result = wait_for_source(auth, deadline_ms, err);
    if (result == 0)
        result = check_access(auth, err);
    pthread_mutex_unlock(&auth->lock);
    return result;
}

void vf_auth_look_again(struct vf_auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    want_look(auth);
    pthread_mutex_unlock(&auth->lock);
}

const char *vf_auth_source(const struct vf_auth *auth)
{
    return vf_auth_source_description(auth->source);
}

void vf_auth_status(struct vf_auth *auth, struct vf_auth_status *ret)
{
    pthread_mutex_lock(&auth->lock);
    *ret = (struct vf_auth_status){
        .state = vf_auth_state(&auth->life),
        .expires_s = auth->life.expires_s,
        .reads = auth->reads,
    };
    pthread_mutex_unlock(&auth->lock);
}
