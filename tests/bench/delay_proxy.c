/* SPDX-License-Identifier: MIT
 *
 * delay_proxy --listen PORT --to HOST:PORT|unix:PATH --delay-ms N
 *             [--wire] [--control PATH]
 *
 * Listens on 127.0.0.1, says the port, and stands for the distance to a server.
 * It is a delay line, not a bandwidth limit: what is read at one moment is
 * passed on at another, in order, however much else is on its way.
 *
 * By default N ms are added to a request: what the client sends waits N ms,
 * what the server answers passes at once. With --wire, N ms are the round trip
 * of a wire: every byte waits N/2 either way, and no byte of a connection sets
 * out before N ms after it was opened, which is the handshake that loopback
 * does not have. So TLS costs the round trips that it costs.
 *
 * The control socket takes lines, and answers each with one line of JSON: the
 * counters as they were before it.
 *   counts    nothing more
 *   reset     the counters start again
 *   delay MS  for what is read from now on
 *   quit      the end, as upon SIGTERM
 *
 * A request is what a client sends on a connection first, or after the server
 * has sent something; it is in flight until the server sends something. That is
 * right for HTTP/1.1 without pipelining, interim answers (100 Continue) and
 * answers that come before the whole request was sent. In TLS and HTTP/2 it
 * counts turns of the conversation.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "delay_line.h"

#define EVENTS_MAX 256
#define DELAY_MAX_MS 60000

struct control {
    struct watched watched;
    size_t used;
    char line[64];
};

static volatile sig_atomic_t is_ending;

/* --- Clients --- */

static void take_client(struct watched *watched, uint32_t events)
{
    int fd = accept4(watched->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        delay_line_open(fd);
}

/* --- Control --- */

static bool set_delay(const char *text)
{
    char *end;
    double ms = strtod(text, &end);

    if (end == text || *end != '\0' || !(ms >= 0 && ms <= DELAY_MAX_MS))
        return false;
    delay_line.delay_ns = (int64_t)(ms * NS_PER_MS);
    return true;
}

static bool run_command(const char *line)
{
    if (strcmp(line, "reset") == 0)
        delay_line.counters =
            (struct counters){.most_in_flight = delay_line.in_flight};
    else if (strcmp(line, "quit") == 0)
        is_ending = 1;
    else if (strncmp(line, "delay ", 6) == 0)
        return set_delay(line + 6);
    else
        return strcmp(line, "counts") == 0;
    return true;
}

static void answer_command(int fd, const char *line)
{
    char text[512];

    (void)snprintf(
        text, sizeof(text),
        "{\"requests\": %" PRIu64 ", \"connections\": %" PRIu64
        ", \"open\": %" PRIu64 ", \"in_flight\": %" PRIu64
        ", \"most_in_flight\": %" PRIu64 ", \"bytes_to_server\": %" PRIu64
        ", \"bytes_to_client\": %" PRIu64 ", \"delay_ms\": %g}\n",
        delay_line.counters.requests, delay_line.counters.connections,
        delay_line.open, delay_line.in_flight,
        delay_line.counters.most_in_flight, delay_line.counters.bytes_to_server,
        delay_line.counters.bytes_to_client,
        (double)delay_line.delay_ns / NS_PER_MS);
    const char *reply =
        run_command(line) ? text : "{\"error\": \"not a command\"}\n";
    (void)send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void take_command(struct watched *watched, uint32_t events)
{
    struct control *control = (struct control *)watched;
    size_t left = sizeof(control->line) - control->used;
    ssize_t got = recv(watched->fd, control->line + control->used, left, 0);
    char *end;

    if (got <= 0) { /* also when a line is too long */
        (void)close(watched->fd);
        free(control);
        return;
    }
    control->used += (size_t)got;
    while ((end = memchr(control->line, '\n', control->used)) != NULL) {
        *end++ = '\0';
        answer_command(watched->fd, control->line);
        control->used -= (size_t)(end - control->line);
        memmove(control->line, end, control->used);
    }
}

static void take_controller(struct watched *watched, uint32_t events)
{
    struct control *control = calloc(1, sizeof(*control));
    int fd = accept4(watched->fd, NULL, NULL, SOCK_CLOEXEC);

    if (control == NULL || fd < 0) {
        free(control);
        return;
    }
    control->watched = (struct watched){.fd = fd, .take = take_command};
    watch(&control->watched, EPOLLIN);
}

/* --- Start and end --- */

static socklen_t unix_address(const char *path, struct sockaddr_un *ret)
{
    if (strlen(path) >= sizeof(ret->sun_path))
        errx(2, "%s: a socket's path is shorter", path);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)strcpy(ret->sun_path, path);
    return sizeof(*ret);
}

static void find_server(char *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char *port = strrchr(name, ':');

    if (strncmp(name, "unix:", 5) == 0) {
        delay_line.server_size =
            unix_address(name + 5, (struct sockaddr_un *)&delay_line.server);
        return;
    }
    if (port == NULL)
        errx(2, "%s is neither HOST:PORT nor unix:PATH", name);
    *port++ = '\0';
    int result = getaddrinfo(name, port, &hints, &found);
    if (result != 0)
        errx(2, "%s: %s", name, gai_strerror(result));
    memcpy(&delay_line.server, found->ai_addr, found->ai_addrlen);
    delay_line.server_size = found->ai_addrlen;
    freeaddrinfo(found);
}

static void listen_at(struct watched *listener, const struct sockaddr *address,
                      socklen_t size)
{
    listener->fd = socket(address->sa_family,
                          SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0 || bind(listener->fd, address, size) < 0 ||
        listen(listener->fd, SOMAXCONN) < 0)
        err(1, "cannot listen");
    watch(listener, EPOLLIN);
}

static void listen_for_clients(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    static struct watched listener = {.take = take_client};
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(address);

    if (end == text || *end != '\0' || port > UINT16_MAX)
        errx(2, "%s is not a port", text);
    listen_at(&listener, (struct sockaddr *)&address, size);
    (void)getsockname(listener.fd, (struct sockaddr *)&address, &size);
    (void)printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
}

static void listen_for_control(const char *path)
{
    static struct watched listener = {.take = take_controller};
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);

    (void)unlink(path); /* of one that was killed */
    listen_at(&listener, (struct sockaddr *)&address, size);
}

