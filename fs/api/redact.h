/* SPDX-License-Identifier: MIT
 *
 * Striking secrets out of what a service says: an error text may echo the
 * request, and so may an object.
 */
#ifndef VF_API_REDACT_H
#define VF_API_REDACT_H

#include "vaultfs/error.h"

#include <limits.h>
#include <stdbool.h>

struct vf_secret;

/* What a request carries that must not come back. Borrowed. */
struct vf_in_flight {
    const struct vf_secret *const *secrets; /* entries may be NULL */
    size_t count;
    const struct vf_secret *token; /* the access token, or NULL */
    const struct vf_secret *body;  /* as JSON, with secrets and all; or NULL */
};

/* Stands where something was struck out. */
#define VF_REDACT_MARK "[...]"

/* This many bytes of a secret in a row are struck out; a shorter secret only
 * as a whole. */
#define VF_REDACT_PART_MIN 12

/* A secret that is shorter than this is not looked for inside the strings of an
 * object, only as one: too much of what is harmless has it. */
#define VF_REDACT_INSIDE_MIN 8

/* What tells at little cost that a text has no part of a secret. Wiped by who
 * made it: it knows which bytes the secrets are made of. */
struct vf_sieve {
    size_t window; /* the shortest part that is struck out */
    bool is_in_secret[UCHAR_MAX + 1];
};
void vf_sieve_init(struct vf_sieve *sieve,
                   const struct vf_in_flight *in_flight);
/* False: vf_redact_mark() would find nothing. */
bool vf_sieve_may_have(const struct vf_sieve *sieve, const char *text,
                       size_t size);

/* Sets is_struck[i], for each of the bytes of a text that a secret came from;
 * secrets shorter than inside_min must be all of it. */
void vf_redact_mark(const char *text, size_t size,
                    const struct vf_in_flight *in_flight, size_t inside_min,
                    bool *is_struck);

/*
 * vf_error_copy() that puts [...] in the place of every secret and every part
 * of one: as it is, JSON-escaped, percent-encoded, or escaped in both ways.
 * Text beyond 2 KiB is not looked at, and not copied.
 */
void vf_redact_copy(char *field, size_t field_size, const char *text,
                    const struct vf_in_flight *in_flight);

/*
 * The same in the strings, names and numbers of a JSON text of any size, which
 * stays one if it is one. A string that the request had, too, and not as a
 * secret, is left alone. *ret is a new text, freed with free(), or NULL where
 * there was nothing to strike out. -ENOMEM.
 */
VF_MUST_CHECK int vf_redact_json(const char *text, size_t size,
                                 const struct vf_in_flight *in_flight,
                                 char **ret, size_t *ret_size);

#endif
