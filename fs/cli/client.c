/* SPDX-License-Identifier: MIT */
#include "client.h"

#include "options.h"
#include "place.h"

#include "vaultfs/auth.h"
#include "vaultfs/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD(name, word) [VF_DIALECT_##name] = (word),
static const char *const dialects[] = {VF_DIALECTS(WORD)};
#undef WORD

#define DIALECTS (sizeof(dialects) / sizeof(dialects[0]))

/* NULL: it was left to us. */
static const char *told_dialect(const struct vf_options *options)
{
    return options->dialect != VF_DIALECT_AUTO ? dialects[options->dialect]
                                               : NULL;
}

/* Some sources are known to speak one dialect, unless told otherwise. */
static void settle_dialect(struct vf_client *client,
                           const struct vf_options *options)
{
    const char *known = client->source->local_name != NULL
                            ? client->local.dialect
                            : client->source->dialect;
    unsigned choice = options->dialect;

    for (unsigned i = 0;
         choice == VF_DIALECT_AUTO && known != NULL && i < DIALECTS; i++)
        if (strcmp(dialects[i], known) == 0)
            choice = i;
    client->dialect = dialects[choice];
    client->manner = vf_access_manner(choice);
}

const char *vf_client_socket(const struct vf_client *client)
{
    return client->local.socket != NULL ? client->local.socket
                                        : client->source->unix_socket;
}

const char *vf_client_service(const struct vf_client *client)
{
    const char *socket = vf_client_socket(client);

    return socket != NULL ? socket : client->source->base_url;
}

static int open_http(struct vf_client *client, const struct vf_options *options,
                     struct vf_error *err)
{
    const char *socket = vf_client_socket(client);
    const struct vf_http_options http = {
        .base_url = socket != NULL ? client->manner->socket_url
                                   : client->source->base_url,
        .unix_socket = socket,
        .cacert = options->cacert,
        .concurrency = (unsigned)options->concurrency,
    };

    return vf_http_new(&http, &client->http, err);
}

static int open_api(struct vf_client *client, struct vf_error *err)
{
    char *state = vf_place_find("XDG_STATE_HOME", ".local/state");
    const struct vf_api_options api = {
        .dialect = client->dialect,
        .state_directory = state,
        .base_url = vf_client_service(client),
    };
    int result = state == NULL ? vf_error_set(err, ENOMEM, "no memory")
                               : vf_api_new(&api, client->http, client->auth,
                                            &client->api, err);

    free(state);
    return result;
}

void vf_client_init(struct vf_client *client, const struct vf_source *source)
{
    *client = (struct vf_client){.source = source, .local.use_fd = -1};
}

/* The token after the engine: what a mistyped URL makes impossible needs no
 * token, and who is asked for one is asked for nothing in vain. */
enum vf_exit vf_client_open(struct vf_client *client,
                            const struct vf_options *options,
                            const struct vf_access_user *user,
                            struct vf_error *err)
{
    const char *local_name = client->source->local_name;

    if (local_name != NULL && vf_local_open(local_name, told_dialect(options),
                                            &client->local, err) < 0)
        return VF_EXIT_LOCAL;
    settle_dialect(client, options);
    if (open_http(client, options, err) < 0)
        return VF_EXIT_LOCAL;
    if (vf_access_open(client, options, user, &client->auth, err) < 0)
        return VF_EXIT_SERVICE;
    if (open_api(client, err) < 0)
        return VF_EXIT_LOCAL;
    return VF_EXIT_DONE;
}

void vf_client_shutdown(struct vf_client *client)
{
    vf_api_shutdown(client->api);
    vf_auth_shutdown(client->auth);
    vf_http_shutdown(client->http);
}

void vf_client_close(struct vf_client *client)
{
    vf_api_free(client->api);
    vf_auth_free(client->auth);
    vf_http_free(client->http);
    vf_local_close(&client->local);
}
