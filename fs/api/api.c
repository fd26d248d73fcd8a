/* SPDX-License-Identifier: MIT */
#include "vaultfs/api.h"

#include "call.h"
#include "change.h"
#include "reply.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct vf_dialect *const dialects[] = {&vf_dialect_qoder};

/* Which operation on what. Ids are NULL where the route has none. */
struct target {
    enum vf_route route;
    const char *vault_id;
    const char *id;
    bool is_list;
    const char *cursor; /* of a list; NULL: the first page */
};

static void put_query(const struct vf_dialect *dialect, const char *cursor,
                      struct vf_buf *path)
{
    vf_buf_printf(path, "?limit=%u", dialect->page_limit);
    if (cursor == NULL)
        return;
    vf_buf_printf(path, "&%s=", dialect->page_parameter);
    vf_buf_put_url(path, cursor);
}

/* *ret is freed with free(). */
static int make_path(const struct vf_dialect *dialect,
                     const struct target *target, char **ret,
                     struct vf_error *err)
{
    struct vf_buf path = VF_BUF_INIT;

    for (const char *in = dialect->routes[target->route]; *in != '\0'; in++) {
        if (*in != '{') {
            vf_buf_append(&path, in, 1);
            continue;
        }
        vf_buf_put_url(&path, in[1] == 'v' ? target->vault_id : target->id);
        in = strchr(in, '}');
    }
    if (target->is_list)
        put_query(dialect, target->cursor, &path);
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
static uint64_t group_of(const struct target *target)
{
    const char *id = target->vault_id;

    return id != NULL ? vf_hash64(id, strlen(id)) : 0;
}

/* One operation from its target to its outputs. */
static int run(struct vf_api *api, const struct target *target,
               struct vf_call *call, struct vf_reading *reading,
               struct vf_error *err)
{
    struct vf_http_reply reply;
    char *path = NULL;
    int result = make_path(api->dialect, target, &path, err);

    if (result < 0)
        return result;
    call->path = path;
    call->group = group_of(target);
    call->never_gone = never_gone[target->route];
    reading->dialect = api->dialect;
    result = vf_call_perform(api, call, &reply, err);
    free(path);
    if (result < 0)
        return result;
    result = vf_reply_read(reading, &reply, call->method != VF_HTTP_GET, err);
    vf_http_reply_done(&reply);
    return result;
}

static int list(struct vf_api *api, const struct target *target,
                const struct vf_shape *shape, int64_t deadline_ms,
                struct vf_page *ret, struct vf_error *err)
{
    struct vf_call call = {.method = VF_HTTP_GET,
                           .intent = VF_API_READ,
                           .deadline_ms = deadline_ms};
    struct vf_reading reading = {.read = vf_reading_page,
                                 .shape = shape,
                                 .expected.parent_id = target->vault_id,
                                 .cursor = target->cursor,
                                 .ret = ret};

    return run(api, target, &call, &reading, err);
}

static int list_vaults(void *service, const char *cursor, int64_t deadline_ms,
                       struct vf_page *ret, struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {
        .route = VF_ROUTE_VAULTS, .is_list = true, .cursor = cursor};

    return list(api, &target, &api->dialect->vault, deadline_ms, ret, err);
}

static int list_credentials(void *service, const char *vault_id,
                            const char *cursor, int64_t deadline_ms,
                            struct vf_page *ret, struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {.route = VF_ROUTE_CREDENTIALS,
                                  .vault_id = vault_id,
                                  .is_list = true,
                                  .cursor = cursor};

    return list(api, &target, &api->dialect->credential, deadline_ms, ret, err);
}

static int get_credential(void *service, const char *vault_id, const char *id,
                          int64_t deadline_ms, struct vf_object *ret,
                          struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {
        .route = VF_ROUTE_CREDENTIAL, .vault_id = vault_id, .id = id};
    struct vf_call call = {.method = VF_HTTP_GET,
                           .intent = VF_API_READ,
                           .deadline_ms = deadline_ms};
    struct vf_reading reading = {.read = vf_reading_object,
                                 .shape = &api->dialect->credential,
                                 .expected = {id, vault_id},
                                 .ret = ret};

    return run(api, &target, &call, &reading, err);
}

/* Start a body in locked memory. */
static int begin_body(struct vf_json_writer *writer, struct vf_secret **ret,
                      struct vf_error *err)
{
    int result = vf_secret_new(0, ret, err);

