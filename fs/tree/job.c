/* SPDX-License-Identifier: MIT */
#include "job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "vaultfs/clock.h"

#define THREADS_MAX 1024
#define THREAD_STACK_BYTES (256 * 1024)
#define IDLE_MS 10000
#define INTERRUPT_POLL_MS 100

/* False when the time is over. */
static bool wait_ms(struct vf_tree *tree, pthread_cond_t *cond, int64_t ms)
{
    struct timespec until = vf_clock_timespec(vf_clock_monotonic_ms() + ms);

    return pthread_cond_timedwait(cond, &tree->lock, &until) != ETIMEDOUT;
}

int vf_pool_init(struct vf_pool *pool)
{
    int result;

    *pool = (struct vf_pool){0};
    result = vf_clock_init_cond(&pool->wanted);
    if (result < 0)
        return result;
    result = vf_clock_init_cond(&pool->ended);
    if (result < 0)
        (void)pthread_cond_destroy(&pool->wanted);
    return result;
}

void vf_pool_done(struct vf_pool *pool)
{
    (void)pthread_cond_destroy(&pool->wanted);
    (void)pthread_cond_destroy(&pool->ended);
}

struct vf_job *vf_job_new(struct vf_tree *tree, const struct vf_job_kind *kind,
                          size_t size, struct vf_node *directory,
                          const char *name)
{
    struct vf_job *job = calloc(1, size);

    if (job == NULL)
        return NULL;
    if (name != NULL && (job->name = strdup(name)) == NULL) {
        free(job);
        return NULL;
    }
    if (vf_clock_init_cond(&job->changed) < 0) {
        free(job->name);
        free(job);
        return NULL;
    }
    job->kind = kind;
    job->references = 1;
    job->tree = tree;
    job->directory = vf_node_ref(directory);
    return job;
}

int vf_job_add_name(struct vf_job *job, const char *other_name)
{
    job->other_name = strdup(other_name);
    return job->other_name != NULL ? 0 : -ENOMEM;
}

void vf_job_unref(struct vf_job *job)
{
    if (job == NULL || --job->references > 0)
        return;
    if (job->kind->destroy != NULL)
        job->kind->destroy(job);
    vf_node_unref(job->tree, job->directory, 1);
    (void)pthread_cond_destroy(&job->changed);
    free(job->name);
    free(job->other_name);
    free(job);
}

static bool is_on(const struct vf_job *job, const char *name)
{
    return strcmp(job->name, name) == 0 ||
           (job->other_name != NULL && strcmp(job->other_name, name) == 0);
}

static bool is_on_same(const struct vf_job *job, const struct vf_job *other)
{
    return job->is_alone || other->is_alone || is_on(job, other->name) ||
           (other->other_name != NULL && is_on(job, other->other_name));
}

struct vf_job *vf_job_find(const struct vf_node *directory, const char *name)
{
    struct vf_job *job = directory->listing->mutations;

    while (job != NULL && name != NULL && !is_on(job, name))
        job = job->next_mutation;
    return job;
}

/* What became of a job that no caller will be told of. */
static struct vf_error outcome(const struct vf_job *job)
{
    struct vf_error error = job->error;

    if (job->result == 0)
        (void)vf_error_set(&error, 0, "done, after its caller was interrupted");
    else if (job->result == -ECANCELED)
        (void)vf_error_set(&error, ECANCELED,
                           "the mount ended before the service answered: "
                           "whether this was done is not known");
    return error;
}

/* Lock held; dropped for the sink. */
static void report_abandoned(struct vf_tree *tree, struct vf_job *job)
{
    const struct vf_error error = outcome(job);

    pthread_mutex_unlock(&tree->lock);
    char *path = vf_tree_path(tree, job->directory, job->name);
    const struct vf_record record = {
        .operation = job->kind->operation,
        .path = path != NULL ? path : "?",
        .error = &error,
    };
    tree->options.sink(tree->options.sink_context, &record);
    free(path);
    pthread_mutex_lock(&tree->lock);
}

static void run(struct vf_tree *tree, struct vf_job *job)
{
    bool is_prepared = true;

    job->started_at = ++tree->changes;
    if (tree->is_shut_down) { /* it was queued before */
        job->result = vf_error_set(&job->error, EINTR,
                                   "the mount ended before the turn of this "
                                   "came: nothing was sent");
        return;
    }
    if (job->kind->prepare != NULL) {
        job->result = job->kind->prepare(tree, job);
        is_prepared = job->result == 0;
    }
    if (is_prepared) {
        pthread_mutex_unlock(&tree->lock);
        job->result = job->kind->remote(tree, job);
        pthread_mutex_lock(&tree->lock);
        job->kind->apply(tree, job);
    }
}

