/* SPDX-License-Identifier: MIT */
#include "schema.h"

#include "db.h"
#include "id.h"

#include <errno.h>

/*
 * Times are microseconds since 1970. `shown` is what replies give of a spec,
 * compact JSON without secrets; `identity` is its mcp_server_url or
 * secret_name. A box is a sealed secret; no column holds an open one. What was
 * issued is a personal token, a key, or a token that a key was exchanged for;
 * its scopes are a sum of enum vf_scope.
 */
static const char *const steps[] = {
    "CREATE TABLE migration ("
    " version INTEGER PRIMARY KEY,"
    " applied_us INTEGER NOT NULL) STRICT;"
    "CREATE TABLE key_check (hash BLOB NOT NULL) STRICT;"
    "CREATE TABLE token ("
    " hash BLOB PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " created_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE vault ("
    " id TEXT PRIMARY KEY,"
    " display_name TEXT NOT NULL,"
    " metadata TEXT NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " updated_us INTEGER NOT NULL,"
    " archived_us INTEGER) STRICT;"
    "CREATE TABLE credential ("
    " id TEXT PRIMARY KEY,"
    " vault_id TEXT NOT NULL REFERENCES vault (id) ON DELETE CASCADE,"
    " type TEXT NOT NULL,"
    " identity TEXT NOT NULL,"
    " shown TEXT NOT NULL,"
    " metadata TEXT NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " updated_us INTEGER NOT NULL,"
    " archived_us INTEGER) STRICT;"
    "CREATE INDEX credential_in_vault ON credential (vault_id, id);"
    "CREATE INDEX credential_active ON credential (vault_id, identity)"
    " WHERE archived_us IS NULL;"
    "CREATE TABLE box ("
    " credential_id TEXT NOT NULL REFERENCES credential (id) ON DELETE CASCADE,"
    " field TEXT NOT NULL,"
    " version INTEGER NOT NULL,"
    " sealed BLOB NOT NULL,"
    " PRIMARY KEY (credential_id, field)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE idempotency ("
    " key TEXT PRIMARY KEY,"
    " request BLOB NOT NULL,"
    " status INTEGER NOT NULL,"
    " reply TEXT NOT NULL,"
    " created_us INTEGER NOT NULL) STRICT;"
    "CREATE INDEX idempotency_age ON idempotency (created_us);"
    "PRAGMA user_version = 1;",

    /* Before there were dialects there was one. Who has no vault yet may still
     * become of any. */
    "CREATE TABLE dialect (name TEXT NOT NULL) STRICT;"
    "INSERT INTO dialect SELECT 'qoder' WHERE EXISTS (SELECT 1 FROM vault);"
    "ALTER TABLE credential ADD COLUMN display_name TEXT;"
    "PRAGMA user_version = 2;",

    /* What may stand in an Authorization header. The old table goes, so that a
     * server from before, which would not see what is revoked, serves nobody
     * rather than everybody. What it had could do everything. */
    "CREATE TABLE issued ("
    " id TEXT PRIMARY KEY,"
    " kind TEXT NOT NULL,"
    " hash BLOB NOT NULL UNIQUE,"
    " name TEXT NOT NULL,"
    " scopes INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " expires_us INTEGER,"
    " revoked_us INTEGER,"
    " used_us INTEGER,"
    " key_id TEXT REFERENCES issued (id)) STRICT;"
    "CREATE INDEX issued_for_key ON issued (key_id);"
    "CREATE INDEX issued_until ON issued (expires_us)"
    " WHERE kind = 'exchanged';"
    "INSERT INTO issued (id, kind, hash, name, scopes, created_us)"
    " SELECT 'tok_' || lower(hex(randomblob(16))), 'token', hash, name, 3,"
    " created_us FROM token;"
    "DROP TABLE token;"
    "PRAGMA user_version = 3;",
};

_Static_assert(sizeof(steps) / sizeof(steps[0]) == VF_SCHEMA_VERSION,
               "one step a version");

static int apply(struct vf_db *db, int64_t version, struct vf_error *err)
{
    int result = vf_db_script(db, "BEGIN IMMEDIATE;", err);

    if (result < 0)
        return result;
    result = vf_db_script(db, steps[version], err);
    if (result == 0)
        result =
            vf_db_run(db,
                      "INSERT INTO migration (version, applied_us)"
                      " VALUES (?1, ?2)",
                      VF_VALUES(VF_INT(version + 1), VF_INT(vf_now_us())), err);
    if (result == 0)
        return vf_db_script(db, "COMMIT;", err);
    if (vf_db_script(db, "ROLLBACK;", NULL) < 0)
        return result; /* rolled back already; the first reason counts */
    return result;
}

int vf_schema_upgrade(struct vf_db *db, struct vf_error *err)
{
    int64_t version = 0;
    int result =
        vf_db_get_int(db, "PRAGMA user_version", NULL, 0, &version, err);

    if (result < 0)
        return result;
    if (version > VF_SCHEMA_VERSION)
        return vf_error_set(err, ENOTSUP,
                            "the database has version %lld, this program knows "
                            "up to %d: use a newer one",
                            (long long)version, VF_SCHEMA_VERSION);
    for (; result == 0 && version < VF_SCHEMA_VERSION; version++)
        result = apply(db, version, err);
    return result;
}
