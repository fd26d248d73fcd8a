/* SPDX-License-Identifier: MIT
 *
 * The user's own directories, and logs in them that do not grow without end.
 */
#ifndef VAULTFS_CLI_PLACE_H
#define VAULTFS_CLI_PLACE_H

#include "vaultfs/error.h"

/* Bytes. A log that is larger when it is begun becomes NAME.old. */
#define VF_PLACE_LOG_MAX (1024 * 1024)

/*
 * Ours below the directory that an XDG variable names, or below its default in
 * the user's home: vf_place_find("XDG_STATE_HOME", ".local/state"). Reads the
 * environment. To be freed with free(); NULL: no memory.
 */
char *vf_place_find(const char *variable, const char *fallback);

/* PATH/NAME, to be freed with free(); NULL: no memory, or path is NULL. */
char *vf_place_join(const char *path, const char *name);

/*
 * Make the directory as needed, and those above it, for nobody but us, and open
 * it, close-on-exec. -EACCES when it is another's or others may write there.
 */
VF_MUST_CHECK int vf_place_open(const char *path, int *ret_fd,
                                struct vf_error *err);

/* Begin a log in a directory, or go on with it: 0600, for reading too, what is
 * written comes at its end; close-on-exec. */
VF_MUST_CHECK int vf_place_open_log(int directory_fd, const char *name,
                                    int *ret_fd, struct vf_error *err);

#endif
