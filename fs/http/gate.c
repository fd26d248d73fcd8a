/* SPDX-License-Identifier: MIT
 *
 * The connections, and the gate before each request's first byte.
 *
 * What may be sent, and when. libcurl repeats a request by itself when a
 * kept-alive connection turns out dead before the first byte of the reply, and
 * a server may well have acted upon the first one. So a body comes from a
 * callback that cannot be rewound, and every request passes before_sending()
 * just before its first byte goes out, also when it is repeated: a second
 * POST stops there. The same gate makes a request's fate certain: a call whose
 * caller has gone is not begun, and one that never passed was not sent.
 *
 * Connections that have ended. A server closes what is idle when it likes. When
 * it says so in TLS first, as most do, libcurl 7.88 sees bytes to be read,
 * takes the connection for alive, and the POST above stops with its fate
 * unknown. So the gate looks, too: nothing may be waiting to be read on an idle
 * HTTP/1.1 connection. If something is, nothing was sent, and the call starts
 * again.
 *
 * Who is behind a unix socket. A token must not go to whoever has put a socket
 * in our place, so the gate looks at the peer of a connection that this call
 * opened. A connection that it found open was opened by another call, which
 * looked: libcurl shares none that its opener did not bring through the gate.
 */
#include "engine.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Shorter than servers keep idle connections, so that they rarely close one
 * that we have just begun to use. */
#define IDLE_MAX_S 30L

/* A connection whose data nobody acknowledges is dead: without this, requests
 * that share one over HTTP/2 would go on choosing it for a quarter of an hour.
 */
#define UNACKNOWLEDGED_MAX_MS 20000

int vf_http_gate_refuse(struct vf_http_call *call, int code, const char *why)
{
    call->refused = code;
    call->why = why;
    return CURL_PREREQFUNC_ABORT;
}

static void drop_socket(struct vf_http_socket *socket)
{
    LIST_REMOVE(socket, link);
    free(socket);
}

static struct vf_http_socket *find_socket(const struct vf_http *http, int fd)
{
    struct vf_http_socket *socket;

    LIST_FOREACH(socket, &http->sockets, link)
    {
        if (socket->fd == fd)
            return socket;
    }
    return NULL;
}

static int close_socket(void *data, curl_socket_t fd)
{
    struct vf_http_socket *socket = find_socket(data, fd);

    if (socket != NULL)
        drop_socket(socket);
    return close(fd);
}

/* libcurl closes some that it gave up connecting without a word: what had the
 * number before is closed. */
static bool keep_socket(struct vf_http *http, int fd)
{
    if (find_socket(http, fd) != NULL)
        return true;
    struct vf_http_socket *kept = malloc(sizeof(*kept));
    if (kept == NULL)
        return false;
    kept->fd = fd;
    LIST_INSERT_HEAD(&http->sockets, kept, link);
    return true;
}

/* Close-on-exec, which libcurl's own sockets are not. */
static curl_socket_t open_socket(void *data, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    struct vf_http_call *call = data;
    unsigned limit = UNACKNOWLEDGED_MAX_MS;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            (void)vf_http_gate_refuse(call, ENOMEM,
                                      "no descriptor for a connection");
        return CURL_SOCKET_BAD;
    }
    if (!keep_socket(call->http, fd)) {
        (void)vf_http_gate_refuse(call, ENOMEM, "no memory for a connection");
        (void)close(fd);
        return CURL_SOCKET_BAD;
    }
    call->has_opened = true;
    if (address->family == AF_UNIX)
        call->socket = fd;
    else
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit,
                         sizeof(limit));
    return fd;
}

static int check_peer(struct vf_http_call *call)
{
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);

    if (getsockopt(call->socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return vf_http_gate_refuse(call, EACCES,
                                   "the socket's peer cannot be told");
    if (peer.uid != 0 && peer.uid != geteuid())
        return vf_http_gate_refuse(
            call, EACCES, "the socket's peer is neither root nor this user");
    call->socket = -1;
    return CURL_PREREQFUNC_OK;
}

static bool has_port(int fd, int port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } own = {0};
    socklen_t size = sizeof(own);

    if (getsockname(fd, &own.any, &size) < 0)
        return false;
    if (own.any.sa_family == AF_INET)
        return ntohs(own.v4.sin_port) == port;
    return own.any.sa_family == AF_INET6 && ntohs(own.v6.sin6_port) == port;
}

/* The connection that a secret is about to go over, told by its own port, which
 * is all that libcurl tells. Where two have one, to different addresses, the
 * worst is a new connection, or a failure that the caller is told of. */
static bool has_ended(const struct vf_http_call *call, int own_port)
{
    const struct vf_http_socket *socket;
    char byte;

    if (call->has_opened || !call->is_body_secret)
        return false;
    LIST_FOREACH(socket, &call->http->sockets, link)
    {
        if (has_port(socket->fd, own_port) &&
            recv(socket->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
            return true;
    }
    return false;
}

static int before_sending(void *data, char *peer_ip, char *own_ip,
                          int peer_port, int own_port)
{
    struct vf_http_call *call = data;
    struct vf_http *http = call->http;

    if (call->socket >= 0 && check_peer(call) != CURL_PREREQFUNC_OK)
        return CURL_PREREQFUNC_ABORT;
    if (has_ended(call, own_port)) {
        call->is_stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    pthread_mutex_lock(&http->lock);
    bool is_settled = call->is_settled;
    bool is_repeated = call->is_begun;
    if (!is_settled)
        call->is_begun = true;
    pthread_mutex_unlock(&http->lock);
    if (is_settled)
        return vf_http_gate_refuse(call, ECANCELED, "the caller has gone");
    if (is_repeated && call->method == VF_HTTP_POST)
        return vf_http_gate_refuse(call, EREMOTEIO, VF_HTTP_NO_REPLY);
    atomic_fetch_add(&http->requests, 1);
    return CURL_PREREQFUNC_OK;
}

void vf_http_gate_forget(struct vf_http *http)
{
    while (!LIST_EMPTY(&http->sockets))
        drop_socket(LIST_FIRST(&http->sockets));
}

void vf_http_gate_set(CURL *easy, struct vf_http_call *call)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A resolver that hangs is left to itself, not waited for. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->http);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
}
