/* SPDX-License-Identifier: MIT
 *
 * Saying to people what went wrong, and what the program exits with.
 */
#ifndef VAULTFS_CLI_COMPLAIN_H
#define VAULTFS_CLI_COMPLAIN_H

#include "vaultfs/error.h"

struct vf_buf;

/* What a command ends with. */
enum vf_exit {
    VF_EXIT_DONE = 0,
    VF_EXIT_LOCAL = 1,  /* usage, or trouble on this machine */
    VF_EXIT_SERVICE = 2 /* the service, or access to it */
};

/* Append one line, escaped, without a newline. */
void vf_complain_text(const struct vf_error *err, struct vf_buf *out);

/* That line on standard error. Returns status. */
enum vf_exit vf_complain(enum vf_exit status, const struct vf_error *err);

#endif
