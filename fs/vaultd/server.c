/* SPDX-License-Identifier: MIT
 *
 * A thread a connection: a slow client holds up itself alone, and a request
 * that waits for the disk waits in its own thread, which is what group commit
 * feeds on. A few hundred idle connections are a few hundred small stacks.
 *
 * Who may hold a secret: the body is gathered in a struct vf_secret and wiped
 * when the request ends. The HTTP library has it in the connection's memory
 * pool, which it clears after each request, and the parsed body is on the heap,
 * whose blocks are wiped when they are freed. Replies hold none.
 *
 * A request that is refused at its head (no token, no such path) is still read
 * to its end before it is answered: closing with unread data would reset the
 * connection, and the client would not see why.
 */
#include "server.h"

#include "call.h"
#include "routes.h"
#include "token.h"

#include "vaultfs/clock.h"
#include "vaultfs/log.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LISTENERS_MAX 16
#define CONNECTIONS_MAX 1024
#define CONNECTION_MEMORY (64 * 1024) /* head of a request, and its buffers */
#define CONNECTION_STACK (512 * 1024)
#define IDLE_S 120
#define DRAIN_MS 5000
#define REFUSED_BODY_MAX (64 * 1024 * 1024)
#define KEY_MAX 255

struct vf_server {
    struct vf_server_options options;
    struct MHD_Daemon *daemons[LISTENERS_MAX];
    size_t daemons_count;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t idle;
    unsigned active; /* requests between their head and their reply's end */
};

/* One request, from its head to the end of its reply. */
struct request {
    struct vf_server *server;
    struct MHD_Connection *connection;
    struct vf_call call;
    const struct vf_route *route;
    struct vf_secret *body;
    size_t body_size; /* as received, kept or not */
    struct vf_error err;
    int result; /* below 0: refused, with err */
    const char *url;
    char id[VF_ERROR_ID_MAX + 1];
};

static const char *header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                       name);
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
    const char *given = header(request, "x-request-id");

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

static int check_length(const struct request *request, struct vf_error *err)
{
    const char *length = header(request, "Content-Length");

    if (length != NULL &&
        strtoull(length, NULL, 10) > request->server->options.dialect->body_max)
        return vf_refuse(err, VF_PROBLEM_TOO_LARGE, "",
                         "a body has at most %zu bytes",
                         request->server->options.dialect->body_max);
    return 0;
}

/* Everything that can be refused before the body is there. */
static int check_head(struct request *request)
{
    struct vf_error *err = &request->err;

    if (header(request, "x-api-key") != NULL)
        return vf_refuse(err, VF_PROBLEM_UNAUTHENTICATED, "",
                         "x-api-key is not taken here: use Authorization: "
                         "Bearer");
    int result = vf_token_check(request->server->options.store,
                                header(request, "Authorization"), err);
    if (result == 0)
        result = vf_route_find(&request->call, &request->route, err);
    if (result == 0)
        result = check_length(request, err);
    if (result < 0)
        return result;
    const char *key = header(request, "Idempotency-Key");
    if (key != NULL && !is_token_text(key, KEY_MAX))
        return vf_refuse(err, VF_PROBLEM_INVALID, "Idempotency-Key",
                         "must be 1 to %d visible ASCII characters", KEY_MAX);
    request->call.idempotency_key = key;
    return 0;
}

