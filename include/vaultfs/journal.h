/* SPDX-License-Identifier: MIT
 *
 * Idempotency keys of creations whose outcome is not known, so that the same
 * creation, tried again by whom ever, also by the daemon after this one, goes
 * under the same key. Holds vault ids, file names and keys; never a secret.
 *
 * They are kept in memory, and for the daemon after this one in a file, where
 * there is a directory for it and room in that. One file for each daemon, under
 * an flock(2) that goes with its process: a file whose lock is free was left by
 * a daemon that was killed, and its entries are taken over. An entry is in the
 * file before the request is sent. Thread-safe; blocks for local files only.
 */
#ifndef VAULTFS_JOURNAL_H
#define VAULTFS_JOURNAL_H

#include "vaultfs/error.h"
#include "vaultfs/text.h"

struct vf_journal;

/*
 * directory is made (0700) if it is missing; NULL: no file, which fails only
 * for want of memory. service tells services apart that share it: the base URL;
 * borrowed for the call. Errors: -EACCES when the directory is not ours alone,
 * others of open(2). *ret is released with vf_journal_close(), which leaves no
 * file when no outcome is unknown.
 */
VF_MUST_CHECK int vf_journal_open(const char *directory, const char *service,
                                  struct vf_journal **ret,
                                  struct vf_error *err);
void vf_journal_close(struct vf_journal *journal); /* NULL is allowed */

/*
 * The key under which name is to be made in a vault ("" for a vault itself):
 * that of an earlier attempt whose outcome is unknown and that is younger than
 * a day, else a new one. *ret_is_old says which. journal NULL, or no memory: a
 * new key, kept nowhere.
 */
void vf_journal_begin(struct vf_journal *journal, const char *vault_id,
                      const char *name, char ret_key[static VF_UUID_SIZE],
                      bool *ret_is_old);

/* How that ended. key NULL: the outcome is known; else the key of the last
 * attempt, whose outcome is not. journal may be NULL. */
void vf_journal_end(struct vf_journal *journal, const char *vault_id,
                    const char *name, const char *key);

/* Something of this name was seen: the outcome of what is not in flight need
 * not be known any more. Never touches what is. journal may be NULL. */
void vf_journal_settle(struct vf_journal *journal, const char *vault_id,
                       const char *name);

/* Entries younger than a day whose outcome is not known. NULL: 0. */
size_t vf_journal_count(struct vf_journal *journal);

#endif
