/* SPDX-License-Identifier: MIT
 *
 * Running vaultd: the program next to our own, else the one in PATH; in its own
 * session, with standard input from /dev/null, no other descriptors than
 * those named here, and no environment variable that may hold a token.
 */
#ifndef VAULTFS_CLI_LAUNCH_H
#define VAULTFS_CLI_LAUNCH_H

#include "vaultfs/error.h"

/* Where the server finds the descriptor to write to when it is ready. */
#define VF_LAUNCH_READY_FD 3

/*
 * Start a server and wait until it writes a byte to VF_LAUNCH_READY_FD. argv
 * ends with NULL; log_fd is open for reading too: the last line that it gets is
 * the reason when the server does not start (-ECONNREFUSED).
 */
VF_MUST_CHECK int vf_launch_server(const char *const argv[], int log_fd,
                                   struct vf_error *err);

/* Run to the end with this standard output. -EREMOTEIO when it fails. */
VF_MUST_CHECK int vf_launch_tool(const char *const argv[], int output_fd,
                                 int log_fd, struct vf_error *err);

#endif
