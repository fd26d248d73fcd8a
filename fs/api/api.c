/* SPDX-License-Identifier: MIT */
#include "vaultfs/api.h"

#include "call.h"
#include "names.h"
#include "service.h"
#include "vaultfs/auth.h"
#include "vaultfs/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static void traits(void *service, struct vf_service_traits *ret)
{
    struct vf_api *api = service;
    const struct vf_dialect *dialect = atomic_load(&api->dialect);

    *ret = (struct vf_service_traits){
        .dialect = dialect->name,
        .has_keys = dialect->idempotency_header != NULL,
        .can_update_vault = dialect->write_vault_update != NULL,
        .can_update_credential = dialect->write_update != NULL,
        .takes_credentials_with_vault = dialect->takes_credentials_with_vault,
        .credentials_max = dialect->credentials_max,
    };
}

static void refresh(void *service)
{
    const struct vf_api *api = service;

    vf_auth_look_again(api->auth);
}

static unsigned turns(void *service)
{
    const struct vf_api *api = service;

    return vf_http_turns(api->http);
}

static const struct vf_service_ops api_ops = {
    .traits = traits,
    .refresh = refresh,
    .turns = turns,
    .list_vaults = vf_service_list_vaults,
    .list_credentials = vf_service_list_credentials,
    .create_vault = vf_service_create_vault,
    .update_vault = vf_service_update_vault,
    .archive_vault = vf_service_archive_vault,
    .delete_vault = vf_service_delete_vault,
    .create_credential = vf_service_create_credential,
    .get_credential = vf_service_get_credential,
    .update_credential = vf_service_update_credential,
    .rename_credential = vf_service_rename_credential,
    .delete_credential = vf_service_delete_credential,
    .archive_credential = vf_service_archive_credential,
};

struct vf_service vf_api_service(struct vf_api *api)
{
    return (struct vf_service){.ops = &api_ops, .self = api};
}

static int init(struct vf_api *api, const struct vf_api_options *options)
{
    const char *service = options->base_url != NULL ? options->base_url : "";

    if (options->state_directory != NULL &&
        vf_names_new(options->state_directory, service, &api->names) < 0)
        return -ENOMEM;
    if (vf_clock_init_cond(&api->is_over) < 0) {
        vf_names_free(api->names);
        return -ENOMEM;
    }
    pthread_mutex_init(&api->lock, NULL);
    return 0;
}

int vf_api_new(const struct vf_api_options *options, struct vf_http *http,
               struct vf_auth *auth, struct vf_api **ret, struct vf_error *err)
{
    const struct vf_dialect *dialect = vf_dialect_find(options->dialect);

    if (dialect == NULL)
        return vf_error_set(err, EINVAL, "there is no dialect \"%s\"",
                            options->dialect);
    struct vf_api *api = calloc(1, sizeof(*api));
    if (api == NULL || init(api, options) < 0) {
        free(api);
        return vf_error_set(err, ENOMEM, "no memory");
    }
    atomic_init(&api->dialect, dialect);
    api->http = http;
    api->auth = auth;
    *ret = api;
    return 0;
}

void vf_api_shutdown(struct vf_api *api)
{
    pthread_mutex_lock(&api->lock);
    api->is_shut_down = true;
    pthread_cond_broadcast(&api->is_over);
    pthread_mutex_unlock(&api->lock);
}

void vf_api_account(struct vf_api *api, struct vf_api_account *ret)
{
    pthread_mutex_lock(&api->lock);
    *ret = api->account;
    pthread_mutex_unlock(&api->lock);
}

void vf_api_free(struct vf_api *api)
{
    if (api == NULL)
        return;
    vf_names_free(api->names);
    pthread_cond_destroy(&api->is_over);
    pthread_mutex_destroy(&api->lock);
    free(api);
}
