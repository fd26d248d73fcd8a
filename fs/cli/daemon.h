/* SPDX-License-Identifier: MIT
 *
 * Into the background, once it is known that all is well.
 *
 * The process that the user started forks before there is any thread and waits;
 * the other one does the work, reports through a pipe, and stays. So the exit
 * status and the reason that the user sees are those of the real mount.
 */
#ifndef VAULTFS_CLI_DAEMON_H
#define VAULTFS_CLI_DAEMON_H

#include "vaultfs/error.h"

struct vf_buf;

/* Have 0, 1 and 2 open, on /dev/null where they are not: a lock that was opened
 * as descriptor 0 would be lost when standard input is replaced. */
void vf_daemon_fill_standard(void);

/*
 * Close every descriptor above 2 but kept_fd (-1: none) and fork. Returns 0
 * twice: where *ret_child is above 0 it is the process to wait for with
 * vf_daemon_wait(), where it is 0 this is the new process, a session of its
 * own, and the one that has kept_fd. *ret_fd is the end of the report's pipe
 * for either.
 */
VF_MUST_CHECK int vf_daemon_fork(int kept_fd, pid_t *ret_child, int *ret_fd,
                                 struct vf_error *err);

/* Wait for the report, say its text on standard error, and return its status;
 * 1, and a text of our own, when the child ends without a word. Who waits needs
 * no environment: this wipes it, as there may be tokens in it. */
VF_MUST_CHECK int vf_daemon_wait(pid_t child, int fd);

/* Report and close the pipe. text is borrowed; NULL or "" for nothing to say.
 * -EPIPE when nobody waits any more. SIGPIPE must be ignored. */
VF_MUST_CHECK int vf_daemon_report(int fd, int status, const char *text);

/*
 * Let go of where we were started: the directory, standard input and output.
 * Standard error is kept when it is a regular file, because then the user wants
 * the log there. Otherwise the log goes, from now on, to syslog where there is
 * one, else to a file of our own, $XDG_STATE_HOME/vaultfs/vaultfs.log, and one
 * line that says so is appended to notice. Where neither can be had standard
 * error is kept, whatever it is.
 */
VF_MUST_CHECK int vf_daemon_settle(struct vf_buf *notice, struct vf_error *err);

#endif
