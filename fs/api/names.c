/* SPDX-License-Identifier: MIT
 *
 * The file is {"service": URL, "vaults": {vault id: {id: name}}}. A reader sees
 * one version whole, because each is a file of its own that was renamed to the
 * name; so a file that is the same by inode and times is the one in memory.
 * A writer holds the lock, which is another file, over reading and renaming. It
 * has got it before it takes the mutex, so that readers wait for nobody.
 */
#include "names.h"

#include "vaultfs/api.h"
#include "vaultfs/clock.h"
#include "vaultfs/json.h"
#include "vaultfs/path.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far more than anybody has. */
#define FILE_SIZE_MAX (16 * 1024 * 1024)

#define LOCK_STEP_MS 5

struct vf_names {
    char *directory;
    char *service;
    char *path; /* of the file, in the directory */
    char *lock_path;
    char *new_path;
    pthread_mutex_t lock;
    struct vf_json *vaults; /* guarded by lock; NULL: nothing was read yet */
    struct stat seen;       /* the file that it is from; guarded by lock */
};

static int failed(struct vf_error *err, const char *what, const char *path)
{
    int code = errno;

    return vf_error_set(err, code,
                        "cannot %s %s, where the file names of credentials "
                        "are kept: %s",
                        what, path, strerror(code));
}

static int bad_file(const struct vf_names *names, const char *what,
                    struct vf_error *err)
{
    return vf_error_set(err, EBADMSG,
                        "%s, where the file names of credentials are kept, %s: "
                        "move it away",
                        names->path, what);
}

static char *join(const char *directory, uint64_t hash, const char *suffix)
{
    char *path;

    if (asprintf(&path, "%s/names-%016llx%s", directory,
                 (unsigned long long)hash, suffix) < 0)
        return NULL;
    return path;
}

int vf_names_new(const char *directory, const char *service,
                 struct vf_names **ret)
{
    uint64_t hash = vf_hash64(service, strlen(service));
    struct vf_names *names = calloc(1, sizeof(*names));

    if (names == NULL)
        return -ENOMEM;
    pthread_mutex_init(&names->lock, NULL);
    names->directory = strdup(directory);
    names->service = strdup(service);
    names->path = join(directory, hash, ".json");
    names->lock_path = join(directory, hash, ".lock");
    names->new_path = join(directory, hash, ".new");
    if (names->directory == NULL || names->service == NULL ||
        names->path == NULL || names->lock_path == NULL ||
        names->new_path == NULL) {
        vf_names_free(names);
        return -ENOMEM;
    }
    *ret = names;
    return 0;
}

void vf_names_free(struct vf_names *names)
{
    if (names == NULL)
        return;
    vf_json_free(names->vaults);
    pthread_mutex_destroy(&names->lock);
    free(names->directory);
    free(names->service);
    free(names->path);
    free(names->lock_path);
    free(names->new_path);
    free(names);
}

/* --- Reading --- */

static bool is_seen(const struct vf_names *names, const struct stat *now)
{
    const struct stat *seen = &names->seen;

    return names->vaults != NULL && seen->st_dev == now->st_dev &&
           seen->st_ino == now->st_ino && seen->st_size == now->st_size &&
           memcmp(&seen->st_ctim, &now->st_ctim, sizeof(now->st_ctim)) == 0;
}

static int read_whole(int fd, size_t size, char **ret)
{
    char *text = malloc(size + 1);
    size_t done = 0;

    if (text == NULL)
        return -ENOMEM;
    while (done < size) {
        ssize_t got = read(fd, text + done, size - done);

        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(text);
            return -errno;
        }
        done += (size_t)got;
    }
    text[done] = '\0';
    *ret = text;
    return done == size ? 0 : -EBADMSG;
}

/* The member "vaults" of a text; both have to be objects. */
static int parse_vaults(const char *text, size_t size, struct vf_json **ret)
{
    struct vf_json *whole, *vaults = NULL;

    if (size > FILE_SIZE_MAX)
        return -EFBIG;
    int result = vf_json_parse(text, size, &whole, NULL);

    if (result < 0)
        return result == -ENOMEM ? result : -EBADMSG;
    (void)vf_json_get(whole, "vaults", &vaults);
    result = vf_json_type(vaults) == VF_JSON_OBJECT ? vf_json_copy(vaults, ret)
                                                    : -EBADMSG;
    vf_json_free(whole);
    return result;
}

