/* SPDX-License-Identifier: MIT */
#include "archive.h"
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"

/* Long enough for a tool that unlinks before it writes. */
#define REMOVAL_MS 10000

struct remove_job {
    struct vf_job job;
    struct vf_node *node; /* a reference, once found */
    pid_t process;        /* who removes it */
    char id[VF_ID_MAX + 1];
};

static void set_id(struct remove_job *remove, const char *id)
{
    memcpy(remove->id, id, strlen(id) + 1);
}

const struct vf_removal *vf_removal_find(const struct vf_tree *tree,
                                         const struct vf_node *directory,
                                         const char *name, pid_t process)
{
    for (unsigned age = 1; age <= VF_REMOVALS; age++) {
        const struct vf_removal *removal =
            &tree->removals[(tree->next_removal - age) % VF_REMOVALS];

        if (removal->directory_ino == directory->ino &&
            removal->process == process && strcmp(removal->name, name) == 0)
            return vf_clock_boottime_ms() - removal->removed_ms < REMOVAL_MS
                       ? removal
                       : NULL;
    }
    return NULL;
}

static void note_removal(struct vf_tree *tree, const struct remove_job *remove)
{
    struct vf_removal *removal =
        &tree->removals[tree->next_removal++ % VF_REMOVALS];

    *removal = (struct vf_removal){
        .directory_ino = remove->job.directory->ino,
        .removed_ms = vf_clock_boottime_ms(),
        .process = remove->process,
    };
    memcpy(removal->id, remove->id, sizeof(removal->id));
    const char *home = remove->node->home;
    vf_error_copy(removal->name, sizeof(removal->name),
                  home != NULL ? home : remove->job.name);
}

/* The object is gone, by us or before us; but its name may have passed to
 * another, which a listing showed while the request was on its way. */
