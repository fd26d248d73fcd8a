/* SPDX-License-Identifier: MIT */
#include "credentials.h"
#include "auth_body.h"
#include "auth_form.h"
#include "boxes.h"
#include "db.h"
#include "list.h"
#include "objects.h"
#include "validate.h"

#include "vaultfs/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SELECT "SELECT " VF_CREDENTIAL_COLUMNS " FROM credential"
#define WANTED                                                                 \
    " AND (?2 = 2 OR (archived_us IS NOT NULL) = ?2)"                          \
    " AND (?3 IS NULL OR (type <> 'environment_variable'"                      \
    " AND contains_folded(identity, ?3)))"

static const char sql_ascending[] =
    SELECT " WHERE vault_id = ?5 AND id > ?1" WANTED " ORDER BY id LIMIT ?4";
static const char sql_descending[] = SELECT
    " WHERE vault_id = ?5 AND id < ?1" WANTED " ORDER BY id DESC LIMIT ?4";
static const char sql_get[] = SELECT " WHERE vault_id = ?1 AND id = ?2";
static const char sql_all[] = SELECT " WHERE vault_id = ?1 ORDER BY id";

/* A stored credential, as far as a change needs it. */
struct stored {
    char *type;
    char *shown;
    char *metadata;
    char *display_name; /* NULL: none */
    int64_t updated_us;
    bool is_archived;
};

static void stored_done(struct stored *stored)
{
    free(stored->type);
    free(stored->shown);
    free(stored->metadata);
    free(stored->display_name);
}

/* False when there is no memory. */
static bool stored_read(sqlite3_stmt *row, struct stored *ret)
{
    bool has_name = sqlite3_column_type(row, VF_COLUMN_NAME) != SQLITE_NULL;
    struct stored stored = {
        .type = strdup(vf_db_text(row, VF_COLUMN_TYPE)),
        .shown = strdup(vf_db_text(row, VF_COLUMN_SHOWN)),
        .metadata = strdup(vf_db_text(row, VF_COLUMN_METADATA)),
        .display_name =
            has_name ? strdup(vf_db_text(row, VF_COLUMN_NAME)) : NULL,
        .updated_us = sqlite3_column_int64(row, VF_COLUMN_UPDATED),
        .is_archived =
            sqlite3_column_type(row, VF_COLUMN_ARCHIVED) != SQLITE_NULL,
    };

    if (stored.type == NULL || stored.shown == NULL ||
        stored.metadata == NULL || (has_name && stored.display_name == NULL)) {
        stored_done(&stored);
        return false;
    }
    *ret = stored;
    return true;
}

static int no_credential(struct vf_error *err)
{
    return vf_refuse(err, VF_PROBLEM_NOT_FOUND, "", "no such credential");
}

static int find(const struct vf_call *call, const struct vf_access *access,
                struct stored *ret, struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(
        access->db, sql_get,
        VF_VALUES(VF_TEXT(call->vault_id), VF_TEXT(call->credential_id)), &row,
        err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result > 0 && !stored_read(row, ret))
        result = vf_error_set(err, ENOMEM, "no memory for a credential");
    vf_db_end(row);
    return result > 0 ? 0 : result < 0 ? result : no_credential(err);
}

int vf_credential_show(struct vf_call *call, const struct vf_access *access,
                       struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(
        access->db, sql_get,
        VF_VALUES(VF_TEXT(call->vault_id), VF_TEXT(call->credential_id)), &row,
        err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result > 0) {
        call->dialect->put_credential(row, &call->reply);
        vf_buf_puts(&call->reply, "}");
    }
    vf_db_end(row);
    return result > 0 ? 0 : result < 0 ? result : no_credential(err);
}

int vf_credential_show_all(struct vf_call *call, const struct vf_access *access,
                           struct vf_error *err)
{
    const char *comma = "";
    sqlite3_stmt *row;
    int result = vf_db_query(access->db, sql_all,
                             VF_VALUES(VF_TEXT(call->vault_id)), &row, err);

