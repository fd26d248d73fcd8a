/* SPDX-License-Identifier: MIT
 *
 * Starting the embedded service again when it ends under a living mount.
 */
#ifndef VAULTFS_CLI_KEEPER_H
#define VAULTFS_CLI_KEEPER_H

#include "vaultfs/error.h"

/*
 * Keep the service of this name up from now on to the end of this process, from
 * a thread that nobody has to end. Each restart is a warning in the log, each
 * failure to start an error. -ENOMEM, -EAGAIN: no thread.
 */
VF_MUST_CHECK int vf_keeper_start(const char *local_name, struct vf_error *err);

#endif
