/* SPDX-License-Identifier: MIT
 *
 * Commit on write.
 *
 * A shell loses the error that close(2) returns, but not the one from write(2).
 * So the write that completes a document is the one that sends it: a job reads
 * the document and does the requests, and the write returns when the outcome is
 * known.
 *
 * What is to be done is decided when the job's turn comes, by who has the name
 * then: nobody, or a draft, and a credential is made; a credential, or one that
 * was parked under another name to make room, and the document says what that
 * one is to be (rotate.c). The document is read against what a reader of that
 * credential sees, without the lock; until it is read it stays in locked
 * memory. What is refused then has sent nothing, and changes nothing.
 *
 * However a commit ends, what was made or deleted on the way is put into the
 * tree: a failure half-way is told by the error and seen in the directory.
 */
#include "commit_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "vaultfs/name.h"
#include "vaultfs/secret.h"

/* --- What all kinds share --- */

void vf_commit_drop_bytes(struct vf_commit_base *base)
{
    base->bytes = vf_secret_unref(base->bytes);
}

/* The job knows how its scratch file fares, for a caller may have left. Once.
 */
static void end_scratch(struct vf_commit_base *base)
{
    if (base->is_scratch)
        vf_scratch_sent(base->job.tree, base->node, base->job.result == 0);
    base->is_scratch = false;
}

void vf_commit_base_done(struct vf_commit_base *base)
{
    end_scratch(base);
    vf_commit_drop_bytes(base);
    free(base->name);
    if (base->node != NULL)
        vf_node_unref(base->job.tree, base->node, 1);
}

int vf_commit_give_up(struct vf_tree *tree, struct vf_commit_base *base,
                      int result)
{
    vf_commit_drop_bytes(base);
    vf_commit_drop_draft(tree, base);
    return result;
}

void vf_commit_drop_draft(struct vf_tree *tree, struct vf_commit_base *base)
{
    if (base->node != NULL && base->node->kind == VF_NODE_DRAFT)
        vf_node_unlink(tree, base->node);
}

bool vf_commit_was_refused(const struct vf_error *err)
{
    bool was_refused_here = err->http_status == 0 && !err->is_unknown &&
                            (err->code == EINVAL || err->code == EFBIG ||
                             err->code == EEXIST || err->code == EOPNOTSUPP);

    return was_refused_here || vf_listing_is_untouched(err);
}

static const struct vf_commit_kind *kind_of(const struct vf_commit *commit)
{
    if (commit->directory->kind != VF_NODE_VAULT)
        return &vf_commit_vault_spec;
    return strcmp(commit->name, VF_INFO_NAME) == 0 ? &vf_commit_info
                                                   : &vf_commit_credential;
}

struct vf_job *vf_commit_start(struct vf_tree *tree,
                               const struct vf_commit *commit,
                               struct vf_error *err)
{
    const struct vf_commit_kind *kind = kind_of(commit);
    char *name = strdup(commit->name);
    struct vf_job *job = NULL;

    if (name != NULL)
        job = vf_job_new(tree, &kind->job, kind->size, commit->directory,
                         vf_park_key(commit->directory, name));
    if (job == NULL) {
        free(name);
        vf_secret_unref(commit->bytes);
        (void)vf_error_set(err, ENOMEM, "no memory");
        return NULL;
    }
    struct vf_commit_base *base = (struct vf_commit_base *)job;
    base->name = name;
    base->bytes = commit->bytes;
    base->node = commit->node != NULL ? vf_node_ref(commit->node) : NULL;
    base->process = commit->process;
    base->must_be_new = commit->must_be_new;
    base->is_scratch =
        base->node != NULL && base->node->kind == VF_NODE_SCRATCH;
    if (base->is_scratch)
        vf_scratch_send(base->node->scratch);
    vf_job_start(tree, job);
    return job;
}

int vf_commit_run(struct vf_tree *tree, const struct vf_commit *commit,
                  struct vf_caller *caller, struct vf_error *err)
{
    struct vf_job *job = vf_commit_start(tree, commit, err);

