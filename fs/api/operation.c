/* SPDX-License-Identifier: MIT */
#include "operation.h"

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* How an operation behaves. */
enum {
    IS_IDEMPOTENT = 1,    /* a repetition changes nothing */
    GONE_IS_DONE = 2,     /* 404 is what was wanted */
    CONFLICT_IS_DONE = 4, /* so is 409, once an earlier reply was lost */
    MAY_BE_SILENT = 8,    /* the reply may have no body */
};

struct row {
    enum vf_http_method method;
    enum vf_api_intent intent;
    enum vf_route route;
    bool is_of_vaults;
    vf_reader *read;
    int other_status; /* a success besides 200; 0: none */
    unsigned flags;
};

#define ARCHIVE IS_IDEMPOTENT | CONFLICT_IS_DONE
#define DELETION IS_IDEMPOTENT | GONE_IS_DONE | MAY_BE_SILENT

static const struct row rows[] = {
    [VF_LIST_VAULTS] = {VF_HTTP_GET, VF_API_READ, VF_ROUTE_VAULTS, true,
                        vf_read_page},
    [VF_LIST_CREDENTIALS] = {VF_HTTP_GET, VF_API_READ, VF_ROUTE_CREDENTIALS,
                             false, vf_read_page},
    [VF_GET_CREDENTIAL] = {VF_HTTP_GET, VF_API_READ, VF_ROUTE_CREDENTIAL, false,
                           vf_read_object},
    [VF_CREATE_VAULT] = {VF_HTTP_POST, VF_API_CREATE, VF_ROUTE_VAULTS, true,
                         vf_read_new_vault, 201},
    [VF_UPDATE_VAULT] = {VF_HTTP_POST, VF_API_CHANGE, VF_ROUTE_VAULT, true,
                         vf_read_object, 0, IS_IDEMPOTENT},
    [VF_ARCHIVE_VAULT] = {VF_HTTP_POST, VF_API_CHANGE, VF_ROUTE_VAULT_ARCHIVE,
                          true, vf_read_archived, 0, ARCHIVE},
    [VF_DELETE_VAULT] = {VF_HTTP_DELETE, VF_API_CHANGE, VF_ROUTE_VAULT, true,
                         vf_read_deletion, 204, DELETION},
    [VF_CREATE_CREDENTIAL] = {VF_HTTP_POST, VF_API_CREATE, VF_ROUTE_CREDENTIALS,
                              false, vf_read_object, 201},
    [VF_UPDATE_CREDENTIAL] = {VF_HTTP_POST, VF_API_UPDATE, VF_ROUTE_CREDENTIAL,
                              false, vf_read_object, 0, IS_IDEMPOTENT},
    [VF_ARCHIVE_CREDENTIAL] = {VF_HTTP_POST, VF_API_CHANGE,
                               VF_ROUTE_CREDENTIAL_ARCHIVE, false,
                               vf_read_archived, 0, ARCHIVE},
    [VF_DELETE_CREDENTIAL] = {VF_HTTP_DELETE, VF_API_CHANGE,
                              VF_ROUTE_CREDENTIAL, false, vf_read_deletion, 204,
                              DELETION},
};

static void put_query(const struct vf_operation *operation, struct vf_buf *path)
{
    const struct vf_dialect *dialect = operation->dialect;

    vf_buf_printf(path, "?limit=%u%s", dialect->page_limit,
                  dialect->filters[operation->which]);
    if (operation->cursor == NULL)
        return;
    vf_buf_printf(path, "&%s=", dialect->page_parameter);
    vf_buf_put_url(path, operation->cursor);
}

/* *ret is freed with free(). */
static int make_path(const struct vf_operation *operation, char **ret,
                     struct vf_error *err)
{
    const struct row *row = &rows[operation->kind];
    struct vf_buf path = VF_BUF_INIT;

    for (const char *in = operation->dialect->routes[row->route]; *in != '\0';
         in++) {
        if (*in != '{') {
            vf_buf_append(&path, in, 1);
            continue;
        }
        vf_buf_put_url(&path,
                       in[1] == 'v' ? operation->vault_id : operation->id);
        in = strchr(in, '}');
    }
    if (row->read == vf_read_page)
        put_query(operation, &path);
    if (path.is_broken) {
        vf_buf_free(&path);
        return vf_error_set(err, ENOMEM, "no memory");
    }
    *ret = path.data;
    return 0;
}

