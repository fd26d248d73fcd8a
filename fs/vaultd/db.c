/* SPDX-License-Identifier: MIT */
#include "db.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#define STATEMENTS_MAX 64
#define BUSY_MS 10000

struct vf_db {
    sqlite3 *handle;
    struct {
        const char *sql; /* static */
        sqlite3_stmt *statement;
    } prepared[STATEMENTS_MAX];
    size_t count;
    int log_pages; /* after the last commit */
};

/* The log's index and the log itself report a full disk as an I/O error. */
static bool is_full(struct vf_db *db, int code)
{
    int cause = db->handle != NULL ? sqlite3_system_errno(db->handle) : 0;

    return (code & 0xFF) == SQLITE_IOERR &&
           (cause == ENOSPC || cause == EDQUOT);
}

static const char *file_of(struct vf_db *db)
{
    const char *path =
        db->handle != NULL ? sqlite3_db_filename(db->handle, "main") : NULL;

    return path != NULL && path[0] != '\0' ? path : "database";
}

static int fail(struct vf_db *db, int code, struct vf_error *err)
{
    static const struct {
        int code;
        int error;
    } codes[] = {
        {SQLITE_BUSY, EBUSY},
        {SQLITE_FULL, ENOSPC},
        {SQLITE_NOMEM, ENOMEM},
    };
    int error = is_full(db, code) ? ENOSPC : EIO;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if ((code & 0xFF) == codes[i].code)
            error = codes[i].error;
    return vf_error_set(err, error, "%s: %s", file_of(db),
                        db->handle != NULL ? sqlite3_errmsg(db->handle)
                                           : sqlite3_errstr(code));
}

static locale_t folding;

static void make_folding(void)
{
    folding = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Lower case by the C library's tables, independent of the user's locale. */
static wint_t fold(uint32_t code)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_folding);
    return folding != (locale_t)0 ? towlower_l((wint_t)code, folding)
                                  : (wint_t)code;
}

/* Whether text begins with prefix, upper and lower case being the same. */
static bool begins_folded(const char *text, size_t size, const char *prefix,
                          size_t prefix_size)
{
    while (prefix_size > 0) {
        uint32_t a = 0, b = 0;

        if (size == 0)
            return false;
        size_t a_size = vf_utf8_decode(text, size, &a);
        size_t b_size = vf_utf8_decode(prefix, prefix_size, &b);
        if (a_size == 0 || b_size == 0 || fold(a) != fold(b))
            return false;
        text += a_size;
        size -= a_size;
        prefix += b_size;
        prefix_size -= b_size;
    }
    return true;
}

/* contains_folded(text, part), because SQLite's lower() knows ASCII only. */
static void contains_folded(sqlite3_context *context, int argc,
                            sqlite3_value **argv)
{
    const char *text = (const char *)sqlite3_value_text(argv[0]);
    const char *part = (const char *)sqlite3_value_text(argv[1]);
    bool is_found = false;

    if (text != NULL && part != NULL) {
        size_t size = strlen(text), part_size = strlen(part);

        for (size_t i = 0; !is_found && i <= size; i++)
            is_found = begins_folded(text + i, size - i, part, part_size);
    }
    sqlite3_result_int(context, is_found);
}

/* In place of SQLite's own, which makes a commit wait for a checkpoint. */
static int on_commit(void *context, sqlite3 *handle, const char *name,
                     int log_pages)
{
    struct vf_db *db = context;

    db->log_pages = log_pages;
    return SQLITE_OK;
}

static const char reader_pragmas[] = "PRAGMA query_only = ON;";
static const char writer_pragmas[] = "PRAGMA auto_vacuum = INCREMENTAL;"
                                     "PRAGMA journal_mode = WAL;"
                                     "PRAGMA synchronous = FULL;"
                                     "PRAGMA journal_size_limit = 16777216;"
                                     "PRAGMA foreign_keys = ON;"
                                     "PRAGMA secure_delete = ON;";

static int configure(struct vf_db *db, bool is_reader, struct vf_error *err)
{
    int code = sqlite3_create_function(db->handle, "contains_folded", 2,
                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                       contains_folded, NULL, NULL);

    if (code != SQLITE_OK)
        return fail(db, code, err);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    sqlite3_wal_hook(db->handle, on_commit, db);
    /* What SQLite puts aside would else go to a file in /var/tmp. */
    int result = vf_db_script(db, "PRAGMA temp_store = MEMORY;", err);
    return result < 0
               ? result
               : vf_db_script(db, is_reader ? reader_pragmas : writer_pragmas,
                              err);
}

