/* SPDX-License-Identifier: MIT */
#include "auth_body.h"
#include "auth_form.h"
#include "boxes.h"
#include "credentials.h"
#include "db.h"
#include "validate.h"

#include "vaultfs/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a request says, checked. Texts are borrowed but the metadata. */
struct draft {
    struct vf_auth_body body;
    struct vf_param where;    /* in the request the spec is */
    const char *display_name; /* NULL: none */
    char *metadata;           /* NULL: none */
};

static void draft_done(struct draft *draft)
{
    vf_auth_body_done(&draft->body);
    free(draft->metadata);
}

/* The members beside the spec, where it is one of them. */
static int take_members(const struct vf_call *call, const struct vf_json *given,
                        const char *where, struct draft *draft,
                        struct vf_error *err)
{
    const char *const members[] = {call->dialect->form->member, "metadata",
                                   "display_name", NULL};
    struct vf_json *value;
    int result = vf_check_members(given, where, members, err);

    if (result == 0 && vf_json_get(given, "display_name", &value) &&
        vf_json_type(value) != VF_JSON_NULL)
        result = vf_check_string(value, vf_param(where, "display_name").text, 1,
                                 call->dialect->display_name_max,
                                 &draft->display_name, err);
    if (result == 0 && vf_json_get(given, "metadata", &value))
        result = vf_metadata_new(call->dialect, value, &draft->metadata, err);
    return result;
}

static int take(const struct vf_call *call, const struct vf_json *given,
                const char *where, struct draft *draft, struct vf_error *err)
{
    const char *member = call->dialect->form->member;
    const struct vf_json *spec = given;
    struct vf_json *inner = NULL;
    int result = 0;

    if (member == NULL) {
        vf_error_copy(draft->where.text, sizeof(draft->where.text), where);
    } else {
        draft->where = vf_param(where, member);
        result = take_members(call, given, where, draft, err);
        if (result == 0 && !vf_json_get(given, member, &inner))
            result = vf_refuse(err, VF_PROBLEM_INVALID, draft->where.text,
                               "is required");
        spec = inner;
    }
    return result < 0 ? result
                      : vf_auth_body_new(call->dialect, spec, draft->where.text,
                                         &draft->body, err);
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
                           const struct draft *draft, struct vf_error *err)
{
    const struct vf_auth_body *body = &draft->body;
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
                         vf_param(draft->where.text, body->identity_field).text,
                         "an active credential of this vault has the same");
    return result;
}

static int insert(const struct draft *draft, struct vf_call *call,
                  const struct vf_access *access, struct vf_error *err)
{
    const struct vf_auth_body *body = &draft->body;
    bool is_name_kept = call->dialect->keeps_names;
    int64_t now_us = vf_now_us();
    char *shown;
    size_t size;

    if (vf_json_render_compact(body->shown, &shown, &size) < 0)
        return vf_error_set(err, ENOMEM, "no memory for a credential");
    vf_ids_next(access->ids, call->dialect->credential_prefix, now_us,
                call->credential_id);
    int result = vf_db_run(
        access->db,
        "INSERT INTO credential (id, vault_id, type, identity, shown, metadata,"
        " display_name, created_us, updated_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        VF_VALUES(VF_TEXT(call->credential_id), VF_TEXT(call->vault_id),
                  VF_TEXT(body->type), VF_TEXT(body->identity), VF_TEXT(shown),
                  VF_TEXT(draft->metadata != NULL ? draft->metadata : "{}"),
                  VF_TEXT(is_name_kept ? draft->display_name : NULL),
                  VF_INT(now_us)),
        err);
    free(shown);
    return result < 0 ? result
                      : vf_boxes_put(access, call->credential_id, body, err);
}

int vf_credential_add(struct vf_call *call, const struct vf_json *given,
                      const char *where, const struct vf_access *access,
                      struct vf_error *err)
{
    struct draft draft = {0};
    int result = take(call, given, where, &draft, err);

    if (result == 0)
        result = vf_vault_check(call, access, err);
    if (result == 0)
        result = check_duplicate(call, access, &draft, err);
    if (result == 0)
        result = check_room(call, access, err);
    if (result == 0)
        result = insert(&draft, call, access, err);
    draft_done(&draft);
    return result;
}

int vf_credential_create(struct vf_call *call, const struct vf_access *access,
                         struct vf_error *err)
{
    int result = vf_credential_add(call, call->body, "", access, err);

    call->status = call->rules->create_status;
    return result < 0 ? result : vf_credential_show(call, access, err);
}
