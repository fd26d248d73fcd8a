/* SPDX-License-Identifier: MIT
 *
 * What the dialects share whose credentials have an "auth" object.
 */
#ifndef VF_API_DIALECT_NESTED_H
#define VF_API_DIALECT_NESTED_H

#include "dialect.h"

/* Where networking and injection_location never change, and where they do. */
extern const struct vf_field vf_nested_fields[];
extern const struct vf_field vf_nested_fields_moving[];

/* The member "auth" of a new credential, and of an update, which leaves out
 * what never changes, and the whole where nothing in it is to change. */
void vf_nested_write_auth(struct vf_json_writer *writer,
                          const struct vf_spec *spec);
void vf_nested_write_auth_update(struct vf_json_writer *writer,
                                 const struct vf_field *fields,
                                 const struct vf_spec *spec,
                                 const struct vf_json *current);

#endif
