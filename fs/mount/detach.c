/* SPDX-License-Identifier: MIT */
#include "vaultfs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

#define FILE_SYSTEM_TYPE "fuse.vaultfs"

/* Who mounted it; the kernel writes that into the options. */
static uid_t owner_of(const struct mntent *entry)
{
    const char *owner = hasmntopt(entry, "user_id");

    return owner != NULL ? (uid_t)strtoul(owner + strlen("user_id="), NULL, 10)
                         : (uid_t)-1;
}

/* Of what is mounted at a path, on top, if that is a mount of this program. */
static bool find_owner(const char *mountpoint, uid_t *ret)
{
    struct mntent entry;
    char strings[8192];
    bool is_found = false;
    uid_t owner = 0;
    FILE *table = setmntent("/proc/self/mounts", "re");

    if (table == NULL)
        return false;
    while (getmntent_r(table, &entry, strings, sizeof(strings)) != NULL)
        if (strcmp(entry.mnt_dir, mountpoint) == 0) {
            is_found = strcmp(entry.mnt_type, FILE_SYSTEM_TYPE) == 0;
            owner = owner_of(&entry);
        }
    (void)endmntent(table);
    if (is_found)
        *ret = owner;
    return is_found;
}

bool vf_mount_is_ours(const char *mountpoint)
{
    uid_t owner;

    return find_owner(mountpoint, &owner);
}

/* One path for each, however often something was mounted over it. */
static int add_path(const char *path, char ***paths, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*paths)[i], path) == 0)
            return 0;
    char **grown = reallocarray(*paths, *count + 1, sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    *paths = grown;
    grown[*count] = strdup(path);
    if (grown[*count] == NULL)
        return -ENOMEM;
    ++*count;
    return 0;
}

int vf_mount_list(uid_t uid, char ***ret, size_t *ret_count)
{
    struct mntent entry;
    char strings[8192], **paths = NULL;
    size_t count = 0;
    int result = 0;
    FILE *table = setmntent("/proc/self/mounts", "re");

    if (table == NULL)
        return -errno;
    while (result == 0 &&
           getmntent_r(table, &entry, strings, sizeof(strings)) != NULL)
        if (strcmp(entry.mnt_type, FILE_SYSTEM_TYPE) == 0 &&
            owner_of(&entry) == uid)
            result = add_path(entry.mnt_dir, &paths, &count);
    (void)endmntent(table);
    if (result < 0) {
        while (count > 0)
            free(paths[--count]);
        free(paths);
        return result;
    }
    *ret = paths;
    *ret_count = count;
    return 0;
}

/* fusermount3 exits with 1 whatever the matter is. It never translates. */
static int helper_code(const char *said)
{
    static const struct {
        const char *words;
        int code;
    } reasons[] = {
        {"Device or resource busy", EBUSY},
        {"not found in", EINVAL}, /* the table of mounts */
        {"Invalid argument", EINVAL},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strstr(said, reasons[i].words) != NULL)
            return reasons[i].code;
    return EPERM;
}

/* Run it with a pipe as standard error. What it says is cut to fit. */
static int spawn_helper(char *const arguments[], pid_t *ret, int *ret_fd,
                        struct vf_error *err)
{
    posix_spawn_file_actions_t actions;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return vf_error_set(err, errno, "cannot make a pipe: %s",
                            strerror(errno));
    int result = posix_spawn_file_actions_init(&actions);
    if (result == 0) {
        result =
            posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
        if (result == 0)
            result = posix_spawnp(ret, arguments[0], &actions, NULL, arguments,
                                  environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(fds[1]);
    if (result == 0) {
        *ret_fd = fds[0];
        return 0;
    }
    (void)close(fds[0]);
    return vf_error_set(err, result, "cannot run fusermount3: %s",
                        strerror(result));
}

/* To its end, which is read even when it does not fit. One line is made of it.
 */
static void read_reason(int fd, char *ret, size_t ret_size)
{
    char chunk[256];
    size_t used = 0;
    ssize_t size;

    while ((size = read(fd, chunk, sizeof(chunk))) > 0 ||
           (size < 0 && errno == EINTR))
        for (ssize_t i = 0; i < size && used + 1 < ret_size; i++)
            ret[used++] = chunk[i] == '\n' ? ' ' : chunk[i];
    while (used > 0 && ret[used - 1] == ' ')
        used--;
    ret[used] = '\0';
}

/* The helper may unmount what the user mounted. */
static int run_helper(const char *mountpoint, bool is_lazy,
                      struct vf_error *err)
{
    char program[] = "fusermount3", unmount[] = "-u", lazy[] = "-z",
         end[] = "--";
    char said[VF_ERROR_MESSAGE_MAX / 2];
    char *path = strdup(mountpoint);
    char *arguments[6] = {program, unmount};
    size_t count = 2;
    int status, fd = -1;
    pid_t pid;

    if (path == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    if (is_lazy)
        arguments[count++] = lazy;
    arguments[count++] = end;
    arguments[count] = path;
    int result = spawn_helper(arguments, &pid, &fd, err);
    free(path);
    if (result < 0)
        return result;
    read_reason(fd, said, sizeof(said));
    (void)close(fd);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return vf_error_set(err, errno, "fusermount3: %s", strerror(errno));
    if (status == 0)
        return 0;
    return vf_error_set(err, helper_code(said), "cannot unmount %s: %s",
                        mountpoint,
                        said[0] != '\0' ? said : "fusermount3 failed");
}

int vf_mount_detach(const char *mountpoint, bool is_lazy, struct vf_error *err)
{
    int flags = UMOUNT_NOFOLLOW | (is_lazy ? MNT_DETACH : 0);
    uid_t owner;

    if (!find_owner(mountpoint, &owner))
        return vf_error_set(err, EINVAL, "no vaults are mounted at %s",
                            mountpoint);
    if (is_lazy && vf_mount_probe(mountpoint, MOUNT_ANSWER_MS) < 0) {
        /* Detaching alone would leave who waits for it waiting. */
        mount_abort(mountpoint);
        flags |= MNT_FORCE;
    }
    if (umount2(mountpoint, flags) == 0)
        return 0;
    if (errno != EPERM)
        return vf_error_set(err, errno, "cannot unmount %s: %s", mountpoint,
                            strerror(errno));
    if (owner != getuid())
        return vf_error_set(err, EPERM,
                            "the mount at %s is somebody else's: only who "
                            "mounted it, or root, can end it",
                            mountpoint);
    return run_helper(mountpoint, is_lazy, err);
}
