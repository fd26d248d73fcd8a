/* SPDX-License-Identifier: MIT */
#include "birth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commit_job.h"
#include "create.h"
#include "vaultfs/text.h"

void vf_birth_done(struct vf_birth *birth)
{
    vf_object_done(&birth->vault);
    vf_page_done(&birth->credentials);
    *birth = (struct vf_birth){0};
}

/* --- Without the lock --- */

static bool keep_object(void *context, struct vf_object *object)
{
    struct vf_page *page = context;
    struct vf_object *objects =
        reallocarray(page->objects, page->count + 1, sizeof(*objects));

    if (objects == NULL)
        return true; /* enough */
    page->objects = objects;
    objects[page->count++] = *object;
    *object = (struct vf_object){0};
    return false;
}

static void drop_credentials(struct vf_birth *birth)
{
    vf_page_done(&birth->credentials);
    birth->credentials = (struct vf_page){0};
}

/* What came with a vault whose answer was lost, or is an old one. */
static int list_credentials(struct vf_tree *tree, struct vf_birth *birth,
                            struct vf_error *err)
{
    bool is_cut = false;

    drop_credentials(birth);
    int result = vf_seek(tree, birth->vault.id, vf_deadline(tree), keep_object,
                         &birth->credentials, &is_cut, err);

    return result == 0 && is_cut ? vf_error_set(err, ENOMEM, "no memory")
                                 : result;
}

static void name_credential(struct vf_error *err, size_t index)
{
    struct vf_buf param = VF_BUF_INIT;

    vf_buf_printf(&param, "credentials[%zu]%s%s", index,
                  err->param[0] != '\0' ? "." : "", err->param);
    if (!param.is_broken)
        vf_error_copy(err->param, sizeof(err->param), param.data);
    vf_buf_free(&param);
}

static bool holds(const struct vf_page *page, const struct vf_spec *spec)
{
    size_t i = 0;

    while (i < page->count &&
           !vf_spec_is_same_identity(spec, page->objects[i].text,
                                     page->objects[i].size))
        i++;
    return i < page->count;
}

static int add_credential(struct vf_tree *tree, const struct vf_spec *spec,
                          struct vf_birth *birth, struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_key key = {.is_old = false}; /* nothing is repeated: a failure
                                              ends it all */
    struct vf_object made;

    vf_uuid4(key.text);
    int result = service->ops->create_credential(service->self, birth->vault.id,
                                                 spec->stored_name, spec, &key,
                                                 vf_deadline(tree), &made, err);
    if (result == 0 && keep_object(&birth->credentials, &made)) {
        vf_object_done(&made);
        result = vf_error_set(err, ENOMEM, "no memory");
    }
    return result;
}

/* One after another, for a service that did not take them along. */
static int add_missing(struct vf_tree *tree, const struct vf_vault_spec *spec,
                       struct vf_birth *birth, struct vf_error *err)
{
    int result = 0;

    for (size_t i = 0; i < spec->count && result == 0; i++) {
        if (holds(&birth->credentials, spec->credentials[i]))
            continue;
        result = add_credential(tree, spec->credentials[i], birth, err);
        if (result < 0)
            name_credential(err, i);
    }
    return result;
}

/* Whether a vault that was found by its name can be what a lost request made,
 * which has the spec's metadata, its credentials where the service takes them
 * along, and none where it does not. */
static bool may_be_ours(const struct vf_tree *tree,
                        const struct vf_vault_spec *spec,
                        const struct vf_birth *birth)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_service_traits traits;

    if (!vf_vault_spec_has_metadata(spec, birth->vault.text, birth->vault.size))
        return false;
    service->ops->traits(service->self, &traits);
    if (!traits.takes_credentials_with_vault)
        return birth->credentials.count == 0;
    for (size_t i = 0; i < spec->count; i++)
        if (!holds(&birth->credentials, spec->credentials[i]))
            return false;
    return birth->credentials.count == spec->count;
}

