/* SPDX-License-Identifier: MIT
 *
 * The only type that carries a secret.
 *
 * Each secret is a mapping of its own: locked in memory, left out of core
 * dumps, wiped before it is unmapped; a forked child does not have it, and must
 * not touch it. There is no formatter for it, on purpose.
 * It is a growable byte buffer with a reference count; the count is atomic, the
 * content belongs to one thread at a time until it is shared read-only.
 */
#ifndef VAULTFS_SECRET_H
#define VAULTFS_SECRET_H

#include "vaultfs/error.h"

struct vf_secret;

/*
 * A new empty secret with room for at least capacity bytes; *ret holds the one
 * reference, drop it with vf_secret_unref(). Errors: -ENOMEM when no page can
 * be mapped or locked (the message names RLIMIT_MEMLOCK).
 */
VF_MUST_CHECK int vf_secret_new(size_t capacity, struct vf_secret **ret,
                                struct vf_error *err);

/* vf_secret_new() and vf_secret_append() in one. */
VF_MUST_CHECK int vf_secret_from(const void *data, size_t size,
                                 struct vf_secret **ret, struct vf_error *err);

struct vf_secret *vf_secret_ref(struct vf_secret *secret);

/* Wipes and unmaps with the last reference. NULL is allowed; returns NULL. */
struct vf_secret *vf_secret_unref(struct vf_secret *secret);

/* Valid until the secret grows or goes. Never NULL; not NUL-terminated. */
char *vf_secret_data(const struct vf_secret *secret);
size_t vf_secret_size(const struct vf_secret *secret);

/*
 * Add bytes at the end; grows by moving, and wipes what it leaves behind.
 * -ENOMEM as vf_secret_new(), the content is then unchanged.
 */
VF_MUST_CHECK int vf_secret_append(struct vf_secret *secret, const void *data,
                                   size_t size, struct vf_error *err);

/* Overwrite and extend at an offset that is at most the size. As append. */
VF_MUST_CHECK int vf_secret_write(struct vf_secret *secret, size_t offset,
                                  const void *data, size_t size,
                                  struct vf_error *err);

/* Shorten to size bytes, wiping the rest. A larger size changes nothing. */
void vf_secret_truncate(struct vf_secret *secret, size_t size);

/* Overwrite memory in a way that the compiler keeps. NULL is allowed. */
void vf_wipe(void *data, size_t size);

/*
 * Keep this process's memory to itself: not dumpable, no core file. Builds
 * with a sanitizer leave the process dumpable, or LeakSanitizer is blind.
 */
void vf_secret_harden_process(void);

#endif
