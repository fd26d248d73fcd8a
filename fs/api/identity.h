/* SPDX-License-Identifier: MIT
 *
 * What a credential is for: its auth type and the server's URL or the name of
 * the variable. Nested in "auth", or flat in the object itself.
 */
#ifndef VF_API_IDENTITY_H
#define VF_API_IDENTITY_H

#include "vaultfs/json.h"

/*
 * A file name for a credential that has none stored: host and path of the URL,
 * the variable's name, or else the id. *ret is freed with free(). Errors:
 * -EBADMSG for a URL or a name that is not a string, -ENOMEM.
 */
VF_MUST_CHECK int vf_identity_label(const struct vf_json *credential,
                                    const char *id, char **ret,
                                    struct vf_error *err);

#endif
