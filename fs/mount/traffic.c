/* SPDX-License-Identifier: MIT
 *
 * Counting what the kernel asks.
 *
 * Every request passes through the one call that reads it from the kernel, also
 * those that libfuse answers by itself and never shows to a handler: so it is
 * counted there, by the number of its operation.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

/* By the kernel's number; what is not named counts as number 0. */
static const char *const names[TRAFFIC_OPERATIONS] = {
    [0] = "other",
    [FUSE_LOOKUP] = "lookup",
    [FUSE_FORGET] = "forget",
    [FUSE_GETATTR] = "getattr",
    [FUSE_SETATTR] = "setattr",
    [FUSE_READLINK] = "readlink",
    [FUSE_SYMLINK] = "symlink",
    [FUSE_MKNOD] = "mknod",
    [FUSE_MKDIR] = "mkdir",
    [FUSE_UNLINK] = "unlink",
    [FUSE_RMDIR] = "rmdir",
    [FUSE_RENAME] = "rename",
    [FUSE_LINK] = "link",
    [FUSE_OPEN] = "open",
    [FUSE_READ] = "read",
    [FUSE_WRITE] = "write",
    [FUSE_STATFS] = "statfs",
    [FUSE_RELEASE] = "release",
    [FUSE_FSYNC] = "fsync",
    [FUSE_SETXATTR] = "setxattr",
    [FUSE_GETXATTR] = "getxattr",
    [FUSE_LISTXATTR] = "listxattr",
    [FUSE_REMOVEXATTR] = "removexattr",
    [FUSE_FLUSH] = "flush",
    [FUSE_INIT] = "init",
    [FUSE_OPENDIR] = "opendir",
    [FUSE_READDIR] = "readdir",
    [FUSE_RELEASEDIR] = "releasedir",
    [FUSE_FSYNCDIR] = "fsyncdir",
    [FUSE_GETLK] = "getlk",
    [FUSE_SETLK] = "setlk",
    [FUSE_SETLKW] = "setlkw",
    [FUSE_ACCESS] = "access",
    [FUSE_CREATE] = "create",
    [FUSE_INTERRUPT] = "interrupt",
    [FUSE_BMAP] = "bmap",
    [FUSE_DESTROY] = "destroy",
    [FUSE_IOCTL] = "ioctl",
    [FUSE_POLL] = "poll",
    [FUSE_BATCH_FORGET] = "batch_forget",
    [FUSE_FALLOCATE] = "fallocate",
    [FUSE_READDIRPLUS] = "readdirplus",
    [FUSE_RENAME2] = "rename2",
    [FUSE_LSEEK] = "lseek",
    [FUSE_COPY_FILE_RANGE] = "copy_file_range",
    [FUSE_SYNCFS] = "syncfs",
};

static void count(struct traffic *traffic, uint32_t operation)
{
    if (operation >= TRAFFIC_OPERATIONS || names[operation] == NULL)
        operation = 0;
    atomic_fetch_add_explicit(&traffic->counts[operation], 1,
                              memory_order_relaxed);
}

static ssize_t receive(int fd, void *buffer, size_t size, void *context)
{
    struct vf_mount *mount = context;
    struct fuse_in_header header;
    ssize_t got = read(fd, buffer, size);

    if (got >= (ssize_t)sizeof(header)) {
        memcpy(&header, buffer, sizeof(header));
        count(&mount->traffic, header.opcode);
    }
    return got;
}

static ssize_t send_reply(int fd, struct iovec *iov, int iov_count,
                          void *context)
{
    return writev(fd, iov, iov_count);
}

int traffic_watch(struct vf_mount *mount)
{
    static const struct fuse_custom_io io = {.writev = send_reply,
                                             .read = receive};

    return fuse_session_custom_io(mount->session, &io,
                                  fuse_session_fd(mount->session));
}

size_t vf_mount_requests(const struct vf_mount *mount,
                         struct vf_report_count ret[VF_MOUNT_OPERATIONS])
{
    size_t used = 0;

    for (size_t i = 0; i < TRAFFIC_OPERATIONS; i++)
        if (names[i] != NULL)
            ret[used++] = (struct vf_report_count){
                names[i], atomic_load_explicit(&mount->traffic.counts[i],
                                               memory_order_relaxed)};
    return used;
}
