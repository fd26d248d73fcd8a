/* SPDX-License-Identifier: MIT */
#include "dialect_nested.h"

#include "body.h"
#include "change.h"

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
#define FIELDS(places)                                                         \
    {"auth.expires_at", VF_FIELD_TEXT, AT(expires_at),                         \
     VF_FIELD_CAN_SET | VF_FIELD_CAN_CLEAR},                                   \
        {"auth.refresh", VF_FIELD_PART, AT(refresh.is_present),                \
         VF_FIELD_IS_FIXED},                                                   \
        {"auth.refresh.client_id", VF_FIELD_TEXT, AT(refresh.client_id),       \
         VF_FIELD_IS_TACIT},                                                   \
        {"auth.refresh.token_endpoint", VF_FIELD_TEXT,                         \
         AT(refresh.token_endpoint), VF_FIELD_IS_TACIT},                       \
        {"auth.refresh.token_endpoint_auth.type", VF_FIELD_TEXT,               \
         AT(refresh.token_endpoint_auth_type),                                 \
         VF_FIELD_CAN_SET | VF_FIELD_IS_TACIT},                                \
        {"auth.refresh.resource", VF_FIELD_TEXT, AT(refresh.resource),         \
         VF_FIELD_IS_FIXED},                                                   \
        {"auth.refresh.scope", VF_FIELD_TEXT, AT(refresh.scope),               \
         VF_FIELD_CAN_SET},                                                    \
        {"auth.networking", VF_FIELD_VALUE, AT(networking),                    \
         VF_FIELD_IS_TACIT | (places)},                                        \
        {"auth.injection_location", VF_FIELD_VALUE, AT(injection_location),    \
         VF_FIELD_IS_TACIT | (places)},                                        \
    {                                                                          \
        NULL                                                                   \
    }

const struct vf_field vf_nested_fields[] = {FIELDS(VF_FIELD_IS_FIXED)};
const struct vf_field vf_nested_fields_moving[] = {FIELDS(VF_FIELD_CAN_SET)};

static void write_endpoint_auth(struct vf_json_writer *writer,
                                const struct vf_spec_refresh *refresh)
{
    if (refresh->token_endpoint_auth_type == NULL)
        return;
    vf_json_write_begin(writer, "token_endpoint_auth", '{');
    vf_body_text(writer, "type", refresh->token_endpoint_auth_type);
    vf_body_secret(writer, "client_secret", refresh->client_secret);
    vf_json_write_end(writer, '}');
}

static void write_refresh(struct vf_json_writer *writer,
                          const struct vf_spec_refresh *refresh)
{
    if (!refresh->is_present)
        return;
    vf_json_write_begin(writer, "refresh", '{');
    vf_body_text(writer, "client_id", refresh->client_id);
    vf_body_secret(writer, "refresh_token", refresh->refresh_token);
    vf_body_text(writer, "token_endpoint", refresh->token_endpoint);
    write_endpoint_auth(writer, refresh);
    vf_body_text(writer, "resource", refresh->resource);
    vf_body_text(writer, "scope", refresh->scope);
    vf_json_write_end(writer, '}');
}

void vf_nested_write_auth(struct vf_json_writer *writer,
                          const struct vf_spec *spec)
{
    vf_json_write_begin(writer, "auth", '{');
    vf_body_text(writer, "type", vf_auth_type_name(spec->type));
    vf_body_text(writer, "mcp_server_url", spec->mcp_server_url);
    vf_body_text(writer, "secret_name", spec->secret_name);
    vf_body_secret(writer, value_members[spec->type], spec->value);
    vf_body_text(writer, "expires_at", spec->expires_at);
    write_refresh(writer, &spec->refresh);
    vf_body_value(writer, "networking", spec->networking);
    vf_body_value(writer, "injection_location", spec->injection_location);
    vf_json_write_end(writer, '}');
}

/* Without its secret, the type alone is sent only when it is another one. */
static bool is_endpoint_auth_asked(const struct vf_spec_refresh *refresh,
                                   const struct vf_json *current)
{
    return refresh->client_secret != NULL ||
           (refresh->token_endpoint_auth_type != NULL &&
            !vf_change_is_shown_as(current,
                                   "auth.refresh.token_endpoint_auth.type",
                                   refresh->token_endpoint_auth_type));
}

/* What never changes, and what is so already, need not be sent. */
static void write_refresh_update(struct vf_json_writer *writer,
                                 const struct vf_spec_refresh *refresh,
                                 const struct vf_json *current)
{
    bool is_auth_asked = is_endpoint_auth_asked(refresh, current);
    bool is_scope_asked =
        refresh->scope != NULL &&
        !vf_change_is_shown_as(current, "auth.refresh.scope", refresh->scope);

    if (refresh->refresh_token == NULL && !is_scope_asked && !is_auth_asked)
        return;
    vf_json_write_begin(writer, "refresh", '{');
    vf_body_secret(writer, "refresh_token", refresh->refresh_token);
    if (is_scope_asked)
        vf_body_text(writer, "scope", refresh->scope);
    if (is_auth_asked)
        write_endpoint_auth(writer, refresh);
    vf_json_write_end(writer, '}');
}

/* An expiry belongs to its token: the old one says nothing about the new. */
static void write_expiry_update(struct vf_json_writer *writer,
                                const struct vf_spec *spec,
                                const struct vf_json *current)
{
    bool is_left_behind =
        spec->value != NULL && vf_change_is_shown(current, "auth.expires_at");

    if (spec->expires_at != NULL)
        vf_body_text(writer, "expires_at", spec->expires_at);
    else if (spec->is_expiry_cleared || is_left_behind)
        vf_json_write_null(writer, "expires_at");
}

void vf_nested_write_auth_update(struct vf_json_writer *writer,
                                 const struct vf_field *fields,
                                 const struct vf_spec *spec,
                                 const struct vf_json *current)
{
    if (!vf_spec_has_secret(spec) && !vf_change_is_asked(fields, spec, current))
        return;
    vf_json_write_begin(writer, "auth", '{');
    vf_body_text(writer, "type", vf_auth_type_name(spec->type));
    vf_body_secret(writer, value_members[spec->type], spec->value);
    write_expiry_update(writer, spec, current);
    write_refresh_update(writer, &spec->refresh, current);
    if (vf_change_can_set(fields, "auth.networking"))
        vf_body_value(writer, "networking", spec->networking);
    if (vf_change_can_set(fields, "auth.injection_location"))
        vf_body_value(writer, "injection_location", spec->injection_location);
    vf_json_write_end(writer, '}');
}
