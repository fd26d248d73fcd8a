/* SPDX-License-Identifier: MIT
 *
 * The commands beside the server: `vaultd token create` and the like. They
 * work on the store, and a server on the same one sees what they did with its
 * next request.
 */
#ifndef VAULTD_COMMAND_H
#define VAULTD_COMMAND_H

#include "token.h"

#include "vaultfs/error.h"

/* What a command was told. Strings are borrowed from argv. */
struct vf_command_settings {
    enum vf_token_kind kind;
    const char *data; /* NULL: the default */
    const char *name;
    int64_t expires_us; /* 0: never */
    unsigned scopes;    /* 0: not said */
    bool is_json;
    const char *const *operands;
    size_t operands_count;
};

/* Whether a command of this first word exists. */
bool vf_command_exists(const char *word);

/* Run one; argv begins with its first word. -EINVAL for a command line that is
 * not understood, and the errors of the command. */
VF_MUST_CHECK int vf_command_run(int argc, char **argv, struct vf_error *err);

/* A line for each command. */
void vf_command_print_usage(void);

/* The commands themselves. */
typedef int vf_command(const struct vf_command_settings *settings,
                       struct vf_error *err);
vf_command vf_command_create, vf_command_list, vf_command_revoke,
    vf_command_verify;

#endif
