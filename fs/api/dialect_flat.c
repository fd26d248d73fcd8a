/* SPDX-License-Identifier: MIT
 *
 * Qoder's API as it was first documented: the credential is one flat object, of
 * one type, that never changes and has no place for a name.
 */
#include "dialect.h"

#include "body.h"

#include <errno.h>
#include <string.h>

#define AT(member) offsetof(struct vf_spec, member)

static const struct vf_field fields[] = {
    {"protocol", VF_FIELD_TEXT, AT(protocol), VF_FIELD_IS_FIXED},
    {"metadata", VF_FIELD_VALUE, AT(metadata), VF_FIELD_IS_FIXED},
    {NULL},
};

/* The first field that the service has no place for or that it lacks, and what
 * is wrong with it. */
static const char *find_trouble(const char *name, const struct vf_spec *spec,
                                const char **ret_param)
{
    const struct {
        const char *param;
        bool is_wrong;
        const char *trouble;
    } rules[] = {
        {"auth.type", spec->type != VF_AUTH_STATIC_BEARER,
         "must be static_bearer: this service has no other"},
        {"protocol", spec->protocol == NULL,
         "is missing: this service needs it, sse or streamable_http"},
        {"metadata", vf_json_count(spec->metadata) > 0,
         "has no place at this service"},
        {"display_name",
         spec->display_name != NULL &&
             (name == NULL || strcmp(spec->display_name, name) != 0),
         "has no place at this service"},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!rules[i].is_wrong)
            continue;
        *ret_param = rules[i].param;
        return rules[i].trouble;
    }
    return NULL;
}

static int check_new(const char *name, const struct vf_spec *spec,
                     struct vf_error *err)
{
    const char *param;
    const char *trouble = find_trouble(name, spec, &param);

    if (trouble == NULL)
        return 0;
    return vf_error_set_param(err, EINVAL, param, "\"%s\" %s", param, trouble);
}

static void write_credential(struct vf_json_writer *writer, const char *name,
                             const struct vf_spec *spec)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_body_text(writer, "mcp_server_url", spec->mcp_server_url);
    vf_body_text(writer, "protocol", spec->protocol);
    vf_body_text(writer, "type", vf_auth_type_name(spec->type));
    vf_body_secret(writer, "access_token", spec->value);
    vf_json_write_end(writer, '}');
}

static void write_vault(struct vf_json_writer *writer,
                        const struct vf_vault_spec *spec)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_body_vault_members(writer, spec);
    if (spec->count > 0) {
        vf_json_write_begin(writer, "credentials", '[');
        for (size_t i = 0; i < spec->count; i++)
            write_credential(writer, NULL, spec->credentials[i]);
        vf_json_write_end(writer, ']');
    }
    vf_json_write_end(writer, '}');
}

#define FLAT                                                                   \
    .name = "qoder-flat", .token_header = "Authorization",                     \
    .token_prefix = "Bearer ", .request_id_header = "x-request-id",            \
    .idempotency_header = "Idempotency-Key", .routes = VF_DIALECT_ROUTES,      \
    .archive_body = "{}", .page_limit = 100, .next_member = "last_id",         \
    .needs_has_more = true,                                                    \
    .filters =                                                                 \
        {                                                                      \
            [VF_LIST_ACTIVE] = "&status=active",                               \
            [VF_LIST_ARCHIVED] = "&status=archived",                           \
    },                                                                         \
    .vault =                                                                   \
        {                                                                      \
            .type = "vault",                                                   \
            .deleted_type = "vault_deleted",                                   \
            .name = {"display_name"},                                          \
            .is_name_required = true,                                          \
            .status = "status",                                                \
            .embedded = "credentials",                                         \
    },                                                                         \
    .credential =                                                              \
        {                                                                      \
            .deleted_type = "vault_credential_deleted",                        \
            .has_label = true,                                                 \
            .status = "status",                                                \
            .parent = "vault_id",                                              \
    },                                                                         \
    .fields = fields, .keeps_no_names = true,                                  \
    .takes_credentials_with_vault = true, .check_new = check_new,              \
    .write_vault = write_vault, .write_credential = write_credential

const struct vf_dialect vf_dialect_flat = {
    FLAT,
    .page_parameter = "after_id",
    .older = &vf_dialect_flat_older,
    .first_credential = &vf_dialect_flat,
};

/* The first servers of all. */
const struct vf_dialect vf_dialect_flat_older = {
    FLAT,
    .page_parameter = "after",
    .first_credential = &vf_dialect_flat_older,
};
