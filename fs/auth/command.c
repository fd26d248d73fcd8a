/* SPDX-License-Identifier: MIT
 *
 * The end of a command is the end of its shell, which a pidfd tells. The pipes
 * do not: a child that was left behind may hold them open for days. So when the
 * shell is gone, what the pipes have by then is taken, and no more is waited
 * for. Who ends a command ends its whole group, and that while the shell is not
 * reaped yet: its number is still its own.
 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "strike.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

#define CHUNK_SIZE 4096
/* Reads of a pipe when the shell is gone: a megabyte, which is as much as a
 * pipe can hold. Who goes on writing is not read for ever. */
#define LAST_READS 256
#define LINE_SHOWN_MAX 200

/* The last line that has anything in it: its beginning. */
struct line {
    char bytes[2 * VF_AUTH_STRIKE_MAX];
    size_t size;
    bool is_over; /* the next byte begins another */
};

struct run {
    const struct vf_auth_command *command; /* borrowed */
    int64_t deadline_ms;
    pid_t pid;
    size_t output_before; /* bytes that command->output had */
    int output_fd;        /* -1: none, or at its end; as error_fd */
    int error_fd;
    int signal_fd;    /* readable: this process is to end; -1: none */
    sigset_t signals; /* that were blocked before */
    struct line line; /* of its standard error */
};

/* posix_spawn() takes its strings as char *, and leaves them alone. */
union strings {
    const char *const *given;
    char *const *taken;
};

static bool is_replaced(const char *variable, const char *const *added)
{
    size_t name = strcspn(variable, "=") + 1;

    for (; added != NULL && *added != NULL; added++)
        if (strncmp(variable, *added, name) == 0)
            return true;
    return false;
}

/* The array is ours, the strings are borrowed. NULL: no memory. */
static const char **make_environment(const char *const *added)
{
    size_t count = 0, kept = 0;

    for (; environ[count] != NULL; count++)
        ;
    for (size_t i = 0; added != NULL && added[i] != NULL; i++)
        count++;
    const char **environment = calloc(count + 1, sizeof(*environment));
    if (environment == NULL)
        return NULL;
    for (char **variable = environ; *variable != NULL; variable++)
        if (!is_replaced(*variable, added))
            environment[kept++] = *variable;
    for (; added != NULL && *added != NULL; added++)
        environment[kept++] = *added;
    return environment;
}

/* Negative: /dev/null for the output, ours for the errors. */
static int plan_descriptors(posix_spawn_file_actions_t *actions, int output_fd,
                            int error_fd)
{
    int result =
        posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (result == 0)
        result = output_fd >= 0
                     ? posix_spawn_file_actions_adddup2(actions, output_fd, 1)
                     : posix_spawn_file_actions_addopen(actions, 1, "/dev/null",
                                                        O_WRONLY, 0);
    if (result == 0 && error_fd >= 0)
        result = posix_spawn_file_actions_adddup2(actions, error_fd, 2);
    if (result == 0)
        result = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    if (result == 0)
        result = posix_spawn_file_actions_addchdir_np(actions, "/");
    return result;
}

static int plan_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;

    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    int result = posix_spawnattr_setsigdefault(attributes, &all);
    if (result == 0)
        result = posix_spawnattr_setsigmask(attributes, &none);
    if (result == 0)
        result = posix_spawnattr_setpgroup(attributes, 0);
    if (result == 0)
        result = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                            POSIX_SPAWN_SETSIGMASK);
    return result;
}

static int spawn_with(const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes,
                      const struct vf_auth_command *command, pid_t *ret)
{
    const char *const argv[] = {"sh", "-c", command->text, NULL};
    const char **environment = make_environment(command->variables);

    if (environment == NULL)
        return ENOMEM;
    int result = posix_spawn(ret, "/bin/sh", actions, attributes,
                             (union strings){argv}.taken,
                             (union strings){environment}.taken);
    free(environment);
    return result;
}

