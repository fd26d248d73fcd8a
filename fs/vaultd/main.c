/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "options.h"
#include "serve.h"

#include "vaultfs/log.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int complain(const struct vf_error *err)
{
    (void)fprintf(stderr, "vaultd: %s\n", err->message);
    return err->code == EINVAL ? 1 : 2;
}

static int run_server(int argc, char **argv, struct vf_error *err)
{
    struct vf_options options;
    char *dir;
    int result = vf_options_parse(argc, argv, &options, err);

    if (result != 0)
        return result > 0 ? 0 : result;
    vf_log_init("vaultd", options.log_format, VF_LOG_INFO);
    result = vf_options_find_data(options.data, &dir, err);
    if (result < 0)
        return result;
    result = vf_serve(&options, dir, err);
    free(dir);
    return result;
}

int main(int argc, char **argv)
{
    struct vf_error err = {0};
    int result;

    vf_secret_harden_process();
    vf_log_init("vaultd", VF_LOG_TEXT, VF_LOG_INFO);
    (void)umask(077);
    (void)mallopt(M_ARENA_MAX, 4); /* hundreds of threads, few at work */
    if (argc > 1 && vf_command_exists(argv[1]))
        result = vf_command_run(argc - 1, argv + 1, &err);
    else
        result = run_server(argc, argv, &err);
    return result < 0 ? complain(&err) : 0;
}
