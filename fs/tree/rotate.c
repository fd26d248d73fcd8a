/* SPDX-License-Identifier: MIT
 *
 * What a document does to the credential that has its name (W-rotate).
 *
 * One that describes the same credential changes it: in one request, which
 * keeps the id, where the service can. Where it cannot, which may show only by
 * its answer, the secret can still be rotated, by making a new credential and
 * deleting the old one. In this order something that works is always there; but
 * a service that takes only one for each URL refuses the new one until the old
 * one is gone, and only then is it the other way round. A document without its
 * secret can do neither.
 *
 * One that describes another credential replaces it, in the safe order.
 *
 * Each of these can fail between its two requests. The error then says what is
 * there now, and the job says it to the tree.
 */
#include "commit_job.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "create.h"
#include "vaultfs/journal.h"

static int act(struct vf_tree *tree, struct vf_commit_job *commit);

static bool is_about_earlier(const struct vf_commit_job *commit)
{
    return commit->earlier.id[0] != '\0';
}

static struct vf_error *error_of(struct vf_commit_job *commit)
{
    return &commit->base.job.error;
}

static void set_made(struct vf_commit_job *commit,
                     const struct vf_object *object)
{
    vf_object_done(&commit->made);
    commit->made = *object;
    commit->is_made = true;
}

/* An attempt whose answer was lost made something under this name, or so it
 * seems: so that is what the document is about. */
static int act_on_earlier(struct vf_tree *tree, struct vf_commit_job *commit,
                          const struct vf_object *object)
{
    vf_object_done(&commit->earlier);
    commit->earlier = *object;
    commit->shown = commit->earlier.text;
    commit->shown_size = commit->earlier.size;
    memcpy(commit->old_id, object->id, sizeof(commit->old_id));
    return act(tree, commit);
}

/* Found by a look, it may be another's of the same kind, with another secret:
 * our document makes it what was asked for. Once, or a service that loses every
 * answer would keep us for ever. */
static int act_on_guess(struct vf_tree *tree, struct vf_commit_job *commit,
                        const struct vf_object *object)
{
    int result = act_on_earlier(tree, commit, object);

    if (result < 0) /* what it was before is not known */
        error_of(commit)->is_unknown = true;
    return result;
}

static int create(struct vf_tree *tree, struct vf_commit_job *commit)
{
    struct vf_creation creation = {.vault_id = commit->vault_id,
                                   .name = commit->stored_name,
                                   .spec = commit->spec,
                                   .except_id = commit->old_id};

    commit->is_creating = true;
    int result = vf_create(tree, &creation, error_of(commit));

    if (result < 0)
        return result;
    if (creation.is_earlier)
        return act_on_earlier(tree, commit, &creation.made);
    if (creation.is_guess && !is_about_earlier(commit))
        return act_on_guess(tree, commit, &creation.made);
    set_made(commit, &creation.made);
    return 0;
}

static void note_gone(struct vf_commit_job *commit, const char *id)
{
    assert(commit->gone_count < VF_COMMIT_GONE_MAX);
    memcpy(commit->gone[commit->gone_count++], id, strlen(id) + 1);
}

static int delete_one(struct vf_tree *tree, struct vf_commit_job *commit,
                      const char *id)
{
    const struct vf_service *service = &tree->options.service;
    int result =
        service->ops->delete_credential(service->self, commit->vault_id, id,
                                        vf_deadline(tree), error_of(commit));

    commit->is_creating = false;
    if (result == 0)
        note_gone(commit, id);
    return result;
}

/* The safe order. */
static int replace(struct vf_tree *tree, struct vf_commit_job *commit)
{
    char old_id[VF_ID_MAX + 1];

    memcpy(old_id, commit->old_id, sizeof(old_id)); /* it may become another */
    int result = create(tree, commit);
    if (result < 0)
        return result;
    vf_commit_drop_spec(commit);
    result = delete_one(tree, commit, old_id);
    if (result < 0)
        vf_reason_put_before(error_of(commit),
                             "the new credential is there, but the one that it "
                             "replaces %s: ",
                             error_of(commit)->is_unknown
                                 ? "may be there too"
                                 : "could not be deleted");
    return result;
}

/* The service takes no second one. */
static int replace_deleting_first(struct vf_tree *tree,
                                  struct vf_commit_job *commit)
{
    int result = delete_one(tree, commit, commit->old_id);