static void on_signal(int number)
{
    is_ending = 1;
}

/* Timers that are right to the microsecond, two descriptors for each of many
 * connections, and signals only while waiting. */
static void prepare(void)
{
    struct rlimit limit;
    sigset_t blocked;

    (void)prctl(PR_SET_TIMERSLACK, 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
    (void)signal(SIGTERM, on_signal);
    delay_line.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
}

static void serve(void)
{
    struct epoll_event events[EVENTS_MAX];
    sigset_t none;

    (void)sigemptyset(&none);
    while (!is_ending) {
        int64_t earliest = delay_line_pump();
        int64_t left = earliest - now_ns();
        const struct timespec timeout = {
            .tv_sec = left > 0 ? left / NS_PER_S : 0,
            .tv_nsec = left > 0 ? left % NS_PER_S : 0,
        };
        int count = epoll_pwait2(delay_line.epoll_fd, events, EVENTS_MAX,
                                 earliest == NEVER ? NULL : &timeout, &none);

        if (count < 0 && errno != EINTR)
            err(1, "epoll_pwait2");
        for (int i = 0; i < count; i++) {
            struct watched *watched = events[i].data.ptr;

            watched->take(watched, events[i].events);
        }
    }
}

int main(int argc, char **argv)
{
    static int is_wire;
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"to", required_argument, NULL, 't'},
        {"delay-ms", required_argument, NULL, 'd'},
        {"control", required_argument, NULL, 'c'},
        {"wire", no_argument, &is_wire, 1},
        {0},
    };
    char *values[UCHAR_MAX + 1] = {0};
    bool is_understood = true;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        values[option] = optarg;
        is_understood &= option != '?';
    }
    if (!is_understood || optind < argc || values['l'] == NULL ||
        values['t'] == NULL || values['d'] == NULL || !set_delay(values['d']))
        errx(2, "usage: delay_proxy --listen PORT --to HOST:PORT|unix:PATH "
                "--delay-ms N [--wire] [--control PATH]");
    prepare();
    delay_line.is_wire = is_wire;
    find_server(values['t']);
    if (values['c'] != NULL)
        listen_for_control(values['c']);
    listen_for_clients(values['l']);
    serve();
    if (values['c'] != NULL)
        (void)unlink(values['c']);
    _exit(0); /* what is open ends with the process */
}
