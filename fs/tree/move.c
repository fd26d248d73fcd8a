/* SPDX-License-Identifier: MIT
 *
 * The mutation on two names: what the service is asked, and what changes here.
 * Where something is replaced, the new name comes first, then the end of what
 * had it, and the old name again if that fails: nothing is lost on the way.
 */
#include "move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "create.h"
#include "file.h"
#include "scratch.h"
#include "vaultfs/secret.h"

struct move_job {
    struct vf_job job; /* its names are those that vf_park_key() gives */
    char *name, *new_name;
    char *stored, *new_stored; /* the service's texts for them; NULL: none */
    enum vf_name_class new_class;
    bool must_be_new;
    struct vf_node *source; /* a reference, once found */
    struct vf_node *target; /* what has the new name: a reference, or NULL */
    bool is_asked;          /* the service is to rename the source */
    char source_id[VF_ID_MAX + 1];
    struct vf_text *text;          /* of the source */
    char target_id[VF_ID_MAX + 1]; /* "": nothing is to be deleted */
    struct vf_object made;
    bool is_made, is_source_gone;
    bool is_target_asked, is_target_gone; /* to be deleted; deleted */
};

struct vf_node *vf_move_find(struct vf_tree *tree, struct vf_node *directory,
                             const char *name)
{
    struct vf_node *node = vf_node_child(directory, name);

    if (vf_node_class(directory, name) == VF_CLASS_INFO) {
        node = directory->listing->info;
        return node != NULL && !node->is_hidden ? node : NULL;
    }
    if (node != NULL && vf_node_is_expired_draft(node)) {
        vf_node_unlink(tree, node);
        node = NULL;
    }
    return node;
}

/* --- What it means --- */

static int check_document(const struct move_job *move, struct vf_error *err)
{
    if (move->new_class == VF_CLASS_INFO)
        return vf_error_set(err, EOPNOTSUPP,
                            "only a document can take the place of a vault's "
                            "own metadata");
    return 0;
}

static int ask_service(struct move_job *move, struct vf_text *text,
                       struct vf_error *err)
{
    if (text == NULL) /* there was no memory for it */
        return vf_error_set(err, ENOMEM, "no memory to rename");
    move->is_asked = true;
    memcpy(move->source_id, move->source->id, strlen(move->source->id) + 1);
    move->text = text;
    text->references++;
    return 0;
}

static int plan_credential(struct vf_tree *tree, struct move_job *move,
                           struct vf_error *err)
{
    if (move->new_class == VF_CLASS_ORDINARY)
        return ask_service(move, move->source->text, err);
    return check_document(move, err);
}

static int plan_parked(struct vf_tree *tree, struct move_job *move,
                       struct vf_error *err)
{
    const struct vf_node *source = move->source;

    if (vf_park_is_live(source) && move->new_class == VF_CLASS_ORDINARY &&
        strcmp(source->home, move->new_name) != 0)
        return ask_service(move, source->text, err);
    if (!vf_park_is_live(source) && move->new_class != VF_CLASS_SCRATCH)
        return -ESTALE; /* spent a moment ago */
    return check_document(move, err);
}

static int plan_scratch(struct vf_tree *tree, struct move_job *move,
                        struct vf_error *err)
{
    return move->new_class == VF_CLASS_SCRATCH ? 0 : -ESTALE;
}

static int plan_draft(struct vf_tree *tree, struct move_job *move,
                      struct vf_error *err)
{
    if (move->new_class == VF_CLASS_SCRATCH)
        return vf_scratch_check_room(tree, err);
    if (move->target != NULL && move->target->id != NULL)
        return vf_error_set(err, EINVAL,
                            "nothing was written to it yet that could take "
                            "the place of \"%s\"",
                            move->new_name);
    return check_document(move, err);
}

static int plan_info(struct vf_tree *tree, struct move_job *move,
                     struct vf_error *err)
{
    if (move->new_class == VF_CLASS_SCRATCH && vf_tree_can_change_vaults(tree))
        return 0;
    return vf_error_set(err, EOPNOTSUPP,
                        "a vault's own metadata stays where it is");
}

static int plan_vault(struct vf_tree *tree, struct move_job *move,
                      struct vf_error *err)
{
    if (move->new_class != VF_CLASS_ORDINARY)
        return vf_error_set(err, EPERM,
                            "a vault cannot have the name of a hidden or "
                            "temporary file");
    if (move->target != NULL)
        return vf_error_set(err, EEXIST, "the name is taken");
    if (move->source->id == NULL)
        return 0; /* pending: nobody else knows it, see check_pending() */
    if (!vf_tree_can_change_vaults(tree))
        return vf_error_set(err, EOPNOTSUPP,
                            "this service cannot rename a vault");
    return ask_service(move, move->source->listing->info->text, err);
}

