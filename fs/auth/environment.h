/* SPDX-License-Identifier: MIT
 *
 * Tokens in the environment block, where others can see them.
 */
#ifndef VF_AUTH_ENVIRONMENT_H
#define VF_AUTH_ENVIRONMENT_H

#include "vaultfs/auth.h"

/* Overwrite and unset every variable that the options name: one that holds a
 * token which is not in use is as much of a secret. */
void vf_auth_wipe_variables(const struct vf_auth_options *options);

#endif
