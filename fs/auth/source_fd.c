/* SPDX-License-Identifier: MIT
 *
 * A token from a descriptor: a pipe, a here-document, a file that a shell has
 * opened. It is read once; what it held is not to be had again.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "vaultfs/secret.h"

struct vf_auth_source {
    struct vf_auth_source_base base;
    int fd; /* -1: it was read */
};

static int find(const struct vf_auth_options *options,
                struct vf_auth_source **ret, struct vf_error *err)
{
    if (options->token_fd < 0)
        return 0;
    struct vf_auth_source *source =
        vf_auth_source_new(sizeof(*source), &vf_auth_token_fd);
    if (source == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    source->fd = options->token_fd;
    int result = vf_auth_source_describe(source, err, "descriptor %d",
                                         options->token_fd);
    if (result < 0)
        vf_auth_source_free(source);
    else
        *ret = source;
    return result;
}

/* The standard ones stay open, on nothing: the next file to be opened must not
 * become somebody's standard output. */
static void let_go(int fd)
{
    if (fd > STDERR_FILENO) {
        (void)close(fd);
        return;
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    (void)dup2(null, fd);
    if (null != fd)
        (void)close(null);
}

static int check_descriptor(int fd, struct vf_error *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY)
        return vf_error_set(err, EBADF,
                            "descriptor %d, which should give the access "
                            "token, is not open for reading",
                            fd);
    if (isatty(fd))
        return vf_error_set(err, EINVAL,
                            "descriptor %d is a terminal, where a token would "
                            "show: pipe it in, as in `pass show x | ...`",
                            fd);
    return 0;
}

static int read_descriptor(int fd, struct vf_secret **ret, struct vf_error *err)
{
    struct vf_secret *token;
    char name[16];
    int result = vf_secret_new(0, &token, err);

    if (result < 0)
        return result;
    (void)snprintf(name, sizeof(name), "%d", fd);
    result = vf_auth_read_to_end(fd, VF_AUTH_LINE_MAX, token, "descriptor",
                                 name, err);
    if (result < 0)
        vf_secret_unref(token);
    else
        *ret = token;
    return result;
}

static int read_once(struct vf_auth_source *source, struct vf_auth_reading *ret,
                     struct vf_error *err)
{
    int fd = source->fd;

    if (fd < 0)
        return vf_error_set(err, ENOKEY,
                            "%s gives its token once, at the start",
                            source->base.description);
    source->fd = -1;
    int result = check_descriptor(fd, err);
    if (result < 0)
        return result;
    result = read_descriptor(fd, &ret->token, err);
    let_go(fd);
    return result;
}

static void free_source(struct vf_auth_source *source)
{
    free(source);
}

const struct vf_auth_kind vf_auth_token_fd = {
    .find = find,
    .read = read_once,
    .free = free_source,
    .hint = " (`| head -n1` takes the first)",
};