    if (result < 0) {
        vf_reason_put_before(error_of(commit),
                             "this service takes no second credential for the "
                             "same purpose, and the old one %s: ",
                             error_of(commit)->is_unknown
                                 ? "may be gone"
                                 : "could not be deleted");
        return result;
    }
    result = create(tree, commit);
    if (result < 0)
        vf_reason_put_before(error_of(commit),
                             "the old credential %s is gone, it had to be "
                             "deleted first, and the new one %s: ",
                             commit->old_id,
                             error_of(commit)->is_unknown
                                 ? "may not have been made"
                                 : "could not be made");
    return result;
}

/* Whether a credential can be made of it: an edit, or the rotation of one of
 * several secrets, brings less. */
static bool is_whole(const struct vf_spec *spec)
{
    const struct vf_spec_refresh *refresh = &spec->refresh;
    const char *auth = refresh->token_endpoint_auth_type;

    if (spec->value == NULL)
        return false;
    if (!refresh->is_present)
        return true;
    return refresh->refresh_token != NULL &&
           (refresh->client_secret != NULL ||
            (auth != NULL && strcmp(auth, "none") == 0));
}

static int rotate_without_update(struct vf_tree *tree,
                                 struct vf_commit_job *commit)
{
    if (!is_whole(commit->spec))
        return vf_error_set(error_of(commit), EOPNOTSUPP,
                            "this service cannot change a credential: write "
                            "the whole document, with its secrets");
    int result = replace(tree, commit);
    return result == -EEXIST && !commit->is_made
               ? replace_deleting_first(tree, commit)
               : result;
}

static int update(struct vf_tree *tree, struct vf_commit_job *commit)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_object object;
    int result = service->ops->update_credential(
        service->self, commit->vault_id, commit->old_id, commit->stored_name,
        commit->spec, commit->shown, commit->shown_size, vf_deadline(tree),
        &object, error_of(commit));

    commit->is_creating = false;
    if (result == 0)
        set_made(commit, &object);
    return result;
}

/* 404 on an update: a look at the credential decides what it means. What
 * somebody archived is gone from here, and not ours to delete. */
static int look_why_absent(struct vf_tree *tree, struct vf_commit_job *commit)
{
    struct vf_object object;
    int result = vf_look(tree, commit->vault_id, commit->old_id,
                         vf_deadline(tree), &object, error_of(commit));

    if (result == 0) {
        vf_object_done(&object);
        return -EOPNOTSUPP;
    }
    if (result != -ENOENT)
        return result;
    note_gone(commit, commit->old_id);
    if (is_whole(commit->spec))
        return create(tree, commit);
    return vf_error_set(error_of(commit), ENOENT,
                        "the credential is gone: only a whole document, with "
                        "its secrets, can make it again");
}

/* Without secrets there may be nothing to change, which is for the service's
 * client to see, and asks for no call. */
static int change(struct vf_tree *tree, struct vf_commit_job *commit)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_service_traits traits;
    int result = -EOPNOTSUPP;

    service->ops->traits(service->self, &traits);
    bool can_update = traits.can_update_credential && !tree->lacks_update;
    if (can_update || !vf_spec_has_secret(commit->spec))
        result = update(tree, commit);
    if (result == -ENOENT)
        result = look_why_absent(tree, commit);
    if (result != -EOPNOTSUPP)
        return result;
    tree->lacks_update = true;
    return rotate_without_update(tree, commit);
}

static int act(struct vf_tree *tree, struct vf_commit_job *commit)
{
    if (commit->old_id[0] == '\0')
        return create(tree, commit);
    if (commit->shown != NULL &&
        vf_spec_is_same_identity(commit->spec, commit->shown,
                                 commit->shown_size))
        return change(tree, commit);
    if (commit->parked != NULL && !is_about_earlier(commit))
        return create(tree, commit); /* that is another one, and stays */
    return replace(tree, commit);
}

int vf_rotate_run(struct vf_tree *tree, struct vf_commit_job *commit)
{
    int result = act(tree, commit);

    if (result == 0) /* what has the name is known, whatever was not before */
        vf_journal_end(tree->options.journal, commit->vault_id,
                       commit->stored_name, NULL);
    else if (commit->is_creating)
        result = vf_reason_refused(tree, commit, result);
    return result;
}
