/* SPDX-License-Identifier: MIT
 *
 * Reading vaults, credentials and pages of them out of replies. A reply that
 * is not what the service promises is -EBADMSG, and err->param names the
 * member at fault; no text of the reply is quoted.
 */
#ifndef VF_API_OBJECT_H
#define VF_API_OBJECT_H

#include "dialect.h"
#include "vaultfs/api.h"

/* What a reply must be about, besides its shape. NULL: anything. */
struct vf_expected {
    const char *id;
    const char *parent_id;
};

/* [A-Za-z0-9_-]{1,VF_ID_MAX} */
bool vf_object_is_id(const char *text);

/* The file name that is kept with a credential, or NULL; the display_name of a
 * vault. Borrowed from json. */
const char *vf_object_name_in(const struct vf_shape *shape,
                              const struct vf_json *json);

/*
 * json is borrowed, but loses its secrets. *ret is released with
 * vf_object_done().
 */
VF_MUST_CHECK int vf_object_read(const struct vf_shape *shape,
                                 const struct vf_expected *expected,
                                 struct vf_json *json, struct vf_object *ret,
                                 struct vf_error *err);

/* What a page is to have, and the cursor that it came for (NULL: the first). */
struct vf_page_wanted {
    enum vf_list which;
    const char *parent_id;
    const char *cursor;
};

/* A page of vaults or credentials, by their shape. An object that comes twice
 * is taken once. As above. */
VF_MUST_CHECK int vf_page_read(const struct vf_dialect *dialect,
                               const struct vf_shape *shape,
                               const struct vf_page_wanted *wanted,
                               struct vf_json *json, struct vf_page *ret,
                               struct vf_error *err);

/* Objects in an array, without a next page. As above. */
VF_MUST_CHECK int vf_objects_read(const struct vf_shape *shape,
                                  const struct vf_page_wanted *wanted,
                                  const struct vf_json *array,
                                  struct vf_page *ret, struct vf_error *err);

/* The reply to a deletion. */
VF_MUST_CHECK int vf_deletion_read(const struct vf_shape *shape, const char *id,
                                   const struct vf_json *json,
                                   struct vf_error *err);

#endif
