/* SPDX-License-Identifier: MIT
 *
 * A reply that is a success by its status -> what was asked for, or the finding
 * that it is not that.
 */
#ifndef VF_API_REPLY_H
#define VF_API_REPLY_H

#include "object.h"
#include "vaultfs/http.h"

/* What an operation makes of its reply. Everything is borrowed. */
struct vf_reading {
    int (*read)(const struct vf_reading *reading, struct vf_json *json,
                struct vf_error *err); /* one of those below */
    const struct vf_dialect *dialect;
    const struct vf_shape *shape;
    struct vf_expected expected;
    const char *cursor; /* that a page was asked for with, or NULL */
    bool is_body_optional;
    int other_status; /* a success besides 200; 0: none */
    void *ret;        /* of the type that read fills */
};

int vf_reading_page(const struct vf_reading *reading, struct vf_json *json,
                    struct vf_error *err); /* struct vf_page */
int vf_reading_object(const struct vf_reading *reading, struct vf_json *json,
                      struct vf_error *err); /* struct vf_object */
int vf_reading_archived(const struct vf_reading *reading, struct vf_json *json,
                        struct vf_error *err); /* nothing */
int vf_reading_deletion(const struct vf_reading *reading, struct vf_json *json,
                        struct vf_error *err); /* nothing */

/* -EBADMSG for a reply that is not what the service promises; where it was a
 * write, the message says that it may have been done. */
VF_MUST_CHECK int vf_reply_read(const struct vf_reading *reading,
                                const struct vf_http_reply *reply,
                                bool is_write, struct vf_error *err);

#endif
