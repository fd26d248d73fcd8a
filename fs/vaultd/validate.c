/* SPDX-License-Identifier: MIT */
#include "validate.h"

#include "dialect.h"
#include "problem.h"

#include "vaultfs/json.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct vf_param vf_param(const char *parent, const char *name)
{
    struct vf_param param;
    char text[2 * VF_ERROR_PARAM_MAX];

    (void)snprintf(text, sizeof(text), "%s%s%s", parent,
                   parent[0] != '\0' ? "." : "", name);
    vf_error_copy(param.text, sizeof(param.text), text);
    return param;
}

struct members {
    const char *parent;
    const char *const *names;
    struct vf_error *err;
};

static int check_member(void *context, const char *key, struct vf_json *value)
{
    const struct members *members = context;

    for (const char *const *name = members->names; *name != NULL; name++)
        if (strcmp(*name, key) == 0)
            return 0;
    return vf_refuse(members->err, VF_PROBLEM_INVALID,
                     vf_param(members->parent, key).text, "unknown field");
}

int vf_check_members(const struct vf_json *object, const char *parent,
                     const char *const *names, struct vf_error *err)
{
    struct members members = {parent, names, err};

    return vf_json_each(object, check_member, &members);
}

int vf_check_string(const struct vf_json *value, const char *param, size_t min,
                    size_t max, const char **ret, struct vf_error *err)
{
    size_t size = 0;
    const char *text = vf_json_string(value, &size);

    if (text == NULL)
        return vf_refuse(err, VF_PROBLEM_INVALID, param,
                         "must be a string, not %s",
                         vf_json_type_name(vf_json_type(value)));
    if (strlen(text) != size)
        return vf_refuse(err, VF_PROBLEM_INVALID, param,
                         "must not hold a NUL character");
    size_t length = vf_utf8_length(text, size);
    if (length < min)
        return vf_refuse(err, VF_PROBLEM_INVALID, param, "must not be empty");
    if (max != 0 && length > max)
        return vf_refuse(err, VF_PROBLEM_INVALID, param,
                         "must have at most %zu characters", max);
    *ret = text;
    return 0;
}

bool vf_is_http_url(const char *text)
{
    size_t scheme = strncasecmp(text, "http://", 7) == 0    ? 7
                    : strncasecmp(text, "https://", 8) == 0 ? 8
                                                            : 0;
    size_t host = strcspn(text + scheme, "/?#");

    if (scheme == 0 || host == 0 || text[scheme] == ':' ||
        memchr(text + scheme, '@', host) != NULL)
        return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7F)
            return false;
    return true;
}

/* Checks one entry and puts it into the outcome, or removes it there. */
struct merge {
    const struct vf_dialect *dialect;
    struct vf_json *outcome;
    bool may_remove;
    struct vf_error *err;
};

static int merge_entry(void *context, const char *key, struct vf_json *value)
{
    const struct merge *merge = context;
    const struct vf_param param = vf_param("metadata", key);
    size_t length = vf_utf8_length(key, strlen(key));
    const char *text;

    if (length == 0 || length > merge->dialect->metadata_key_max)
        return vf_refuse(merge->err, VF_PROBLEM_INVALID, "metadata",
                         "a key must have 1 to %zu characters",
                         merge->dialect->metadata_key_max);
    if (vf_json_type(value) == VF_JSON_NULL && merge->may_remove) {
        vf_json_remove(merge->outcome, key);
        return 0;
    }
    int result =
        vf_check_string(value, param.text, 0,
                        merge->dialect->metadata_value_max, &text, merge->err);
    return result < 0 ? result : vf_json_set_string(merge->outcome, key, text);
}

static int merge_all(const struct merge *merge, const struct vf_json *patch,
                     char **ret)
{
    size_t size;

    if (vf_json_type(patch) != VF_JSON_OBJECT)
        return vf_refuse(merge->err, VF_PROBLEM_INVALID, "metadata",
                         "must be an object, not %s",
                         vf_json_type_name(vf_json_type(patch)));
    struct merge context = *merge;
    int result = vf_json_each(patch, merge_entry, &context);
    if (result < 0)
        return result;
    if (vf_json_count(merge->outcome) > merge->dialect->metadata_keys_max)
        return vf_refuse(merge->err, VF_PROBLEM_INVALID, "metadata",
                         "must have at most %zu keys",
                         merge->dialect->metadata_keys_max);
    return vf_json_render_compact(merge->outcome, ret, &size);
}

static int finish_merge(struct merge *merge, const struct vf_json *patch,
                        char **ret)
{
    int result = merge_all(merge, patch, ret);

    vf_json_free(merge->outcome);
    return result == -ENOMEM
               ? vf_error_set(merge->err, ENOMEM, "no memory for metadata")
               : result;
}

int vf_metadata_new(const struct vf_dialect *dialect,
                    const struct vf_json *given, char **ret,
                    struct vf_error *err)
{
    struct merge merge = {dialect, NULL, false, err};

    if (vf_json_new_object(&merge.outcome) < 0)
        return vf_error_set(err, ENOMEM, "no memory for metadata");
    return finish_merge(&merge, given, ret);
}

int vf_metadata_merge(const struct vf_dialect *dialect, const char *stored,
                      const struct vf_json *patch, char **ret,
                      struct vf_error *err)
{
    struct merge merge = {dialect, NULL, true, err};

    if (vf_json_type(patch) == VF_JSON_NULL) {
        *ret = strdup("{}");
        return *ret != NULL
                   ? 0
                   : vf_error_set(err, ENOMEM, "no memory for metadata");
    }
    int result = vf_json_parse(stored, strlen(stored), &merge.outcome, err);
    return result < 0 ? result : finish_merge(&merge, patch, ret);
}
