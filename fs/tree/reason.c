/* SPDX-License-Identifier: MIT */
#include "commit_job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "create.h"
#include "vaultfs/name.h"

void vf_reason_put_before(struct vf_error *err, const char *format, ...)
{
    char message[2 * sizeof(err->message)];
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof(message))
        return;
    (void)snprintf(message + size, sizeof(message) - (size_t)size, "%s",
                   err->message);
    vf_error_copy(err->message, sizeof(err->message), message);
}

void vf_reason_removed(const struct vf_commit_job *commit, struct vf_error *err)
{
    if (commit->removed_id[0] != '\0')
        vf_reason_put_before(err,
                             "the credential %s, which had this name, was "
                             "deleted by the same process a moment ago: ",
                             commit->removed_id);
}

/* --- Who holds the URL, and how many there are --- */

/* A vault, looked through for one thing. */
struct survey {
    struct vf_tree *tree;
    const struct vf_commit_job *commit;
    size_t count;
    char holder[VF_NAME_MAX + 1]; /* the file with the same identity, or "" */
};

/* Whether this one is it. */
static bool look_at(struct survey *survey, const char *id, const char *text,
                    size_t size)
{
    if (vf_commit_is_gone(survey->commit, id))
        return false;
    survey->count++;
    return survey->holder[0] == '\0' &&
           vf_spec_is_same_identity(survey->commit->spec, text, size);
}

static void set_holder(struct survey *survey, const char *name)
{
    vf_error_copy(survey->holder, sizeof(survey->holder), name);
}

static void survey_tree(struct survey *survey)
{
    const struct vf_node *directory = survey->commit->base.job.directory;

    pthread_mutex_lock(&survey->tree->lock);
    struct vf_node **children = vf_node_children(directory);
    for (struct vf_node **child = children; child != NULL && *child != NULL;
         child++) {
        const struct vf_node *node = *child;

        if (node->id != NULL && node->text != NULL &&
            look_at(survey, node->id, node->text->data, node->text->size))
            set_holder(survey, node->name);
    }
    free(children);
    pthread_mutex_unlock(&survey->tree->lock);
}

/* The name that a reader of the directory knows it by, or will. */
static void name_holder(struct survey *survey, const struct vf_object *object)
{
    const char *text = object->name != NULL ? object->name : object->label;
    char name[VF_NAME_MAX + 1];

    vf_name_encode(VF_NAME_FILE, text != NULL ? text : "", object->id, 0, name);
    pthread_mutex_lock(&survey->tree->lock);
    const struct vf_node *node =
        vf_node_child_by_id(survey->commit->base.job.directory, object->id);
    set_holder(survey, node != NULL ? node->name : name);
    pthread_mutex_unlock(&survey->tree->lock);
}

static bool take_survey(void *context, struct vf_object *object)
{
    struct survey *survey = context;

    if (look_at(survey, object->id, object->text, object->size))
        name_holder(survey, object);
    return false;
}

static void survey_service(struct survey *survey)
{
    bool is_taken;

    survey->count = 0;
    (void)!vf_seek(survey->tree, survey->commit->vault_id,
                   vf_deadline(survey->tree), take_survey, survey, &is_taken,
                   NULL);
}

static unsigned credentials_max(const struct vf_tree *tree)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_service_traits traits;

    service->ops->traits(service->self, &traits);
    return traits.credentials_max;
}

static void tell_holder(const struct survey *survey, struct vf_error *err)
{
    const struct vf_node *directory = survey->commit->base.job.directory;
    bool is_variable =
        survey->commit->spec->type == VF_AUTH_ENVIRONMENT_VARIABLE;

    pthread_mutex_lock(&survey->tree->lock);
    vf_reason_put_before(
        err, "%s/%s has a credential for this %s: ", directory->name,
        survey->holder, is_variable ? "variable" : "URL");
    pthread_mutex_unlock(&survey->tree->lock);
}

/* A refusal that names a field is about that field. */
static int tell_full(const struct survey *survey, unsigned max, int result,
                     struct vf_error *err)
{
    if (max == 0 || survey->count < max || err->param[0] != '\0')
        return result;
    vf_reason_put_before(err,
                         "the vault holds %zu credentials, and %u are the "
                         "most that the service takes: ",
                         survey->count, max);
    err->code = EDQUOT;
    return -EDQUOT;
}

int vf_reason_refused(struct vf_tree *tree, struct vf_commit_job *commit,
                      int result)
{
    struct vf_error *err = &commit->base.job.error;
    struct survey survey = {.tree = tree, .commit = commit};
    unsigned max = credentials_max(tree);

    if (err->http_status == 0 ||
        (result != -EEXIST && (result != -EINVAL || max == 0)))
        return result;
    survey_tree(&survey);
    bool is_known =
        result == -EEXIST ? survey.holder[0] != '\0' : survey.count >= max;
    if (!is_known)
        survey_service(&survey);
    if (result == -EEXIST && survey.holder[0] != '\0') {
        tell_holder(&survey, err);
        return result;
    }
    return tell_full(&survey, max, result, err);
}
