/* SPDX-License-Identifier: MIT
 *
 * Archives.
 *
 * An archive is a directory like a vault: a listing of its own, of what the
 * service has archived, fetched when somebody looks. A move into it is one
 * request, after which the node itself moves: the kernel goes on with the inode
 * that it has under the new name, and whoever has the file open goes on reading
 * it. What its text says changed with the move (archived_at), and no reply
 * brought it: so the archive's listing is not fresh any more, and the node
 * stays in it, as what was changed here, until a listing shows it.
 *
 * There is no way back, because the service has none.
 */
#include "archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/name.h"

struct archive_job {
    struct vf_job job;
    struct vf_node *archive; /* a reference */
    struct vf_node *node;    /* a reference, once found */
    char id[VF_ID_MAX + 1];
};

int vf_archive_of(struct vf_tree *tree, struct vf_node *directory,
                  struct vf_node **ret, struct vf_error *err)
{
    bool is_active_vault = directory->kind == VF_NODE_VAULT &&
                           directory->id != NULL && directory->is_linked &&
                           directory->parent->kind == VF_NODE_ROOT;

    if (directory->kind != VF_NODE_ROOT && !is_active_vault)
        return -ENOENT;
    struct vf_listing *listing = directory->listing;
    if (listing->archive == NULL)
        listing->archive = vf_node_new_aside(tree, directory, VF_NODE_ARCHIVE,
                                             VF_ARCHIVE_NAME);
    if (listing->archive == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a directory");
    *ret = listing->archive;
    return 0;
}

int vf_archive_check(const struct vf_node *node, struct vf_error *err)
{
    if (!vf_node_is_archived(node))
        return 0;
    return vf_error_set(err, EOPNOTSUPP,
                        "what is archived can be read and removed, not "
                        "changed or brought back");
}

void vf_archive_expire(struct vf_tree *tree, struct vf_node *directory)
{
    if (directory->listing->archive != NULL)
        vf_listing_expire(tree, directory->listing->archive);
}

/* --- Moving --- */

/* Nothing here is EINVAL, of which mv(1) makes "to a subdirectory of itself".
 */

static int check_source(const struct vf_node *directory, const char *name,
                        const struct vf_node *node, struct vf_error *err)
{
    if (strcmp(name, VF_INFO_NAME) == 0)
        return vf_error_set(err, EOPNOTSUPP,
                            "a vault's own metadata is archived with it, not "
                            "by itself");
    if (node == NULL)
        return vf_error_set(err, ENOENT, "it is gone");
    if (node->kind == VF_NODE_PARKED)
        return vf_error_set(err, EOPNOTSUPP,
                            "rename it back before you archive it");
    if (node->id == NULL)
        return vf_error_set(err, EOPNOTSUPP,
                            "the service does not know it yet: there is "
                            "nothing to archive");
    if (node->listing != NULL && node->listing->mutations != NULL)
        return vf_error_set(err, EBUSY, "the vault is being changed");
    return 0;
}

static int prepare_archive(struct vf_tree *tree, struct vf_job *job)
{
    struct archive_job *archive = (struct archive_job *)job;
    struct vf_node *node = vf_node_child(job->directory, job->name);
    int result = check_source(job->directory, job->name, node, &job->error);

    if (result < 0)
        return result;
    memcpy(archive->id, node->id, strlen(node->id) + 1);
    archive->node = vf_node_ref(node);
    if (node->listing != NULL)
        node->listing->is_going = true; /* nothing new below */
    return 0;
}

static int run_archive(struct vf_tree *tree, struct vf_job *job)
{
    const struct vf_service *service = &tree->options.service;
    const char *id = ((struct archive_job *)job)->id;

    if (vf_node_holds_vaults(job->directory))
        return service->ops->archive_vault(service->self, id, vf_deadline(tree),
                                           &job->error);
    return service->ops->archive_credential(service->self, job->directory->id,
                                            id, vf_deadline(tree), &job->error);
}

/* Its own name, or one with digits. False: there is none. */
static bool find_name(const struct vf_node *archive, const struct vf_node *node,
                      char ret[static VF_NAME_MAX + 1])
{
    bool is_vault = node->kind == VF_NODE_VAULT;
    char *text = NULL;

    if (vf_node_child(archive, node->name) == NULL) {
        memcpy(ret, node->name, strlen(node->name) + 1);
        return true;
    }
    bool is_found = vf_name_decode(is_vault ? VF_NAME_VAULT : VF_NAME_FILE,
                                   node->name, &text, NULL) == 0 &&
                    vf_listing_free_name(archive, text, node->id, ret);
    free(text);
    return is_found;
}

/* What belongs to a vault only while it is active. What was archived in it
 * comes back into sight, and so does .vault.json, which nobody can bring back
 * from a name under which an editor has put it. */
static void close_vault(struct vf_tree *tree, struct vf_node *vault)
{
    vf_listing_unbury(vault->listing);
    if (vault->listing->info != NULL)
        vf_node_set_hidden(vault->listing->info, false);
    vf_node_drop_aside(tree, &vault->listing->archive);
    vf_listing_expire(tree, vault); /* it shows all that it holds from now on */
}

static void move_node(struct vf_tree *tree, struct archive_job *archive)
{
    struct vf_node *node = archive->node, *target = archive->archive;
    char name[VF_NAME_MAX + 1];

    /* A listing that was quicker than this reply: the kernel holds our node. */
    struct vf_node *listed = vf_node_child_by_id(target, archive->id);
    if (listed != NULL)
        vf_node_unlink(tree, listed);
    vf_node_changed_here(tree, node);
    if (!target->is_linked || !find_name(target, node, name) ||
        vf_node_move(tree, node, target, name) < 0) {
        vf_node_unlink(tree, node); /* the next listing brings it */
        return;
    }
    node->is_made_here = true;
    vf_node_changed_here(tree, node);
    if (node->kind == VF_NODE_VAULT)
        close_vault(tree, node);
}

static void apply_archive(struct vf_tree *tree, struct vf_job *job)
{
    struct archive_job *archive = (struct archive_job *)job;
    struct vf_node *node = archive->node;

    if (node->listing != NULL)
        node->listing->is_going = false;
    if (job->result < 0 && vf_listing_is_untouched(&job->error))
        return;
    if (job->result < 0) {
        node->is_made_here = false; /* the next listing decides */
        vf_listing_distrust(tree, job->directory, job->name);
    } else {
        vf_listing_bury(tree, job->directory, archive->id);
        if (vf_node_child_by_id(job->directory, archive->id) == node)
            move_node(tree, archive);
    }
    /* The kernel has put it under the name that it was asked for, whether or
     * not that was taken. */
    vf_listing_distrust(tree, archive->archive, job->name);
}

static void destroy_archive(struct vf_job *job)
{
    struct archive_job *archive = (struct archive_job *)job;

    if (archive->node != NULL)
        vf_node_unref(job->tree, archive->node, 1);
    if (archive->archive != NULL)
        vf_node_unref(job->tree, archive->archive, 1);
}

static const struct vf_job_kind archive_kind = {
    .operation = "archive",
    .prepare = prepare_archive,
    .remote = run_archive,
    .apply = apply_archive,
    .destroy = destroy_archive,
};

int vf_archive_move(struct vf_tree *tree, struct vf_node *directory,
                    const char *name, struct vf_node *archive,
                    const char *new_name, struct vf_caller *caller,
                    struct vf_error *err)
{
    if (directory->listing->archive != archive)
        return vf_error_set(err, EOPNOTSUPP,
                            "only the archive of its own directory takes it");
    if (strcmp(name, new_name) != 0)
        return vf_error_set(err, EOPNOTSUPP,
                            "it is archived under its own name");
    struct vf_node *node = vf_node_child(directory, name);
    int result = 0;
    if (node != NULL && node->listing != NULL)
        result = vf_job_settle_below(tree, node, caller);
    if (result < 0)
        return result;
    struct vf_job *job = vf_job_new(
        tree, &archive_kind, sizeof(struct archive_job), directory, name);
    if (job == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    ((struct archive_job *)job)->archive = vf_node_ref(archive);
    return vf_job_finish(tree, job, caller, err);
}
