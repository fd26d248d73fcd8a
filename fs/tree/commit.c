/* SPDX-License-Identifier: MIT
 *
 * Commit on write.
 *
 * A shell loses the error that close(2) returns, but not the one from write(2).
 * So the write that completes a document is the one that sends it: the spec is
 * checked, a job does the request, and the write returns when the outcome is
 * known. What it is to be done is decided by what has the name when the job's
 * turn comes: nothing or a draft is created; a credential with the same
 * identity is rotated in place, in one request that keeps its id; another
 * credential is replaced, by creating the new one before the old one is
 * deleted.
 */
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/name.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"

struct commit_job {
    struct vf_job job;
    struct vf_node *node; /* a reference: whose draft it was */
    struct vf_spec *spec; /* dropped as soon as the requests are done */
    char *stored_name;    /* the service's text for the file's name */
    /* What has the name now; id "" when it is no credential. */
    struct vf_node *target; /* a reference */
    struct vf_text *target_text;
    char target_id[VF_ID_MAX + 1];
    struct vf_object made;
    bool is_made;
    bool is_target_gone;
};

/* Nobody needs the secret any more. */
static void drop_spec(struct commit_job *commit)
{
    vf_spec_free(commit->spec);
    commit->spec = NULL;
}

static int find_target(struct vf_tree *tree, struct vf_job *job)
{
    struct commit_job *commit = (struct commit_job *)job;
    struct vf_node *target = vf_node_child(job->directory, job->name);

    if (!job->directory->is_linked || job->directory->listing->is_going)
        return vf_error_set(&job->error, ENOENT, "the vault is gone");
    if (commit->node->is_removed)
        return vf_error_set(&job->error, ENOENT,
                            "the file was removed before its document was "
                            "complete");
    if (target == NULL) {
        /* The name went when an earlier commit failed, or elsewhere. */
        if (commit->node->kind != VF_NODE_DRAFT)
            vf_node_become_draft(tree, commit->node);
        if (vf_node_link(tree, commit->node) < 0)
            return vf_error_set(&job->error, ENOMEM, "no memory");
        target = commit->node;
    }
    commit->target = vf_node_ref(target);
    if (target->kind == VF_NODE_CREDENTIAL) {
        memcpy(commit->target_id, target->id, strlen(target->id) + 1);
        commit->target_text = target->text;
        if (target->text != NULL)
            target->text->references++;
    }
    return 0;
}

static int prepare_commit(struct vf_tree *tree, struct vf_job *job)
{
    int result = find_target(tree, job);

    if (result < 0)
        drop_spec((struct commit_job *)job);
    return result;
}

static int create(struct vf_tree *tree, struct commit_job *commit)
{
    const struct vf_service *service = &tree->options.service;
    int result = service->ops->create_credential(
        service->self, commit->job.directory->id, commit->stored_name,
        commit->spec, vf_deadline(tree), &commit->made, &commit->job.error);

    commit->is_made = result == 0;
    return result;
}

/* 404 on an update: a look at the credential decides what it means. */
static int create_or_give_up(struct vf_tree *tree, struct commit_job *commit)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_object object;
    int result = service->ops->get_credential(
        service->self, commit->job.directory->id, commit->target_id,
        vf_deadline(tree), &object, &commit->job.error);

    if (result == 0) {
        vf_object_done(&object);
        return vf_error_set(&commit->job.error, EOPNOTSUPP,
                            "this service cannot update a credential: delete "
                            "it and create it again");
    }
    if (result != -ENOENT)
        return result;
    commit->is_target_gone = true;
    return create(tree, commit);
}

static int rotate(struct vf_tree *tree, struct commit_job *commit)
{
    const struct vf_service *service = &tree->options.service;
    const struct vf_text *text = commit->target_text;
    int result = service->ops->update_credential(
        service->self, commit->job.directory->id, commit->target_id,
        commit->stored_name, commit->spec, text->data, text->size,
        vf_deadline(tree), &commit->made, &commit->job.error);

    commit->is_made = result == 0;
    return result == -ENOENT ? create_or_give_up(tree, commit) : result;
}

static int replace(struct vf_tree *tree, struct commit_job *commit)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_error cause;
    int result = create(tree, commit);

    if (result < 0)
        return result;
    drop_spec(commit);
    result = service->ops->delete_credential(
        service->self, commit->job.directory->id, commit->target_id,
        vf_deadline(tree), &commit->job.error);
    if (result == 0) {
        commit->is_target_gone = true;
        return 0;
    }
    cause = commit->job.error;
    (void)vf_error_set(&commit->job.error, -result,
                       "the new credential is there, but the one that it "
                       "replaces could not be deleted: %s",
                       cause.message);
    commit->job.error.http_status = cause.http_status;
    memcpy(commit->job.error.type, cause.type, sizeof(cause.type));
    memcpy(commit->job.error.request_id, cause.request_id,
           sizeof(cause.request_id));
    return result;
}

static int run_commit(struct vf_tree *tree, struct vf_job *job)
{
    struct commit_job *commit = (struct commit_job *)job;
    const struct vf_text *text = commit->target_text;
    int result;

    if (commit->target_id[0] == '\0')
        result = create(tree, commit);
    else if (text != NULL &&
             vf_api_is_same_identity(text->data, text->size, commit->spec))
        result = rotate(tree, commit);
    else
        result = replace(tree, commit);
    drop_spec(commit);
    return result;
}

