/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How an option is read. A choice between two words sets whether it is the
 * second; a status is one of the two that its argument names. */
enum kind {
    FLAG,
    PATH,
    LISTEN,
    DESCRIPTOR,
    NUMBER,
    STATUS,
    CHOICE,
    DIALECT,
    HELP,
    VERSION
};

/* Where it goes in struct vf_options. */
#define AT(field) offsetof(struct vf_options, field)

static const struct {
    const char *name;
    enum kind kind;
    size_t at;
    const char *words[2];
    const char *argument;
    const char *help;
} table[] = {
    {"dialect",
     DIALECT,
     AT(dialect),
     {0},
     "qoder|qoder-flat|anthropic",
     "which form of the API to speak (qoder)"},
    {"data",
     PATH,
     AT(data),
     {0},
     "DIR",
     "where vaults, key and tokens are (~/.local/share/vaultfs/local/default)"},
    {"listen",
     LISTEN,
     0,
     {0},
     "unix:PATH|ADDR:PORT",
     "where to listen; may be given again (unix:DIR/socket)"},
    {"listen-anywhere",
     FLAG,
     AT(listen_anywhere),
     {0},
     NULL,
     "allow addresses that are not loopback; put TLS in front"},
    {"until-unused",
     PATH,
     AT(until_unused),
     {0},
     "LOCKFILE",
     "end once nobody holds a lock on this file any more"},
    {"ready-fd",
     DESCRIPTOR,
     AT(ready_fd),
     {0},
     "N",
     "write a byte to this descriptor once every listener accepts"},
    {"log-format",
     CHOICE,
     AT(log_format),
     {"text", "json"},
     "text|json",
     "form of the log on standard error (text)"},
    {"log-requests",
     FLAG,
     AT(log_requests),
     {0},
     NULL,
     "log a line a request: method, path, status, ids"},
    {"create-status",
     STATUS,
     AT(rules.create_status),
     {0},
     "200|201",
     "answer to a new credential (200; qoder-flat 201)"},
    {"duplicate",
     CHOICE,
     AT(rules.may_duplicate),
     {"conflict", "allow"},
     "conflict|allow",
     "second active credential for one URL (conflict)"},
    {"max-credentials",
     NUMBER,
     AT(rules.credentials_max),
     {0},
     "N",
     "active credentials in a vault (0: no limit; anthropic 20)"},
    {"archive-again",
     CHOICE,
     AT(rules.may_archive_again),
     {"conflict", "ok"},
     "conflict|ok",
     "archiving what is archived (conflict)"},
    {"add-to-archived",
     CHOICE,
     AT(rules.may_change_archived),
     {"refuse", "allow"},
     "refuse|allow",
     "adding and changing credentials in an archived vault (refuse)"},
    {"order",
     CHOICE,
     AT(rules.is_oldest_first),
     {"newest", "oldest"},
     "newest|oldest",
     "what comes first in a list (newest)"},
    {"first-credential",
     CHOICE,
     AT(rules.needs_first_credential),
     {"optional", "required"},
     "optional|required",
     "a new vault without credentials (qoder-flat; optional)"},
    {"no-update",
     STATUS,
     AT(rules.no_update),
     {0},
     "404|405",
     "refuse the update of a credential, as older servers do"},
    {"echo-body",
     FLAG,
     AT(rules.echoes_bodies),
     {0},
     NULL,
     "FAULTY, for tests of clients: errors quote the request, secrets and all"},
    {"leak-secrets",
     FLAG,
     AT(rules.leaks_secrets),
     {0},
     NULL,
     "FAULTY, for tests of clients: replies contain the secrets"},
    {"help", HELP, 0, {0}, NULL, "show this"},
    {"version", VERSION, 0, {0}, NULL, "show the version"},
};

#define OPTIONS (sizeof(table) / sizeof(table[0]))

void vf_options_print_usage(void)
{
    (void)puts("Usage: vaultd [options]");
    vf_command_print_usage();
    (void)puts("\nServe the vault API from a local, sealed store. The commands "
               "work beside a server\ntoo; `vaultd token --help` says more of "
               "them.\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[64];

        (void)snprintf(left, sizeof(left), "--%s %s", table[i].name,
                       table[i].argument != NULL ? table[i].argument : "");
        (void)printf("  %-37s %s\n", left, table[i].help);
    }
}

static int bad(struct vf_error *err, size_t option)
{
    return vf_error_set(err, EINVAL, "--%s takes %s", table[option].name,
                        table[option].argument);
}

static int parse_number(const char *text, long max, long *ret)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' ||
        value > max)
        return -EINVAL;
    *ret = value;
    return 0;
}

