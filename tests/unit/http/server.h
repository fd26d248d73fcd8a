/* SPDX-License-Identifier: MIT
 *
 * A server that does what the test tells it: each connection runs the test's
 * script in a thread of its own.
 */
#ifndef VAULTFS_TESTS_HTTP_SERVER_H
#define VAULTFS_TESTS_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct server;

/* index counts the connections from 0. The descriptor is closed after the
 * script returns. */
typedef void server_script(struct server *server, int fd, unsigned index);

/* On 127.0.0.1, or on a unix socket. Fails the test when it cannot. */
struct server *server_start(server_script *script);
struct server *server_start_unix(server_script *script, const char *path);

/* Resets what is open, opens the gate, waits for every script to end. */
void server_stop(struct server *server);

/* "http://127.0.0.1:PORT"; for a unix socket "http://localhost". */
const char *server_url(const struct server *server);
unsigned server_port(const struct server *server);

struct request {
    char head[16384]; /* NUL-terminated, with the empty line */
    char body[16384];
    size_t body_size;
};

/* Read one request whole; false when the client has closed. It is counted. */
bool server_read(struct server *server, int fd, struct request *ret);

/* false when the client has closed. */
bool server_send(int fd, const char *text);
bool server_send_bytes(int fd, const void *data, size_t size);

/* The close after the script will be a reset, not an end. */
void server_reset(int fd);

/* Until the client closes. */
void server_drain(int fd);

unsigned server_connections(struct server *server);
unsigned server_requests(struct server *server);

/* Requests that were read and not answered yet, at most, so far. */
unsigned server_in_flight_max(struct server *server);
void server_answered(struct server *server);

/* Wait until so many requests were read. */
void server_wait_requests(struct server *server, unsigned count);

/* A gate for scripts to wait at; closed until a test opens it. */
void server_wait_gate(struct server *server);
void server_open_gate(struct server *server);

#endif