/* The name of a document that failed goes with it, unless somebody else has put
 * a credential there meanwhile. */
static void drop_draft(struct vf_tree *tree, struct vf_node *node)
{
    if (node->kind == VF_NODE_DRAFT && node->is_linked)
        vf_node_unlink(tree, node);
}

static void apply_commit(struct vf_tree *tree, struct vf_job *job)
{
    struct commit_job *commit = (struct commit_job *)job;
    struct vf_node *target = commit->target;
    bool is_same =
        commit->is_made && strcmp(commit->made.id, commit->target_id) == 0;

    if (commit->is_target_gone)
        vf_listing_bury(tree, job->directory, commit->target_id);
    if (commit->is_made && job->directory->is_linked) {
        /* The name stays with the new object; the old one, if it is still
         * there, comes back under another name with the next listing. */
        struct vf_node *node =
            vf_listing_adopt(tree, job->directory, &commit->made, target);

        if (node != NULL) {
            node->is_made_here |= !is_same;
            vf_node_changed_here(tree, node);
        } else if (job->result == 0) {
            job->result = vf_error_set(&job->error, ENOMEM, "no memory");
        }
    }
    if (job->result == 0)
        return;
    vf_listing_distrust(tree, job->directory, job->name);
    if (commit->is_target_gone && !commit->is_made)
        vf_node_unlink(tree, target);
    drop_draft(tree, target);
}

static void destroy_commit(struct vf_job *job)
{
    struct commit_job *commit = (struct commit_job *)job;

    vf_spec_free(commit->spec);
    free(commit->stored_name);
    vf_text_unref(commit->target_text);
    vf_object_done(&commit->made);
    if (commit->target != NULL)
        vf_node_unref(job->tree, commit->target, 1);
    if (commit->node != NULL)
        vf_node_unref(job->tree, commit->node, 1);
}

static const struct vf_job_kind commit_kind = {
    .operation = "commit",
    .prepare = prepare_commit,
    .remote = run_commit,
    .apply = apply_commit,
    .destroy = destroy_commit,
};

int vf_file_fail(struct vf_tree *tree, struct vf_file *file, int result)
{
    file->state = VF_FILE_FAILED;
    file->failure = result;
    vf_draft_drop(&file->draft);
    drop_draft(tree, file->node);
    return result;
}

static void take_outcome(struct vf_file *file, int result)
{
    vf_job_unref(file->commit);
    file->commit = NULL;
    file->state = result < 0 ? VF_FILE_FAILED : VF_FILE_COMMITTED;
    file->failure = result;
}

int vf_file_join(struct vf_tree *tree, struct vf_file *file,
                 struct vf_caller *caller, struct vf_error *err)
{
    struct vf_job *job = file->commit;
    int result;

    job->references++; /* another thread may join too, and be first */
    job->is_abandoned = false;
    if (vf_job_wait(tree, job, caller) < 0) {
        job->is_abandoned = true;
        result = vf_error_set(err, EINTR,
                              "interrupted; the request goes on, and its "
                              "outcome is recorded");
    } else {
        result = job->result;
        if (result < 0 && err != NULL)
            *err = job->error;
        if (file->commit == job)
            take_outcome(file, result);
    }
    vf_job_unref(job);
    return result;
}

/* Check the draft without the lock: writes on one file are serial. */
static int check_draft(struct vf_tree *tree, struct vf_file *file,
                       struct vf_spec **ret_spec, char **ret_name,
                       struct vf_error *err)
{
    struct vf_secret *bytes = file->draft.bytes;
    struct vf_spec *spec = NULL;
    int result;

    file->draft.bytes = NULL;
    vf_draft_drop(&file->draft);
    pthread_mutex_unlock(&tree->lock);
    result =
        vf_spec_parse(vf_secret_data(bytes), vf_secret_size(bytes), &spec, err);
    vf_secret_unref(bytes);
    if (result == 0) {
        result = vf_name_decode(VF_NAME_FILE, file->node->name, ret_name, err);
        if (result < 0)
            vf_spec_free(spec);
        else
            *ret_spec = spec;
    }
    pthread_mutex_lock(&tree->lock);
    return result;
}

int vf_file_commit(struct vf_tree *tree, struct vf_file *file,
                   struct vf_caller *caller, struct vf_error *err)
{
    struct vf_spec *spec = NULL;
    char *stored_name = NULL;
    int result = check_draft(tree, file, &spec, &stored_name, err);

    if (result < 0)
        return vf_file_fail(tree, file, result);
    struct vf_job *job =
        vf_job_new(tree, &commit_kind, sizeof(struct commit_job),
                   file->node->parent, file->node->name);
    if (job == NULL) {
        vf_spec_free(spec);
        free(stored_name);
        return vf_file_fail(tree, file, vf_error_set(err, ENOMEM, "no memory"));
    }
    struct commit_job *commit = (struct commit_job *)job;
    commit->node = vf_node_ref(file->node);
    commit->spec = spec;
    commit->stored_name = stored_name;
    file->state = VF_FILE_COMMITTING;
    file->commit = job;
    vf_job_start(tree, job);
    return vf_file_join(tree, file, caller, err);
}
