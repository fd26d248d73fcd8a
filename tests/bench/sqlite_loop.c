/* SPDX-License-Identifier: MIT
 *
 * sqlite_loop DIR ROWS
 *
 * How many durable transactions the disk below DIR takes from one thread that
 * does nothing else: the yardstick of vaultd's creates. A row is as long as a
 * credential with its sealed secret, the table has as many indexes, and every
 * row is a transaction of its own, under the same pragmas. Prints
 * {"rows": N, "seconds": S} and leaves nothing behind.
 */
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char schema[] =
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA secure_delete = ON;"
    "CREATE TABLE credential ("
    " id TEXT PRIMARY KEY,"
    " vault_id TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " identity TEXT NOT NULL,"
    " shown TEXT NOT NULL,"
    " metadata TEXT NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " sealed BLOB NOT NULL) STRICT;"
    "CREATE INDEX in_vault ON credential (vault_id, id);"
    "CREATE INDEX active ON credential (vault_id, identity);";

static const char insert[] =
    "INSERT INTO credential VALUES (printf('vcred_%032x', ?1),"
    " printf('vault_%032x', ?1 % 20), 'static_bearer',"
    " printf('https://mcp-%d.example.com/sse', ?1),"
    " printf('{\"type\":\"static_bearer\",\"mcp_server_url\":"
    "\"https://mcp-%d.example.com/sse\"}', ?1),"
    " printf('{\"vaultfs.name\":\"server-%d.json\"}', ?1), ?1, zeroblob(72))";

static double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The seconds that it took, or below 0. */
static double run(sqlite3 *db, int rows)
{
    sqlite3_stmt *statement;
    int code = SQLITE_DONE;

    if (sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, insert, -1, &statement, NULL) != SQLITE_OK)
        return -1;
    double start = now_seconds();
    for (int i = 0; code == SQLITE_DONE && i < rows; i++) {
        sqlite3_bind_int(statement, 1, i);
        code = sqlite3_step(statement);
        sqlite3_reset(statement);
    }
    double seconds = now_seconds() - start;
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? seconds : -1;
}

static void remove_database(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[PATH_MAX + 8];

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

int main(int argc, char **argv)
{
    int rows = argc == 3 ? atoi(argv[2]) : 0;
    char path[PATH_MAX];
    sqlite3 *db;

    if (rows <= 0) {
        (void)fprintf(stderr, "usage: sqlite_loop DIR ROWS\n");
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/sqlite_loop.%ld.db", argv[1],
                   (long)getpid());
    double seconds = sqlite3_open(path, &db) == SQLITE_OK ? run(db, rows) : -1;
    if (seconds < 0)
        (void)fprintf(stderr, "sqlite_loop: %s: %s\n", path,
                      sqlite3_errmsg(db));
    else
        (void)printf("{\"rows\": %d, \"seconds\": %.3f}\n", rows, seconds);
    sqlite3_close(db);
    remove_database(path);
    return seconds < 0 ? 1 : 0;
}
