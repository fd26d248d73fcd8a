/* SPDX-License-Identifier: MIT
 *
 * What a look at a service and at the token for it has found, in the two forms
 * that check says it in. A token has no place in it.
 */
#ifndef VAULTFS_CLI_FINDING_H
#define VAULTFS_CLI_FINDING_H

#include "vaultfs/api.h"

struct vf_buf;

/* All is borrowed. NULL: not known, as it never came to that. */
struct vf_finding {
    const char *service;
    const char *dialect;
    const char *token_source;
    int64_t expires_s; /* CLOCK_REALTIME; 0: not known */
    bool is_accepted;
    struct vf_api_account account;
    struct vf_error err; /* code 0: nothing failed */
};

/* What is known before the service is asked, and what it said. */
void vf_finding_put_question(const struct vf_finding *finding,
                             struct vf_buf *out);
void vf_finding_put_answer(const struct vf_finding *finding,
                           struct vf_buf *out);

/* One JSON object, whatever was found, text of others escaped as for people.
 * -ENOMEM; nothing was appended then. */
VF_MUST_CHECK int vf_finding_put_json(const struct vf_finding *finding,
                                      struct vf_buf *out);

#endif