    if (job == NULL)
        return -ENOMEM;
    job->references++; /* others may wait for it, and leave it later */
    int result = vf_job_conclude(tree, job, caller, err);
    if (job->is_done)
        end_scratch((struct vf_commit_base *)job);
    vf_job_unref(job);
    return result;
}

/* --- A credential: before --- */

static struct vf_commit_job *of(struct vf_job *job)
{
    return (struct vf_commit_job *)job;
}

static bool is_credential(const struct vf_node *node)
{
    return node->kind == VF_NODE_CREDENTIAL || vf_park_is_live(node);
}

/* The name went when an earlier commit failed, or elsewhere. */
static int put_name_back(struct vf_tree *tree, struct vf_node *node)
{
    if (node == NULL || node->is_linked ||
        (node->kind != VF_NODE_CREDENTIAL && node->kind != VF_NODE_DRAFT))
        return 0;
    if (node->kind == VF_NODE_CREDENTIAL)
        vf_node_become_draft(tree, node);
    return vf_node_link(tree, node);
}

static int check_place(const struct vf_commit_base *base,
                       const struct vf_node *taken, struct vf_error *err)
{
    const struct vf_node *directory = base->job.directory;

    if (!directory->is_linked || directory->listing->is_going)
        return vf_error_set(err, ENOENT, "the vault is gone");
    if (base->node != NULL && base->node->is_removed)
        return vf_error_set(err, ENOENT,
                            "the file was removed before its document was "
                            "complete");
    if (taken == NULL || taken == base->node)
        return 0;
    if (base->must_be_new)
        return vf_error_set(err, EEXIST, "the file is there");
    if (taken->kind != VF_NODE_DRAFT && !is_credential(taken))
        return vf_error_set(err, EPERM,
                            "a temporary file has this name: its document is "
                            "not for the service");
    return 0;
}

static void set_old(struct vf_commit_job *commit, struct vf_node *old)
{
    memcpy(commit->old_id, old->id, strlen(old->id) + 1);
    commit->old_text = vf_text_ref(old->text);
    if (old->text == NULL)
        return;
    commit->shown = old->text->data;
    commit->shown_size = old->text->size;
}

/* What the document is about: what has the name, or had it before it was
 * parked. */
static int find_old(struct vf_tree *tree, struct vf_commit_job *commit,
                    struct vf_node *taken)
{
    const struct vf_commit_base *base = &commit->base;
    const struct vf_node *directory = base->job.directory;
    const struct vf_removal *removal;

    if (taken != NULL && is_credential(taken)) {
        set_old(commit, taken);
        return 0;
    }
    struct vf_node *parked = vf_park_find(directory, base->name);
    removal = vf_removal_find(tree, directory, base->name, base->process);
    if (parked != NULL) {
        commit->parked = vf_node_ref(parked);
        set_old(commit, parked);
    } else if (removal != NULL) {
        memcpy(commit->removed_id, removal->id, sizeof(removal->id));
    }
    return put_name_back(tree, base->node);
}

/* A vault is named by its directory where the service does not know it yet. */
static int find_names(struct vf_commit_job *commit, const struct vf_node *taken,
                      struct vf_error *err)
{
    const struct vf_node *directory = commit->base.job.directory;
    bool is_parked = taken != NULL && vf_park_is_live(taken);

    if (directory->id != NULL) {
        memcpy(commit->vault_id, directory->id, strlen(directory->id) + 1);
    } else {
        int result = vf_name_decode(VF_NAME_VAULT, directory->name,
                                    &commit->vault_name, err);
        if (result < 0)
            return result;
    }
    return vf_name_decode(VF_NAME_FILE,
                          is_parked ? taken->home : commit->base.name,
                          &commit->stored_name, err);
}

static int prepare_commit(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_commit_job *commit = of(job);
    struct vf_node *taken = vf_node_child(job->directory, commit->base.name);
    int result = check_place(&commit->base, taken, &job->error);

    if (result == 0)
        result = find_names(commit, taken, &job->error);
    if (result == 0 && find_old(tree, commit, taken) < 0)
        result = vf_error_set(&job->error, ENOMEM, "no memory");
    return result < 0 ? vf_commit_give_up(tree, &commit->base, result) : 0;
}