int vf_db_open(const char *path, bool is_reader, struct vf_db **ret,
               struct vf_error *err)
{
    struct vf_db *db = calloc(1, sizeof(*db));

    if (db == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a connection");
    int code = sqlite3_open_v2(path, &db->handle,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                   (is_reader ? 0 : SQLITE_OPEN_CREATE),
                               NULL);
    int result =
        code == SQLITE_OK ? configure(db, is_reader, err) : fail(db, code, err);
    if (result < 0) {
        vf_db_close(db);
        return result;
    }
    *ret = db;
    return 0;
}

void vf_db_close(struct vf_db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < db->count; i++)
        sqlite3_finalize(db->prepared[i].statement);
    sqlite3_close(db->handle);
    free(db);
}

static int prepare(struct vf_db *db, const char *sql, sqlite3_stmt **ret,
                   struct vf_error *err)
{
    for (size_t i = 0; i < db->count; i++)
        if (db->prepared[i].sql == sql) {
            *ret = db->prepared[i].statement;
            return 0;
        }
    if (db->count == STATEMENTS_MAX)
        abort(); /* the statements are ours, and counted */
    int code = sqlite3_prepare_v3(db->handle, sql, -1,
                                  SQLITE_PREPARE_PERSISTENT, ret, NULL);
    if (code != SQLITE_OK)
        return fail(db, code, err);
    db->prepared[db->count].sql = sql;
    db->prepared[db->count++].statement = *ret;
    return 0;
}

static int bind(sqlite3_stmt *statement, int at, const struct vf_value *value)
{
    switch (value->type) {
    case VF_VALUE_INT:
        return sqlite3_bind_int64(statement, at, value->number);
    case VF_VALUE_TEXT:
        return sqlite3_bind_text(statement, at, value->data, -1, SQLITE_STATIC);
    case VF_VALUE_BLOB:
        return sqlite3_bind_blob64(statement, at, value->data, value->size,
                                   SQLITE_STATIC);
    case VF_VALUE_NULL:
        break;
    }
    return sqlite3_bind_null(statement, at);
}

int vf_db_query(struct vf_db *db, const char *sql,
                const struct vf_value *values, size_t count, sqlite3_stmt **ret,
                struct vf_error *err)
{
    sqlite3_stmt *statement = NULL;
    int result = prepare(db, sql, &statement, err);

    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++) {
        int code = bind(statement, (int)i + 1, &values[i]);

        if (code != SQLITE_OK) {
            vf_db_end(statement);
            return fail(db, code, err);
        }
    }
    *ret = statement;
    return 0;
}

int vf_db_step(struct vf_db *db, sqlite3_stmt *statement, struct vf_error *err)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : fail(db, code, err);
}

void vf_db_end(sqlite3_stmt *statement)
{
    if (statement != NULL) {
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
    }
}

int vf_db_run(struct vf_db *db, const char *sql, const struct vf_value *values,
              size_t count, struct vf_error *err)
{
    sqlite3_stmt *statement;
    int result = vf_db_query(db, sql, values, count, &statement, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(db, statement, err)) > 0)
        continue;
    vf_db_end(statement);
    return result;
}

int vf_db_get_int(struct vf_db *db, const char *sql,
                  const struct vf_value *values, size_t count, int64_t *ret,
                  struct vf_error *err)
{
    sqlite3_stmt *statement;
    int result = vf_db_query(db, sql, values, count, &statement, err);

    if (result < 0)
        return result;
    result = vf_db_step(db, statement, err);
    if (result > 0 && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *ret = sqlite3_column_int64(statement, 0);
    vf_db_end(statement);
    return result < 0 ? result : 0;
}

int vf_db_script(struct vf_db *db, const char *sql, struct vf_error *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : fail(db, code, err);
}

int vf_db_log_pages(const struct vf_db *db)
{
    return db->log_pages;
}

int vf_db_checkpoint(struct vf_db *db, struct vf_error *err)
{
    int code = sqlite3_wal_checkpoint_v2(db->handle, "main",
                                         SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

    return code == SQLITE_OK ? 0 : fail(db, code, err);
}

int vf_db_changes(const struct vf_db *db)
{
    return sqlite3_changes(db->handle);
}

int64_t vf_db_total_changes(const struct vf_db *db)
{
    return sqlite3_total_changes64(db->handle);
}

bool vf_db_is_in_transaction(const struct vf_db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

const char *vf_db_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text != NULL ? text : "";
}
