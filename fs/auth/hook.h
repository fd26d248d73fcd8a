/* SPDX-License-Identifier: MIT
 *
 * The user's command for expired access (on_expired), on a thread of its own:
 * it may take long, and it may use the mount, whose callers then need the
 * source to be read meanwhile.
 */
#ifndef VF_AUTH_HOOK_H
#define VF_AUTH_HOOK_H

#include "vaultfs/auth.h"

struct vf_auth_hook;

/*
 * A hook for options->on_expired, which is set. succeeded is called, from the
 * hook's thread and without a lock, each time that the command ended well; its
 * failures go to the sink. *ret is freed with vf_auth_hook_free(). Errors:
 * -ENOMEM, -EMFILE, -EAGAIN.
 */
VF_MUST_CHECK int vf_auth_hook_new(const struct vf_auth_options *options,
                                   void (*succeeded)(void *context),
                                   void *context, struct vf_auth_hook **ret,
                                   struct vf_error *err);

/* Run the command soon; once more after this, if it is running. reason has the
 * errno and the message that it is told. Does not block; takes a lock of its
 * own, so that others may be held. */
void vf_auth_hook_run(struct vf_auth_hook *hook, const struct vf_error *reason);

/* End the command, now and for ever. From any thread; does not block. */
void vf_auth_hook_cancel(struct vf_auth_hook *hook);

/* Cancel, and wait for the thread. NULL is allowed. */
void vf_auth_hook_free(struct vf_auth_hook *hook);

#endif
