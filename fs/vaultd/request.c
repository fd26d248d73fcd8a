/* SPDX-License-Identifier: MIT
 *
 * Who may hold a secret: the body is gathered in a struct vf_secret, which
 * grows with what arrives and not with what was announced, and wiped when the
 * request ends. The HTTP library has it in the connection's memory pool, which
 * it clears after each request, and the parsed body is on the heap, whose
 * blocks are wiped when they are freed, as is the one reply that holds a
 * secret: a new token.
 *
 * A request that is refused at its head (no token, no such path) is still read
 * to its end before it is answered: closing with unread data would reset the
 * connection, and the client would not see why. But one whose end is in doubt
 * is answered at once, and nothing more is read from there.
 *
 * A reply to who came with a good token says what that token may do, in the
 * header x-oauth-scopes ("vaults:read, vaults:write"), so that a client can
 * show it.
 */
#include "request.h"

#include "admission.h"
#include "call.h"
#include "connections.h"
#include "framing.h"
#include "routes.h"
#include "usage.h"

#include "vaultfs/log.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED_BODY_MAX (64 * 1024 * 1024)
#define KEY_MAX 255

/* One request, from its head to the end of its reply. */
struct request {
    struct vf_requests *requests;
    struct MHD_Connection *connection;
    struct vf_connection *client; /* the same one, to the watch */
    struct vf_call call;
    struct vf_grant grant; /* of its token; without scopes when there is none */
    const struct vf_route *route;
    struct vf_secret *body;
    size_t body_held; /* counted in requests->bodies */
    size_t body_size; /* as received, kept or not */
    bool is_last;     /* on its connection */
    struct vf_error err;
    int result; /* below 0: refused, with err */
    char id[VF_ERROR_ID_MAX + 1];
};

static const char *header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                       name);
}

static const struct vf_dialect *dialect_of(const struct request *request)
{
    return request->requests->dialect;
}

static const char *query(void *context, const char *name)
{
    const char *value =
        MHD_lookup_connection_value(context, MHD_GET_ARGUMENT_KIND, name);

    /* "?limit" without "=" is there, and empty. */
    if (value == NULL &&
        MHD_lookup_connection_value_n(context, MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), NULL, NULL) == MHD_YES)
        return "";
    return value;
}

/* Visible ASCII: safe to echo in a header, a log line, a JSON string. */
static bool is_token_text(const char *text, size_t max)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return size > 0 && size <= max;
}

static void name_request(struct request *request)
{
    const char *given = header(request, dialect_of(request)->request_id);

    if (given != NULL && is_token_text(given, VF_ERROR_ID_MAX))
        vf_error_copy(request->id, sizeof(request->id), given);
    else
        vf_uuid4(request->id);
}

/* The documented prefix is optional. */
static const char *strip_prefix(const char *url, const char *prefix)
{
    size_t size = strlen(prefix);

    return strncmp(url, prefix, size) == 0 && url[size] == '/' ? url + size
                                                               : url;
}

static int check_framing(struct request *request)
{
    request->is_last = !vf_framing_is_plain(request->connection);
    return request->is_last
               ? vf_refuse(&request->err, VF_PROBLEM_INVALID, "",
                           "one Content-Length, or Transfer-Encoding: chunked, "
                           "and not both")
               : 0;
}

static int check_length(const struct request *request, struct vf_error *err)
{
    const char *length = header(request, "Content-Length");

    if (length != NULL &&
        strtoull(length, NULL, 10) > dialect_of(request)->body_max)
        return vf_refuse(err, VF_PROBLEM_TOO_LARGE, "",
                         "a body has at most %zu bytes",
                         dialect_of(request)->body_max);
    return 0;
}

static int take_key(struct request *request, struct vf_error *err)
{
    const char *key = header(request, "Idempotency-Key");

    if (key == NULL || !dialect_of(request)->has_idempotency)
        return 0;
    if (!is_token_text(key, KEY_MAX))
        return vf_refuse(err, VF_PROBLEM_INVALID, "Idempotency-Key",
                         "must be 1 to %d visible ASCII characters", KEY_MAX);
    request->call.idempotency_key = key;
    return 0;
}

static const char *get_header(const void *context, const char *name)
{
    return header(context, name);
}

