/* SPDX-License-Identifier: MIT
 *
 * The journal's files: slots of one size, each with one line of text or none.
 * A file belongs to the process that holds its flock(2).
 */
#ifndef JOURNAL_FILE_H
#define JOURNAL_FILE_H

#include "vaultfs/error.h"
#include "vaultfs/text.h"

#define VF_JOURNAL_SLOT_SIZE 512
/* "journal-", 16 hex digits that stand for the service, "-", a UUID */
#define VF_JOURNAL_PREFIX_SIZE 32
#define VF_JOURNAL_FILE_SIZE (VF_JOURNAL_PREFIX_SIZE + VF_UUID_SIZE)

/* The directory, made if it is missing, close-on-exec. -EACCES when it is not
 * ours alone. */
VF_MUST_CHECK int vf_journal_directory(const char *path, int *ret_fd,
                                       struct vf_error *err);

/* A new file of our own, locked, whose name begins with prefix. */
VF_MUST_CHECK int vf_journal_file_make(
    int directory_fd, const char *prefix,
    char ret_name[static VF_JOURNAL_FILE_SIZE], int *ret_fd);

/* line NULL: empty the slot. It must fit, with a newline behind it. */
VF_MUST_CHECK int vf_journal_file_put(int fd, size_t slot, const char *line);

/*
 * Go through the files with the prefix whose processes have ended: each is
 * locked, its lines are given to take, and it is removed when all were taken.
 */
void vf_journal_file_inherit(int directory_fd, const char *prefix,
                             bool (*take)(void *context, const char *line),
                             void *context);

#endif
