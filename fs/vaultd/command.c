/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "expiry.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { DATA = 1, NAME = 2, EXPIRES = 4, SCOPE = 8, JSON = 16 };

static const struct command {
    const char *group;
    const char *verb; /* NULL: the group is the command */
    enum vf_token_kind kind;
    unsigned options;     /* or-ed */
    const char *operands; /* NULL: none; else at least one */
    vf_command *run;
    const char *help;
} commands[] = {
    {"token", "create", VF_TOKEN_PERSONAL, DATA | NAME | EXPIRES | SCOPE, NULL,
     vf_command_create,
     "print a new access token, once; its id goes to standard error"},
    {"token", "list", VF_TOKEN_PERSONAL, DATA | JSON, NULL, vf_command_list,
     "show what is known of each token, oldest first; no token itself"},
    {"token", "revoke", VF_TOKEN_PERSONAL, DATA, "ID|NAME...",
     vf_command_revoke,
     "refuse tokens from now on, by id or by the name of an active one"},
    {"key", "create", VF_TOKEN_KEY, DATA | NAME | EXPIRES | SCOPE, NULL,
     vf_command_create,
     "print a new service-account key, once: for programs, which exchange it"},
    {"key", "list", VF_TOKEN_KEY, DATA | JSON, NULL, vf_command_list,
     "show what is known of each key, oldest first; no key itself"},
    {"key", "revoke", VF_TOKEN_KEY, DATA, "ID|NAME...", vf_command_revoke,
     "refuse keys from now on, and the tokens that they were exchanged for"},
    {"verify", NULL, VF_TOKEN_PERSONAL, DATA, NULL, vf_command_verify,
     "open every sealed secret, and count"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int set_data(struct vf_command_settings *settings, const char *value,
                    struct vf_error *err)
{
    settings->data = value;
    return value[0] != '\0' ? 0 : vf_error_set(err, EINVAL, "is empty");
}

/* For people to see and to type. */
static int set_name(struct vf_command_settings *settings, const char *value,
                    struct vf_error *err)
{
    size_t size = strlen(value), count = 0;
    uint32_t code = 0;

    if (vf_token_is_one(value))
        return vf_error_set(err, EINVAL,
                            "this is a token, which no list shows: give it a "
                            "name for people");
    for (size_t at = 0, step; at < size; at += step, count++) {
        step = vf_utf8_decode(value + at, size - at, &code);
        if (step == 0 || vf_utf8_is_deceptive(code))
            return vf_error_set(err, EINVAL,
                                "must be UTF-8 without control characters");
    }
    if (count > VF_TOKEN_NAME_MAX)
        return vf_error_set(err, EINVAL, "at most %d characters",
                            VF_TOKEN_NAME_MAX);
    settings->name = value;
    return 0;
}

static int set_expires(struct vf_command_settings *settings, const char *value,
                       struct vf_error *err)
{
    return vf_expiry_parse(value, vf_now_us(), &settings->expires_us, err);
}

static int set_scope(struct vf_command_settings *settings, const char *value,
                     struct vf_error *err)
{
    return vf_scopes_add(value, &settings->scopes, err);
}

static int set_json(struct vf_command_settings *settings, const char *value,
                    struct vf_error *err)
{
    settings->is_json = true;
    return 0;
}

static const struct {
    const char *name;
    const char *argument; /* NULL: none */
    unsigned bit;
    int (*set)(struct vf_command_settings *settings, const char *value,
               struct vf_error *err);
    const char *help;
} options[] = {
    {"data", "DIR", DATA, set_data,
     "where vaults, key and tokens are (~/.local/share/vaultfs/local/default)"},
    {"name", "NAME", NAME, set_name, "what it is for; shown in the list"},
    {"expires", "WHEN", EXPIRES, set_expires,
     "end after 90s, 15m, 12h, 30d or 8w, or at 2030-01-31T12:00:00Z (never)"},
    {"scope", "SCOPE", SCOPE, set_scope,
     "vaults:read, or vaults:write, which implies it; may be given again "
     "(both)"},
    {"json", NULL, JSON, set_json, "print a JSON array"},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

bool vf_command_exists(const char *word)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].group, word) == 0)
            return true;
    return false;
}