static int load_from(struct vf_names *names, int fd, struct vf_error *err)
{
    struct vf_json *vaults;
    struct stat st;
    char *text = NULL;

    if (fstat(fd, &st) < 0)
        return failed(err, "look at", names->path);
    if (is_seen(names, &st))
        return 0;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        st.st_size > FILE_SIZE_MAX)
        return bad_file(names, "is not a file of yours", err);
    int result = read_whole(fd, (size_t)st.st_size, &text);
    if (result == 0)
        result = parse_vaults(text, (size_t)st.st_size, &vaults);
    free(text);
    if (result == -EBADMSG)
        return bad_file(names, "is damaged", err);
    if (result < 0) {
        errno = -result;
        return failed(err, "read", names->path);
    }
    vf_json_free(names->vaults);
    names->vaults = vaults;
    names->seen = st;
    return 0;
}

/* The newest version, into names->vaults. Lock held. */
static int load(struct vf_names *names, struct vf_error *err)
{
    int fd = open(names->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0) {
        int result = load_from(names, fd, err);

        (void)close(fd);
        return result;
    }
    if (errno != ENOENT)
        return failed(err, "open", names->path);
    vf_json_free(names->vaults);
    names->vaults = NULL;
    names->seen = (struct stat){0};
    if (vf_json_new_object(&names->vaults) < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    return 0;
}

static const char *find(const struct vf_names *names, const char *vault_id,
                        const char *id)
{
    struct vf_json *vault = NULL;

    (void)vf_json_get(names->vaults, vault_id, &vault);
    return vf_json_get_string(vault, id);
}

int vf_names_fill(struct vf_names *names, const char *vault_id,
                  struct vf_object *objects, size_t count, struct vf_error *err)
{
    if (names == NULL)
        return 0;
    pthread_mutex_lock(&names->lock);
    int result = load(names, err);
    for (size_t i = 0; result == 0 && i < count; i++) {
        const char *name = find(names, vault_id, objects[i].id);
        char *copy = name != NULL ? strdup(name) : NULL;

        if (name != NULL && copy == NULL)
            result = vf_error_set(err, ENOMEM, "no memory");
        if (copy == NULL)
            continue;
        free(objects[i].name);
        free(objects[i].label);
        objects[i].name = copy;
        objects[i].label = NULL;
    }
    pthread_mutex_unlock(&names->lock);
    return result;
}

int vf_names_find(struct vf_names *names, const char *vault_id, const char *id,
                  char **ret, struct vf_error *err)
{
    struct vf_object object = {0};

    vf_error_copy(object.id, sizeof(object.id), id);
    int result = vf_names_fill(names, vault_id, &object, 1, err);
    if (result == 0)
        *ret = object.name;
    return result;
}

/* --- Writing --- */

/* A lock of a file has no deadline of its own, so it is asked for again and
 * again: who holds it may be stopped. */
static int wait_for_lock(const struct vf_names *names, int fd,
                         int64_t deadline_ms, struct vf_error *err)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000 * 1000};

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return failed(err, "lock", names->lock_path);
        if (vf_clock_monotonic_ms() >= deadline_ms)
            return vf_error_set(err, ETIMEDOUT,
                                "another process holds %s, where the file "
                                "names of credentials are kept",
                                names->lock_path);
        (void)nanosleep(&step, NULL);
    }
    return 0;
}

/* *ret_fd holds the lock until it is closed. */
static int take_lock(const struct vf_names *names, int64_t deadline_ms,
                     int *ret_fd, struct vf_error *err)
{
    int result = vf_path_make(names->directory, err);

    if (result < 0)
        return result;
    int fd = open(names->lock_path,
                  O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(err, "open", names->lock_path);
    result = wait_for_lock(names, fd, deadline_ms, err);
    if (result < 0)
        (void)close(fd);
    else
        *ret_fd = fd;
    return result;
}

static int write_whole(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, text, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        text += done;
        size -= (size_t)done;
    }
    return fsync(fd);
}

