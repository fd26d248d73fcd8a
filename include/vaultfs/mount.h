/* SPDX-License-Identifier: MIT
 *
 * The FUSE side: one session that shows one tree at one mount point. The one
 * module that touches libfuse.
 */
#ifndef VAULTFS_MOUNT_H
#define VAULTFS_MOUNT_H

#include "vaultfs/error.h"
#include "vaultfs/report.h"

#include <stdbool.h>

struct vf_mount;
struct vf_tree;

struct vf_mount_options {
    const char
        *mountpoint;    /* an absolute path; borrowed for the mount's life */
    const char *source; /* shown in the first column of mount(8); as above */
    bool is_debug;      /* libfuse's own trace on standard error */
    bool is_allow_other;
    vf_record_sink *sink; /* failures that callers were told of in short */
    void *sink_context;
};

/*
 * Mount. From the return on, operations wait for vf_mount_run(). The tree is
 * borrowed for the mount's life. A dead mount that a killed daemon left at the
 * mount point is detached first. Errors: -ENOTDIR, -ENOENT, -EBUSY (something
 * is mounted there, and alive: it is ours), -EPERM with libfuse's reason in the
 * message. For an ordinary user libfuse runs fusermount3(1), which says its
 * reason on standard error itself.
 */
VF_MUST_CHECK int vf_mount_new(const struct vf_mount_options *options,
                               struct vf_tree *tree, struct vf_mount **ret,
                               struct vf_error *err);

/*
 * Serve until the mount point is unmounted, or SIGINT, SIGTERM arrives; then
 * unmount, end what waits (callers get EINTR), and return. SIGHUP forgets
 * every cached listing. Ends within 2 s, whatever is blocked. Call once, from
 * the main thread. Returns 0 or a negative errno of the session loop.
 */
VF_MUST_CHECK int vf_mount_run(struct vf_mount *mount);

void vf_mount_free(struct vf_mount *mount); /* NULL is allowed */

/* More than a kernel knows operations. */
#define VF_MOUNT_OPERATIONS 64

/* How often the kernel has asked for each operation since the mount began, also
 * for those that are answered before they come to one of ours; returns how many
 * operations there are. Does not block. */
size_t vf_mount_requests(const struct vf_mount *mount,
                         struct vf_report_count ret[VF_MOUNT_OPERATIONS]);

/* Whether what is mounted at a path, on top, is a mount of this program. Asks
 * the kernel's table and not the file system, which may be dead. */
bool vf_mount_is_ours(const char *mountpoint);

/* Where a user has mounted with this program, dead mounts included: an array of
 * paths, each freed with free(), and so is *ret. Errors: -ENOMEM, others of
 * opening the kernel's table. */
VF_MUST_CHECK int vf_mount_list(uid_t uid, char ***ret, size_t *ret_count);

/*
 * Ask who serves what is mounted at a path, which must be a mount. 0; -ENOTCONN
 * or -ECONNABORTED: nobody, it is dead; -ETIMEDOUT: no answer by then; others
 * of statfs(2) and fork(2). Whoever hangs, the caller does not.
 */
VF_MUST_CHECK int vf_mount_probe(const char *mountpoint, int timeout_ms);

/*
 * Unmount what is mounted at a path, through umount2(2) or, for who may not,
 * fusermount3(1). is_lazy detaches a busy one. Errors: -EINVAL when nothing of
 * ours is mounted there, -EBUSY, -EPERM; the message has fusermount3's reason.
 */
VF_MUST_CHECK int vf_mount_detach(const char *mountpoint, bool is_lazy,
                                  struct vf_error *err);

#endif
