/* SPDX-License-Identifier: MIT */
#ifndef MOUNT_INTERNAL_H
#define MOUNT_INTERNAL_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>

#include "vaultfs/mount.h"
#include "vaultfs/tree.h"

struct notice;

/* Tells the kernel what changed, from a thread of its own: from inside a
 * handler it would wait for locks that the handler's caller holds. */
struct notifier {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    pthread_t thread;
    bool is_running;
    bool is_ending;
    struct notice *first, *last;
    struct fuse_session *session; /* borrowed */
    struct vf_tree *tree;         /* borrowed */
};

int notifier_init(struct notifier *notifier, struct fuse_session *session,
                  struct vf_tree *tree);
void notifier_done(struct notifier *notifier);

struct vf_mount {
    struct vf_mount_options options;
    struct vf_tree *tree; /* borrowed */
    struct fuse_session *session;
    struct notifier notifier;
    pthread_t main_thread;
    atomic_bool is_loop_done;
};

extern const struct fuse_lowlevel_ops mount_operations;

/* The kernel's number of a node. */
fuse_ino_t mount_ino(struct vf_tree *tree, const struct vf_node *node);

#endif