    if (result < 0)
        return result;
    vf_buf_puts(&call->reply, "[");
    while ((result = vf_db_step(access->db, row, err)) > 0) {
        vf_buf_puts(&call->reply, comma);
        call->dialect->put_credential(row, &call->reply);
        vf_buf_puts(&call->reply, "}");
        comma = ",";
    }
    vf_buf_puts(&call->reply, "]");
    vf_db_end(row);
    return result;
}

int vf_credential_list(struct vf_call *call, const struct vf_access *access,
                       struct vf_error *err)
{
    const struct vf_list list = {sql_ascending, sql_descending,
                                 call->dialect->credential_prefix,
                                 call->dialect->put_credential};
    bool is_archived;
    int result = vf_vault_find(call, access, &is_archived, err);

    return result < 0 ? result : vf_list_answer(&list, call, access, err);
}

int vf_credential_get(struct vf_call *call, const struct vf_access *access,
                      struct vf_error *err)
{
    return vf_credential_show(call, access, err);
}

static int merge_spec(const struct vf_call *call,
                      const struct vf_access *access, struct stored *stored,
                      struct vf_error *err)
{
    const char *where = call->dialect->form->member;
    struct vf_auth_body body;
    struct vf_json *patch;
    char *shown;
    size_t size;

    if (!vf_json_get(call->body, where, &patch))
        return 0;
    const char *type = vf_json_get_string(patch, "type");
    if (type != NULL && strcmp(type, stored->type) != 0)
        return vf_refuse(err, VF_PROBLEM_INVALID, vf_param(where, "type").text,
                         "cannot be changed");
    int result = vf_auth_body_merge(call->dialect, stored->shown, patch, where,
                                    &body, err);
    if (result < 0)
        return result;
    result = vf_boxes_put(access, call->credential_id, &body, err);
    if (result == 0 && vf_json_render_compact(body.shown, &shown, &size) < 0)
        result = vf_error_set(err, ENOMEM, "no memory for a credential");
    if (result == 0) {
        free(stored->shown);
        stored->shown = shown;
    }
    vf_auth_body_done(&body);
    return result;
}

static int merge_metadata(const struct vf_call *call, struct stored *stored,
                          struct vf_error *err)
{
    struct vf_json *patch;
    char *metadata;

    if (!vf_json_get(call->body, "metadata", &patch))
        return 0;
    int result = vf_metadata_merge(call->dialect, stored->metadata, patch,
                                   &metadata, err);
    if (result < 0)
        return result;
    free(stored->metadata);
    stored->metadata = metadata;
    return 0;
}

/* Null takes the name away. */
static int merge_name(const struct vf_call *call, struct stored *stored,
                      struct vf_error *err)
{
    const char *given = NULL;
    struct vf_json *value;
    char *name = NULL;

    if (!vf_json_get(call->body, "display_name", &value))
        return 0;
    int result =
        value == NULL
            ? 0
            : vf_check_string(value, "display_name", 1,
                              call->dialect->display_name_max, &given, err);
    if (result < 0)
        return result;
    if (given != NULL && (name = strdup(given)) == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a name");
    free(stored->display_name);
    stored->display_name = name;
    return 0;
}

static int merge(const struct vf_call *call, const struct vf_access *access,
                 struct stored *stored, struct vf_error *err)
{
    int result = merge_metadata(call, stored, err);

    if (result == 0)
        result = merge_name(call, stored, err);
    if (result == 0)
        result = merge_spec(call, access, stored, err);
    if (result < 0)
        return result;
    return vf_db_run(
        access->db,
        "UPDATE credential SET shown = ?2, metadata = ?3,"
        " display_name = ?4, updated_us = ?5 WHERE id = ?1",
        VF_VALUES(VF_TEXT(call->credential_id), VF_TEXT(stored->shown),
                  VF_TEXT(stored->metadata), VF_TEXT(stored->display_name),
                  VF_INT(vf_moved_us(stored->updated_us))),
        err);
}

static int no_change_to_archived(struct vf_error *err)
{
    return vf_refuse(err, VF_PROBLEM_CONFLICT, "",
                     "the credential is archived");
}

int vf_credential_update(struct vf_call *call, const struct vf_access *access,
                         struct vf_error *err)
{
    const struct vf_dialect *dialect = call->dialect;
    const char *const members[] = {dialect->form->member, "metadata",
                                   dialect->keeps_names ? "display_name" : NULL,
                                   NULL};
    struct stored stored;
    int result = vf_check_members(call->body, "", members, err);

