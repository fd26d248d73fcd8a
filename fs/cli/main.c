/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "daemon.h"
#include "options.h"
#include "source.h"

#include "vaultfs/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    unsigned id; /* VF_FOR_* */
    size_t operands_min;
    size_t operands_max;
    const char *operands;
    const char *help;
    enum vf_exit (*run)(const struct vf_options *options);
} commands[] = {
    {"mount", VF_FOR_MOUNT, 1, 2, "[SOURCE] MOUNTPOINT",
     "show the vaults of a service as directories", vf_command_mount},
    {"umount", VF_FOR_UMOUNT, 1, 1, "MOUNTPOINT", "end a mount",
     vf_command_umount},
    {"check", VF_FOR_CHECK, 0, 1, "[SOURCE]",
     "say which token would be used, and whether it is accepted",
     vf_command_check},
    {"status", VF_FOR_STATUS, 0, 1, "[MOUNTPOINT]", "say how a mount is",
     vf_command_status},
    {"why", VF_FOR_WHY, 0, 1, "[MOUNTPOINT]",
     "say what failed last, why, and what to do about it", vf_command_why},
    {"refresh", VF_FOR_REFRESH, 0, 1, "[MOUNTPOINT]",
     "forget every listing, and look for a new token where it comes "
     "from",
     vf_command_refresh},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char about_sources[] =
    "SOURCE is one of\n"
    "  qoder             the hosted service (the default; QODER_BASE_URL)\n"
    "  qoder-cn          the hosted service in China\n"
    "  anthropic         the sister API, of Claude Managed Agents\n"
    "  local[:NAME]      the embedded service, on this machine\n"
    "  unix:/SOCKET      a service on a socket\n"
    "  https://...       a service at a base URL; http:// on loopback only\n";

static const char about_tokens[] =
    "The access token comes from the first of these that is there:\n"
    "  --token-file, --token-fd, --token-command, --service-account-key-file,\n"
    "  --token-env, the file vaultfs-token in $CREDENTIALS_DIRECTORY "
    "(systemd),\n"
    "  QODER_PERSONAL_ACCESS_TOKEN, QODER_PAT or QODER_ACCESS_TOKEN; for the\n"
    "  dialect anthropic ANTHROPIC_API_KEY; for local its own token.\n";

static const char about_mountpoint[] =
    "Without MOUNTPOINT, the one mount that you have.\n";

static const char about_exit[] =
    "Exit status: 0 done, 1 usage or local trouble, 2 the service or access.\n";

static enum vf_exit print(struct vf_buf *text)
{
    (void)fputs(text->is_broken ? "out of memory\n" : text->data, stdout);
    vf_buf_free(text);
    return VF_EXIT_DONE;
}

static void put_usage(const struct command *command, struct vf_buf *out)
{
    vf_buf_printf(out, "vaultfs %s [OPTION]... %s\n  %s\n", command->name,
                  command->operands, command->help);
}

static enum vf_exit help_for(const struct command *command)
{
    struct vf_buf out = VF_BUF_INIT;

    vf_buf_puts(&out, "Usage: ");
    put_usage(command, &out);
    vf_buf_puts(&out, "\nOptions:\n");
    vf_options_help(command->id, &out);
    if ((command->id & (VF_FOR_MOUNT | VF_FOR_CHECK)) != 0)
        vf_buf_printf(&out, "\n%s\n%s", about_sources, about_tokens);
    else if (command->operands_min == 0)
        vf_buf_printf(&out, "\n%s", about_mountpoint);
    vf_buf_printf(&out, "\n%s", about_exit);
    return print(&out);
}

static enum vf_exit help(void)
{
    struct vf_buf out = VF_BUF_INIT;

    vf_buf_puts(&out, "Mount credential vaults as directories.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        put_usage(&commands[i], &out);
    vf_buf_puts(&out, "vaultfs SOURCE MOUNTPOINT [-o NAME[=VALUE],...]\n"
                      "  as mount, in the form that mount(8) and fstab use, "
                      "once vaultfs is installed\n"
                      "vaultfs COMMAND --help\n  say more of one command\n"
                      "vaultfs --version\n\n");
    vf_buf_printf(&out, "%s\n%s", about_sources, about_exit);
    return print(&out);
}

static enum vf_exit version(void)
{
    struct vf_buf out = VF_BUF_INIT;

    vf_buf_puts(&out, "vaultfs " VF_VERSION "\n");
    return print(&out);
}

static enum vf_exit usage_error(const char *text)
{
    (void)fprintf(stderr, "vaultfs: %s; see vaultfs --help\n", text);
    return VF_EXIT_LOCAL;
}

static enum vf_exit run(const struct command *command, char *const argv[])
{
    struct vf_options options;
    struct vf_error err = {0};
    enum vf_exit status;

    if (vf_options_parse(command->id, argv, &options, &err) < 0)
        return vf_complain(VF_EXIT_LOCAL, &err);
    if (options.is_help)
        status = help_for(command);
    else if (options.operands_count < command->operands_min)
        status = usage_error("an argument is missing");
    else if (options.operands_count > command->operands_max)
        status = usage_error("too many arguments");
    else
        status = command->run(&options);
    vf_options_done(&options);
    return status;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* mount(8) gives SOURCE MOUNTPOINT -o ..., without a command. */
static bool is_mount_form(char *const argv[])
{
    struct vf_source source;

    if (argv[1] == NULL || argv[1][0] == '-' ||
        vf_source_parse(argv[0], &source, NULL) < 0)
        return false;
    vf_source_done(&source);
    return true;
}

static enum vf_exit dispatch(char *const argv[])
{
    if (argv[0] == NULL)
        return usage_error("a command is missing");
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        return help();
    if (strcmp(argv[0], "--version") == 0)
        return version();
    const struct command *command = find_command(argv[0]);
    if (command != NULL)
        return run(command, argv + 1);
    if (is_mount_form(argv))
        return run(&commands[0], argv);
    return usage_error("neither a command nor a source and a mount point");
}

int main(int argc, char *argv[])
{
    vf_daemon_fill_standard();
    enum vf_exit status = dispatch(argv + (argc > 0));
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("vaultfs: standard output");
        return VF_EXIT_LOCAL;
    }
    return (int)status;
}