static void count_active(struct vf_server *server, int change)
{
    pthread_mutex_lock(&server->lock);
    server->active += (unsigned)change;
    if (server->active == 0)
        pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

static struct request *request_new(struct vf_server *server,
                                   struct MHD_Connection *connection,
                                   const char *url, const char *method)
{
    struct request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->url = url;
    request->call = (struct vf_call){
        .dialect = server->options.dialect,
        .rules = server->options.rules,
        .method = method,
        .path = strip_prefix(url, server->options.dialect->path_prefix),
        .query = query,
        .query_context = connection,
    };
    name_request(request);
    request->result = check_head(request);
    count_active(server, 1);
    return request;
}

static void request_free(struct request *request)
{
    count_active(request->server, -1);
    vf_secret_unref(request->body);
    vf_buf_free(&request->call.reply);
    free(request);
}

/* Keep a piece of the body; once refused, only count. */
static int gather(struct request *request, const char *data, size_t size)
{
    size_t max = request->server->options.dialect->body_max;

    request->body_size += size;
    if (request->body_size > max)
        return vf_refuse(&request->err, VF_PROBLEM_TOO_LARGE, "",
                         "a body has at most %zu bytes", max);
    if (request->body == NULL) {
        const char *length = header(request, "Content-Length");
        size_t room = length != NULL ? strtoull(length, NULL, 10) : size;
        int result = vf_secret_new(room, &request->body, &request->err);

        if (result < 0)
            return result;
    }
    return vf_secret_append(request->body, data, size, &request->err);
}

/* What is not a refusal is our own trouble: the log has the reason, the client
 * has a request id to ask with. */
static void hide_internal_error(struct request *request)
{
    if (request->err.http_status != 0)
        return;
    const struct vf_record record = {.operation = request->call.method,
                                     .path = request->url,
                                     .error = &request->err};
    vf_error_copy(request->err.request_id, sizeof(request->err.request_id),
                  request->id);
    vf_log_record(&record);
    if (request->err.code == ENOMEM || request->err.code == EBUSY)
        vf_refuse(&request->err, VF_PROBLEM_BUSY, "",
                  "the service is busy: try again");
    else
        vf_refuse(&request->err, VF_PROBLEM_INTERNAL, "",
                  "the service failed; its log says why");
}

static void render_error(struct request *request)
{
    hide_internal_error(request);
    vf_error_copy(request->err.request_id, sizeof(request->err.request_id),
                  request->id);
    vf_buf_free(&request->call.reply);
    vf_problem_render(&request->err, &request->call.reply);
    request->call.status = request->err.http_status;
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

    MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, "x-request-id", request->id);
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++)
        if (extras[i].status == request->call.status)
            MHD_add_response_header(response, extras[i].name,
                                    extras[i].value != NULL
                                        ? extras[i].value
                                        : vf_route_allowed(&request->call));
}

static void log_request(const struct request *request)
{
    const char *key = header(request, "Idempotency-Key");

    if (request->server->options.is_logging)
        vf_log(VF_LOG_INFO, "%s %s %d request-id=%s idempotency-key=%s",
               request->call.method, request->url, request->call.status,
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
    enum MHD_Result result = MHD_queue_response(
        request->connection, (unsigned)request->call.status, response);
    MHD_destroy_response(response);
    return result;
}

/* Called with the head, with each piece of the body, and at its end. */
static enum MHD_Result on_request(void *context,
                                  struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **request_context)
{
    struct request *request = *request_context;

    if (request == NULL) {
        *request_context = request_new(context, connection, url, method);
        return *request_context != NULL ? MHD_YES : MHD_NO;
    }
    if (*upload_size > 0) {
        if (request->result == 0)
            request->result = gather(request, upload, *upload_size);
        else
            request->body_size += *upload_size;
        *upload_size = 0;
        return request->body_size <= REFUSED_BODY_MAX ? MHD_YES : MHD_NO;
    }
    request->call.raw_body = request->body;
    if (request->result == 0)
        request->result =
            vf_route_run(request->route, &request->call,
                         request->server->options.store, &request->err);
    request->call.raw_body = NULL;
    request->body = vf_secret_unref(request->body);
    return reply(request);
}

static void on_completed(void *context, struct MHD_Connection *connection,
                         void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    if (*request_context != NULL)
        request_free(*request_context);
    *request_context = NULL;
}

int vf_server_new(const struct vf_server_options *options,
                  struct vf_server **ret, struct vf_error *err)
{
    struct vf_server *server = calloc(1, sizeof(*server));
    pthread_condattr_t attributes;

    if (server == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the server");
    server->options = *options;
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&server->idle, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret = server;
    return 0;
}

int vf_server_listen(struct vf_server *server, int fd, struct vf_error *err)
{
    struct MHD_Daemon *started = NULL;

    if (server->daemons_count < LISTENERS_MAX)
        started = MHD_start_daemon(
            MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                MHD_USE_POLL | MHD_USE_ITC,
            0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
            MHD_OPTION_THREAD_STACK_SIZE, (size_t)CONNECTION_STACK,
            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (started == NULL) {
        (void)close(fd);
        return vf_error_set(err, EAGAIN, "the HTTP server does not start");
    }
    server->daemons[server->daemons_count++] = started;
    return 0;
}

/* Until no request is under way, or for DRAIN_MS. */
static void drain(struct vf_server *server)
{
    const struct timespec end =
        vf_clock_timespec(vf_clock_monotonic_ms() + DRAIN_MS);

    pthread_mutex_lock(&server->lock);
    while (server->active > 0 &&
           pthread_cond_timedwait(&server->idle, &server->lock, &end) == 0)
        continue;
    pthread_mutex_unlock(&server->lock);
}

void vf_server_free(struct vf_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < server->daemons_count; i++) {
        MHD_socket fd = MHD_quiesce_daemon(server->daemons[i]);

        if (fd != MHD_INVALID_SOCKET)
            (void)close(fd);
    }
    drain(server);
    for (size_t i = 0; i < server->daemons_count; i++)
        MHD_stop_daemon(server->daemons[i]);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