    if (result == 0)
        result = vf_vault_check(call, access, err);
    if (result == 0)
        result = find(call, access, &stored, err);
    if (result < 0)
        return result;
    result = stored.is_archived ? no_change_to_archived(err)
                                : merge(call, access, &stored, err);
    stored_done(&stored);
    return result < 0 ? result : vf_credential_get(call, access, err);
}

int vf_credential_delete(struct vf_call *call, const struct vf_access *access,
                         struct vf_error *err)
{
    int result = vf_db_run(
        access->db, "DELETE FROM credential WHERE vault_id = ?1 AND id = ?2",
        VF_VALUES(VF_TEXT(call->vault_id), VF_TEXT(call->credential_id)), err);

    if (result < 0)
        return result;
    if (vf_db_changes(access->db) == 0)
        return no_credential(err);
    vf_answer_deleted(call, call->credential_id, "vault_credential_deleted");
    return 0;
}

int vf_credential_archive(struct vf_call *call, const struct vf_access *access,
                          struct vf_error *err)
{
    struct stored stored;
    int result = find(call, access, &stored, err);

    if (result < 0)
        return result;
    stored_done(&stored);
    if (stored.is_archived && !call->rules->may_archive_again)
        return vf_refuse(err, VF_PROBLEM_CONFLICT, "",
                         "the credential is archived already");
    if (!stored.is_archived)
        result =
            vf_db_run(access->db,
                      "UPDATE credential SET archived_us = ?2, updated_us = ?2"
                      " WHERE id = ?1",
                      VF_VALUES(VF_TEXT(call->credential_id),
                                VF_INT(vf_moved_us(stored.updated_us))),
                      err);
    return result < 0 ? result : vf_credential_get(call, access, err);
}

/* This service never calls anybody: it says what it knows, which is nothing
 * about the other side. */
static void put_validation(const struct vf_call *call, bool has_refresh,
                           struct vf_buf *ret)
{
    vf_buf_printf(ret,
                  "{\"credential_id\":\"%s\",\"vault_id\":\"%s\","
                  "\"type\":\"vault_credential_validation\","
                  "\"status\":\"unknown\",\"validated_at\":",
                  call->credential_id, call->vault_id);
    vf_put_json_time(ret, vf_now_us());
    vf_buf_printf(ret,
                  ",\"has_refresh_token\":%s,\"refresh\":{\"status\":\"%s\","
                  "\"http_response\":null},\"mcp_probe\":{\"method\":"
                  "\"initialize\",\"http_response\":null}}",
                  has_refresh ? "true" : "false",
                  has_refresh ? "connect_error" : "no_refresh_token");
}

static int has_refresh_token(const struct vf_call *call,
                             const struct vf_access *access, bool *ret,
                             struct vf_error *err)
{
    int64_t count = 0;
    int result =
        vf_db_get_int(access->db,
                      "SELECT count(*) FROM box WHERE credential_id = "
                      "?1 AND field = 'refresh.refresh_token'",
                      VF_VALUES(VF_TEXT(call->credential_id)), &count, err);

    *ret = count > 0;
    return result;
}

int vf_credential_validate(struct vf_call *call, const struct vf_access *access,
                           struct vf_error *err)
{
    struct stored stored;
    bool has_refresh;
    int result = find(call, access, &stored, err);

    if (result < 0)
        return result;
    bool is_oauth = strcmp(stored.type, "mcp_oauth") == 0;
    stored_done(&stored);
    if (!is_oauth)
        return vf_refuse(err, VF_PROBLEM_INVALID, "auth.type",
                         "only an mcp_oauth credential can be validated");
    if (stored.is_archived)
        return no_change_to_archived(err);
    result = has_refresh_token(call, access, &has_refresh, err);
    if (result == 0)
        put_validation(call, has_refresh, &call->reply);
    return result;
}
