/* SPDX-License-Identifier: MIT */
#include "boxes.h"

#include "db.h"
#include "schema.h"
#include "seal.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <stdlib.h>

static int put_box(const struct vf_access *access, const char *id,
                   const struct vf_auth_secret *secret, struct vf_error *err)
{
    const struct vf_seal_place place = {id, secret->field, VF_SCHEMA_VERSION};
    size_t size = secret->size + VF_SEAL_OVERHEAD;
    unsigned char *box = malloc(size);

    if (box == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a sealed secret");
    vf_seal_close_box(access->seal, &place, secret->value, secret->size, box);
    int result = vf_db_run(
        access->db,
        "INSERT OR REPLACE INTO box (credential_id, field, version, sealed)"
        " VALUES (?1, ?2, ?3, ?4)",
        VF_VALUES(VF_TEXT(id), VF_TEXT(secret->field),
                  VF_INT(VF_SCHEMA_VERSION), VF_BLOB(box, size)),
        err);
    free(box);
    return result;
}

int vf_boxes_put(const struct vf_access *access, const char *id,
                 const struct vf_auth_body *body, struct vf_error *err)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < body->secrets_count; i++) {
        const struct vf_auth_secret *secret = &body->secrets[i];

        if (secret->value != NULL)
            result = put_box(access, id, secret, err);
        else
            result = vf_db_run(
                access->db,
                "DELETE FROM box WHERE credential_id = ?1 AND field = ?2",
                VF_VALUES(VF_TEXT(id), VF_TEXT(secret->field)), err);
    }
    return result;
}

int vf_boxes_each(const struct vf_access *access, const char *id,
                  int (*each)(void *context, const char *field,
                              const struct vf_secret *secret,
                              struct vf_error *err),
                  void *context, struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(
        access->db,
        "SELECT field, version, sealed FROM box WHERE credential_id = ?1",
        VF_VALUES(VF_TEXT(id)), &row, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(access->db, row, err)) > 0) {
        const struct vf_seal_place place = {id, vf_db_text(row, 0),
                                            sqlite3_column_int(row, 1)};
        struct vf_secret *secret;

        result = vf_seal_open_box(
            access->seal, &place, sqlite3_column_blob(row, 2),
            (size_t)sqlite3_column_bytes(row, 2), &secret, err);
        if (result < 0)
            break;
        result = each(context, place.field, secret, err);
        vf_secret_unref(secret);
        if (result != 0)
            break;
    }
    vf_db_end(row);
    return result;
}
