/* SPDX-License-Identifier: MIT */
#ifndef MOUNT_INTERNAL_H
#define MOUNT_INTERNAL_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>

#include "vaultfs/mount.h"
#include "vaultfs/tree.h"

struct notice;

/* An operation in flight whose caller holds a directory's lock in the kernel.
 * On the stack of its handler. */
struct hold {
    struct hold *previous, *next;
    fuse_ino_t directory;
    bool is_in_the_way; /* of a notice that waits */
};

/* Notices that wait, and the thread that tells them, in their order but for
 * those that are held up. */
struct notices {
    struct notifier *notifier; /* borrowed: that it belongs to */
    struct notice *first, *last;
    struct notice *held; /* up to this one all are held up; NULL: unknown */
    pthread_cond_t wanted;
    pthread_t thread;
    bool is_running;
    uint64_t noted, told;
};

/* Tells the kernel what changed, from threads of its own: from inside a handler
 * it would wait for locks that the handler's caller holds. See notifier.c for
 * what is held, and why names and inodes have a thread each. */
struct notifier {
    pthread_mutex_t lock; /* guards all below */
    bool is_ending;
    struct notices names, inodes;
    pthread_cond_t told; /* of an inode */
    struct hold *holds;
    struct fuse_session *session; /* borrowed */
    struct vf_tree *tree;         /* borrowed */
};

int notifier_init(struct notifier *notifier, struct fuse_session *session,
                  struct vf_tree *tree);
void notifier_done(struct notifier *notifier);

/* Between the two, nothing is told about the names in a directory; 0 stands for
 * every directory. The release comes after the reply. */
void notifier_hold(struct notifier *notifier, struct hold *hold,
                   fuse_ino_t directory);
void notifier_release(struct notifier *notifier, struct hold *hold);

/* Before the reply to what may have changed a file's content: wait until the
 * kernel has been told of it, for a moment at most. Any lock of a directory may
 * be held in the kernel. */
void notifier_settle(struct notifier *notifier);

/* How often the kernel has asked for each operation. */
#define TRAFFIC_OPERATIONS VF_MOUNT_OPERATIONS
struct traffic {
    atomic_ullong counts[TRAFFIC_OPERATIONS]; /* by the kernel's number */
};

/* From now on; the session is mounted. 0 or a negative errno. */
int traffic_watch(struct vf_mount *mount);

/* How long a mount that is in the way may take to answer. */
#define MOUNT_ANSWER_MS 5000

/* End the connection of a mount, so that all who wait for it return. The
 * kernel lets the user who mounted do so, if its control files are there. */
void mount_abort(const char *path);

struct vf_mount {
    struct vf_mount_options options;
    struct vf_tree *tree; /* borrowed */
    struct fuse_session *session;
    struct notifier notifier;
    struct traffic traffic;
    pthread_t main_thread;
    atomic_bool is_loop_done;
};

extern const struct fuse_lowlevel_ops mount_operations;

/* The kernel's number of a node. */
fuse_ino_t mount_ino(struct vf_tree *tree, const struct vf_node *node);

#endif
