/* SPDX-License-Identifier: MIT */
#include "archive.h"
#include "birth.h"
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/name.h"
#include "vaultfs/spec.h"

int64_t vf_deadline(const struct vf_tree *tree)
{
    return vf_clock_monotonic_ms() + tree->options.timeout_ms;
}

int vf_tree_check_writable(const struct vf_tree *tree, struct vf_error *err)
{
    if (tree->options.is_read_only)
        return vf_error_set(err, EROFS, "the mount is read-only");
    return 0;
}

int vf_check_new_name(const struct vf_node *directory, const char *name,
                      char **ret_text, struct vf_error *err)
{
    bool is_vault = directory->kind == VF_NODE_ROOT;
    char *text;

    if (strlen(name) > VF_NAME_MAX)
        return vf_error_set(err, ENAMETOOLONG, "a name has at most %d bytes",
                            VF_NAME_MAX);
    if (vf_name_is_scratch(name))
        return vf_error_set(err, EPERM,
                            "a %s cannot have the name of a hidden or "
                            "temporary file",
                            is_vault ? "vault" : "credential");
    int result = vf_name_decode(is_vault ? VF_NAME_VAULT : VF_NAME_FILE, name,
                                &text, err);
    if (result < 0)
        return result;
    if (ret_text != NULL)
        *ret_text = text;
    else
        free(text);
    return 0;
}

/* --- mkdir --- */

struct mkdir_job {
    struct vf_job job;
    char *display_name;
    struct vf_birth birth;
    bool is_made;
    struct vf_node *node; /* a reference, once it is in the tree */
};

static int prepare_mkdir(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_node *taken = vf_node_child(job->directory, job->name);

    if (taken != NULL && (taken->is_spent || vf_node_is_expired_draft(taken))) {
        vf_node_unlink(tree, taken);
        taken = NULL;
    }
    if (taken != NULL)
        return vf_error_set(&job->error, EEXIST,
                            "a vault of this name is there");
    return 0;
}

static int run_mkdir(struct vf_tree *tree, struct vf_job *job)
{
    struct mkdir_job *mkdir = (struct mkdir_job *)job;
    const struct vf_vault_spec spec = {.display_name = mkdir->display_name};
    int result = vf_birth_run(tree, &spec, &mkdir->birth, &job->error);

    mkdir->is_made = result == 0;
    return result;
}

/* A service that wants a first credential: until then the vault is local. */
static struct vf_node *new_pending(struct vf_tree *tree,
                                   const struct vf_job *job)
{
    if (vf_node_child(job->directory, job->name) != NULL)
        return NULL;
    struct vf_node *vault =
        vf_node_new_child(tree, job->directory, VF_NODE_VAULT, job->name, NULL);
    if (vault == NULL)
        return NULL;
    vf_node_changed_here(tree, vault);
    vf_listing_set_empty(tree, vault);
    return vault;
}

static void apply_mkdir(struct vf_tree *tree, struct vf_job *job)
{
    struct mkdir_job *mkdir = (struct mkdir_job *)job;
    struct vf_node *vault = NULL;

    if (mkdir->is_made)
        vault = vf_birth_apply(tree, &mkdir->birth, NULL);
    else if (job->result == -ENODATA)
        vault = new_pending(tree, job);
    if (mkdir->is_made || job->result == -ENODATA)
        job->result = vf_birth_check(vault, job->name, &job->error);
    if (vault != NULL)
        mkdir->node = vf_node_ref(vault);
    else if (!vf_listing_is_untouched(&job->error))
        vf_listing_distrust(tree, job->directory, job->name);
}

static void destroy_mkdir(struct vf_job *job)
{
    struct mkdir_job *mkdir = (struct mkdir_job *)job;

    free(mkdir->display_name);
    vf_birth_done(&mkdir->birth);
    if (mkdir->node != NULL)
        vf_node_unref(job->tree, mkdir->node, 1);
}

static const struct vf_job_kind mkdir_kind = {
    .operation = "mkdir",
    .prepare = prepare_mkdir,
    .remote = run_mkdir,
    .apply = apply_mkdir,
    .destroy = destroy_mkdir,
};

int vf_tree_mkdir(struct vf_tree *tree, struct vf_node *directory,
                  const char *name, struct vf_caller *caller,
                  struct vf_entry *ret, struct vf_error *err)
{
    char *text = NULL;
    int result = vf_tree_check_writable(tree, err);

    if (result < 0)
        return result;
    result = vf_control_check(directory, name, err);
    if (result == 0)
        result = vf_archive_check(directory, err);
    if (result < 0)
        return result;
    if (directory->kind != VF_NODE_ROOT)
        return vf_error_set(err, EPERM,
                            "a vault holds credentials, not directories");
    result = vf_check_new_name(directory, name, &text, err);
    if (result < 0)
        return result;
    pthread_mutex_lock(&tree->lock);
    struct vf_job *job = vf_job_new(tree, &mkdir_kind, sizeof(struct mkdir_job),
                                    directory, name);
    if (job == NULL) {
        pthread_mutex_unlock(&tree->lock);
        free(text);
        return vf_error_set(err, ENOMEM, "no memory");
    }
    ((struct mkdir_job *)job)->display_name = text;
    job->references++;
    result = vf_job_finish(tree, job, caller, err);
    if (result == 0) {
        struct vf_node *node = ((struct mkdir_job *)job)->node;

        vf_node_fill_entry(tree, vf_node_ref(node), ret);
    }
    vf_job_unref(job);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
