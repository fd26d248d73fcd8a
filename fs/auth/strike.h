/* SPDX-License-Identifier: MIT
 *
 * Text of others for people: what a command or a service said, without the
 * secret that it was given.
 */
#ifndef VF_AUTH_STRIKE_H
#define VF_AUTH_STRIKE_H

#include "vaultfs/error.h"

struct vf_secret;

/* Bytes of a text that are shown at most. */
#define VF_AUTH_STRIKE_MAX 1024

/*
 * Copy text into a fixed field, escaped for a terminal, always terminated, cut
 * at a character. In the place of the secret, and of every 8 bytes or more of
 * it, stands [...]; also where it is percent-encoded or has backslashes before
 * its characters. So it does in the place of what looks like a secret that is
 * not known here: a word of 20 letters and digits or more that is none of a
 * language. secret: NULL for none. A text that the caller has cut itself
 * should have twice as many bytes as are shown, or may end in a part of the
 * secret that is not known for one.
 */
void vf_auth_strike_copy(char *field, size_t field_size, const char *text,
                         size_t size, const struct vf_secret *secret);

#endif
