/* SPDX-License-Identifier: MIT
 *
 * The commands. Each takes checked options with the right number of operands,
 * says what there is to say, and returns the program's exit status.
 */
#ifndef VAULTFS_CLI_COMMANDS_H
#define VAULTFS_CLI_COMMANDS_H

#include "complain.h"

struct vf_options;

enum vf_exit vf_command_mount(const struct vf_options *options);
enum vf_exit vf_command_umount(const struct vf_options *options);
enum vf_exit vf_command_check(const struct vf_options *options);
enum vf_exit vf_command_status(const struct vf_options *options);
enum vf_exit vf_command_why(const struct vf_options *options);
enum vf_exit vf_command_refresh(const struct vf_options *options);

/*
 * The absolute path of a mount point, symbolic links followed. One whose daemon
 * was killed is still found. *ret is freed with free(). Errors: -ENOENT and
 * others of realpath(3), with a message.
 */
VF_MUST_CHECK int vf_command_resolve(const char *mountpoint, char **ret,
                                     struct vf_error *err);

#endif
