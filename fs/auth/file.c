/* SPDX-License-Identifier: MIT
 *
 * What a file looks like is noted before its bytes are read. So a change that
 * comes in between is not missed: the file then differs from what was noted,
 * and is read once more, for nothing at worst.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vaultfs/secret.h"

int vf_auth_absolute_path(const char *path, char **ret, struct vf_error *err)
{
    int size = -1;

    if (path[0] == '/') {
        size = asprintf(ret, "%s", path);
    } else {
        char *directory = getcwd(NULL, 0);

        if (directory == NULL)
            return vf_error_set(err, errno,
                                "cannot tell the working directory: %s",
                                strerror(errno));
        size = asprintf(ret, "%s/%s", directory, path);
        free(directory);
    }
    return size >= 0 ? 0 : vf_error_set(err, ENOMEM, "no memory");
}

int vf_auth_file_init(struct vf_auth_file *file, const char *path,
                      const char *noun, struct vf_error *err)
{
    char *absolute;
    int result = vf_auth_absolute_path(path, &absolute, err);

    if (result < 0)
        return result;
    *file = (struct vf_auth_file){.path = absolute, .noun = noun};
    return 0;
}

void vf_auth_file_done(struct vf_auth_file *file)
{
    free(file->path);
    file->path = NULL;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && is_same_time(a->st_mtim, b->st_mtim) &&
           is_same_time(a->st_ctim, b->st_ctim);
}

/* Zeroed when there is nothing: no file is like that. */
static struct stat look_at(const char *path)
{
    struct stat now;

    if (stat(path, &now) < 0)
        return (struct stat){0};
    return now;
}

bool vf_auth_file_has_changed(const struct vf_auth_file *file)
{
    const struct stat now = look_at(file->path);

    return !is_same_file(&now, &file->seen);
}

/* Both without links. */
static bool is_within(const char *path, const char *directory)
{
    size_t size = strlen(directory);

    if (size > 0 && directory[size - 1] == '/') /* the root */
        size--;
    return strncmp(path, directory, size) == 0 &&
           (path[size] == '/' || path[size] == '\0');
}

static bool leads_into(const char *path, const char *directory)
{
    char *real = realpath(path, NULL);
    bool leads = real != NULL && is_within(real, directory);

    free(real);
    return leads;
}

/* The file may be a link that leads in, or one that leads out. */
static int check_place(const struct vf_auth_file *file, const char *directory,
                       struct vf_error *err)
{
    char *parent = strdup(file->path);

    if (parent == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    strrchr(parent, '/')[1] = '\0';
    bool is_hidden =
        leads_into(parent, directory) || leads_into(file->path, directory);
    free(parent);
    if (is_hidden)
        return vf_error_set(err, EINVAL,
                            "the %s %s would be hidden by the mount at %s: "
                            "keep it elsewhere",
                            file->noun, file->path, directory);
    return 0;
}

int vf_auth_file_check_place(const struct vf_auth_file *file,
                             const char *mountpoint, struct vf_error *err)
{
    char *directory = realpath(mountpoint, NULL);

    if (directory == NULL)
        return errno == ENOMEM ? vf_error_set(err, ENOMEM, "no memory") : 0;
    int result = check_place(file, directory, err);
    free(directory);
    return result;
}

/* Looks at what was opened, not at the path, which may change in between. */
static int check_file(const struct vf_auth_file *file, const struct stat *st,
                      struct vf_error *err)
{
    mode_t open_to_others = st->st_mode & 077;

    if (!S_ISREG(st->st_mode))
        return vf_error_set(err, EINVAL, "the %s %s is not a regular file",
                            file->noun, file->path);
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return vf_error_set(err, EACCES,
                            "the %s %s belongs to another user: it must be "
                            "yours or root's",
                            file->noun, file->path);
    if (file->allows_group && st->st_uid == 0)
        open_to_others &= ~(mode_t)S_IRGRP;
    if (open_to_others != 0)
        return vf_error_set(err, EACCES,
                            "the %s %s is open to others (mode %03o): "
                            "chmod 600 it",
                            file->noun, file->path,
                            (unsigned)(st->st_mode & 0777));
    return 0;
}

/* One that does not block by itself is waited for. */
static ssize_t read_some(int fd, char *chunk, size_t size)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    for (;;) {
        ssize_t got = read(fd, chunk, size);

        if (got >= 0 || (errno != EINTR && errno != EAGAIN))
            return got;
        if (errno == EAGAIN)
            (void)poll(&readable, 1, -1);
    }
}

int vf_auth_read_to_end(int fd, size_t max, struct vf_secret *secret,
                        const char *noun, const char *name,
                        struct vf_error *err)
{
    char chunk[4096];
    int result = 0;

    while (result == 0 && vf_secret_size(secret) <= max) {
        ssize_t got = read_some(fd, chunk, sizeof(chunk));

        if (got == 0)
            break;
        if (got < 0)
            result = vf_error_set(err, errno, "cannot read the %s %s: %s", noun,
                                  name, strerror(errno));
        else
            result = vf_secret_append(secret, chunk, (size_t)got, err);
    }
    vf_wipe(chunk, sizeof(chunk));
    if (result == 0 && vf_secret_size(secret) > max)
        return vf_error_set(err, EINVAL, "the %s %s has more than %zu bytes",
                            noun, name, max);
    return result;
}

static int read_open(struct vf_auth_file *file, int fd, size_t max,
                     struct vf_secret **ret, struct vf_error *err)
{
    struct vf_secret *secret = NULL;
    struct stat now;

    if (fstat(fd, &now) < 0)
        return vf_error_set(err, errno, "cannot look at the %s %s: %s",
                            file->noun, file->path, strerror(errno));
    file->seen = now;
    int result = check_file(file, &now, err);
    if (result == 0)
        result = vf_secret_new(0, &secret, err);
    if (result == 0)
        result =
            vf_auth_read_to_end(fd, max, secret, file->noun, file->path, err);
    if (result < 0)
        vf_secret_unref(secret);
    else
        *ret = secret;
    return result;
}

int vf_auth_file_read(struct vf_auth_file *file, size_t max,
                      struct vf_secret **ret, struct vf_error *err)
{
    const struct stat before = look_at(file->path);
    /* Not blocking: a FIFO would wait for a writer before it can be refused. */
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) {
        int code = errno;

        file->seen = before;
        return vf_error_set(err, code, "cannot open the %s %s: %s", file->noun,
                            file->path, strerror(code));
    }
    int result = read_open(file, fd, max, ret, err);
    (void)close(fd);
    return result;
}
