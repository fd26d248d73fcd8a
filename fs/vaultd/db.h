/* SPDX-License-Identifier: MIT
 *
 * One SQLite connection with its prepared statements. Each subject keeps its
 * SQL beside the code that uses it; a statement is prepared at its first use
 * and found again by the address of its text, which must be static.
 *
 * A connection belongs to one thread at a time. Errors are -EIO, -ENOSPC (also
 * for a quota), -EBUSY or -ENOMEM with the file and SQLite's reason, which
 * names columns, never values.
 */
#ifndef VAULTD_DB_H
#define VAULTD_DB_H

#include "vaultfs/error.h"

#include <sqlite3.h>
#include <stdbool.h>

struct vf_db;

/* Opens or makes the file; is_reader refuses every change. A file that is made
 * here can give pages back: "PRAGMA incremental_vacuum". */
VF_MUST_CHECK int vf_db_open(const char *path, bool is_reader,
                             struct vf_db **ret, struct vf_error *err);
void vf_db_close(struct vf_db *db); /* NULL is allowed */

/* One value for a statement's parameter. Borrowed until vf_db_end(). */
struct vf_value {
    enum { VF_VALUE_NULL, VF_VALUE_INT, VF_VALUE_TEXT, VF_VALUE_BLOB } type;
    int64_t number;
    const void *data;
    size_t size;
};

#define VF_INT(value) ((struct vf_value){.type = VF_VALUE_INT, .number = value})
#define VF_TEXT(value) ((struct vf_value){.type = VF_VALUE_TEXT, .data = value})
#define VF_BLOB(value, length)                                                 \
    ((struct vf_value){.type = VF_VALUE_BLOB, .data = value, .size = length})
#define VF_VALUES(...)                                                         \
    (struct vf_value[]){__VA_ARGS__},                                          \
        sizeof((struct vf_value[]){__VA_ARGS__}) / sizeof(struct vf_value)

/*
 * Bind values to a statement, in order (a NULL text is null), and return it for
 * vf_db_step(). The same statement cannot be used again before vf_db_end().
 */
VF_MUST_CHECK int vf_db_query(struct vf_db *db, const char *sql,
                              const struct vf_value *values, size_t count,
                              sqlite3_stmt **ret, struct vf_error *err);

/* 1: a row; 0: no more; or an error. */
VF_MUST_CHECK int vf_db_step(struct vf_db *db, sqlite3_stmt *statement,
                             struct vf_error *err);
void vf_db_end(sqlite3_stmt *statement);

/* A query of which only the effect counts. */
VF_MUST_CHECK int vf_db_run(struct vf_db *db, const char *sql,
                            const struct vf_value *values, size_t count,
                            struct vf_error *err);

/* The first column of the first row, or none when there is no row or it is
 * null: *ret then stays as it is. */
VF_MUST_CHECK int vf_db_get_int(struct vf_db *db, const char *sql,
                                const struct vf_value *values, size_t count,
                                int64_t *ret, struct vf_error *err);

/* Several statements without parameters, not kept. */
VF_MUST_CHECK int vf_db_script(struct vf_db *db, const char *sql,
                               struct vf_error *err);

/*
 * The log's length after the last commit here, in pages. Nothing but
 * vf_db_checkpoint() brings them to the database, as many as readers allow.
 * Once all are there, and no reader uses the log, the next commit begins it
 * anew. When it fails, the log still has all that it had.
 */
int vf_db_log_pages(const struct vf_db *db);
VF_MUST_CHECK int vf_db_checkpoint(struct vf_db *db, struct vf_error *err);

/* Rows changed by the last statement. */
int vf_db_changes(const struct vf_db *db);

/* Rows changed since the connection was opened, those undone included. */
int64_t vf_db_total_changes(const struct vf_db *db);
bool vf_db_is_in_transaction(const struct vf_db *db);

/* A column's text, "" for null; valid until the next step. */
const char *vf_db_text(sqlite3_stmt *statement, int column);

#endif
