/* SPDX-License-Identifier: MIT */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A delete writes some 15 pages of 4 KiB to the log, and giving pages back to
 * the file system up to 50 more. */
#define SIZE (256 * 1024)

struct vf_reserve {
    int fd;
    bool is_held;
};

int vf_reserve_new(const char *dir, struct vf_reserve **ret,
                   struct vf_error *err)
{
    struct vf_reserve *reserve = calloc(1, sizeof(*reserve));
    char path[PATH_MAX];

    if (reserve == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the reserve");
    (void)snprintf(path, sizeof(path), "%s/reserve", dir);
    reserve->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (reserve->fd < 0) {
        int result = vf_error_set(err, errno, "%s: %s", path, strerror(errno));

        free(reserve);
        return result;
    }
    *ret = reserve;
    return 0;
}

void vf_reserve_free(struct vf_reserve *reserve)
{
    if (reserve == NULL)
        return;
    (void)close(reserve->fd);
    free(reserve);
}

int vf_reserve_take(struct vf_reserve *reserve, struct vf_error *err)
{
    int code = reserve->is_held ? 0 : posix_fallocate(reserve->fd, 0, SIZE);

    if (code == ENOSPC || code == EDQUOT) {
        vf_reserve_give(reserve); /* what was had of it */
        return vf_error_set(err, ENOSPC, "the disk is full");
    }
    reserve->is_held = true;
    return 0;
}

void vf_reserve_give(struct vf_reserve *reserve)
{
    reserve->is_held = false;
    while (ftruncate(reserve->fd, 0) < 0 && errno == EINTR)
        continue;
}
