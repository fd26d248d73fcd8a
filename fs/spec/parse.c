/* SPDX-License-Identifier: MIT
 *
 * W-strict as tables. An object has one of several shapes, told apart by its
 * "type"; a shape is a list of fields; a field has a kind, which says how its
 * value is checked, and a place in struct vf_spec. Whatever has no row is
 * unknown and refused, unless it is equal to what is shown (walk.c).
 */
#include "vaultfs/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/json.h"

#include "internal.h"

#define CLIENT_ID_MAX 1024
#define DISPLAY_NAME_MAX 255
#define HOSTS_MAX 16

static const struct spec_kind picked = {spec_read_nothing};
static const struct spec_kind version = {spec_read_version};
static const struct spec_kind misplaced = {spec_read_misplaced};
static const struct spec_kind auth_type = {spec_read_auth_type};
static const struct spec_kind boolean = {spec_read_nothing, VF_JSON_BOOL};
static const struct spec_kind text = {spec_read_string, VF_JSON_STRING,
                                      spec_check_text};
static const struct spec_kind name = {spec_read_string, VF_JSON_STRING,
                                      spec_check_name};
static const struct spec_kind secret = {spec_read_secret, VF_JSON_STRING,
                                        spec_check_secret};
static const struct spec_kind variable = {spec_read_string, VF_JSON_STRING,
                                          spec_check_variable};
static const struct spec_kind protocol = {spec_read_string, VF_JSON_STRING,
                                          spec_check_protocol};
static const struct spec_kind expiry = {spec_read_expiry, VF_JSON_STRING,
                                        spec_check_time, .takes_null = true};
static const struct spec_kind metadata = {spec_read_credential_metadata,
                                          VF_JSON_OBJECT,
                                          .max = VF_SPEC_METADATA_KEYS_MAX - 1};
static const struct spec_kind hosts = {spec_read_hosts, VF_JSON_ARRAY,
                                       .max = HOSTS_MAX};
static const struct spec_kind url = {spec_read_string, VF_JSON_STRING,
                                     spec_check_url, VF_SPEC_URL_MAX};
static const struct spec_kind client_id = {spec_read_string, VF_JSON_STRING,
                                           spec_check_name, CLIENT_ID_MAX};
static const struct spec_kind display_name = {spec_read_label, VF_JSON_STRING,
                                              spec_check_text, DISPLAY_NAME_MAX,
                                              .takes_null = true};

static const struct spec_field endpoint_auth_none[] = {
    {"type", &name, REQUIRED, AT(refresh.token_endpoint_auth_type)},
    {NULL},
};

static const struct spec_field endpoint_auth_secret[] = {
    {"type", &name, REQUIRED, AT(refresh.token_endpoint_auth_type)},
    {"client_secret", &secret, REQUIRED, AT(refresh.client_secret)},
    {NULL},
};

static const struct spec_shape endpoint_auth_shapes[] = {
    {"none", endpoint_auth_none},
    {"client_secret_basic", endpoint_auth_secret},
    {"client_secret_post", endpoint_auth_secret},
    {NULL},
};

static const struct spec_kind endpoint_auth = {
    spec_read_endpoint_auth, VF_JSON_OBJECT, .shapes = endpoint_auth_shapes};

static const struct spec_field refresh_fields[] = {
    {"client_id", &client_id, REQUIRED, AT(refresh.client_id)},
    {"refresh_token", &secret, REQUIRED, AT(refresh.refresh_token)},
    {"token_endpoint", &url, REQUIRED, AT(refresh.token_endpoint)},
    {"token_endpoint_auth", &endpoint_auth, REQUIRED, NOWHERE},
    {"resource", &text, OPTIONAL, AT(refresh.resource)},
    {"scope", &text, OPTIONAL, AT(refresh.scope)},
    {NULL},
};

static const struct spec_shape refresh_shapes[] = {{NULL, refresh_fields},
                                                   {NULL}};

static const struct spec_kind refresh = {spec_read_refresh, VF_JSON_OBJECT,
                                         .shapes = refresh_shapes};

static const struct spec_field unrestricted_fields[] = {
    {"type", &picked, REQUIRED, NOWHERE},
    {NULL},
};

static const struct spec_field limited_fields[] = {
    {"type", &picked, REQUIRED, NOWHERE},
    {"allowed_hosts", &hosts, REQUIRED, NOWHERE},
    {NULL},
};

