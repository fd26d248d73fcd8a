/* SPDX-License-Identifier: MIT
 *
 * The work is done in the signal's handler, because at no point of a start is
 * there anybody who could be woken for it: it waits for a pipe, a command, a
 * reply. All that it calls is async-signal-safe. What it reads is written while
 * the signals are held.
 *
 * The process in the background dies of SIGTERM, or ends by it once it has
 * mounted; either way it is waited for, so that the mount point is free and who
 * sent the signal finds nothing left.
 */
#include "interrupt.h"

#include "daemon.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* For a process that should be gone at once; then it is killed. */
#define END_MAX_MS 10000

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

/* The process's, as signals are. */
static struct {
    char made[PATH_MAX]; /* a directory; "": none */
    pid_t child;         /* 0: none */
    int report_fd;       /* the child's report comes there */
} start;

static void end_child(void)
{
    struct pollfd end = {.fd = pidfd_open(start.child, 0), .events = POLLIN};

    (void)kill(start.child, SIGTERM);
    if (poll(&end, 1, END_MAX_MS) <= 0)
        (void)kill(start.child, SIGKILL);
    (void)waitpid(start.child, NULL, 0);
}

static void on_signal(int number)
{
    struct pollfd report = {.fd = start.report_fd, .events = POLLIN};
    int saved_errno = errno;

    if (start.child > 0 && poll(&report, 1, 0) == 0)
        end_child();
    else if (start.child > 0 && (report.revents & POLLNVAL) == 0)
        return; /* it is about to be read, and that is the end */
    if (start.made[0] != '\0')
        (void)rmdir(start.made);
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* held until we return */
    errno = saved_errno;
}

static void fill(sigset_t *set)
{
    (void)sigemptyset(set);
    for (size_t i = 0; i < NUMBERS; i++)
        (void)sigaddset(set, numbers[i]);
}

static void hold(sigset_t *ret_before)
{
    sigset_t held;

    fill(&held);
    (void)sigprocmask(SIG_BLOCK, &held, ret_before);
}

static void handle(void (*handler)(int number))
{
    struct sigaction now,
        action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    fill(&action.sa_mask);
    for (size_t i = 0; i < NUMBERS; i++)
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL);
}

void vf_interrupt_catch(void)
{
    handle(on_signal);
}

int vf_interrupt_mkdir(const char *path)
{
    sigset_t before;
    int result = 0;

    hold(&before);
    if (mkdir(path, 0700) < 0)
        result = -errno;
    else
        memcpy(start.made, path, strlen(path) + 1);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return result;
}

int vf_interrupt_fork(int kept_fd, pid_t *ret_child, int *ret_fd,
                      struct vf_error *err)
{
    sigset_t before;

    hold(&before);
    int result = vf_daemon_fork(kept_fd, ret_child, ret_fd, err);
    if (result == 0 && *ret_child == 0) {
        handle(SIG_DFL);
    } else if (result == 0) {
        start.child = *ret_child;
        start.report_fd = *ret_fd;
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return result;
}
