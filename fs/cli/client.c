/* SPDX-License-Identifier: MIT */
#include "client.h"

#include "options.h"
#include "place.h"

#include "vaultfs/auth.h"
#include "vaultfs/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const qoder_variables[] = {
    "QODER_PERSONAL_ACCESS_TOKEN",
    "QODER_PAT",
    "QODER_ACCESS_TOKEN",
    NULL,
};

static const char *const anthropic_variables[] = {"ANTHROPIC_API_KEY", NULL};

#define QODER_SOCKET "http://localhost/api/v1/cloud"

/* What goes with a dialect, in the order of the option --dialect. */
struct vf_manner {
    const char *dialect;
    const char *const *token_variables;
    const char *const *other_variables;
    const char *socket_url; /* what a socket answers to: a host is only a name
                               there */
};

static const struct vf_manner manners[] = {
    {"auto", qoder_variables, anthropic_variables, QODER_SOCKET},
    {"qoder", qoder_variables, anthropic_variables, QODER_SOCKET},
    {"qoder-flat", qoder_variables, anthropic_variables, QODER_SOCKET},
    {"anthropic", anthropic_variables, qoder_variables, "http://localhost/v1"},
};

/* Some sources are known to speak one dialect, unless told otherwise. */
static const struct vf_manner *find_manner(const struct vf_source *source,
                                           const struct vf_options *options)
{
    const char *known = source->dialect;

    for (size_t i = 0; options->dialect == 0 && known != NULL &&
                       i < sizeof(manners) / sizeof(manners[0]);
         i++)
        if (strcmp(manners[i].dialect, known) == 0)
            return &manners[i];
    return &manners[options->dialect];
}

static int open_auth(struct vf_client *client, const struct vf_options *options,
                     struct vf_error *err)
{
    struct vf_auth_options auth = {
        .token_file = options->token_file,
        .token_env = options->token_env,
        .default_env = client->manner->token_variables,
        .other_env = client->manner->other_variables,
    };

    /* Who names a token of his own means it. */
    if (auth.token_file == NULL && auth.token_env == NULL)
        auth.token_file = client->local.token_file;
    return vf_auth_new(&auth, &client->auth, err);
}

static int open_http(struct vf_client *client, const struct vf_options *options,
                     struct vf_error *err)
{
    const char *socket = client->local.socket != NULL
                             ? client->local.socket
                             : client->source->unix_socket;
    const struct vf_http_options http = {
        .base_url = socket != NULL ? client->manner->socket_url
                                   : client->source->base_url,
        .unix_socket = socket,
        .cacert = options->cacert,
        .concurrency = (unsigned)options->concurrency,
    };

    return vf_http_new(&http, &client->http, err);
}

/* Sockets have one URL, and are told apart by what the user calls them. */
static int open_api(struct vf_client *client, struct vf_error *err)
{
    const struct vf_source *source = client->source;
    bool is_socket =
        client->local.socket != NULL || source->unix_socket != NULL;
    char *state = vf_place_find("XDG_STATE_HOME", ".local/state");
    const struct vf_api_options api = {
        .dialect = client->manner->dialect,
        .state_directory = state,
        .base_url = is_socket ? source->name : source->base_url,
    };
    int result = state == NULL ? vf_error_set(err, ENOMEM, "no memory")
                               : vf_api_new(&api, client->http, client->auth,
                                            &client->api, err);

    free(state);
    return result;
}

static enum vf_exit open_parts(struct vf_client *client,
                               const struct vf_options *options,
                               struct vf_error *err)
{
    const char *local_name = client->source->local_name;

    if (local_name != NULL &&
        vf_local_open(local_name, &client->local, err) < 0)
        return VF_EXIT_LOCAL;
    if (open_auth(client, options, err) < 0)
        return VF_EXIT_SERVICE;
    if (open_http(client, options, err) < 0)
        return VF_EXIT_LOCAL;
    if (open_api(client, err) < 0)
        return VF_EXIT_LOCAL;
    return VF_EXIT_DONE;
}

enum vf_exit vf_client_open(const struct vf_source *source,
                            const struct vf_options *options,
                            struct vf_client *ret, struct vf_error *err)
{
    struct vf_client client = {.source = source,
                               .manner = find_manner(source, options),
                               .local.use_fd = -1};
    enum vf_exit status = open_parts(&client, options, err);

    if (status == VF_EXIT_DONE)
        *ret = client;
    else
        vf_client_close(&client);
    return status;
}

void vf_client_shutdown(struct vf_client *client)
{
    vf_api_shutdown(client->api);
    vf_http_shutdown(client->http);
}

void vf_client_close(struct vf_client *client)
{
    vf_api_free(client->api);
    vf_http_free(client->http);
    vf_auth_free(client->auth);
    vf_local_close(&client->local);
}
