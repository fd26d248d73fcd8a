/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include "vaultfs/secret.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Unsetting alone only forgets where the bytes are: /proc/PID/environ would
 * still show them. A block may have a name twice. */
static void wipe_variable(const char *name)
{
    size_t size = strlen(name);

    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, size) == 0 && (*entry)[size] == '=')
            vf_wipe(*entry + size + 1, strlen(*entry + size + 1));
    (void)unsetenv(name);
}

static void wipe_variables(const char *const *names)
{
    for (; names != NULL && *names != NULL; names++)
        wipe_variable(*names);
}

void vf_auth_wipe_variables(const struct vf_auth_options *options)
{
    if (options->token_env != NULL)
        wipe_variable(options->token_env);
    wipe_variables(options->default_env);
    wipe_variables(options->other_env);
}
