/* SPDX-License-Identifier: MIT
 *
 * A local file that holds a secret: judged before it is read, and watched for
 * another version.
 */
#ifndef VF_AUTH_FILE_H
#define VF_AUTH_FILE_H

#include "vaultfs/error.h"

#include <sys/stat.h>

struct vf_secret;

struct vf_auth_file {
    char *path;        /* owned, absolute */
    const char *noun;  /* "token file"; static, for messages */
    bool allows_group; /* to read what is root's */
    struct stat seen;  /* as it was last read; zeroed: not there */
};

/* *ret is freed with free(). Paths are not resolved: a symbolic link may point
 * to another file when it is read again. -ENOMEM, or from getcwd(3). */
VF_MUST_CHECK int vf_auth_absolute_path(const char *path, char **ret,
                                        struct vf_error *err);

/* The file need not exist. Errors as vf_auth_absolute_path(); a file that was
 * zeroed before may be done all the same. */
VF_MUST_CHECK int vf_auth_file_init(struct vf_auth_file *file, const char *path,
                                    const char *noun, struct vf_error *err);
void vf_auth_file_done(struct vf_auth_file *file);

/*
 * All of its bytes, as a new secret. -EACCES: it is open to others, or belongs
 * to another user than us or root; -EINVAL: not a regular file, or more than
 * max bytes; others from opening and reading it.
 */
VF_MUST_CHECK int vf_auth_file_read(struct vf_auth_file *file, size_t max,
                                    struct vf_secret **ret,
                                    struct vf_error *err);

/* Whether it is another than the last vf_auth_file_read() found, whatever came
 * of that. Costs one stat(2), which takes as long as its disk does. */
bool vf_auth_file_has_changed(const struct vf_auth_file *file);

/* -EINVAL when the file, or the link that it is, lies at or below the mount
 * point, which would hide it. A mount point that is not there hides nothing. */
VF_MUST_CHECK int vf_auth_file_check_place(const struct vf_auth_file *file,
                                           const char *mountpoint,
                                           struct vf_error *err);

/* Append all that can be read; -EINVAL when that is more than max bytes. noun
 * and name say where from, in messages. Blocks as the descriptor does. */
VF_MUST_CHECK int vf_auth_read_to_end(int fd, size_t max,
                                      struct vf_secret *secret,
                                      const char *noun, const char *name,
                                      struct vf_error *err);

#endif
