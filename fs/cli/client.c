/* SPDX-License-Identifier: MIT */
#include "client.h"

#include "options.h"

#include "vaultfs/auth.h"
#include "vaultfs/http.h"

static const char *const token_variables[] = {
    "QODER_PERSONAL_ACCESS_TOKEN",
    "QODER_PAT",
    "QODER_ACCESS_TOKEN",
    NULL,
};

/* The places are those of the option --dialect; "auto" has one to choose. */
static const char *const dialects[] = {"qoder", "qoder"};

static int open_auth(struct vf_client *client, const struct vf_options *options,
                     struct vf_error *err)
{
    struct vf_auth_options auth = {
        .token_file = options->token_file,
        .token_env = options->token_env,
        .default_env = token_variables,
    };

    /* Who names a token of his own means it. */
    if (auth.token_file == NULL && auth.token_env == NULL)
        auth.token_file = client->local.token_file;
    return vf_auth_new(&auth, &client->auth, err);
}

static int open_http(struct vf_client *client, const struct vf_options *options,
                     struct vf_error *err)
{
    const struct vf_source *source = client->source;
    const struct vf_http_options http = {
        .base_url = source->base_url,
        .unix_socket = client->local.socket != NULL ? client->local.socket
                                                    : source->unix_socket,
        .cacert = options->cacert,
        .concurrency = (unsigned)options->concurrency,
    };

    return vf_http_new(&http, &client->http, err);
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
    if (vf_api_new(dialects[options->dialect], client->http, client->auth,
                   &client->api, err) < 0)
        return VF_EXIT_LOCAL;
    return VF_EXIT_DONE;
}

enum vf_exit vf_client_open(const struct vf_source *source,
                            const struct vf_options *options,
                            struct vf_client *ret, struct vf_error *err)
{
    struct vf_client client = {.source = source, .local.use_fd = -1};
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