    if (result == 0)
        vf_json_writer_init(writer, *ret);
    return result;
}

/* Send a body that a writer is done with; drops the body. */
static int run_write(struct vf_api *api, const struct target *target,
                     const struct vf_json_writer *writer, struct vf_call *call,
                     struct vf_reading *reading, struct vf_error *err)
{
    int result = writer->result;

    call->body = writer->out;
    if (result == 0)
        result = run(api, target, call, reading, err);
    else if (result == -EINVAL) /* all else in a body was read from JSON */
        (void)vf_error_set(err, EINVAL,
                           "the name is not UTF-8: the service cannot keep it");
    else
        (void)vf_error_set(err, -result, "cannot write the request's body");
    vf_secret_unref(writer->out);
    return result;
}

static int create_vault(void *service, const char *display_name,
                        int64_t deadline_ms, struct vf_object *ret,
                        struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {.route = VF_ROUTE_VAULTS};
    struct vf_call call = {.method = VF_HTTP_POST,
                           .intent = VF_API_CREATE,
                           .deadline_ms = deadline_ms};
    struct vf_reading reading = {.read = vf_reading_object,
                                 .shape = &api->dialect->vault,
                                 .other_status = 201,
                                 .ret = ret};
    struct vf_json_writer writer;
    struct vf_secret *body;
    int result = begin_body(&writer, &body, err);

    if (result < 0)
        return result;
    api->dialect->write_vault(&writer, display_name);
    return run_write(api, &target, &writer, &call, &reading, err);
}

/* A POST with a spec's secrets. */
static struct vf_call spec_call(const struct vf_spec *spec,
                                enum vf_api_intent intent, int64_t deadline_ms)
{
    return (struct vf_call){
        .method = VF_HTTP_POST,
        .intent = intent,
        .is_body_secret = true,
        .secrets = {spec->value, spec->refresh.refresh_token,
                    spec->refresh.client_secret},
        .deadline_ms = deadline_ms,
    };
}

static int create_credential(void *service, const char *vault_id,
                             const char *name, const struct vf_spec *spec,
                             int64_t deadline_ms, struct vf_object *ret,
                             struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {.route = VF_ROUTE_CREDENTIALS,
                                  .vault_id = vault_id};
    struct vf_call call = spec_call(spec, VF_API_CREATE, deadline_ms);
    struct vf_reading reading = {.read = vf_reading_object,
                                 .shape = &api->dialect->credential,
                                 .expected.parent_id = vault_id,
                                 .other_status = 201,
                                 .ret = ret};
    struct vf_json_writer writer;
    struct vf_secret *body;
    int result = begin_body(&writer, &body, err);

    if (result < 0)
        return result;
    api->dialect->write_credential(&writer, name, spec);
    return run_write(api, &target, &writer, &call, &reading, err);
}

/* The credential as last seen; NULL where nothing is known. */
static int parse_current(const char *text, size_t size, struct vf_json **ret,
                         struct vf_error *err)
{
    *ret = NULL;
    if (text == NULL)
        return 0;
    return vf_json_parse(text, size, ret, err);
}

static int update_credential(void *service, const char *vault_id,
                             const char *id, const char *name,
                             const struct vf_spec *spec,
                             const char *current_text, size_t current_size,
                             int64_t deadline_ms, struct vf_object *ret,
                             struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {
        .route = VF_ROUTE_CREDENTIAL, .vault_id = vault_id, .id = id};
    struct vf_call call = spec_call(spec, VF_API_CHANGE, deadline_ms);
    struct vf_reading reading = {.read = vf_reading_object,
                                 .shape = &api->dialect->credential,
                                 .expected = {id, vault_id},
                                 .ret = ret};
    struct vf_json_writer writer;
    struct vf_json *current;
    struct vf_secret *body;
    int result = parse_current(current_text, current_size, &current, err);

    if (result < 0)
        return result;
    result = vf_change_check(api->dialect->fields, spec, current, err);
    if (result == 0)
        result = begin_body(&writer, &body, err);
    if (result == 0) {
        api->dialect->write_update(&writer, name, spec, current);
        result = run_write(api, &target, &writer, &call, &reading, err);
    }
    vf_json_free(current);
    return result;
}

/* A reply without a body, or with one that says what is gone. */
static int delete_object(struct vf_api *api, const struct target *target,
                         const struct vf_shape *shape, int64_t deadline_ms,
                         struct vf_error *err)
{
    struct vf_call call = {.method = VF_HTTP_DELETE,
                           .intent = VF_API_CHANGE,
                           .is_gone_success = true,
                           .deadline_ms = deadline_ms};
    struct vf_reading reading = {
        .read = vf_reading_deletion,
        .shape = shape,
        .expected.id = target->id != NULL ? target->id : target->vault_id,
        .is_body_optional = true,
        .other_status = 204};

