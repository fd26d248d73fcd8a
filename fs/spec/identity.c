/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <string.h>

#include "vaultfs/json.h"

#include "internal.h"

static bool is_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool spec_identity_is_equal(const struct spec_identity *a,
                            const struct spec_identity *b)
{
    return is_equal(a->type, b->type) && is_equal(a->target, b->target);
}

const struct vf_json *spec_auth_of(const struct vf_json *credential)
{
    struct vf_json *auth;

    return vf_json_get(credential, "auth", &auth) ? auth : credential;
}

struct spec_identity spec_identity_in(const struct vf_json *auth)
{
    const char *type = vf_json_get_string(auth, "type");
    bool is_variable =
        is_equal(type, vf_auth_type_name(VF_AUTH_ENVIRONMENT_VARIABLE));

    return (struct spec_identity){
        .type = type,
        .target = vf_json_get_string(auth, is_variable ? "secret_name"
                                                       : "mcp_server_url"),
    };
}

struct spec_identity spec_identity_of(const struct vf_spec *spec)
{
    bool is_variable = spec->type == VF_AUTH_ENVIRONMENT_VARIABLE;

    return (struct spec_identity){
        .type = vf_auth_type_name(spec->type),
        .target = is_variable ? spec->secret_name : spec->mcp_server_url,
    };
}

bool vf_spec_is_same_identity(const struct vf_spec *spec, const char *shown,
                              size_t shown_size)
{
    struct vf_json *credential;

    if (vf_json_parse(shown, shown_size, &credential, NULL) < 0)
        return false;
    const struct spec_identity ours = spec_identity_of(spec);
    const struct spec_identity theirs =
        spec_identity_in(spec_auth_of(credential));
    bool is_same = spec_identity_is_equal(&ours, &theirs);
    vf_json_free(credential);
    return is_same;
}

bool vf_spec_has_secret(const struct vf_spec *spec)
{
    return spec->value != NULL || spec->refresh.refresh_token != NULL ||
           spec->refresh.client_secret != NULL;
}