static void enqueue(struct vf_tree *tree, struct vf_job *job);

/* No older mutation is on a name of its own. */
static bool is_next(const struct vf_job *job)
{
    const struct vf_job *older = job->directory->listing->mutations;

    while (older != job && !is_on_same(job, older))
        older = older->next_mutation;
    return older == job;
}

/* One that waited for nothing but a mutation that has ended. */
static struct vf_job *find_waiting(const struct vf_job *ended)
{
    struct vf_job *job = ended->directory->listing->mutations;

    while (job != NULL &&
           (job->is_queued || !is_on_same(job, ended) || !is_next(job)))
        job = job->next_mutation;
    return job;
}

/* Take the mutation off its directory and let those that waited for it run. */
static void end_mutation(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_job *next;
    struct vf_job **link = &job->directory->listing->mutations;

    while (*link != job)
        link = &(*link)->next_mutation;
    *link = job->next_mutation;
    while ((next = find_waiting(job)) != NULL)
        enqueue(tree, next);
}

static void complete(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_job **link = &tree->pool.live;

    while (*link != job)
        link = &(*link)->next_live;
    *link = job->next_live;
    job->is_done = true;
    if (job->name != NULL)
        end_mutation(tree, job);
    (void)pthread_cond_broadcast(&job->changed);
    if (job->is_abandoned)
        report_abandoned(tree, job);
    vf_job_unref(job);
}

static struct vf_job *dequeue(struct vf_pool *pool)
{
    struct vf_job *job = pool->first;

    pool->queued--;
    pool->first = job->next_queued;
    if (pool->first == NULL)
        pool->last = NULL;
    return job;
}

/* Each thread joins the one that ended before it, so that at most one waits to
 * be joined, and none is left when the pool is closed. Drops the lock. */
static void end_thread(struct vf_tree *tree)
{
    struct vf_pool *pool = &tree->pool;
    bool has_ended = pool->has_ended;
    pthread_t previous = pool->last_ended;

    pool->has_ended = true;
    pool->last_ended = pthread_self();
    pool->threads--;
    (void)pthread_cond_broadcast(&pool->ended);
    pthread_mutex_unlock(&tree->lock);
    if (has_ended)
        (void)pthread_join(previous, NULL);
}

static void *work(void *context)
{
    struct vf_tree *tree = context;
    struct vf_pool *pool = &tree->pool;
    bool is_wanted = true;

    pthread_mutex_lock(&tree->lock);
    while (is_wanted || pool->first != NULL) {
        if (pool->first != NULL) {
            struct vf_job *job = dequeue(pool);

            run(tree, job);
            complete(tree, job);
            continue;
        }
        if (pool->is_closing)
            break;
        pool->idle++;
        is_wanted = wait_ms(tree, &pool->wanted, IDLE_MS);
        pool->idle--;
    }
    end_thread(tree);
    return NULL;
}

static int start_thread(struct vf_tree *tree)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int result = pthread_attr_init(&attributes);

    if (result != 0)
        return -result;
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    result = pthread_create(&thread, &attributes, work, tree);
    (void)pthread_attr_destroy(&attributes);
    if (result == 0)
        tree->pool.threads++;
    return -result;
}

static void enqueue(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_pool *pool = &tree->pool;

    job->is_queued = true;
    if (pool->last != NULL)
        pool->last->next_queued = job;
    else
        pool->first = job;
    pool->last = job;
    pool->queued++;
    (void)pthread_cond_signal(&pool->wanted);
    if (pool->queued <= pool->idle || pool->threads >= THREADS_MAX)
        return;
    if (start_thread(tree) < 0 && pool->threads == 0) {
        /* Nobody is there to run it, and nobody will come. */
        job = dequeue(pool);
        job->result = vf_error_set(&job->error, EAGAIN, "no thread to work on");
        complete(tree, job);
    }
}

void vf_job_start(struct vf_tree *tree, struct vf_job *job)
{
    if (tree->is_shut_down) {
        job->result = -EINTR;
        job->is_done = true;
        return;
    }
    job->references++; /* the pool's, until complete() */
    job->next_live = tree->pool.live;
    tree->pool.live = job;
    if (job->name == NULL) {
        enqueue(tree, job);
        return;
    }
    job->number = ++tree->pool.mutations;
    struct vf_job **link = &job->directory->listing->mutations;
    while (*link != NULL)
        link = &(*link)->next_mutation;
    *link = job;
    job->is_alone =
        job->directory->kind == VF_NODE_VAULT && job->directory->id == NULL;
    if (is_next(job))
        enqueue(tree, job);
}

