/* SPDX-License-Identifier: MIT
 *
 * File names of credentials, for a service that has no place for them: a small
 * file for each service, per user and machine, shared by all mounts. It is
 * replaced as a whole, under a lock. Names go when we delete what they are of;
 * nothing else tells for sure that an id is gone for all who share the file.
 *
 * Thread-safe. Blocks for local files only, and who changes names for others
 * that do, until deadline_ms (CLOCK_MONOTONIC): -ETIMEDOUT. Hold no lock.
 */
#ifndef VF_API_NAMES_H
#define VF_API_NAMES_H

#include "vaultfs/error.h"

struct vf_names;
struct vf_object;

/*
 * The names of the service with this base URL, in a directory that is made
 * (0700) when the first is kept. Both are borrowed for the call. *ret is
 * released with vf_names_free(). -ENOMEM.
 */
VF_MUST_CHECK int vf_names_new(const char *directory, const char *service,
                               struct vf_names **ret);
void vf_names_free(struct vf_names *names); /* NULL is allowed */

/* The name of a credential, to be freed, or NULL when there is none; names NULL
 * has none. Errors: -EBADMSG when the file is not ours or not what we write,
 * others of open(2); a file that is not there has no names. */
VF_MUST_CHECK int vf_names_find(struct vf_names *names, const char *vault_id,
                                const char *id, char **ret,
                                struct vf_error *err);

/* The same for objects of one vault: name is set, and label freed, where there
 * is one. */
VF_MUST_CHECK int vf_names_fill(struct vf_names *names, const char *vault_id,
                                struct vf_object *objects, size_t count,
                                struct vf_error *err);

/* name NULL: none from now on. */
struct vf_name_change {
    const char *id;
    const char *name;
};

/* Change the names of one vault's credentials, all or none. Errors as above,
 * and those of writing a file. names NULL: does nothing. */
VF_MUST_CHECK int vf_names_change(struct vf_names *names, const char *vault_id,
                                  const struct vf_name_change *changes,
                                  size_t count, int64_t deadline_ms,
                                  struct vf_error *err);

/* See that they could be changed: there is a place, and what is there can be
 * read. */
VF_MUST_CHECK int vf_names_check(struct vf_names *names, int64_t deadline_ms,
                                 struct vf_error *err);

/* All of a vault's are gone. */
VF_MUST_CHECK int vf_names_forget(struct vf_names *names, const char *vault_id,
                                  int64_t deadline_ms, struct vf_error *err);

#endif
