/* SPDX-License-Identifier: MIT
 *
 * A reply that is a success by its status -> what was asked for, or the finding
 * that it is not that.
 */
#ifndef VF_API_REPLY_H
#define VF_API_REPLY_H

#include "object.h"
#include "vaultfs/http.h"

struct vf_in_flight;
struct vf_names;

struct vf_reading;

/* json may lose what is not to be shown. The table is that in use when the
 * reply came. */
typedef int vf_reader(const struct vf_reading *reading,
                      const struct vf_dialect *dialect, struct vf_json *json,
                      struct vf_error *err);

vf_reader vf_read_page;      /* ret: struct vf_page */
vf_reader vf_read_object;    /* struct vf_object */
vf_reader vf_read_new_vault; /* struct vf_new_vault */
vf_reader vf_read_archived;  /* nothing */
vf_reader vf_read_deletion;  /* nothing */

struct vf_new_vault {
    struct vf_object *vault;
    struct vf_page *credentials; /* those that came with it */
};

/* What an operation makes of its reply. Everything is borrowed. */
struct vf_reading {
    vf_reader *read;
    vf_dialect_slot *dialect;
    bool is_of_vaults;
    struct vf_names *names; /* for a dialect that keeps none */
    struct vf_expected expected;
    enum vf_list which; /* of a page */
    const char *cursor; /* that a page was asked for with, or NULL */
    bool is_body_optional;
    int other_status; /* a success besides 200; 0: none */
    bool is_change;
    void *ret; /* of the type that read fills */
};

/* -EBADMSG for a reply that is not what the service promises; what was a change
 * may have been done then. A 404 or 409 that came this far is a success, and
 * not read. */
VF_MUST_CHECK int vf_reply_read(const struct vf_reading *reading,
                                const struct vf_http_reply *reply,
                                struct vf_error *err);

/* Strike the secrets of the request out of the reply. -ENOMEM. */
VF_MUST_CHECK int vf_reply_redact(struct vf_http_reply *reply,
                                  const struct vf_in_flight *in_flight,
                                  struct vf_error *err);

#endif
