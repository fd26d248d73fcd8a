/* SPDX-License-Identifier: MIT
 *
 * W-strict as tables. An object has one of several shapes, told apart by its
 * "type"; a shape is a list of fields; a field has a kind, which says how its
 * value is checked, and a place in struct vf_spec. Whatever has no row is
 * unknown and refused.
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
#define HOST_MAX 255

static const struct spec_kind picked = {spec_read_picked};
static const struct spec_kind auth_type = {spec_read_auth_type};
static const struct spec_kind boolean = {spec_read_boolean};
static const struct spec_kind text = {spec_read_string, spec_check_text};
static const struct spec_kind name = {spec_read_string, spec_check_name};
static const struct spec_kind secret = {spec_read_secret, spec_check_secret};
static const struct spec_kind variable = {spec_read_string,
                                          spec_check_variable};
static const struct spec_kind protocol = {spec_read_string,
                                          spec_check_protocol};
static const struct spec_kind expiry = {spec_read_expiry, spec_check_time};
static const struct spec_kind metadata = {spec_read_metadata};
static const struct spec_kind hosts = {spec_read_hosts, spec_check_host,
                                       HOST_MAX};
static const struct spec_kind url = {spec_read_string, spec_check_url,
                                     VF_SPEC_URL_MAX};
static const struct spec_kind client_id = {spec_read_string, spec_check_name,
                                           CLIENT_ID_MAX};
static const struct spec_kind display_name = {
    spec_read_string_or_null, spec_check_text, DISPLAY_NAME_MAX};

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

static const struct spec_kind endpoint_auth = {spec_read_object,
                                               .shapes = endpoint_auth_shapes};

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

static const struct spec_kind refresh = {spec_read_refresh,
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

static const struct spec_kind networking = {spec_read_copied_object,
                                            .shapes = networking_shapes};

static const struct spec_field injection_fields[] = {
    {"header", &boolean, OPTIONAL, NOWHERE},
    {"body", &boolean, OPTIONAL, NOWHERE},
    {NULL},
};

static const struct spec_shape injection_shapes[] = {{NULL, injection_fields},
                                                     {NULL}};

static const struct spec_kind injection = {spec_read_copied_object,
                                           .shapes = injection_shapes};

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

static const struct spec_kind auth = {spec_read_object, .shapes = auth_shapes};

static const struct spec_field nested_fields[] = {
    {"auth", &auth, REQUIRED, NOWHERE},
    {"metadata", &metadata, OPTIONAL, AT(metadata)},
    {"display_name", &display_name, OPTIONAL, AT(display_name)},
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
    {NULL},
};

static const struct spec_shape flat_shapes[] = {{"static_bearer", flat_fields},
                                                {NULL}};

/* The first field that only the flat form has, or NULL. */
static const char *find_flat_field(const struct vf_json *document)
{
    static const char *const keys[] = {"mcp_server_url", "protocol", "type",
                                       "access_token"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (vf_json_get(document, keys[i], NULL))
            return keys[i];
    return NULL;
}

/* The name of the secret that a type of `auth` must have, or NULL. */
static const char *find_secret_field(const char *type)
{
    const struct spec_shape *shape = auth_shapes;

    while (shape->fields != NULL &&
           (type == NULL || strcmp(shape->type, type) != 0))
        shape++;
    for (const struct spec_field *field = shape->fields;
         field != NULL && field->key != NULL; field++)
        if (field->kind == &secret)
            return field->key;
    return NULL;
}

/* Who copies what was read wants to hear of the secret, which no read shows,
 * and not of the first field that a spec does not have. */
static int refuse_metadata(struct spec_reader *reader,
                           const struct vf_json *document)
{
    const char *type = vf_json_get_string(document, "type");
    struct vf_json *part = NULL;
    char param[64];

    if (type == NULL || strcmp(type, "vault_credential") != 0 ||
        !vf_json_get(document, "id", NULL))
        return 0;
    (void)vf_json_get(document, "auth", &part);
    const char *key = find_secret_field(vf_json_get_string(part, "type"));
    if (key == NULL || vf_json_get(part, key, NULL))
        return 0;
    (void)snprintf(param, sizeof(param), "auth.%s", key);
    return vf_error_set_param(reader->err, EINVAL, param,
                              "this is metadata as read: a new credential "
                              "needs its secret, \"%s\"",
                              param);
}

static int read_document(struct spec_reader *reader,
                         const struct vf_json *document)
{
    enum vf_json_type type = vf_json_type(document);
    const char *flat_field = find_flat_field(document);

    if (type != VF_JSON_OBJECT)
        return vf_error_set(reader->err, EINVAL,
                            "a spec must be an object, not %s",
                            vf_json_type_name(type));
    int result = refuse_metadata(reader, document);
    if (result < 0)
        return result;
    if (flat_field == NULL)
        return spec_read_shapes(reader, nested_shapes, "", document);
    if (vf_json_get(document, "auth", NULL))
        return vf_error_set_param(reader->err, EINVAL, flat_field,
                                  "\"%s\" has no place beside \"auth\"",
                                  flat_field);
    return spec_read_shapes(reader, flat_shapes, "", document);
}

int vf_spec_parse(const void *bytes, size_t size, struct vf_spec **ret,
                  struct vf_error *err)
{
    struct vf_json *document;

    if (size > VF_SPEC_MAX)
        return vf_error_set(err, EFBIG, "a spec has at most %d bytes",
                            VF_SPEC_MAX);
    int result = vf_json_parse(bytes, size, &document, err);
    if (result < 0)
        return result;
    struct spec_reader reader = {.spec = calloc(1, sizeof(*reader.spec)),
                                 .err = err};
    if (reader.spec == NULL)
        result = vf_error_set(err, ENOMEM, "no memory for a spec");
    else
        result = read_document(&reader, document);
    vf_json_free(document);
    if (result < 0)
        vf_spec_free(reader.spec);
    else
        *ret = reader.spec;
    return result;
}