static int (*const plans[])(struct vf_tree *tree, struct move_job *move,
                            struct vf_error *err) = {
    [VF_NODE_VAULT] = plan_vault,           [VF_NODE_INFO] = plan_info,
    [VF_NODE_CREDENTIAL] = plan_credential, [VF_NODE_DRAFT] = plan_draft,
    [VF_NODE_SCRATCH] = plan_scratch,       [VF_NODE_PARKED] = plan_parked,
};

static int prepare_move(struct vf_tree *tree, struct vf_job *job)
{
    struct move_job *move = (struct move_job *)job;
    struct vf_node *source = vf_move_find(tree, job->directory, move->name);
    struct vf_node *target = vf_move_find(tree, job->directory, move->new_name);

    if (source == NULL || !job->directory->is_linked ||
        job->directory->listing->is_going)
        return vf_error_set(&job->error, ENOENT, "it is gone");
    move->source = vf_node_ref(source);
    if (target != NULL) {
        move->target = vf_node_ref(target);
        if (move->must_be_new)
            return vf_error_set(&job->error, EEXIST, "the name is taken");
    }
    int result = plans[source->kind](tree, move, &job->error);
    if (result == 0 && target != NULL && target->listing != NULL)
        return vf_error_set(&job->error, EISDIR, "a vault has this name");
    if (result == 0 && target != NULL && target->id != NULL)
        memcpy(move->target_id, target->id, strlen(target->id) + 1);
    return result;
}

/* --- Asking the service --- */

/* 404: it is gone, if only to the archive, or there is no such call. */
static int tell_apart(struct vf_tree *tree, struct move_job *move)
{
    struct vf_object object;
    int result = vf_look(tree, move->job.directory->id, move->source_id,
                         vf_deadline(tree), &object, &move->job.error);

    if (result == 0) {
        vf_object_done(&object);
        return -EOPNOTSUPP;
    }
    move->is_source_gone = result == -ENOENT;
    return result;
}

static int rename_credential(struct vf_tree *tree, struct move_job *move)
{
    const struct vf_service *service = &tree->options.service;
    int result = service->ops->rename_credential(
        service->self, move->job.directory->id, move->source_id,
        move->new_stored, move->text->data, move->text->size, vf_deadline(tree),
        &move->made, &move->job.error);

    if (result == -ENOENT)
        result = tell_apart(tree, move);
    if (result == -EOPNOTSUPP)
        (void)vf_error_set(&move->job.error, EOPNOTSUPP,
                           "this service cannot rename a credential");
    return result;
}

static int rename_vault(struct vf_tree *tree, struct move_job *move)
{
    const struct vf_service *service = &tree->options.service;
    const struct vf_vault_spec spec = {.display_name = move->new_stored};
    int result = service->ops->update_vault(
        service->self, move->source_id, &spec, move->text->data,
        move->text->size, vf_deadline(tree), &move->made, &move->job.error);

    move->is_source_gone = result == -ENOENT;
    return result;
}

static const char *what_is_left(int undone, const struct vf_error *err)
{
    if (undone == 0)
        return "nothing was renamed";
    return err->is_unknown ? "at the service this one has either name"
                           : "at the service this one has the new name";
}

/* What had the name could not be deleted, or nobody knows whether it was: back
 * to the old name. Returns result. */
static int undo(struct vf_tree *tree, struct move_job *move, int result)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_error *err = &move->job.error;
    const struct vf_error cause = *err;
    struct vf_error second = {0};
    struct vf_object object;
    int undone = -EINVAL;

    move->is_made = false;
    if (move->stored != NULL)
        undone = service->ops->rename_credential(
            service->self, move->job.directory->id, move->source_id,
            move->stored, move->made.text, move->made.size, vf_deadline(tree),
            &object, &second);
    if (undone == 0)
        vf_object_done(&object);
    else
        err->is_unknown |= second.is_unknown;
    (void)snprintf(err->message, sizeof(err->message),
                   "what it replaces %s, and %s: %.900s",
                   cause.is_unknown ? "may be gone" : "could not be deleted",
                   what_is_left(undone, &second), cause.message);
    return result;
}

static int run_move(struct vf_tree *tree, struct vf_job *job)
{
    struct move_job *move = (struct move_job *)job;
    int result = 0;

    if (move->is_asked) {
        result = vf_node_holds_vaults(job->directory)
                     ? rename_vault(tree, move)
                     : rename_credential(tree, move);
        move->is_made = result == 0;
    }
    if (result < 0 || move->target_id[0] == '\0')
        return result;
    move->is_target_asked = true;
    result =
        vf_remove_remote(tree, job->directory, move->target_id, &job->error);
    move->is_target_gone = result == 0;
    return result < 0 && move->is_made ? undo(tree, move, result) : result;
}