static const struct spec_shape networking_shapes[] = {
    {"unrestricted", unrestricted_fields},
    {"limited", limited_fields},
    {NULL},
};

static const struct spec_kind networking = {
    spec_read_copied_object, VF_JSON_OBJECT, .shapes = networking_shapes};

static const struct spec_field injection_fields[] = {
    {"header", &boolean, OPTIONAL, NOWHERE},
    {"body", &boolean, OPTIONAL, NOWHERE},
    {NULL},
};

static const struct spec_shape injection_shapes[] = {{NULL, injection_fields},
                                                     {NULL}};

static const struct spec_kind injection = {
    spec_read_copied_object, VF_JSON_OBJECT, .shapes = injection_shapes};

static const struct spec_field static_bearer_fields[] = {
    {"type", &auth_type, REQUIRED, NOWHERE},
    {"mcp_server_url", &url, REQUIRED, AT(mcp_server_url)},
    {"token", &secret, REQUIRED, AT(value)},
    {NULL},
};

static const struct spec_field mcp_oauth_fields[] = {
    {"type", &auth_type, REQUIRED, NOWHERE},
    {"mcp_server_url", &url, REQUIRED, AT(mcp_server_url)},
    {"access_token", &secret, REQUIRED, AT(value)},
    {"expires_at", &expiry, OPTIONAL, AT(expires_at)},
    {"refresh", &refresh, OPTIONAL, NOWHERE},
    {NULL},
};

static const struct spec_field environment_variable_fields[] = {
    {"type", &auth_type, REQUIRED, NOWHERE},
    {"secret_name", &variable, REQUIRED, AT(secret_name)},
    {"secret_value", &secret, REQUIRED, AT(value)},
    {"networking", &networking, OPTIONAL, AT(networking)},
    {"injection_location", &injection, OPTIONAL, AT(injection_location)},
    {NULL},
};

static const struct spec_shape auth_shapes[] = {
    {"static_bearer", static_bearer_fields},
    {"mcp_oauth", mcp_oauth_fields},
    {"environment_variable", environment_variable_fields},
    {NULL},
};

static const struct spec_kind auth = {spec_read_auth, VF_JSON_OBJECT,
                                      .shapes = auth_shapes};

static const struct spec_field nested_fields[] = {
    {"mcp_server_url", &misplaced, OPTIONAL, NOWHERE},
    {"protocol", &misplaced, OPTIONAL, NOWHERE},
    {"type", &misplaced, OPTIONAL, NOWHERE},
    {"access_token", &misplaced, OPTIONAL, NOWHERE},
    {"auth", &auth, REQUIRED, NOWHERE},
    {"metadata", &metadata, OPTIONAL, AT(metadata)},
    {"display_name", &display_name, OPTIONAL, AT(display_name)},
    {"updated_at", &version, OPTIONAL, NOWHERE},
    {NULL},
};

static const struct spec_shape nested_shapes[] = {{NULL, nested_fields},
                                                  {NULL}};

static const struct spec_field flat_fields[] = {
    {"mcp_server_url", &url, REQUIRED, AT(mcp_server_url)},
    {"protocol", &protocol, OPTIONAL, AT(protocol)},
    {"type", &auth_type, REQUIRED, NOWHERE},
    {"access_token", &secret, REQUIRED, AT(value)},
    {"metadata", &metadata, OPTIONAL, AT(metadata)},
    {"display_name", &display_name, OPTIONAL, AT(display_name)},
    {"updated_at", &version, OPTIONAL, NOWHERE},
    {NULL},
};

static const struct spec_shape flat_shapes[] = {{"static_bearer", flat_fields},
                                                {NULL}};

/* What has no `auth` and a field that only the flat form has. */
static bool is_flat(const struct vf_json *document)
{
    if (vf_json_get(document, "auth", NULL))
        return false;
    for (const struct spec_field *field = nested_fields; field->key != NULL;
         field++)
        if (field->kind == &misplaced &&
            vf_json_get(document, field->key, NULL))
            return true;
    return false;
}