static int render(const struct vf_names *names, const struct vf_json *vaults,
                  char **ret, size_t *ret_size)
{
    struct vf_json *whole, *copy;
    int result = vf_json_new_object(&whole);

    if (result < 0)
        return result;
    result = vf_json_set_string(whole, "service", names->service);
    if (result == 0)
        result = vf_json_copy(vaults, &copy);
    if (result == 0)
        result = vf_json_set(whole, "vaults", copy);
    if (result == 0)
        result = vf_json_render_pretty(whole, ret, ret_size);
    vf_json_free(whole);
    return result;
}

/* The text of the file; one that could not be read again would take all other
 * names with it. */
static int make_text(const struct vf_names *names, const struct vf_json *vaults,
                     char **ret, size_t *ret_size)
{
    struct vf_json *again;
    int result = render(names, vaults, ret, ret_size);

    if (result < 0)
        return result;
    result = parse_vaults(*ret, *ret_size, &again);
    if (result == 0)
        vf_json_free(again);
    else
        free(*ret);
    return result;
}

/* What is left of another writer that was killed is not written to: it may be
 * anything, a link say. */
static int save(const struct vf_names *names, const struct vf_json *vaults,
                struct vf_error *err)
{
    char *text;
    size_t size;
    int result = make_text(names, vaults, &text, &size);

    if (result < 0)
        return vf_error_set(err, -result, "cannot write down a file's name");
    (void)unlink(names->new_path);
    int fd = open(names->new_path,
                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || write_whole(fd, text, size) < 0 ||
        rename(names->new_path, names->path) < 0)
        result = failed(err, "write", names->new_path);
    if (fd >= 0)
        (void)close(fd);
    free(text);
    return result;
}

static int apply(struct vf_json *vault, const struct vf_name_change *changes,
                 size_t count)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < count; i++) {
        if (changes[i].name != NULL)
            result = vf_json_set_string(vault, changes[i].id, changes[i].name);
        else
            vf_json_remove(vault, changes[i].id);
    }
    return result;
}

/* The vault with its changes put into a copy of what was read. */
static int change_vault(struct vf_json *vaults, const char *vault_id,
                        const struct vf_name_change *changes, size_t count)
{
    struct vf_json *vault;
    int result = 0;

    if (!vf_json_get(vaults, vault_id, &vault)) {
        result = vf_json_new_object(&vault);
        if (result == 0)
            result = vf_json_set(vaults, vault_id, vault);
    }
    if (result == 0)
        result = apply(vault, changes, count);
    if (result == 0 && vf_json_count(vault) == 0)
        vf_json_remove(vaults, vault_id);
    return result;
}

/* changes NULL: the whole vault goes. File lock and lock held. */
static int change_file(struct vf_names *names, const char *vault_id,
                       const struct vf_name_change *changes, size_t count,
                       struct vf_error *err)
{
    struct vf_json *vaults;
    int result = load(names, err);

    if (result < 0)
        return result;
    if (vf_json_copy(names->vaults, &vaults) < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    if (changes == NULL)
        vf_json_remove(vaults, vault_id);
    else
        result = change_vault(vaults, vault_id, changes, count);
    if (result < 0)
        (void)vf_error_set(err, -result, "cannot write down a file's name");
    else if (!vf_json_equal(vaults, names->vaults))
        result = save(names, vaults, err);
    vf_json_free(vaults);
    return result;
}

static int change(struct vf_names *names, const char *vault_id,
                  const struct vf_name_change *changes, size_t count,
                  int64_t deadline_ms, struct vf_error *err)
{
    int fd = -1;

    if (names == NULL)
        return 0;
    int result = take_lock(names, deadline_ms, &fd, err);
    if (result < 0)
        return result;
    pthread_mutex_lock(&names->lock);
    result = change_file(names, vault_id, changes, count, err);
    pthread_mutex_unlock(&names->lock);
    (void)close(fd);
    return result;
}

int vf_names_check(struct vf_names *names, int64_t deadline_ms,
                   struct vf_error *err)
{
    return vf_names_forget(names, "", deadline_ms, err);
}

int vf_names_change(struct vf_names *names, const char *vault_id,
                    const struct vf_name_change *changes, size_t count,
                    int64_t deadline_ms, struct vf_error *err)
{
    if (count == 0)
        return 0;
    return change(names, vault_id, changes, count, deadline_ms, err);
}

int vf_names_forget(struct vf_names *names, const char *vault_id,
                    int64_t deadline_ms, struct vf_error *err)
{
    return change(names, vault_id, NULL, 0, deadline_ms, err);
}