/* Whose token may not do this does not learn whether there is anything. */
static int check_access(struct request *request, const struct vf_head *head)
{
    struct vf_error *err = &request->err, unrouted;
    int routed = vf_route_find(&request->call, &request->route, &unrouted);
    int result = vf_admission_check_token(dialect_of(request), head,
                                          request->requests->store,
                                          &request->grant, err);

    if (result < 0)
        return result;
    vf_connection_admit(request->client);
    if (request->grant.kind == VF_TOKEN_PERSONAL)
        vf_usage_note(request->requests->usage, request->grant.id);
    result = vf_route_permit(request->route, &request->call, err);
    if (result == 0 && routed < 0) {
        *err = unrouted;
        result = routed;
    }
    return result;
}

/* Everything that can be refused before the body is there. */
static int check_head(struct request *request)
{
    const struct vf_head head = {get_header, request};
    int result = check_access(request, &head);

    if (result == 0)
        result = vf_admission_check_required(dialect_of(request), &head,
                                             &request->err);
    if (result == 0)
        result = check_length(request, &request->err);
    return result < 0 ? result : take_key(request, &request->err);
}

static struct vf_connection *client_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}

static struct request *request_new(struct vf_requests *requests,
                                   struct MHD_Connection *connection,
                                   const char *url, const char *method)
{
    struct vf_connection *client = client_of(connection);
    struct request *request =
        client != NULL ? calloc(1, sizeof(*request)) : NULL;

    if (request == NULL)
        return NULL;
    request->requests = requests;
    request->connection = connection;
    request->client = client;
    request->call = (struct vf_call){
        .dialect = requests->dialect,
        .rules = requests->rules,
        .grant = &request->grant,
        .method = method,
        .path = strip_prefix(url, requests->dialect->path_prefix),
        .url = url,
        .query = query,
        .query_context = connection,
    };
    name_request(request);
    vf_connection_enter(request->client, VF_PHASE_BODY);
    request->result = check_framing(request);
    if (request->result == 0)
        request->result = check_head(request);
    return request;
}

static void drop_body(struct request *request)
{
    vf_spares_give(&request->requests->spares, request->body);
    request->body = NULL;
    atomic_fetch_sub(&request->requests->bodies, request->body_held);
    request->body_held = 0;
}

static void request_free(struct request *request)
{
    vf_connection_enter(request->client, VF_PHASE_HEAD);
    drop_body(request);
    vf_buf_free(&request->call.reply);
    free(request);
}

/* Room for a piece of a body, out of what all of them may have. */
static int hold(struct request *request, size_t size)
{
    struct vf_requests *requests = request->requests;

    request->body_held += size;
    if (atomic_fetch_add(&requests->bodies, size) + size <=
        requests->bodies_max)
        return 0;
    return vf_refuse(&request->err, VF_PROBLEM_BUSY, "",
                     "too much is being sent at once: try again");
}

/* Keep a piece of the body. */
static int gather(struct request *request, const char *data, size_t size)
{
    size_t max = dialect_of(request)->body_max;

    request->body_size += size;
    if (request->body_size > max)
        return vf_refuse(&request->err, VF_PROBLEM_TOO_LARGE, "",
                         "a body has at most %zu bytes", max);
    int result = hold(request, size);
    if (result == 0 && request->body == NULL)
        result = vf_spares_take(&request->requests->spares, size,
                                &request->body, &request->err);
    return result < 0
               ? result
               : vf_secret_append(request->body, data, size, &request->err);
}

/* What is not a refusal is our own trouble: the log has the reason, the client
 * has a request id to ask with. */
static void hide_internal_error(struct request *request)
{
    if (request->err.http_status != 0)
        return;
    const struct vf_record record = {.operation = request->call.method,
                                     .path = request->call.url,
                                     .error = &request->err};
    vf_error_copy(request->err.request_id, sizeof(request->err.request_id),
                  request->id);
    vf_log_record(&record);
    if (request->err.code == ENOSPC)
        vf_refuse(&request->err, VF_PROBLEM_FULL, "",
                  "the service's disk is full");
    else if (request->err.code == ENOMEM || request->err.code == EBUSY)
        vf_refuse(&request->err, VF_PROBLEM_BUSY, "",
                  "the service is busy: try again");
    else
        vf_refuse(&request->err, VF_PROBLEM_INTERNAL, "",
                  "the service failed; its log says why");
}

