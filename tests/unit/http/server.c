/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define CONNECTIONS_MAX 256

struct connection {
    struct server *server;
    unsigned index;
    int fd; /* -1: closed. Guarded by server->lock */
    pthread_t thread;
};

struct server {
    server_script *script;
    int listener;
    unsigned port;
    char url[64];
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    struct connection connections[CONNECTIONS_MAX];
    unsigned connections_count;
    unsigned requests;
    unsigned in_flight;
    unsigned in_flight_max;
    bool is_gate_open;
    bool is_stopping;
};

static void *serve(void *data)
{
    struct connection *connection = data;
    struct server *server = connection->server;

    server->script(server, connection->fd, connection->index);
    pthread_mutex_lock(&server->lock);
    (void)close(connection->fd);
    connection->fd = -1;
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void *accept_all(void *data)
{
    struct server *server = data;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        pthread_mutex_lock(&server->lock);
        assert_true(server->connections_count < CONNECTIONS_MAX);
        struct connection *connection =
            &server->connections[server->connections_count];
        *connection = (struct connection){
            .server = server,
            .index = server->connections_count++,
            .fd = fd,
        };
        if (server->is_stopping)
            (void)shutdown(fd, SHUT_RDWR);
        assert_int_equal(
            pthread_create(&connection->thread, NULL, serve, connection), 0);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

static struct server *start(server_script *script, int listener)
{
    struct server *server = calloc(1, sizeof(*server));

    assert_non_null(server);
    assert_int_equal(listen(listener, 128), 0);
    server->script = script;
    server->listener = listener;
    (void)snprintf(server->url, sizeof(server->url), "http://localhost");
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, accept_all, server),
                     0);
    return server;
}

struct server *server_start(server_script *script)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(listener >= 0);
    assert_int_equal(
        bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size),
                     0);
    struct server *server = start(script, listener);
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u",
                   server->port);
    return server;
}

struct server *server_start_unix(server_script *script, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(listener >= 0);
    assert_true(strlen(path) < sizeof(address.sun_path));
    (void)strcpy(address.sun_path, path);
    assert_int_equal(
        bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    return start(script, listener);
}

void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    server->is_gate_open = true;
    for (unsigned i = 0; i < server->connections_count; i++)
        if (server->connections[i].fd >= 0)
            (void)shutdown(server->connections[i].fd, SHUT_RDWR);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);

    (void)shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (unsigned i = 0; i < server->connections_count; i++)
        pthread_join(server->connections[i].thread, NULL);
    (void)close(server->listener);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *server_url(const struct server *server)
{
    return server->url;
}

unsigned server_port(const struct server *server)
{
    return server->port;
}

static void count_request(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->requests++;
    if (++server->in_flight > server->in_flight_max)
        server->in_flight_max = server->in_flight;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static size_t content_length(const char *head)
{
    const char *field = strcasestr(head, "\r\nContent-Length:");

    return field != NULL ? strtoul(field + 17, NULL, 10) : 0;
}

bool server_read(struct server *server, int fd, struct request *ret)
{
    size_t size = 0;

    memset(ret, 0, sizeof(*ret));
    while (size < 4 || memcmp(ret->head + size - 4, "\r\n\r\n", 4) != 0) {
        assert_true(size < sizeof(ret->head) - 1);
        if (recv(fd, ret->head + size, 1, 0) <= 0)
            return false;
        size++;
    }
    size_t expected = content_length(ret->head);
    assert_true(expected <= sizeof(ret->body));
    while (ret->body_size < expected) {
        ssize_t got =
            recv(fd, ret->body + ret->body_size, expected - ret->body_size, 0);

        if (got <= 0)
            return false;
        ret->body_size += (size_t)got;
    }
    count_request(server);
    return true;
}

bool server_send_bytes(int fd, const void *data, size_t size)
{
    const char *bytes = data;

    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool server_send(int fd, const char *text)
{
    return server_send_bytes(fd, text, strlen(text));
}

void server_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void server_drain(int fd)
{
    char bytes[512];

    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
}

unsigned server_connections(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned count = server->connections_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

unsigned server_requests(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned count = server->requests;
    pthread_mutex_unlock(&server->lock);
    return count;
}

unsigned server_in_flight_max(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned count = server->in_flight_max;
    pthread_mutex_unlock(&server->lock);
    return count;
}

void server_answered(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->in_flight--;
    pthread_mutex_unlock(&server->lock);
}

void server_wait_requests(struct server *server, unsigned count)
{
    pthread_mutex_lock(&server->lock);
    while (server->requests < count)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

void server_wait_gate(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    while (!server->is_gate_open)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

void server_open_gate(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_gate_open = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}
