/* SPDX-License-Identifier: MIT
 *
 * The tree of vaults and credentials as files: nodes, names, listings and
 * their freshness, drafts and commits. Knows nothing of FUSE, HTTP or JSON.
 */
#ifndef VAULTFS_TREE_H
#define VAULTFS_TREE_H

#include "vaultfs/api.h"
#include "vaultfs/error.h"

#include <stdbool.h>
#include <sys/stat.h>

struct vf_tree;

struct vf_tree_options {
    struct vf_service service; /* borrowed for the tree's life */
    int64_t ttl_ms;            /* how long a listing is taken as true */
    int64_t stale_if_error_ms; /* how long it serves while the API is down */
    int64_t timeout_ms;        /* per request */
    bool is_read_only;
    bool is_rm_archive; /* rm archives instead of deleting */
    uid_t uid;          /* owner of everything */
    gid_t gid;
    vf_record_sink *sink; /* every failure, from any thread, no lock held */
    void *sink_context;
};

VF_MUST_CHECK int vf_tree_new(const struct vf_tree_options *options,
                              struct vf_tree **ret, struct vf_error *err);

/*
 * Ask the service for the first page of vaults, to prove that it is there and
 * takes the token. The page is used for the first look at the root while it is
 * fresh. Blocks for one request. Errors: those of list_vaults.
 */
VF_MUST_CHECK int vf_tree_probe(struct vf_tree *tree, struct vf_error *err);

/* End every wait with -EINTR, now and from now on. From any thread. Who owns
 * the service ends its requests. */
void vf_tree_shutdown(struct vf_tree *tree);

/* Waits for work in flight: shut the service down first. NULL is allowed. */
void vf_tree_free(struct vf_tree *tree);

#endif
