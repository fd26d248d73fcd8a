/* SPDX-License-Identifier: MIT
 *
 * The FUSE operations. Each is: decode, one call into the tree, one reply with
 * no lock held. What is not here on purpose: extended attributes, because a
 * handler costs a request a file in `ls -l`; copy_file_range and lseek, which
 * the kernel does.
 */
#include "request.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "vaultfs/name.h"

#define BLOCK_SIZE 4096
#define BLOCKS (1UL << 20)

static struct notifier *notifier_of(fuse_req_t req)
{
    return &((struct vf_mount *)fuse_req_userdata(req))->notifier;
}

/* --- Names and attributes --- */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct vf_node *directory = mount_node(req, parent);
    struct mount_request request;
    struct vf_entry entry;

    mount_begin(&request, req, "lookup");
    int result = vf_tree_lookup(request.tree, directory, name, &request.caller,
                                &entry, &request.err);
    if (result < 0)
        mount_reply_error(&request, directory, name, result);
    else
        mount_reply_entry(&request, &entry);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    if (ino != FUSE_ROOT_ID)
        vf_tree_forget(mount_tree(req), mount_node(req, ino), count);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
                            struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        if (forgets[i].ino != FUSE_ROOT_ID)
            vf_tree_forget(mount_tree(req), mount_node(req, forgets[i].ino),
                           forgets[i].nlookup);
    fuse_reply_none(req);
}

static void reply_attr(struct mount_request *request, struct vf_node *node,
                       bool has_handle)
{
    struct vf_entry entry;
    int result = vf_tree_getattr(request->tree, node, has_handle,
                                 &request->caller, &entry, &request->err);

    if (result < 0) {
        mount_reply_error(request, node, NULL, result);
        return;
    }
    mount_end(request);
    (void)fuse_reply_attr(request->req, &entry.attr,
                          (double)entry.valid_ms / 1000);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
    struct mount_request request;

    mount_begin(&request, req, "stat");
    reply_attr(&request, mount_node(req, ino), fi != NULL);
}

static int check_owner(struct mount_request *request, struct vf_node *node,
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

static int set_size(struct mount_request *request, struct vf_node *node,
                    off_t size, struct vf_file *file)
{
    request->operation = "truncate";
    if (file != NULL)
        return vf_file_truncate(request->tree, file, size, &request->caller,
                                &request->err);
    int result = vf_tree_truncate(request->tree, node, size, &request->err);
    if (result == 0)
        mount_report(request, node, NULL); /* that it changed nothing */
    return result;
}

/* Modes and times are accepted and change nothing (E-meta). */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
                       int to_set, struct fuse_file_info *fi)
{
    struct vf_node *node = mount_node(req, ino);
    struct mount_request request;
    int result;

    mount_begin(&request, req, "setattr");
    result = vf_tree_touch(request.tree, node, &request.err);
    if (result == 0)
        result = check_owner(&request, node, attr, to_set);
    if (result == 0 && (to_set & FUSE_SET_ATTR_SIZE) != 0)
        result = set_size(&request, node, attr->st_size,
                          fi != NULL ? mount_file(fi) : NULL);
    mount_settle(&request);
    if (result < 0)
        mount_reply_error(&request, node, NULL, result);
    else
        reply_attr(&request, node, true);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    const uint64_t files = vf_tree_count(mount_tree(req));
    const struct statvfs stat = {
        .f_bsize = BLOCK_SIZE,
        .f_frsize = BLOCK_SIZE,
        .f_blocks = BLOCKS,
        .f_bfree = BLOCKS - 1, /* never full, and never of size 0 */
        .f_bavail = BLOCKS - 1,
        .f_files = files + BLOCKS,
        .f_ffree = BLOCKS,
        .f_favail = BLOCKS,
        .f_namemax = 255,
    };

    (void)fuse_reply_statfs(req, &stat);
}

/* --- What a vault has no place for --- */

static void refuse(fuse_req_t req, fuse_ino_t parent, const char *name,
                   const char *operation, int code, const char *reason)
{
    struct mount_request request;

    mount_begin(&request, req, operation);
    int result = vf_tree_check_writable(request.tree, &request.err);
    if (result == 0)
        result = vf_error_set(&request.err, code, "%s", reason);
    mount_reply_error(&request, mount_node(req, parent), name, result);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode, dev_t device)
{
    refuse(req, parent, name, "mknod", EPERM,
           "a vault holds credentials, not devices, pipes or sockets");
}

