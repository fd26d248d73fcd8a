/* SPDX-License-Identifier: MIT */
#include "control.h"

#include "commands.h"
#include "options.h"

#include "vaultfs/json.h"
#include "vaultfs/mount.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 256 records of a few KiB at most. */
#define TEXT_MAX (4 * 1024 * 1024)
#define CHUNK 16384

/* How long a mount that is well may take to say so. */
#define LOOK_MS 1000

/* What came of looking at a mount. */
static int explain(const char *mountpoint, int code, struct vf_error *err)
{
    switch (code) {
    case ENOTCONN:
    case ECONNABORTED:
        return vf_error_set(err, code,
                            "the mount at %s is dead: its daemon has ended; "
                            "mount it again, or end it with vaultfs umount",
                            mountpoint);
    case EACCES:
        return vf_error_set(err, code,
                            "the mount at %s is somebody else's: only who "
                            "mounted it can look",
                            mountpoint);
    default:
        return vf_error_set(err, code, "%s: %s", mountpoint, strerror(code));
    }
}

/* --- Which mount --- */

/* Its daemon has ended. One that only hangs must not make us hang. */
static bool is_dead(const char *mountpoint)
{
    int result = vf_mount_probe(mountpoint, LOOK_MS);

    return result == -ENOTCONN || result == -ECONNABORTED;
}

/* The living first; returns how many they are. */
static size_t put_living_first(char **paths, size_t count)
{
    size_t living = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_dead(paths[i]))
            continue;
        char *path = paths[i];
        paths[i] = paths[living];
        paths[living++] = path;
    }
    return living;
}

/* The one that the working directory is in, or NULL. */
static char **find_here(char **paths, size_t count)
{
    char here[PATH_MAX];

    if (getcwd(here, sizeof(here)) == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(paths[i]);

        if (strncmp(here, paths[i], size) == 0 &&
            (here[size] == '/' || here[size] == '\0'))
            return &paths[i];
    }
    return NULL;
}

static int choose(char **paths, size_t count, char **ret, struct vf_error *err)
{
    struct vf_buf list = VF_BUF_INIT;
    char **chosen = find_here(paths, count);
    size_t living = chosen == NULL ? put_living_first(paths, count) : 0;

    if (living == 1)
        chosen = &paths[0];
    if (chosen != NULL) {
        *ret = *chosen;
        *chosen = NULL;
        return 0;
    }
    if (count == 0)
        return vf_error_set(err, EINVAL, "you have no vaults mounted");
    if (living == 0)
        return explain(paths[0], ENOTCONN, err);
    for (size_t i = 0; i < living; i++)
        vf_buf_printf(&list, "%s%s", i > 0 ? ", " : "", paths[i]);
    int result =
        vf_error_set(err, EINVAL, "you have several mounts, name one: %s",
                     list.is_broken ? "..." : list.data);
    vf_buf_free(&list);
    return result;
}

static int find_own(char **ret, struct vf_error *err)
{
    char **paths = NULL;
    size_t count = 0;
    int result = vf_mount_list(getuid(), &paths, &count);

    if (result < 0)
        return vf_error_set(err, -result, "cannot list what is mounted: %s",
                            strerror(-result));
    result = choose(paths, count, ret, err);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    return result;
}

int vf_control_mountpoint(const struct vf_options *options, char **ret,
                          struct vf_error *err)
{
    char *path;

    if (options->operands_count == 0)
        return find_own(ret, err);
    int result = vf_command_resolve(options->operands[0], &path, err);
    if (result < 0)
        return result;
    if (!vf_mount_is_ours(path)) {
        result = vf_error_set(err, EINVAL, "no vaults are mounted at %s", path);
        free(path);
        return result;
    }
    *ret = path;
    return 0;
}

/* --- Its files --- */

static int open_file(const char *mountpoint, const char *name, int flags,
                     struct vf_error *err)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof(path), "%s/.vaultfs/%s", mountpoint, name);

    if (size < 0 || (size_t)size >= sizeof(path))
        return explain(mountpoint, ENAMETOOLONG, err);
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    return fd >= 0 ? fd : explain(mountpoint, errno, err);
}

/* To its end, or -EFBIG. */
static int read_all(int fd, struct vf_buf *out)
{
    char chunk[CHUNK];
    ssize_t size;

    vf_buf_puts(out, "");
    while ((size = read(fd, chunk, sizeof(chunk))) != 0) {
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -errno;
        if (out->size + (size_t)size > TEXT_MAX)
            return -EFBIG;
        vf_buf_append(out, chunk, (size_t)size);
    }
    return out->is_broken ? -ENOMEM : 0;
}

int vf_control_read(const char *mountpoint, const char *name, char **ret,
                    size_t *ret_size, struct vf_error *err)
{
    struct vf_buf text = VF_BUF_INIT;
    int fd = open_file(mountpoint, name, O_RDONLY, err);

    if (fd < 0)
        return fd;
    int result = read_all(fd, &text);
    (void)close(fd);
    if (result < 0) {
        vf_buf_free(&text);
        return explain(mountpoint, -result, err);
    }
    *ret = text.data;
    *ret_size = text.size;
    return 0;
}

int vf_control_read_object(const char *mountpoint, const char *name,
                           struct vf_json **ret, struct vf_error *err)
{
    struct vf_json *json = NULL;
    size_t size;
    char *text;
    int result = vf_control_read(mountpoint, name, &text, &size, err);

    if (result < 0)
        return result;
    result = vf_json_parse(text, size, &json, err);
    free(text);
    if (result == 0 && vf_json_type(json) == VF_JSON_OBJECT) {
        *ret = json;
        return 0;
    }
    vf_json_free(json);
    return vf_error_set(err, EBADMSG, "%s/.vaultfs/%s is not what it should be",
                        mountpoint, name);
}

int vf_control_touch(const char *mountpoint, const char *name,
                     struct vf_error *err)
{
    int fd = open_file(mountpoint, name, O_WRONLY, err);

    if (fd < 0)
        return fd;
    (void)close(fd);
    return 0;
}
