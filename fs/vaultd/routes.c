/* SPDX-License-Identifier: MIT */
#include "routes.h"

#include "idempotency.h"
#include "leak.h"
#include "validate.h"

#include "vaultfs/json.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <string.h>

enum body {
    BODY_IGNORED,
    BODY_EMPTY, /* nothing, or an object without members */
    BODY_OBJECT
};

struct vf_route {
    const char *method;
    const char *path; /* V stands for a vault's id, C for a credential's */
    enum body body;
    vf_endpoint *endpoint;
    enum vf_calls call;
    bool is_exchange; /* outside the dialect's prefix; asked with a key, and
                         answered with a token */
};

#define CREDENTIALS "/vaults/V/credentials"

/* Those of one path stand together. */
static const struct vf_route routes[] = {
    {"GET", "/vaults", BODY_IGNORED, vf_vault_list},
    {"POST", "/vaults", BODY_OBJECT, vf_vault_create},
    {"GET", "/vaults/V", BODY_IGNORED, vf_vault_get},
    {"POST", "/vaults/V", BODY_OBJECT, vf_vault_update, VF_CALL_VAULT_UPDATE},
    {"DELETE", "/vaults/V", BODY_IGNORED, vf_vault_delete},
    {"POST", "/vaults/V/archive", BODY_EMPTY, vf_vault_archive},
    {"GET", CREDENTIALS, BODY_IGNORED, vf_credential_list},
    {"POST", CREDENTIALS, BODY_OBJECT, vf_credential_create},
    {"GET", CREDENTIALS "/C", BODY_IGNORED, vf_credential_get},
    {"POST", CREDENTIALS "/C", BODY_OBJECT, vf_credential_update,
     VF_CALL_UPDATE},
    {"DELETE", CREDENTIALS "/C", BODY_IGNORED, vf_credential_delete},
    {"POST", CREDENTIALS "/C/archive", BODY_EMPTY, vf_credential_archive},
    {"POST", CREDENTIALS "/C/mcp_oauth_validate", BODY_EMPTY,
     vf_credential_validate, VF_CALL_VALIDATE},
    {"POST", "/api/v1/serviceToken/exchange", BODY_OBJECT, vf_token_exchange,
     VF_CALL_EXCHANGE, true},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

/* One segment of a path; *at moves to the slash after it, or the end. */
static size_t segment(const char **at)
{
    size_t size = strcspn(*at, "/");

    *at += size;
    return size;
}

static bool take_id(const char *text, size_t size, char ret[static VF_ID_SIZE])
{
    if (size == 0 || size >= VF_ID_SIZE)
        return false;
    memcpy(ret, text, size);
    ret[size] = '\0';
    return true;
}

/* Ids are taken whatever their form: one that is none will not be found. */
static bool matches(const char *pattern, const char *path, struct vf_call *call)
{
    while (*pattern == '/' && *path == '/') {
        const char *want = ++pattern, *have = ++path;
        size_t want_size = segment(&pattern), have_size = segment(&path);

        if (want_size == 1 && (*want == 'V' || *want == 'C')) {
            if (!take_id(have, have_size,
                         *want == 'V' ? call->vault_id : call->credential_id))
                return false;
        } else if (want_size != have_size ||
                   memcmp(want, have, want_size) != 0) {
            return false;
        }
    }
    return *pattern == '\0' && *path == '\0';
}

static bool is_offered(const struct vf_route *route, const struct vf_call *call)
{
    unsigned calls = call->dialect->calls;

    if (call->rules->no_update != 0)
        calls &= ~(unsigned)VF_CALL_UPDATE;
    return (route->call & ~calls) == 0;
}

/* Whether a route is one for the call's path; fills the ids. What lies outside
 * the prefix belongs to some dialects alone. */
static bool is_for(const struct vf_route *route, struct vf_call *call)
{
    if (route->is_exchange)
        return is_offered(route, call) && strcmp(route->path, call->url) == 0;
    return matches(route->path, call->path, call);
}

/* What only other dialects have is a method that the path does not know, or,
 * as some servers are, no path at all. */
int vf_route_find(struct vf_call *call, const struct vf_route **ret,
                  struct vf_error *err)
{
    bool is_path_known = false;

    for (size_t i = 0; i < ROUTES; i++) {
        if (!is_for(&routes[i], call))
            continue;
        is_path_known = true;
        if (strcmp(routes[i].method, call->method) != 0)
            continue;
        if (is_offered(&routes[i], call)) {
            *ret = &routes[i];
            return 0;
        }
        is_path_known = call->rules->no_update != 404;
        break;
    }
    return is_path_known
               ? vf_refuse(err, VF_PROBLEM_METHOD, "",
                           "this path does not know that method")
               : vf_refuse(err, VF_PROBLEM_NOT_FOUND, "", "no such path");
}

int vf_route_permit(const struct vf_route *route, const struct vf_call *call,
                    struct vf_error *err)
{
    bool is_key = call->grant->kind == VF_TOKEN_KEY;
    bool is_read =
        strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
    enum vf_scope scope = is_read ? VF_SCOPE_READ : VF_SCOPE_WRITE;

    if (route != NULL && is_key != route->is_exchange)
        return vf_refuse(err, VF_PROBLEM_UNAUTHENTICATED, "", "%s",
                         is_key ? "this is a service-account key, good for an "
                                  "exchange: use the token that it gives"
                                : "only a service-account key is exchanged");
    if (is_key || (call->grant->scopes & scope) != 0)
        return 0;
    return vf_refuse(err, VF_PROBLEM_FORBIDDEN, "",
                     "the token lacks the scope %s", vf_scope_name(scope));
}

const char *vf_route_allowed(const struct vf_call *call)
{
    static const char *const lists[] = {
        "",       "GET",         "POST",         "GET, POST",
        "DELETE", "GET, DELETE", "POST, DELETE", "GET, POST, DELETE"};
    struct vf_call copy = *call;
    unsigned methods = 0;

    for (size_t i = 0; i < ROUTES; i++)
        if (is_offered(&routes[i], call) && is_for(&routes[i], &copy))
            methods |= routes[i].method[0] == 'G'   ? 1U
                       : routes[i].method[0] == 'P' ? 2U
                                                    : 4U;
    return lists[methods];
}

static int parse_body(const struct vf_call *call, struct vf_json **ret,
                      struct vf_error *err)
{
    struct vf_error reason = {0};
    struct vf_json *body;
    int result = vf_json_parse(vf_secret_data(call->raw_body),
                               vf_secret_size(call->raw_body), &body, &reason);

    if (result == -ENOMEM)
        return vf_error_set(err, ENOMEM, "no memory for a body");
    if (result < 0)
        return vf_refuse(err, VF_PROBLEM_INVALID, "", "malformed JSON: %s",
                         reason.message);
    if (vf_json_type(body) != VF_JSON_OBJECT) {
        vf_json_free(body);
        return vf_refuse(err, VF_PROBLEM_INVALID, "",
                         "the body must be a JSON object");
    }
    *ret = body;
    return 0;
}

static int check_body(const struct vf_route *route, struct vf_call *call,
                      struct vf_json **ret, struct vf_error *err)
{
    static const char *const no_members[] = {NULL};
    bool is_there =
        call->raw_body != NULL && vf_secret_size(call->raw_body) > 0;

    if (route->body == BODY_IGNORED || (route->body == BODY_EMPTY && !is_there))
        return 0;
    if (!is_there)
        return vf_refuse(err, VF_PROBLEM_INVALID, "", "a body is required");
    int result = parse_body(call, ret, err);
    if (result == 0 && route->body == BODY_EMPTY)
        result = vf_check_members(*ret, "", no_members, err);
    return result;
}

struct work {
    const struct vf_route *route;
    struct vf_call *call;
};

static int read_job(void *context, const struct vf_access *access,
                    struct vf_error *err)
{
    const struct work *work = context;

    return work->route->endpoint(work->call, access, err);
}

static int write_job(void *context, const struct vf_access *access,
                     struct vf_error *err)
{
    const struct work *work = context;
    struct vf_grant grant;

    vf_buf_free(&work->call->reply); /* of a run that came to nothing */
    /* It was good when the head came, and a body may take its time. */
    int result = vf_token_find(access, work->call->grant->id, &grant, err);
    if (result < 0)
        return result;
    if (work->call->is_secret)
        return work->route->endpoint(work->call, access, err);
    return vf_idempotent(work->route->endpoint, work->call, access, err);
}

int vf_route_run(const struct vf_route *route, struct vf_call *call,
                 struct vf_store *store, struct vf_error *err)
{
    struct work work = {route, call};
    enum vf_store_effect effect = strcmp(route->method, "DELETE") == 0
                                      ? VF_STORE_SHRINKS
                                      : VF_STORE_GROWS;
    struct vf_json *body = NULL;
    int result = check_body(route, call, &body, err);

    call->status = 200;
    call->is_secret = route->is_exchange;
    call->body = body;
    if (result == 0)
        result = strcmp(route->method, "GET") == 0
                     ? vf_store_read(store, read_job, &work, err)
                     : vf_store_write(store, effect, write_job, &work, err);
    if (result == 0 && !call->reply.is_broken && call->rules->leaks_secrets)
        result = vf_leak_secrets(call, store, err);
    if (result == 0 && call->reply.is_broken)
        result = vf_error_set(err, ENOMEM, "no memory for a reply");
    call->body = NULL;
    vf_json_free(body);
    return result;
}
