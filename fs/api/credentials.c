/* SPDX-License-Identifier: MIT */
#include "service.h"

#include "body.h"
#include "failure.h"
#include "names.h"
#include "operation.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

int vf_service_get_credential(void *service, const char *vault_id,
                              const char *id, int64_t deadline_ms,
                              struct vf_object *ret, struct vf_error *err)
{
    struct vf_api *api = service;
    const struct vf_operation operation = {
        .kind = VF_GET_CREDENTIAL,
        .dialect = atomic_load(&api->dialect),
        .vault_id = vault_id,
        .id = id,
        .deadline_ms = deadline_ms,
        .ret = ret,
    };

    return vf_operation_run(api, &operation, err);
}

/* Whether all that a new credential is to have has a place. */
static int check_places(struct vf_api *api, const struct vf_dialect *dialect,
                        const char *name, const struct vf_spec *spec,
                        int64_t deadline_ms, struct vf_error *err)
{
    int result =
        dialect->check_new != NULL ? dialect->check_new(name, spec, err) : 0;

    if (result == 0 && name != NULL && dialect->keeps_no_names)
        result = vf_names_check(api->names, deadline_ms, err);
    return result;
}

/* The name of a new credential, where the service has no place for it. */
static int keep_name(struct vf_api *api, const struct vf_dialect *dialect,
                     const char *vault_id, const char *name,
                     int64_t deadline_ms, struct vf_object *object,
                     struct vf_error *err)
{
    const struct vf_name_change change = {object->id, name};
    int result;

    if (name == NULL || !dialect->keeps_no_names)
        return 0;
    result =
        vf_names_change(api->names, vault_id, &change, 1, deadline_ms, err);
    if (result == 0)
        result = vf_names_fill(api->names, vault_id, object, 1, err);
    if (result < 0)
        vf_failure_set_unknown(err);
    return result;
}

int vf_service_create_credential(void *service, const char *vault_id,
                                 const char *name, const struct vf_spec *spec,
                                 struct vf_key *key, int64_t deadline_ms,
                                 struct vf_object *ret, struct vf_error *err)
{
    struct vf_api *api = service;
    const struct vf_dialect *dialect = atomic_load(&api->dialect);
    const struct vf_secret *secrets[VF_BODY_SECRETS_MAX];
    struct vf_object object;
    struct vf_operation operation = {
        .kind = VF_CREATE_CREDENTIAL,
        .dialect = dialect,
        .vault_id = vault_id,
        .secrets = secrets,
        .secrets_count = vf_body_secrets(spec, secrets),
        .key = key,
        .deadline_ms = deadline_ms,
        .ret = &object,
    };
    struct vf_json_writer writer;
    int result = check_places(api, dialect, name, spec, deadline_ms, err);

    if (result == 0)
        result = vf_operation_begin_body(&writer, err);
    if (result < 0)
        return result;
    dialect->write_credential(&writer, name, spec);
    result = vf_operation_run_written(api, &operation, &writer, err);
    if (result < 0)
        return result;
    result = keep_name(api, dialect, vault_id, name, deadline_ms, &object, err);
    if (result < 0)
        vf_object_done(&object);
    else
        *ret = object;
    return result;
}

int vf_service_archive_credential(void *service, const char *vault_id,
                                  const char *id, int64_t deadline_ms,
                                  struct vf_error *err)
{
    const struct vf_operation operation = {
        .kind = VF_ARCHIVE_CREDENTIAL,
        .vault_id = vault_id,
        .id = id,
        .deadline_ms = deadline_ms,
    };

    return vf_operation_archive(service, operation, err);
}

int vf_service_delete_credential(void *service, const char *vault_id,
                                 const char *id, int64_t deadline_ms,
                                 struct vf_error *err)
{
    struct vf_api *api = service;
    const struct vf_operation operation = {
        .kind = VF_DELETE_CREDENTIAL,
        .dialect = atomic_load(&api->dialect),
        .vault_id = vault_id,
        .id = id,
        .deadline_ms = deadline_ms,
    };
    const struct vf_name_change change = {id, NULL};
    int result = vf_operation_run(api, &operation, err);

    /* A name that stays is of no harm: ids do not come back. */
    if (result == 0 && operation.dialect->keeps_no_names)
        (void)!vf_names_change(api->names, vault_id, &change, 1, deadline_ms,
                               NULL);
    return result;
}
