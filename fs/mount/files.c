/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "vaultfs/secret.h"

/* open(2) looks at the attributes of what it has just made, and would ask again
 * for any that have no life at all. */
#define OPENING_S 0.001

static void set_open_flags(struct fuse_file_info *fi, struct vf_file *file,
                           bool is_unchanged)
{
    bool is_writable = (fi->flags & O_ACCMODE) != O_RDONLY;

    fi->fh = (uint64_t)(uintptr_t)file;
    /* What is written must reach us in the write itself, and must never be in
     * the page cache, where a read would find it. */
    fi->direct_io = is_writable || vf_file_is_live(file);
    fi->keep_cache = !is_writable && is_unchanged;
    fi->noflush = !is_writable;
}

void mount_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct vf_node *node = mount_node(req, ino);
    struct vf_file *file = NULL;
    bool is_unchanged = false;
    struct mount_request request;

    mount_begin(&request, req, "open");
    int result = vf_tree_open(request.tree, node, fi->flags, &request.caller,
                              &file, &is_unchanged, &request.err);
    if (result < 0) {
        mount_reply_error(&request, node, NULL, result);
        return;
    }
    mount_end(&request);
    set_open_flags(fi, file, is_unchanged);
    if (fuse_reply_open(req, fi) < 0)
        (void)vf_file_release(request.tree, file, NULL);
}

void mount_op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode, struct fuse_file_info *fi)
{
    struct vf_node *directory = mount_node(req, parent);
    struct vf_file *file = NULL;
    struct mount_request request;
    struct vf_entry entry;

    mount_begin(&request, req, "create");
    int result = vf_tree_create(request.tree, directory, name, fi->flags,
                                &request.caller, &entry, &file, &request.err);
    if (result < 0) {
        mount_reply_error(&request, directory, name, result);
        return;
    }
    mount_end(&request);
    set_open_flags(fi, file, false);
    struct fuse_entry_param param = mount_entry_param(request.tree, &entry);
    if (param.attr_timeout < OPENING_S)
        param.attr_timeout = OPENING_S;
    if (fuse_reply_create(req, &param, fi) < 0) {
        (void)vf_file_release(request.tree, file, NULL);
        vf_tree_forget(request.tree, entry.node, 1);
    }
}

/* A read(2) through a handle for writing has an owner; what fills the page
 * cache has none. It is for an mmap(2), which would leave what was written
 * where every other handle finds it. */
static bool is_for_cache(const struct fuse_file_info *fi)
{
    return (fi->flags & O_ACCMODE) != O_RDONLY && fi->lock_owner == 0;
}

void mount_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                   struct fuse_file_info *fi)
{
    struct mount_request request;

    if (is_for_cache(fi)) {
        (void)fuse_reply_err(req, EACCES);
        return;
    }
    char *buffer = malloc(size);
    if (buffer == NULL) {
        (void)fuse_reply_err(req, ENOMEM);
        return;
    }
    mount_begin(&request, req, "read");
    ssize_t result = vf_file_read(request.tree, mount_file(fi), buffer, size,
                                  offset, &request.err);
    if (result < 0) {
        mount_reply_error(&request, mount_node(req, ino), NULL, (int)result);
    } else {
        mount_end(&request);
        if (offset == 0)
            vf_tree_lapse(request.tree, mount_node(req, ino));
        (void)fuse_reply_buf(req, buffer, (size_t)result);
    }
    vf_wipe(buffer, size);
    free(buffer);
}

void mount_op_write(fuse_req_t req, fuse_ino_t ino, const char *data,
                    size_t size, off_t offset, struct fuse_file_info *fi)
{
    struct mount_request request;
    int result;

    mount_begin(&request, req, "write");
    result = vf_file_write(request.tree, mount_file(fi), data, size, offset,
                           &request.caller, &request.err);
    /* The bytes are in the buffer that this thread receives requests in; it is
     * ours until we return, const or not. */
    vf_wipe((void *)(uintptr_t)data, size);
    mount_settle(&request);
    if (result < 0) {
        mount_reply_error(&request, mount_node(req, ino), NULL, result);
        return;
    }
    mount_end(&request);
    (void)fuse_reply_write(req, size);
}

void mount_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount_request request;

    mount_begin(&request, req, "close");
    mount_reply_error(
        &request, mount_node(req, ino), NULL,
        vf_file_flush(request.tree, mount_file(fi), &request.caller));
}

void mount_op_fsync(fuse_req_t req, fuse_ino_t ino, int is_data_only,
                    struct fuse_file_info *fi)
{
    struct mount_request request;

    mount_begin(&request, req, "fsync");
    mount_reply_error(&request, mount_node(req, ino), NULL,
                      vf_file_sync(request.tree, mount_file(fi),
                                   &request.caller, &request.err));
}

/* Nobody gets this errno; the record says what was lost. */
void mount_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount_request request;

    mount_begin(&request, req, "close");
    request.caller.tid = vf_file_opener(mount_file(fi));
    (void)vf_file_release(request.tree, mount_file(fi), &request.err);
    mount_report(&request, mount_node(req, ino), NULL);
    mount_end(&request);
    (void)fuse_reply_err(req, 0);
}
