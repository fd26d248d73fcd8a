/* SPDX-License-Identifier: MIT
 *
 * The command line of the server.
 */
#ifndef VAULTD_OPTIONS_H
#define VAULTD_OPTIONS_H

#include "call.h"

#include "vaultfs/log.h"

#define VF_LISTEN_MAX 16

/* Strings are borrowed from argv. */
struct vf_options {
    const char *data; /* NULL: the default */
    const char *listen[VF_LISTEN_MAX];
    size_t listen_count;
    bool listen_anywhere;
    const char *until_unused; /* NULL: for ever */
    int ready_fd;             /* -1: none */
    enum vf_log_format log_format;
    bool log_requests;
    const struct vf_dialect *dialect;
    struct vf_rules rules; /* those of the dialect, as far as not said here */
};

/*
 * Parse. Returns 0 to go on, 1 when --help or --version was answered, or
 * -EINVAL with err saying what is wrong.
 */
VF_MUST_CHECK int vf_options_parse(int argc, char **argv,
                                   struct vf_options *ret,
                                   struct vf_error *err);

/* The data directory: given, or when that is NULL the default; freed with
 * free(). -ENOENT without a home. */
VF_MUST_CHECK int vf_options_find_data(const char *given, char **ret,
                                       struct vf_error *err);

void vf_options_print_usage(void);

#endif
