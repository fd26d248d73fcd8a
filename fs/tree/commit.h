/* SPDX-License-Identifier: MIT
 *
 * A document on its way under a name, whoever brings it: a write that completes
 * a draft, or a rename of a scratch file. Guarded by the tree's lock.
 */
#ifndef TREE_COMMIT_H
#define TREE_COMMIT_H

#include "internal.h"

struct vf_secret;

/*
 * Where a document is to go. What is done is decided by who has the name when
 * the job's turn comes (W-commit and the rules behind it):
 *   VF_INFO_NAME in a vault   the vault's own metadata changes
 *   another name in a vault   a credential is created, rotated or edited
 *   a name at the root        a vault is made from its spec
 */
struct vf_commit {
    struct vf_node *directory;
    const char *name;
    struct vf_secret *bytes; /* the document; taken over, also on failure */
    struct vf_node *node;    /* whose document it was: a draft, whose name goes
                                when the commit fails, or a scratch file, whose
                                name goes when it succeeds; may be NULL */
    pid_t process;           /* who wrote it; 0: unknown */
    bool must_be_new;        /* -EEXIST when another node has the name */
};

/* The job, started; the reference is the caller's. Lock held. NULL: no memory,
 * and err says so. */
struct vf_job *vf_commit_start(struct vf_tree *tree,
                               const struct vf_commit *commit,
                               struct vf_error *err);

/*
 * Start the job and wait. Returns 0, -EINVAL or another errno of
 * vf_spec_parse() with nothing sent, an errno of the service, -ENOENT when the
 * directory or the draft's name went meanwhile, or -EINTR: the caller is to
 * leave, the job goes on and its outcome goes to the sink. Lock held; dropped
 * while waiting.
 */
int vf_commit_run(struct vf_tree *tree, const struct vf_commit *commit,
                  struct vf_caller *caller, struct vf_error *err);

#endif
