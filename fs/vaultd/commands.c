/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "options.h"
#include "register.h"
#include "store.h"
#include "verify.h"

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_store(const struct vf_command_settings *settings,
                      bool may_create, struct vf_store **ret,
                      struct vf_error *err)
{
    char *dir;
    int result = vf_options_find_data(settings->data, &dir, err);

    if (result < 0)
        return result;
    result = vf_store_open(dir, may_create, ret, err);
    free(dir);
    return result;
}

/* By write(2), so that no buffer keeps it. */
static int print_secret(struct vf_secret *secret, struct vf_error *err)
{
    int result = vf_secret_append(secret, "\n", 1, err);
    size_t size = vf_secret_size(secret);

    if (result == 0 &&
        write(STDOUT_FILENO, vf_secret_data(secret), size) != (ssize_t)size)
        return vf_error_set(err, EIO,
                            "standard output does not take the token");
    return result;
}

/* What nobody was shown shall not be good for anything. */
static int hand_out(struct vf_store *store, const struct vf_grant *grant,
                    struct vf_secret *secret, struct vf_error *err)
{
    const char *const names[] = {grant->id};

    (void)signal(SIGPIPE, SIG_IGN); /* who does not read has not seen it */
    int result = print_secret(secret, err);

    if (result == 0)
        (void)fprintf(stderr, "id %s\n", grant->id);
    else if (vf_register_revoke(store, grant->kind, names, 1, NULL) < 0)
        return vf_error_set(err, EIO,
                            "standard output does not take the token; revoke "
                            "%s, which could not be done",
                            grant->id);
    return result;
}

int vf_command_create(const struct vf_command_settings *settings,
                      struct vf_error *err)
{
    struct vf_grant grant = {.kind = settings->kind,
                             .scopes = settings->scopes != 0 ? settings->scopes
                                                             : VF_SCOPE_ALL,
                             .expires_us = settings->expires_us};
    struct vf_store *store;
    struct vf_secret *secret;
    int result = open_store(settings, true, &store, err);

    if (result < 0)
        return result;
    result = vf_token_create(store, &grant, settings->name, &secret, err);
    if (result == 0) {
        result = hand_out(store, &grant, secret, err);
        vf_secret_unref(secret);
    }
    vf_store_close(store);
    return result;
}

static int print(struct vf_buf *text, struct vf_error *err)
{
    int result = 0;

    if (text->is_broken)
        result = vf_error_set(err, ENOMEM, "no memory for the list");
    else if (fwrite(text->data, 1, text->size, stdout) != text->size ||
             fflush(stdout) != 0)
        result =
            vf_error_set(err, EIO, "standard output does not take the list");
    vf_buf_free(text);
    return result;
}

int vf_command_list(const struct vf_command_settings *settings,
                    struct vf_error *err)
{
    struct vf_buf text = VF_BUF_INIT;
    struct vf_register all;
    struct vf_store *store;
    int result = open_store(settings, false, &store, err);

    if (result < 0)
        return result;
    result = vf_register_read(store, settings->kind, &all, err);
    vf_store_close(store);
    if (result < 0)
        return result;
    if (settings->is_json)
        vf_register_put_json(&all, vf_now_us(), &text);
    else
        vf_register_put_table(&all, vf_now_us(), &text);
    vf_register_done(&all);
    return print(&text, err);
}

int vf_command_revoke(const struct vf_command_settings *settings,
                      struct vf_error *err)
{
    struct vf_store *store;
    int result = open_store(settings, false, &store, err);

    if (result < 0)
        return result;
    result = vf_register_revoke(store, settings->kind, settings->operands,
                                settings->operands_count, err);
    vf_store_close(store);
    return result;
}

int vf_command_verify(const struct vf_command_settings *settings,
                      struct vf_error *err)
{
    struct vf_verify_counts counts;
    struct vf_store *store;
    int result = open_store(settings, false, &store, err);

    if (result < 0)
        return result;
    result = vf_verify(store, &counts, err);
    (void)printf("vaults %lld\ncredentials %lld\nsecrets %lld\n%s\n",
                 (long long)counts.vaults, (long long)counts.credentials,
                 (long long)counts.secrets, result == 0 ? "ok" : "damaged");
    vf_store_close(store);
    return result;
}