/* --- Doing it here --- */

/* .vault.json has its place aside: what takes the scratch name is a copy. */
static int park_info(struct vf_tree *tree, struct move_job *move)
{
    struct vf_node *info = move->source;
    struct vf_node *copy = vf_node_new_child(
        tree, move->job.directory, VF_NODE_PARKED, move->new_name, NULL);

    if (copy == NULL)
        return -ENOMEM;
    copy->home = strdup(VF_INFO_NAME);
    if (copy->home == NULL) {
        vf_node_unlink(tree, copy);
        return -ENOMEM;
    }
    copy->mtime = info->mtime;
    copy->text = info->text;
    if (copy->text != NULL)
        copy->text->references++;
    vf_node_set_hidden(info, true);
    vf_node_changed_here(tree, copy);
    vf_node_tell_entry(tree, move->job.directory, VF_INFO_NAME);
    vf_node_tell_entry(tree, move->job.directory, move->new_name);
    return 0;
}

static int copy_drafts(struct vf_tree *tree, struct vf_node *node,
                       struct vf_error *err)
{
    int result = 0;

    for (struct vf_file *file = node->files; file != NULL && result == 0;
         file = file->next_file) {
        size_t size = vf_draft_size(&file->draft);

        if (size > 0)
            result = vf_scratch_write(tree, node, file,
                                      vf_secret_data(file->draft.bytes), size,
                                      0, err);
    }
    return result;
}

/* A name under which something is being written becomes a tool's own. The
 * drafts are kept until that is done: on failure they go on. */
static int make_scratch(struct vf_tree *tree, struct move_job *move)
{
    struct vf_node *node = move->source;
    uint64_t ino = node->ino;
    int result = vf_scratch_convert(tree, node, &move->job.error);

    if (result < 0)
        return result;
    result = copy_drafts(tree, node, &move->job.error);
    if (result == 0)
        result = vf_node_rename(tree, node, move->new_name);
    if (result < 0) {
        vf_scratch_end(tree, node);
        node->kind = VF_NODE_DRAFT;
        node->ino = ino;
        return result;
    }
    for (struct vf_file *file = node->files; file != NULL;
         file = file->next_file)
        vf_draft_drop(&file->draft);
    return 0;
}

/* To a scratch name, or from one. Nothing is changed on failure. */
static int repark(struct vf_tree *tree, struct move_job *move)
{
    struct vf_node *node = move->source;
    bool is_parked = move->new_class == VF_CLASS_SCRATCH;
    char *home = is_parked ? strdup(node->name) : NULL;

    if ((is_parked && home == NULL) ||
        vf_node_rename(tree, node, move->new_name) < 0) {
        free(home);
        return -ENOMEM;
    }
    free(node->home);
    node->home = home;
    node->kind = is_parked ? VF_NODE_PARKED : VF_NODE_CREDENTIAL;
    return 0;
}

static int move_name(struct vf_tree *tree, struct move_job *move)
{
    struct vf_node *source = move->source;
    bool is_scratch = move->new_class == VF_CLASS_SCRATCH;
    int result = 0;

    if (source->kind == VF_NODE_INFO)
        return park_info(tree, move);
    if (source->kind == VF_NODE_DRAFT && is_scratch)
        result = make_scratch(tree, move);
    else if ((source->kind == VF_NODE_CREDENTIAL && is_scratch) ||
             (source->kind == VF_NODE_PARKED && !is_scratch))
        result = repark(tree, move);
    else
        result = vf_node_rename(tree, source, move->new_name);
    if (result == 0 && move->is_made)
        result = vf_node_set_object(tree, source, &move->made);
    vf_node_changed_here(tree, source);
    return result;
}

/* The new name is free but for what came there while the service was asked. */
static int clear_target(struct vf_tree *tree, struct move_job *move)
{
    struct vf_node *directory = move->job.directory;

    if (move->is_target_gone) {
        vf_listing_bury(tree, directory, move->target_id);
        vf_archive_expire(tree, directory); /* with --rm archive it is there */
    }
    struct vf_node *node = vf_move_find(tree, directory, move->new_name);
    if (node != NULL && node->id != NULL &&
        strcmp(node->id, move->target_id) != 0)
        return vf_error_set(&move->job.error, EEXIST,
                            "another one got this name meanwhile: this one is "
                            "still \"%s\" here",
                            move->name);
    if (node != NULL)
        vf_remove_local(tree, node);
    return 0;
}

