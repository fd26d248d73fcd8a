/* SPDX-License-Identifier: MIT
 *
 * Group commit. What costs in a durable write is the fsync at COMMIT, whatever
 * the number of rows. So the writer takes all jobs that are queued into one
 * transaction, and wakes their callers only after COMMIT returned. While it
 * waits for the disk, the next group gathers. When the transaction as a whole
 * is lost (disk full, I/O error), every job in it failed.
 *
 * A job lies on its caller's stack, and the caller waits on a semaphore beside
 * it: to post that is the last that the writer does with a job.
 */
#include "store.h"

#include "db.h"
#include "directory.h"
#include "group.h"
#include "reserve.h"
#include "schema.h"
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define READERS 8
#define GROUP_MAX 256
#define LOG_STEP 1000 /* pages between two checkpoints */
#define LOG_MAX 4000  /* pages, from which on readers are held off */

/* One vf_store_write(), on its caller's stack, or one vf_store_post(), on the
 * heap with its context. */
struct request {
    struct vf_job job; /* first: the queue is a list of these */
    bool is_posted;
    sem_t done;
};

struct vf_store {
    char *path; /* of the database */
    struct vf_seal *seal;
    struct vf_ids ids; /* these three are the writer thread's */
    struct vf_writer writer;
    int log_seen; /* pages of the log at the last checkpoint */
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* guards what follows; held for moments only */
    pthread_cond_t queued;
    struct vf_job *first, **end;
    bool is_closing;
    pthread_cond_t reader_free;
    pthread_cond_t readers_idle;
    struct vf_db *readers[READERS]; /* those nobody uses */
    size_t readers_free, readers_open;
    bool is_held; /* no read begins */
};

/* The next group, or NULL at the end. Called with the lock held. */
static struct vf_job *take_group(struct vf_store *store)
{
    while (store->first == NULL && !store->is_closing)
        pthread_cond_wait(&store->queued, &store->lock);
    struct vf_job *group = store->first, **last = &store->first;
    for (int i = 0; i < GROUP_MAX && *last != NULL; i++)
        last = &(*last)->next;
    store->first = *last;
    *last = NULL;
    if (store->first == NULL)
        store->end = &store->first;
    return group;
}

static void finish(struct vf_job *job)
{
    struct request *request = (struct request *)job;

    if (request->is_posted) {
        free(job->context);
        free(request);
    } else {
        sem_post(&request->done);
    }
}

/* Let no read begin, and wait for the end of those under way. */
static void hold_readers(struct vf_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->is_held = true;
    while (store->readers_free < store->readers_open)
        pthread_cond_wait(&store->readers_idle, &store->lock);
    pthread_mutex_unlock(&store->lock);
}

static void let_readers(struct vf_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->is_held = false;
    pthread_cond_broadcast(&store->reader_free);
    pthread_mutex_unlock(&store->lock);
}

/*
 * A checkpoint now and then, when nobody waits for it. The log begins anew once
 * all of it was brought to the database and no reader uses it, which with
 * readers that always overlap is never: it would grow for ever. So when it is
 * long, they are held off for that moment; those that come after find nothing
 * in it that they need. What fails is tried again, and matters when the disk is
 * full.
 */
static void tend_log(struct vf_store *store)
{
    int pages = vf_db_log_pages(store->writer.access.db);

    if (pages < store->log_seen)
        store->log_seen = 0;
    if (pages < store->log_seen + LOG_STEP)
        return;
    store->log_seen = pages;
    if (pages >= LOG_MAX)
        hold_readers(store);
    if (vf_db_checkpoint(store->writer.access.db, NULL) < 0)
        store->log_seen = 0;
    if (pages >= LOG_MAX)
        let_readers(store);
}

