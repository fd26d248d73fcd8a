/* SPDX-License-Identifier: MIT
 *
 * Group commit. What costs in a durable write is the fsync at COMMIT, whatever
 * the number of rows. So the writer takes all jobs that are queued into one
 * transaction, each inside a savepoint, so that one which fails takes only its
 * own changes back, and wakes their callers only after COMMIT returned. While
 * it waits for the disk, the next group gathers. When the transaction as a
 * whole is lost (disk full, I/O error), every job in it failed.
 *
 * A full disk. Also a delete needs room first: in the log. So some is kept in
 * reserve while there is any. A transaction that finds no room is tried once
 * more after the log was emptied; then the disk is taken as full: what makes
 * the store smaller is given the reserve, what does not is refused. After each
 * such job the room that it made is handed back and the reserve taken again.
 */
#include "store.h"

#include "db.h"
#include "directory.h"
#include "reserve.h"
#include "schema.h"
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define READERS 8
#define GROUP_MAX 256

/* One vf_store_write(), on its caller's stack, or one vf_store_post(), on the
 * heap with its context. */
struct job {
    enum vf_store_effect effect;
    vf_store_job *run;
    void *context;
    struct vf_error *err;
    int result;
    bool is_posted;
    bool is_done;
    pthread_cond_t done;
    struct job *next;
};

struct vf_store {
    char *path; /* of the database */
    struct vf_seal *seal;
    struct vf_db *writer; /* these three are the writer thread's */
    struct vf_reserve *reserve;
    struct vf_ids ids;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* guards what follows; held for moments only */
    pthread_cond_t queued;
    struct job *first, **end;
    bool is_closing;
    pthread_cond_t reader_free;
    struct vf_db *readers[READERS]; /* those nobody uses */
    size_t readers_free, readers_open;
};

/* Below 0 when not just the job but the whole transaction is gone. */
static int run_in_savepoint(struct vf_store *store, struct job *job)
{
    const struct vf_access access = {store->writer, store->seal, &store->ids};

    job->result = vf_db_run(store->writer, "SAVEPOINT job", NULL, 0, job->err);
    if (job->result == 0)
        job->result = job->run(job->context, &access, job->err);
    if (job->result == -ENOSPC)
        return -ENOSPC;
    if (!vf_db_is_in_transaction(store->writer))
        return -EIO;
    if (job->result < 0 &&
        vf_db_run(store->writer, "ROLLBACK TO job", NULL, 0, NULL) < 0)
        return -EIO;
    return vf_db_run(store->writer, "RELEASE job", NULL, 0, NULL) < 0 ? -EIO
                                                                      : 0;
}

/* Jobs from first to before end in one transaction. When it is lost, whatever
 * a job was told, it did not happen. */
static int run_transaction(struct vf_store *store, struct job *first,
                           const struct job *end, struct vf_error *err)
{
    int result = vf_db_run(store->writer, "BEGIN IMMEDIATE", NULL, 0, err);

    for (struct job *job = first; result == 0 && job != end; job = job->next) {
        result = run_in_savepoint(store, job);
        if (result < 0)
            vf_error_set(err, -result, "%s: a transaction was lost: %s",
                         store->path, strerror(-result));
    }
    if (result == 0)
        result = vf_db_run(store->writer, "COMMIT", NULL, 0, err);
    if (result < 0 && vf_db_is_in_transaction(store->writer) &&
        vf_db_run(store->writer, "ROLLBACK", NULL, 0, NULL) < 0)
        abort(); /* never acknowledge over a transaction of unknown state */
    return result;
}

static void fail_jobs(struct job *first, const struct job *end,
                      const struct vf_error *reason)
{
    for (struct job *job = first; job != end; job = job->next) {
        job->result = -reason->code;
        if (job->err != NULL)
            *job->err = *reason;
    }
}

/*
 * Give what the log and the database do not need back to the file system. The
 * log may hold many versions of a page; the checkpoint leaves one. Moving pages
 * to where free ones are is itself logged, hence in small steps. That any of it
 * fails shows in the room that there is afterwards.
 */
static int make_room(struct vf_store *store, struct vf_error *err)
{
    static const char *const steps[] = {"PRAGMA wal_checkpoint(TRUNCATE)",
                                        "PRAGMA incremental_vacuum(16)",
                                        "PRAGMA wal_checkpoint(TRUNCATE)"};

    vf_reserve_give(store->reserve);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (vf_db_script(store->writer, steps[i], NULL) < 0)
            continue;
    return vf_reserve_take(store->reserve, err);
}

/* What makes the store smaller has the reserve, one at a time; the rest
 * fails. */
static void run_on_reserve(struct vf_store *store, struct job *group,
                           const struct vf_error *reason)
{
    for (struct job *job = group; job != NULL; job = job->next) {
        struct vf_error err = *reason;
        int result = -ENOSPC;

        if (job->effect == VF_STORE_SHRINKS) {
            vf_reserve_give(store->reserve);
            result = run_transaction(store, job, job->next, &err);
            (void)make_room(store, NULL); /* the next one looks again */
        }
        if (result < 0)
            fail_jobs(job, job->next, &err);
    }
}

