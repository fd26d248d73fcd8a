/* SPDX-License-Identifier: MIT */
#include "seal.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define KEY_SIZE 32

_Static_assert(NONCE + TAG == VF_SEAL_OVERHEAD, "a box is nonce, text, tag");
_Static_assert(KEY_SIZE == crypto_kdf_KEYBYTES &&
                   KEY_SIZE == crypto_generichash_KEYBYTES &&
                   KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
               "one size for every key");

/* Number of each derived key in crypto_kdf; 0 is where the file's own lies. */
enum { KEY_BOX = 1, KEY_HASH = 2, KEYS = KEY_HASH + VF_SEAL_CHECK + 1 };

struct vf_seal {
    struct vf_secret *keys; /* KEYS of them, one after another */
};

static unsigned char *key_at(const struct vf_seal *seal, int number)
{
    return (unsigned char *)vf_secret_data(seal->keys) +
           (size_t)number * KEY_SIZE;
}

static int fail(struct vf_error *err, int code, const char *path)
{
    return vf_error_set(err, code, "%s: %s", path, strerror(code));
}

static int write_key(int fd, const char *path, struct vf_error *err)
{
    unsigned char key[KEY_SIZE];
    int result = 0;

    randombytes_buf(key, sizeof(key));
    if (write(fd, key, sizeof(key)) != (ssize_t)sizeof(key) || fsync(fd) < 0)
        result = fail(err, errno != 0 ? errno : EIO, path);
    vf_wipe(key, sizeof(key));
    return result;
}

static int sync_directory(const char *dir, struct vf_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = 0;

    if (fd < 0 || fsync(fd) < 0)
        result = fail(err, errno, dir);
    if (fd >= 0)
        (void)close(fd);
    return result;
}

/* Under a name of its own first, then linked: whoever finds a key finds a whole
 * one, and of two that make one at the same time, one wins for both. */
static int create_key(const char *dir, const char *path, struct vf_error *err)
{
    char draft[PATH_MAX];

    if (snprintf(draft, sizeof(draft), "%s.%ld", path, (long)getpid()) >=
        (int)sizeof(draft))
        return fail(err, ENAMETOOLONG, dir);
    (void)unlink(draft); /* of a process that died with our number */
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, errno, draft);
    int result = write_key(fd, draft, err);
    (void)close(fd);
    if (result == 0 && link(draft, path) < 0 && errno != EEXIST)
        result = fail(err, errno, path);
    (void)unlink(draft);
    return result < 0 ? result : sync_directory(dir, err);
}

