/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/json.h"

#include "internal.h"

#define DISPLAY_NAME_MAX 255

/* The last one cannot stand beside one before it: the service would refuse it,
 * or its file would have a name that is taken. */
static int refuse_double(struct spec_reader *reader,
                         const struct vf_vault_spec *vault, const char *param)
{
    const struct vf_spec *last = vault->credentials[vault->count - 1];
    const struct spec_identity ours = spec_identity_of(last);

    for (size_t i = 0; i + 1 < vault->count; i++) {
        const struct vf_spec *other = vault->credentials[i];
        const struct spec_identity theirs = spec_identity_of(other);
        const char *what = NULL;

        if (spec_identity_is_equal(&ours, &theirs))
            what = "describes the same credential as";
        else if (last->stored_name != NULL && other->stored_name != NULL &&
                 strcmp(last->stored_name, other->stored_name) == 0)
            what = "has the same file name as";
        if (what != NULL)
            return vf_error_set_param(reader->err, EINVAL, param,
                                      "\"%s\" %s \"credentials[%zu]\"", param,
                                      what, i);
    }
    return 0;
}

static int read_credential(struct spec_reader *reader,
                           struct vf_vault_spec *vault,
                           const struct spec_value *value)
{
    struct vf_spec *spec = calloc(1, sizeof(*spec));
    struct spec_reader inner = {
        .base = spec, .keeps_name = true, .err = reader->err};

    if (spec == NULL)
        return spec_fail_memory(reader);
    vault->credentials[vault->count++] = spec;
    if (vf_json_type(value->json) != VF_JSON_OBJECT)
        return spec_fail_type(reader, value, VF_JSON_OBJECT);
    int result = spec_read_credential(&inner, value);
    return result < 0 ? result : refuse_double(reader, vault, value->param);
}

static int read_credentials(struct spec_reader *reader,
                            const struct spec_field *field,
                            const struct spec_value *value)
{
    struct vf_vault_spec *vault = reader->base;
    size_t count = vf_json_count(value->json);
    int result = 0;

    if (value->is_same)
        return 0;
    if (reader->purpose == SPEC_EDITS)
        return spec_fail(reader, value->param,
                         "has no place in a vault that is there: each of its "
                         "credentials is a file");
    if (count > VF_SPEC_CREDENTIALS_MAX)
        return vf_error_set_param(reader->err, EINVAL, value->param,
                                  "\"%s\" must have at most %d elements",
                                  value->param, VF_SPEC_CREDENTIALS_MAX);
    vault->credentials = calloc(count + 1, sizeof(struct vf_spec *));
    if (vault->credentials == NULL)
        return spec_fail_memory(reader);
    for (size_t i = 0; i < count && result == 0; i++) {
        const struct spec_value element = spec_element(value, i);

        result = read_credential(reader, vault, &element);
    }
    return result;
}

static const struct spec_kind name = {spec_read_string, VF_JSON_STRING,
                                      spec_check_name, DISPLAY_NAME_MAX};
static const struct spec_kind version = {spec_read_version};
static const struct spec_kind metadata = {spec_read_metadata, VF_JSON_OBJECT,
                                          .max = VF_SPEC_METADATA_KEYS_MAX};
static const struct spec_kind credentials = {read_credentials, VF_JSON_ARRAY};

static const struct spec_field fields[] = {
    {"display_name", &name, OPTIONAL,
     offsetof(struct vf_vault_spec, display_name)},
    {"metadata", &metadata, OPTIONAL, offsetof(struct vf_vault_spec, metadata)},
    {"credentials", &credentials, OPTIONAL, NOWHERE},
    {"updated_at", &version, OPTIONAL, NOWHERE},
    {NULL},
};

static const struct spec_shape shapes[] = {{NULL, fields}, {NULL}};

static int read_vault(struct spec_reader *reader,
                      const struct spec_value *value)
{
    reader->purpose = value->is_shown ? SPEC_EDITS : SPEC_CREATES;
    return spec_read_shapes(reader, shapes, value);
}

int vf_vault_spec_parse(const void *text, size_t size, const char *shown,
                        size_t shown_size, struct vf_vault_spec **ret,
                        struct vf_error *err)
{
    struct vf_vault_spec *vault = calloc(1, sizeof(*vault));
    struct spec_reader reader = {.base = vault, .err = err};

    if (vault == NULL)
        return spec_fail_memory(&reader);
    int result = spec_parse(&reader, text, size, shown, shown_size, read_vault);
    if (result < 0)
        vf_vault_spec_free(vault);
    else
        *ret = vault;
    return result;
}

void vf_vault_spec_free(struct vf_vault_spec *vault)
{
    if (vault == NULL)
        return;
    for (size_t i = 0; i < vault->count; i++)
        vf_spec_free(vault->credentials[i]);
    free(vault->credentials);
    vf_json_free(vault->metadata);
    free(vault->display_name);
    free(vault);
}

bool vf_vault_spec_has_metadata(const struct vf_vault_spec *spec,
                                const char *shown, size_t shown_size)
{
    struct vf_json *vault, *other = NULL;

    if (vf_json_parse(shown, shown_size, &vault, NULL) < 0)
        return false;
    (void)vf_json_get(vault, "metadata", &other);
    bool is_same = vf_json_count(spec->metadata) == 0
                       ? vf_json_count(other) == 0
                       : vf_json_equal(spec->metadata, other);
    vf_json_free(vault);
    return is_same;
}