static void run_group(struct vf_store *store, struct job *group)
{
    struct vf_error reason;
    int result = vf_reserve_take(store->reserve, &reason);

    if (result == 0)
        result = run_transaction(store, group, NULL, &reason);
    if (result == -ENOSPC) {
        result = make_room(store, &reason);
        if (result == 0)
            result = run_transaction(store, group, NULL, &reason);
    }
    if (result == -ENOSPC)
        run_on_reserve(store, group, &reason);
    else if (result < 0)
        fail_jobs(group, NULL, &reason);
}

/* The next group, or NULL at the end. Called with the lock held. */
static struct job *take_group(struct vf_store *store)
{
    while (store->first == NULL && !store->is_closing)
        pthread_cond_wait(&store->queued, &store->lock);
    struct job *group = store->first, **last = &store->first;
    for (int i = 0; i < GROUP_MAX && *last != NULL; i++)
        last = &(*last)->next;
    store->first = *last;
    *last = NULL;
    if (store->first == NULL)
        store->end = &store->first;
    return group;
}

/* Called with the lock held; a caller's stack goes once it is woken. */
static void finish(struct job *job)
{
    if (job->is_posted) {
        free(job->context);
        free(job);
        return;
    }
    job->is_done = true;
    pthread_cond_signal(&job->done);
}

