/* SPDX-License-Identifier: MIT */
#include "auth_body.h"
#include "call.h"
#include "db.h"
#include "list.h"
#include "schema.h"
#include "seal.h"
#include "validate.h"

#include "vaultfs/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                \
    "id, vault_id, shown, metadata, created_us, updated_us, archived_us, type"
#define WANTED                                                                 \
    " AND (?2 OR archived_us IS NULL)"                                         \
    " AND (?3 IS NULL OR (type <> 'environment_variable'"                      \
    " AND contains_folded(identity, ?3)))"

static const char sql_ascending[] =
    "SELECT " COLUMNS " FROM credential WHERE vault_id = ?5 AND id > ?1" WANTED
    " ORDER BY id LIMIT ?4";
static const char sql_descending[] =
    "SELECT " COLUMNS " FROM credential WHERE vault_id = ?5 AND id < ?1" WANTED
    " ORDER BY id DESC LIMIT ?4";
static const char sql_get[] =
    "SELECT " COLUMNS " FROM credential WHERE vault_id = ?1 AND id = "
    "?2";

static void render(sqlite3_stmt *row, struct vf_buf *ret)
{
    vf_buf_printf(ret,
                  "{\"id\":\"%s\",\"type\":\"vault_credential\","
                  "\"vault_id\":\"%s\",\"auth\":%s,\"display_name\":null,"
                  "\"metadata\":%s,\"archived_at\":",
                  vf_db_text(row, 0), vf_db_text(row, 1), vf_db_text(row, 2),
                  vf_db_text(row, 3));
    if (sqlite3_column_type(row, 6) == SQLITE_NULL)
        vf_buf_puts(ret, "null");
    else
        vf_put_json_time(ret, sqlite3_column_int64(row, 6));
    vf_buf_puts(ret, ",\"created_at\":");
    vf_put_json_time(ret, sqlite3_column_int64(row, 4));
    vf_buf_puts(ret, ",\"updated_at\":");
    vf_put_json_time(ret, sqlite3_column_int64(row, 5));
    vf_buf_puts(ret, "}");
}

/* A stored credential, as far as a change needs it. */
struct stored {
    char *type;
    char *shown;
    char *metadata;
    int64_t updated_us;
    bool is_archived;
};

static void stored_done(struct stored *stored)
{
    free(stored->type);
    free(stored->shown);
    free(stored->metadata);
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
    if (result > 0) {
        *ret = (struct stored){
            .type = strdup(vf_db_text(row, 7)),
            .shown = strdup(vf_db_text(row, 2)),
            .metadata = strdup(vf_db_text(row, 3)),
            .updated_us = sqlite3_column_int64(row, 5),
            .is_archived = sqlite3_column_type(row, 6) != SQLITE_NULL,
        };
        if (ret->type == NULL || ret->shown == NULL || ret->metadata == NULL) {
            stored_done(ret);
            result = vf_error_set(err, ENOMEM, "no memory for a credential");
        }
    }
    vf_db_end(row);
    return result > 0 ? 0 : result < 0 ? result : no_credential(err);
}

static int show(const char *id, struct vf_call *call,
                const struct vf_access *access, struct vf_error *err)
{
    sqlite3_stmt *row;
    int result =
        vf_db_query(access->db, sql_get,
                    VF_VALUES(VF_TEXT(call->vault_id), VF_TEXT(id)), &row, err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result > 0)
        render(row, &call->reply);
    vf_db_end(row);
    return result > 0 ? 0 : result < 0 ? result : no_credential(err);
}

/* The vault is there, and may be changed. */
static int check_vault(const struct vf_call *call,
                       const struct vf_access *access, struct vf_error *err)
{
    bool is_archived;
    int result = vf_vault_find(call, access, &is_archived, err);

    if (result == 0 && is_archived && !call->rules->may_change_archived)
        return vf_refuse(err, VF_PROBLEM_CONFLICT, "", "the vault is archived");
    return result;
}

static int check_room(const struct vf_call *call,
                      const struct vf_access *access, struct vf_error *err)
{
    int64_t count = 0;

    if (call->rules->credentials_max == 0)
        return 0;
    int result = vf_db_get_int(access->db,
                               "SELECT count(*) FROM credential WHERE vault_id "
                               "= ?1 AND archived_us IS NULL",
                               VF_VALUES(VF_TEXT(call->vault_id)), &count, err);
    if (result == 0 && count >= call->rules->credentials_max)
        return vf_refuse(err, VF_PROBLEM_INVALID, "",
                         "the vault holds its maximum of %lld credentials",
                         (long long)call->rules->credentials_max);
    return result;
}

static int check_duplicate(const struct vf_call *call,
                           const struct vf_access *access,
                           const struct vf_auth_body *body,
                           struct vf_error *err)
{
    int64_t count = 0;

    if (call->rules->may_duplicate)
        return 0;
    int result = vf_db_get_int(
        access->db,
        "SELECT count(*) FROM credential"
        " WHERE vault_id = ?1 AND identity = ?2 AND archived_us IS NULL",
        VF_VALUES(VF_TEXT(call->vault_id), VF_TEXT(body->identity)), &count,
        err);
    if (result == 0 && count > 0)
        return vf_refuse(err, VF_PROBLEM_CONFLICT,
                         strcmp(body->type, "environment_variable") == 0
                             ? "auth.secret_name"
                             : "auth.mcp_server_url",
                         "an active credential of this vault has the same");
    return result;
}

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

