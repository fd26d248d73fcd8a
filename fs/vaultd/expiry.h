/* SPDX-License-Identifier: MIT
 *
 * When something shall end, as people say it.
 */
#ifndef VAULTD_EXPIRY_H
#define VAULTD_EXPIRY_H

#include "vaultfs/error.h"

/*
 * "30d" (a number and s, m, h, d or w, counted from now) or a time in RFC 3339.
 * Microseconds since 1970. -EINVAL for anything else, for what is not ahead,
 * and for what is more than a hundred years ahead.
 */
VF_MUST_CHECK int vf_expiry_parse(const char *text, int64_t now_us,
                                  int64_t *ret_us, struct vf_error *err);

#endif
