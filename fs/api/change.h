/* SPDX-License-Identifier: MIT
 *
 * What a spec asks of an update, held against the object as last seen. current
 * is NULL where nothing is known of it.
 */
#ifndef VF_API_CHANGE_H
#define VF_API_CHANGE_H

#include "dialect.h"

/*
 * -EINVAL, with err->param, for the first field of the table that the spec
 * wants to be other than it is shown, and that an update cannot make so.
 * current NULL: nothing is refused.
 */
VF_MUST_CHECK int vf_change_check(const struct vf_field *fields,
                                  const struct vf_spec *spec,
                                  const struct vf_json *current,
                                  struct vf_error *err);

/* Whether the spec wants a field of the table to be other than it is shown, of
 * those that an update can set. */
bool vf_change_is_asked(const struct vf_field *fields,
                        const struct vf_spec *spec,
                        const struct vf_json *current);

/* Whether metadata (NULL: as it is) differs from what an object has, one key
 * left aside, which is not the user's (NULL: all of them are). */
bool vf_change_is_in_metadata(const struct vf_json *metadata,
                              const struct vf_json *current, const char *ours);

/* Whether an object shows a value, which is not null, under a dotted name. */
bool vf_change_is_shown(const struct vf_json *current, const char *param);

/* Whether it is this text. */
bool vf_change_is_shown_as(const struct vf_json *current, const char *param,
                           const char *text);

/* Whether an update can set a field of the table. */
bool vf_change_can_set(const struct vf_field *fields, const char *param);

#endif
