/* SPDX-License-Identifier: MIT
 *
 * A data directory: the key, the database, one writer, several readers.
 */
#ifndef VAULTD_STORE_H
#define VAULTD_STORE_H

#include "id.h"

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_db;
struct vf_seal;
struct vf_store;

/*
 * Open DIR, making it (0700), its key and its database where they are not
 * there. Several processes may have one store open: the server, and commands
 * beside it. Errors: -EACCES as vf_directory_check(), -EKEYREJECTED when
 * the key is not the database's, those of vf_seal_new(), vf_schema_upgrade()
 * and the file system.
 */
VF_MUST_CHECK int vf_store_open(const char *dir, bool may_create,
                                struct vf_store **ret, struct vf_error *err);

/* Does what is queued, then closes. No call may be under way. NULL is allowed.
 */
void vf_store_close(struct vf_store *store);

const struct vf_seal *vf_store_seal(const struct vf_store *store);

/* What a job may use: borrowed until it returns. */
struct vf_access {
    struct vf_db *db;
    const struct vf_seal *seal;
    struct vf_ids *ids; /* NULL for readers */
};

/* Returns 0 or a negative errno with err filled. */
typedef int vf_store_job(void *context, const struct vf_access *access,
                         struct vf_error *err);

/* Run a job on a reader's connection, in this thread, on one snapshot of the
 * database. Waits while all readers are busy. */
VF_MUST_CHECK int vf_store_read(struct vf_store *store, vf_store_job *job,
                                void *context, struct vf_error *err);

/* What a job does to the size of the store: one that makes it smaller may use
 * the room that is kept for when the disk is full. */
enum vf_store_effect { VF_STORE_GROWS, VF_STORE_SHRINKS };

/*
 * Run a job on the writer's thread. 0 means that its changes are on the disk;
 * on failure none of them was made: -ENOSPC when the disk is full. Jobs run one
 * after another; one may be run again, when what it changed had to be undone
 * with the changes of others. Blocks.
 */
VF_MUST_CHECK int vf_store_write(struct vf_store *store,
                                 enum vf_store_effect effect, vf_store_job *job,
                                 void *context, struct vf_error *err);

/*
 * The same, without waiting: whether it came to anything, nobody learns.
 * context was made with malloc() and is the store's from now on, also on
 * failure, which is -ENOMEM. Does not block.
 */
VF_MUST_CHECK int vf_store_post(struct vf_store *store,
                                enum vf_store_effect effect, vf_store_job *job,
                                void *context);

/* How many jobs wait for the writer to take them. */
size_t vf_store_queued(struct vf_store *store);

#endif
