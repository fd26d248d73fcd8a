/* SPDX-License-Identifier: MIT
 *
 * A document written to a vault's .vault.json: the vault's own metadata, where
 * the service can change a vault. Another display_name moves the directory: at
 * once, to that name if it is free, else with digits of the id, as a new vault
 * of that name would be called.
 */
#include "commit_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/name.h"
#include "vaultfs/secret.h"

struct edit_job {
    struct vf_commit_base base;
    struct vf_text *shown; /* a reference */
    struct vf_object changed;
    bool is_changed;
};

static int prepare_edit(struct vf_tree *tree, struct vf_job *job)
{
    struct edit_job *edit = (struct edit_job *)job;
    const struct vf_node *vault = job->directory;
    int result = 0;

    if (!vault->is_linked || vault->listing->is_going)
        result = vf_error_set(&job->error, ENOENT, "the vault is gone");
    else if (vault->id == NULL)
        result = vf_error_set(&job->error, EOPNOTSUPP,
                              "the service makes this vault with its first "
                              "credential: write that before");
    else if (vault->listing->info->text != NULL)
        edit->shown = vf_text_ref(vault->listing->info->text);
    return result < 0 ? vf_commit_give_up(tree, &edit->base, result) : 0;
}

static int update(struct vf_tree *tree, struct edit_job *edit,
                  const struct vf_vault_spec *spec)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_job *job = &edit->base.job;
    const struct vf_text *shown = edit->shown;
    int result = service->ops->update_vault(
        service->self, job->directory->id, spec,
        shown != NULL ? shown->data : NULL, shown != NULL ? shown->size : 0,
        vf_deadline(tree), &edit->changed, &job->error);

    edit->is_changed = result == 0;
    return result;
}

static int run_edit(struct vf_tree *tree, struct vf_job *job)
{
    struct edit_job *edit = (struct edit_job *)job;
    const struct vf_secret *bytes = edit->base.bytes;
    const struct vf_text *shown = edit->shown;
    struct vf_vault_spec *spec;
    int result = vf_vault_spec_parse(
        vf_secret_data(bytes), vf_secret_size(bytes),
        shown != NULL ? shown->data : NULL, shown != NULL ? shown->size : 0,
        &spec, &job->error);

    vf_commit_drop_bytes(&edit->base);
    if (result < 0)
        return result;
    result = update(tree, edit, spec);
    vf_vault_spec_free(spec);
    return result;
}

static void apply_edit(struct vf_tree *tree, struct vf_job *job)
{
    struct edit_job *edit = (struct edit_job *)job;
    struct vf_node *vault = job->directory;

    if (edit->is_changed && vault->is_linked) {
        vf_node_set_hidden(vault->listing->info, false);
        vf_node_changed_here(tree, vault);
        if (vf_node_set_object(tree, vault, &edit->changed) < 0 ||
            vf_listing_rename(tree, vault, &edit->changed) < 0)
            job->result = vf_error_set(&job->error, ENOMEM, "no memory");
    }
    if (job->result < 0 && !vf_commit_was_refused(&job->error))
        vf_listing_distrust(tree, vault->parent, vault->name);
}

static void destroy_edit(struct vf_job *job)
{
    struct edit_job *edit = (struct edit_job *)job;

    vf_text_unref(edit->shown);
    vf_object_done(&edit->changed);
    vf_commit_base_done(&edit->base);
}

const struct vf_commit_kind vf_commit_info = {
    .job =
        {
            .operation = "commit",
            .prepare = prepare_edit,
            .remote = run_edit,
            .apply = apply_edit,
            .destroy = destroy_edit,
        },
    .size = sizeof(struct edit_job),
};
