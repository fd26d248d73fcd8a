/* SPDX-License-Identifier: MIT */
#include "dialect.h"

#include "auth_form.h"
#include "objects.h"

#include <string.h>

/* What all of them have in common. */
#define METADATA_LIMITS                                                        \
    .metadata_keys_max = 16, .metadata_key_max = 64, .metadata_value_max = 512
#define PAGE_LIMITS .limit_default = 20, .limit_max = 100
#define BODY_MAX ((size_t)4 * 1024 * 1024)

static const struct vf_dialect qoder = {
    .name = "qoder",
    .path_prefix = "/api/v1/cloud",
    .vault_prefix = "vault_",
    .credential_prefix = "vcred_",
    .request_id = "x-request-id",
    .has_idempotency = true,
    .calls = VF_CALL_UPDATE | VF_CALL_VALIDATE | VF_CALL_EXCHANGE,
    .create_vault_status = 200,
    .form = &vf_form_qoder,
    .put_vault = vf_put_vault,
    .put_credential = vf_put_credential,
    .shows_credentials = true,
    .list = {.cursors = {"page", "after_id", "before_id"},
             .filter = "include_archived",
             .words = {{"false", VF_WANTED_ACTIVE}, {"true", VF_WANTED_ALL}},
             .has_name = true,
             .has_next_page = true,
             .has_ends = true},
    .display_name_max = 255,
    METADATA_LIMITS,
    .url_max = 2048,
    PAGE_LIMITS,
    .body_max = BODY_MAX,
    .rules = {.create_status = 200},
};

static const struct vf_dialect qoder_flat = {
    .name = "qoder-flat",
    .path_prefix = "/api/v1/cloud",
    .vault_prefix = "vault_",
    .credential_prefix = "vcred_",
    .request_id = "x-request-id",
    .has_idempotency = true,
    .calls = VF_CALL_EXCHANGE,
    .create_vault_status = 201,
    .deletes_silently = true,
    .form = &vf_form_flat,
    .put_vault = vf_put_vault_flat,
    .put_credential = vf_put_credential_flat,
    .takes_credentials = true,
    .shows_credentials = true,
    .list = {.cursors = {"after", "after_id", "before_id"},
             .filter = "status",
             .words = {{"active", VF_WANTED_ACTIVE},
                       {"archived", VF_WANTED_ARCHIVED}},
             .has_ends = true},
    .display_name_max = 255,
    METADATA_LIMITS,
    .url_max = 2048,
    PAGE_LIMITS,
    .body_max = BODY_MAX,
    .rules = {.create_status = 201},
};

static const char *const anthropic_versions[] = {"2023-06-01", "2026-10-21",
                                                 NULL};
static const char *const anthropic_betas[] = {"managed-agents-2026-04-01",
                                              NULL};
static const struct vf_required_header anthropic_headers[] = {
    {"anthropic-version", anthropic_versions},
    {"anthropic-beta", anthropic_betas},
    {0}};

static const struct vf_dialect anthropic = {
    .name = "anthropic",
    .path_prefix = "/v1",
    .vault_prefix = "vlt_",
    .credential_prefix = "vcrd_",
    .request_id = "request-id",
    .takes_api_key = true,
    .required = anthropic_headers,
    .calls = VF_CALL_UPDATE | VF_CALL_VALIDATE | VF_CALL_VAULT_UPDATE,
    .create_vault_status = 200,
    .form = &vf_form_anthropic,
    .put_vault = vf_put_vault,
    .put_credential = vf_put_credential,
    .keeps_names = true,
    .list = {.cursors = {"page"},
             .filter = "include_archived",
             .words = {{"false", VF_WANTED_ACTIVE}, {"true", VF_WANTED_ALL}},
             .has_next_page = true},
    .display_name_max = 255,
    METADATA_LIMITS,
    .url_max = 2047,
    .secret_max = 8192,
    .client_id_max = 1024,
    .is_expiry_ahead = true,
    PAGE_LIMITS,
    .body_max = BODY_MAX,
    .rules = {.create_status = 200, .credentials_max = 20},
};

const struct vf_dialect *const vf_dialects[] = {&qoder, &qoder_flat, &anthropic,
                                                NULL};

const struct vf_dialect *vf_dialect_find(const char *name)
{
    for (size_t i = 0; vf_dialects[i] != NULL; i++)
        if (strcmp(vf_dialects[i]->name, name) == 0)
            return vf_dialects[i];
    return NULL;
}