/* A positive errno, as the calls that it makes. */
static int spawn(const struct vf_auth_command *command, int output_fd,
                 int error_fd, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&actions);

    if (result != 0)
        return result;
    result = posix_spawnattr_init(&attributes);
    if (result == 0) {
        result = plan_descriptors(&actions, output_fd, error_fd);
        if (result == 0)
            result = plan_attributes(&attributes);
        if (result == 0)
            result = spawn_with(&actions, &attributes, command, ret);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return result;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Our end does not block; the command's does. */
static int open_pipe(int *ret_ours, int *ret_its)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    *ret_ours = ends[0];
    *ret_its = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

/* Ctrl-C is not for a group that is not the terminal's, and who dies of it
 * cannot end the command any more. So it waits. What this process ignores, as
 * under nohup, would wait too, and means nothing. */
static int hold_signals(struct run *run, struct vf_error *err)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction now;
    sigset_t held;

    (void)sigemptyset(&held);
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            (void)sigaddset(&held, ending[i]);
    run->signal_fd = signalfd(-1, &held, SFD_CLOEXEC);
    if (run->signal_fd < 0)
        return vf_error_set(err, errno, "cannot watch for signals: %s",
                            strerror(errno));
    (void)pthread_sigmask(SIG_BLOCK, &held, &run->signals);
    return 0;
}

/* One that came ends this process now. */
static void release_signals(struct run *run)
{
    if (run->signal_fd >= 0)
        (void)pthread_sigmask(SIG_SETMASK, &run->signals, NULL);
    close_fd(&run->signal_fd);
}

static int start(struct run *run, struct vf_error *err)
{
    int output_fd = -1, error_fd = -1, result = 0;

    if (run->command->output != NULL)
        result = open_pipe(&run->output_fd, &output_fd);
    if (result == 0 && !run->command->shows_errors)
        result = open_pipe(&run->error_fd, &error_fd);
    if (result == 0)
        result = spawn(run->command, output_fd, error_fd, &run->pid);
    close_fd(&output_fd);
    close_fd(&error_fd);
    if (result != 0)
        return vf_error_set(err, result, "the command cannot be run: %s",
                            strerror(result));
    return 0;
}

/* The bytes that were there, 0 for none now; at its end the pipe is closed. */
static size_t read_chunk(int *fd, char chunk[static CHUNK_SIZE])
{
    ssize_t got = *fd >= 0 ? read(*fd, chunk, CHUNK_SIZE) : 0;

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(fd);
    return got > 0 ? (size_t)got : 0;
}

/* Whether there was anything, or -EINVAL, -ENOMEM. */
static int read_output(struct run *run, struct vf_error *err)
{
    const struct vf_auth_command *command = run->command;
    char chunk[CHUNK_SIZE];
    size_t got = read_chunk(&run->output_fd, chunk);

    if (got == 0)
        return 0;
    int result = vf_secret_append(command->output, chunk, got, err);
    vf_wipe(chunk, got);
    if (result < 0)
        return result;
    if (vf_secret_size(command->output) - run->output_before >
        command->output_max)
        return vf_error_set(err, EINVAL,
                            "the command printed more than %zu bytes",
                            command->output_max);
    return 1;
}

/* Whether there was anything. */
static int read_errors(struct run *run, struct vf_error *err)
{
    struct line *line = &run->line;
    char chunk[CHUNK_SIZE];
    size_t got = read_chunk(&run->error_fd, chunk);

    for (size_t i = 0; i < got; i++) {
        if (chunk[i] == '\n' || chunk[i] == '\r') {
            line->is_over = true;
            continue;
        }
        if (line->is_over)
            line->size = 0;
        line->is_over = false;
        if (line->size < sizeof(line->bytes))
            line->bytes[line->size++] = chunk[i];
    }
    vf_wipe(chunk, got);
    return got > 0;
}

static int read_last(struct run *run, struct vf_error *err)
{
    static int (*const readers[])(struct run *, struct vf_error *) = {
        read_output, read_errors};

    for (size_t i = 0; i < 2; i++) {
        int left = LAST_READS, result;

        do
            result = readers[i](run, err);
        while (result > 0 && --left > 0);
        if (result < 0)
            return result;
    }
    return 0;
}

/* Waits for one of the descriptors, at most until the deadline. */
static int wait_for_any(const struct run *run, struct pollfd *fds, nfds_t count,
                        struct vf_error *err)
{
    int64_t left = run->deadline_ms - vf_clock_monotonic_ms();

