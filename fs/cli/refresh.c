/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "control.h"

#include <stdlib.h>

enum vf_exit vf_command_refresh(const struct vf_options *options)
{
    struct vf_error err = {0};
    char *mountpoint;

    if (vf_control_mountpoint(options, &mountpoint, &err) < 0)
        return vf_complain(VF_EXIT_LOCAL, &err);
    int result = vf_control_touch(mountpoint, "refresh", &err);
    free(mountpoint);
    return result < 0 ? vf_complain(VF_EXIT_LOCAL, &err) : VF_EXIT_DONE;
}
