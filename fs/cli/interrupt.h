/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C before a mount is ready. Who ends the start of a mount, by SIGINT,
 * SIGTERM, SIGHUP or SIGQUIT, ends all of it: the process in the background,
 * what that runs, and a mount point that was made for it. Then the process ends
 * by that very signal, as who sent it expects.
 *
 * A signal that this process ignores (nohup) stays ignored. A mount that serves
 * takes its signals over.
 */
#ifndef VAULTFS_CLI_INTERRUPT_H
#define VAULTFS_CLI_INTERRUPT_H

#include "vaultfs/error.h"

/* From now on. To be called once, while there is one thread. */
void vf_interrupt_catch(void);

/* Make a directory, 0700, that a signal removes again, unless something is
 * mounted there by then. 0 or a negative errno. */
VF_MUST_CHECK int vf_interrupt_mkdir(const char *path);

/*
 * As vf_daemon_fork(). In the one that waits a signal ends the new process, and
 * kills it if that takes longer than 10 s; but one that comes when the report
 * is there comes too late, and does nothing. In the new process signals do what
 * they do by default.
 */
VF_MUST_CHECK int vf_interrupt_fork(int kept_fd, pid_t *ret_child, int *ret_fd,
                                    struct vf_error *err);

#endif