/* The secret that an object of one of the shapes must have and lacks. */
static const struct spec_field *find_lacking_secret(
    const struct spec_shape *shapes, const struct vf_json *object)
{
    const struct spec_shape *shape =
        spec_find_shape(shapes, vf_json_get_string(object, "type"));

    if (shape == NULL)
        return NULL;
    for (const struct spec_field *field = shape->fields; field->key != NULL;
         field++)
        if (field->kind == &secret && !vf_json_get(object, field->key, NULL))
            return field;
    return NULL;
}

/* Who copies what was read wants to hear of the secret, which no read shows,
 * and not of the first field that a spec does not have. */
static int refuse_metadata(struct spec_reader *reader,
                           const struct vf_json *document,
                           const struct spec_shape *shapes,
                           const struct spec_value *part)
{
    const struct spec_field *field = find_lacking_secret(shapes, part->json);

    if (field == NULL || reader->purpose == SPEC_EDITS ||
        !vf_json_get(document, "id", NULL) ||
        !vf_json_get(document, "vault_id", NULL))
        return 0;
    if (reader->purpose == SPEC_REPLACES)
        return spec_fail_missing(reader, part, field);
    const struct spec_value lacking = spec_member(part, field->key, NULL);
    return vf_error_set_param(reader->err, EINVAL, lacking.param,
                              "this is metadata as read: a new credential "
                              "needs its secret, \"%s\"",
                              lacking.param);
}

static enum spec_purpose purpose_of(const struct vf_json *given,
                                    const struct vf_json *shown)
{
    const struct spec_identity ours = spec_identity_in(given);
    const struct spec_identity theirs = spec_identity_in(shown);

    if (shown == NULL)
        return SPEC_CREATES;
    return ours.type != NULL && spec_identity_is_equal(&ours, &theirs)
               ? SPEC_EDITS
               : SPEC_REPLACES;
}

static int read_flat(struct spec_reader *reader, const struct spec_value *value)
{
    struct spec_value document = *value;
    int result = refuse_metadata(reader, value->json, flat_shapes, value);

    document.shown = reader->auth_shown;
    document.shown_outside = value->shown;
    return result < 0 ? result
                      : spec_read_shapes(reader, flat_shapes, &document);
}

static int read_nested(struct spec_reader *reader,
                       const struct spec_value *value)
{
    const struct spec_value part =
        spec_member(value, "auth", spec_auth_of(value->json));
    int result = refuse_metadata(reader, value->json, auth_shapes, &part);

    return result < 0 ? result : spec_read_shapes(reader, nested_shapes, value);
}

int spec_read_credential(struct spec_reader *reader,
                         const struct spec_value *value)
{
    reader->auth_shown = spec_auth_of(value->shown);
    reader->purpose = purpose_of(spec_auth_of(value->json), reader->auth_shown);
    return is_flat(value->json) ? read_flat(reader, value)
                                : read_nested(reader, value);
}

int spec_parse(struct spec_reader *reader, const void *bytes, size_t size,
               const char *shown, size_t shown_size, spec_read_document *read)
{
    struct spec_value value = {.is_shown = shown != NULL};
    struct vf_json *document = NULL, *shown_json = NULL;
    int result;

    if (size > VF_SPEC_MAX)
        return vf_error_set(reader->err, EFBIG, "a spec has at most %d bytes",
                            VF_SPEC_MAX);
    result = vf_json_parse(bytes, size, &document, reader->err);
    if (result == 0 && shown != NULL)
        result = vf_json_parse(shown, shown_size, &shown_json, reader->err);
    value.json = document;
    value.shown = shown_json;
    if (result == 0 && vf_json_type(document) != VF_JSON_OBJECT)
        result = vf_error_set(reader->err, EINVAL,
                              "a spec must be an object, not %s",
                              vf_json_type_name(vf_json_type(document)));
    if (result == 0)
        result = read(reader, &value);
    vf_json_free(shown_json);
    vf_json_free(document);
    return result;
}

int vf_spec_parse(const void *bytes, size_t size, const char *shown,
                  size_t shown_size, struct vf_spec **ret, struct vf_error *err)
{
    struct vf_spec *spec = calloc(1, sizeof(*spec));
    struct spec_reader reader = {.base = spec, .err = err};

    if (spec == NULL)
        return spec_fail_memory(&reader);
    int result = spec_parse(&reader, bytes, size, shown, shown_size,
                            spec_read_credential);
    if (result < 0)
        vf_spec_free(spec);
    else
        *ret = spec;
    return result;
}
