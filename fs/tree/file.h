/* SPDX-License-Identifier: MIT
 *
 * Open files: shared by open.c, file.c (reading and closing), write.c and
 * commit.c.
 * Guarded by the tree's lock.
 */
#ifndef TREE_FILE_H
#define TREE_FILE_H

#include "draft.h"
#include "internal.h"

enum vf_file_state {
    VF_FILE_DRAFTING,
    VF_FILE_COMMITTING, /* file->commit has not told its outcome yet */
    VF_FILE_COMMITTED,
    VF_FILE_FAILED
};

/* A write, so that the same one is known again after an EINTR. Keeps a hash and
 * not the bytes: the draft is wiped as soon as its commit is under way. */
struct vf_write_mark {
    uint64_t hash;
    size_t size;
    off_t offset;
};

struct vf_file {
    struct vf_node *node;      /* a reference */
    uint64_t number;           /* no other file ever has it; not 0 */
    struct vf_file *next_file; /* of the node */
    struct vf_text *pinned;    /* what reads behind offset 0 see */
    bool is_live;              /* see vf_file_is_live() */
    bool is_writable;
    bool is_append;
    bool was_truncated; /* to 0: what was there is to be replaced */
    bool was_written;
    pid_t opener; /* process id, 0: unknown */
    enum vf_file_state state;
    int failure; /* negative errno, in FAILED */
    struct vf_draft draft;
    struct vf_job *commit;     /* a reference, in COMMITTING */
    struct vf_write_mark mark; /* of the write that completed the document */
    uint64_t end_bytes;        /* where the last write ended */
};

/*
 * The draft is complete: check it and put it under its name. Lock held; dropped
 * while it waits. Returns 0, or the negative errno of the spec or the service,
 * or -EINTR with the file left in COMMITTING.
 */
int vf_file_commit(struct vf_tree *tree, struct vf_file *file,
                   struct vf_caller *caller, struct vf_error *err);

/* Wait for the outcome of file->commit and take note of it. As above. */
int vf_file_join(struct vf_tree *tree, struct vf_file *file,
                 struct vf_caller *caller, struct vf_error *err);

/* The document cannot be taken: keep the errno, forget the draft, and a name
 * that only the draft had. Returns result. */
int vf_file_fail(struct vf_tree *tree, struct vf_file *file, int result);

/* Forget a file that is open, and its draft. */
void vf_file_free(struct vf_tree *tree, struct vf_file *file);

/* -EROFS, or -EOPNOTSUPP for what nobody can write to here. */
int vf_file_check_change(const struct vf_tree *tree, const struct vf_node *node,
                         struct vf_error *err);

/* A redirection whose command failed, or a caller that meant to empty it: the
 * record of that. Returns -EINVAL. */
int vf_file_nothing_written(const struct vf_node *node, struct vf_error *err);

#endif