static void render_error(struct request *request)
{
    bool is_echoing = request->requests->rules->echoes_bodies;

    hide_internal_error(request);
    vf_error_copy(request->err.request_id, sizeof(request->err.request_id),
                  request->id);
    vf_buf_free(&request->call.reply);
    vf_problem_render(&request->err, is_echoing ? request->body : NULL,
                      &request->call.reply);
    request->call.status = request->err.http_status;
}

static void add_scopes(const struct request *request,
                       struct MHD_Response *response)
{
    struct vf_buf scopes = VF_BUF_INIT;

    vf_scopes_put(request->grant.scopes, "", ", ", &scopes);
    if (request->grant.kind != VF_TOKEN_KEY && request->call.status != 401 &&
        scopes.data != NULL)
        MHD_add_response_header(response, "x-oauth-scopes", scopes.data);
    vf_buf_free(&scopes);
}

static void add_headers(const struct request *request,
                        struct MHD_Response *response)
{
    static const struct {
        int status;
        const char *name;
        const char *value; /* NULL: the path's methods */
    } extras[] = {
        {401, "WWW-Authenticate", "Bearer"},
        {405, "Allow", NULL},
        {503, "Retry-After", "1"},
    };

    if (request->call.status != MHD_HTTP_NO_CONTENT)
        MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, dialect_of(request)->request_id,
                            request->id);
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++)
        if (extras[i].status == request->call.status)
            MHD_add_response_header(response, extras[i].name,
                                    extras[i].value != NULL
                                        ? extras[i].value
                                        : vf_route_allowed(&request->call));
    add_scopes(request, response);
    if (request->call.is_secret)
        MHD_add_response_header(response, "Cache-Control", "no-store");
    if (request->is_last)
        MHD_add_response_header(response, "Connection", "close");
}

static void log_request(const struct request *request)
{
    const char *key = header(request, "Idempotency-Key");

    if (request->requests->is_logging)
        vf_log(VF_LOG_INFO, "%s %s %d request-id=%s idempotency-key=%s",
               request->call.method, request->call.url, request->call.status,
               request->id,
               key != NULL && is_token_text(key, KEY_MAX) ? key : "-");
}

static enum MHD_Result reply(struct request *request)
{
    struct vf_buf *text = &request->call.reply;

    if (request->result < 0)
        render_error(request);
    if (text->is_broken)
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text->size, text->data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    *text = VF_BUF_INIT;
    add_headers(request, response);
    log_request(request);
    vf_connection_enter(request->client, VF_PHASE_REPLY);
    enum MHD_Result result = MHD_queue_response(
        request->connection, (unsigned)request->call.status, response);
    MHD_destroy_response(response);
    return result;
}

/* Take a piece of the body; once refused, only count. */
static enum MHD_Result on_body(struct request *request, const char *data,
                               size_t size)
{
    if (request->result == 0) {
        request->result = gather(request, data, size);
        if (request->result < 0)
            drop_body(request);
    } else {
        request->body_size += size;
    }
    return request->body_size <= REFUSED_BODY_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_end(struct request *request)
{
    vf_connection_enter(request->client, VF_PHASE_WORK);
    request->call.raw_body = request->body;
    if (request->result == 0)
        request->result = vf_route_run(request->route, &request->call,
                                       request->requests->store, &request->err);
    enum MHD_Result result = reply(request);
    request->call.raw_body = NULL;
    drop_body(request);
    return result;
}

enum MHD_Result vf_request_handle(void *context,
                                  struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **request_context)
{
    struct request *request = *request_context;

    if (request == NULL) {
        request = request_new(context, connection, url, method);
        *request_context = request;
        if (request == NULL)
            return MHD_NO;
        return request->is_last ? reply(request) : MHD_YES;
    }
    size_t size = *upload_size;
    *upload_size = 0;
    return size > 0 ? on_body(request, upload, size) : on_end(request);
}

void vf_request_completed(void *context, struct MHD_Connection *connection,
                          void **request_context,
                          enum MHD_RequestTerminationCode code)
{
    if (*request_context != NULL)
        request_free(*request_context);
    *request_context = NULL;
}
