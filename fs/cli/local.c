/* SPDX-License-Identifier: MIT
 *
 * Who keeps the embedded service alive.
 *
 * Each user of the service (a mount, a check) holds a shared lock on
 * mounts.lock; the server waits for an exclusive one and then ends. The kernel
 * drops a lock with its process, so the server ends after the last user
 * however that user ended, and no process id is kept anywhere.
 *
 * The lock is taken before the server is looked for. Who gets it either comes
 * before the server had its exclusive lock, and then the server stays, or after
 * the server has ended, and then nobody answers and a new one is started.
 * start.lock makes finding, starting and making the token one step, so that two
 * mounts at the same moment start one server. It holds the name of the dialect
 * that the service speaks, once a server has started with it: the server's data
 * is then bound to it, and one that is to speak another does not start.
 */
#include "local.h"

#include "launch.h"
#include "place.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What it takes to bring the service up; nothing of it outlives the start. */
struct start {
    char *directory; /* owned */
    int directory_fd;
    int lock_fd;
    int log_fd; /* the server's standard error; -1 until needed */
};

static int failed(struct vf_error *err, const char *what, const char *path)
{
    int code = errno;

    return vf_error_set(err, code, "cannot %s %s: %s", what, path,
                        strerror(code));
}

/* Of the service of this name. */
static char *service_directory(const char *name)
{
    char *data = vf_place_find("XDG_DATA_HOME", ".local/share");
    char *services = vf_place_join(data, "local");
    char *path = vf_place_join(services, name);

    free(services);
    free(data);
    return path;
}

