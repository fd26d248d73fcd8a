/* SPDX-License-Identifier: MIT
 *
 * The sister API of Claude Managed Agents: Qoder's objects, and a place for the
 * name of a credential that people use, too.
 */
#include "dialect_nested.h"

#include "body.h"

#include <errno.h>
#include <string.h>

/* The one place for two things. */
static int check_new(const char *name, const struct vf_spec *spec,
                     struct vf_error *err)
{
    if (name == NULL || spec->display_name == NULL ||
        strcmp(name, spec->display_name) == 0)
        return 0;
    return vf_error_set_param(err, EINVAL, "display_name",
                              "display_name is where this service keeps the "
                              "file's name: leave it out, or write to a file "
                              "of that name");
}

static void write_credential(struct vf_json_writer *writer, const char *name,
                             const struct vf_spec *spec)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_nested_write_auth(writer, spec);
    vf_body_text(writer, "display_name",
                 name != NULL ? name : spec->display_name);
    vf_body_metadata(writer, NULL, spec->metadata);
    vf_json_write_end(writer, '}');
}

static void write_update(struct vf_json_writer *writer, const char *name,
                         const struct vf_spec *spec,
                         const struct vf_json *current)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_nested_write_auth_update(writer, vf_nested_fields_moving, spec, current);
    vf_body_text(writer, "display_name", name);
    vf_body_metadata_update(writer, NULL, spec->metadata, current,
                            VF_SPEC_NAME_KEY);
    vf_json_write_end(writer, '}');
}

static void write_vault_update(struct vf_json_writer *writer,
                               const struct vf_vault_spec *spec,
                               const struct vf_json *current)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_body_text(writer, "display_name", spec->display_name);
    vf_body_metadata_update(writer, NULL, spec->metadata, current, NULL);
    vf_json_write_end(writer, '}');
}

static const struct vf_http_header headers[] = {
    {"anthropic-version", "2023-06-01"},
    {"anthropic-beta", "managed-agents-2026-04-01"},
    {NULL},
};

const struct vf_dialect vf_dialect_anthropic = {
    .name = "anthropic",
    .token_header = "x-api-key",
    .token_prefix = "",
    .request_id_header = "request-id",
    .headers = headers,
    .routes = VF_DIALECT_ROUTES,
    .page_limit = 100,
    .page_parameter = "page",
    .next_member = "next_page",
    .filters =
        {
            [VF_LIST_ACTIVE] = "",
            [VF_LIST_ARCHIVED] = "&include_archived=true",
            [VF_LIST_ALL] = "&include_archived=true",
        },
    .vault =
        {
            .type = "vault",
            .deleted_type = "vault_deleted",
            .name = {"display_name"},
            .is_name_required = true,
            .embedded = "credentials",
        },
    .credential =
        {
            .type = "vault_credential",
            .deleted_type = "vault_credential_deleted",
            .name = {"display_name"},
            .is_name_a_title = true,
            .has_label = true,
            .parent = "vault_id",
            .auth = "auth",
        },
    .fields = vf_nested_fields_moving,
    .credentials_max = 20,
    .check_new = check_new,
    .write_vault = vf_body_vault,
    .write_vault_update = write_vault_update,
    .write_credential = write_credential,
    .write_update = write_update,
};
