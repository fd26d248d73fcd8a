/* SPDX-License-Identifier: MIT */
#include "credentials.h"
#include "db.h"
#include "list.h"
#include "objects.h"
#include "validate.h"

#include "vaultfs/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SELECT "SELECT " VF_VAULT_COLUMNS " FROM vault"
#define WANTED                                                                 \
    " AND (?2 = 2 OR (archived_us IS NOT NULL) = ?2)"                          \
    " AND (?3 IS NULL OR contains_folded(display_name, ?3))"

/* ?5, the vault of the call, is bound and not used. */
static const char sql_ascending[] =
    SELECT " WHERE id > ?1" WANTED " AND ?5 IS NOT NULL ORDER BY id LIMIT ?4";
static const char sql_descending[] = SELECT
    " WHERE id < ?1" WANTED " AND ?5 IS NOT NULL ORDER BY id DESC LIMIT ?4";
static const char sql_get[] = SELECT " WHERE id = ?1";

static int no_vault(struct vf_error *err)
{
    return vf_refuse(err, VF_PROBLEM_NOT_FOUND, "", "no such vault");
}

/* Append the call's vault, without its closing brace. */
static int show_open(struct vf_call *call, const struct vf_access *access,
                     struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(access->db, sql_get,
                             VF_VALUES(VF_TEXT(call->vault_id)), &row, err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result > 0)
        call->dialect->put_vault(row, &call->reply);
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

int vf_vault_check(const struct vf_call *call, const struct vf_access *access,
                   struct vf_error *err)
{
    bool is_archived = false;
    int result = vf_vault_find(call, access, &is_archived, err);

    if (result == 0 && is_archived && !call->rules->may_change_archived)
        return vf_refuse(err, VF_PROBLEM_CONFLICT, "", "the vault is archived");
    return result;
}

static int check_name(const struct vf_call *call, const char **ret,
                      struct vf_error *err)
{
    struct vf_json *name;

    if (!vf_json_get(call->body, "display_name", &name))
        return vf_refuse(err, VF_PROBLEM_INVALID, "display_name",
                         "is required");
    return vf_check_string(name, "display_name", 1,
                           call->dialect->display_name_max, ret, err);
}

/* The call's vault is then the new one. */
static int insert(const char *display_name, const char *metadata,
                  struct vf_call *call, const struct vf_access *access,
                  struct vf_error *err)
{
    int64_t now_us = vf_now_us();

    vf_ids_next(access->ids, call->dialect->vault_prefix, now_us,
                call->vault_id);
    return vf_db_run(
        access->db,
        "INSERT INTO vault (id, display_name, metadata, created_us, updated_us)"
        " VALUES (?1, ?2, ?3, ?4, ?4)",
        VF_VALUES(VF_TEXT(call->vault_id), VF_TEXT(display_name),
                  VF_TEXT(metadata), VF_INT(now_us)),
        err);
}

static int insert_new(struct vf_call *call, const struct vf_access *access,
                      struct vf_error *err)
{
    const char *display_name;
    struct vf_json *given;
    char *metadata = NULL;
    int result = check_name(call, &display_name, err);

    if (result == 0 && vf_json_get(call->body, "metadata", &given))
        result = vf_metadata_new(call->dialect, given, &metadata, err);
    if (result == 0)
        result = insert(display_name, metadata != NULL ? metadata : "{}", call,
                        access, err);
    free(metadata);
    return result;
}

/* Those that come with a new vault, in its transaction. */
static int add_credentials(struct vf_call *call, const struct vf_access *access,
                           struct vf_error *err)
{
    struct vf_json *given = NULL;
    char where[40];
    int result = 0;

    if (vf_json_get(call->body, "credentials", &given) &&
        vf_json_type(given) != VF_JSON_ARRAY)
        return vf_refuse(err, VF_PROBLEM_INVALID, "credentials",
                         "must be an array");
    size_t count = vf_json_count(given);
    if (count == 0 && call->rules->needs_first_credential)
        return vf_refuse(err, VF_PROBLEM_INVALID, "credentials",
                         "must have at least one element");
    for (size_t i = 0; result == 0 && i < count; i++) {
        (void)snprintf(where, sizeof(where), "credentials[%zu]", i);
        result =
            vf_credential_add(call, vf_json_at(given, i), where, access, err);
    }
    return result;
}

int vf_vault_create(struct vf_call *call, const struct vf_access *access,
                    struct vf_error *err)
{
    const struct vf_dialect *dialect = call->dialect;
    const char *const members[] = {
        "display_name", "metadata",
        dialect->takes_credentials ? "credentials" : NULL, NULL};
    int result = vf_check_members(call->body, "", members, err);

    if (result == 0)
        result = insert_new(call, access, err);
    if (result == 0)
        result = add_credentials(call, access, err);
    if (result == 0)
        result = show_open(call, access, err);
    if (result == 0 && dialect->shows_credentials) {
        vf_buf_puts(&call->reply, ",\"credentials\":");
        result = vf_credential_show_all(call, access, err);
    }
    vf_buf_puts(&call->reply, "}");
    call->status = dialect->create_vault_status;
    return result;
}

int vf_vault_list(struct vf_call *call, const struct vf_access *access,
                  struct vf_error *err)
{
    const struct vf_list list = {sql_ascending, sql_descending,
                                 call->dialect->vault_prefix,
                                 call->dialect->put_vault};

    return vf_list_answer(&list, call, access, err);
}

int vf_vault_get(struct vf_call *call, const struct vf_access *access,
                 struct vf_error *err)
{
    int result = show_open(call, access, err);

    vf_buf_puts(&call->reply, "}");
    return result;
}

void vf_answer_deleted(struct vf_call *call, const char *id, const char *type)
{
    if (call->dialect->deletes_silently)
        call->status = 204;
    else
        vf_buf_printf(&call->reply, "{\"id\":\"%s\",\"type\":\"%s\"}", id,
                      type);
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
    vf_answer_deleted(call, call->vault_id, "vault_deleted");
    return 0;
}

int vf_vault_archive(struct vf_call *call, const struct vf_access *access,
                     struct vf_error *err)
{
    int64_t updated_us = 0;
    bool is_archived = false;
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

/* Merged with what is stored; *ret stays NULL without a patch. */
static int merge_metadata(const struct vf_call *call,
                          const struct vf_access *access, char **ret,
                          struct vf_error *err)
{
    struct vf_json *patch;
    sqlite3_stmt *row;

    if (!vf_json_get(call->body, "metadata", &patch))
        return 0;
    int result =
        vf_db_query(access->db, "SELECT metadata FROM vault WHERE id = ?1",
                    VF_VALUES(VF_TEXT(call->vault_id)), &row, err);
    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result >= 0)
        result = vf_metadata_merge(call->dialect, vf_db_text(row, 0), patch,
                                   ret, err);
    vf_db_end(row);
    return result;
}

static int update(const struct vf_call *call, const struct vf_access *access,
                  struct vf_error *err)
{
    const char *name = NULL;
    struct vf_json *given;
    char *metadata = NULL;
    int result = 0;

    /* Null is none, and a vault has one: it stays. */
    if (vf_json_get(call->body, "display_name", &given) && given != NULL)
        result = check_name(call, &name, err);
    if (result == 0)
        result = merge_metadata(call, access, &metadata, err);
    if (result == 0)
        result = vf_db_run(
            access->db,
            "UPDATE vault SET display_name = coalesce(?2, display_name),"
            " metadata = coalesce(?3, metadata),"
            " updated_us = max(updated_us + 1, ?4) WHERE id = ?1",
            VF_VALUES(VF_TEXT(call->vault_id), VF_TEXT(name), VF_TEXT(metadata),
                      VF_INT(vf_now_us())),
            err);
    free(metadata);
    return result;
}

int vf_vault_update(struct vf_call *call, const struct vf_access *access,
                    struct vf_error *err)
{
    static const char *const members[] = {"display_name", "metadata", NULL};
    int result = vf_check_members(call->body, "", members, err);

    if (result == 0)
        result = vf_vault_check(call, access, err);
    if (result == 0)
        result = update(call, access, err);
    return result < 0 ? result : vf_vault_get(call, access, err);
}
