/* SPDX-License-Identifier: MIT
 *
 * Jobs that share a transaction, and what becomes of them when the disk is
 * full.
 */
#ifndef VAULTD_GROUP_H
#define VAULTD_GROUP_H

#include "store.h"

struct vf_reserve;

/* What is the writer thread's alone. Pointers are borrowed. */
struct vf_writer {
    struct vf_access access;
    struct vf_reserve *reserve;
    const char *path; /* of the database, for messages */
};

/* One of a group; a list that ends in NULL. */
struct vf_job {
    enum vf_store_effect effect;
    vf_store_job *run;
    void *context;
    struct vf_error *err; /* or NULL */
    int result;           /* after vf_group_run(), with err filled */
    struct vf_job *next;
};

/*
 * Run all in order in one transaction, each to its own result: 0 means on the
 * disk. What is shared is lost for all. A job may be run more than once; the
 * last time counts. Blocks for the disk.
 */
void vf_group_run(const struct vf_writer *writer, struct vf_job *group);

#endif
