/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <errno.h>
#include <stdlib.h>

void mount_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct vf_node *directory = mount_node(req, ino);
    struct vf_snapshot *snapshot = NULL;
    struct mount_request request;

    mount_begin(&request, req, "list");
    int result = vf_tree_opendir(request.tree, directory, &request.caller,
                                 &snapshot, &request.err);
    if (result < 0) {
        mount_reply_error(&request, directory, NULL, result);
        return;
    }
    mount_end(&request);
    fi->fh = (uint64_t)(uintptr_t)snapshot;
    fi->cache_readdir = vf_snapshot_is_cacheable(snapshot);
    fi->keep_cache = vf_snapshot_is_unchanged(snapshot);
    if (fuse_reply_open(req, fi) < 0)
        vf_snapshot_free(request.tree, snapshot);
}

/* Entries 0 and 1 are "." and ".."; then the snapshot's. */
#define DOTS 2

struct listing_reply {
    fuse_req_t req;
    char *data;
    size_t size;
    size_t capacity;
    bool is_plus;
};

/* False when it does not fit. */
static bool put_entry(struct listing_reply *out, const char *name,
                      const struct fuse_entry_param *param, off_t next)
{
    size_t left = out->capacity - out->size;
    char *at = out->data + out->size;
    size_t size;

    if (out->is_plus)
        size = fuse_add_direntry_plus(out->req, at, left, name, param, next);
    else
        size = fuse_add_direntry(out->req, at, left, name, &param->attr, next);
    if (size > left)
        return false;
    out->size += size;
    return true;
}

static bool put_dot(struct listing_reply *out, off_t index, fuse_ino_t ino)
{
    struct fuse_entry_param param = {0}; /* ino 0: not a lookup */

    param.attr.st_ino = ino;
    param.attr.st_mode = S_IFDIR;
    return put_entry(out, index == 0 ? "." : "..", &param, index + 1);
}

static bool put_node(void *context, const char *name,
                     const struct vf_entry *entry, size_t next)
{
    struct listing_reply *out = context;
    const struct fuse_entry_param param =
        mount_entry_param(mount_tree(out->req), entry);

    return put_entry(out, name, &param, (off_t)next + DOTS);
}

static int fill_reply(struct listing_reply *out, fuse_ino_t ino, off_t offset,
                      const struct vf_snapshot *snapshot)
{
    for (; offset < DOTS; offset++)
        if (!put_dot(out, offset, ino))
            return 0;
    return vf_snapshot_read(mount_tree(out->req), snapshot,
                            (size_t)(offset - DOTS), out->is_plus, put_node,
                            out);
}

static void reply_listing(fuse_req_t req, fuse_ino_t ino, size_t size,
                          off_t offset, const struct fuse_file_info *fi,
                          bool is_plus)
{
    struct listing_reply out = {
        .req = req, .data = malloc(size), .capacity = size, .is_plus = is_plus};

    if (offset == 0)
        vf_tree_lapse(mount_tree(req), mount_node(req, ino));
    int result =
        out.data == NULL
            ? -ENOMEM
            : fill_reply(&out, ino, offset,
                         (const struct vf_snapshot *)(uintptr_t)fi->fh);
    if (result < 0)
        (void)fuse_reply_err(req, -result);
    else
        (void)fuse_reply_buf(req, out.data, out.size);
    free(out.data);
}

void mount_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                      struct fuse_file_info *fi)
{
    reply_listing(req, ino, size, offset, fi, false);
}

void mount_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
                          off_t offset, struct fuse_file_info *fi)
{
    reply_listing(req, ino, size, offset, fi, true);
}

void mount_op_releasedir(fuse_req_t req, fuse_ino_t ino,
                         struct fuse_file_info *fi)
{
    vf_snapshot_free(mount_tree(req), (struct vf_snapshot *)(uintptr_t)fi->fh);
    (void)fuse_reply_err(req, 0);
}

void mount_op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char *target = NULL;
    int result =
        vf_tree_readlink(mount_tree(req), mount_node(req, ino), &target);

    if (result < 0)
        (void)fuse_reply_err(req, -result);
    else
        (void)fuse_reply_readlink(req, target);
    free(target);
}

void mount_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                    mode_t mode)
{
    struct vf_node *directory = mount_node(req, parent);
    struct mount_request request;
    struct vf_entry entry;

    mount_begin(&request, req, "mkdir");
    int result = vf_tree_mkdir(request.tree, directory, name, &request.caller,
                               &entry, &request.err);
    if (result < 0)
        mount_reply_error(&request, directory, name, result);
    else
        mount_reply_entry(&request, &entry);
}

void mount_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct vf_node *directory = mount_node(req, parent);
    struct mount_request request;

    mount_begin(&request, req, "rmdir");
    mount_reply_error(&request, directory, name,
                      vf_tree_rmdir(request.tree, directory, name,
                                    &request.caller, &request.err));
}

void mount_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct vf_node *directory = mount_node(req, parent);
    struct mount_request request;

    mount_begin(&request, req, "unlink");
    mount_reply_error(&request, directory, name,
                      vf_tree_unlink(request.tree, directory, name,
                                     &request.caller, &request.err));
}