/*
 * Whether a signal that is meant to end a program is pending for a thread. The
 * kernel tells a file system once that a caller was signalled, not by what: a
 * shell's SIGCHLD or a window's SIGWINCH must not break a write. A thread that
 * cannot be looked at counts as ended.
 */
static bool is_ending(pid_t tid)
{
    static const int ending[] = {SIGKILL, SIGINT, SIGTERM, SIGQUIT, SIGHUP};
    unsigned long long own = 0, shared = 0, blocked = 0, mask = 0;
    char path[64], line[256];

    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)tid);
    FILE *status = tid > 0 ? fopen(path, "re") : NULL;
    if (status == NULL)
        return true;
    while (fgets(line, sizeof(line), status) != NULL) {
        (void)sscanf(line, "SigPnd: %llx", &own);
        (void)sscanf(line, "ShdPnd: %llx", &shared);
        (void)sscanf(line, "SigBlk: %llx", &blocked);
    }
    (void)fclose(status);
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        mask |= 1ULL << (ending[i] - 1);
    return ((own | shared) & ~blocked & mask) != 0;
}

/* Lock held; dropped while looking. */
static bool is_caller_leaving(struct vf_tree *tree,
                              const struct vf_caller *caller)
{
    pthread_mutex_unlock(&tree->lock);
    bool is_leaving = is_ending(caller->tid);
    pthread_mutex_lock(&tree->lock);
    return is_leaving;
}

int vf_job_wait(struct vf_tree *tree, struct vf_job *job,
                struct vf_caller *caller)
{
    int result = 0;

    job->references++;
    job->waiters++;
    if (caller != NULL)
        caller->waits_for = job;
    while (!job->is_done && result == 0) {
        if (tree->is_shut_down) {
            result = -EINTR;
        } else if (caller == NULL || !caller->is_interrupted) {
            (void)pthread_cond_wait(&job->changed, &tree->lock);
        } else if (is_caller_leaving(tree, caller)) {
            result = job->is_done ? 0 : -EINTR;
        } else if (!job->is_done) {
            (void)wait_ms(tree, &job->changed, INTERRUPT_POLL_MS);
        }
    }
    if (caller != NULL)
        caller->waits_for = NULL;
    job->waiters--;
    vf_job_unref(job);
    return result;
}

void vf_caller_interrupt(struct vf_tree *tree, struct vf_caller *caller)
{
    pthread_mutex_lock(&tree->lock);
    caller->is_interrupted = true;
    if (caller->waits_for != NULL)
        (void)pthread_cond_broadcast(&caller->waits_for->changed);
    pthread_mutex_unlock(&tree->lock);
}

int vf_job_finish(struct vf_tree *tree, struct vf_job *job,
                  struct vf_caller *caller, struct vf_error *err)
{
    vf_job_start(tree, job);
    return vf_job_conclude(tree, job, caller, err);
}

int vf_job_conclude(struct vf_tree *tree, struct vf_job *job,
                    struct vf_caller *caller, struct vf_error *err)
{
    int result = vf_job_wait(tree, job, caller);
    if (result < 0) {
        job->is_abandoned = true;
    } else {
        result = job->result;
        if (result < 0 && err != NULL)
            *err = job->error;
    }
    vf_job_unref(job);
    return result;
}

int vf_job_settle(struct vf_tree *tree, struct vf_node *directory,
                  const char *name, struct vf_caller *caller)
{
    struct vf_job *latest = NULL;

    for (struct vf_job *job = directory->listing->mutations; job != NULL;
         job = job->next_mutation)
        if (job->is_abandoned && is_on(job, name))
            latest = job;
    return latest != NULL ? vf_job_wait(tree, latest, caller) : 0;
}

int vf_job_settle_below(struct vf_tree *tree, struct vf_node *directory,
                        struct vf_caller *caller)
{
    const uint64_t latest = tree->pool.mutations;
    struct vf_job *oldest;
    int result = 0;

    vf_node_ref(directory);
    while (result == 0 && (oldest = directory->listing->mutations) != NULL &&
           oldest->number <= latest)
        result = vf_job_wait(tree, oldest, caller);
    vf_node_unref(tree, directory, 1);
    return result;
}

void vf_pool_wake_all(struct vf_pool *pool)
{
    for (struct vf_job *job = pool->live; job != NULL; job = job->next_live)
        (void)pthread_cond_broadcast(&job->changed);
}

void vf_pool_close(struct vf_tree *tree)
{
    tree->pool.is_closing = true;
    (void)pthread_cond_broadcast(&tree->pool.wanted);
    while (tree->pool.threads > 0)
        (void)pthread_cond_wait(&tree->pool.ended, &tree->lock);
    if (tree->pool.has_ended)
        (void)pthread_join(tree->pool.last_ended, NULL);
    tree->pool.has_ended = false;
}