/* --- A credential: the requests --- */

void vf_commit_drop_spec(struct vf_commit_job *commit)
{
    vf_spec_free(commit->spec);
    commit->spec = NULL;
}

static int read_spec(struct vf_commit_job *commit)
{
    const struct vf_secret *bytes = commit->base.bytes;
    struct vf_error *err = &commit->base.job.error;
    int result =
        vf_spec_parse(vf_secret_data(bytes), vf_secret_size(bytes),
                      commit->shown, commit->shown_size, &commit->spec, err);

    vf_commit_drop_bytes(&commit->base);
    if (result < 0)
        vf_reason_removed(commit, err);
    return result;
}

/* The first credential of a pending vault: the vault is made with it. */
static int make_with_vault(struct vf_tree *tree, struct vf_commit_job *commit)
{
    const struct vf_vault_spec spec = {.display_name = commit->vault_name,
                                       .credentials = &commit->spec,
                                       .count = 1};

    commit->spec->stored_name = commit->stored_name;
    int result =
        vf_birth_run(tree, &spec, &commit->birth, &commit->base.job.error);
    commit->spec->stored_name = NULL; /* borrowed */
    if (result < 0)
        return result;
    if (commit->birth.credentials.count != 1)
        return vf_error_set(&commit->base.job.error, EBADMSG,
                            "the vault was made, and its credentials are not "
                            "what was sent");
    /* It is taken into the directory by its file's name, as others are. */
    commit->made = commit->birth.credentials.objects[0];
    commit->birth.credentials.count = 0;
    commit->is_made = true;
    return 0;
}

static int run_commit(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_commit_job *commit = of(job);
    int result = read_spec(commit);

    if (result < 0)
        return result;
    if (commit->vault_id[0] == '\0')
        result = make_with_vault(tree, commit);
    else
        result = vf_rotate_run(tree, commit);
    vf_commit_drop_spec(commit);
    return result;
}

/* --- A credential: after --- */

/* The node that is to show what was made: the one that has the name now. What
 * else may have got it meanwhile, by a listing, comes back under another. NULL:
 * the listing's name for it will do. That is so when what was parked under a
 * scratch name has left it, which means nothing then, or is another file's. */
static struct vf_node *find_place(struct vf_tree *tree,
                                  const struct vf_commit_job *commit)
{
    struct vf_node *directory = commit->base.job.directory;
    const char *name = commit->base.name;
    struct vf_node *node = vf_node_child(directory, name);

    if (node == NULL)
        return vf_node_class(directory, name) == VF_CLASS_ORDINARY
                   ? vf_node_new_child(tree, directory, VF_NODE_DRAFT, name,
                                       NULL)
                   : NULL;
    if (node->kind == VF_NODE_SCRATCH)
        return NULL;
    if (node->id != NULL && strcmp(node->id, commit->old_id) != 0 &&
        strcmp(node->id, commit->made.id) != 0)
        vf_listing_expire(tree, directory);
    return node;
}

/* A listing may have been faster with what was written to a parked file, and
 * shown it under its home: it is not back yet. */
static void take_aside(struct vf_tree *tree, const struct vf_commit_job *commit,
                       const struct vf_node *place)
{
    struct vf_node *node =
        vf_node_child_by_id(commit->base.job.directory, commit->made.id);

    if (node != NULL && node != place)
        vf_node_unlink(tree, node);
}

/* A listing may have been faster, and given it another name. */
static int take_name(struct vf_tree *tree, struct vf_node *node,
                     struct vf_node *place)
{
    if (place == NULL || node == place || place->kind != VF_NODE_DRAFT)
        return 0;
    char *name = strdup(place->name);
    if (name == NULL)
        return -ENOMEM;
    vf_node_unlink(tree, place);
    int result = vf_node_rename(tree, node, name);
    free(name);
    return result;
}

