/* SPDX-License-Identifier: MIT */
#include "source.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Absolute, because a daemon changes its directory; not resolved, because a
 * symbolic link may point to another file when it is read again. */
static int find_file(const struct vf_auth_options *options, char **ret)
{
    const char *path = options->token_file;

    if (path == NULL) {
        *ret = NULL;
        return 0;
    }
    if (path[0] == '/') {
        *ret = strdup(path);
        return *ret != NULL ? 0 : -ENOMEM;
    }
    char *directory = getcwd(NULL, 0);
    if (directory == NULL)
        return -errno;
    int size = asprintf(ret, "%s/%s", directory, path);
    free(directory);
    return size >= 0 ? 0 : -ENOMEM;
}

/* Looks at what was opened, not at the path, which may change in between. */
static int check_file(int fd, const char *path, struct vf_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return vf_error_set(err, errno, "cannot look at the token file %s",
                            path);
    if (!S_ISREG(st.st_mode))
        return vf_error_set(err, EINVAL,
                            "the token file %s is not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return vf_error_set(err, EACCES,
                            "the token file %s belongs to another user: it "
                            "must be yours or root's",
                            path);
    if ((st.st_mode & 077) != 0)
        return vf_error_set(err, EACCES,
                            "the token file %s is open to others (mode %03o): "
                            "chmod 600 it",
                            path, (unsigned)(st.st_mode & 0777));
    return 0;
}

/* To the end of the file, or to one byte more than a token can have. */
static int read_all(int fd, struct vf_secret *token, const char *path,
                    struct vf_error *err)
{
    char chunk[4096];
    int result = 0;

    while (result == 0 && vf_secret_size(token) <= VF_AUTH_TOKEN_MAX) {
        ssize_t got = read(fd, chunk, sizeof(chunk));

        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        if (got < 0)
            result =
                vf_error_set(err, errno, "cannot read the token file %s", path);
        else
            result = vf_secret_append(token, chunk, (size_t)got, err);
    }
    vf_wipe(chunk, sizeof(chunk));
    return result;
}

static int read_file(const char *path, struct vf_secret **ret,
                     struct vf_error *err)
{
    struct vf_secret *token = NULL;
    /* Not blocking: a FIFO would wait for a writer before it can be refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return vf_error_set(err, errno, "cannot open the token file %s: %s",
                            path, strerror(errno));
    int result = check_file(fd, path, err);
    if (result == 0)
        result = vf_secret_new(0, &token, err);
    if (result == 0)
        result = read_all(fd, token, path, err);
    (void)close(fd);
    if (result < 0) {
        vf_secret_unref(token);
        return result;
    }
    *ret = token;
    return 0;
}

static int find_env(const struct vf_auth_options *options, char **ret)
{
    *ret = NULL;
    if (options->token_env != NULL &&
        (*ret = strdup(options->token_env)) == NULL)
        return -ENOMEM;
    return 0;
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && value[0] != '\0';
}

static int find_default_env(const struct vf_auth_options *options, char **ret)
{
    const char *const *name = options->default_env;

    while (name != NULL && *name != NULL && !is_set(*name))
        name++;
    *ret = NULL;
    if (name != NULL && *name != NULL && (*ret = strdup(*name)) == NULL)
        return -ENOMEM;
    return 0;
}

static int read_env(const char *variable, struct vf_secret **ret,
                    struct vf_error *err)
{
    if (!is_set(variable)) {
        int result = vf_error_set(
            err, ENOKEY,
            "the environment variable %s, which should hold the access token, "
            "is unset or empty",
            variable);
        if (err != NULL)
            vf_error_copy(err->type, sizeof(err->type),
                          "auth_access_token_env_var_not_configured");
        return result;
    }
    const char *value = getenv(variable);
    return vf_secret_from(value, strlen(value), ret, err);
}

const struct vf_auth_source vf_auth_sources[] = {
    {"token file", find_file, read_file, .can_change = true},
    {"environment variable", find_env, read_env},
    {"environment variable", find_default_env, read_env},
    {NULL},
};
