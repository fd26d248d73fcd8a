/* SPDX-License-Identifier: MIT
 *
 * A command of the user's: /bin/sh -c with the fixed text of an option. What a
 * service said gets no nearer to the shell than a variable.
 *
 * It runs with our environment and the variables given, in a process group of
 * its own, in "/", standard input from /dev/null, no descriptor above 2, no
 * signal blocked or ignored.
 */
#ifndef VF_AUTH_COMMAND_H
#define VF_AUTH_COMMAND_H

#include "vaultfs/error.h"

struct vf_secret;

struct vf_auth_command {
    const char *text;
    const char *const *variables; /* "NAME=value", added; NULL-terminated, or
                                     NULL */
    struct vf_secret *output; /* standard output is appended; NULL: /dev/null */
    size_t output_max;        /* more is -EINVAL */
    bool shows_errors;        /* standard error is ours; else its last line goes
                                 into the message of a failure */
    int64_t timeout_ms;       /* then its group is killed */
    int cancel_fd;            /* readable: the same, at once; -1: none */
    bool ends_with_us; /* the same for a signal that is to end this process,
                          which then has it; this is its one thread that takes
                          signals */
};

/*
 * Run it to its end; children that it leaves behind are not waited for.
 * -ECHILD: another exit status than 0, or a signal; the message says which.
 * -ETIMEDOUT, -ECANCELED: it was killed. -EINVAL: too much output. Others from
 * starting it. Blocks; hold no lock.
 */
VF_MUST_CHECK int vf_auth_command_run(const struct vf_auth_command *command,
                                      struct vf_error *err);

#endif