/* It goes on in another node, and was made here all the same. */
static bool was_parked_here(const struct vf_commit_job *commit)
{
    return commit->parked != NULL && commit->parked->is_made_here;
}

static int adopt_made(struct vf_tree *tree, struct vf_commit_job *commit)
{
    struct vf_node *directory = commit->base.job.directory;
    bool is_same = strcmp(commit->made.id, commit->old_id) == 0;

    if (commit->birth.vault.id[0] != '\0' &&
        vf_birth_apply(tree, &commit->birth, directory) == NULL)
        return -ENOMEM;
    struct vf_node *place = find_place(tree, commit);
    bool is_parked = place != NULL && place->kind == VF_NODE_PARKED;
    if (is_parked)
        take_aside(tree, commit, place);
    struct vf_node *node =
        vf_listing_adopt(tree, directory, &commit->made, place);
    if (node == NULL || take_name(tree, node, place) < 0)
        return -ENOMEM;
    if (is_parked && node == place)
        node->kind = VF_NODE_PARKED; /* as it was: it has a home */
    node->is_made_here |= !is_same || was_parked_here(commit);
    vf_node_changed_here(tree, node);
    return 0;
}

bool vf_commit_is_gone(const struct vf_commit_job *commit, const char *id)
{
    unsigned i = 0;

    while (i < commit->gone_count && strcmp(commit->gone[i], id) != 0)
        i++;
    return i < commit->gone_count;
}

/* Its id went on to what was made, or is gone. */
static void spend_parked(struct vf_tree *tree,
                         const struct vf_commit_job *commit)
{
    struct vf_node *parked = commit->parked;

    if (parked != NULL && vf_park_is_live(parked) &&
        (vf_commit_is_gone(commit, parked->id) ||
         (commit->is_made && strcmp(commit->made.id, parked->id) == 0)))
        vf_park_spend(tree, parked);
}

/* A node that shows what was made instead keeps its name. */
static void bury_gone(struct vf_tree *tree, const struct vf_commit_job *commit)
{
    struct vf_node *directory = commit->base.job.directory;

    for (unsigned i = 0; i < commit->gone_count; i++) {
        struct vf_node *node = vf_node_child_by_id(directory, commit->gone[i]);

        vf_listing_bury(tree, directory, commit->gone[i]);
        if (node != NULL)
            vf_node_unlink(tree, node);
    }
}

static void distrust(struct vf_tree *tree, const struct vf_commit_job *commit)
{
    struct vf_node *directory = commit->base.job.directory;

    vf_listing_distrust(tree, directory, commit->base.name);
    if (commit->vault_id[0] == '\0') /* it may have been made */
        vf_listing_distrust(tree, directory->parent, directory->name);
}

static void apply_commit(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_commit_job *commit = of(job);

    spend_parked(tree, commit);
    if (commit->is_made && job->directory->is_linked &&
        adopt_made(tree, commit) < 0 && job->result == 0)
        job->result = vf_error_set(&job->error, ENOMEM, "no memory");
    bury_gone(tree, commit);
    if (job->result == 0)
        return;
    if (commit->is_made || commit->gone_count > 0 ||
        commit->earlier.text != NULL || !vf_commit_was_refused(&job->error))
        distrust(tree, commit);
    if (!commit->is_made)
        vf_commit_drop_draft(tree, &commit->base);
}

static void destroy_commit(struct vf_job *job)
{
    struct vf_commit_job *commit = of(job);

    vf_spec_free(commit->spec);
    free(commit->stored_name);
    free(commit->vault_name);
    vf_text_unref(commit->old_text);
    vf_object_done(&commit->earlier);
    vf_object_done(&commit->made);
    vf_birth_done(&commit->birth);
    if (commit->parked != NULL)
        vf_node_unref(job->tree, commit->parked, 1);
    vf_commit_base_done(&commit->base);
}

const struct vf_commit_kind vf_commit_credential = {
    .job =
        {
            .operation = "commit",
            .prepare = prepare_commit,
            .remote = run_commit,
            .apply = apply_commit,
            .destroy = destroy_commit,
        },
    .size = sizeof(struct vf_commit_job),
};
