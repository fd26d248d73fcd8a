/* SPDX-License-Identifier: MIT */
#include "vaultfs/mount.h"

#include <errno.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SYSTEM_TYPE "fuse.vaultfs"

bool vf_mount_is_ours(const char *mountpoint)
{
    struct mntent entry;
    char strings[8192];
    bool is_found = false;
    FILE *table = setmntent("/proc/self/mounts", "re");

    if (table == NULL)
        return false;
    while (getmntent_r(table, &entry, strings, sizeof(strings)) != NULL)
        if (strcmp(entry.mnt_dir, mountpoint) == 0)
            is_found = strcmp(entry.mnt_type, FILE_SYSTEM_TYPE) == 0;
    (void)endmntent(table);
    return is_found;
}

/* The helper may unmount what the user mounted. Its own message goes to
 * standard error. */
static int run_helper(const char *mountpoint, bool is_lazy,
                      struct vf_error *err)
{
    char program[] = "fusermount3", unmount[] = "-u", lazy[] = "-z",
         end[] = "--";
    char *path = strdup(mountpoint);
    char *arguments[6] = {program, unmount};
    size_t count = 2;
    int status;
    pid_t pid;

    if (path == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    if (is_lazy)
        arguments[count++] = lazy;
    arguments[count++] = end;
    arguments[count] = path;
    int result = posix_spawnp(&pid, program, NULL, NULL, arguments, environ);
    free(path);
    if (result != 0)
        return vf_error_set(err, result, "cannot run fusermount3: %s",
                            strerror(result));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return vf_error_set(err, errno, "fusermount3: %s", strerror(errno));
    if (status != 0)
        return vf_error_set(err, EBUSY, "fusermount3 could not unmount %s",
                            mountpoint);
    return 0;
}

int vf_mount_detach(const char *mountpoint, bool is_lazy, struct vf_error *err)
{
    int flags = UMOUNT_NOFOLLOW | (is_lazy ? MNT_DETACH : 0);

    if (!vf_mount_is_ours(mountpoint))
        return vf_error_set(err, EINVAL, "no vaults are mounted at %s",
                            mountpoint);
    if (umount2(mountpoint, flags) == 0)
        return 0;
    if (errno == EPERM)
        return run_helper(mountpoint, is_lazy, err);
    return vf_error_set(err, errno, "cannot unmount %s: %s", mountpoint,
                        strerror(errno));
}
