/* SPDX-License-Identifier: MIT
 *
 * Striking secrets out of what a service says: an error text may echo the
 * request.
 */
#ifndef VF_API_REDACT_H
#define VF_API_REDACT_H

#include "vaultfs/error.h"

struct vf_secret;

/* This many bytes of a secret in a row are struck out; a shorter secret only
 * as a whole. */
#define VF_REDACT_PART_MIN 12

/*
 * vf_error_copy() that puts [...] in the place of every secret and every part
 * of one: as it is, JSON-escaped, percent-encoded, or escaped in both ways.
 * Entries of secrets may be NULL. Text beyond 2 KiB is not looked at, and not
 * copied.
 */
void vf_redact_copy(char *field, size_t field_size, const char *text,
                    const struct vf_secret *const *secrets,
                    size_t secrets_count);

#endif
