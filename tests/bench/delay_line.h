/* SPDX-License-Identifier: MIT
 *
 * A delay line between clients and one server: what is read at one moment is
 * passed on at another, in order, however much else is on its way. See
 * delay_proxy.c for what is delayed and what counts as a request.
 */
#ifndef DELAY_LINE_H
#define DELAY_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000
#define NEVER INT64_MAX

/* What epoll watches: the first member of whatever is watched. */
struct watched {
    int fd;
    void (*take)(struct watched *watched, uint32_t events);
};

struct counters {
    uint64_t requests, connections, bytes_to_server, bytes_to_client;
    uint64_t most_in_flight;
};

struct delay_line {
    int epoll_fd;
    int64_t delay_ns;
    bool is_wire;
    struct sockaddr_storage server;
    socklen_t server_size;
    uint64_t open, in_flight; /* now */
    struct counters counters; /* since they were reset */
};

extern struct delay_line delay_line;

/* Ends the program when it cannot. */
void watch(struct watched *watched, uint32_t events);

int64_t now_ns(void);

/* Connect a client to the server; the client is closed if that is refused.
 * Takes the descriptor, which must not block. */
void delay_line_open(int client_fd);

/* Pass on what is due. Returns when that is to be called again, if no event of
 * what is watched comes before: a time of now_ns(), or NEVER. */
int64_t delay_line_pump(void);

#endif
