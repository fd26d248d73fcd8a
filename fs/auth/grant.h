/* SPDX-License-Identifier: MIT
 *
 * The JSON object that gives a token: {"access_token": ..., "expires_at": ...}.
 */
#ifndef VF_AUTH_GRANT_H
#define VF_AUTH_GRANT_H

#include "source.h"

/*
 * access_token must be there; of its end tell expires_in, in seconds, or
 * expires_at, RFC 3339; null is as absent, and other members do not count.
 * asked_s: when it was asked for (CLOCK_REALTIME), from which expires_in
 * counts; 0: nobody knows, and expires_in does not count. An expires_at in the
 * past is taken as it is. *ret's token is not checked. -EINVAL: the text is not
 * that, or expires_in is not positive; the message names a member, or a byte's
 * offset, and quotes nothing. -ENOMEM.
 */
VF_MUST_CHECK int vf_auth_grant_parse(const char *text, size_t size,
                                      int64_t asked_s,
                                      struct vf_auth_reading *ret,
                                      struct vf_error *err);

#endif
