/* SPDX-License-Identifier: MIT */
#include "objects.h"

#include "db.h"
#include "problem.h"

#include "vaultfs/text.h"

#include <string.h>

enum { ID, DISPLAY_NAME, METADATA, CREATED, UPDATED, ARCHIVED }; /* a vault's */
enum { VAULT_ID = 1, CREDENTIAL_CREATED = 4 };

static bool is_null(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL;
}

/* A member with the time of a column, or null. */
static void put_time(sqlite3_stmt *row, const char *key, int column,
                     struct vf_buf *ret)
{
    vf_buf_printf(ret, ",\"%s\":", key);
    if (is_null(row, column))
        vf_buf_puts(ret, "null");
    else
        vf_put_json_time(ret, sqlite3_column_int64(row, column));
}

static void put_status(sqlite3_stmt *row, int archived, struct vf_buf *ret)
{
    vf_buf_printf(ret, ",\"status\":\"%s\"",
                  is_null(row, archived) ? "active" : "archived");
}

static void put_vault_head(sqlite3_stmt *row, struct vf_buf *ret)
{
    vf_buf_printf(ret, "{\"id\":\"%s\",\"type\":\"vault\",\"display_name\":",
                  vf_db_text(row, ID));
    vf_put_json_string(ret, vf_db_text(row, DISPLAY_NAME));
}

void vf_put_vault(sqlite3_stmt *row, struct vf_buf *ret)
{
    put_vault_head(row, ret);
    vf_buf_printf(ret, ",\"metadata\":%s", vf_db_text(row, METADATA));
    put_time(row, "archived_at", ARCHIVED, ret);
    put_time(row, "created_at", CREATED, ret);
    put_time(row, "updated_at", UPDATED, ret);
}

void vf_put_vault_flat(sqlite3_stmt *row, struct vf_buf *ret)
{
    put_vault_head(row, ret);
    put_status(row, ARCHIVED, ret);
    vf_buf_printf(ret, ",\"metadata\":%s", vf_db_text(row, METADATA));
    put_time(row, "created_at", CREATED, ret);
    put_time(row, "updated_at", UPDATED, ret);
    if (!is_null(row, ARCHIVED))
        put_time(row, "archived_at", ARCHIVED, ret);
}

void vf_put_credential(sqlite3_stmt *row, struct vf_buf *ret)
{
    vf_buf_printf(ret,
                  "{\"id\":\"%s\",\"type\":\"vault_credential\","
                  "\"vault_id\":\"%s\",\"auth\":%s,\"display_name\":",
                  vf_db_text(row, ID), vf_db_text(row, VAULT_ID),
                  vf_db_text(row, VF_COLUMN_SHOWN));
    if (is_null(row, VF_COLUMN_NAME))
        vf_buf_puts(ret, "null");
    else
        vf_put_json_string(ret, vf_db_text(row, VF_COLUMN_NAME));
    vf_buf_printf(ret, ",\"metadata\":%s", vf_db_text(row, VF_COLUMN_METADATA));
    put_time(row, "archived_at", VF_COLUMN_ARCHIVED, ret);
    put_time(row, "created_at", CREDENTIAL_CREATED, ret);
    put_time(row, "updated_at", VF_COLUMN_UPDATED, ret);
}

/* Here the members of what is shown are members of the credential. */
void vf_put_credential_flat(sqlite3_stmt *row, struct vf_buf *ret)
{
    const char *shown = vf_db_text(row, VF_COLUMN_SHOWN);
    size_t size = strlen(shown);

    vf_buf_printf(ret, "{\"id\":\"%s\",\"vault_id\":\"%s\",",
                  vf_db_text(row, ID), vf_db_text(row, VAULT_ID));
    if (size > 2)
        vf_buf_append(ret, shown + 1, size - 2);
    put_status(row, VF_COLUMN_ARCHIVED, ret);
    put_time(row, "created_at", CREDENTIAL_CREATED, ret);
    put_time(row, "updated_at", VF_COLUMN_UPDATED, ret);
}
