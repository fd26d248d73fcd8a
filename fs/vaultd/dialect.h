/* SPDX-License-Identifier: MIT
 *
 * What one dialect of the vault API looks like on the wire: a table each.
 * Limits on text count Unicode characters.
 */
#ifndef VAULTD_DIALECT_H
#define VAULTD_DIALECT_H

#include <stddef.h>

struct vf_dialect {
    const char *name;
    const char *path_prefix;  /* documented; the bare paths are served too */
    const char *vault_prefix; /* of ids */
    const char *credential_prefix;
    size_t display_name_max;
    size_t metadata_keys_max;
    size_t metadata_key_max;
    size_t metadata_value_max;
    size_t url_max;
    int limit_default; /* objects on a page */
    int limit_max;
    size_t body_max; /* bytes */
};

extern const struct vf_dialect vf_dialect_qoder;

#endif
