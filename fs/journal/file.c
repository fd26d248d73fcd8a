/* SPDX-License-Identifier: MIT
 *
 * Whose file it is. A lock goes with its process, however that ends, so a file
 * whose lock is free has nobody who writes to it. Between the making of a file
 * and its lock another process may take it for such a one: it finds nothing in
 * it and removes it. So whoever has got a lock looks whether the file still has
 * a name: its maker then makes another, and who came to inherit came too late.
 */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS 10

int vf_journal_directory(const char *path, int *ret_fd, struct vf_error *err)
{
    struct stat st;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return vf_error_set(err, errno, "cannot make %s: %s", path,
                            strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return vf_error_set(err, errno, "cannot open %s: %s", path,
                            strerror(errno));
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
        (st.st_mode & 077) != 0) {
        (void)close(fd);
        return vf_error_set(err, EACCES, "%s is not ours alone", path);
    }
    *ret_fd = fd;
    return 0;
}

static bool has_name(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

int vf_journal_file_make(int directory_fd, const char *prefix,
                         char ret_name[static VF_JOURNAL_FILE_SIZE],
                         int *ret_fd)
{
    char uuid[VF_UUID_SIZE];

    for (int i = 0; i < ATTEMPTS; i++) {
        vf_uuid4(uuid);
        (void)snprintf(ret_name, VF_JOURNAL_FILE_SIZE, "%s%s", prefix, uuid);
        int fd = openat(directory_fd, ret_name,
                        O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX) == 0 && has_name(fd)) {
            *ret_fd = fd;
            return 0;
        }
        (void)close(fd);
    }
    return -EAGAIN;
}

int vf_journal_file_put(int fd, size_t slot, const char *line)
{
    char bytes[VF_JOURNAL_SLOT_SIZE] = "";

    if (line != NULL)
        (void)snprintf(bytes, sizeof(bytes), "%s\n", line);
    ssize_t put =
        pwrite(fd, bytes, sizeof(bytes), (off_t)(slot * sizeof(bytes)));
    if (put < 0)
        return -errno;
    return put == sizeof(bytes) ? 0 : -ENOSPC;
}

/* A slot that was half written, or that another program made, is none. */
static bool take_lines(int fd, bool (*take)(void *context, const char *line),
                       void *context)
{
    char bytes[VF_JOURNAL_SLOT_SIZE];
    bool are_taken = true;

    while (read(fd, bytes, sizeof(bytes)) == sizeof(bytes)) {
        char *end = memchr(bytes, '\n', sizeof(bytes));

        if (end == NULL)
            continue;
        *end = '\0';
        are_taken &= take(context, bytes);
    }
    return are_taken;
}

static void inherit(int directory_fd, const char *name,
                    bool (*take)(void *context, const char *line),
                    void *context)
{
    int fd = openat(directory_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && has_name(fd) &&
        take_lines(fd, take, context))
        (void)unlinkat(directory_fd, name, 0);
    (void)close(fd);
}

void vf_journal_file_inherit(int directory_fd, const char *prefix,
                             bool (*take)(void *context, const char *line),
                             void *context)
{
    int fd = dup(directory_fd);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (directory == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    rewinddir(directory);
    while ((entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            inherit(directory_fd, entry->d_name, take, context);
    (void)closedir(directory);
}
