/* SPDX-License-Identifier: MIT */
#include "dialect.h"

const struct vf_dialect vf_dialect_qoder = {
    .name = "qoder",
    .path_prefix = "/api/v1/cloud",
    .vault_prefix = "vault_",
    .credential_prefix = "vcred_",
    .display_name_max = 255,
    .metadata_keys_max = 16,
    .metadata_key_max = 64,
    .metadata_value_max = 512,
    .url_max = 2048,
    .limit_default = 20,
    .limit_max = 100,
    .body_max = 4 * 1024 * 1024,
};
