/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "options.h"

#include "vaultfs/mount.h"

#include <errno.h>
#include <stdlib.h>

enum vf_exit vf_command_umount(const struct vf_options *options)
{
    struct vf_error err = {0};
    char *mountpoint;

    if (vf_command_resolve(options->operands[0], &mountpoint, &err) < 0)
        return vf_complain(VF_EXIT_LOCAL, &err);
    int result = vf_mount_detach(mountpoint, options->is_lazy, &err);
    if (result == -EBUSY)
        (void)vf_error_set(&err, EBUSY,
                           "%s is in use: end what uses it, or detach it with "
                           "--lazy",
                           mountpoint);
    free(mountpoint);
    return result < 0 ? vf_complain(VF_EXIT_LOCAL, &err) : VF_EXIT_DONE;
}
