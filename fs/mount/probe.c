/* SPDX-License-Identifier: MIT
 *
 * Whether anybody serves a mount.
 *
 * A thread of a killed daemon that sleeps in the kernel keeps the connection
 * open, and then requests are neither answered nor refused. So it is a child
 * that asks, which can be left behind.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vaultfs/text.h"

/* A child that cannot be killed must not keep a pipe of its parent's open: who
 * reads from that would wait for it. */
static void leave_all_but(unsigned fd)
{
    if (fd > 0)
        (void)close_range(0, fd - 1, 0);
    (void)close_range(fd + 1, ~0U, 0);
}

/* The kernel may know the attributes of what is dead; statfs(2) always asks.
 * The exit status is its errno. */
static pid_t start_asking(const char *path, int ret_fds[2])
{
    struct statfs fs;

    if (pipe2(ret_fds, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        leave_all_but((unsigned)ret_fds[1]);
        _exit(statfs(path, &fs) == 0 ? 0 : errno);
    }
    (void)close(ret_fds[1]); /* it closes when the child ends */
    if (pid < 0)
        (void)close(ret_fds[0]);
    return pid;
}

int vf_mount_probe(const char *mountpoint, int timeout_ms)
{
    int fds[2], status, ready;
    pid_t pid = start_asking(mountpoint, fds);

    if (pid < 0)
        return -errno;
    struct pollfd ended = {.fd = fds[0], .events = POLLIN};
    do {
        ready = poll(&ended, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    (void)close(fds[0]);
    if (ready <= 0) {
        (void)kill(pid, SIGKILL);
        return -ETIMEDOUT; /* who waited for it could wait for ever */
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* As the kernel's table shows it. */
static int escape(const char *path, struct vf_buf *out)
{
    for (; *path != '\0'; path++)
        if (strchr(" \t\n\\", *path) != NULL)
            vf_buf_printf(out, "\\%03o", (unsigned)*path);
        else
            vf_buf_append(out, path, 1);
    vf_buf_puts(out, " ");
    return out->is_broken ? -ENOMEM : 0;
}

/* Of what was mounted there last. */
static bool find_minor(const char *escaped, unsigned *ret)
{
    char line[8192];
    bool is_found = false;
    unsigned number;

    FILE *table = fopen("/proc/self/mountinfo", "re");
    if (table == NULL)
        return false;
    while (fgets(line, sizeof(line), table) != NULL) {
        int at = 0;

        if (sscanf(line, "%*d %*d %*u:%u %*s %n", &number, &at) == 1 &&
            at > 0 && strncmp(line + at, escaped, strlen(escaped)) == 0) {
            *ret = number;
            is_found = true;
        }
    }
    (void)fclose(table);
    return is_found;
}

void mount_abort(const char *path)
{
    struct vf_buf escaped = VF_BUF_INIT;
    char control[64];
    unsigned number;

    bool is_found =
        escape(path, &escaped) == 0 && find_minor(escaped.data, &number);
    vf_buf_free(&escaped);
    if (!is_found)
        return;
    (void)snprintf(control, sizeof(control),
                   "/sys/fs/fuse/connections/%u/abort", number);
    int fd = open(control, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* not mounted there, or not ours */
    if (write(fd, "1", 1) < 0)
        errno = 0; /* it ends by other means or not at all */
    (void)close(fd);
}
