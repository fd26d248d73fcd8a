/* SPDX-License-Identifier: MIT
 *
 * The FUSE operations. Each is: decode, one call into the tree, one reply with
 * no lock held. What is not here on purpose: extended attributes, because a
 * handler costs a request a file in `ls -l`; copy_file_range and lseek, which
 * the kernel does.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "vaultfs/log.h"
#include "vaultfs/secret.h"

#define BLOCK_SIZE 4096
#define BLOCKS (1UL << 20)

/* --- Requests --- */

struct request {
    fuse_req_t req;
    struct vf_tree *tree;
    struct vf_caller caller;
    struct vf_error err;
    const char *operation;
};

static void on_interrupt(fuse_req_t req, void *data)
{
    struct request *request = data;

    vf_caller_interrupt(request->tree, &request->caller);
}

static struct vf_tree *tree_of(fuse_req_t req)
{
    return ((struct vf_mount *)fuse_req_userdata(req))->tree;
}

/* request stays where it is until end(). */
static void begin(struct request *request, fuse_req_t req,
                  const char *operation)
{
    memset(request, 0, sizeof(*request));
    request->req = req;
    request->tree = tree_of(req);
    request->caller.tid = fuse_req_ctx(req)->pid;
    request->operation = operation;
    fuse_req_interrupt_func(req, on_interrupt, request);
}

static void end(struct request *request)
{
    fuse_req_interrupt_func(request->req, NULL, NULL);
}

/* A failure with a reason leaves a record; a plain errno is an answer. */
static void report(const struct request *request, const struct vf_node *node,
                   const char *name)
{
    if (request->err.code == 0 || request->err.message[0] == '\0')
        return;
    char *path = vf_tree_path(request->tree, node, name);
    const struct vf_record record = {
        .operation = request->operation,
        .path = path != NULL ? path : "?",
        .pid = request->caller.tid,
        .error = &request->err,
    };
    vf_log_record(&record);
    free(path);
}

static void reply_error(struct request *request, const struct vf_node *node,
                        const char *name, int result)
{
    end(request);
    if (result < 0)
        report(request, node, name);
    (void)fuse_reply_err(request->req, -result);
}

static struct vf_node *node_of(fuse_req_t req, fuse_ino_t ino)
{
    if (ino == FUSE_ROOT_ID)
        return vf_tree_root(tree_of(req));
    return (struct vf_node *)(uintptr_t)ino;
}

fuse_ino_t mount_ino(struct vf_tree *tree, const struct vf_node *node)
{
    if (node == vf_tree_root(tree))
        return FUSE_ROOT_ID;
    return (fuse_ino_t)(uintptr_t)node;
}

static struct vf_file *file_of(const struct fuse_file_info *fi)
{
    return (struct vf_file *)(uintptr_t)fi->fh;
}

static struct fuse_entry_param entry_param(struct vf_tree *tree,
                                           const struct vf_entry *entry)
{
    return (struct fuse_entry_param){
        .ino = mount_ino(tree, entry->node),
        .generation = 1,
        .attr = entry->attr,
        .attr_timeout = (double)entry->valid_ms / 1000,
        .entry_timeout = (double)entry->valid_ms / 1000,
    };
}

static void reply_entry(struct request *request, const struct vf_entry *entry)
{
    const struct fuse_entry_param param = entry_param(request->tree, entry);

    end(request);
    if (fuse_reply_entry(request->req, &param) < 0)
        vf_tree_forget(request->tree, entry->node, 1);
}

/* --- Names and attributes --- */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct vf_node *directory = node_of(req, parent);
    struct request request;
    struct vf_entry entry;

    begin(&request, req, "lookup");
    int result = vf_tree_lookup(request.tree, directory, name, &request.caller,
                                &entry, &request.err);
    if (result < 0)
        reply_error(&request, directory, name, result);
    else
        reply_entry(&request, &entry);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    if (ino != FUSE_ROOT_ID)
        vf_tree_forget(tree_of(req), node_of(req, ino), count);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
                            struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        if (forgets[i].ino != FUSE_ROOT_ID)
            vf_tree_forget(tree_of(req), node_of(req, forgets[i].ino),
                           forgets[i].nlookup);
    fuse_reply_none(req);
}

