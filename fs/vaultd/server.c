/* SPDX-License-Identifier: MIT
 *
 * A thread a connection: a slow client holds up itself alone, and a request
 * that waits for the disk waits in its own thread, which is what group commit
 * feeds on. A few hundred idle connections are a few hundred small stacks. How
 * long a client may be slow is not the HTTP library's affair, whose clock
 * starts again with every byte, but that of struct vf_connections.
 */
#include "server.h"

#include "connections.h"
#include "dialect.h"
#include "request.h"
#include "usage.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS_MAX 16
#define CONNECTION_MEMORY (64 * 1024) /* head of a request, and its buffers */
#define CONNECTION_STACK (512 * 1024)
#define GUESTS_MAX 512
#define GUEST_MS 10000
#define TRANSFER_MS 30000
#define IDLE_MS 120000
#define DRAIN_MS 5000
#define BODIES_MAX ((size_t)64 * 1024 * 1024)

/* Each watches its own connections: strangers at one are no trouble at another.
 */
struct listener {
    struct MHD_Daemon *daemon;
    struct vf_connections *connections;
};

struct vf_server {
    struct vf_requests requests; /* but for the usage, borrowed */
    size_t connections_max;      /* of one listener */
    struct listener listeners[LISTENERS_MAX];
    size_t listeners_count;
};

/* Without memory to watch it a connection has no place; it ends before its
 * first request. */
static void on_connection(void *context, struct MHD_Connection *connection,
                          void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct vf_connections *connections = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(connection,
                                         MHD_CONNECTION_INFO_CONNECTION_FD)
                     ->connect_fd;

        *socket_context = vf_connection_add(connections, fd);
        if (*socket_context == NULL)
            (void)shutdown(fd, SHUT_RDWR);
    } else if (*socket_context != NULL) {
        vf_connection_forget(*socket_context);
    }
}

/* A secret that grows has up to three times its size locked for a moment, and
 * keys need some too: hence a quarter. But one body must always fit. */
static size_t room_for_bodies(const struct vf_dialect *dialect)
{
    struct rlimit limit;
    size_t room = BODIES_MAX;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur / 4 < room)
        room = limit.rlim_cur / 4;
    return room > dialect->body_max ? room : dialect->body_max;
}

int vf_server_new(const struct vf_server_options *options,
                  struct vf_server **ret, struct vf_error *err)
{
    struct vf_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the server");
    server->requests = (struct vf_requests){
        .store = options->store,
        .dialect = options->dialect,
        .rules = options->rules,
        .is_logging = options->is_logging,
        .bodies_max = room_for_bodies(options->dialect),
    };
    vf_spares_init(&server->requests.spares);
    server->connections_max = options->connections_max;
    int result = vf_usage_new(options->store, &server->requests.usage, err);
    if (result < 0) {
        vf_spares_done(&server->requests.spares);
        free(server);
        return result;
    }
    *ret = server;
    return 0;
}

static struct MHD_Daemon *start_daemon(struct vf_server *server,
                                       struct vf_connections *connections,
                                       int fd)
{
    return MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
            MHD_USE_POLL | MHD_USE_ITC,
        0, NULL, NULL, vf_request_handle, &server->requests,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
        vf_request_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        connections, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)server->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)CONNECTION_STACK, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
}

static int start_listener(struct vf_server *server, struct listener *listener,
                          int fd, struct vf_error *err)
{
    const size_t half = server->connections_max / 2;
    const struct vf_connection_limits limits = {
        .guests_max = half < GUESTS_MAX ? half : GUESTS_MAX,
        .guest_ms = GUEST_MS,
        .idle_ms = IDLE_MS,
        .transfer_ms = TRANSFER_MS,
    };
    int result = vf_connections_new(&limits, &listener->connections, err);

    if (result < 0)
        return result;
    listener->daemon = start_daemon(server, listener->connections, fd);
    if (listener->daemon != NULL)
        return 0;
    vf_connections_free(listener->connections);
    return vf_error_set(err, EAGAIN, "the HTTP server does not start");
}

int vf_server_listen(struct vf_server *server, int fd, struct vf_error *err)
{
    int result;

    if (server->listeners_count < LISTENERS_MAX)
        result = start_listener(
            server, &server->listeners[server->listeners_count], fd, err);
    else
        result = vf_error_set(err, EAGAIN, "too many listeners");
    if (result < 0)
        (void)close(fd);
    else
        server->listeners_count++;
    return result;
}

void vf_server_free(struct vf_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < server->listeners_count; i++) {
        MHD_socket fd = MHD_quiesce_daemon(server->listeners[i].daemon);

        if (fd != MHD_INVALID_SOCKET)
            (void)close(fd);
    }
    for (size_t i = 0; i < server->listeners_count; i++)
        vf_connections_drain(server->listeners[i].connections, DRAIN_MS);
    for (size_t i = 0; i < server->listeners_count; i++) {
        MHD_stop_daemon(server->listeners[i].daemon);
        vf_connections_free(server->listeners[i].connections);
    }
    vf_usage_free(server->requests.usage);
    vf_spares_done(&server->requests.spares);
    free(server);
}
