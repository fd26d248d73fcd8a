/* SPDX-License-Identifier: MIT
 *
 * A job that fails takes only its own changes back. A savepoint a job does
 * that, but SQLite then keeps a copy of each page that the job is the first to
 * change since, which costs as much as the change itself; and jobs fail before
 * they change anything, all but a few. So a group runs without savepoints; only
 * when a job did change something and then failed is everything undone, and the
 * group run again, with them.
 *
 * A full disk. Also a delete needs room first: in the log. So some is kept in
 * reserve while there is any. A transaction that finds no room is tried once
 * more after the log was emptied; then the disk is taken as full: what makes
 * the store smaller is given the reserve, what does not is refused. After each
 * such job the room that it made is handed back and the reserve taken again.
 */
#include "group.h"

#include "db.h"
#include "reserve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Below 0 when not just the job but the whole transaction is to go: -EAGAIN
 * when it would do with savepoints. */
static int run_bare(const struct vf_writer *writer, struct vf_job *job)
{
    struct vf_db *db = writer->access.db;
    int64_t changes = vf_db_total_changes(db);

    job->result = job->run(job->context, &writer->access, job->err);
    if (job->result == -ENOSPC)
        return -ENOSPC;
    if (!vf_db_is_in_transaction(db))
        return -EIO;
    return job->result < 0 && vf_db_total_changes(db) != changes ? -EAGAIN : 0;
}

static int run_in_savepoint(const struct vf_writer *writer, struct vf_job *job)
{
    struct vf_db *db = writer->access.db;

    if (vf_db_run(db, "SAVEPOINT job", NULL, 0, NULL) < 0)
        return -EIO;
    int result = run_bare(writer, job);
    if (result == -EAGAIN)
        result = vf_db_run(db, "ROLLBACK TO job", NULL, 0, NULL);
    if (result == 0)
        result = vf_db_run(db, "RELEASE job", NULL, 0, NULL);
    return result < 0 && result != -ENOSPC ? -EIO : result;
}

/* Jobs from first to before end in one transaction. When it is lost, whatever
 * a job was told, it did not happen. */
static int run_once(const struct vf_writer *writer, struct vf_job *first,
                    const struct vf_job *end,
                    int (*run)(const struct vf_writer *, struct vf_job *),
                    struct vf_error *err)
{
    struct vf_db *db = writer->access.db;
    int result = vf_db_run(db, "BEGIN IMMEDIATE", NULL, 0, err);

    for (struct vf_job *job = first; result == 0 && job != end;
         job = job->next) {
        result = run(writer, job);
        if (result < 0)
            vf_error_set(err, -result, "%s: a transaction was lost: %s",
                         writer->path, strerror(-result));
    }
    if (result == 0)
        result = vf_db_run(db, "COMMIT", NULL, 0, err);
    if (result < 0 && vf_db_is_in_transaction(db) &&
        vf_db_run(db, "ROLLBACK", NULL, 0, NULL) < 0)
        abort(); /* never acknowledge over a transaction of unknown state */
    return result;
}

static int run_transaction(const struct vf_writer *writer, struct vf_job *first,
                           const struct vf_job *end, struct vf_error *err)
{
    int result = run_once(writer, first, end, run_bare, err);

    return result == -EAGAIN
               ? run_once(writer, first, end, run_in_savepoint, err)
               : result;
}

static void fail_jobs(struct vf_job *first, const struct vf_job *end,
                      const struct vf_error *reason)
{
    for (struct vf_job *job = first; job != end; job = job->next) {
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
static int make_room(const struct vf_writer *writer, struct vf_error *err)
{
    static const char *const steps[] = {"PRAGMA wal_checkpoint(TRUNCATE)",
                                        "PRAGMA incremental_vacuum(16)",
                                        "PRAGMA wal_checkpoint(TRUNCATE)"};

    vf_reserve_give(writer->reserve);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (vf_db_script(writer->access.db, steps[i], NULL) < 0)
            continue;
    return vf_reserve_take(writer->reserve, err);
}

/* What makes the store smaller has the reserve, one at a time; the rest
 * fails. */
static void run_on_reserve(const struct vf_writer *writer, struct vf_job *group,
                           const struct vf_error *reason)
{
    for (struct vf_job *job = group; job != NULL; job = job->next) {
        struct vf_error err = *reason;
        int result = -ENOSPC;

        if (job->effect == VF_STORE_SHRINKS) {
            vf_reserve_give(writer->reserve);
            result = run_transaction(writer, job, job->next, &err);
            (void)make_room(writer, NULL); /* the next one looks again */
        }
        if (result < 0)
            fail_jobs(job, job->next, &err);
    }
}

void vf_group_run(const struct vf_writer *writer, struct vf_job *group)
{
    struct vf_error reason;
    int result = vf_reserve_take(writer->reserve, &reason);

    if (result == 0)
        result = run_transaction(writer, group, NULL, &reason);
    if (result == -ENOSPC) {
        result = make_room(writer, &reason);
        if (result == 0)
            result = run_transaction(writer, group, NULL, &reason);
    }
    if (result == -ENOSPC)
        run_on_reserve(writer, group, &reason);
    else if (result < 0)
        fail_jobs(group, NULL, &reason);
}
