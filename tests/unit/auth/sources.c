/* SPDX-License-Identifier: MIT */
#include "sources.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[32];

int sources_make_directory(void **state)
{
    (void)strcpy(directory, "/tmp/vf-test-auth-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    return remove(path);
}

int sources_remove_directory(void **state)
{
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *sources_path(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

const char *sources_write_bytes(const char *name, const void *bytes,
                                size_t size, mode_t mode)
{
    const char *path = sources_path(name);

    (void)unlink(path); /* it may belong to another user by now */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
    return path;
}

const char *sources_write(const char *name, const char *text)
{
    return sources_write_bytes(name, text, strlen(text), 0600);
}

struct vf_auth_options sources_nothing(void)
{
    return (struct vf_auth_options){.token_fd = -1};
}

struct vf_auth_source *sources_find(const struct vf_auth_options *options)
{
    struct vf_auth_source *source = NULL;
    struct vf_error err = {0};
    int result = vf_auth_source_find(options, &source, &err);

    assert_string_equal(err.message, "");
    assert_int_equal(result, 0);
    assert_non_null(source);
    return source;
}

void sources_expect(struct vf_auth_source *source, const char *token,
                    int64_t expires_s)
{
    struct vf_auth_reading reading = {0};
    struct vf_error err = {0};
    int result = vf_auth_source_read(source, &reading, &err);

    assert_string_equal(err.message, "");
    assert_int_equal(result, 0);
    assert_int_equal(vf_secret_size(reading.token), strlen(token));
    assert_memory_equal(vf_secret_data(reading.token), token, strlen(token));
    assert_int_equal(reading.expires_s, expires_s);
    vf_secret_unref(reading.token);
}

void sources_refuse(struct vf_auth_source *source, int code, const char *words,
                    struct vf_error *ret)
{
    struct vf_auth_reading reading = {0};
    int result = vf_auth_source_read(source, &reading, ret);

    assert_null(reading.token);
    if (words != NULL && strstr(ret->message, words) == NULL)
        fail_msg("not in the message: %s\n%s", words, ret->message);
    assert_int_equal(result, -code);
    assert_int_equal(ret->code, code);
    assert_string_not_equal(ret->message, "");
    assert_null(strstr(ret->message, CANARY));
}
