/* SPDX-License-Identifier: MIT
 *
 * A token in a file: the one that was named, or the credential that systemd
 * hands to a unit.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

#define CREDENTIAL "vaultfs-token"

struct vf_auth_source {
    struct vf_auth_source_base base;
    struct vf_auth_file file;
};

/* name: for people; NULL: the path */
static int make_source(const struct vf_auth_kind *kind, const char *path,
                       const char *noun, const char *name,
                       struct vf_auth_source **ret, struct vf_error *err)
{
    struct vf_auth_source *source = vf_auth_source_new(sizeof(*source), kind);

    if (source == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    source->base.can_change = true;
    source->base.file = &source->file;
    int result = vf_auth_file_init(&source->file, path, noun, err);
    if (result == 0)
        result =
            vf_auth_source_describe(source, err, "%s %s", noun,
                                    name != NULL ? name : source->file.path);
    if (result < 0)
        vf_auth_source_free(source);
    else
        *ret = source;
    return result;
}

static int find_token_file(const struct vf_auth_options *options,
                           struct vf_auth_source **ret, struct vf_error *err)
{
    if (options->token_file == NULL)
        return 0;
    return make_source(&vf_auth_token_file, options->token_file, "token file",
                       NULL, ret, err);
}

/* systemd lets the unit's user in by an access list, whose mask shows as the
 * right of the group to read. */
static int find_credential(const struct vf_auth_options *options,
                           struct vf_auth_source **ret, struct vf_error *err)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *path;
    int result = 0;

    if (directory == NULL || directory[0] == '\0')
        return 0;
    if (directory[0] != '/')
        return vf_error_set(err, EINVAL,
                            "CREDENTIALS_DIRECTORY is not an absolute path");
    if (asprintf(&path, "%s/" CREDENTIAL, directory) < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    if (access(path, F_OK) == 0 || errno != ENOENT)
        result = make_source(&vf_auth_credential, path, "credential",
                             CREDENTIAL, ret, err);
    if (result == 0 && *ret != NULL)
        (*ret)->file.allows_group = true;
    free(path);
    return result;
}

static int read_file(struct vf_auth_source *source, struct vf_auth_reading *ret,
                     struct vf_error *err)
{
    return vf_auth_file_read(&source->file, VF_AUTH_LINE_MAX, &ret->token, err);
}

static void free_source(struct vf_auth_source *source)
{
    vf_auth_file_done(&source->file);
    free(source);
}

const struct vf_auth_kind vf_auth_token_file = {
    .find = find_token_file,
    .read = read_file,
    .free = free_source,
};

const struct vf_auth_kind vf_auth_credential = {
    .find = find_credential,
    .read = read_file,
    .free = free_source,
};
