/* SPDX-License-Identifier: MIT */
#include "call.h"
#include "db.h"
#include "list.h"
#include "validate.h"

#include "vaultfs/json.h"

#include <errno.h>
#include <stdlib.h>

#define COLUMNS                                                                \
    "id, display_name, metadata, created_us, updated_us, archived_us"
#define WANTED                                                                 \
    " AND (?2 OR archived_us IS NULL)"                                         \
    " AND (?3 IS NULL OR contains_folded(display_name, ?3))"

/* ?5, the vault of the call, is bound and not used. */
static const char sql_ascending[] =
    "SELECT " COLUMNS " FROM vault WHERE id > ?1" WANTED
    " AND ?5 IS NOT NULL ORDER BY id LIMIT ?4";
static const char sql_descending[] =
    "SELECT " COLUMNS " FROM vault WHERE id < ?1" WANTED
    " AND ?5 IS NOT NULL ORDER BY id DESC LIMIT ?4";
static const char sql_get[] = "SELECT " COLUMNS " FROM vault WHERE id = ?1";

/* The object without its closing brace. */
static void put_vault(sqlite3_stmt *row, struct vf_buf *ret)
{
    vf_buf_printf(ret, "{\"id\":\"%s\",\"type\":\"vault\",\"display_name\":",
                  vf_db_text(row, 0));
    vf_put_json_string(ret, vf_db_text(row, 1));
    vf_buf_printf(ret, ",\"metadata\":%s,\"archived_at\":", vf_db_text(row, 2));
    if (sqlite3_column_type(row, 5) == SQLITE_NULL)
        vf_buf_puts(ret, "null");
    else
        vf_put_json_time(ret, sqlite3_column_int64(row, 5));
    vf_buf_puts(ret, ",\"created_at\":");
    vf_put_json_time(ret, sqlite3_column_int64(row, 3));
    vf_buf_puts(ret, ",\"updated_at\":");
    vf_put_json_time(ret, sqlite3_column_int64(row, 4));
}

static void render(sqlite3_stmt *row, struct vf_buf *ret)
{
    put_vault(row, ret);
    vf_buf_puts(ret, "}");
}

static int no_vault(struct vf_error *err)
{
    return vf_refuse(err, VF_PROBLEM_NOT_FOUND, "", "no such vault");
}

/* Append one vault and what comes after its fields. */
static int show(const char *id, const char *after, struct vf_call *call,
                const struct vf_access *access, struct vf_error *err)
{
    sqlite3_stmt *row;
    int result =
        vf_db_query(access->db, sql_get, VF_VALUES(VF_TEXT(id)), &row, err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result > 0) {
        put_vault(row, &call->reply);
        vf_buf_puts(&call->reply, after);
    }
    vf_db_end(row);
    return result > 0 ? 0 : result < 0 ? result : no_vault(err);
}

int vf_vault_find(const struct vf_call *call, const struct vf_access *access,
                  bool *ret_is_archived, struct vf_error *err)
{
    int64_t is_archived = -1;
    int result = vf_db_get_int(
        access->db, "SELECT archived_us IS NOT NULL FROM vault WHERE id = ?1",
        VF_VALUES(VF_TEXT(call->vault_id)), &is_archived, err);

    if (result < 0)
        return result;
    if (is_archived < 0)
        return no_vault(err);
    *ret_is_archived = is_archived > 0;
    return 0;
}

static int insert(const char *display_name, const char *metadata,
                  struct vf_call *call, const struct vf_access *access,
                  struct vf_error *err)
{
    char id[VF_ID_SIZE];
    int64_t now_us = vf_now_us();

    vf_ids_next(access->ids, call->dialect->vault_prefix, now_us, id);
    int result = vf_db_run(
        access->db,
        "INSERT INTO vault (id, display_name, metadata, created_us, updated_us)"
        " VALUES (?1, ?2, ?3, ?4, ?4)",
        VF_VALUES(VF_TEXT(id), VF_TEXT(display_name), VF_TEXT(metadata),
                  VF_INT(now_us)),
        err);
    return result < 0 ? result
                      : show(id, ",\"credentials\":[]}", call, access, err);
}

int vf_vault_create(struct vf_call *call, const struct vf_access *access,
                    struct vf_error *err)
{
    static const char *const members[] = {"display_name", "metadata", NULL};
    struct vf_json *name, *given;
    const char *display_name;
    char *metadata = NULL;
    int result = vf_check_members(call->body, "", members, err);

    if (result < 0)
        return result;
    if (!vf_json_get(call->body, "display_name", &name))
        return vf_refuse(err, VF_PROBLEM_INVALID, "display_name",
                         "is required");
    result =
        vf_check_string(name, "display_name", 1,
                        call->dialect->display_name_max, &display_name, err);
    if (result == 0 && vf_json_get(call->body, "metadata", &given))
        result = vf_metadata_new(call->dialect, given, &metadata, err);
    if (result == 0)
        result = insert(display_name, metadata != NULL ? metadata : "{}", call,
                        access, err);
    free(metadata);
    return result;
}

int vf_vault_list(struct vf_call *call, const struct vf_access *access,
                  struct vf_error *err)
{
    const struct vf_list list = {sql_ascending, sql_descending,
                                 call->dialect->vault_prefix, render};

    return vf_list_answer(&list, call, access, err);
}

int vf_vault_get(struct vf_call *call, const struct vf_access *access,
                 struct vf_error *err)
{
    return show(call->vault_id, "}", call, access, err);
}

int vf_vault_delete(struct vf_call *call, const struct vf_access *access,
                    struct vf_error *err)
{
    int result = vf_db_run(access->db, "DELETE FROM vault WHERE id = ?1",
                           VF_VALUES(VF_TEXT(call->vault_id)), err);

    if (result < 0)
        return result;
    if (vf_db_changes(access->db) == 0)
        return no_vault(err);
    vf_buf_printf(&call->reply, "{\"id\":\"%s\",\"type\":\"vault_deleted\"}",
                  call->vault_id);
    return 0;
}

int vf_vault_archive(struct vf_call *call, const struct vf_access *access,
                     struct vf_error *err)
{
    int64_t updated_us = 0;
    bool is_archived;
    int result = vf_vault_find(call, access, &is_archived, err);

    if (result < 0)
        return result;
    if (is_archived)
        return call->rules->may_archive_again
                   ? vf_vault_get(call, access, err)
                   : vf_refuse(err, VF_PROBLEM_CONFLICT, "",
                               "the vault is archived already");
    result =
        vf_db_get_int(access->db, "SELECT updated_us FROM vault WHERE id = ?1",
                      VF_VALUES(VF_TEXT(call->vault_id)), &updated_us, err);
    if (result == 0)
        result = vf_db_run(
            access->db,
            "UPDATE vault SET archived_us = ?2, updated_us = ?2 WHERE id = ?1",
            VF_VALUES(VF_TEXT(call->vault_id), VF_INT(vf_moved_us(updated_us))),
            err);
    return result < 0 ? result : vf_vault_get(call, access, err);
}
