/* SPDX-License-Identifier: MIT
 *
 * A call as libcurl sees it.
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
 *
 * Copies of secrets. The token's header is made when the transfer begins and
 * wiped when it ends; the body is read straight from its locked memory into
 * libcurl's send buffer. What libcurl copies it frees with the easy handle, and
 * the process's free() wipes.
 */
#include "engine.h"

#include "vaultfs/secret.h"

#include "reply.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A reply's head, with all its interim replies and trailers. */
#define HEADER_MAX (64 * 1024)

/* Shorter than servers keep idle connections, so that they rarely close one
 * that we have just begun to use. */
#define IDLE_MAX_S 30L

/* A connection whose data nobody acknowledges is dead: without this, requests
 * that share one over HTTP/2 would go on choosing it for a quarter of an hour.
 */
#define UNACKNOWLEDGED_MAX_MS 20000

#define NO_REPLY "the connection ended before the reply began"

static int refuse(struct vf_http_call *call, int code, const char *why)
{
    call->refused = code;
    call->why = why;
    return CURL_PREREQFUNC_ABORT;
}

static int close_socket(void *data, curl_socket_t fd)
{
    struct vf_http *http = data;
    struct vf_http_socket *socket;

    LIST_FOREACH(socket, &http->sockets, link)
    {
        if (socket->fd == fd)
            break;
    }
    if (socket != NULL) {
        LIST_REMOVE(socket, link);
        free(socket);
    }
    return close(fd);
}

static bool keep_socket(struct vf_http *http, int fd)
{
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
            (void)refuse(call, ENOMEM, "no descriptor for a connection");
        return CURL_SOCKET_BAD;
    }
    if (!keep_socket(call->http, fd)) {
        (void)refuse(call, ENOMEM, "no memory for a connection");
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
        return refuse(call, EACCES, "the socket's peer cannot be told");
    if (peer.uid != 0 && peer.uid != geteuid())
        return refuse(call, EACCES,
                      "the socket's peer is neither root nor this user");
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
        return refuse(call, ECANCELED, "the caller has gone");
    if (is_repeated && call->method == VF_HTTP_POST)
        return refuse(call, EREMOTEIO, NO_REPLY);
    atomic_fetch_add(&http->requests, 1);
    return CURL_PREREQFUNC_OK;
}

static size_t read_body(char *buffer, size_t size, size_t count, void *data)
{
    struct vf_http_call *call = data;
    size_t room = size * count;
    size_t left = vf_secret_size(call->body) - call->body_sent;
    size_t taken = left < room ? left : room;

    memcpy(buffer, vf_secret_data(call->body) + call->body_sent, taken);
    call->body_sent += taken;
    return taken;
}

static int refuse_rewind(void *data, curl_off_t offset, int origin)
{
    return CURL_SEEKFUNC_FAIL;
}

static size_t take_header(char *line, size_t size, size_t count, void *data)
{
    struct vf_http_call *call = data;

    size *= count;
    call->has_reply = true;
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
        call->is_head_whole = false;
    else if (size > 0 && (line[0] == '\r' || line[0] == '\n'))
        call->is_head_whole = true;
    call->header_size += size;
    if (call->header_size > HEADER_MAX) {
        (void)refuse(call, EBADMSG, "the reply's head is too large");
        return 0;
    }
    return size;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
    struct vf_http_call *call = data;

    size *= count;
    if (size > call->http->reply_max - call->text.size) {
        (void)refuse(call, EBADMSG, "the reply is too large");
        return 0;
    }
    vf_buf_append(&call->text, bytes, size);
    if (call->text.is_broken) {
        (void)refuse(call, ENOMEM, "no memory for the reply");
        return 0;
    }
    return size;
}

/* The token's header, in front of the others. */
static bool make_token_header(struct vf_http_call *call)
{
    size_t lead = strlen(call->token_lead);
    size_t size = lead + vf_secret_size(call->token);
    char *line = malloc(size + 1);

    if (line == NULL)
        return false;
    memcpy(line, call->token_lead, lead);
    memcpy(line + lead, vf_secret_data(call->token), size - lead);
    line[size] = '\0';
    call->token_header = curl_slist_append(NULL, line);
    vf_wipe(line, size);
    free(line);
    if (call->token_header == NULL)
        return false;
    call->token_header->next = call->headers;
    return true;
}

static void set_origin(CURL *easy, struct vf_http_call *call)
{
    const struct vf_http_origin *origin = &call->http->origin;
    bool is_shared = origin->is_tls && !call->is_body_secret;

    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                     origin->is_tls ? "https" : "http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     is_shared ? CURL_HTTP_VERSION_2TLS
                               : CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, is_shared ? 1L : 0L);
    /* A pool of their own: a read that found one of their connections idle
     * would take it, and the next would, too, instead of sharing one. */
    if (origin->is_tls && call->is_body_secret)
        curl_easy_setopt(easy, CURLOPT_SHARE, call->http->secret_connections);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (origin->cacert != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, origin->cacert);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, origin->unix_socket);
    curl_easy_setopt(easy, CURLOPT_PROXY, origin->proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, origin->no_proxy);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_connection(CURL *easy, struct vf_http_call *call)
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