static void apply_remove(struct vf_tree *tree, struct vf_job *job)
{
    struct remove_job *remove = (struct remove_job *)job;

    if (remove->node->listing != NULL)
        remove->node->listing->is_going = false;
    if (job->result < 0 && vf_listing_is_untouched(&job->error))
        return;
    if (job->result < 0) {
        remove->node->is_made_here = false; /* the next listing decides */
        vf_listing_distrust(tree, job->directory, job->name);
        return;
    }
    if (remove->node->listing == NULL)
        note_removal(tree, remove);
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

void vf_remove_local(struct vf_tree *tree, struct vf_node *node)
{
    struct vf_node *info = node->parent->listing->info;

    if (node->home != NULL && info != NULL &&
        strcmp(node->home, VF_INFO_NAME) == 0)
        vf_node_set_hidden(info, false);
    node->is_removed = true;
    vf_node_drop_drafts(node);
    vf_node_changed_here(tree, node);
    vf_node_unlink(tree, node);
}

/* --- rmdir --- */

static int check_empty(const struct vf_node *vault, struct vf_error *err)
{
    if (!vf_node_is_empty_directory(vault) || vault->listing->mutations != NULL)
        return vf_error_set(err, ENOTEMPTY,
                            "the vault is not empty: see ls -A");
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

/* Whether what is removed from a directory is to be kept in its archive: also a
 * vault, which would take its archived credentials with it. */
static bool is_archiving(const struct vf_tree *tree,
                         const struct vf_node *directory)
{
    return tree->options.is_rm_archive && !vf_node_is_archived(directory);
}

static int run_rmdir(struct vf_tree *tree, struct vf_job *job)
{
    const struct vf_service *service = &tree->options.service;
    const char *id = ((struct remove_job *)job)->id;

    if (is_archiving(tree, job->directory))
        return service->ops->archive_vault(service->self, id, vf_deadline(tree),
                                           &job->error);
    return service->ops->delete_vault(service->self, id, vf_deadline(tree),
                                      &job->error);
}

/* Of rmdir and unlink: at the service something went, or may have. */
static void apply_remote(struct vf_tree *tree, struct vf_job *job)
{
    apply_remove(tree, job);
    if (tree->options.is_rm_archive)
        vf_archive_expire(tree, job->directory);
}

static const struct vf_job_kind rmdir_kind = {
    .operation = "rmdir",
    .prepare = prepare_rmdir,
    .remote = run_rmdir,
    .apply = apply_remote,
    .destroy = destroy_remove,
};

/* The service does not know it yet. */
static int remove_pending(struct vf_tree *tree, struct vf_node *vault,
                          struct vf_error *err)
{
    int result = check_empty(vault, err);

    if (result == 0)
        vf_remove_local(tree, vault);
    return result;
}

/* Asked when the service does not know what is to be removed: gone is gone, but
 * not a request that it does not have, nor one that lost against another. */
static bool is_gone(struct vf_tree *tree, struct vf_node *vault,
                    struct vf_caller *caller)
{
    return vault->is_linked &&
           vf_listing_ensure(tree, vault, true, caller, NULL) == -ENOENT &&
           !vault->is_linked;
}

static int remove_vault(struct vf_tree *tree, struct vf_node *directory,
                        struct vf_node *vault, struct vf_caller *caller,
                        struct vf_error *err)
{
    int result = vf_job_settle_below(tree, vault, caller);

    if (result == 0 && vault->id == NULL)
        return remove_pending(tree, vault, err);
    if (result == 0)
        result = vf_listing_ensure(tree, vault, true, caller, err);
    if (result == -ENOENT && !vault->is_linked)
        return 0; /* somebody else deleted it: gone is gone */
    if (result == 0)
        result = check_empty(vault, err);
    if (result < 0)
        return result;
    struct vf_job *job = vf_job_new(
        tree, &rmdir_kind, sizeof(struct remove_job), directory, vault->name);
    if (job == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    set_id((struct remove_job *)job, vault->id);
    result = vf_job_finish(tree, job, caller, err);
    return result == -ENOENT && is_gone(tree, vault, caller) ? 0 : result;
}

int vf_tree_rmdir(struct vf_tree *tree, struct vf_node *directory,
                  const char *name, struct vf_caller *caller,
                  struct vf_error *err)
{
    int result = vf_tree_check_writable(tree, err);

    if (result == 0)
        result = vf_control_check(directory, name, err);
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

/* --- unlink --- */

int vf_remove_remote(struct vf_tree *tree, const struct vf_node *directory,
                     const char *id, struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    const char *vault_id = vf_node_vault_id(directory);

    if (is_archiving(tree, directory))
        return service->ops->archive_credential(service->self, vault_id, id,
                                                vf_deadline(tree), err);
    return service->ops->delete_credential(service->self, vault_id, id,
                                           vf_deadline(tree), err);
}

/* A draft goes here: by the time of apply a listing may have made a credential
 * of it, which nobody has deleted. */
static int prepare_unlink(struct vf_tree *tree, struct vf_job *job)
{
    struct remove_job *remove = (struct remove_job *)job;
    struct vf_node *node = vf_node_child(job->directory, job->name);

    if (node == NULL || job->directory->listing->is_going)
        return vf_error_set(&job->error, ENOENT, "the file is gone");
    if (node->id == NULL) {
        vf_remove_local(tree, node);
    } else {
        set_id(remove, node->id);
        remove->node = vf_node_ref(node);
    }
    return 0;
}

static int run_unlink(struct vf_tree *tree, struct vf_job *job)
{
    const struct remove_job *remove = (struct remove_job *)job;

    if (remove->id[0] == '\0')
        return 0; /* nobody else knows it */
    return vf_remove_remote(tree, job->directory, remove->id, &job->error);
}

static void apply_unlink(struct vf_tree *tree, struct vf_job *job)
{
    const struct remove_job *remove = (struct remove_job *)job;

    if (remove->node == NULL)
        return;
    apply_remote(tree, job);
    if (job->result == 0 && job->directory->kind == VF_NODE_VAULT)
        vf_listing_shrunk(tree, job->directory);
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
    vf_node_set_hidden(info, true);
    return 0;
}

static int unlink_locked(struct vf_tree *tree, struct vf_node *directory,
                         const char *name, struct vf_caller *caller,
                         pid_t process, struct vf_error *err)
{
    const struct vf_node *node = vf_node_child(directory, name);
    const char *home = vf_park_key(directory, name);

    if (vf_node_class(directory, name) == VF_CLASS_INFO)
        return hide_info(directory->listing->info);
    if (node != NULL && node->listing != NULL)
        return -EISDIR;
    struct vf_job *job = vf_job_new(tree, &unlink_kind,
                                    sizeof(struct remove_job), directory, name);
    if (job == NULL || (home != name && vf_job_add_name(job, home) < 0)) {
        vf_job_unref(job);
        return vf_error_set(err, ENOMEM, "no memory");
    }
    ((struct remove_job *)job)->process = process;
    return vf_job_finish(tree, job, caller, err);
}

int vf_tree_unlink(struct vf_tree *tree, struct vf_node *directory,
                   const char *name, struct vf_caller *caller,
                   struct vf_error *err)
{
    int result = vf_tree_check_writable(tree, err);

    if (result == 0)
        result = vf_control_check(directory, name, err);
    if (result < 0)
        return result;
    pid_t process = vf_caller_process(caller);
    pthread_mutex_lock(&tree->lock);
    result = unlink_locked(tree, directory, name, caller, process, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