static void drop_gone(struct vf_tree *tree, struct move_job *move)
{
    if (!move->is_source_gone)
        return;
    vf_listing_bury(tree, move->job.directory, move->source_id);
    vf_archive_expire(tree, move->job.directory); /* it may be there */
    move->source->is_removed = true;
    vf_node_drop_drafts(move->source);
    vf_node_unlink(tree, move->source);
}

/* What began in a pending vault after the wait for it makes the vault under the
 * name that it found. */
static int check_pending(struct move_job *move)
{
    const struct vf_node *source = move->source;

    if (source->kind == VF_NODE_VAULT && !move->is_asked &&
        (source->id != NULL || source->listing->mutations != NULL))
        return vf_error_set(&move->job.error, EBUSY,
                            "the vault is being made under this name");
    return 0;
}

/* With both requests begun, the first was acted upon, undone or not. */
static bool is_untouched(const struct move_job *move)
{
    bool was_renamed = move->is_asked && move->is_target_asked;

    return !was_renamed && !move->is_source_gone &&
           vf_listing_is_untouched(&move->job.error);
}

static void apply_move(struct vf_tree *tree, struct vf_job *job)
{
    struct move_job *move = (struct move_job *)job;
    struct vf_node *source = move->source;

    if (job->result == 0 && !source->is_linked)
        job->result = vf_error_set(&job->error, ENOENT,
                                   "it was removed while it was renamed");
    if (job->result == 0)
        job->result = check_pending(move);
    if (job->result == 0)
        job->result = clear_target(tree, move);
    if (job->result == 0) {
        job->result = move_name(tree, move);
        if (job->result == -ENOMEM)
            (void)vf_error_set(&job->error, ENOMEM, "no memory to rename");
    }
    if (job->result == 0 || is_untouched(move))
        return;
    drop_gone(tree, move);
    if (move->is_target_asked)
        move->target->is_made_here = false; /* the next listing decides */
    vf_listing_distrust(tree, job->directory, move->name);
    vf_listing_distrust(tree, job->directory, move->new_name);
}

static void destroy_move(struct vf_job *job)
{
    struct move_job *move = (struct move_job *)job;

    free(move->name);
    free(move->new_name);
    free(move->stored);
    free(move->new_stored);
    vf_text_unref(move->text);
    vf_object_done(&move->made);
    if (move->source != NULL)
        vf_node_unref(job->tree, move->source, 1);
    if (move->target != NULL)
        vf_node_unref(job->tree, move->target, 1);
}

static const struct vf_job_kind move_kind = {
    .operation = "rename",
    .prepare = prepare_move,
    .remote = run_move,
    .apply = apply_move,
    .destroy = destroy_move,
};

static int copy_names(const struct vf_move *request, const char *key,
                      struct move_job *move)
{
    bool is_vault = request->directory->kind == VF_NODE_ROOT;
    enum vf_name_kind kind = is_vault ? VF_NAME_VAULT : VF_NAME_FILE;

    move->name = strdup(request->name);
    move->new_name = strdup(request->new_name);
    if (move->name == NULL || move->new_name == NULL)
        return -ENOMEM;
    if (vf_name_decode(kind, key, &move->stored, NULL) == -ENOMEM)
        return -ENOMEM;
    if (move->new_class != VF_CLASS_ORDINARY)
        return 0;
    return vf_name_decode(kind, request->new_name, &move->new_stored, NULL);
}

/* What is on its way below a pending vault may make it, and then the service
 * knows its name. */
static int settle_pending(struct vf_tree *tree, const struct vf_move *request,
                          struct vf_caller *caller)
{
    struct vf_node *node = vf_node_child(request->directory, request->name);

    if (node == NULL || node->kind != VF_NODE_VAULT || node->id != NULL)
        return 0;
    return vf_job_settle_below(tree, node, caller);
}

int vf_move_run(struct vf_tree *tree, const struct vf_move *request,
                struct vf_caller *caller, struct vf_error *err)
{
    int result = settle_pending(tree, request, caller);
    if (result < 0)
        return result;
    const char *key = vf_park_key(request->directory, request->name);
    const char *new_key = vf_park_key(request->directory, request->new_name);
    struct vf_job *job = vf_job_new(tree, &move_kind, sizeof(struct move_job),
                                    request->directory, key);
    struct move_job *move = (struct move_job *)job;

    if (job == NULL)
        return vf_error_set(err, ENOMEM, "no memory to rename");
    move->new_class = vf_node_class(request->directory, request->new_name);
    move->must_be_new = request->must_be_new;
    if (copy_names(request, key, move) < 0 ||
        (strcmp(key, new_key) != 0 && vf_job_add_name(job, new_key) < 0)) {
        vf_job_unref(job);
        return vf_error_set(err, ENOMEM, "no memory to rename");
    }
    return vf_job_finish(tree, job, caller, err);
}