static void print_synopsis(const struct command *command)
{
    (void)printf("vaultd %s", command->group);
    if (command->verb != NULL)
        (void)printf(" %s", command->verb);
    for (size_t i = 0; i < OPTIONS; i++)
        if ((command->options & options[i].bit) != 0)
            (void)printf(" [--%s%s%s]%s", options[i].name,
                         options[i].argument != NULL ? " " : "",
                         options[i].argument != NULL ? options[i].argument : "",
                         options[i].bit == SCOPE ? "..." : "");
    if (command->operands != NULL)
        (void)printf(" %s", command->operands);
    (void)puts("");
}

void vf_command_print_usage(void)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        (void)printf("       ");
        print_synopsis(&commands[i]);
    }
}

/* Of a word's commands, or of one of them. */
static void print_help(const char *group, const char *verb)
{
    unsigned used = 0;

    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->group, group) != 0 ||
            (verb != NULL && strcmp(command->verb, verb) != 0))
            continue;
        (void)printf(used == 0 ? "Usage: " : "       ");
        print_synopsis(command);
        (void)printf("         %s\n", command->help);
        used |= command->options;
    }
    (void)puts("");
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[32];

        if ((used & options[i].bit) == 0)
            continue;
        (void)snprintf(left, sizeof(left), "--%s %s", options[i].name,
                       options[i].argument != NULL ? options[i].argument : "");
        (void)printf("  %-15s %s\n", left, options[i].help);
    }
    (void)printf("  %-15s %s\n", "--help", "show this");
}

/* NULL when the words name none. */
static const struct command *find(const char *group, const char *verb)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->group, group) == 0 &&
            (command->verb == NULL ||
             (verb != NULL && strcmp(command->verb, verb) == 0)))
            return command;
    }
    return NULL;
}

static int set_option(size_t option, struct vf_command_settings *settings,
                      struct vf_error *err)
{
    struct vf_error why;
    int result = options[option].set(settings, optarg, &why);

    return result < 0 ? vf_error_set(err, why.code, "--%s: %s",
                                     options[option].name, why.message)
                      : 0;
}

/* 1 when help is wanted. */
static int parse(int argc, char **argv, const struct command *command,
                 struct vf_command_settings *settings, struct vf_error *err)
{
    struct option known[OPTIONS + 2] = {{"help", no_argument, NULL, OPTIONS}};
    size_t count = 1;

    for (size_t i = 0; i < OPTIONS; i++)
        if ((command->options & options[i].bit) != 0)
            known[count++] = (struct option){
                options[i].name,
                options[i].argument != NULL ? required_argument : no_argument,
                NULL, (int)i};
    opterr = 0;
    optind = 1;
    for (int found;
         (found = getopt_long(argc, argv, ":", known, NULL)) != -1;) {
        if (found == (int)OPTIONS)
            return 1;
        if (found == '?' || found == ':')
            return vf_error_set(err, EINVAL, "%s: %s", argv[optind - 1],
                                found == ':' ? "a value is missing"
                                             : "no such option here");
        int result = set_option((size_t)found, settings, err);
        if (result < 0)
            return result;
    }
    settings->operands = (const char *const *)&argv[optind];
    settings->operands_count = (size_t)(argc - optind);
    return 0;
}

static int check_operands(const struct command *command,
                          const struct vf_command_settings *settings,
                          struct vf_error *err)
{
    if (command->operands == NULL && settings->operands_count > 0)
        return vf_error_set(err, EINVAL, "takes no arguments; see --help");
    if (command->operands != NULL && settings->operands_count == 0)
        return vf_error_set(err, EINVAL, "%s %s takes %s; see --help",
                            command->group, command->verb, command->operands);
    return 0;
}

int vf_command_run(int argc, char **argv, struct vf_error *err)
{
    const char *verb = argc > 1 ? argv[1] : NULL;
    const struct command *command = find(argv[0], verb);
    struct vf_command_settings settings = {.name = ""};

    if (command == NULL && verb != NULL && strcmp(verb, "--help") == 0) {
        print_help(argv[0], NULL);
        return 0;
    }
    if (command == NULL)
        return vf_error_set(err, EINVAL,
                            "%s takes create, list or revoke; see vaultd %s "
                            "--help",
                            argv[0], argv[0]);
    settings.kind = command->kind;
    int skip = command->verb != NULL ? 1 : 0;
    int result = parse(argc - skip, argv + skip, command, &settings, err);
    if (result > 0) {
        print_help(command->group, command->verb);
        return 0;
    }
    if (result == 0)
        result = check_operands(command, &settings, err);
    return result < 0 ? result : command->run(&settings, err);
}
