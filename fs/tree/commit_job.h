/* SPDX-License-Identifier: MIT
 *
 * Commits, shared by their sources: commit.c (credentials), rotate.c,
 * vault_spec.c, vault_edit.c, reason.c.
 */
#ifndef TREE_COMMIT_JOB_H
#define TREE_COMMIT_JOB_H

#include "birth.h"
#include "commit.h"
#include "vaultfs/spec.h"

/* What commits of every kind have; the first member of each. The job's own name
 * is the one under which it is serial. */
struct vf_commit_base {
    struct vf_job job;
    char *name;              /* under which the document was written */
    struct vf_node *node;    /* a reference, or NULL; as struct vf_commit */
    struct vf_secret *bytes; /* the document; dropped as soon as it is read */
    pid_t process;
    bool must_be_new;
    bool is_scratch; /* node is the scratch file that is sent */
};

/* Document and references go; runs with the lock held. */
void vf_commit_base_done(struct vf_commit_base *base);
/* The document was read, or will not be. Needs no lock. */
void vf_commit_drop_bytes(struct vf_commit_base *base);

/* The commit came to nothing: the name that only the draft had goes too. Lock
 * held. */
void vf_commit_drop_draft(struct vf_tree *tree, struct vf_commit_base *base);
/* Both, for `prepare` to end with a failure. */
int vf_commit_give_up(struct vf_tree *tree, struct vf_commit_base *base,
                      int result);
/* Whether a failure was found here, before anything was sent, or was one of
 * access, so that what is known of the directory is as true as it was. */
bool vf_commit_was_refused(const struct vf_error *err);

struct vf_commit_kind {
    struct vf_job_kind job;
    size_t size; /* of what begins with struct vf_commit_base */
};

extern const struct vf_commit_kind vf_commit_credential;
extern const struct vf_commit_kind vf_commit_vault_spec;
extern const struct vf_commit_kind vf_commit_info;

/* The old credential, and one of an earlier attempt. */
#define VF_COMMIT_GONE_MAX 3

/* A credential's commit. */
struct vf_commit_job {
    struct vf_commit_base base;
    char *stored_name;      /* the service's text for the file's name */
    char *vault_name;       /* of a pending vault: its display_name */
    struct vf_node *parked; /* a reference, or NULL: had the name before */
    char removed_id[VF_ID_MAX + 1]; /* deleted under this name by the same
                                       process, a moment ago, or "" */
    char vault_id[VF_ID_MAX + 1];   /* "": the vault is pending */

    /* The credential that the document is about; id "": it is a new one. */
    char old_id[VF_ID_MAX + 1];
    const char *shown; /* it, as a read shows it; in one of the next two */
    size_t shown_size;
    struct vf_text *old_text; /* a reference, or NULL */
    struct vf_object earlier; /* made by an attempt whose answer was lost */

    /* Of `remote`, then of `apply`: */
    struct vf_spec *spec;  /* dropped when the requests are done */
    struct vf_object made; /* what is to have the name, if is_made */
    bool is_made;
    bool is_creating; /* the last request was to make it */
    char gone[VF_COMMIT_GONE_MAX][VF_ID_MAX + 1]; /* ids that are deleted now */
    unsigned gone_count;
    struct vf_birth birth; /* of a pending vault */
};

/* Nobody needs the secrets any more. */
void vf_commit_drop_spec(struct vf_commit_job *commit);
/* Whether an id was deleted on the way. */
bool vf_commit_is_gone(const struct vf_commit_job *commit, const char *id);

/* rotate.c: do what the spec says. Needs no lock. */
int vf_rotate_run(struct vf_tree *tree, struct vf_commit_job *commit);

/* reason.c: say more about a failure. None needs a lock, and none changes more
 * of the error than its message, but for vf_reason_refused(). */
/* Put text before the message. */
void vf_reason_put_before(struct vf_error *err, const char *format, ...)
    VF_PRINTF(2, 3);
/* A creation failed: if it was refused, name who holds the URL, or make the
 * errno EDQUOT for a full vault. Returns the errno to go on with. */
int vf_reason_refused(struct vf_tree *tree, struct vf_commit_job *commit,
                      int result);
/* The document was refused: say what was deleted to make room for it. */
void vf_reason_removed(const struct vf_commit_job *commit,
                       struct vf_error *err);

#endif
