/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The directory is followed, the last name is taken as it is: nothing can be
 * asked about the root of a dead mount. */
static char *resolve_parent(const char *path)
{
    char copy[PATH_MAX], parent[PATH_MAX];
    struct vf_buf whole = VF_BUF_INIT;
    size_t size = strlen(path);

    while (size > 1 && path[size - 1] == '/')
        size--;
    if (size >= sizeof(copy)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(copy, path, size);
    copy[size] = '\0';
    char *slash = strrchr(copy, '/');
    const char *name = slash != NULL ? slash + 1 : copy;
    if (slash != NULL)
        *slash = '\0';
    const char *directory = slash == NULL ? "." : slash == copy ? "/" : copy;
    if (realpath(directory, parent) == NULL)
        return NULL;
    vf_buf_printf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent,
                  name);
    if (whole.is_broken) {
        vf_buf_free(&whole);
        errno = ENOMEM;
    }
    return whole.data;
}

int vf_command_resolve(const char *mountpoint, char **ret, struct vf_error *err)
{
    char *path = realpath(mountpoint, NULL);

    if (path == NULL && errno == ENOTCONN)
        path = resolve_parent(mountpoint);
    if (path == NULL)
        return vf_error_set(err, errno, "mount point %s: %s", mountpoint,
                            strerror(errno));
    *ret = path;
    return 0;
}
