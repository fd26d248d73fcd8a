/* SPDX-License-Identifier: MIT
 *
 * Who goes to the source, and who waits. One thread goes there: to ask, when a
 * token was refused; to judge, for who wants a token, whether there is reason
 * for a look; to look; to renew. It holds no lock meanwhile, and one answer
 * serves all who wait. life.c has what follows from the answer.
 *
 * Nobody else touches a file of the source, not even by stat(2): it may lie on
 * a disk that hangs, or behind a link that leads into our own mount, where this
 * thread then waits for a caller, who must not wait for it for ever. So who has
 * a token in hand waits for a judgement, or a look, for a moment only, and goes
 * on with what he has: a token may have been replaced just now, and he should
 * see that, but it still works as well as before. How long that moment is
 * counts from when the thread set out: who comes later does not wait again. And
 * a judgement that nobody waits for any more is not made: if it leads into our
 * own mount, each could be the reason for the next.
 *
 * Without a token, callers wait until their deadlines: for an asking, rather
 * than send what was refused, and for a look when access has ended. For a
 * renewal nobody waits.
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

/* What the thread is doing, outside the lock. */
enum activity { AT_HOME, JUDGING, LOOKING, RENEWING };

struct vf_auth {
    struct vf_auth_source *source;
    vf_record_sink *sink; /* may be NULL */
    void *sink_context;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;  /* guards all below; taken before the hook's own */
    pthread_cond_t work;   /* for the thread: there is something to do */
    pthread_cond_t answer; /* for callers: it was done */
    bool is_shut_down;
    struct vf_auth_life life;
    enum activity activity;
    int64_t since_ms;  /* CLOCK_MONOTONIC; since when, unless AT_HOME */
    uint64_t wanted;   /* judgements, each with the look that follows from it */
    uint64_t answered; /* those up to this one */
    bool is_look_wanted; /* whatever a judgement says */
    unsigned waiting;    /* callers */
    uint64_t reads;
};

static void tell(const struct vf_auth *auth, const struct vf_error *err)
{
    const struct vf_record record = {
        .operation = "token", .path = "/", .error = err};

    if (auth->sink != NULL)
        auth->sink(auth->sink_context, &record);
}

/* Lock held; dropped until come_back(). */
static void set_out(struct vf_auth *auth, enum activity activity)
{
    auth->activity = activity;
    auth->since_ms = vf_clock_monotonic_ms();
    pthread_mutex_unlock(&auth->lock);
}

static void come_back(struct vf_auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    auth->activity = AT_HOME;
}

/* Lock held; dropped to look at files. */
static bool is_look_due(struct vf_auth *auth)
{
    if (auth->is_look_wanted || vf_auth_is_look_due(&auth->life))
        return true;
    set_out(auth, JUDGING);
    const bool has_changed = vf_auth_source_has_changed(auth->source);
    come_back(auth);
    return has_changed && !auth->is_shut_down;
}

/* Lock held; dropped at the source. One that cannot change still has what it
 * had. */
static void read_source(struct vf_auth *auth, enum activity activity,
                        struct vf_auth_visit *visit)
{
    if (!auth->life.can_change) {
        visit->reading.token = vf_secret_ref(auth->life.token);
        visit->reading.expires_s = auth->life.expires_s;
        return;
    }
    set_out(auth, activity);
    visit->result =
        vf_auth_source_read(auth->source, &visit->reading, &visit->why);
    come_back(auth);
    auth->reads++;
}

static void answer(struct vf_auth *auth, uint64_t wanted)
{
    auth->answered = wanted;
    pthread_cond_broadcast(&auth->answer);
}

/* Lock held; dropped at the source and for the sink. */
static void go_to_source(struct vf_auth *auth, enum activity activity,
                         uint64_t wanted)
{
    struct vf_auth_visit visit = {.before = auth->life.phase,
                                  .is_renewal = activity == RENEWING};
    bool wants_record = false;

    auth->is_look_wanted = false;
    read_source(auth, activity, &visit);
    if (!auth->is_shut_down)
        wants_record = vf_auth_note_visit(&auth->life, &visit);
    answer(auth, wanted);
    vf_secret_unref(visit.reading.token);
    if (wants_record) {
        pthread_mutex_unlock(&auth->lock);
        tell(auth, &visit.why);
        pthread_mutex_lock(&auth->lock);
    }
}

static bool is_renewal_due(const struct vf_auth *auth)
{
    return auth->life.renewal.due_ms <= vf_auth_now_ms();
}

static bool is_judgement_due(const struct vf_auth *auth)
{
    return auth->is_look_wanted ||
           (auth->waiting > 0 && auth->answered < auth->wanted);
}

static bool has_work(const struct vf_auth *auth)
{
    return auth->life.phase == VF_AUTH_ASKING || is_renewal_due(auth) ||
           is_judgement_due(auth);
}

/* Lock held; dropped meanwhile. Who wants a judgement has it before a renewal.
 */
static void serve(struct vf_auth *auth)
{
    const uint64_t wanted = auth->wanted;

    if (auth->life.phase == VF_AUTH_ASKING ||
        (is_judgement_due(auth) && is_look_due(auth))) {
        go_to_source(auth, LOOKING, wanted);
        return;
    }
    answer(auth, wanted);
    if (is_renewal_due(auth) && !auth->is_shut_down)
        go_to_source(auth, RENEWING, wanted);
}

