/* SPDX-License-Identifier: MIT */
#include "delay_line.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define READ_MAX ((size_t)64 << 10)
#define QUEUED_MAX ((size_t)16 << 20) /* on its way in one direction */

/* Bytes on their way; no bytes are the end of them. */
struct chunk {
    struct chunk *next;
    int64_t due_ns;
    size_t size, sent;
    char data[];
};

struct end {
    struct watched watched; /* edge-triggered: the flags say what is known */
    struct connection *connection;
    bool is_readable, is_writable;
};

/* One direction of a connection. */
struct line {
    struct end *from, *to;
    struct chunk *first, *last;
    size_t queued;
    bool is_ended; /* nothing more is read */
    bool is_shut;  /* nothing more is passed on */
};

struct connection {
    struct end client, server;
    struct line ask, answer;
    int64_t starts_ns; /* nothing sets out before */
    bool is_in_flight;
    bool is_busy;
    struct connection *next_busy;
};

struct delay_line delay_line;

static struct connection *busy; /* something may be done for them */

int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

void watch(struct watched *watched, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watched};

    if (epoll_ctl(delay_line.epoll_fd, EPOLL_CTL_ADD, watched->fd, &event) < 0)
        err(1, "epoll_ctl");
}

static void count(struct connection *connection, bool is_asking, size_t size)
{
    if (is_asking)
        delay_line.counters.bytes_to_server += size;
    else
        delay_line.counters.bytes_to_client += size;
    if (connection->is_in_flight == is_asking)
        return;
    connection->is_in_flight = is_asking;
    if (!is_asking) {
        delay_line.in_flight--;
        return;
    }
    delay_line.counters.requests++;
    if (++delay_line.in_flight > delay_line.counters.most_in_flight)
        delay_line.counters.most_in_flight = delay_line.in_flight;
}

/* Not before what is ahead of it: that is seen to when it is passed on. */
static int64_t due_ns(const struct connection *connection,
                      const struct line *line)
{
    int64_t start = now_ns();

    if (start < connection->starts_ns)
        start = connection->starts_ns;
    if (delay_line.is_wire)
        return start + delay_line.delay_ns / 2;
    return line == &connection->ask ? start + delay_line.delay_ns : start;
}

static void push(struct connection *connection, struct line *line,
                 const char *data, size_t size)
{
    struct chunk *chunk = malloc(sizeof(*chunk) + size);

    if (chunk == NULL)
        err(1, "malloc");
    *chunk = (struct chunk){.due_ns = due_ns(connection, line), .size = size};
    memcpy(chunk->data, data, size);
    if (line->last != NULL)
        line->last->next = chunk;
    else
        line->first = chunk;
    line->last = chunk;
    line->queued += size;
}

static void pop(struct line *line)
{
    struct chunk *chunk = line->first;

    line->first = chunk->next;
    if (line->first == NULL)
        line->last = NULL;
    line->queued -= chunk->size;
    free(chunk);
}

static bool wants_reading(const struct line *line)
{
    return line->from->is_readable && !line->is_ended &&
           line->queued < QUEUED_MAX;
}

/* An error is an end like any other: the other side sees the connection end. */
static void fill(struct connection *connection, struct line *line)
{
    static char buffer[READ_MAX];

    while (wants_reading(line)) {
        ssize_t got = recv(line->from->watched.fd, buffer, sizeof(buffer), 0);

        if (got < 0 && errno == EAGAIN) {
            line->from->is_readable = false;
            return;
        }
        if (got > 0)
            count(connection, line == &connection->ask, (size_t)got);
        else
            line->is_ended = true;
        if (!line->is_shut)
            push(connection, line, buffer, got > 0 ? (size_t)got : 0);
    }
}

static void shut(struct line *line)
{
    (void)shutdown(line->to->watched.fd, SHUT_WR);
    line->is_shut = true;
    while (line->first != NULL)
        pop(line);
}

static void pass_on(struct line *line)
{
    struct chunk *chunk = line->first;
    ssize_t sent = send(line->to->watched.fd, chunk->data + chunk->sent,
                        chunk->size - chunk->sent, MSG_NOSIGNAL);

    if (sent < 0 && errno == EAGAIN) {
        line->to->is_writable = false;
    } else if (sent < 0) {
        shut(line);
    } else {
        chunk->sent += (size_t)sent;
        if (chunk->sent == chunk->size)
            pop(line);
    }
}

static void drain(struct line *line)
{
    while (line->first != NULL && line->to->is_writable &&
           line->first->due_ns <= now_ns()) {
        if (line->first->size == 0)
            shut(line);
        else
            pass_on(line);
    }
}

/* When there is something to do that no event will tell of. */
static int64_t next_ns(const struct line *line)
{
    if (wants_reading(line))
        return 0;
    return line->first != NULL && line->to->is_writable ? line->first->due_ns
                                                        : NEVER;
}

/* --- Connections --- */

static void make_busy(struct connection *connection)
{
    if (connection->is_busy)
        return;
    connection->is_busy = true;
    connection->next_busy = busy;
    busy = connection;
}

static void end_connection(struct connection *connection)
{
    (void)close(connection->client.watched.fd);
    (void)close(connection->server.watched.fd);
    delay_line.in_flight -= connection->is_in_flight;
    delay_line.open--;
    free(connection);
}

int64_t delay_line_pump(void)
{
    struct connection *connection = busy, *next;
    int64_t earliest = NEVER;

    for (busy = NULL; connection != NULL; connection = next) {
        next = connection->next_busy;
        connection->is_busy = false;
        fill(connection, &connection->ask);
        fill(connection, &connection->answer);
        drain(&connection->ask);
        drain(&connection->answer);
        if (connection->ask.is_shut && connection->answer.is_shut) {
            end_connection(connection);
            continue;
        }
        int64_t ask_ns = next_ns(&connection->ask);
        int64_t answer_ns = next_ns(&connection->answer);
        int64_t next_time = ask_ns < answer_ns ? ask_ns : answer_ns;
        if (next_time != NEVER)
            make_busy(connection);
        if (next_time < earliest)
            earliest = next_time;
    }
    return earliest;
}

static void take_end(struct watched *watched, uint32_t events)
{
    struct end *end = (struct end *)watched;

    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        end->is_readable = true;
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        end->is_writable = true;
    make_busy(end->connection);
}

static void watch_end(struct connection *connection, struct end *end, int fd)
{
    const int on = 1;

    end->connection = connection;
    end->watched = (struct watched){.fd = fd, .take = take_end};
    /* Fails on a unix socket, which does not wait either. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(&end->watched, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

/* The kernel takes connections for a server on this machine at once, also while
 * that is stopped, until as many wait as it listens for. */
static int connect_server(void)
{
    int fd = socket(delay_line.server.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (connect(fd, (struct sockaddr *)&delay_line.server,
                            delay_line.server_size) < 0 ||
                    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void delay_line_open(int client_fd)
{
    int server_fd = connect_server();
    delay_line.counters.connections++;
    if (server_fd < 0) {
        (void)close(client_fd);
        return;
    }
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        err(1, "calloc");
    struct end *client = &connection->client, *to = &connection->server;
    connection->starts_ns =
        delay_line.is_wire ? now_ns() + delay_line.delay_ns : 0;
    connection->ask = (struct line){.from = client, .to = to};
    connection->answer = (struct line){.from = to, .to = client};
    watch_end(connection, client, client_fd);
    watch_end(connection, to, server_fd);
    delay_line.open++;
}