static int set_choice(size_t option, const char *value, void *field)
{
    for (int i = 0; i < 2; i++) {
        if (strcmp(table[option].words[i], value) != 0)
            continue;
        if (table[option].at == AT(log_format))
            *(enum vf_log_format *)field = i == 1 ? VF_LOG_JSON : VF_LOG_TEXT;
        else
            *(bool *)field = i == 1;
        return 0;
    }
    return -EINVAL;
}

static int set_listen(struct vf_options *options, const char *value)
{
    if (options->listen_count == VF_LISTEN_MAX)
        return -EINVAL;
    options->listen[options->listen_count++] = value;
    return 0;
}

static int set_number(size_t option, const char *value, void *field)
{
    long number;

    if (parse_number(value, INT_MAX, &number) < 0)
        return -EINVAL;
    switch (table[option].kind) {
    case STATUS:
        if (strlen(value) != 3 || strstr(table[option].argument, value) == NULL)
            return -EINVAL;
        *(int *)field = (int)number;
        return 0;
    case DESCRIPTOR:
        if (fcntl((int)number, F_GETFD) < 0)
            return -EINVAL;
        *(int *)field = (int)number;
        return 0;
    default:
        *(int64_t *)field = number;
        return 0;
    }
}

static int set(struct vf_options *options, size_t option, const char *value)
{
    void *field = (char *)options + table[option].at;

    switch (table[option].kind) {
    case FLAG:
        *(bool *)field = true;
        return 0;
    case PATH:
        *(const char **)field = value;
        return value[0] != '\0' ? 0 : -EINVAL;
    case LISTEN:
        return set_listen(options, value);
    case CHOICE:
        return set_choice(option, value, field);
    case DIALECT:
        options->dialect = vf_dialect_find(value);
        return options->dialect != NULL ? 0 : -EINVAL;
    case HELP:
        vf_options_print_usage();
        return 1;
    case VERSION:
        (void)puts("vaultd " VF_VERSION);
        return 1;
    case DESCRIPTOR:
    case NUMBER:
    case STATUS:
        break;
    }
    return set_number(option, value, field);
}

static int parse(int argc, char **argv, struct vf_options *options,
                 struct vf_error *err)
{
    struct option known[OPTIONS + 1] = {{0}};
    int at;

    for (size_t i = 0; i < OPTIONS; i++)
        known[i] = (struct option){table[i].name,
                                   table[i].argument != NULL ? required_argument
                                                             : no_argument,
                                   NULL, 0};
    opterr = 0;
    optind = 1;
    for (int found; (found = getopt_long(argc, argv, ":", known, &at)) != -1;) {
        if (found != 0)
            return vf_error_set(err, EINVAL, "%s: %s", argv[optind - 1],
                                found == ':' ? "a value is missing"
                                             : "no such option");
        int result = set(options, (size_t)at, optarg);
        if (result != 0)
            return result < 0 ? bad(err, (size_t)at) : result;
    }
    if (optind < argc)
        return vf_error_set(err, EINVAL, "%s: no such command", argv[optind]);
    return 0;
}

static int check(const struct vf_options *options, struct vf_error *err)
{
    const struct vf_rules *rules = &options->rules;

    if ((rules->echoes_bodies || rules->leaks_secrets) &&
        options->listen_anywhere)
        return vf_error_set(err, EINVAL,
                            "--echo-body and --leak-secrets give secrets away: "
                            "not with --listen-anywhere");
    if (rules->needs_first_credential && !options->dialect->takes_credentials)
        return vf_error_set(err, EINVAL,
                            "--first-credential required: a new vault of this "
                            "dialect takes no credentials");
    return 0;
}

/* Twice, because the others begin with what the dialect says, wherever it
 * stands. */
int vf_options_parse(int argc, char **argv, struct vf_options *ret,
                     struct vf_error *err)
{
    struct vf_options options = {.dialect = vf_dialects[0]};
    int result = 0;

    for (int pass = 0; result == 0 && pass < 2; pass++) {
        options = (struct vf_options){.ready_fd = -1,
                                      .dialect = options.dialect,
                                      .rules = options.dialect->rules};
        result = parse(argc, argv, &options, err);
    }
    if (result == 0)
        result = check(&options, err);
    if (result == 0)
        *ret = options;
    return result;
}

int vf_options_find_data(const char *given, char **ret, struct vf_error *err)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int size;

    if (given != NULL)
        size = asprintf(&path, "%s", given);
    else if (data != NULL && data[0] == '/')
        size = asprintf(&path, "%s/vaultfs/local/default", data);
    else if (home != NULL && home[0] == '/')
        size = asprintf(&path, "%s/.local/share/vaultfs/local/default", home);
    else
        return vf_error_set(err, ENOENT,
                            "neither XDG_DATA_HOME nor HOME is set: say where "
                            "with --data");
    if (size < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    *ret = path;
    return 0;
}