    if (left < 0)
        left = 0;
    int ready = poll(fds, count, left < INT_MAX ? (int)left : INT_MAX);
    if (ready < 0 && errno != EINTR)
        return vf_error_set(err, errno, "cannot wait for the command: %s",
                            strerror(errno));
    if (ready == 0 && left == 0)
        return vf_error_set(err, ETIMEDOUT,
                            "the command took longer than %lld ms, and was "
                            "killed",
                            (long long)run->command->timeout_ms);
    return 0;
}

/* Until the shell has ended, or has to be. */
static int wait_for_end(struct run *run, int pid_fd, struct vf_error *err)
{
    enum { END, CANCEL, SIGNAL, OUTPUT, ERRORS, COUNT };
    struct pollfd fds[COUNT];
    int result;

    do {
        fds[END] = (struct pollfd){.fd = pid_fd, .events = POLLIN};
        fds[CANCEL] =
            (struct pollfd){.fd = run->command->cancel_fd, .events = POLLIN};
        fds[SIGNAL] = (struct pollfd){.fd = run->signal_fd, .events = POLLIN};
        fds[OUTPUT] = (struct pollfd){.fd = run->output_fd, .events = POLLIN};
        fds[ERRORS] = (struct pollfd){.fd = run->error_fd, .events = POLLIN};
        result = wait_for_any(run, fds, COUNT, err);
        if (result == 0 &&
            (fds[CANCEL].revents != 0 || fds[SIGNAL].revents != 0))
            result = vf_error_set(err, ECANCELED, "shutting down");
        if (result == 0 && fds[OUTPUT].revents != 0)
            result = read_output(run, err);
        if (result >= 0 && fds[ERRORS].revents != 0)
            result = read_errors(run, err);
    } while (result >= 0 && fds[END].revents == 0);
    return result < 0 ? result : 0;
}

static int judge(const struct run *run, int status, struct vf_error *err)
{
    char line[LINE_SHOWN_MAX + 1];
    char how[64];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        (void)snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status));
    else
        (void)snprintf(how, sizeof(how), "signal SIG%s",
                       sigabbrev_np(WTERMSIG(status)));
    vf_auth_strike_copy(line, sizeof(line), run->line.bytes, run->line.size,
                        run->command->output);
    return vf_error_set(err, ECHILD, "the command ended with %s%s%s", how,
                        line[0] != '\0' ? ": " : "", line);
}

static int reap(pid_t pid, int *ret_status)
{
    pid_t reaped;

    do
        reaped = waitpid(pid, ret_status, 0);
    while (reaped < 0 && errno == EINTR);
    return reaped < 0 ? -errno : 0;
}

static int follow(struct run *run, struct vf_error *err)
{
    int pid_fd = pidfd_open(run->pid, 0);
    int status = 0, result;

    if (pid_fd < 0)
        result = vf_error_set(err, errno, "cannot follow the command: %s",
                              strerror(errno));
    else
        result = wait_for_end(run, pid_fd, err);
    if (result < 0)
        (void)kill(-run->pid, SIGKILL);
    if (reap(run->pid, &status) < 0 && result == 0)
        result =
            vf_error_set(err, ECHILD, "how the command ended is not known");
    close_fd(&pid_fd);
    if (result == 0)
        result = read_last(run, err);
    return result == 0 ? judge(run, status, err) : result;
}

int vf_auth_command_run(const struct vf_auth_command *command,
                        struct vf_error *err)
{
    struct run run = {
        .command = command,
        .deadline_ms = vf_clock_monotonic_ms() + command->timeout_ms,
        .output_before =
            command->output != NULL ? vf_secret_size(command->output) : 0,
        .output_fd = -1,
        .error_fd = -1,
        .signal_fd = -1,
    };
    int result = command->ends_with_us ? hold_signals(&run, err) : 0;

    if (result == 0)
        result = start(&run, err);
    if (result == 0)
        result = follow(&run, err);
    close_fd(&run.output_fd);
    close_fd(&run.error_fd);
    vf_wipe(&run.line, sizeof(run.line));
    release_signals(&run);
    return result;
}