static void reply_attr(struct request *request, struct vf_node *node,
                       bool has_handle)
{
    struct vf_entry entry;
    int result = vf_tree_getattr(request->tree, node, has_handle,
                                 &request->caller, &entry, &request->err);

    if (result < 0) {
        reply_error(request, node, NULL, result);
        return;
    }
    end(request);
    (void)fuse_reply_attr(request->req, &entry.attr,
                          (double)entry.valid_ms / 1000);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
    struct request request;

    begin(&request, req, "stat");
    reply_attr(&request, node_of(req, ino), fi != NULL);
}

static int check_owner(struct request *request, struct vf_node *node,
                       const struct stat *wanted, int to_set)
{
    struct vf_entry entry;
    int result = vf_tree_getattr(request->tree, node, true, &request->caller,
                                 &entry, &request->err);

    if (result < 0)
        return result;
    if (((to_set & FUSE_SET_ATTR_UID) != 0 &&
         wanted->st_uid != entry.attr.st_uid) ||
        ((to_set & FUSE_SET_ATTR_GID) != 0 &&
         wanted->st_gid != entry.attr.st_gid))
        return vf_error_set(&request->err, EPERM,
                            "everything belongs to who mounted");
    return 0;
}

/* Modes and times are accepted and change nothing (E-meta). */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
                       int to_set, struct fuse_file_info *fi)
{
    struct vf_node *node = node_of(req, ino);
    struct request request;
    int result;

    begin(&request, req, "setattr");
    result = check_owner(&request, node, attr, to_set);
    if (result == 0 && (to_set & FUSE_SET_ATTR_SIZE) != 0) {
        request.operation = "truncate";
        if (fi != NULL)
            result = vf_file_truncate(request.tree, file_of(fi), attr->st_size,
                                      &request.caller, &request.err);
        else
            result = vf_tree_truncate(request.tree, node, attr->st_size,
                                      &request.err);
    }
    if (result < 0)
        reply_error(&request, node, NULL, result);
    else
        reply_attr(&request, node, true);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    const uint64_t files = vf_tree_count(tree_of(req));
    const struct statvfs stat = {
        .f_bsize = BLOCK_SIZE,
        .f_frsize = BLOCK_SIZE,
        .f_blocks = BLOCKS,
        .f_bfree = BLOCKS / 2,
        .f_bavail = BLOCKS / 2,
        .f_files = files + BLOCKS,
        .f_ffree = BLOCKS,
        .f_favail = BLOCKS,
        .f_namemax = 255,
    };

    (void)fuse_reply_statfs(req, &stat);
}

/* --- Directories --- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
    struct vf_node *directory = node_of(req, ino);
    struct vf_snapshot *snapshot = NULL;
    struct request request;

    begin(&request, req, "list");
    int result = vf_tree_opendir(request.tree, directory, &request.caller,
                                 &snapshot, &request.err);
    if (result < 0) {
        reply_error(&request, directory, NULL, result);
        return;
    }
    end(&request);
    fi->fh = (uint64_t)(uintptr_t)snapshot;
    if (fuse_reply_open(req, fi) < 0)
        vf_snapshot_free(request.tree, snapshot);
}

/* Entries 0 and 1 are "." and ".."; then the snapshot's. */
#define DOTS 2

struct listing_buffer {
    char *data;
    size_t size;
    size_t capacity;
    bool is_plus;
};

/* False when it does not fit. */
static bool put_entry(fuse_req_t req, struct listing_buffer *out,
                      const char *name, const struct fuse_entry_param *param,
                      off_t next)
{
    size_t left = out->capacity - out->size;
    char *at = out->data + out->size;
    size_t size;

    if (out->is_plus)
        size = fuse_add_direntry_plus(req, at, left, name, param, next);
    else
        size = fuse_add_direntry(req, at, left, name, &param->attr, next);
    if (size > left)
        return false;
    out->size += size;
    return true;
}

