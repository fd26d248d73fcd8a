/* SPDX-License-Identifier: MIT */
#include "vaultfs/path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int vf_path_make(const char *path, struct vf_error *err)
{
    char part[PATH_MAX];
    size_t size = strlen(path);

    if (size >= sizeof(part))
        return vf_error_set(err, ENAMETOOLONG, "%s: %s", path,
                            strerror(ENAMETOOLONG));
    for (size_t end = 1; end <= size; end++) {
        if (path[end] != '/' && path[end] != '\0')
            continue;
        memcpy(part, path, end);
        part[end] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return vf_error_set(err, errno, "cannot make the directory %s: %s",
                                part, strerror(errno));
    }
    return 0;
}
