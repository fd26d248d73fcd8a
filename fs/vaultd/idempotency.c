/* SPDX-License-Identifier: MIT
 *
 * A body may hold secrets, so not it but a keyed hash of the request is kept.
 * Replies hold none. That all writes run one after another on one thread makes
 * requests that come at the same time under one key a matter of order.
 */
#include "idempotency.h"

#include "db.h"
#include "seal.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <string.h>

#define KEPT_US (24LL * 3600 * 1000000)

static void hash_call(const struct vf_call *call, const struct vf_seal *seal,
                      unsigned char ret[static VF_SEAL_HASH_SIZE])
{
    const struct vf_secret *body = call->raw_body;
    const struct vf_seal_part parts[] = {
        {call->method, strlen(call->method)},
        {call->path, strlen(call->path)},
        {body != NULL ? vf_secret_data(body) : "",
         body != NULL ? vf_secret_size(body) : 0},
    };

    vf_seal_hash(seal, VF_SEAL_IDEMPOTENCY, parts,
                 sizeof(parts) / sizeof(parts[0]), ret);
}

/* 1 when the stored reply was given, 0 when the key is new. */
static int replay(struct vf_call *call, const struct vf_access *access,
                  const unsigned char hash[static VF_SEAL_HASH_SIZE],
                  struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(
        access->db,
        "SELECT request = ?2, status, reply FROM idempotency WHERE key = ?1",
        VF_VALUES(VF_TEXT(call->idempotency_key),
                  VF_BLOB(hash, VF_SEAL_HASH_SIZE)),
        &row, err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result > 0 && sqlite3_column_int(row, 0) != 0) {
        call->status = sqlite3_column_int(row, 1);
        vf_buf_puts(&call->reply, vf_db_text(row, 2));
    } else if (result > 0) {
        result = vf_refuse(err, VF_PROBLEM_CONFLICT, "Idempotency-Key",
                           "the key was used for another request");
    }
    vf_db_end(row);
    return result;
}

static int keep(const struct vf_call *call, const struct vf_access *access,
                const unsigned char hash[static VF_SEAL_HASH_SIZE],
                int64_t now_us, struct vf_error *err)
{
    return vf_db_run(
        access->db,
        "INSERT INTO idempotency (key, request, status, reply,"
        " created_us) VALUES (?1, ?2, ?3, ?4, ?5)",
        VF_VALUES(VF_TEXT(call->idempotency_key),
                  VF_BLOB(hash, VF_SEAL_HASH_SIZE), VF_INT(call->status),
                  VF_TEXT(call->reply.data != NULL ? call->reply.data : ""),
                  VF_INT(now_us)),
        err);
}

int vf_idempotent(vf_endpoint *endpoint, struct vf_call *call,
                  const struct vf_access *access, struct vf_error *err)
{
    unsigned char hash[VF_SEAL_HASH_SIZE];
    int64_t now_us = vf_now_us();

    if (call->idempotency_key == NULL)
        return endpoint(call, access, err);
    hash_call(call, access->seal, hash);
    int result =
        vf_db_run(access->db, "DELETE FROM idempotency WHERE created_us < ?1",
                  VF_VALUES(VF_INT(now_us - KEPT_US)), err);
    if (result == 0)
        result = replay(call, access, hash, err);
    if (result != 0)
        return result < 0 ? result : 0;
    result = endpoint(call, access, err);
    if (result == 0 && call->reply.is_broken)
        result = vf_error_set(err, ENOMEM, "no memory for a reply");
    return result < 0 ? result : keep(call, access, hash, now_us, err);
}
