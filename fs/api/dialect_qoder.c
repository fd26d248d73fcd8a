/* SPDX-License-Identifier: MIT
 *
 * Qoder's current API, and "auto": a service of Qoder's that has not shown yet
 * of which generation it is. Both understand the little that is asked until
 * then.
 */
#include "dialect_nested.h"

#include "body.h"

static void write_credential(struct vf_json_writer *writer, const char *name,
                             const struct vf_spec *spec)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_nested_write_auth(writer, spec);
    vf_body_text(writer, "display_name", spec->display_name);
    vf_body_metadata(writer, name, spec->metadata);
    vf_json_write_end(writer, '}');
}

static void write_update(struct vf_json_writer *writer, const char *name,
                         const struct vf_spec *spec,
                         const struct vf_json *current)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_nested_write_auth_update(writer, vf_nested_fields, spec, current);
    vf_body_metadata_update(writer, name, spec->metadata, current,
                            VF_SPEC_NAME_KEY);
    vf_json_write_end(writer, '}');
}

/* A current vault always has archived_at, null or not, and never a status. A
 * flat one has a status, and archived_at only once it is archived: one that has
 * both may be either. */
static const struct vf_dialect *tell(const struct vf_json *vault)
{
    struct vf_json *archived_at = NULL;
    bool has_status = vf_json_get_string(vault, "status") != NULL;
    bool has_archived_at = vf_json_get(vault, "archived_at", &archived_at);

    if (has_status && !has_archived_at)
        return &vf_dialect_flat;
    if (has_archived_at && (!has_status || archived_at == NULL))
        return &vf_dialect_qoder;
    return NULL;
}

#define QODER                                                                  \
    .token_header = "Authorization", .token_prefix = "Bearer ",                \
    .request_id_header = "x-request-id",                                       \
    .idempotency_header = "Idempotency-Key", .routes = VF_DIALECT_ROUTES,      \
    .archive_body = "{}", .page_limit = 100, .page_parameter = "page",         \
    .next_member = "next_page",                                                \
    .filters =                                                                 \
        {                                                                      \
            [VF_LIST_ACTIVE] = "",                                             \
            [VF_LIST_ARCHIVED] = "&include_archived=true",                     \
            [VF_LIST_ALL] = "&include_archived=true",                          \
    },                                                                         \
    .vault =                                                                   \
        {                                                                      \
            .type = "vault",                                                   \
            .deleted_type = "vault_deleted",                                   \
            .name = {"display_name"},                                          \
            .is_name_required = true,                                          \
            .embedded = "credentials",                                         \
    },                                                                         \
    .credential =                                                              \
        {                                                                      \
            .type = "vault_credential",                                        \
            .deleted_type = "vault_credential_deleted",                        \
            .name = {"metadata", VF_SPEC_NAME_KEY},                            \
            .has_label = true,                                                 \
            .parent = "vault_id",                                              \
            .auth = "auth",                                                    \
    },                                                                         \
    .fields = vf_nested_fields, .write_vault = vf_body_vault,                  \
    .write_credential = write_credential, .write_update = write_update

const struct vf_dialect vf_dialect_qoder = {.name = "qoder", QODER};

const struct vf_dialect vf_dialect_auto = {
    .name = "auto", QODER, .tell = tell, .first_credential = &vf_dialect_flat};
