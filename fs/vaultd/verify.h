/* SPDX-License-Identifier: MIT
 *
 * Whether everything that a data directory holds can be read.
 */
#ifndef VAULTD_VERIFY_H
#define VAULTD_VERIFY_H

#include "vaultfs/error.h"

struct vf_store;

struct vf_verify_counts {
    int64_t vaults;
    int64_t credentials;
    int64_t secrets;  /* that opened */
    int64_t unopened; /* that did not; each is named in the log */
};

/*
 * Check the database's structure and open every sealed secret. May run beside
 * a server. -EUCLEAN when something is wrong, also with *ret filled.
 */
VF_MUST_CHECK int vf_verify(struct vf_store *store,
                            struct vf_verify_counts *ret, struct vf_error *err);

#endif
