/* SPDX-License-Identifier: MIT */
#include "body.h"

#include "vaultfs/secret.h"

#include <string.h>

void vf_body_text(struct vf_json_writer *writer, const char *key,
                  const char *text)
{
    if (text != NULL)
        vf_json_write_string(writer, key, text, strlen(text));
}

void vf_body_secret(struct vf_json_writer *writer, const char *key,
                    const struct vf_secret *secret)
{
    if (secret != NULL)
        vf_json_write_string(writer, key, vf_secret_data(secret),
                             vf_secret_size(secret));
}

void vf_body_value(struct vf_json_writer *writer, const char *key,
                   const struct vf_json *value)
{
    if (value != NULL)
        vf_json_write_value(writer, key, value);
}

struct metadata_writer {
    struct vf_json_writer *writer;
    const struct vf_json *kept; /* what is given, or NULL */
    const char *ours;           /* never removed, or NULL */
};

static int write_member(void *context, const char *key, struct vf_json *value)
{
    const struct metadata_writer *metadata = context;

    vf_json_write_value(metadata->writer, key, value);
    return metadata->writer->result;
}

static int write_removal(void *context, const char *key, struct vf_json *value)
{
    const struct metadata_writer *metadata = context;

    if ((metadata->ours == NULL || strcmp(key, metadata->ours) != 0) &&
        !vf_json_get(metadata->kept, key, NULL))
        vf_json_write_null(metadata->writer, key);
    return metadata->writer->result;
}

void vf_body_metadata_update(struct vf_json_writer *writer, const char *name,
                             const struct vf_json *metadata,
                             const struct vf_json *current, const char *ours)
{
    struct metadata_writer context = {writer, metadata, ours};
    struct vf_json *old = NULL;

    if (metadata == NULL && name == NULL)
        return;
    vf_json_write_begin(writer, "metadata", '{');
    (void)vf_json_each(metadata, write_member, &context);
    if (metadata != NULL && vf_json_get(current, "metadata", &old))
        (void)vf_json_each(old, write_removal, &context);
    vf_body_text(writer, VF_SPEC_NAME_KEY, name);
    vf_json_write_end(writer, '}');
}

void vf_body_metadata(struct vf_json_writer *writer, const char *name,
                      const struct vf_json *metadata)
{
    vf_body_metadata_update(writer, name, metadata, NULL, NULL);
}

void vf_body_vault_members(struct vf_json_writer *writer,
                           const struct vf_vault_spec *spec)
{
    vf_body_text(writer, "display_name", spec->display_name);
    vf_body_metadata(writer, NULL, spec->metadata);
}

void vf_body_vault(struct vf_json_writer *writer,
                   const struct vf_vault_spec *spec)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_body_vault_members(writer, spec);
    vf_json_write_end(writer, '}');
}

size_t vf_body_secrets(const struct vf_spec *spec,
                       const struct vf_secret *ret[static VF_BODY_SECRETS_MAX])
{
    const struct vf_secret *const all[] = {
        spec->value, spec->refresh.refresh_token, spec->refresh.client_secret};
    size_t count = 0;

    for (size_t i = 0; i < VF_BODY_SECRETS_MAX; i++)
        if (all[i] != NULL)
            ret[count++] = all[i];
    return count;
}
