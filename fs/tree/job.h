/* SPDX-License-Identifier: MIT
 *
 * Jobs: remote work on threads of its own.
 *
 * A job has three parts. `prepare` and `apply` run with the tree's lock held
 * and do memory work only; `remote` runs between them without any lock. A
 * negative result from one part skips the next but `apply`, which always runs
 * when prepare succeeded. Who wants the outcome waits; who leaves abandons the
 * job, which goes on all the same.
 *
 * A job with a name is a mutation: jobs on one name of one directory run one
 * after another, in the order in which they were started. One with two names
 * waits for those before it on either, and those after it on either wait for
 * it; as the order is the same for all names, no two wait for each other.
 */
#ifndef TREE_JOB_H
#define TREE_JOB_H

#include <pthread.h>

#include "vaultfs/tree.h"

struct vf_job_kind {
    const char *operation; /* for records: "create", "list", ... */
    int (*prepare)(struct vf_tree *tree, struct vf_job *job); /* or NULL */
    int (*remote)(struct vf_tree *tree, struct vf_job *job);
    void (*apply)(struct vf_tree *tree, struct vf_job *job);
    void (*destroy)(struct vf_job *job); /* frees all but the base's members;
                                            runs with the lock held */
};

/* The first member of every kind of job. Guarded by the tree's lock, but for
 * result and error, which belong to `remote` while it runs. */
struct vf_job {
    const struct vf_job_kind *kind;
    unsigned references;
    unsigned waiters; /* in vf_job_wait() */
    bool is_queued;   /* its turn came, or never had to */
    bool is_alone; /* a mutation that runs with no other in the directory: the
                      first in a pending vault makes the vault */
    bool is_done;
    bool is_abandoned; /* who started it left: it has no one to tell */
    int result;
    struct vf_error error;
    pthread_cond_t changed;    /* done, or a waiter was interrupted */
    uint64_t started_at;       /* the tree's clock of changes, when prepared */
    struct vf_node *directory; /* a reference */
    uint64_t number;           /* of a mutation: later ones have higher */
    char *name;                /* NULL: not a mutation */
    char *other_name;          /* of the mutation's two, or NULL */
    struct vf_job *next_mutation; /* in the directory, oldest first */
    struct vf_job *next_queued;
    struct vf_job *next_live; /* not done yet */
    struct vf_tree *tree;
};

struct vf_pool {
    pthread_cond_t wanted;       /* a job was queued, or the pool ends */
    pthread_cond_t ended;        /* a thread ended */
    struct vf_job *first, *last; /* the queue */
    struct vf_job *live;         /* all that were started and are not done */
    unsigned queued, threads, idle;
    uint64_t mutations; /* that were started so far */
    bool is_closing;
    bool has_ended;       /* a thread, which nobody has joined yet: */
    pthread_t last_ended; /* the next to end does, or vf_pool_close() */
};

int vf_pool_init(struct vf_pool *pool);
/* Makes every waiter look around. Lock held. */
void vf_pool_wake_all(struct vf_pool *pool);
/* Runs what is queued to its end, then ends the threads. Lock held; dropped
 * while it waits. */
void vf_pool_close(struct vf_tree *tree);
void vf_pool_done(struct vf_pool *pool);

/*
 * Allocate a job of size bytes whose first member is a struct vf_job, for a
 * directory and (NULL: none) a name in it. Lock held. The one reference is the
 * caller's. NULL: no memory.
 */
struct vf_job *vf_job_new(struct vf_tree *tree, const struct vf_job_kind *kind,
                          size_t size, struct vf_node *directory,
                          const char *name);
/* Before it is started: it changes another name too. -ENOMEM. */
VF_MUST_CHECK int vf_job_add_name(struct vf_job *job, const char *other_name);
void vf_job_unref(struct vf_job *job); /* lock held; NULL is allowed */

/* Let it run as soon as its turn comes; after vf_tree_shutdown() it is done at
 * once, with -EINTR. Lock held. */
void vf_job_start(struct vf_tree *tree, struct vf_job *job);

/* Wait until it is done. Lock held; dropped while waiting. 0 when done,
 * -EINTR when the caller is to leave. The caller may be NULL: then only
 * vf_tree_shutdown() ends the wait. */
int vf_job_wait(struct vf_tree *tree, struct vf_job *job,
                struct vf_caller *caller);

/*
 * Start, wait, and return the job's result with its error in *err; drops the
 * reference. When the caller is interrupted: -EINTR, and the job is abandoned:
 * its outcome, good or bad, goes to the sink.
 * Lock held; dropped while waiting.
 */
int vf_job_finish(struct vf_tree *tree, struct vf_job *job,
                  struct vf_caller *caller, struct vf_error *err);
/* The same for a job that was started. */
int vf_job_conclude(struct vf_tree *tree, struct vf_job *job,
                    struct vf_caller *caller, struct vf_error *err);

/* A mutation whose caller left is what the next look at its name waits for. As
 * vf_job_wait(). */
int vf_job_settle(struct vf_tree *tree, struct vf_node *directory,
                  const char *name, struct vf_caller *caller);

/* Every change that is in flight in a directory now has its outcome; what is
 * started meanwhile is not waited for, or there need be no end. As
 * vf_job_wait(). */
int vf_job_settle_below(struct vf_tree *tree, struct vf_node *directory,
                        struct vf_caller *caller);

/* The oldest unfinished mutation on a name (NULL: on any), borrowed, or NULL.
 */
struct vf_job *vf_job_find(const struct vf_node *directory, const char *name);

#endif
