/* SPDX-License-Identifier: MIT
 *
 * A directory for the files of a test, and what tests ask of a source.
 */
#ifndef VAULTFS_TESTS_AUTH_SOURCES_H
#define VAULTFS_TESTS_AUTH_SOURCES_H

#include "source.h"
#include "vaultfs/secret.h"

#include <sys/types.h>

/* Refusals must not say this word. */
#define CANARY "canary"

/* Of a group of tests. */
int sources_make_directory(void **state);
int sources_remove_directory(void **state);

/* In the directory; good until the next call but three. */
const char *sources_path(const char *name);

/* A new file, also where one is; returns its path. */
const char *sources_write_bytes(const char *name, const void *bytes,
                                size_t size, mode_t mode);
const char *sources_write(const char *name, const char *text);

/* Options with nothing configured. */
struct vf_auth_options sources_nothing(void);

/* The source that is found; there must be one. */
struct vf_auth_source *sources_find(const struct vf_auth_options *options);

/* The next read gives this token, which ends then. */
void sources_expect(struct vf_auth_source *source, const char *token,
                    int64_t expires_s);

/* The next read fails, with a reason that has these words (NULL: any). */
void sources_refuse(struct vf_auth_source *source, int code, const char *words,
                    struct vf_error *ret);

#endif
