/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "vaultfs/path.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct vf_error *err, const char *what, const char *path)
{
    int code = errno;

    return vf_error_set(err, code, "cannot %s %s: %s", what, path,
                        strerror(code));
}

static const char *home(void)
{
    const char *path = getenv("HOME");

    if (path != NULL && path[0] == '/')
        return path;
    const struct passwd *user = getpwuid(getuid());
    return user != NULL ? user->pw_dir : "/";
}

char *vf_place_find(const char *variable, const char *fallback)
{
    const char *base = getenv(variable);
    struct vf_buf path = VF_BUF_INIT;

    if (base != NULL && base[0] == '/')
        vf_buf_puts(&path, base);
    else
        vf_buf_printf(&path, "%s/%s", home(), fallback);
    vf_buf_puts(&path, "/vaultfs");
    if (path.is_broken)
        vf_buf_free(&path);
    return path.data;
}

char *vf_place_join(const char *path, const char *name)
{
    struct vf_buf whole = VF_BUF_INIT;

    if (path == NULL)
        return NULL;
    vf_buf_printf(&whole, "%s/%s", path, name);
    if (whole.is_broken)
        vf_buf_free(&whole);
    return whole.data;
}

int vf_place_open(const char *path, int *ret_fd, struct vf_error *err)
{
    struct stat st;
    int result = vf_path_make(path, err);

    if (result < 0)
        return result;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        result = failed(err, "open", path);
    } else if (st.st_uid != geteuid() || (st.st_mode & 022)) {
        result = vf_error_set(err, EACCES,
                              "%s must be yours, and nobody else may write "
                              "there",
                              path);
    } else {
        *ret_fd = fd;
        return 0;
    }
    if (fd >= 0)
        (void)close(fd);
    return result;
}

/* Who has the old one open goes on writing there. */
static int set_aside_when_large(int directory_fd, const char *name)
{
    char old[NAME_MAX + 1];
    struct stat st;

    if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    if (st.st_size <= VF_PLACE_LOG_MAX)
        return 0;
    (void)snprintf(old, sizeof(old), "%s.old", name);
    return renameat(directory_fd, name, directory_fd, old);
}

int vf_place_open_log(int directory_fd, const char *name, int *ret_fd,
                      struct vf_error *err)
{
    if (set_aside_when_large(directory_fd, name) < 0)
        return failed(err, "set aside", name);
    int fd = openat(directory_fd, name,
                    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(err, "open", name);
    *ret_fd = fd;
    return 0;
}
