/* SPDX-License-Identifier: MIT */
#include "access.h"

#include "client.h"
#include "options.h"

#include "vaultfs/auth.h"
#include "vaultfs/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* No source, but as much of a secret, to anybody who may look at us. */
#define KEY_VARIABLE "QODER_SERVICE_ACCOUNT_KEY"

#define QODER_VARIABLES                                                        \
    "QODER_PERSONAL_ACCESS_TOKEN", "QODER_PAT", "QODER_ACCESS_TOKEN"
#define ANTHROPIC_VARIABLES "ANTHROPIC_API_KEY"

static const char *const qoder_variables[] = {QODER_VARIABLES, NULL};
static const char *const anthropic_variables[] = {ANTHROPIC_VARIABLES, NULL};
static const char *const not_qoder_variables[] = {ANTHROPIC_VARIABLES,
                                                  KEY_VARIABLE, NULL};
static const char *const not_anthropic_variables[] = {QODER_VARIABLES,
                                                      KEY_VARIABLE, NULL};

static const struct vf_manner of_qoder = {qoder_variables, not_qoder_variables,
                                          "http://localhost/api/v1/cloud",
                                          .has_exchange = true};
static const struct vf_manner of_anthropic = {
    anthropic_variables, not_anthropic_variables, "http://localhost/v1"};

const struct vf_manner *vf_access_manner(unsigned dialect)
{
    return dialect == VF_DIALECT_ANTHROPIC ? &of_anthropic : &of_qoder;
}

static int refuse_login(struct vf_error *err)
{
    int result = vf_error_set(
        err, ENOKEY,
        "the API of the vaults does not take the login of qodercli, which is "
        "kept below ~/.qoder/.auth: make a personal access token for your "
        "account, and give it with --token-file FILE, --token-command COMMAND "
        "or the variable QODER_PERSONAL_ACCESS_TOKEN");

    if (err != NULL)
        vf_error_copy(err->type, sizeof(err->type),
                      "cloud_agent_auth_requires_access_token");
    return result;
}

int vf_access_descriptor(const struct vf_options *options)
{
    /* The file wins; the descriptor is then not for us to hold open. */
    return options->token_file == NULL ? (int)options->token_fd : -1;
}

int vf_access_check(const struct vf_options *options, struct vf_error *err)
{
    int fd = vf_access_descriptor(options);

    if (options->login == VF_LOGIN_QODERCLI)
        return refuse_login(err);
    if (fd >= 0 && fcntl(fd, F_GETFD) < 0)
        return vf_error_set(err, EBADF,
                            "--token-fd %d: no such descriptor was given to "
                            "vaultfs",
                            fd);
    return 0;
}

/* Services whose documentation names another place for it. */
static const struct {
    const char *origin;
    const char *exchange;
} exchanges[] = {
    {"https://api.qoder.com", "https://openapi.qoder.sh"},
};

/* "https://h:8" of "https://h:8/p". NULL: no memory. */
static char *origin_of(const char *url)
{
    const char *host = strstr(url, "://");
    size_t size = host != NULL ? (size_t)(host + 3 - url) : 0;

    return strndup(url, size + strcspn(url + size, "/"));
}

static char *find_exchange(const char *base_url)
{
    char *origin = origin_of(base_url);

    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++)
        if (origin != NULL && strcmp(origin, exchanges[i].origin) == 0) {
            free(origin);
            return strdup(exchanges[i].exchange);
        }
    return origin;
}

int vf_access_exchange(const struct vf_client *client,
                       const struct vf_options *options,
                       struct vf_http_options *ret, char **ret_url)
{
    bool is_told = options->exchange_url != NULL;
    const char *socket = is_told ? NULL : vf_client_socket(client);
    const char *service =
        socket != NULL ? client->manner->socket_url : client->source->base_url;
    char *url =
        is_told ? strdup(options->exchange_url) : find_exchange(service);

    if (url == NULL)
        return -ENOMEM;
    *ret = (struct vf_http_options){
        .base_url = url,
        .unix_socket = socket,
        .cacert = options->cacert,
    };
    *ret_url = url;
    return 0;
}

/* Who names a source means it. */
static bool is_source_named(const struct vf_options *options)
{
    return options->token_file != NULL || options->token_fd >= 0 ||
           options->token_command != NULL || options->key_file != NULL ||
           options->token_env != NULL || options->env_file != NULL;
}

int vf_access_open(const struct vf_client *client,
                   const struct vf_options *options,
                   const struct vf_access_user *user, struct vf_auth **ret,
                   struct vf_error *err)
{
    const struct vf_manner *manner = client->manner;
    struct vf_http_options exchange;
    char *exchange_url;

    if (options->key_file != NULL && !manner->has_exchange)
        return vf_error_set(err, EINVAL,
                            "--service-account-key-file: only Qoder's services "
                            "exchange keys, and this one speaks %s: give its "
                            "API key by --token-file, --token-command or %s",
                            client->dialect, manner->token_variables[0]);
    if (vf_access_exchange(client, options, &exchange, &exchange_url) < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    const struct vf_auth_options auth = {
        .token_file = is_source_named(options) ? options->token_file
                                               : client->local.token_file,
        .token_fd = vf_access_descriptor(options),
        .token_command = options->token_command,
        .key_file = options->key_file,
        .token_env = options->token_env,
        .default_env = manner->token_variables,
        .other_env = manner->other_variables,
        .env_file = options->env_file,
        .exchange = manner->has_exchange ? &exchange : NULL,
        .command_ms = options->token_command_ms,
        .on_expired = options->on_auth_expired,
        .mountpoint = user->mountpoint,
        .source = client->source->name,
        .sink = user->sink,
        .sink_context = user->sink_context,
        .found = user->found,
        .found_context = user->found_context,
    };
    int result = vf_auth_new(&auth, ret, err);
    free(exchange_url);
    return result;
}