    return run(api, target, &call, &reading, err);
}

static int delete_vault(void *service, const char *vault_id,
                        int64_t deadline_ms, struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {.route = VF_ROUTE_VAULT,
                                  .vault_id = vault_id};

    return delete_object(api, &target, &api->dialect->vault, deadline_ms, err);
}

static int delete_credential(void *service, const char *vault_id,
                             const char *id, int64_t deadline_ms,
                             struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {
        .route = VF_ROUTE_CREDENTIAL, .vault_id = vault_id, .id = id};

    return delete_object(api, &target, &api->dialect->credential, deadline_ms,
                         err);
}

static int archive_credential(void *service, const char *vault_id,
                              const char *id, int64_t deadline_ms,
                              struct vf_error *err)
{
    struct vf_api *api = service;
    const struct target target = {
        .route = VF_ROUTE_CREDENTIAL_ARCHIVE, .vault_id = vault_id, .id = id};
    struct vf_call call = {.method = VF_HTTP_POST,
                           .intent = VF_API_CHANGE,
                           .deadline_ms = deadline_ms};
    struct vf_reading reading = {.read = vf_reading_archived,
                                 .shape = &api->dialect->credential,
                                 .expected = {id, vault_id}};
    const char *text = api->dialect->archive_body;
    int result = vf_secret_from(text, strlen(text), &call.body, err);

    if (result < 0)
        return result;
    result = run(api, &target, &call, &reading, err);
    vf_secret_unref(call.body);
    return result;
}

static const struct vf_service_ops api_ops = {
    .list_vaults = list_vaults,
    .list_credentials = list_credentials,
    .create_vault = create_vault,
    .delete_vault = delete_vault,
    .create_credential = create_credential,
    .get_credential = get_credential,
    .update_credential = update_credential,
    .delete_credential = delete_credential,
    .archive_credential = archive_credential,
};

struct vf_service vf_api_service(struct vf_api *api)
{
    return (struct vf_service){.ops = &api_ops, .self = api};
}

static const struct vf_dialect *find_dialect(const char *name)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        if (strcmp(dialects[i]->name, name) == 0)
            return dialects[i];
    return NULL;
}

int vf_api_new(const char *dialect, struct vf_http *http, struct vf_auth *auth,
               struct vf_api **ret, struct vf_error *err)
{
    const struct vf_dialect *table = find_dialect(dialect);

    if (table == NULL)
        return vf_error_set(err, EINVAL, "there is no dialect \"%s\"", dialect);
    struct vf_api *api = calloc(1, sizeof(*api));
    if (api == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    api->dialect = table;
    api->http = http;
    api->auth = auth;
    if (vf_clock_init_cond(&api->is_over) < 0) {
        free(api);
        return vf_error_set(err, ENOMEM, "no memory");
    }
    pthread_mutex_init(&api->lock, NULL);
    *ret = api;
    return 0;
}

void vf_api_shutdown(struct vf_api *api)
{
    pthread_mutex_lock(&api->lock);
    api->is_shut_down = true;
    pthread_cond_broadcast(&api->is_over);
    pthread_mutex_unlock(&api->lock);
}

void vf_api_free(struct vf_api *api)
{
    if (api == NULL)
        return;
    pthread_cond_destroy(&api->is_over);
    pthread_mutex_destroy(&api->lock);
    free(api);
}