/*
 * What a 404 means where it is not that something is gone: the list of vaults
 * is always there, or else we have asked at the wrong place. Without a row it
 * is ENOENT.
 */
static const char *const never_gone[VF_ROUTES] = {
    [VF_ROUTE_VAULTS] = "; that was its list of vaults: is the base URL right?",
};

/* Requests about one vault must not stand in the way of all others. */
static uint64_t group_of(const struct vf_operation *operation)
{
    const char *id = operation->vault_id;

    return id != NULL ? vf_hash64(id, strlen(id)) : 0;
}

static struct vf_call make_call(const struct vf_operation *operation,
                                const char *path)
{
    const struct row *row = &rows[operation->kind];

    return (struct vf_call){
        .dialect = operation->dialect,
        .method = row->method,
        .intent = row->intent,
        .path = path,
        .group = group_of(operation),
        .body = operation->body,
        .secrets = operation->secrets,
        .secrets_count = operation->secrets_count,
        .key = operation->key,
        .is_idempotent = (row->flags & IS_IDEMPOTENT) != 0,
        .is_gone_success = (row->flags & GONE_IS_DONE) != 0,
        .is_conflict_success = (row->flags & CONFLICT_IS_DONE) != 0,
        .never_gone = never_gone[row->route],
        .is_ahead = operation->is_ahead,
        .is_impatient = operation->is_impatient,
        .deadline_ms = operation->deadline_ms,
    };
}

/* A list and a new thing are about what they are in, all else about itself. */
static struct vf_expected expected_of(const struct vf_operation *operation)
{
    if (rows[operation->kind].is_of_vaults)
        return (struct vf_expected){.id = operation->vault_id};
    return (struct vf_expected){operation->id, operation->vault_id};
}

static struct vf_reading make_reading(struct vf_api *api,
                                      const struct vf_operation *operation)
{
    const struct row *row = &rows[operation->kind];

    return (struct vf_reading){
        .read = row->read,
        .dialect = &api->dialect,
        .is_of_vaults = row->is_of_vaults,
        .names = api->names,
        .expected = expected_of(operation),
        .which = operation->which,
        .cursor = operation->cursor,
        .is_body_optional = (row->flags & MAY_BE_SILENT) != 0,
        .other_status = row->other_status,
        .is_change = row->intent != VF_API_READ,
        .ret = operation->ret,
    };
}

int vf_operation_run(struct vf_api *api, const struct vf_operation *operation,
                     struct vf_error *err)
{
    const struct vf_reading reading = make_reading(api, operation);
    struct vf_http_reply reply;
    char *path = NULL;
    int result = make_path(operation, &path, err);

    if (result < 0)
        return result;
    const struct vf_call call = make_call(operation, path);
    result = vf_call_perform(api, &call, &reply, err);
    free(path);
    if (result < 0)
        return result;
    result = vf_reply_read(&reading, &reply, err);
    if (result == 0 && reading.read == vf_read_page)
        ((struct vf_page *)operation->ret)->took_ms = reply.took_ms;
    vf_http_reply_done(&reply);
    return result;
}

int vf_operation_begin_body(struct vf_json_writer *ret, struct vf_error *err)
{
    struct vf_secret *body;
    int result = vf_secret_new(0, &body, err);

    if (result == 0)
        vf_json_writer_init(ret, body);
    return result;
}

int vf_operation_run_written(struct vf_api *api, struct vf_operation *operation,
                             const struct vf_json_writer *writer,
                             struct vf_error *err)
{
    int result = writer->result;

    operation->body = writer->out;
    if (result == 0)
        result = vf_operation_run(api, operation, err);
    else if (result == -EINVAL) /* all else in a body was read from JSON */
        (void)vf_error_set(err, EINVAL,
                           "the name is not UTF-8: the service cannot keep it");
    else
        (void)vf_error_set(err, -result, "cannot write the request's body");
    operation->body = vf_secret_unref(writer->out);
    return result;
}

int vf_operation_archive(struct vf_api *api, struct vf_operation operation,
                         struct vf_error *err)
{
    operation.dialect = atomic_load(&api->dialect);
    const char *text = operation.dialect->archive_body;
    int result = text != NULL
                     ? vf_secret_from(text, strlen(text), &operation.body, err)
                     : 0;

    if (result < 0)
        return result;
    result = vf_operation_run(api, &operation, err);
    vf_secret_unref(operation.body);
    return result;
}
