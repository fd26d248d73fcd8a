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

/* What goes with a dialect. */
struct vf_manner {
    const char *const *token_variables;
    const char *const *other_variables;
    const char *socket_url; /* what a socket answers to: a host is only a name
                               there */
};

static const struct vf_manner of_qoder = {qoder_variables, anthropic_variables,
                                          "http://localhost/api/v1/cloud"};
static const struct vf_manner of_anthropic = {
    anthropic_variables, qoder_variables, "http://localhost/v1"};

static const struct vf_manner *const manners[] = {
    [VF_DIALECT_AUTO] = &of_qoder,
    [VF_DIALECT_QODER] = &of_qoder,
    [VF_DIALECT_FLAT] = &of_qoder,
    [VF_DIALECT_ANTHROPIC] = &of_anthropic,
};

#define WORD(name, word) [VF_DIALECT_##name] = (word),
static const char *const dialects[] = {VF_DIALECTS(WORD)};
#undef WORD

#define DIALECTS (sizeof(dialects) / sizeof(dialects[0]))
_Static_assert(sizeof(manners) / sizeof(manners[0]) == DIALECTS,
               "each dialect has its manner");

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
    size_t choice = options->dialect;

    for (size_t i = 0;
         choice == VF_DIALECT_AUTO && known != NULL && i < DIALECTS; i++)
        if (strcmp(dialects[i], known) == 0)
            choice = i;
    client->dialect = dialects[choice];
    client->manner = manners[choice];
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

static enum vf_exit open_parts(struct vf_client *client,
                               const struct vf_options *options,
                               struct vf_error *err)
{
    const char *local_name = client->source->local_name;

    if (local_name != NULL && vf_local_open(local_name, told_dialect(options),
                                            &client->local, err) < 0)
        return VF_EXIT_LOCAL;
    settle_dialect(client, options);
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
