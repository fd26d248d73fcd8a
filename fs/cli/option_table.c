/* SPDX-License-Identifier: MIT */
#include "option_table.h"

#include "options.h"

#include "vaultfs/text.h"

#include <limits.h>

/* What an option does stands there in the help, below a longer option. */
#define HELP_COLUMN 34

#define AT(field) offsetof(struct vf_options, field)
#define YEAR_MS (INT64_C(366) * 24 * 60 * 60 * 1000)
#define SERVICE (VF_FOR_MOUNT | VF_FOR_CHECK)
#define ANY                                                                    \
    (SERVICE | VF_FOR_UMOUNT | VF_FOR_STATUS | VF_FOR_WHY | VF_FOR_REFRESH)

#define OR_WORD(name, word) "|" word

const struct vf_option vf_option_table[] = {
    {"foreground", 'f', VF_OPTION_FLAG, VF_FOR_MOUNT, AT(is_foreground),
     .help = "stay in the foreground; the log goes to standard error"},
    {"debug", 'd', VF_OPTION_FLAG, VF_FOR_MOUNT, AT(is_debug),
     .help = "trace every FUSE operation; implies -f"},
    {"options", 'o', VF_OPTION_LIST, VF_FOR_MOUNT, 0, "NAME[=VALUE],...",
     .help = "any of the options below, as in fstab"},
    {"lazy", 'l', VF_OPTION_FLAG, VF_FOR_UMOUNT, AT(is_lazy),
     .help = "detach now, even when files are open"},
    {"dialect", 0, VF_OPTION_CHOICE, SERVICE, AT(dialect),
     &("" VF_DIALECTS(OR_WORD))[1], "auto",
     .help = "the service's form of the API"},
    {"token-file", 0, VF_OPTION_PATH, SERVICE, AT(token_file), "FILE",
     .help = "read the access token from a file that only you can read"},
    {"token-fd", 0, VF_OPTION_COUNT, SERVICE, AT(token_fd), "NUMBER",
     .max = INT_MAX,
     .help = "read it from this descriptor, once: 0 is standard input"},
    {"token-command", 0, VF_OPTION_TEXT, SERVICE, AT(token_command), "COMMAND",
     .help = "run this in a shell; it prints the access token"},
    {"token-command-timeout", 0, VF_OPTION_SECONDS, SERVICE,
     AT(token_command_ms), "SECONDS", "10", 1, YEAR_MS,
     "how long that command may take"},
    {"service-account-key-file", 0, VF_OPTION_PATH, SERVICE, AT(key_file),
     "FILE",
     .help = "read a service account's key, and exchange it for tokens"},
    {"exchange-url", 0, VF_OPTION_TEXT, SERVICE, AT(exchange_url), "URL",
     .help = "where keys are exchanged, if not at the usual place"},
    {"token-env", 0, VF_OPTION_TEXT, SERVICE, AT(token_env), "NAME",
     .help = "take the access token from this environment variable"},
    {"env-file", 0, VF_OPTION_PATH, SERVICE, AT(env_file), "FILE",
     .help = "NAME=VALUE lines that come before the environment"},
    {"auth", 0, VF_OPTION_CHOICE, SERVICE, AT(login), "access-token|qodercli",
     "access-token", .help = "how to show who you are"},
    {"ttl", 0, VF_OPTION_SECONDS, VF_FOR_MOUNT, AT(ttl_ms), "SECONDS", "5", 0,
     YEAR_MS, "how long a listing is taken as true"},
    {"stale-if-error", 0, VF_OPTION_SECONDS, VF_FOR_MOUNT,
     AT(stale_if_error_ms), "SECONDS", "300", 0, YEAR_MS,
     "how long a listing serves while the service is down"},
    {"timeout", 0, VF_OPTION_SECONDS, SERVICE, AT(timeout_ms), "SECONDS", "30",
     1, YEAR_MS, "how long a request may take"},
    {"concurrency", 0, VF_OPTION_COUNT, VF_FOR_MOUNT, AT(concurrency), "NUMBER",
     "16", 1, 256, "requests in flight at once"},
    {"cacert", 0, VF_OPTION_PATH, SERVICE, AT(cacert), "FILE",
     .help = "trust the certificates in a PEM file, not the system's"},
    {"ro", 0, VF_OPTION_FLAG, VF_FOR_MOUNT, AT(is_read_only),
     .help = "refuse every change (EROFS)"},
    {"rm", 0, VF_OPTION_CHOICE, VF_FOR_MOUNT, AT(rm), "delete|archive",
     "delete", .help = "what rm does to a credential"},
    {"allow-other", 0, VF_OPTION_FLAG, VF_FOR_MOUNT, AT(is_allow_other),
     .help = "let root in, a backup agent for example"},
    {"on-auth-expired", 0, VF_OPTION_TEXT, VF_FOR_MOUNT, AT(on_auth_expired),
     "COMMAND", .help = "run this in a shell when the access has expired"},
    {"nocheck", 0, VF_OPTION_FLAG, VF_FOR_MOUNT, AT(is_nocheck),
     .help = "mount even when the service does not answer yet"},
    {"log-format", 0, VF_OPTION_CHOICE, VF_FOR_MOUNT, AT(log_format),
     "text|json", "text", .help = "form of the log's lines"},
    {"json", 0, VF_OPTION_FLAG, VF_FOR_STATUS | VF_FOR_CHECK, AT(is_json),
     .help = "as one JSON object, for scripts"},
    {"help", 'h', VF_OPTION_FLAG, ANY, AT(is_help), .help = "say this"},
    {.name = NULL},
};

_Static_assert(sizeof(vf_option_table) / sizeof(vf_option_table[0]) <=
                   VF_OPTION_ROWS_MAX + 1,
               "the parser keeps a bit for each row, but the last");

void vf_options_help(unsigned command, struct vf_buf *out)
{
    for (const struct vf_option *option = vf_option_table; option->name != NULL;
         option++) {
        struct vf_buf left = VF_BUF_INIT;

        if (!(option->commands & command))
            continue;
        if (option->letter != '\0')
            vf_buf_printf(&left, "  -%c, --%s", option->letter, option->name);
        else
            vf_buf_printf(&left, "      --%s", option->name);
        if (option->value_name != NULL)
            vf_buf_printf(&left, " %s", option->value_name);
        if (left.size > HELP_COLUMN - 2) {
            vf_buf_append(out, left.data, left.size);
            vf_buf_puts(out, "\n");
            vf_buf_free(&left);
        }
        vf_buf_printf(out, "%-*s%s", HELP_COLUMN,
                      left.data != NULL ? left.data : "", option->help);
        if (option->initial != NULL)
            vf_buf_printf(out, " (default %s)", option->initial);
        vf_buf_puts(out, "\n");
        vf_buf_free(&left);
    }
}
