/* SPDX-License-Identifier: MIT
 *
 * Places in the local file system.
 */
#ifndef VAULTFS_PATH_H
#define VAULTFS_PATH_H

#include "vaultfs/error.h"

/* Make a directory, and those above it, for nobody but us (0700); those that
 * are there stay as they are. Errors: those of mkdir(2), with a message that
 * names the one that could not be made. Blocks for local files only. */
VF_MUST_CHECK int vf_path_make(const char *path, struct vf_error *err);

#endif
