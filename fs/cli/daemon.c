/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include "place.h"

#include "vaultfs/log.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_NAME "vaultfs.log"

void vf_daemon_fill_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        (void)close(fd);
}

static void close_all_but(int kept_fd)
{
    unsigned first = STDERR_FILENO + 1, kept = (unsigned)kept_fd;

    if (kept_fd >= (int)first) {
        if (kept > first)
            (void)close_range(first, kept - 1, 0);
        first = kept + 1;
    }
    (void)close_range(first, ~0U, 0);
}

int vf_daemon_fork(int kept_fd, pid_t *ret_child, int *ret_fd,
                   struct vf_error *err)
{
    int fds[2];

    close_all_but(kept_fd);
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
    else if (kept_fd > STDERR_FILENO)
        (void)close(kept_fd);
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

/* Whatever it holds. The child has its own copy, and reads the token there. */
static void wipe_environment(void)
{
    for (char **variable = environ; *variable != NULL; variable++)
        vf_wipe(*variable, strlen(*variable));
    (void)clearenv();
}

int vf_daemon_wait(pid_t child, int fd)
{
    struct vf_buf report = VF_BUF_INIT;
    int status;

    wipe_environment();
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

static bool is_syslog_there(void)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    const struct sockaddr_un address = {.sun_family = AF_UNIX,
                                        .sun_path = _PATH_LOG};
    bool is_there = false;

    for (size_t i = 0; !is_there && i < 2; i++) {
        int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);

        is_there = connect(fd, (const struct sockaddr *)&address,
                           sizeof(address)) == 0;
        if (fd >= 0)
            (void)close(fd);
    }
    return is_there;
}

/* A file of our own. On success its path is appended. */
static int open_own_log(int *ret_fd, struct vf_buf *path)
{
    char *directory = vf_place_find("XDG_STATE_HOME", ".local/state");
    int directory_fd;
    int result = directory != NULL
                     ? vf_place_open(directory, &directory_fd, NULL)
                     : -ENOMEM;

    if (result == 0) {
        result = vf_place_open_log(directory_fd, LOG_NAME, ret_fd, NULL);
        (void)close(directory_fd);
    }
    if (result == 0)
        vf_buf_printf(path, "%s/" LOG_NAME, directory);
    free(directory);
    return result;
}

/* Where nobody may be looking any more, say where to look from now on. When
 * there is no place at all a terminal is better than none; but whoever reads
 * from a pipe would wait for its end as long as the mount lives. */
static void settle_log(int null_fd, struct vf_buf *notice)
{
    struct stat st;
    struct vf_buf path = VF_BUF_INIT;
    int log_fd;

    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        return;
    if (is_syslog_there()) {
        vf_log_to_syslog();
        (void)dup2(null_fd, STDERR_FILENO);
        vf_buf_puts(notice, "errors are logged to syslog");
    } else if (open_own_log(&log_fd, &path) == 0) {
        (void)dup2(log_fd, STDERR_FILENO);
        (void)close(log_fd);
        vf_buf_puts(notice, "errors are logged to ");
        vf_buf_put_escaped(notice, path.data, path.size);
    } else if (!isatty(STDERR_FILENO)) {
        (void)dup2(null_fd, STDERR_FILENO);
        vf_buf_puts(notice, "errors are logged nowhere: there is no syslog, "
                            "and no place for a file");
    }
    vf_buf_free(&path);
}

int vf_daemon_settle(struct vf_buf *notice, struct vf_error *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || chdir("/") < 0)
        return vf_error_set(err, errno, "cannot go into the background: %s",
                            strerror(errno));
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    settle_log(null, notice);
    (void)close(null);
    return 0;
}
