/* SPDX-License-Identifier: MIT */
#include "auth_form.h"

#include <stddef.h>

/* Shorter names for the tables. */
#define REQUIRED VF_FIELD_REQUIRED
#define CHANGES VF_FIELD_CHANGES
#define NULLABLE VF_FIELD_NULLABLE
#define HIDDEN VF_FIELD_HIDDEN
#define WHOLE VF_FIELD_WHOLE
#define LATER VF_FIELD_LATER

static const char *const client_auth_types[] = {"none", "client_secret_basic",
                                                "client_secret_post", NULL};
static const char *const networking_types[] = {"unrestricted", "limited", NULL};
static const char *const flat_types[] = {"static_bearer", NULL};
static const char *const protocols[] = {"sse", "streamable_http", NULL};

static const struct vf_field client_auth_fields[] = {
    {"type", VF_FIELD_WORD, REQUIRED | CHANGES, .words = client_auth_types},
    {"client_secret", VF_FIELD_SECRET, CHANGES,
     .secret = VF_FIELD_CLIENT_SECRET},
    {0}};

static const struct vf_field refresh_fields[] = {
    {"client_id", VF_FIELD_CLIENT_ID, REQUIRED},
    {"token_endpoint", VF_FIELD_URL, REQUIRED},
    {"token_endpoint_auth", VF_FIELD_CLIENT_AUTH, REQUIRED | CHANGES,
     .fields = client_auth_fields},
    {"refresh_token", VF_FIELD_SECRET, REQUIRED | CHANGES,
     .secret = "refresh.refresh_token"},
    {"resource", VF_FIELD_TEXT, NULLABLE},
    {"scope", VF_FIELD_TEXT, NULLABLE | CHANGES},
    {0}};

static const struct vf_field networking_fields[] = {
    {"type", VF_FIELD_WORD, REQUIRED | CHANGES, .words = networking_types},
    {"allowed_hosts", VF_FIELD_HOSTS, CHANGES},
    {0}};

static const struct vf_field injection_fields[] = {
    {"header", VF_FIELD_BOOLEAN, CHANGES},
    {"body", VF_FIELD_BOOLEAN, CHANGES},
    {0}};

static const struct vf_field static_bearer_fields[] = {
    {"type", VF_FIELD_TEXT, REQUIRED},
    {"mcp_server_url", VF_FIELD_URL, REQUIRED},
    {"token", VF_FIELD_SECRET, REQUIRED | CHANGES, .secret = "token"},
    {0}};

static const struct vf_field mcp_oauth_fields[] = {
    {"type", VF_FIELD_TEXT, REQUIRED},
    {"mcp_server_url", VF_FIELD_URL, REQUIRED},
    {"access_token", VF_FIELD_SECRET, REQUIRED | CHANGES,
     .secret = "access_token"},
    {"expires_at", VF_FIELD_TIME, NULLABLE | CHANGES},
    {"refresh", VF_FIELD_OBJECT, CHANGES, .fields = refresh_fields},
    {0}};

static const struct vf_field environment_variable_fields[] = {
    {"type", VF_FIELD_TEXT, REQUIRED},
    {"secret_name", VF_FIELD_VARIABLE, REQUIRED},
    {"secret_value", VF_FIELD_SECRET, REQUIRED | CHANGES,
     .secret = "secret_value"},
    {"networking", VF_FIELD_OBJECT, HIDDEN, .fields = networking_fields},
    {"injection_location", VF_FIELD_OBJECT, HIDDEN, .fields = injection_fields},
    {0}};

/* Here the two last are kept and shown, and the first of them is a must. */
static const struct vf_field anthropic_variable_fields[] = {
    {"type", VF_FIELD_TEXT, REQUIRED},
    {"secret_name", VF_FIELD_VARIABLE, REQUIRED},
    {"secret_value", VF_FIELD_SECRET, REQUIRED | CHANGES,
     .secret = "secret_value"},
    {"networking", VF_FIELD_OBJECT, REQUIRED | CHANGES | WHOLE,
     .fields = networking_fields},
    {"injection_location", VF_FIELD_OBJECT, CHANGES | LATER,
     .fields = injection_fields},
    {0}};

static const struct vf_field flat_fields[] = {
    {"mcp_server_url", VF_FIELD_URL, REQUIRED},
    {"protocol", VF_FIELD_WORD, REQUIRED, .words = protocols},
    {"type", VF_FIELD_WORD, REQUIRED, .words = flat_types},
    {"access_token", VF_FIELD_SECRET, REQUIRED, .secret = "access_token"},
    {0}};

#define BEARER                                                                 \
    {                                                                          \
        "static_bearer", static_bearer_fields, "mcp_server_url"                \
    }
#define OAUTH                                                                  \
    {                                                                          \
        "mcp_oauth", mcp_oauth_fields, "mcp_server_url"                        \
    }
#define NESTED_TYPES "must be static_bearer, mcp_oauth or environment_variable"

const struct vf_spec_form vf_form_qoder = {
    "auth",
    (const struct vf_spec_type[]){
        BEARER,
        OAUTH,
        {"environment_variable", environment_variable_fields, "secret_name"},
        {0}},
    NESTED_TYPES};

const struct vf_spec_form vf_form_anthropic = {
    "auth",
    (const struct vf_spec_type[]){
        BEARER,
        OAUTH,
        {"environment_variable", anthropic_variable_fields, "secret_name"},
        {0}},
    NESTED_TYPES};

const struct vf_spec_form vf_form_flat = {
    NULL,
    (const struct vf_spec_type[]){
        {"static_bearer", flat_fields, "mcp_server_url"}, {0}},
    "must be static_bearer"};