static int open_locked(const struct start *start, const char *name, int lock,
                       int *ret_fd, struct vf_error *err)
{
    int fd =
        openat(start->directory_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return failed(err, "open", name);
    while (flock(fd, lock) < 0) {
        if (errno == EINTR)
            continue;
        int result = failed(err, "lock", name);
        (void)close(fd);
        return result;
    }
    *ret_fd = fd;
    return 0;
}

int vf_local_connect(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
                   socket_path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int code = errno;
    (void)close(fd);
    return -code;
}

static bool is_answering(const char *socket_path)
{
    int fd = vf_local_connect(socket_path);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static int open_log(struct start *start, struct vf_error *err)
{
    if (start->log_fd >= 0)
        return 0;
    return vf_place_open_log(start->directory_fd, "vaultd.log", &start->log_fd,
                             err);
}

/* Say what could not be done, before the reason. */
static int complain(const struct start *start, const char *what,
                    const struct vf_error *reason, struct vf_error *err)
{
    return vf_error_set(err, reason->code, "cannot %s in %s: %s", what,
                        start->directory, reason->message);
}

/* What the service speaks, or "" if none was ever started. */
static void read_dialect(const struct start *start,
                         char ret[static VF_LOCAL_DIALECT_SIZE])
{
    ssize_t size = pread(start->lock_fd, ret, VF_LOCAL_DIALECT_SIZE - 1, 0);

    ret[size > 0 ? size : 0] = '\0';
}

static int keep_dialect(const struct start *start, const char *dialect,
                        struct vf_error *err)
{
    size_t size = strlen(dialect);

    if (pwrite(start->lock_fd, dialect, size, 0) != (ssize_t)size ||
        ftruncate(start->lock_fd, (off_t)size) < 0)
        return failed(err, "write", "start.lock");
    return 0;
}

static int start_server(struct start *start, const char *dialect,
                        struct vf_error *err)
{
    char *lock = vf_place_join(start->directory, "mounts.lock");
    char ready_fd[] = {'0' + VF_LAUNCH_READY_FD, '\0'};
    const char *const argv[] = {
        "vaultd",     "--data", start->directory, "--until-unused", lock,
        "--ready-fd", ready_fd, "--dialect",      dialect,          NULL};
    struct vf_error reason;

    if (lock == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    int result = open_log(start, err);
    if (result == 0 && vf_launch_server(argv, start->log_fd, &reason) < 0)
        result = complain(start, "start the service", &reason, err);
    free(lock);
    return result < 0 ? result : keep_dialect(start, dialect, err);
}

/* The server is the judge, unless it runs already. start.lock held. */
static int have_server(struct start *start, const char *dialect,
                       struct vf_local *local, struct vf_error *err)
{
    char known[VF_LOCAL_DIALECT_SIZE];

    read_dialect(start, known);
    if (dialect == NULL)
        dialect = known[0] != '\0' ? known : "qoder";
    vf_error_copy(local->dialect, sizeof(local->dialect), dialect);
    if (!is_answering(local->socket)) {
        local->is_started = true;
        return start_server(start, dialect, err);
    }
    if (known[0] == '\0' || strcmp(known, dialect) == 0)
        return 0;
    return vf_error_set(err, EINVAL,
                        "the service in %s runs with --dialect %s: say that, "
                        "or another name",
                        start->directory, known);
}

/* The token goes from the server's program into the file without passing
 * through this process, and the file gets its name when it is whole. */
static int make_token(struct start *start, struct vf_error *err)
{
    const char *const argv[] = {"vaultd",         "token",  "create",  "--data",
                                start->directory, "--name", "vaultfs", NULL};
    struct vf_error reason;
    int result = open_log(start, err);

    if (result < 0)
        return result;
    int fd = openat(start->directory_fd, "token.new",
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(err, "make", "token.new");
    if (vf_launch_tool(argv, fd, start->log_fd, &reason) < 0)
        result = complain(start, "make a token", &reason, err);
    if (result == 0 && fsync(fd) < 0)
        result = failed(err, "write", "token.new");
    (void)close(fd);
    if (result == 0 && renameat(start->directory_fd, "token.new",
                                start->directory_fd, "token") < 0)
        result = failed(err, "make", "token");
    return result;
}

static int bring_up(struct start *start, const char *dialect,
                    struct vf_local *local, struct vf_error *err)
{
    int result = vf_place_open(start->directory, &start->directory_fd, err);

    if (result == 0)
        result =
            open_locked(start, "start.lock", LOCK_EX, &start->lock_fd, err);
    if (result == 0)
        result =
            open_locked(start, "mounts.lock", LOCK_SH, &local->use_fd, err);
    if (result == 0)
        result = have_server(start, dialect, local, err);
    if (result == 0 && faccessat(start->directory_fd, "token", F_OK, 0) < 0)
        result = make_token(start, err);
    return result;
}

static void start_done(struct start *start)
{
    const int fds[] = {start->log_fd, start->lock_fd, start->directory_fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    free(start->directory);
}

static int check_paths(const struct start *start, const struct vf_local *local,
                       struct vf_error *err)
{
    if (start->directory == NULL || local->socket == NULL ||
        local->token_file == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    if (strlen(local->socket) > VF_SOCKET_PATH_MAX)
        return vf_error_set(err, ENAMETOOLONG,
                            "%s is too long: the path of a socket may have %d "
                            "bytes; set XDG_DATA_HOME to a shorter place",
                            local->socket, VF_SOCKET_PATH_MAX);
    return 0;
}

int vf_local_open(const char *name, const char *dialect, struct vf_local *ret,
                  struct vf_error *err)
{
    struct vf_local local = {.use_fd = -1};
    struct start start = {.directory = service_directory(name),
                          .directory_fd = -1,
                          .lock_fd = -1,
                          .log_fd = -1};

    local.socket = vf_place_join(start.directory, "socket");
    local.token_file = vf_place_join(start.directory, "token");
    int result = check_paths(&start, &local, err);
    if (result == 0)
        result = bring_up(&start, dialect, &local, err);
    start_done(&start);
    if (result < 0)
        vf_local_close(&local);
    else
        *ret = local;
    return result;
}

void vf_local_close(struct vf_local *local)
{
    if (local->use_fd >= 0)
        (void)close(local->use_fd);
    free(local->socket);
    free(local->token_file);
    *local = (struct vf_local){.use_fd = -1};
}
