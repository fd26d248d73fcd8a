/* SPDX-License-Identifier: MIT
 *
 * Parts of request bodies that more than one dialect has. What is NULL is left
 * out; a failure sticks in the writer.
 */
#ifndef VF_API_BODY_H
#define VF_API_BODY_H

#include "vaultfs/json.h"
#include "vaultfs/spec.h"

void vf_body_text(struct vf_json_writer *writer, const char *key,
                  const char *text);
void vf_body_secret(struct vf_json_writer *writer, const char *key,
                    const struct vf_secret *secret);
void vf_body_value(struct vf_json_writer *writer, const char *key,
                   const struct vf_json *value);

/*
 * "metadata" of a new object: what is given, and the file's name. Nothing at
 * all where neither is given.
 */
void vf_body_metadata(struct vf_json_writer *writer, const char *name,
                      const struct vf_json *metadata);

/* The same of an update, with a null for what current has (an object that has
 * metadata; NULL: unknown) and is not given, but never for the key that is not
 * the user's, where there is one: ours. */
void vf_body_metadata_update(struct vf_json_writer *writer, const char *name,
                             const struct vf_json *metadata,
                             const struct vf_json *current, const char *ours);

/* A new vault without its credentials; and the same as members of an object
 * that the caller began. */
void vf_body_vault(struct vf_json_writer *writer,
                   const struct vf_vault_spec *spec);
void vf_body_vault_members(struct vf_json_writer *writer,
                           const struct vf_vault_spec *spec);

/* The secrets of a spec, as many as it has; borrowed. */
#define VF_BODY_SECRETS_MAX 3
size_t vf_body_secrets(const struct vf_spec *spec,
                       const struct vf_secret *ret[static VF_BODY_SECRETS_MAX]);

#endif
