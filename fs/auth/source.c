/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "file.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

const struct vf_auth_kind *const vf_auth_kinds[] = {
    &vf_auth_token_file,    &vf_auth_token_fd,
    &vf_auth_token_command, &vf_auth_key_file,
    &vf_auth_token_env,     &vf_auth_credential,
    &vf_auth_default_env,   NULL,
};

/* What every kind begins with. */
static struct vf_auth_source_base *base_of(struct vf_auth_source *source)
{
    return (struct vf_auth_source_base *)source;
}

static const struct vf_auth_source_base *base_of_const(
    const struct vf_auth_source *source)
{
    return (const struct vf_auth_source_base *)source;
}

struct vf_auth_source *vf_auth_source_new(size_t size,
                                          const struct vf_auth_kind *kind)
{
    struct vf_auth_source *source = calloc(1, size);

    if (source != NULL)
        base_of(source)->kind = kind;
    return source;
}

int vf_auth_source_describe(struct vf_auth_source *source, struct vf_error *err,
                            const char *format, ...)
{
    char *description;
    va_list args;

    va_start(args, format);
    int size = vasprintf(&description, format, args);
    va_end(args);
    if (size < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    free(base_of(source)->description);
    base_of(source)->description = description;
    return 0;
}

/* "A, B or C" */
static void put_names(struct vf_buf *text, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        vf_buf_printf(text, "%s%s",
                      i == 0                 ? ""
                      : names[i + 1] == NULL ? " or "
                                             : ", ",
                      names[i]);
}

int vf_auth_source_missing(const char *const *names, const char *env_file,
                           struct vf_error *err)
{
    struct vf_buf text = VF_BUF_INIT;

    vf_buf_puts(&text, "no access token: give --token-file FILE, --token-fd N, "
                       "--token-command CMD, --service-account-key-file FILE "
                       "or --token-env NAME");
    if (names != NULL && names[0] != NULL) {
        vf_buf_puts(&text, ", or set ");
        put_names(&text, names);
        if (env_file != NULL)
            vf_buf_printf(&text, " in the environment or in %s", env_file);
    }
    int result = vf_error_set(err, ENOKEY, "%s",
                              text.is_broken ? "no access token" : text.data);
    if (err != NULL)
        vf_error_copy(err->type, sizeof(err->type), "auth_not_configured");
    vf_buf_free(&text);
    return result;
}

static int check_place(struct vf_auth_source *source, const char *mountpoint,
                       struct vf_error *err)
{
    const struct vf_auth_file *file = base_of(source)->file;

    if (file == NULL || mountpoint == NULL)
        return 0;
    return vf_auth_file_check_place(file, mountpoint, err);
}

int vf_auth_source_find(const struct vf_auth_options *options,
                        struct vf_auth_source **ret, struct vf_error *err)
{
    for (size_t i = 0; vf_auth_kinds[i] != NULL; i++) {
        struct vf_auth_source *source = NULL;
        int result = vf_auth_kinds[i]->find(options, &source, err);

        if (result == 0 && source == NULL)
            continue;
        if (result == 0)
            result = check_place(source, options->mountpoint, err);
        if (result < 0)
            vf_auth_source_free(source);
        else
            *ret = source;
        return result;
    }
    return vf_auth_source_missing(options->default_env, NULL, err);
}

/* A byte that no header may carry is most often a whole file given by mistake,
 * or a secret with notes below it. */
static int refuse_byte(const char *bytes, size_t at, const char *noun,
                       const char *from, const char *hint, struct vf_error *err)
{
    if (bytes[at] == '\n' || bytes[at] == '\r')
        return vf_error_set(err, EINVAL,
                            "there is more than one line in %s: a %s is one "
                            "line%s",
                            from, noun, hint != NULL ? hint : "");
    return vf_error_set(err, EINVAL,
                        "byte %zu of the %s in %s is a space, a control "
                        "character or not ASCII: a %s is one line without "
                        "spaces",
                        at, noun, from, noun);
}

int vf_auth_source_check(struct vf_secret *token, const char *noun,
                         const char *from, const char *hint,
                         struct vf_error *err)
{
    const char *bytes = vf_secret_data(token);
    size_t size = vf_secret_size(token);

    if (size > 0 && bytes[size - 1] == '\n')
        size--;
    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    vf_secret_truncate(token, size);
    if (size == 0)
        return vf_error_set(err, EINVAL, "there is no %s in %s", noun, from);
    if (size > VF_AUTH_TOKEN_MAX)
        return vf_error_set(err, EINVAL,
                            "what is in %s is longer than %d bytes: that is no "
                            "%s",
                            from, VF_AUTH_TOKEN_MAX, noun);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] <= 0x20 || bytes[i] >= 0x7F)
            return refuse_byte(bytes, i, noun, from, hint, err);
    return 0;
}

static int check_end(int64_t expires_s, const char *from, struct vf_error *err)
{
    char text[VF_TIME_SIZE];

    if (expires_s == 0 || expires_s > time(NULL))
        return 0;
    vf_time_format((struct timespec){.tv_sec = expires_s}, text);
    return vf_error_set(err, EKEYEXPIRED,
                        "the access token of %s has expired: its end was %s",
                        from, text);
}

int vf_auth_source_read(struct vf_auth_source *source,
                        struct vf_auth_reading *ret, struct vf_error *err)
{
    const struct vf_auth_source_base *base = base_of(source);
    struct vf_auth_reading reading = {0};
    int result = base->kind->read(source, &reading, err);

    if (result < 0)
        return result;
    result = vf_auth_source_check(reading.token, "token", base->description,
                                  base->kind->hint, err);
    if (result == 0)
        result = check_end(reading.expires_s, base->description, err);
    if (result < 0)
        vf_secret_unref(reading.token);
    else
        *ret = reading;
    return result;
}

bool vf_auth_source_is_watched(const struct vf_auth_source *source)
{
    const struct vf_auth_source_base *base = base_of_const(source);

    return base->can_change && base->file != NULL;
}

bool vf_auth_source_has_changed(const struct vf_auth_source *source)
{
    return vf_auth_source_is_watched(source) &&
           vf_auth_file_has_changed(base_of_const(source)->file);
}

bool vf_auth_source_can_change(const struct vf_auth_source *source)
{
    return base_of_const(source)->can_change;
}

bool vf_auth_source_reads_environment(const struct vf_auth_source *source)
{
    return base_of_const(source)->kind->reads_environment;
}

const char *vf_auth_source_description(const struct vf_auth_source *source)
{
    return base_of_const(source)->description;
}

void vf_auth_source_cancel(struct vf_auth_source *source)
{
    const struct vf_auth_source_base *base = base_of(source);

    if (base->kind->cancel != NULL)
        base->kind->cancel(source);
}

void vf_auth_source_free(struct vf_auth_source *source)
{
    if (source == NULL)
        return;
    free(base_of(source)->description);
    base_of(source)->kind->free(source);
}