static void *write_groups(void *context)
{
    struct vf_store *store = context;
    struct job *group;

    pthread_mutex_lock(&store->lock);
    while ((group = take_group(store)) != NULL) {
        pthread_mutex_unlock(&store->lock);
        run_group(store, group);
        pthread_mutex_lock(&store->lock);
        for (struct job *next; group != NULL; group = next) {
            next = group->next;
            finish(group);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* Called with the lock held. */
static void queue(struct vf_store *store, struct job *job)
{
    *store->end = job;
    store->end = &job->next;
    pthread_cond_signal(&store->queued);
}

int vf_store_write(struct vf_store *store, enum vf_store_effect effect,
                   vf_store_job *run, void *context, struct vf_error *err)
{
    struct job job = {.effect = effect,
                      .run = run,
                      .context = context,
                      .err = err,
                      .done = PTHREAD_COND_INITIALIZER};

    pthread_mutex_lock(&store->lock);
    queue(store, &job);
    while (!job.is_done)
        pthread_cond_wait(&job.done, &store->lock);
    pthread_mutex_unlock(&store->lock);
    pthread_cond_destroy(&job.done);
    return job.result;
}

int vf_store_post(struct vf_store *store, enum vf_store_effect effect,
                  vf_store_job *run, void *context)
{
    struct job *job = malloc(sizeof(*job));

    if (job == NULL) {
        free(context);
        return -ENOMEM;
    }
    *job = (struct job){
        .effect = effect, .run = run, .context = context, .is_posted = true};
    pthread_mutex_lock(&store->lock);
    queue(store, job);
    pthread_mutex_unlock(&store->lock);
    return 0;
}

size_t vf_store_queued(struct vf_store *store)
{
    size_t count = 0;

    pthread_mutex_lock(&store->lock);
    for (const struct job *job = store->first; job != NULL; job = job->next)
        count++;
    pthread_mutex_unlock(&store->lock);
    return count;
}

static int take_reader(struct vf_store *store, struct vf_db **ret,
                       struct vf_error *err)
{
    struct vf_db *reader = NULL;
    int result = 0;

    pthread_mutex_lock(&store->lock);
    while (store->readers_free == 0 && store->readers_open == READERS)
        pthread_cond_wait(&store->reader_free, &store->lock);
    if (store->readers_free > 0)
        reader = store->readers[--store->readers_free];
    else
        store->readers_open++;
    pthread_mutex_unlock(&store->lock);
    if (reader == NULL)
        result = vf_db_open(store->path, true, &reader, err);
    if (result < 0) {
        pthread_mutex_lock(&store->lock);
        store->readers_open--;
        pthread_cond_signal(&store->reader_free);
        pthread_mutex_unlock(&store->lock);
        return result;
    }
    *ret = reader;
    return 0;
}

static void give_reader(struct vf_store *store, struct vf_db *reader)
{
    pthread_mutex_lock(&store->lock);
    store->readers[store->readers_free++] = reader;
    pthread_cond_signal(&store->reader_free);
    pthread_mutex_unlock(&store->lock);
}

int vf_store_read(struct vf_store *store, vf_store_job *job, void *context,
                  struct vf_error *err)
{
    struct vf_db *reader;
    int result = take_reader(store, &reader, err);

    if (result < 0)
        return result;
    const struct vf_access access = {reader, store->seal, NULL};
    result = vf_db_run(reader, "BEGIN", NULL, 0, err);
    if (result == 0) {
        result = job(context, &access, err);
        int ended = vf_db_run(reader, "COMMIT", NULL, 0, NULL);
        if (ended < 0 && result == 0)
            result = vf_error_set(err, EIO, "database: a snapshot was lost");
    }
    give_reader(store, reader);
    return result;
}

const struct vf_seal *vf_store_seal(const struct vf_store *store)
{
    return store->seal;
}

static int fail(struct vf_error *err, int code, const char *path)
{
    return vf_error_set(err, code, "%s: %s", path, strerror(code));
}

/* A database remembers a hash that only its own key makes. */
static int check_key(struct vf_store *store, const char *dir,
                     struct vf_error *err)
{
    unsigned char hash[VF_SEAL_HASH_SIZE];
    int64_t is_known = 0, is_right = 0;

    vf_seal_hash(store->seal, VF_SEAL_CHECK, NULL, 0, hash);
    int result = vf_db_get_int(store->writer, "SELECT count(*) FROM key_check",
                               NULL, 0, &is_known, err);
    if (result == 0 && is_known == 0)
        return vf_db_run(store->writer, "INSERT INTO key_check VALUES (?1)",
                         VF_VALUES(VF_BLOB(hash, sizeof(hash))), err);
    if (result == 0)
        result = vf_db_get_int(
            store->writer, "SELECT count(*) FROM key_check WHERE hash = ?1",
            VF_VALUES(VF_BLOB(hash, sizeof(hash))), &is_right, err);
    if (result == 0 && is_right == 0)
        return vf_error_set(err, EKEYREJECTED,
                            "%s/key is not the key that %s was made with", dir,
                            store->path);
    return result;
}

static int resume_ids(struct vf_store *store, struct vf_error *err)
{
    static const char sql[] =
        "SELECT max(id) FROM vault UNION ALL SELECT max(id) FROM credential";
    sqlite3_stmt *rows;
    int result = vf_db_query(store->writer, sql, NULL, 0, &rows, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(store->writer, rows, err)) > 0)
        vf_ids_resume(&store->ids, vf_db_text(rows, 0));
    vf_db_end(rows);
    return result;
}

static int open_database(struct vf_store *store, const char *dir,
                         struct vf_error *err)
{
    int result = vf_db_open(store->path, false, &store->writer, err);

    if (result == 0)
        result = vf_schema_upgrade(store->writer, err);
    if (result == 0)
        result = check_key(store, dir, err);
    if (result == 0)
        result = resume_ids(store, err);
    if (result < 0) {
        vf_db_close(store->writer);
        store->writer = NULL;
    }
    return result;
}

/* Under the lock file, because two processes may meet in an empty directory. */
static int open_files(struct vf_store *store, const char *dir,
                      struct vf_error *err)
{
    bool is_new = access(store->path, F_OK) < 0 && errno == ENOENT;
    int result = vf_seal_new(dir, is_new, &store->seal, err);

    if (result == 0)
        result = vf_reserve_new(dir, &store->reserve, err);
    if (result == 0)
        result = open_database(store, dir, err);
    if (result == -ENOSPC) { /* opening takes some for the log and its index */
        vf_reserve_give(store->reserve);
        result = open_database(store, dir, err);
    }
    return result;
}

static int open_locked(struct vf_store *store, const char *dir,
                       struct vf_error *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/setup.lock", dir) >= (int)sizeof(path))
        return fail(err, ENAMETOOLONG, dir);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return fail(err, errno, path);
    int result = flock(lock, LOCK_EX) < 0 ? fail(err, errno, path)
                                          : open_files(store, dir, err);
    (void)close(lock);
    return result;
}

static int start_writer(struct vf_store *store, struct vf_error *err)
{
    int code = pthread_create(&store->thread, NULL, write_groups, store);

    if (code != 0)
        return vf_error_set(err, code, "no thread for the writer");
    store->has_thread = true;
    return 0;
}

int vf_store_open(const char *dir, bool may_create, struct vf_store **ret,
                  struct vf_error *err)
{
    struct vf_store *store = calloc(1, sizeof(*store));

    if (store == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the store");
    store->end = &store->first;
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->queued, NULL);
    pthread_cond_init(&store->reader_free, NULL);
    int result = asprintf(&store->path, "%s/vaults.db", dir);
    if (result < 0) {
        store->path = NULL;
        result = vf_error_set(err, ENOMEM, "no memory for the store");
    } else if (may_create) {
        result = vf_directory_make(dir, err);
    } else {
        result = vf_directory_check(dir, err);
        if (result == 0 && access(store->path, F_OK) < 0)
            result = fail(err, errno, store->path);
    }
    if (result == 0)
        result = open_locked(store, dir, err);
    if (result == 0)
        result = start_writer(store, err);
    if (result < 0) {
        vf_store_close(store);
        return result;
    }
    *ret = store;
    return 0;
}

void vf_store_close(struct vf_store *store)
{
    if (store == NULL)
        return;
    if (store->has_thread) {
        pthread_mutex_lock(&store->lock);
        store->is_closing = true;
        pthread_cond_signal(&store->queued);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->thread, NULL);
    }
    for (size_t i = 0; i < store->readers_free; i++)
        vf_db_close(store->readers[i]);
    vf_db_close(store->writer);
    vf_reserve_free(store->reserve);
    vf_seal_free(store->seal);
    pthread_cond_destroy(&store->reader_free);
    pthread_cond_destroy(&store->queued);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store);
}
