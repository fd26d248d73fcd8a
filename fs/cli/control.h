/* SPDX-License-Identifier: MIT
 *
 * A mount as its user sees it from outside: the files of its control directory.
 */
#ifndef VAULTFS_CLI_CONTROL_H
#define VAULTFS_CLI_CONTROL_H

#include "vaultfs/error.h"

struct vf_json;
struct vf_options;

/*
 * The mount point that was named as the only operand, or else the one that this
 * user has; *ret is freed with free(). Errors: -EINVAL when nothing of ours is
 * mounted there, when there is none, and when there are several, which the
 * message then lists; those of vf_command_resolve().
 */
VF_MUST_CHECK int vf_control_mountpoint(const struct vf_options *options,
                                        char **ret, struct vf_error *err);

/* The text of a control file; freed with free(). Errors: -ENOTCONN for a mount
 * whose daemon has ended, -EFBIG, others of open(2) and read(2); the message
 * says what to do. */
VF_MUST_CHECK int vf_control_read(const char *mountpoint, const char *name,
                                  char **ret, size_t *ret_size,
                                  struct vf_error *err);

/* The same, parsed: one object; freed with vf_json_free(). */
VF_MUST_CHECK int vf_control_read_object(const char *mountpoint,
                                         const char *name, struct vf_json **ret,
                                         struct vf_error *err);

/* Open one for writing, and close it. Errors as above. */
VF_MUST_CHECK int vf_control_touch(const char *mountpoint, const char *name,
                                   struct vf_error *err);

#endif
