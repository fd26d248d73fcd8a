/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/json.h"
#include "vaultfs/secret.h"

static const char *const type_names[VF_AUTH_TYPES] = {
    [VF_AUTH_STATIC_BEARER] = "static_bearer",
    [VF_AUTH_MCP_OAUTH] = "mcp_oauth",
    [VF_AUTH_ENVIRONMENT_VARIABLE] = "environment_variable",
};

const char *vf_auth_type_name(enum vf_auth_type type)
{
    return type_names[type];
}

int vf_auth_type_parse(const char *name, enum vf_auth_type *ret)
{
    for (size_t i = 0; i < VF_AUTH_TYPES; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *ret = (enum vf_auth_type)i;
            return 0;
        }
    }
    return -EINVAL;
}

static void refresh_done(struct vf_spec_refresh *refresh)
{
    free(refresh->client_id);
    free(refresh->token_endpoint);
    free(refresh->token_endpoint_auth_type);
    free(refresh->resource);
    free(refresh->scope);
    vf_secret_unref(refresh->refresh_token);
    vf_secret_unref(refresh->client_secret);
}

void vf_spec_free(struct vf_spec *spec)
{
    if (spec == NULL)
        return;
    free(spec->mcp_server_url);
    free(spec->secret_name);
    free(spec->protocol);
    free(spec->expires_at);
    free(spec->display_name);
    vf_secret_unref(spec->value);
    refresh_done(&spec->refresh);
    vf_json_free(spec->networking);
    vf_json_free(spec->injection_location);
    vf_json_free(spec->metadata);
    free(spec->stored_name);
    free(spec);
}
