/* SPDX-License-Identifier: MIT
 *
 * What a spec asks of an update, held against the credential as last seen.
 */
#ifndef VF_API_CHANGE_H
#define VF_API_CHANGE_H

#include "dialect.h"

#include "vaultfs/error.h"

/*
 * -EINVAL, with err->param, for the first field of the table that the spec
 * wants to be other than it is shown, and that an update cannot make so.
 * current NULL: nothing is known, and nothing refused.
 */
VF_MUST_CHECK int vf_change_check(const struct vf_field *fields,
                                  const struct vf_spec *spec,
                                  const struct vf_json *current,
                                  struct vf_error *err);

/* Whether a credential shows a value, which is not null, under a dotted name.
 * current may be NULL. */
bool vf_change_is_shown(const struct vf_json *current, const char *param);

#endif