static void set_request(CURL *easy, struct vf_http_call *call)
{
    bool has_upload = call->method == VF_HTTP_POST || call->body != NULL;
    size_t size = call->body != NULL ? vf_secret_size(call->body) : 0;

    curl_easy_setopt(easy, CURLOPT_USERAGENT, "vaultfs/" VF_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
                     call->token_header != NULL ? call->token_header
                                                : call->headers);
    if (has_upload) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, refuse_rewind);
    }
    if (size > 0) {
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, call);
    } else if (has_upload) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    }
    if (call->method == VF_HTTP_DELETE)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
}

static void set_reply(CURL *easy, struct vf_http_call *call)
{
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                     (curl_off_t)call->http->reply_max);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->reason);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
}

int vf_http_transfer_begin(struct vf_http_call *call)
{
    if (call->token != NULL && !make_token_header(call))
        return -ENOMEM;
    call->easy = curl_easy_init();
    if (call->easy == NULL)
        return -ENOMEM;
    set_origin(call->easy, call);
    set_connection(call->easy, call);
    set_request(call->easy, call);
    set_reply(call->easy, call);
    return 0;
}

void vf_http_transfer_restart(struct vf_http_call *call)
{
    call->is_stale = false;
    call->reason[0] = '\0';
    curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 1L);
}

void vf_http_transfer_end(struct vf_http_call *call)
{
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    vf_http_call_forget(call);
}

static bool take_reply(struct vf_http_call *call, struct vf_error *ret_error)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    /* libcurl is content with a head that was cut. */
    if (!call->is_head_whole || status < 200) {
        (void)vf_error_set(ret_error, EBADMSG, "%s: the reply's head is cut",
                           call->http->origin.name);
        return false;
    }
    vf_buf_append(&call->text, "", 0); /* at least a NUL */
    if (call->text.is_broken) {
        (void)vf_error_set(ret_error, ENOMEM, "no memory for the reply");
        return false;
    }
    vf_http_reply_read_headers(&call->reply, call->easy);
    vf_http_reply_read_location(&call->reply, call->easy);
    call->reply.status = (int)status;
    call->reply.body_size = call->text.size;
    call->reply.body = call->text.data;
    call->text = VF_BUF_INIT;
    return true;
}

/* In a TLS handshake libcurl has one result for a peer that cannot be agreed
 * with and for one that broke off; only its words tell them apart. */
static bool is_cut_in_handshake(const struct vf_http_call *call,
                                CURLcode result)
{
    static const char *const words[] = {
        "SSL_connect: ", /* and the system's reason, or none: OpenSSL has none
                            of its own */
        "Recv failure",
        "Send failure",
    };
    bool is_cut = false;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        is_cut = is_cut || strstr(call->reason, words[i]) != NULL;
    return is_cut && result == CURLE_SSL_CONNECT_ERROR;
}

/* Which proxy is used, if any, libcurl does not say: NO_PROXY decides. */
static bool has_proxy(const struct vf_http_call *call)
{
    return call->http->origin.proxy[0] != '\0';
}

/* What a proxy answered instead of making a tunnel, or 0. */
static long proxy_refusal(const struct vf_http_call *call)
{
    long status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status / 100 != 2 ? status : 0;
}

/* The errno and the words for a failure. */
static int explain(struct vf_http_call *call, CURLcode result,
                   const char **ret_reason)
{
    enum vf_http_stage stage = call->has_reply  ? VF_HTTP_ANSWERED
                               : call->is_begun ? VF_HTTP_SENT
                                                : VF_HTTP_CONNECTING;
    long os_errno = 0, refusal = proxy_refusal(call);

    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
    int code = vf_http_failure_errno(result, os_errno, stage);
    *ret_reason = call->reason;
    if (call->refused != 0) {
        code = call->refused;
        *ret_reason = call->why;
    } else if (refusal != 0) {
        code = EHOSTUNREACH;
        (void)snprintf(call->reason, sizeof(call->reason),
                       "the proxy lets nothing through: it answered HTTP %ld",
                       refusal);
    } else if (is_cut_in_handshake(call, result)) {
        code = EREMOTEIO;
        *ret_reason = "the connection ended in the TLS handshake";
    } else if (result == CURLE_COULDNT_CONNECT && !has_proxy(call)) {
        /* libcurl's words name a host and port, also for a unix socket. */
        *ret_reason = strerror(os_errno != 0 ? (int)os_errno : code);
    } else if (result == CURLE_SEND_FAIL_REWIND) {
        *ret_reason = NO_REPLY; /* it had to be sent again: refuse_rewind */
    } else if (call->reason[0] == '\0') {
        *ret_reason = curl_easy_strerror(result);
    }
    return code;
}

bool vf_http_transfer_judge(struct vf_http_call *call, CURLcode result,
                            struct vf_error *ret_error)
{
    const char *reason;

    if (result == CURLE_OK)
        return take_reply(call, ret_error);
    int code = explain(call, result, &reason);
    (void)vf_error_set(ret_error, code, "%s: %s", call->http->origin.name,
                       reason);
    return false;
}