static int put_boxes(const struct vf_access *access, const char *id,
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

static int insert(const struct vf_auth_body *body, const char *metadata,
                  struct vf_call *call, const struct vf_access *access,
                  struct vf_error *err)
{
    char id[VF_ID_SIZE];
    int64_t now_us = vf_now_us();
    char *shown;
    size_t size;

    if (vf_json_render_compact(body->shown, &shown, &size) < 0)
        return vf_error_set(err, ENOMEM, "no memory for a credential");
    vf_ids_next(access->ids, call->dialect->credential_prefix, now_us, id);
    int result = vf_db_run(
        access->db,
        "INSERT INTO credential (id, vault_id, type, identity, shown, metadata,"
        " created_us, updated_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        VF_VALUES(VF_TEXT(id), VF_TEXT(call->vault_id), VF_TEXT(body->type),
                  VF_TEXT(body->identity), VF_TEXT(shown), VF_TEXT(metadata),
                  VF_INT(now_us)),
        err);
    free(shown);
    if (result == 0)
        result = put_boxes(access, id, body, err);
    return result < 0 ? result : show(id, call, access, err);
}

/* display_name is checked and, by this dialect, not kept. */
static int check_display_name(const struct vf_call *call, struct vf_error *err)
{
    struct vf_json *name;
    const char *text;

    if (!vf_json_get(call->body, "display_name", &name) || name == NULL)
        return 0;
    return vf_check_string(name, "display_name", 1,
                           call->dialect->display_name_max, &text, err);
}

static int create(const struct vf_auth_body *body, struct vf_call *call,
                  const struct vf_access *access, struct vf_error *err)
{
    struct vf_json *given;
    char *metadata = NULL;
    int result = check_display_name(call, err);

    if (result == 0 && vf_json_get(call->body, "metadata", &given))
        result = vf_metadata_new(call->dialect, given, &metadata, err);
    if (result == 0)
        result = check_vault(call, access, err);
    if (result == 0)
        result = check_duplicate(call, access, body, err);
    if (result == 0)
        result = check_room(call, access, err);
    if (result == 0)
        result =
            insert(body, metadata != NULL ? metadata : "{}", call, access, err);
    free(metadata);
    call->status = call->rules->create_status;
    return result;
}

int vf_credential_create(struct vf_call *call, const struct vf_access *access,
                         struct vf_error *err)
{
    static const char *const members[] = {"auth", "metadata", "display_name",
                                          NULL};
    struct vf_auth_body body;
    struct vf_json *auth;
    int result = vf_check_members(call->body, "", members, err);

    if (result < 0)
        return result;
    if (!vf_json_get(call->body, "auth", &auth))
        return vf_refuse(err, VF_PROBLEM_INVALID, "auth", "is required");
    result = vf_auth_body_new(call->dialect, auth, &body, err);
    if (result < 0)
        return result;
    result = create(&body, call, access, err);
    vf_auth_body_done(&body);
    return result;
}

int vf_credential_list(struct vf_call *call, const struct vf_access *access,
                       struct vf_error *err)
{
    const struct vf_list list = {sql_ascending, sql_descending,
                                 call->dialect->credential_prefix, render};
    bool is_archived;
    int result = vf_vault_find(call, access, &is_archived, err);

    return result < 0 ? result : vf_list_answer(&list, call, access, err);
}

int vf_credential_get(struct vf_call *call, const struct vf_access *access,
                      struct vf_error *err)
{
    return show(call->credential_id, call, access, err);
}

static int merge_auth(const struct vf_call *call,
                      const struct vf_access *access,
                      const struct vf_json *patch, struct stored *stored,
                      struct vf_error *err)
{
    struct vf_auth_body body;
    const char *type = vf_json_get_string(patch, "type");
    char *shown;
    size_t size;

    if (type != NULL && strcmp(type, stored->type) != 0)
        return vf_refuse(err, VF_PROBLEM_INVALID, "auth.type",
                         "cannot be changed");
    int result =
        vf_auth_body_merge(call->dialect, stored->shown, patch, &body, err);
    if (result < 0)
        return result;
    result = put_boxes(access, call->credential_id, &body, err);
    if (result == 0 && vf_json_render_compact(body.shown, &shown, &size) < 0)
        result = vf_error_set(err, ENOMEM, "no memory for a credential");
    if (result == 0) {
        free(stored->shown);
        stored->shown = shown;
    }
    vf_auth_body_done(&body);
    return result;
}

static int merge(const struct vf_call *call, const struct vf_access *access,
                 struct stored *stored, struct vf_error *err)
{
    struct vf_json *patch;
    char *metadata;
    int result = 0;

    if (vf_json_get(call->body, "metadata", &patch)) {
        result = vf_metadata_merge(call->dialect, stored->metadata, patch,
                                   &metadata, err);
        if (result < 0)
            return result;
        free(stored->metadata);
        stored->metadata = metadata;
    }
    if (vf_json_get(call->body, "auth", &patch))
        result = merge_auth(call, access, patch, stored, err);
    if (result < 0)
        return result;
    return vf_db_run(access->db,
                     "UPDATE credential SET shown = ?2, metadata = ?3,"
                     " updated_us = ?4 WHERE id = ?1",
                     VF_VALUES(VF_TEXT(call->credential_id),
                               VF_TEXT(stored->shown),
                               VF_TEXT(stored->metadata),
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
    static const char *const members[] = {"auth", "metadata", NULL};
    struct stored stored;
    int result = vf_check_members(call->body, "", members, err);

    if (result == 0)
        result = check_vault(call, access, err);
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
    vf_buf_printf(&call->reply,
                  "{\"id\":\"%s\",\"type\":\"vault_credential_deleted\"}",
                  call->credential_id);
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