static bool put_dot(fuse_req_t req, struct listing_buffer *out, off_t index,
                    fuse_ino_t ino)
{
    struct fuse_entry_param param = {0}; /* ino 0: not a lookup */

    param.attr.st_ino = ino;
    param.attr.st_mode = S_IFDIR;
    return put_entry(req, out, index == 0 ? "." : "..", &param, index + 1);
}

static bool put_node(fuse_req_t req, struct listing_buffer *out, off_t index,
                     const struct vf_snapshot *snapshot)
{
    struct vf_tree *tree = tree_of(req);
    size_t at = (size_t)(index - DOTS);
    const char *name = vf_snapshot_name(snapshot, at);
    struct vf_entry entry;

    if (name == NULL)
        return false;
    vf_snapshot_entry(tree, snapshot, at, out->is_plus, &entry);
    const struct fuse_entry_param param = entry_param(tree, &entry);
    if (put_entry(req, out, name, &param, index + 1))
        return true;
    if (out->is_plus)
        vf_tree_forget(tree, entry.node, 1);
    return false;
}

static void reply_listing(fuse_req_t req, fuse_ino_t ino, size_t size,
                          off_t offset, const struct fuse_file_info *fi,
                          bool is_plus)
{
    const struct vf_snapshot *snapshot =
        (const struct vf_snapshot *)(uintptr_t)fi->fh;
    struct listing_buffer out = {
        .data = malloc(size), .capacity = size, .is_plus = is_plus};

    if (out.data == NULL) {
        (void)fuse_reply_err(req, ENOMEM);
        return;
    }
    for (bool fits = true; fits; offset++)
        fits = offset < DOTS ? put_dot(req, &out, offset, ino)
                             : put_node(req, &out, offset, snapshot);
    (void)fuse_reply_buf(req, out.data, out.size);
    free(out.data);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
                       off_t offset, struct fuse_file_info *fi)
{
    reply_listing(req, ino, size, offset, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
                           off_t offset, struct fuse_file_info *fi)
{
    reply_listing(req, ino, size, offset, fi, true);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino,
                          struct fuse_file_info *fi)
{
    vf_snapshot_free(tree_of(req), (struct vf_snapshot *)(uintptr_t)fi->fh);
    (void)fuse_reply_err(req, 0);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode)
{
    struct vf_node *directory = node_of(req, parent);
    struct request request;
    struct vf_entry entry;

    begin(&request, req, "mkdir");
    int result = vf_tree_mkdir(request.tree, directory, name, &request.caller,
                               &entry, &request.err);
    if (result < 0)
        reply_error(&request, directory, name, result);
    else
        reply_entry(&request, &entry);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct vf_node *directory = node_of(req, parent);
    struct request request;

    begin(&request, req, "rmdir");
    reply_error(&request, directory, name,
                vf_tree_rmdir(request.tree, directory, name, &request.caller,
                              &request.err));
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct vf_node *directory = node_of(req, parent);
    struct request request;

    begin(&request, req, "unlink");
    reply_error(&request, directory, name,
                vf_tree_unlink(request.tree, directory, name, &request.caller,
                               &request.err));
}

/* --- What a vault has no place for --- */

static void refuse(fuse_req_t req, fuse_ino_t parent, const char *name,
                   const char *operation, int code, const char *reason)
{
    struct request request;

    begin(&request, req, operation);
    reply_error(&request, node_of(req, parent), name,
                vf_error_set(&request.err, code, "%s", reason));
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode, dev_t device)
{
    refuse(req, parent, name, "mknod", EPERM,
           "a vault holds credentials, not devices, pipes or sockets");
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                       const char *name)
{
    refuse(req, parent, name, "symlink", EPERM,
           "a vault holds credentials, not links");
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
                    const char *name)
{
    refuse(req, parent, name, "link", EPERM,
           "a vault holds credentials, not links");
}

/* Never EXDEV: mv(1) would delete its target before it copies. */
static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                      fuse_ino_t new_parent, const char *new_name,
                      unsigned flags)
{
    refuse(req, parent, name, "rename", EOPNOTSUPP,
           "renaming is not supported");
}

