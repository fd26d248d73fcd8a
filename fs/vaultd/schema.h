/* SPDX-License-Identifier: MIT
 *
 * The database's tables and their versions.
 */
#ifndef VAULTD_SCHEMA_H
#define VAULTD_SCHEMA_H

#include "vaultfs/error.h"

struct vf_db;

#define VF_SCHEMA_VERSION 3

/*
 * Bring a database up to VF_SCHEMA_VERSION, each step in one transaction.
 * -ENOTSUP for a database that a newer program wrote. Who calls sees to it that
 * nobody else does at the same time.
 */
VF_MUST_CHECK int vf_schema_upgrade(struct vf_db *db, struct vf_error *err);

#endif
