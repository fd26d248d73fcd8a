/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/name.h"

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
    struct vf_object object; /* once made */
    struct vf_node *node;    /* a reference, once it is in the tree */
};

static int prepare_mkdir(struct vf_tree *tree, struct vf_job *job)
{
    if (vf_node_child(job->directory, job->name) != NULL)
        return vf_error_set(&job->error, EEXIST,
                            "a vault of this name is there");
    return 0;
}

static int run_mkdir(struct vf_tree *tree, struct vf_job *job)
{
    struct mkdir_job *mkdir = (struct mkdir_job *)job;
    const struct vf_service *service = &tree->options.service;

    return service->ops->create_vault(service->self, mkdir->display_name,
                                      vf_deadline(tree), &mkdir->object,
                                      &job->error);
}

static void apply_mkdir(struct vf_tree *tree, struct vf_job *job)
{
    struct mkdir_job *mkdir = (struct mkdir_job *)job;

    if (job->result < 0) {
        vf_listing_distrust(tree, job->directory, job->name);
        return;
    }
    struct vf_node *node =
        vf_listing_adopt(tree, job->directory, &mkdir->object, NULL);
    if (node == NULL) {
        vf_listing_distrust(tree, job->directory, job->name);
        job->result = vf_error_set(&job->error, ENOMEM, "no memory");
        return;
    }
    node->is_made_here = true;
    vf_node_changed_here(tree, node);
    vf_listing_set_empty(tree, node);
    mkdir->node = vf_node_ref(node);
    /* Not the caller's to go on with: the name leads to another vault. */
    if (strcmp(node->name, job->name) != 0)
        job->result = vf_error_set(&job->error, EEXIST,
                                   "another vault got this name meanwhile: the "
                                   "new one is \"%s\"",
                                   node->name);
}

