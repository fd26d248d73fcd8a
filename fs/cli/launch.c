/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_WAIT_MS 30000

/* What a server needs of our environment. Tokens are in none of these. */
static const char *const passed_on[] = {
    "PATH=",         "HOME=",
    "TMPDIR=",       "LANG=",
    "LC_",           "TZ=",
    "XDG_",          "LD_LIBRARY_PATH=",
    "ASAN_OPTIONS=", "UBSAN_OPTIONS=",
    "TSAN_OPTIONS=", "LSAN_OPTIONS=",
};

static bool is_passed_on(const char *variable)
{
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        if (strncmp(variable, passed_on[i], strlen(passed_on[i])) == 0)
            return true;
    return false;
}

/* The array is ours, the strings are the environment's. NULL: no memory. */
static char **make_environment(void)
{
    size_t count = 0, kept = 0;

    while (environ[count] != NULL)
        count++;
    char **environment = calloc(count + 1, sizeof(*environment));
    if (environment == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (is_passed_on(environ[i]))
            environment[kept++] = environ[i];
    return environment;
}

/* The program of this name beside ours, or the bare name for PATH. */
static void find_program(const char *name, char ret[static PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (size > 0) {
        self[size] = '\0';
        char *slash = strrchr(self, '/');
        if (slash != NULL) {
            *slash = '\0';
            int wanted = snprintf(ret, PATH_MAX, "%s/%s", self, name);
            if (wanted < PATH_MAX && access(ret, X_OK) == 0)
                return;
        }
    }
    (void)snprintf(ret, PATH_MAX, "%s", name);
}

/* Our descriptors above 2 are close-on-exec, but who started us may have left
 * some that are not. */
static int plan_descriptors(posix_spawn_file_actions_t *actions, int output_fd,
                            int log_fd, int ready_fd)
{
    int result =
        posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);
    int next_fd = VF_LAUNCH_READY_FD;

    if (result == 0)
        result = posix_spawn_file_actions_adddup2(
            actions, output_fd >= 0 ? output_fd : 0, 1);
    if (result == 0)
        result = posix_spawn_file_actions_adddup2(actions, log_fd, 2);
    if (result == 0 && ready_fd >= 0)
        result = posix_spawn_file_actions_adddup2(actions, ready_fd, next_fd++);
    if (result == 0)
        result = posix_spawn_file_actions_addclosefrom_np(actions, next_fd);
    return result;
}

/* Own session: the terminal's Ctrl-C is not for it. We ignore SIGPIPE, it must
 * not inherit that. */
static int plan_attributes(posix_spawnattr_t *attributes)
{
    sigset_t defaults;

    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    int result = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (result == 0)
        result = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF);
    return result;
}

/* posix_spawn() takes its strings as char *, and leaves them alone. */
union arguments {
    const char *const *given;
    char *const *taken;
};

static int spawn_with(const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes,
                      const char *const argv[], pid_t *ret)
{
    char program[PATH_MAX];
    char **environment = make_environment();
    union arguments arguments = {.given = argv};

    if (environment == NULL)
        return ENOMEM;
    find_program(argv[0], program);
    int result = posix_spawnp(ret, program, actions, attributes,
                              arguments.taken, environment);
    free(environment);
    return result;
}

static int spawn(const char *const argv[], int output_fd, int log_fd,
                 int ready_fd, pid_t *ret, struct vf_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&actions);

    if (result == 0) {
        result = posix_spawnattr_init(&attributes);
        if (result == 0) {
            result = plan_descriptors(&actions, output_fd, log_fd, ready_fd);
            if (result == 0)
                result = plan_attributes(&attributes);
            if (result == 0)
                result = spawn_with(&actions, &attributes, argv, ret);
            (void)posix_spawnattr_destroy(&attributes);
        }
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    if (result != 0)
        return vf_error_set(err, result, "cannot run %s: %s", argv[0],
                            strerror(result));
    return 0;
}

/* The last line of a log that was written from an offset on, or "". */
static void last_line(int log_fd, off_t from, char *ret, size_t ret_size)
{
    off_t end = lseek(log_fd, 0, SEEK_END);
    off_t start =
        end - from >= (off_t)ret_size ? end - (off_t)ret_size + 1 : from;
    ssize_t size = end > from ? pread(log_fd, ret, ret_size - 1, start) : 0;

    while (size > 0 && ret[size - 1] == '\n')
        size--;
    ret[size > 0 ? size : 0] = '\0';
    const char *line = strrchr(ret, '\n');
    if (line != NULL)
        memmove(ret, line + 1, strlen(line));
}

/* log_size is what the log had before the program ran: earlier reasons are not
 * this one's. */
static int complain(const char *program, int log_fd, off_t log_size, int code,
                    struct vf_error *err)
{
    char line[VF_ERROR_MESSAGE_MAX / 2];

    last_line(log_fd, log_size, line, sizeof(line));
    if (line[0] == '\0')
        return vf_error_set(err, code, "%s gave no reason", program);
    return vf_error_set(err, code, "%s", line);
}

static void reap(pid_t pid, int *ret_status)
{
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        continue;
}

/* 0: it is ready. Else it ended, or takes too long and is ended. */
static int wait_until_ready(pid_t pid, int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte;
    int status, count;

    do
        count = poll(&ready, 1, READY_WAIT_MS);
    while (count < 0 && errno == EINTR);
    if (count > 0 && read(fd, &byte, 1) == 1)
        return 0;
    if (count == 0)
        (void)kill(pid, SIGKILL);
    reap(pid, &status);
    return -ECONNREFUSED;
}

int vf_launch_server(const char *const argv[], int log_fd, struct vf_error *err)
{
    off_t log_size = lseek(log_fd, 0, SEEK_END);
    int ready[2];
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0)
        return vf_error_set(err, errno, "cannot make a pipe: %s",
                            strerror(errno));
    int result = spawn(argv, -1, log_fd, ready[1], &pid, err);
    (void)close(ready[1]);
    if (result == 0 && wait_until_ready(pid, ready[0]) < 0)
        result = complain(argv[0], log_fd, log_size, ECONNREFUSED, err);
    (void)close(ready[0]);
    return result;
}

int vf_launch_tool(const char *const argv[], int output_fd, int log_fd,
                   struct vf_error *err)
{
    off_t log_size = lseek(log_fd, 0, SEEK_END);
    pid_t pid;
    int status = -1;
    int result = spawn(argv, output_fd, log_fd, -1, &pid, err);

    if (result < 0)
        return result;
    reap(pid, &status);
    if (status == 0)
        return 0;
    return complain(argv[0], log_fd, log_size, EREMOTEIO, err);
}
