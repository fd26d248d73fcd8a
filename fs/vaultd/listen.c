/* SPDX-License-Identifier: MIT */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 512

static int fail(struct vf_error *err, int code, const char *what)
{
    return vf_error_set(err, code, "%s: %s", what, strerror(code));
}

/* A socket file that nobody listens on is what a killed server left. */
static int remove_stale(const struct sockaddr_un *address, struct vf_error *err)
{
    struct stat st;

    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : fail(err, errno, address->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return vf_error_set(err, EEXIST, "%s is there, and is no socket",
                            address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(err, errno, address->sun_path);
    bool is_stale =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
        errno == ECONNREFUSED;
    (void)close(fd);
    if (!is_stale)
        return fail(err, EADDRINUSE, address->sun_path);
    return unlink(address->sun_path) < 0 ? fail(err, errno, address->sun_path)
                                         : 0;
}

static int bind_listening(int family, const void *address, socklen_t size,
                          const char *text, int *ret, struct vf_error *err)
{
    const int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return fail(err, errno, text);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* A unix socket's mode is what the umask leaves of 0777. */
    mode_t mask = umask(0177);
    int result = bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0
                     ? fail(err, errno, text)
                     : 0;
    umask(mask);
    if (result < 0)
        (void)close(fd);
    else
        *ret = fd;
    return result;
}

static int open_unix(const char *path, struct vf_listener *ret,
                     struct vf_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct vf_listener listener = {0};

    if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
        return vf_error_set(err, ENAMETOOLONG,
                            "a socket's path has 1 to %zu bytes: %s",
                            sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int result = remove_stale(&address, err);
    if (result == 0)
        result = bind_listening(AF_UNIX, &address, sizeof(address), path,
                                &listener.fd, err);
    if (result < 0)
        return result;
    (void)snprintf(listener.name, sizeof(listener.name), "unix:%s", path);
    listener.path = strdup(path);
    if (listener.path == NULL) {
        (void)close(listener.fd);
        return fail(err, ENOMEM, path);
    }
    *ret = listener;
    return 0;
}

/* "ADDR:PORT" or "[ADDR]:PORT" in two. */
static int split(const char *text, char host[static 64], const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;

    if (size > 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    } else if (memchr(text, ':', size) != NULL) {
        return -EINVAL;
    }
    if (size == 0 || size >= 64 || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return -EINVAL;
    memcpy(host, text, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    return address->sa_family == AF_INET
               ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
               : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static int name_address(struct vf_listener *listener, struct vf_error *err)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char host[64], port[8];

    if (getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0 ||
        getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return vf_error_set(err, EIO, "a listener without a name");
    (void)snprintf(listener->name, sizeof(listener->name),
                   strchr(host, ':') != NULL ? "http://[%s]:%s"
                                             : "http://%s:%s",
                   host, port);
    return 0;
}

static int open_address(const char *text, bool anywhere,
                        struct vf_listener *ret, struct vf_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV |
                                               AI_PASSIVE};
    struct vf_listener listener = {0};
    struct addrinfo *found = NULL;
    const char *port;
    char host[64];

    if (split(text, host, &port) < 0 ||
        getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port,
                    &hints, &found) != 0)
        return vf_error_set(
            err, EINVAL, "%s is not unix:PATH, ADDR:PORT or [ADDR]:PORT", text);
    int result = 0;
    if (!anywhere && !is_loopback(found->ai_addr))
        result = vf_error_set(
            err, EPERM,
            "%s is not a loopback address: whoever reads the traffic reads "
            "the secrets. Put a proxy that does TLS in front, and if this "
            "address is the one it reaches, say --listen-anywhere",
            text);
    if (result == 0)
        result = bind_listening(found->ai_family, found->ai_addr,
                                found->ai_addrlen, text, &listener.fd, err);
    freeaddrinfo(found);
    if (result < 0)
        return result;
    result = name_address(&listener, err);
    if (result < 0)
        (void)close(listener.fd);
    else
        *ret = listener;
    return result;
}

int vf_listener_open(const char *text, bool anywhere, struct vf_listener *ret,
                     struct vf_error *err)
{
    return strncmp(text, "unix:", 5) == 0
               ? open_unix(text + 5, ret, err)
               : open_address(text, anywhere, ret, err);
}

void vf_listener_done(struct vf_listener *listener)
{
    if (listener->path != NULL)
        (void)unlink(listener->path);
    free(listener->path);
    listener->path = NULL;
}
