/* SPDX-License-Identifier: MIT
 *
 * What the command line says. One table of options drives the long form, the
 * short form, -o key=value, the defaults and the help.
 */
#ifndef VAULTFS_CLI_OPTIONS_H
#define VAULTFS_CLI_OPTIONS_H

#include "vaultfs/error.h"

#include <stdbool.h>

struct vf_buf;

/* Which commands take an option: a set. */
#define VF_FOR_MOUNT 1u
#define VF_FOR_UMOUNT 2u
#define VF_FOR_CHECK 4u
#define VF_FOR_STATUS 8u
#define VF_FOR_WHY 16u
#define VF_FOR_REFRESH 32u

#define VF_OPERANDS_MAX 2

/* What --dialect takes: a name in C, and the word. */
#define VF_DIALECTS(take)                                                      \
    take(AUTO, "auto") take(QODER, "qoder") take(FLAT, "qoder-flat")           \
        take(ANTHROPIC, "anthropic")

#define VF_DIALECT_ENTRY(name, word) VF_DIALECT_##name,
enum vf_dialect_choice { VF_DIALECTS(VF_DIALECT_ENTRY) };
#undef VF_DIALECT_ENTRY

enum vf_rm { VF_RM_DELETE, VF_RM_ARCHIVE };

/* What --auth takes. */
enum vf_login { VF_LOGIN_ACCESS_TOKEN, VF_LOGIN_QODERCLI };

/* Owns its strings but the operands; those that were not given are NULL. There
 * is no place for a token, on purpose: an argument is public. */
struct vf_options {
    bool is_help;
    bool is_foreground;
    bool is_debug; /* implies is_foreground */
    bool is_lazy;
    bool is_json;
    bool is_read_only;
    bool is_allow_other;
    bool is_nocheck;
    unsigned dialect;    /* enum vf_dialect_choice; VF_DIALECT_AUTO when it was
                            not given */
    unsigned rm;         /* enum vf_rm */
    unsigned log_format; /* enum vf_log_format */
    unsigned login;      /* enum vf_login */
    char *token_file;    /* absolute: the daemon changes its directory */
    int64_t token_fd;    /* below 0: not given */
    char *token_command;
    int64_t token_command_ms;
    char *key_file; /* absolute */
    char *exchange_url;
    char *token_env;
    char *env_file; /* absolute */
    char *on_auth_expired;
    char *cacert; /* absolute */
    int64_t ttl_ms;
    int64_t stale_if_error_ms;
    int64_t timeout_ms;
    int64_t concurrency;
    const char *operands[VF_OPERANDS_MAX]; /* borrowed from argv */
    size_t operands_count;
};

/*
 * Read the arguments after the command's name. argv ends with NULL. command is
 * one of VF_FOR_*. Options and operands may be mixed; "--" ends the options.
 *
 * Returns 0 and *ret, to be released with vf_options_done(), or -EINVAL for an
 * unknown option, a missing, bad or repeated value, too many operands; or
 * -ENOMEM. Messages name the option and never quote a value: what was mistyped
 * may be a secret.
 */
VF_MUST_CHECK int vf_options_parse(unsigned command, char *const argv[],
                                   struct vf_options *ret,
                                   struct vf_error *err);
void vf_options_done(struct vf_options *options);

/* Append one line for each option of a command. */
void vf_options_help(unsigned command, struct vf_buf *out);

#endif
