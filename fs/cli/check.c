/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "client.h"
#include "options.h"

#include "vaultfs/auth.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

#include <stdbool.h>
#include <stdio.h>

static void say_where(const struct vf_client *client)
{
    bool is_socket = vf_client_socket(client) != NULL;

    (void)printf("service: %s%s\n", is_socket ? "unix:" : "",
                 vf_client_service(client));
    (void)printf("token:   %s\n", vf_auth_source(client->auth));
    (void)fflush(stdout); /* before what standard error has to say */
}

/* One list request: the least that needs the service and the token. */
static int ask(const struct vf_client *client, int64_t timeout_ms,
               struct vf_error *err)
{
    struct vf_service service = vf_api_service(client->api);
    struct vf_page page;
    int result = service.ops->list_vaults(service.self, VF_LIST_ACTIVE, NULL,
                                          vf_clock_monotonic_ms() + timeout_ms,
                                          &page, err);

    if (result == 0)
        vf_page_done(&page);
    return result;
}

static enum vf_exit check(const struct vf_source *source,
                          const struct vf_options *options)
{
    struct vf_client client;
    struct vf_error err = {0};
    enum vf_exit status = vf_client_open(source, options, &client, &err);

    if (status != VF_EXIT_DONE)
        return vf_complain(status, &err);
    say_where(&client);
    if (ask(&client, options->timeout_ms, &err) < 0)
        status = vf_complain(VF_EXIT_SERVICE, &err);
    else
        (void)printf("access:  accepted\n");
    vf_client_shutdown(&client);
    vf_client_close(&client);
    return status;
}

enum vf_exit vf_command_check(const struct vf_options *options)
{
    struct vf_source source;
    struct vf_error err = {0};

    vf_secret_harden_process();
    if (vf_source_parse(options->operands_count > 0 ? options->operands[0]
                                                    : NULL,
                        &source, &err) < 0)
        return vf_complain(VF_EXIT_LOCAL, &err);
    enum vf_exit status = check(&source, options);
    vf_source_done(&source);
    return status;
}
