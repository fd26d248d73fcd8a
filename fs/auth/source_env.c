/* SPDX-License-Identifier: MIT
 *
 * A token in a variable: a named one, or the first of the default ones that has
 * any. env_file as a whole comes before the process environment, since somebody
 * named it. Where the first read finds the token is where later ones look: the
 * process environment is wiped by then, and gives none again.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dotenv.h"
#include "file.h"
#include "vaultfs/secret.h"

/* Bytes. It lies in locked memory while it is read. */
#define ENV_FILE_MAX 262144

struct vf_auth_source {
    struct vf_auth_source_base base;
    struct vf_auth_file file; /* path NULL: there is none */
    const char **names;       /* owned, one block; NULL-terminated; in order */
    const char *found;        /* borrowed from names; NULL before the first
                                 read */
};

/* One block: the array, then the texts. NULL: no memory. */
static const char **copy_names(const char *const *names)
{
    size_t count = 0, size = 0;

    for (; names[count] != NULL; count++)
        size += strlen(names[count]) + 1;
    const char **copy = malloc((count + 1) * sizeof(*copy) + size);
    if (copy == NULL)
        return NULL;
    char *text = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = text;
        text = stpcpy(text, names[i]) + 1;
    }
    copy[count] = NULL;
    return copy;
}

static int fill(struct vf_auth_source *source, const char *const *names,
                const char *env_file, struct vf_error *err)
{
    int result = 0;

    source->names = copy_names(names);
    if (source->names == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    if (env_file != NULL)
        result = vf_auth_file_init(&source->file, env_file, "env file", err);
    if (source->file.path != NULL)
        source->base.file = &source->file;
    if (result == 0)
        result = vf_auth_source_describe(source, err, "environment variable %s",
                                         names[0]);
    return result;
}

static int make_source(const struct vf_auth_kind *kind,
                       const char *const *names, const char *env_file,
                       struct vf_auth_source **ret, struct vf_error *err)
{
    struct vf_auth_source *source = vf_auth_source_new(sizeof(*source), kind);

    if (source == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    int result = fill(source, names, env_file, err);
    if (result < 0)
        vf_auth_source_free(source);
    else
        *ret = source;
    return result;
}

static int find_named(const struct vf_auth_options *options,
                      struct vf_auth_source **ret, struct vf_error *err)
{
    const char *const names[] = {options->token_env, NULL};

    if (options->token_env == NULL)
        return 0;
    return make_source(&vf_auth_token_env, names, options->env_file, ret, err);
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

/* An env_file is one to ask; that it has none of them is for the read to say.
 */
static int find_default(const struct vf_auth_options *options,
                        struct vf_auth_source **ret, struct vf_error *err)
{
    const char *const *name = options->default_env;

    if (name == NULL || *name == NULL)
        return 0;
    if (options->env_file == NULL) {
        while (*name != NULL && !is_set(*name))
            name++;
        if (*name == NULL)
            return 0;
    }
    return make_source(&vf_auth_default_env, options->default_env,
                       options->env_file, ret, err);
}

/* The first of the names that the file has; *ret_name and *ret stay as they are
 * when it has none, or there is no file. */
static int look_in_file(struct vf_auth_source *source, const char *const *names,
                        const char **ret_name, struct vf_secret **ret,
                        struct vf_error *err)
{
    struct vf_secret *text = NULL, *token = NULL;

    if (source->file.path == NULL)
        return 0;
    int result = vf_auth_file_read(&source->file, ENV_FILE_MAX, &text, err);
    if (result < 0)
        return result;
    for (; result == 0 && token == NULL && *names != NULL; names++) {
        result =
            vf_auth_dotenv_find(text, *names, source->file.path, &token, err);
        if (token != NULL) {
            *ret_name = *names;
            *ret = token;
        }
    }
    vf_secret_unref(text);
    return result;
}

static int look_in_environment(const char *const *names, const char **ret_name,
                               struct vf_secret **ret, struct vf_error *err)
{
    while (*names != NULL && !is_set(*names))
        names++;
    if (*names == NULL)
        return 0;
    *ret_name = *names;
    const char *value = getenv(*names);
    return vf_secret_from(value, strlen(value), ret, err);
}

/* Neither place has the named variable. */
static int not_set(const char *name, const char *env_file, struct vf_error *err)
{
    int result = vf_error_set(
        err, ENOKEY,
        "the environment variable %s, which should hold the access token, is "
        "unset or empty%s%s%s",
        name, env_file != NULL ? ", and " : "",
        env_file != NULL ? env_file : "",
        env_file != NULL ? " does not have it" : "");

    if (err != NULL)
        vf_error_copy(err->type, sizeof(err->type),
                      "auth_access_token_env_var_not_configured");
    return result;
}

static int missing(const struct vf_auth_source *source, struct vf_error *err)
{
    if (source->base.kind == &vf_auth_token_env)
        return not_set(source->names[0], source->file.path, err);
    return vf_auth_source_missing(source->names, source->file.path, err);
}

static int read_first(struct vf_auth_source *source, struct vf_secret **ret,
                      struct vf_error *err)
{
    struct vf_secret *token = NULL;
    const char *name = NULL;
    int result = look_in_file(source, source->names, &name, &token, err);
    bool is_in_file = token != NULL;

    if (result == 0 && token == NULL)
        result = look_in_environment(source->names, &name, &token, err);
    if (result == 0 && token == NULL)
        result = missing(source, err);
    if (result == 0)
        result = is_in_file ? vf_auth_source_describe(source, err, "%s in %s",
                                                      name, source->file.path)
                            : vf_auth_source_describe(
                                  source, err, "environment variable %s", name);
    if (result < 0) {
        vf_secret_unref(token);
        return result;
    }
    source->found = name;
    source->base.can_change = is_in_file;
    *ret = token;
    return 0;
}

static int read_again(struct vf_auth_source *source, struct vf_secret **ret,
                      struct vf_error *err)
{
    struct vf_secret *token = NULL;

    if (!source->base.can_change)
        return vf_error_set(err, ENOKEY, "the %s is read only at the start",
                            source->base.description);
    const char *const names[] = {source->found, NULL};
    const char *name;
    int result = look_in_file(source, names, &name, &token, err);
    if (result == 0 && token == NULL)
        return vf_error_set(err, ENOKEY, "%s does not have %s any more",
                            source->file.path, source->found);
    if (result == 0)
        *ret = token;
    return result;
}

static int read_token(struct vf_auth_source *source,
                      struct vf_auth_reading *ret, struct vf_error *err)
{
    return source->found == NULL ? read_first(source, &ret->token, err)
                                 : read_again(source, &ret->token, err);
}

static void free_source(struct vf_auth_source *source)
{
    vf_auth_file_done(&source->file);
    free(source->names);
    free(source);
}

const struct vf_auth_kind vf_auth_token_env = {
    .find = find_named,
    .read = read_token,
    .free = free_source,
    .reads_environment = true,
};

const struct vf_auth_kind vf_auth_default_env = {
    .find = find_default,
    .read = read_token,
    .free = free_source,
    .reads_environment = true,
};
