/* SPDX-License-Identifier: MIT
 *
 * The place of a store. Who may write there could put another key or database
 * in place of ours.
 */
#ifndef VAULTD_DIRECTORY_H
#define VAULTD_DIRECTORY_H

#include "vaultfs/error.h"

/* -EACCES for a directory that is not ours, or that others may enter. */
VF_MUST_CHECK int vf_directory_check(const char *dir, struct vf_error *err);

/* Make a directory (0700) and those above it, as far as they are missing; then
 * as vf_directory_check(). */
VF_MUST_CHECK int vf_directory_make(const char *dir, struct vf_error *err);

#endif
