/* SPDX-License-Identifier: MIT */
#include "vaultfs/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct vf_secret {
    atomic_uint references;
    char *data; /* a mapping of its own */
    size_t size;
    size_t capacity; /* whole pages */
};

void vf_wipe(void *data, size_t size)
{
    if (data != NULL)
        explicit_bzero(data, size);
}

static int map_locked(size_t size, char **ret, struct vf_error *err)
{
    char *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED)
        return vf_error_set(err, ENOMEM, "no memory for a secret");
    if (mlock(data, size) < 0) {
        (void)munmap(data, size);
        return vf_error_set(err, ENOMEM,
                            "cannot lock %zu bytes of memory for a secret: "
                            "raise RLIMIT_MEMLOCK (ulimit -l)",
                            size);
    }
    (void)madvise(data, size, MADV_DONTDUMP);
    (void)madvise(data, size, MADV_DONTFORK);
    *ret = data;
    return 0;
}

static void unmap_wiped(char *data, size_t size)
{
    vf_wipe(data, size);
    (void)munmap(data, size);
}

static size_t round_to_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return size == 0 ? page : (size + page - 1) / page * page;
}

int vf_secret_new(size_t capacity, struct vf_secret **ret, struct vf_error *err)
{
    struct vf_secret *secret = malloc(sizeof(*secret));

    if (secret == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a secret");
    atomic_init(&secret->references, 1);
    secret->size = 0;
    secret->capacity = round_to_pages(capacity);
    int result = map_locked(secret->capacity, &secret->data, err);
    if (result < 0) {
        free(secret);
        return result;
    }
    *ret = secret;
    return 0;
}

int vf_secret_from(const void *data, size_t size, struct vf_secret **ret,
                   struct vf_error *err)
{
    struct vf_secret *secret;
    int result = vf_secret_new(size, &secret, err);

    if (result < 0)
        return result;
    if (size > 0)
        memcpy(secret->data, data, size);
    secret->size = size;
    *ret = secret;
    return 0;
}

struct vf_secret *vf_secret_ref(struct vf_secret *secret)
{
    atomic_fetch_add(&secret->references, 1);
    return secret;
}

struct vf_secret *vf_secret_unref(struct vf_secret *secret)
{
    if (secret != NULL && atomic_fetch_sub(&secret->references, 1) == 1) {
        unmap_wiped(secret->data, secret->capacity);
        free(secret);
    }
    return NULL;
}

char *vf_secret_data(const struct vf_secret *secret)
{
    return secret->data;
}

size_t vf_secret_size(const struct vf_secret *secret)
{
    return secret->size;
}

/* Grow by doubling, into a new mapping; the old one is wiped. */
static int reserve(struct vf_secret *secret, size_t size, struct vf_error *err)
{
    size_t capacity = secret->capacity;
    char *data;

    if (size <= capacity)
        return 0;
    while (capacity < size)
        capacity *= 2;
    int result = map_locked(capacity, &data, err);
    if (result < 0)
        return result;
    memcpy(data, secret->data, secret->size);
    unmap_wiped(secret->data, secret->capacity);
    secret->data = data;
    secret->capacity = capacity;
    return 0;
}

int vf_secret_write(struct vf_secret *secret, size_t offset, const void *data,
                    size_t size, struct vf_error *err)
{
    size_t end;

    if (offset > secret->size || __builtin_add_overflow(offset, size, &end) ||
        end > SIZE_MAX / 4)
        return vf_error_set(err, EINVAL, "a gap in a secret");
    int result = reserve(secret, end, err);
    if (result < 0)
        return result;
    if (size > 0)
        memcpy(secret->data + offset, data, size);
    if (end > secret->size)
        secret->size = end;
    return 0;
}

int vf_secret_append(struct vf_secret *secret, const void *data, size_t size,
                     struct vf_error *err)
{
    return vf_secret_write(secret, secret->size, data, size, err);
}

void vf_secret_truncate(struct vf_secret *secret, size_t size)
{
    if (size >= secret->size)
        return;
    vf_wipe(secret->data + size, secret->size - size);
    secret->size = size;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VF_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VF_IS_SANITIZED 1
#endif
#endif
#ifndef VF_IS_SANITIZED
#define VF_IS_SANITIZED 0
#endif

void vf_secret_harden_process(void)
{
    const struct rlimit no_core = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (!VF_IS_SANITIZED)
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
