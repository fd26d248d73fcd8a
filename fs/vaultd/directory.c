/* SPDX-License-Identifier: MIT */
#include "directory.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct vf_error *err, int code, const char *path)
{
    return vf_error_set(err, code, "%s: %s", path, strerror(code));
}

int vf_directory_check(const char *dir, struct vf_error *err)
{
    struct stat st;

    if (stat(dir, &st) < 0)
        return fail(err, errno, dir);
    if (!S_ISDIR(st.st_mode))
        return fail(err, ENOTDIR, dir);
    if (st.st_uid != geteuid())
        return vf_error_set(err, EACCES, "%s belongs to somebody else", dir);
    if ((st.st_mode & 077) != 0)
        return vf_error_set(err, EACCES,
                            "%s is open to others: chmod 700 it, or say "
                            "another with --data",
                            dir);
    return 0;
}

int vf_directory_make(const char *dir, struct vf_error *err)
{
    char path[PATH_MAX];
    size_t size = strlen(dir);

    if (size == 0 || size >= sizeof(path))
        return fail(err, size == 0 ? ENOENT : ENAMETOOLONG, dir);
    memcpy(path, dir, size + 1);
    for (char *at = path + 1;; at++) {
        char was = *at;

        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return fail(err, errno, path);
        *at = was;
        if (was == '\0')
            return vf_directory_check(dir, err);
    }
}
