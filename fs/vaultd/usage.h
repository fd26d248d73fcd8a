/* SPDX-License-Identifier: MIT
 *
 * When tokens were last used: remembered to the minute, at nobody's cost.
 */
#ifndef VAULTD_USAGE_H
#define VAULTD_USAGE_H

#include "vaultfs/error.h"

struct vf_store;
struct vf_usage;

/* store is borrowed until vf_usage_free(). Thread-safe. */
VF_MUST_CHECK int vf_usage_new(struct vf_store *store, struct vf_usage **ret,
                               struct vf_error *err);
void vf_usage_free(struct vf_usage *usage); /* NULL is allowed */

/*
 * The token of this id was used now. At most once a minute a token that goes
 * into the store, some time later: a crash may lose it, a full disk does.
 * Waits for no disk.
 */
void vf_usage_note(struct vf_usage *usage, const char *id);

#endif
