/* SPDX-License-Identifier: MIT */
#include "dialect.h"

#include "change.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"

#include <string.h>

/* The member of `auth` that holds the secret. */
static const char *const value_members[VF_AUTH_TYPES] = {
    [VF_AUTH_STATIC_BEARER] = "token",
    [VF_AUTH_MCP_OAUTH] = "access_token",
    [VF_AUTH_ENVIRONMENT_VARIABLE] = "secret_value",
};

#define AT(member) offsetof(struct vf_spec, member)

/* A reply leaves out what the credential was made without, but for fields that
 * every such credential has, or that replies do not promise to show. Null is
 * known to clear the expiry, and nothing else. */
static const struct vf_field fields[] = {
    {"auth.expires_at", VF_FIELD_TEXT, AT(expires_at),
     VF_FIELD_CAN_SET | VF_FIELD_CAN_CLEAR},
    {"auth.refresh", VF_FIELD_PART, AT(refresh.is_present), VF_FIELD_IS_FIXED},
    {"auth.refresh.client_id", VF_FIELD_TEXT, AT(refresh.client_id),
     VF_FIELD_IS_TACIT},
    {"auth.refresh.token_endpoint", VF_FIELD_TEXT, AT(refresh.token_endpoint),
     VF_FIELD_IS_TACIT},
    {"auth.refresh.resource", VF_FIELD_TEXT, AT(refresh.resource),
     VF_FIELD_IS_FIXED},
    {"auth.refresh.scope", VF_FIELD_TEXT, AT(refresh.scope), VF_FIELD_CAN_SET},
    {"auth.networking", VF_FIELD_VALUE, AT(networking), VF_FIELD_IS_TACIT},
    {"auth.injection_location", VF_FIELD_VALUE, AT(injection_location),
     VF_FIELD_IS_TACIT},
    {NULL},
};

static void write_text(struct vf_json_writer *writer, const char *key,
                       const char *text)
{
    if (text != NULL)
        vf_json_write_string(writer, key, text, strlen(text));
}

static void write_secret(struct vf_json_writer *writer, const char *key,
                         const struct vf_secret *secret)
{
    if (secret != NULL)
        vf_json_write_string(writer, key, vf_secret_data(secret),
                             vf_secret_size(secret));
}

static void write_value(struct vf_json_writer *writer, const char *key,
                        const struct vf_json *value)
{
    if (value != NULL)
        vf_json_write_value(writer, key, value);
}

static void write_endpoint_auth(struct vf_json_writer *writer,
                                const struct vf_spec_refresh *refresh)
{
    if (refresh->token_endpoint_auth_type == NULL)
        return;
    vf_json_write_begin(writer, "token_endpoint_auth", '{');
    write_text(writer, "type", refresh->token_endpoint_auth_type);
    write_secret(writer, "client_secret", refresh->client_secret);
    vf_json_write_end(writer, '}');
}

static void write_refresh(struct vf_json_writer *writer,
                          const struct vf_spec_refresh *refresh)
{
    if (!refresh->is_present)
        return;
    vf_json_write_begin(writer, "refresh", '{');
    write_text(writer, "client_id", refresh->client_id);
    write_secret(writer, "refresh_token", refresh->refresh_token);
    write_text(writer, "token_endpoint", refresh->token_endpoint);
    write_endpoint_auth(writer, refresh);
    write_text(writer, "resource", refresh->resource);
    write_text(writer, "scope", refresh->scope);
    vf_json_write_end(writer, '}');
}

struct metadata_writer {
    struct vf_json_writer *writer;
    const struct vf_json *kept; /* what the spec has, or NULL */
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

    if (strcmp(key, VF_SPEC_NAME_KEY) != 0 &&
        !vf_json_get(metadata->kept, key, NULL))
        vf_json_write_null(metadata->writer, key);
    return metadata->writer->result;
}

/* metadata and current may be NULL. */
static void write_metadata(struct vf_json_writer *writer, const char *name,
                           const struct vf_json *metadata,
                           const struct vf_json *current)
{
    struct metadata_writer context = {.writer = writer, .kept = metadata};
    struct vf_json *old = NULL;

    vf_json_write_begin(writer, "metadata", '{');
    if (metadata != NULL)
        (void)vf_json_each(metadata, write_member, &context);
    if (current != NULL && vf_json_get(current, "metadata", &old) &&
        vf_json_type(old) == VF_JSON_OBJECT)
        (void)vf_json_each(old, write_removal, &context);
    write_text(writer, VF_SPEC_NAME_KEY, name);
    vf_json_write_end(writer, '}');
}

