/* SPDX-License-Identifier: MIT
 *
 * A token that a command prints. Nothing of the command's text is shown: a
 * variable that is set in front of it may hold a secret.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "command.h"
#include "grant.h"
#include "vaultfs/secret.h"

/* Bytes: a token, escaped in JSON, and members that nobody reads. */
#define OUTPUT_MAX (2 * VF_AUTH_TOKEN_MAX)
#define TIMEOUT_MS 10000

struct vf_auth_source {
    struct vf_auth_source_base base;
    char *text;
    int64_t timeout_ms;
    int cancel_fd; /* readable for ever after a cancel() */
    bool was_read; /* nobody is at the terminal any more */
};

static int fill(struct vf_auth_source *source,
                const struct vf_auth_options *options, struct vf_error *err)
{
    source->base.can_change = true;
    source->timeout_ms =
        options->command_ms != 0 ? options->command_ms : TIMEOUT_MS;
    source->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (source->cancel_fd < 0)
        return vf_error_set(err, errno, "no descriptor for the token command");
    source->text = strdup(options->token_command);
    if (source->text == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    return vf_auth_source_describe(source, err, "token command");
}

static int find(const struct vf_auth_options *options,
                struct vf_auth_source **ret, struct vf_error *err)
{
    if (options->token_command == NULL)
        return 0;
    struct vf_auth_source *source =
        vf_auth_source_new(sizeof(*source), &vf_auth_token_command);
    if (source == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    int result = fill(source, options, err);
    if (result < 0)
        vf_auth_source_free(source);
    else
        *ret = source;
    return result;
}

static bool is_json(const struct vf_secret *output)
{
    const char *bytes = vf_secret_data(output);
    size_t size = vf_secret_size(output), at = 0;

    while (at < size && memchr(" \t\r\n", bytes[at], 4) != NULL)
        at++;
    return at < size && bytes[at] == '{';
}

/* Takes the output over when it is the token itself. */
static int read_output(struct vf_secret **output, struct vf_auth_reading *ret,
                       struct vf_error *err)
{
    struct vf_error reason;

    if (!is_json(*output)) {
        ret->token = *output;
        *output = NULL;
        return 0;
    }
    int result = vf_auth_grant_parse(vf_secret_data(*output),
                                     vf_secret_size(*output), 0, ret, &reason);
    if (result < 0)
        return vf_error_set_param(err, reason.code, reason.param,
                                  "the JSON that the token command printed "
                                  "cannot be read: %s",
                                  reason.message);
    return 0;
}

static int run(struct vf_auth_source *source, struct vf_secret *output,
               struct vf_error *err)
{
    struct vf_error reason;
    const struct vf_auth_command command = {
        .text = source->text,
        .output = output,
        .output_max = OUTPUT_MAX,
        .shows_errors = !source->was_read,
        .timeout_ms = source->timeout_ms,
        .cancel_fd = source->cancel_fd,
        .ends_with_us = !source->was_read,
    };
    int result = vf_auth_command_run(&command, &reason);

    source->was_read = true;
    if (result < 0)
        return vf_error_set(err, reason.code, "no token: %s", reason.message);
    return 0;
}

static int read_token(struct vf_auth_source *source,
                      struct vf_auth_reading *ret, struct vf_error *err)
{
    struct vf_secret *output = NULL;
    int result = vf_secret_new(0, &output, err);

    if (result < 0)
        return result;
    result = run(source, output, err);
    if (result == 0)
        result = read_output(&output, ret, err);
    vf_secret_unref(output);
    return result;
}

static void cancel(struct vf_auth_source *source)
{
    (void)eventfd_write(source->cancel_fd, 1);
}

static void free_source(struct vf_auth_source *source)
{
    if (source->cancel_fd >= 0)
        (void)close(source->cancel_fd);
    free(source->text);
    free(source);
}

const struct vf_auth_kind vf_auth_token_command = {
    .find = find,
    .read = read_token,
    .cancel = cancel,
    .free = free_source,
    .hint = " (`| head -n1` takes the first)",
};
