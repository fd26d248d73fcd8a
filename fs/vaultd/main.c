/* SPDX-License-Identifier: MIT */
#include "options.h"
#include "serve.h"
#include "store.h"
#include "token.h"
#include "verify.h"

#include "vaultfs/log.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the commands beside the server take. */
struct command_options {
    const char *data;
    const char *name;
};

static int complain(const struct vf_error *err)
{
    (void)fprintf(stderr, "vaultd: %s\n", err->message);
    return err->code == EINVAL ? 1 : 2;
}

static int parse_command(int argc, char **argv, bool takes_name,
                         struct command_options *ret, struct vf_error *err)
{
    static const struct option known[] = {
        {"data", required_argument, NULL, 'd'},
        {"name", required_argument, NULL, 'n'},
        {0}};
    struct command_options options = {NULL, ""};

    opterr = 0;
    optind = 1;
    for (int found;
         (found = getopt_long(argc, argv, ":", known, NULL)) != -1;) {
        if (found == 'd')
            options.data = optarg;
        else if (found == 'n' && takes_name &&
                 strlen(optarg) <= VF_TOKEN_NAME_MAX &&
                 vf_utf8_is_valid(optarg, strlen(optarg)))
            options.name = optarg;
        else
            return vf_error_set(err, EINVAL, "%s: not understood",
                                argv[optind - 1]);
    }
    if (optind < argc)
        return vf_error_set(err, EINVAL, "%s: not understood", argv[optind]);
    *ret = options;
    return 0;
}

/* The directory given, or the default; freed with free(). */
static int find_data(const char *given, char **ret, struct vf_error *err)
{
    if (given == NULL)
        return vf_options_default_data(ret, err);
    char *copy = strdup(given);
    if (copy == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    *ret = copy;
    return 0;
}

static int open_store(const char *data, bool may_create, struct vf_store **ret,
                      struct vf_error *err)
{
    char *dir;
    int result = find_data(data, &dir, err);

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

static int run_token_create(int argc, char **argv, struct vf_error *err)
{
    struct command_options options;
    struct vf_store *store;
    struct vf_secret *token;
    int result = parse_command(argc, argv, true, &options, err);

    if (result == 0)
        result = open_store(options.data, true, &store, err);
    if (result < 0)
        return result;
    result = vf_token_create(store, options.name, &token, err);
    if (result == 0) {
        result = print_secret(token, err);
        vf_secret_unref(token);
    }
    vf_store_close(store);
    return result;
}

static int run_token(int argc, char **argv, struct vf_error *err)
{
    if (argc < 2 || strcmp(argv[1], "create") != 0)
        return vf_error_set(err, EINVAL,
                            "usage: vaultd token create [--data DIR] [--name "
                            "NAME]");
    return run_token_create(argc - 1, argv + 1, err);
}

static int run_verify(int argc, char **argv, struct vf_error *err)
{
    struct command_options options;
    struct vf_verify_counts counts;
    struct vf_store *store;
    int result = parse_command(argc, argv, false, &options, err);

    if (result == 0)
        result = open_store(options.data, false, &store, err);
    if (result < 0)
        return result;
    result = vf_verify(store, &counts, err);
    (void)printf("vaults %lld\ncredentials %lld\nsecrets %lld\n%s\n",
                 (long long)counts.vaults, (long long)counts.credentials,
                 (long long)counts.secrets, result == 0 ? "ok" : "damaged");
    vf_store_close(store);
    return result;
}

static int run_server(int argc, char **argv, struct vf_error *err)
{
    struct vf_options options;
    char *dir;
    int result = vf_options_parse(argc, argv, &options, err);

    if (result != 0)
        return result > 0 ? 0 : result;
    vf_log_init("vaultd", options.log_format, VF_LOG_INFO);
    result = find_data(options.data, &dir, err);
    if (result < 0)
        return result;
    result = vf_serve(&options, dir, err);
    free(dir);
    return result;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct vf_error *err);
} commands[] = {
    {"token", run_token},
    {"verify", run_verify},
};

int main(int argc, char **argv)
{
    struct vf_error err = {0};
    int (*run)(int, char **, struct vf_error *) = run_server;
    int skip = 0;

    vf_secret_harden_process();
    vf_log_init("vaultd", VF_LOG_TEXT, VF_LOG_INFO);
    (void)umask(077);
    (void)mallopt(M_ARENA_MAX, 4); /* hundreds of threads, few at work */
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (argc > 1 && strcmp(argv[1], commands[i].name) == 0) {
            run = commands[i].run;
            skip = 1;
        }
    return run(argc - skip, argv + skip, &err) < 0 ? complain(&err) : 0;
}