static int check_found(struct vf_tree *tree, const struct vf_vault_spec *spec,
                       bool is_guess, struct vf_birth *birth,
                       struct vf_error *err)
{
    int result = list_credentials(tree, birth, err);

    if (result == 0 && is_guess && !may_be_ours(tree, spec, birth))
        result = vf_error_set(err, EEXIST,
                              "a vault of this name is there, and it is not "
                              "what was sent");
    if (result < 0 && is_guess)
        err->is_unknown = true; /* of what was sent */
    return result;
}

static void take_back(struct vf_tree *tree, const char *vault_id,
                      struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_error second = {0};
    int result = service->ops->delete_vault(service->self, vault_id,
                                            vf_deadline(tree), &second);

    if (result == 0 && err->param[0] != '\0')
        vf_reason_put_before(
            err, "the vault was not made, because of %s: ", err->param);
    else if (result < 0)
        vf_reason_put_before(err,
                             "the new vault %s is left, not all of it was "
                             "made and it could not be deleted (%s): ",
                             vault_id, second.message);
}

/* It is there, and nobody here has seen it; or it is gone, and somebody may. */
static void expire_root(struct vf_tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    vf_listing_expire(tree, tree->root);
    pthread_mutex_unlock(&tree->lock);
}

/* What was there before this creation's own answer may be another's, or in use
 * by now, and is not deleted. */
static void undo(struct vf_tree *tree, const struct vf_creation *creation,
                 const char *vault_id, struct vf_error *err)
{
    if (!creation->was_sought) {
        take_back(tree, vault_id, err);
        expire_root(tree);
        return;
    }
    expire_root(tree);
    vf_reason_put_before(err,
                         "the vault %s is left as it is, %s, and not all of it "
                         "was made: ",
                         vault_id,
                         creation->is_guess
                             ? "for it was found by its name and may be "
                               "another's"
                             : "for an earlier attempt made it");
}

int vf_birth_run(struct vf_tree *tree, const struct vf_vault_spec *spec,
                 struct vf_birth *ret, struct vf_error *err)
{
    struct vf_creation creation = {
        .vault_id = "", .name = spec->display_name, .vault_spec = spec};
    int result = vf_create(tree, &creation, err);
    struct vf_birth birth = {creation.made, creation.credentials};

    if (result < 0)
        return result;
    if (creation.is_earlier) {
        vf_birth_done(&birth);
        expire_root(tree);
        return vf_error_set(err, EEXIST, "a vault of this name is there");
    }
    if (creation.was_sought)
        result = check_found(tree, spec, creation.is_guess, &birth, err);
    if (result == 0)
        result = add_missing(tree, spec, &birth, err);
    if (result < 0) {
        undo(tree, &creation, birth.vault.id, err);
        vf_birth_done(&birth);
        return result;
    }
    *ret = birth;
    return 0;
}

/* --- With the lock --- */

struct vf_node *vf_birth_apply(struct vf_tree *tree,
                               const struct vf_birth *birth,
                               struct vf_node *pending)
{
    struct vf_node *vault =
        vf_listing_adopt(tree, tree->root, &birth->vault, pending);

    if (vault == NULL)
        return NULL;
    vault->is_made_here = true;
    vf_node_changed_here(tree, vault);
    vf_listing_set_empty(tree, vault);
    for (size_t i = 0; i < birth->credentials.count; i++) {
        struct vf_node *node =
            vf_listing_adopt(tree, vault, &birth->credentials.objects[i], NULL);

        if (node == NULL) {
            vf_listing_expire(tree, vault);
            continue;
        }
        node->is_made_here = true;
        vf_node_changed_here(tree, node);
    }
    return vault;
}

/* Not the caller's to go on with: the name leads to another vault. */
int vf_birth_check(const struct vf_node *vault, const char *name,
                   struct vf_error *err)
{
    if (vault == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    if (strcmp(vault->name, name) != 0)
        return vf_error_set(err, EEXIST,
                            "another vault got this name meanwhile: the new "
                            "one is \"%s\"",
                            vault->name);
    return 0;
}
