/* SPDX-License-Identifier: MIT */
#include "verify.h"

#include "db.h"
#include "seal.h"
#include "store.h"

#include "vaultfs/log.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <string.h>

/* The first row's first column must be wanted, or there must be no row when
 * wanted is NULL. */
static int expect(struct vf_db *db, const char *pragma, const char *wanted,
                  struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(db, pragma, NULL, 0, &row, err);

    if (result < 0)
        return result;
    result = vf_db_step(db, row, err);
    if (result == 0 && wanted != NULL)
        result = vf_error_set(err, EUCLEAN, "%s says nothing", pragma);
    else if (result > 0 &&
             (wanted == NULL || strcmp(vf_db_text(row, 0), wanted) != 0))
        result =
            vf_error_set(err, EUCLEAN, "%s: %s", pragma, vf_db_text(row, 0));
    vf_db_end(row);
    return result < 0 ? result : 0;
}

static void open_box(const struct vf_access *access, sqlite3_stmt *row,
                     struct vf_verify_counts *counts)
{
    const struct vf_seal_place place = {vf_db_text(row, 0), vf_db_text(row, 1),
                                        sqlite3_column_int(row, 2)};
    struct vf_secret *secret;
    int result =
        vf_seal_open_box(access->seal, &place, sqlite3_column_blob(row, 3),
                         (size_t)sqlite3_column_bytes(row, 3), &secret, NULL);

    if (result < 0) {
        vf_log(VF_LOG_ERROR, "%s: %s does not open: %s", place.credential_id,
               place.field, vf_errno_name(-result));
        counts->unopened++;
        return;
    }
    vf_secret_unref(secret);
    counts->secrets++;
}

static int open_boxes(const struct vf_access *access,
                      struct vf_verify_counts *counts, struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(
        access->db, "SELECT credential_id, field, version, sealed FROM box",
        NULL, 0, &row, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(access->db, row, err)) > 0)
        open_box(access, row, counts);
    vf_db_end(row);
    return result;
}

static int verify(void *context, const struct vf_access *access,
                  struct vf_error *err)
{
    struct vf_verify_counts *counts = context;
    int result = expect(access->db, "PRAGMA integrity_check", "ok", err);

    if (result == 0)
        result = expect(access->db, "PRAGMA foreign_key_check", NULL, err);
    if (result == 0)
        result = vf_db_get_int(access->db, "SELECT count(*) FROM vault", NULL,
                               0, &counts->vaults, err);
    if (result == 0)
        result = vf_db_get_int(access->db, "SELECT count(*) FROM credential",
                               NULL, 0, &counts->credentials, err);
    if (result == 0)
        result = open_boxes(access, counts, err);
    if (result == 0 && counts->unopened > 0)
        return vf_error_set(err, EUCLEAN, "%lld secrets do not open",
                            (long long)counts->unopened);
    return result;
}

int vf_verify(struct vf_store *store, struct vf_verify_counts *ret,
              struct vf_error *err)
{
    *ret = (struct vf_verify_counts){0};
    return vf_store_read(store, verify, ret, err);
}