static void write_vault(struct vf_json_writer *writer, const char *display_name)
{
    vf_json_write_begin(writer, NULL, '{');
    write_text(writer, "display_name", display_name);
    vf_json_write_end(writer, '}');
}

static void write_credential(struct vf_json_writer *writer, const char *name,
                             const struct vf_spec *spec)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_json_write_begin(writer, "auth", '{');
    write_text(writer, "type", vf_auth_type_name(spec->type));
    write_text(writer, "mcp_server_url", spec->mcp_server_url);
    write_text(writer, "secret_name", spec->secret_name);
    write_secret(writer, value_members[spec->type], spec->value);
    write_text(writer, "expires_at", spec->expires_at);
    write_refresh(writer, &spec->refresh);
    write_value(writer, "networking", spec->networking);
    write_value(writer, "injection_location", spec->injection_location);
    vf_json_write_end(writer, '}');
    write_text(writer, "display_name", spec->display_name);
    write_metadata(writer, name, spec->metadata, NULL);
    vf_json_write_end(writer, '}');
}

/* What never changes is as it is: it need not be sent. */
static void write_refresh_update(struct vf_json_writer *writer,
                                 const struct vf_spec_refresh *refresh)
{
    if (refresh->refresh_token == NULL && refresh->scope == NULL &&
        refresh->token_endpoint_auth_type == NULL)
        return;
    vf_json_write_begin(writer, "refresh", '{');
    write_secret(writer, "refresh_token", refresh->refresh_token);
    write_text(writer, "scope", refresh->scope);
    write_endpoint_auth(writer, refresh);
    vf_json_write_end(writer, '}');
}

/* An expiry belongs to its token: the old one says nothing about the new. */
static void write_expiry_update(struct vf_json_writer *writer,
                                const struct vf_spec *spec,
                                const struct vf_json *current)
{
    if (spec->expires_at != NULL)
        write_text(writer, "expires_at", spec->expires_at);
    else if (spec->is_expiry_cleared ||
             vf_change_is_shown(current, "auth.expires_at"))
        vf_json_write_null(writer, "expires_at");
}

static void write_update(struct vf_json_writer *writer, const char *name,
                         const struct vf_spec *spec,
                         const struct vf_json *current)
{
    vf_json_write_begin(writer, NULL, '{');
    vf_json_write_begin(writer, "auth", '{');
    write_text(writer, "type", vf_auth_type_name(spec->type));
    write_secret(writer, value_members[spec->type], spec->value);
    write_expiry_update(writer, spec, current);
    write_refresh_update(writer, &spec->refresh);
    vf_json_write_end(writer, '}');
    if (spec->metadata != NULL)
        write_metadata(writer, name, spec->metadata, current);
    vf_json_write_end(writer, '}');
}

const struct vf_dialect vf_dialect_qoder = {
    .name = "qoder",
    .token_header = "Authorization",
    .token_prefix = "Bearer ",
    .request_id_header = "x-request-id",
    .idempotency_header = "Idempotency-Key",
    .routes =
        {
            [VF_ROUTE_VAULTS] = "/vaults",
            [VF_ROUTE_VAULT] = "/vaults/{v}",
            [VF_ROUTE_CREDENTIALS] = "/vaults/{v}/credentials",
            [VF_ROUTE_CREDENTIAL] = "/vaults/{v}/credentials/{c}",
            [VF_ROUTE_CREDENTIAL_ARCHIVE] =
                "/vaults/{v}/credentials/{c}/archive",
        },
    .page_limit = 100,
    .page_parameter = "page",
    .next_member = "next_page",
    .archive_body = "{}",
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
            .name = {"metadata", VF_SPEC_NAME_KEY},
            .has_label = true,
            .parent = "vault_id",
            .auth = "auth",
        },
    .fields = fields,
    .write_vault = write_vault,
    .write_credential = write_credential,
    .write_update = write_update,
};