/* Upon EPERM, emacs makes a file instead of the link that locks what it edits,
 * and could neither read that back nor, for that, remove it. Upon this it goes
 * on without a lock, so that there is nothing to record. */
static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                       const char *name)
{
    if (vf_name_is_scratch(name))
        refuse(req, parent, name, "symlink", EOPNOTSUPP, "");
    else
        refuse(req, parent, name, "symlink", EPERM,
               "a vault holds credentials, not links");
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
                    const char *name)
{
    refuse(req, parent, name, "link", EPERM,
           "a vault holds credentials, not links");
}

/* A tool's temporary file is on its way to a name: that is what failed. */
static bool is_temporary(const char *name)
{
    return vf_name_is_scratch(name) && strcmp(name, ".vault.json") != 0;
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                      fuse_ino_t new_parent, const char *new_name,
                      unsigned flags)
{
    struct vf_node *directory = mount_node(req, parent);
    struct vf_node *new_directory = mount_node(req, new_parent);
    bool is_on_its_way = is_temporary(name) && !is_temporary(new_name);
    struct mount_request request;

    mount_begin(&request, req, "rename");
    int result = vf_tree_rename(request.tree, directory, name, new_directory,
                                new_name, flags, &request.caller, &request.err);
    mount_settle(&request);
    mount_reply_error(&request, is_on_its_way ? new_directory : directory,
                      is_on_its_way ? new_name : name, result);
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

/* --- Those whose callers hold the lock of a directory --- */

static void held_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct notifier *notifier = notifier_of(req);
    struct hold hold;

    notifier_hold(notifier, &hold, parent);
    op_lookup(req, parent, name);
    notifier_release(notifier, &hold);
}

static void held_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                        mode_t mode, struct fuse_file_info *fi)
{
    struct notifier *notifier = notifier_of(req);
    struct hold hold;

    notifier_hold(notifier, &hold, parent);
    mount_op_create(req, parent, name, mode, fi);
    notifier_release(notifier, &hold);
}

static void held_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                       mode_t mode)
{
    struct notifier *notifier = notifier_of(req);
    struct hold hold;

    notifier_hold(notifier, &hold, parent);
    mount_op_mkdir(req, parent, name, mode);
    notifier_release(notifier, &hold);
}

static void held_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct notifier *notifier = notifier_of(req);
    struct hold hold;

    notifier_hold(notifier, &hold, parent);
    mount_op_unlink(req, parent, name);
    notifier_release(notifier, &hold);
}

/* The lock of what is removed is held too. */
static void held_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct notifier *notifier = notifier_of(req);
    struct hold hold;

    notifier_hold(notifier, &hold, 0);
    mount_op_rmdir(req, parent, name);
    notifier_release(notifier, &hold);
}

/* Up to four are held. */
static void held_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                        fuse_ino_t new_parent, const char *new_name,
                        unsigned flags)
{
    struct notifier *notifier = notifier_of(req);
    struct hold hold;

    notifier_hold(notifier, &hold, 0);
    op_rename(req, parent, name, new_parent, new_name, flags);
    notifier_release(notifier, &hold);
}

const struct fuse_lowlevel_ops mount_operations = {
    .init = op_init,
    .lookup = held_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = mount_op_readlink,
    .mknod = op_mknod,
    .mkdir = held_mkdir,
    .unlink = held_unlink,
    .rmdir = held_rmdir,
    .symlink = op_symlink,
    .rename = held_rename,
    .link = op_link,
    .open = mount_op_open,
    .read = mount_op_read,
    .write = mount_op_write,
    .flush = mount_op_flush,
    .release = mount_op_release,
    .fsync = mount_op_fsync,
    .opendir = mount_op_opendir,
    .readdir = mount_op_readdir,
    .readdirplus = mount_op_readdirplus,
    .releasedir = mount_op_releasedir,
    .statfs = op_statfs,
    .create = held_create,
};
