/* SPDX-License-Identifier: MIT
 *
 * How stored rows look in replies. A row has the columns named here, in this
 * order.
 */
#ifndef VAULTD_OBJECTS_H
#define VAULTD_OBJECTS_H

#include "dialect.h"

#define VF_VAULT_COLUMNS                                                       \
    "id, display_name, metadata, created_us, updated_us, archived_us"
#define VF_CREDENTIAL_COLUMNS                                                  \
    "id, vault_id, shown, metadata, created_us, updated_us, archived_us,"      \
    " display_name, type"

/* Numbers of a credential's columns, for who looks at a row by itself. */
enum {
    VF_COLUMN_SHOWN = 2,
    VF_COLUMN_METADATA = 3,
    VF_COLUMN_UPDATED = 5,
    VF_COLUMN_ARCHIVED = 6,
    VF_COLUMN_NAME = 7,
    VF_COLUMN_TYPE = 8
};

vf_put_object vf_put_vault, vf_put_vault_flat;
vf_put_object vf_put_credential, vf_put_credential_flat;

#endif