static int check_key_file(int fd, const char *path, struct vf_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fail(err, errno, path);
    if (!S_ISREG(st.st_mode) || st.st_size != KEY_SIZE)
        return vf_error_set(err, EINVAL, "%s is not a key of %d bytes", path,
                            KEY_SIZE);
    if ((st.st_mode & 077) != 0)
        return vf_error_set(err, EACCES,
                            "%s is open to others: chmod 600 it, and take what "
                            "it protected as known to them",
                            path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return vf_error_set(err, EACCES, "%s belongs to somebody else", path);
    return 0;
}

static int read_key(const char *path, unsigned char ret[static KEY_SIZE],
                    struct vf_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return fail(err, errno, path);
    int result = check_key_file(fd, path, err);
    if (result == 0 && read(fd, ret, KEY_SIZE) != KEY_SIZE)
        result = fail(err, EIO, path);
    (void)close(fd);
    return result;
}

static int load(const char *dir, bool may_create, struct vf_seal *seal,
                struct vf_error *err)
{
    char path[PATH_MAX - 16];

    if (snprintf(path, sizeof(path), "%s/key", dir) >= (int)sizeof(path))
        return fail(err, ENAMETOOLONG, dir);
    int result = read_key(path, key_at(seal, 0), err);
    if (result == -ENOENT && may_create) {
        result = create_key(dir, path, err);
        if (result == 0)
            result = read_key(path, key_at(seal, 0), err);
    }
    return result;
}

int vf_seal_new(const char *dir, bool may_create, struct vf_seal **ret,
                struct vf_error *err)
{
    static const char zeros[KEYS * KEY_SIZE];
    struct vf_seal *seal;

    if (sodium_init() < 0)
        return vf_error_set(err, ENOTSUP, "libsodium does not start");
    seal = calloc(1, sizeof(*seal));
    if (seal == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the keys");
    int result = vf_secret_from(zeros, sizeof(zeros), &seal->keys, err);
    if (result == 0)
        result = load(dir, may_create, seal, err);
    if (result < 0) {
        vf_seal_free(seal);
        return result;
    }
    for (int i = 1; i < KEYS; i++)
        crypto_kdf_derive_from_key(key_at(seal, i), KEY_SIZE, (uint64_t)i,
                                   "vaultd00", key_at(seal, 0));
    vf_wipe(key_at(seal, 0), KEY_SIZE);
    *ret = seal;
    return 0;
}

void vf_seal_free(struct vf_seal *seal)
{
    if (seal != NULL) {
        vf_secret_unref(seal->keys);
        free(seal);
    }
}

/* "id\nfield\nversion": neither an id nor a field has a newline in it. */
static size_t associate(const struct vf_seal_place *place, char *ret,
                        size_t size)
{
    int used = snprintf(ret, size, "%s\n%s\n%d", place->credential_id,
                        place->field, place->version);

    if (used < 0 || (size_t)used >= size)
        abort(); /* ids and fields are ours, and short */
    return (size_t)used;
}

void vf_seal_close_box(const struct vf_seal *seal,
                       const struct vf_seal_place *place, const void *secret,
                       size_t size, unsigned char *ret)
{
    char with[256];
    size_t with_size = associate(place, with, sizeof(with));

    randombytes_buf(ret, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        ret + NONCE, NULL, secret, size, (const unsigned char *)with, with_size,
        NULL, ret, key_at(seal, KEY_BOX));
}

int vf_seal_open_box(const struct vf_seal *seal,
                     const struct vf_seal_place *place, const void *box,
                     size_t size, struct vf_secret **ret, struct vf_error *err)
{
    const unsigned char *bytes = box;
    struct vf_secret *secret;
    char with[256];
    size_t with_size = associate(place, with, sizeof(with));

    if (size < VF_SEAL_OVERHEAD)
        return vf_error_set(err, EBADMSG, "a sealed secret is cut short");
    size -= VF_SEAL_OVERHEAD;
    /* Filled with what is there, to be overwritten in place. */
    int result = vf_secret_from(bytes + NONCE, size, &secret, err);
    if (result < 0)
        return result;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)vf_secret_data(secret), NULL, NULL, bytes + NONCE,
            size + TAG, (const unsigned char *)with, with_size, bytes,
            key_at(seal, KEY_BOX)) != 0) {
        vf_secret_unref(secret);
        return vf_error_set(err, EBADMSG, "a sealed secret does not open");
    }
    *ret = secret;
    return 0;
}

void vf_seal_hash(const struct vf_seal *seal, enum vf_seal_purpose purpose,
                  const struct vf_seal_part *parts, size_t count,
                  unsigned char ret[static VF_SEAL_HASH_SIZE])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, key_at(seal, KEY_HASH + (int)purpose),
                            KEY_SIZE, VF_SEAL_HASH_SIZE);
    for (size_t i = 0; i < count; i++) {
        uint64_t size = parts[i].size;

        crypto_generichash_update(&state, (const unsigned char *)&size,
                                  sizeof(size));
        crypto_generichash_update(&state, parts[i].data, parts[i].size);
    }
    crypto_generichash_final(&state, ret, VF_SEAL_HASH_SIZE);
    vf_wipe(&state, sizeof(state));
}
