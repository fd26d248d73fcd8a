/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>

#include "commit.h"

int vf_file_fail(struct vf_tree *tree, struct vf_file *file, int result)
{
    file->state = VF_FILE_FAILED;
    file->failure = result;
    vf_draft_drop(&file->draft);
    if (file->node->kind == VF_NODE_DRAFT)
        vf_node_unlink(tree, file->node);
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

int vf_file_commit(struct vf_tree *tree, struct vf_file *file,
                   struct vf_caller *caller, struct vf_error *err)
{
    const struct vf_commit commit = {
        .directory = file->node->parent,
        .name = file->node->name,
        .bytes = file->draft.bytes,
        .node = file->node,
        .process = file->opener,
    };

    file->draft.bytes = NULL;
    vf_draft_drop(&file->draft);
    struct vf_job *job = vf_commit_start(tree, &commit, err);
    if (job == NULL)
        return vf_file_fail(tree, file, -ENOMEM);
    file->state = VF_FILE_COMMITTING;
    file->commit = job;
    return vf_file_join(tree, file, caller, err);
}