static void *write_groups(void *context)
{
    struct vf_store *store = context;
    struct vf_job *group;

    pthread_mutex_lock(&store->lock);
    while ((group = take_group(store)) != NULL) {
        pthread_mutex_unlock(&store->lock);
        vf_group_run(&store->writer, group);
        for (struct vf_job *next; group != NULL; group = next) {
            next = group->next;
            finish(group);
        }
        tend_log(store);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

static void queue(struct vf_store *store, struct vf_job *job)
{
    pthread_mutex_lock(&store->lock);
    *store->end = job;
    store->end = &job->next;
    pthread_cond_signal(&store->queued);
    pthread_mutex_unlock(&store->lock);
}

int vf_store_write(struct vf_store *store, enum vf_store_effect effect,
                   vf_store_job *run, void *context, struct vf_error *err)
{
    struct request request = {
        .job = {.effect = effect, .run = run, .context = context, .err = err}};

    sem_init(&request.done, 0, 0);
    queue(store, &request.job);
    while (sem_wait(&request.done) < 0)
        continue; /* a signal */
    sem_destroy(&request.done);
    return request.job.result;
}

int vf_store_post(struct vf_store *store, enum vf_store_effect effect,
                  vf_store_job *run, void *context)
{
    struct request *request = malloc(sizeof(*request));

    if (request == NULL) {
        free(context);
        return -ENOMEM;
    }
    *request = (struct request){
        .job = {.effect = effect, .run = run, .context = context},
        .is_posted = true};
    queue(store, &request->job);
    return 0;
}

size_t vf_store_queued(struct vf_store *store)
{
    size_t count = 0;

    pthread_mutex_lock(&store->lock);
    for (const struct vf_job *job = store->first; job != NULL; job = job->next)
        count++;
    pthread_mutex_unlock(&store->lock);
    return count;
}

/* Called with the lock held. */
static void tell_reader_is_free(struct vf_store *store)
{
    if (!store->is_held)
        pthread_cond_signal(&store->reader_free);
    else if (store->readers_free == store->readers_open)
        pthread_cond_signal(&store->readers_idle);
}

static int take_reader(struct vf_store *store, struct vf_db **ret,
                       struct vf_error *err)
{
    struct vf_db *reader = NULL;
    int result = 0;

    pthread_mutex_lock(&store->lock);
    while (store->is_held ||
           (store->readers_free == 0 && store->readers_open == READERS))
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
        tell_reader_is_free(store);
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
    tell_reader_is_free(store);
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
    struct vf_db *db = store->writer.access.db;
    unsigned char hash[VF_SEAL_HASH_SIZE];
    int64_t is_known = 0, is_right = 0;

    vf_seal_hash(store->seal, VF_SEAL_CHECK, NULL, 0, hash);
    int result = vf_db_get_int(db, "SELECT count(*) FROM key_check", NULL, 0,
                               &is_known, err);
    if (result == 0 && is_known == 0)
        return vf_db_run(db, "INSERT INTO key_check VALUES (?1)",
                         VF_VALUES(VF_BLOB(hash, sizeof(hash))), err);
    if (result == 0)
        result = vf_db_get_int(
            db, "SELECT count(*) FROM key_check WHERE hash = ?1",
            VF_VALUES(VF_BLOB(hash, sizeof(hash))), &is_right, err);
    if (result == 0 && is_right == 0)
        return vf_error_set(err, EKEYREJECTED,
                            "%s/key is not the key that %s was made with", dir,
                            store->path);
    return result;
}

static int resume_ids(struct vf_store *store, struct vf_error *err)
{
    struct vf_db *db = store->writer.access.db;
    static const char sql[] =
        "SELECT max(id) FROM vault UNION ALL SELECT max(id) FROM credential";
    sqlite3_stmt *rows;
    int result = vf_db_query(db, sql, NULL, 0, &rows, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(db, rows, err)) > 0)
        vf_ids_resume(&store->ids, vf_db_text(rows, 0));
    vf_db_end(rows);
    return result;
}

static int open_database(struct vf_store *store, const char *dir,
                         struct vf_error *err)
{
    int result = vf_db_open(store->path, false, &store->writer.access.db, err);

    if (result == 0)
        result = vf_schema_upgrade(store->writer.access.db, err);
    if (result == 0)
        result = check_key(store, dir, err);
    if (result == 0)
        result = resume_ids(store, err);
    if (result < 0) {
        vf_db_close(store->writer.access.db);
        store->writer.access.db = NULL;
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
        result = vf_reserve_new(dir, &store->writer.reserve, err);
    if (result == 0)
        result = open_database(store, dir, err);
    if (result == -ENOSPC) { /* opening takes some for the log and its index */
        vf_reserve_give(store->writer.reserve);
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
    store->writer.path = store->path;
    store->writer.access.seal = store->seal;
    store->writer.access.ids = &store->ids;
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
    pthread_cond_init(&store->readers_idle, NULL);
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
    vf_db_close(store->writer.access.db);
    vf_reserve_free(store->writer.reserve);
    vf_seal_free(store->seal);
    pthread_cond_destroy(&store->readers_idle);
    pthread_cond_destroy(&store->reader_free);
    pthread_cond_destroy(&store->queued);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store);
}
