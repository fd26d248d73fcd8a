/* SPDX-License-Identifier: MIT
 *
 * What the endpoints of credentials and of vaults share. The vault is the
 * call's.
 */
#ifndef VAULTD_CREDENTIALS_H
#define VAULTD_CREDENTIALS_H

#include "call.h"

/*
 * Make a credential of what a request says; where in the request, dotted, that
 * is ("" for the body itself). The call's credential_id is then the new one's.
 */
VF_MUST_CHECK int vf_credential_add(struct vf_call *call,
                                    const struct vf_json *given,
                                    const char *where,
                                    const struct vf_access *access,
                                    struct vf_error *err);

/* Append the call's credential to its reply. */
VF_MUST_CHECK int vf_credential_show(struct vf_call *call,
                                     const struct vf_access *access,
                                     struct vf_error *err);

/* Append all credentials of the vault, oldest first, as a JSON array. */
VF_MUST_CHECK int vf_credential_show_all(struct vf_call *call,
                                         const struct vf_access *access,
                                         struct vf_error *err);

/* The vault is there, and what is in it may be changed. */
VF_MUST_CHECK int vf_vault_check(const struct vf_call *call,
                                 const struct vf_access *access,
                                 struct vf_error *err);

/* The answer of a delete. */
void vf_answer_deleted(struct vf_call *call, const char *id, const char *type);

#endif