static void destroy_mkdir(struct vf_job *job)
{
    struct mkdir_job *mkdir = (struct mkdir_job *)job;

    free(mkdir->display_name);
    vf_object_done(&mkdir->object);
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

/* --- rmdir and unlink --- */

struct remove_job {
    struct vf_job job;
    struct vf_node *node; /* a reference, once found */
    char id[VF_ID_MAX + 1];
};

static void set_id(struct remove_job *remove, const char *id)
{
    memcpy(remove->id, id, strlen(id) + 1);
}

/* The object is gone, by us or before us; but its name may have passed to
 * another, which a listing showed while the request was on its way. */
static void apply_remove(struct vf_tree *tree, struct vf_job *job)
{
    struct remove_job *remove = (struct remove_job *)job;

    if (remove->node->listing != NULL)
        remove->node->listing->is_going = false;
    if (job->result < 0) {
        remove->node->is_made_here = false; /* the next listing decides */
        vf_listing_distrust(tree, job->directory, job->name);
        return;
    }
    vf_listing_bury(tree, job->directory, remove->id);
    if (vf_node_child_by_id(job->directory, remove->id) != remove->node)
        return;
    remove->node->is_removed = true;
    vf_node_drop_drafts(remove->node);
    vf_node_changed_here(tree, remove->node);
    vf_node_unlink(tree, remove->node);
}

static void destroy_remove(struct vf_job *job)
{
    struct remove_job *remove = (struct remove_job *)job;

    if (remove->node != NULL)
        vf_node_unref(job->tree, remove->node, 1);
}

/* id: what is to be removed, or "": what has the name when its turn comes. */
static int start_remove(struct vf_tree *tree, const struct vf_job_kind *kind,
                        struct vf_node *directory, const char *name,
                        const char *id, struct vf_caller *caller,
                        struct vf_error *err)
{
    struct vf_job *job =
        vf_job_new(tree, kind, sizeof(struct remove_job), directory, name);

    if (job == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    set_id((struct remove_job *)job, id);
    return vf_job_finish(tree, job, caller, err);
}

static int check_empty(const struct vf_node *vault, struct vf_error *err)
{
    if (!vf_node_is_empty_directory(vault) || vault->listing->mutations != NULL)
        return vf_error_set(err, ENOTEMPTY, "the vault holds credentials");
    return 0;
}

static int prepare_rmdir(struct vf_tree *tree, struct vf_job *job)
{
    struct remove_job *remove = (struct remove_job *)job;
    /* By id: the name may have passed to a vault that nobody looked into. */
    struct vf_node *node = vf_node_child_by_id(job->directory, remove->id);
    int result;

    if (node == NULL)
        return vf_error_set(&job->error, ENOENT, "the vault is gone");
    result = check_empty(node, &job->error);
    if (result < 0)
        return result;
    remove->node = vf_node_ref(node);
    node->listing->is_going = true;
    return 0;
}

static int run_rmdir(struct vf_tree *tree, struct vf_job *job)
{
    const struct vf_service *service = &tree->options.service;

    return service->ops->delete_vault(service->self,
                                      ((struct remove_job *)job)->id,
                                      vf_deadline(tree), &job->error);
}

static const struct vf_job_kind rmdir_kind = {
    .operation = "rmdir",
    .prepare = prepare_rmdir,
    .remote = run_rmdir,
    .apply = apply_remove,
    .destroy = destroy_remove,
};

/* Every change in flight below the vault has its outcome. */
static int wait_for_children(struct vf_tree *tree, struct vf_node *vault,
                             struct vf_caller *caller)
{
    int result = 0;

    while (result == 0 && vault->listing->mutations != NULL)
        result = vf_job_wait(tree, vault->listing->mutations, caller);
    return result;
}

static int remove_vault(struct vf_tree *tree, struct vf_node *directory,
                        struct vf_node *vault, struct vf_caller *caller,
                        struct vf_error *err)
{
    int result = wait_for_children(tree, vault, caller);

    if (result == 0)
        result = vf_listing_ensure(tree, vault, true, caller, err);
    if (result == -ENOENT && !vault->is_linked)
        return 0; /* somebody else deleted it: gone is gone */
    if (result == 0)
        result = check_empty(vault, err);
    if (result == 0)
        result = start_remove(tree, &rmdir_kind, directory, vault->name,
                              vault->id, caller, err);
    return result;
}

int vf_tree_rmdir(struct vf_tree *tree, struct vf_node *directory,
                  const char *name, struct vf_caller *caller,
                  struct vf_error *err)
{
    int result = vf_tree_check_writable(tree, err);

    if (result < 0)
        return result;
    pthread_mutex_lock(&tree->lock);
    struct vf_node *vault = vf_node_child(directory, name);
    if (vault == NULL) {
        result = -ENOENT;
    } else if (vault->kind != VF_NODE_VAULT) {
        result = -ENOTDIR;
    } else {
        vf_node_ref(vault);
        result = remove_vault(tree, directory, vault, caller, err);
        vf_node_unref(tree, vault, 1);
    }
    pthread_mutex_unlock(&tree->lock);
    return result;
}

static void remove_draft(struct vf_tree *tree, struct vf_node *draft)
{
    draft->is_removed = true;
    vf_node_drop_drafts(draft);
    vf_node_changed_here(tree, draft);
    vf_node_unlink(tree, draft);
}

/* A draft goes here: by the time of apply a listing may have made a credential
 * of it, which nobody has deleted. */
static int prepare_unlink(struct vf_tree *tree, struct vf_job *job)
{
    struct remove_job *remove = (struct remove_job *)job;
    struct vf_node *node = vf_node_child(job->directory, job->name);

    if (node == NULL)
        return vf_error_set(&job->error, ENOENT, "the file is gone");
    if (node->kind == VF_NODE_DRAFT) {
        remove_draft(tree, node);
    } else {
        set_id(remove, node->id);
        remove->node = vf_node_ref(node);
    }
    return 0;
}

static int run_unlink(struct vf_tree *tree, struct vf_job *job)
{
    const struct vf_service *service = &tree->options.service;
    const char *id = ((struct remove_job *)job)->id;

    if (id[0] == '\0')
        return 0; /* a draft: nobody else knows it */
    if (tree->options.is_rm_archive)
        return service->ops->archive_credential(service->self,
                                                job->directory->id, id,
                                                vf_deadline(tree), &job->error);
    return service->ops->delete_credential(service->self, job->directory->id,
                                           id, vf_deadline(tree), &job->error);
}

static void apply_unlink(struct vf_tree *tree, struct vf_job *job)
{
    if (((struct remove_job *)job)->node != NULL)
        apply_remove(tree, job);
}

static const struct vf_job_kind unlink_kind = {
    .operation = "unlink",
    .prepare = prepare_unlink,
    .remote = run_unlink,
    .apply = apply_unlink,
    .destroy = destroy_remove,
};

/* Only in this mount, and until the next listing. */
static int hide_info(struct vf_node *info)
{
    if (info == NULL || info->is_hidden)
        return -ENOENT;
    info->is_hidden = true;
    return 0;
}

int vf_tree_unlink(struct vf_tree *tree, struct vf_node *directory,
                   const char *name, struct vf_caller *caller,
                   struct vf_error *err)
{
    int result = vf_tree_check_writable(tree, err);

    if (result < 0)
        return result;
    if (directory->kind != VF_NODE_VAULT)
        return -EISDIR;
    pthread_mutex_lock(&tree->lock);
    if (strcmp(name, VF_INFO_NAME) == 0)
        result = hide_info(directory->listing->info);
    else
        result =
            start_remove(tree, &unlink_kind, directory, name, "", caller, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
