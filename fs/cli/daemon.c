/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include "vaultfs/log.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void vf_daemon_fill_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        (void)close(fd);
}

int vf_daemon_fork(pid_t *ret_child, int *ret_fd, struct vf_error *err)
{
    int fds[2];

    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return vf_error_set(err, errno, "cannot make a pipe: %s",
                            strerror(errno));
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        int code = errno;

        (void)close(fds[0]);
        (void)close(fds[1]);
        return vf_error_set(err, code, "cannot fork: %s", strerror(code));
    }
    if (child == 0)
        (void)setsid();
    (void)close(fds[child == 0 ? 0 : 1]);
    *ret_fd = fds[child == 0 ? 1 : 0];
    *ret_child = child;
    return 0;
}

static void read_all(int fd, struct vf_buf *ret)
{
    char chunk[512];
    ssize_t size;

    while ((size = read(fd, chunk, sizeof(chunk))) != 0) {
        if (size > 0)
            vf_buf_append(ret, chunk, (size_t)size);
        else if (errno != EINTR)
            break;
    }
}

static int complain_of_silence(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        (void)fprintf(stderr,
                      "vaultfs: signal %d (%s) ended the mount before "
                      "it was ready\n",
                      WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)fprintf(stderr, "vaultfs: the mount ended before it was ready, "
                              "without a reason\n");
    return 1;
}

int vf_daemon_wait(pid_t child, int fd)
{
    struct vf_buf report = VF_BUF_INIT;
    int status;

    read_all(fd, &report);
    (void)close(fd);
    if (report.size == 0) {
        status = complain_of_silence(child);
    } else {
        status = (unsigned char)report.data[0];
        if (report.size > 1)
            (void)fprintf(stderr, "vaultfs: %s\n", report.data + 1);
    }
    vf_buf_free(&report);
    return status;
}

int vf_daemon_report(int fd, int status, const char *text)
{
    struct vf_buf report = VF_BUF_INIT;
    const char first = (char)status;
    int result = 0;

    vf_buf_append(&report, &first, 1);
    vf_buf_puts(&report, text != NULL ? text : "");
    /* Less than PIPE_BUF: one write takes it whole. */
    if (report.is_broken)
        result = -ENOMEM;
    else if (write(fd, report.data, report.size) < 0)
        result = -errno;
    (void)close(fd);
    vf_buf_free(&report);
    return result;
}

int vf_daemon_settle(struct vf_error *err)
{
    struct stat st;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || chdir("/") < 0)
        return vf_error_set(err, errno, "cannot go into the background: %s",
                            strerror(errno));
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    if (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode)) {
        (void)dup2(null, STDERR_FILENO);
        vf_log_to_syslog();
    }
    (void)close(null);
    return 0;
}
