/* SPDX-License-Identifier: MIT */
#include "claim.h"

#include "db.h"
#include "store.h"

#include <errno.h>
#include <string.h>

struct claim {
    const char *name;
    bool is_settled;
};

static int look(void *context, const struct vf_access *access,
                struct vf_error *err)
{
    struct claim *claim = context;
    sqlite3_stmt *row;
    int result =
        vf_db_query(access->db, "SELECT name FROM dialect", NULL, 0, &row, err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    claim->is_settled = result > 0;
    if (result > 0) {
        const char *name = vf_db_text(row, 0);

        result = strcmp(name, claim->name) == 0
                     ? 0
                     : vf_error_set(err, EINVAL,
                                    "this data directory was made with "
                                    "--dialect %s: serve it with that, or say "
                                    "another directory with --data",
                                    name);
    }
    vf_db_end(row);
    return result;
}

static int settle(void *context, const struct vf_access *access,
                  struct vf_error *err)
{
    const struct claim *claim = context;

    return vf_db_run(access->db, "INSERT INTO dialect (name) VALUES (?1)",
                     VF_VALUES(VF_TEXT(claim->name)), err);
}

/* Between the two nobody else can come: one server a directory. */
int vf_claim_dialect(struct vf_store *store, const char *name,
                     struct vf_error *err)
{
    struct claim claim = {.name = name};
    int result = vf_store_read(store, look, &claim, err);

    return result < 0 || claim.is_settled
               ? result
               : vf_store_write(store, VF_STORE_GROWS, settle, &claim, err);
}