/* --- Files --- */

static void set_open_flags(struct fuse_file_info *fi, struct vf_file *file,
                           bool is_unchanged)
{
    bool is_writable = (fi->flags & O_ACCMODE) != O_RDONLY;

    fi->fh = (uint64_t)(uintptr_t)file;
    /* What is written must reach us in the write itself, and must never be in
     * the page cache, where a read would find it. */
    fi->direct_io = is_writable;
    fi->keep_cache = !is_writable && is_unchanged;
    fi->noflush = !is_writable;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct vf_node *node = node_of(req, ino);
    struct vf_file *file = NULL;
    bool is_unchanged = false;
    struct request request;

    begin(&request, req, "open");
    int result = vf_tree_open(request.tree, node, fi->flags, &request.caller,
                              &file, &is_unchanged, &request.err);
    if (result < 0) {
        reply_error(&request, node, NULL, result);
        return;
    }
    end(&request);
    set_open_flags(fi, file, is_unchanged);
    if (fuse_reply_open(req, fi) < 0)
        (void)vf_file_release(request.tree, file, NULL);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                      mode_t mode, struct fuse_file_info *fi)
{
    struct vf_node *directory = node_of(req, parent);
    struct vf_file *file = NULL;
    struct request request;
    struct vf_entry entry;

    begin(&request, req, "create");
    int result = vf_tree_create(request.tree, directory, name, fi->flags,
                                &request.caller, &entry, &file, &request.err);
    if (result < 0) {
        reply_error(&request, directory, name, result);
        return;
    }
    end(&request);
    set_open_flags(fi, file, false);
    const struct fuse_entry_param param = entry_param(request.tree, &entry);
    if (fuse_reply_create(req, &param, fi) < 0) {
        (void)vf_file_release(request.tree, file, NULL);
        vf_tree_forget(request.tree, entry.node, 1);
    }
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    char *buffer = malloc(size);

    if (buffer == NULL) {
        (void)fuse_reply_err(req, ENOMEM);
        return;
    }
    size = vf_file_read(tree_of(req), file_of(fi), buffer, size, offset);
    (void)fuse_reply_buf(req, buffer, size);
    free(buffer);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data,
                     size_t size, off_t offset, struct fuse_file_info *fi)
{
    struct request request;
    int result;

    begin(&request, req, "write");
    result = vf_file_write(request.tree, file_of(fi), data, size, offset,
                           &request.caller, &request.err);
    /* The bytes are in the buffer that this thread receives requests in; it is
     * ours until we return, const or not. */
    vf_wipe((void *)(uintptr_t)data, size);
    if (result < 0) {
        reply_error(&request, node_of(req, ino), NULL, result);
        return;
    }
    end(&request);
    (void)fuse_reply_write(req, size);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct request request;

    begin(&request, req, "close");
    reply_error(&request, node_of(req, ino), NULL,
                vf_file_flush(request.tree, file_of(fi), &request.caller,
                              &request.err));
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int is_data_only,
                     struct fuse_file_info *fi)
{
    struct request request;

    begin(&request, req, "fsync");
    reply_error(
        &request, node_of(req, ino), NULL,
        vf_file_sync(request.tree, file_of(fi), &request.caller, &request.err));
}

/* Nobody gets this errno; the record says what was lost. */
static void op_release(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
    struct request request;

    begin(&request, req, "close");
    (void)vf_file_release(request.tree, file_of(fi), &request.err);
    report(&request, node_of(req, ino), NULL);
    end(&request);
    (void)fuse_reply_err(req, 0);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    /* write(2) must reach us as it happens. */
    conn->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
    /* A walk that reads a directory stats it too. */
    conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
    /* No copies of what is written in pipes. */
    conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                              FUSE_CAP_SPLICE_MOVE);
}

const struct fuse_lowlevel_ops mount_operations = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .release = op_release,
    .fsync = op_fsync,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .statfs = op_statfs,
    .create = op_create,
};