/* Until somebody wants something, or a renewal may be due. */
static void wait_for_work(struct vf_auth *auth)
{
    const int64_t left = auth->life.renewal.due_ms - vf_auth_now_ms();

    if (auth->life.renewal.due_ms == INT64_MAX) {
        pthread_cond_wait(&auth->work, &auth->lock);
        return;
    }
    const struct timespec until = vf_clock_timespec(
        vf_clock_monotonic_ms() + (left < WAIT_MAX_MS ? left : WAIT_MAX_MS));
    (void)pthread_cond_timedwait(&auth->work, &auth->lock, &until);
}

static void *run(void *context)
{
    struct vf_auth *auth = context;

    pthread_mutex_lock(&auth->lock);
    while (!auth->is_shut_down) {
        if (has_work(auth))
            serve(auth);
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
    if (options->found != NULL)
        options->found(options->found_context, vf_auth_source(auth));
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

    if (auth == NULL || vf_clock_init_cond(&auth->work) < 0) {
        free(auth);
        return NULL;
    }
    if (vf_clock_init_cond(&auth->answer) < 0) {
        pthread_cond_destroy(&auth->work);
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
    pthread_cond_broadcast(&auth->work);
    pthread_cond_broadcast(&auth->answer);
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
    pthread_cond_destroy(&auth->answer);
    pthread_cond_destroy(&auth->work);
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}

static bool must_wait(const struct vf_auth *auth, uint64_t number)
{
    return !auth->is_shut_down &&
           (auth->answered < number || auth->life.phase == VF_AUTH_ASKING);
}

/* Until what the thread is doing is done, there is nothing to go on with. */
static bool has_no_choice(const struct vf_auth *auth)
{
    return auth->life.phase == VF_AUTH_ASKING ||
           (auth->life.phase == VF_AUTH_ENDED && auth->activity == LOOKING);
}

/* Until when to wait for it, for who came at some time (CLOCK_MONOTONIC). */
static int64_t patience_end(const struct vf_auth *auth, int64_t came_ms,
                            int64_t deadline_ms)
{
    static const int64_t patience_ms[] = {
        [AT_HOME] = VF_AUTH_JUDGE_MAX_MS,
        [JUDGING] = VF_AUTH_JUDGE_MAX_MS,
        [LOOKING] = VF_AUTH_LOOK_MAX_MS,
        [RENEWING] = 0,
    };
    const int64_t since_ms =
        auth->activity == AT_HOME ? came_ms : auth->since_ms;
    const int64_t half_ms = came_ms + (deadline_ms - came_ms) / 2;
    int64_t end_ms = since_ms + patience_ms[auth->activity];

    if (has_no_choice(auth))
        return deadline_ms;
    if (end_ms > came_ms + VF_AUTH_LOOK_MAX_MS)
        end_ms = came_ms + VF_AUTH_LOOK_MAX_MS;
    return end_ms < half_ms ? end_ms : half_ms;
}

/* Lock held. Wait for the judgements up to this number, and for an asking. */
static int wait_for_answer(struct vf_auth *auth, uint64_t number,
                           int64_t deadline_ms, struct vf_error *err)
{
    const int64_t came_ms = vf_clock_monotonic_ms();

    auth->waiting++;
    while (must_wait(auth, number)) {
        const int64_t until_ms = patience_end(auth, came_ms, deadline_ms);
        const struct timespec until = vf_clock_timespec(until_ms);

        if (vf_clock_monotonic_ms() >= until_ms)
            break;
        (void)pthread_cond_timedwait(&auth->answer, &auth->lock, &until);
    }
    auth->waiting--;
    if (auth->is_shut_down)
        return vf_error_set(err, ECANCELED, "shutting down");
    if (must_wait(auth, number) && has_no_choice(auth))
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

/* Returns its number. */
static uint64_t want_judgement(struct vf_auth *auth)
{
    pthread_cond_signal(&auth->work);
    return ++auth->wanted;
}

/* A judgement could only be that all is as before: no file to look at, a token
 * in hand, and nobody has asked for a look. */
static bool is_judged(const struct vf_auth *auth)
{
    return !vf_auth_source_is_watched(auth->source) &&
           (auth->life.phase == VF_AUTH_TRYING ||
            auth->life.phase == VF_AUTH_PROVED) &&
           auth->answered == auth->wanted;
}

int vf_auth_token(struct vf_auth *auth, int64_t deadline_ms,
                  struct vf_secret **ret, unsigned *ret_generation,
                  struct vf_error *err)
{
    pthread_mutex_lock(&auth->lock);
    const uint64_t number =
        is_judged(auth) ? auth->answered : want_judgement(auth);
    int result = wait_for_answer(auth, number, deadline_ms, err);
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
    pthread_cond_signal(&auth->work);
    int result = wait_for_answer(auth, auth->wanted, deadline_ms, err);
    if (result == 0)
        result = check_access(auth, err);
    pthread_mutex_unlock(&auth->lock);
    return result;
}

void vf_auth_look_again(struct vf_auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    auth->is_look_wanted = true;
    (void)want_judgement(auth);
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
