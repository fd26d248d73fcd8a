/* SPDX-License-Identifier: MIT
 *
 * A vault spec written to a new name at the root (W-vault): the vault is made
 * with its credentials, all or nothing. Then its directory stands there, and
 * the document's own name, if that is another, is spent: nobody sees it in a
 * listing, but the tool that wrote it may still set its times and modes.
 */
#include "commit_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sweep.h"
#include "vaultfs/name.h"
#include "vaultfs/secret.h"

struct spec_job {
    struct vf_commit_base base;
    struct vf_birth birth;
    bool is_made;
};

static int prepare_spec(struct vf_tree *tree, struct vf_job *job)
{
    struct vf_commit_base *base = (struct vf_commit_base *)job;
    const struct vf_node *taken = vf_node_child(job->directory, base->name);
    int result = 0;

    if (base->node != NULL && base->node->is_removed)
        result = vf_error_set(&job->error, ENOENT,
                              "the file was removed before its document was "
                              "complete");
    else if (taken != NULL && taken != base->node &&
             (base->must_be_new || taken->kind != VF_NODE_DRAFT))
        result = vf_error_set(&job->error, EEXIST, "the name is taken");
    return result < 0 ? vf_commit_give_up(tree, base, result) : 0;
}

/* "prod" for "prod.json". */
static int name_after_file(struct vf_vault_spec *spec, const char *name,
                           struct vf_error *err)
{
    static const char extension[] = ".json";
    size_t size = strlen(name), extension_size = sizeof(extension) - 1;
    char plain[VF_NAME_MAX + 1];

    if (size > extension_size &&
        strcmp(name + size - extension_size, extension) == 0)
        size -= extension_size;
    memcpy(plain, name, size);
    plain[size] = '\0';
    return vf_name_decode(VF_NAME_VAULT, plain, &spec->display_name, err);
}

static int read_spec(struct vf_commit_base *base, struct vf_vault_spec **ret)
{
    struct vf_vault_spec *spec;
    struct vf_error *err = &base->job.error;
    int result =
        vf_vault_spec_parse(vf_secret_data(base->bytes),
                            vf_secret_size(base->bytes), NULL, 0, &spec, err);

    vf_commit_drop_bytes(base);
    if (result < 0)
        return result;
    if (spec->display_name == NULL)
        result = name_after_file(spec, base->name, err);
    if (result < 0)
        vf_vault_spec_free(spec);
    else
        *ret = spec;
    return result;
}

/* As mkdir: a name leads to one vault. The document's own name may be its. */
static int check_name(struct vf_tree *tree, const struct vf_vault_spec *spec,
                      struct vf_error *err)
{
    char name[VF_NAME_MAX + 1];

    vf_name_encode(VF_NAME_VAULT, spec->display_name, "", 0, name);
    pthread_mutex_lock(&tree->lock);
    const struct vf_node *taken = vf_node_child(tree->root, name);
    bool is_taken = taken != NULL && taken->kind == VF_NODE_VAULT;
    pthread_mutex_unlock(&tree->lock);
    return is_taken ? vf_error_set(err, EEXIST,
                                   "a vault of this name is there: nothing was "
                                   "made")
                    : 0;
}

static int run_spec(struct vf_tree *tree, struct vf_job *job)
{
    struct spec_job *self = (struct spec_job *)job;
    struct vf_vault_spec *spec;
    int result = read_spec(&self->base, &spec);

    if (result < 0)
        return result;
    result = check_name(tree, spec, &job->error);
    if (result == 0)
        result = vf_birth_run(tree, spec, &self->birth, &job->error);
    if (result == -ENODATA)
        result = vf_error_set_param(&job->error, EINVAL, "credentials",
                                    "this service makes no vault without a "
                                    "credential");
    self->is_made = result == 0;
    vf_vault_spec_free(spec);
    return result;
}

/* A name that was only touched is in nobody's way. */
static void make_room(struct vf_tree *tree, const char *name)
{
    struct vf_node *taken = vf_node_child(tree->root, name);

    if (taken != NULL && taken->kind == VF_NODE_DRAFT)
        vf_node_unlink(tree, taken);
}

static void spend_name(struct vf_tree *tree, struct vf_commit_base *base)
{
    struct vf_node *node = vf_node_child(tree->root, base->name);

    if (node == NULL)
        node = vf_node_new_child(tree, tree->root, VF_NODE_DRAFT, base->name,
                                 NULL);
    if (node == NULL || node->kind != VF_NODE_DRAFT)
        return;
    vf_listing_change_names(node->parent);
    node->is_spent = true;
    vf_node_changed_here(tree, node);
    vf_sweep_at(tree, vf_node_expires_ms(node));
}

/* Put the new vault where its name is. */
static int put_vault(struct vf_tree *tree, const struct vf_birth *birth,
                     struct vf_error *err)
{
    char name[VF_NAME_MAX + 1];

    vf_name_encode(VF_NAME_VAULT, birth->vault.name, birth->vault.id, 0, name);
    make_room(tree, name);
    const struct vf_node *vault = vf_birth_apply(tree, birth, NULL);
    return vf_birth_check(vault, name, err);
}

static void apply_spec(struct vf_tree *tree, struct vf_job *job)
{
    struct spec_job *self = (struct spec_job *)job;

    if (self->is_made)
        job->result = put_vault(tree, &self->birth, &job->error);
    if (job->result == 0) {
        spend_name(tree, &self->base);
        return;
    }
    if (!vf_commit_was_refused(&job->error))
        vf_listing_distrust(tree, job->directory, self->base.name);
    vf_commit_drop_draft(tree, &self->base);
}

static void destroy_spec(struct vf_job *job)
{
    struct spec_job *self = (struct spec_job *)job;

    vf_birth_done(&self->birth);
    vf_commit_base_done(&self->base);
}

const struct vf_commit_kind vf_commit_vault_spec = {
    .job =
        {
            .operation = "commit",
            .prepare = prepare_spec,
            .remote = run_spec,
            .apply = apply_spec,
            .destroy = destroy_spec,
        },
    .size = sizeof(struct spec_job),
};
