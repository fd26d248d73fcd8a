/* SPDX-License-Identifier: MIT
 *
 * What every FUSE operation needs: the request, its caller, the reply, and the
 * record of a failure. Each operation is mount_begin(), one call into the tree,
 * and one of the replies, which end the request; no lock is held then. What is
 * read lapses: the kernel forgets when it was accessed, and asks upon a stat.
 */
#ifndef MOUNT_REQUEST_H
#define MOUNT_REQUEST_H

#include "internal.h"

/* On the stack of its operation; an interrupt reaches it until it ends. */
struct mount_request {
    fuse_req_t req;
    struct vf_tree *tree;
    struct vf_caller caller;
    struct vf_error err;
    const char *operation;
};

/* operation: static, for records. request stays where it is until its end. */
void mount_begin(struct mount_request *request, fuse_req_t req,
                 const char *operation);
/* No interrupt reaches it any more. */
void mount_end(struct mount_request *request);

/* Before the end of what may have changed a file's content: who reads after the
 * reply sees all of it. See notifier_settle(). */
void mount_settle(struct mount_request *request);

/* A failure with a reason leaves a record; a plain errno is an answer. name: in
 * the directory node, or NULL for the node itself. */
void mount_report(const struct mount_request *request,
                  const struct vf_node *node, const char *name);

/* End the request with a negative errno, which is reported, or 0. */
void mount_reply_error(struct mount_request *request,
                       const struct vf_node *node, const char *name,
                       int result);
/* End it with an entry; its reference goes to the kernel. */
void mount_reply_entry(struct mount_request *request,
                       const struct vf_entry *entry);

struct vf_tree *mount_tree(fuse_req_t req);
struct vf_node *mount_node(fuse_req_t req, fuse_ino_t ino);
struct vf_file *mount_file(const struct fuse_file_info *fi);
struct fuse_entry_param mount_entry_param(struct vf_tree *tree,
                                          const struct vf_entry *entry);

/* directories.c */
void mount_op_readlink(fuse_req_t req, fuse_ino_t ino);
void mount_op_opendir(fuse_req_t req, fuse_ino_t ino,
                      struct fuse_file_info *fi);
void mount_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                      struct fuse_file_info *fi);
void mount_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
                          off_t offset, struct fuse_file_info *fi);
void mount_op_releasedir(fuse_req_t req, fuse_ino_t ino,
                         struct fuse_file_info *fi);
void mount_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                    mode_t mode);
void mount_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void mount_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);

/* files.c */
void mount_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void mount_op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode, struct fuse_file_info *fi);
void mount_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                   struct fuse_file_info *fi);
void mount_op_write(fuse_req_t req, fuse_ino_t ino, const char *data,
                    size_t size, off_t offset, struct fuse_file_info *fi);
void mount_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void mount_op_fsync(fuse_req_t req, fuse_ino_t ino, int is_data_only,
                    struct fuse_file_info *fi);
void mount_op_release(fuse_req_t req, fuse_ino_t ino,
                      struct fuse_file_info *fi);

#endif
