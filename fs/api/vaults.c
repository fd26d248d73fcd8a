/* SPDX-License-Identifier: MIT */
#include "service.h"

#include "body.h"
#include "change.h"
#include "failure.h"
#include "names.h"
#include "operation.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Credentials that go with a new vault. */
struct load {
    const struct vf_spec *const *specs;
    size_t count;
    const struct vf_secret **secrets; /* owned */
    size_t secrets_count;
};

static int gather(const struct vf_vault_spec *spec, struct load *ret,
                  struct vf_error *err)
{
    struct load load = {.count = spec->count};

    load.specs = (const struct vf_spec *const *)spec->credentials;
    load.secrets =
        calloc(spec->count + 1, VF_BODY_SECRETS_MAX * sizeof(load.secrets[0]));
    if (load.secrets == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    for (size_t i = 0; i < spec->count; i++)
        load.secrets_count += vf_body_secrets(
            spec->credentials[i], load.secrets + load.secrets_count);
    *ret = load;
    return 0;
}

/* Each as for a credential of its own; err->param says which one. */
static int check_load(const struct vf_dialect *dialect, const struct load *load,
                      struct vf_error *err)
{
    struct vf_error cause = {0};
    char param[sizeof(cause.param) + 40];

    for (size_t i = 0; i < load->count && dialect->check_new != NULL; i++) {
        const struct vf_spec *spec = load->specs[i];
        int result = dialect->check_new(spec->stored_name, spec, &cause);

        if (result == 0)
            continue;
        (void)snprintf(param, sizeof(param), "credentials[%zu].%s", i,
                       cause.param);
        return vf_error_set_param(err, cause.code, param,
                                  "credentials[%zu]: %s", i, cause.message);
    }
    return 0;
}

/* The credential that was made of a spec. Most services keep the order. */
static const struct vf_object *find_made(const struct vf_page *made, size_t at,
                                         const struct vf_spec *spec)
{
    for (size_t i = 0; i < made->count; i++) {
        const struct vf_object *object = &made->objects[(at + i) % made->count];

        if (vf_spec_is_same_identity(spec, object->text, object->size))
            return object;
    }
    return NULL;
}

/* Where each of them got: all must be there, with their names. */
static int settle_load(struct vf_api *api, const struct load *load,
                       const char *vault_id, int64_t deadline_ms,
                       struct vf_page *made, struct vf_error *err)
{
    struct vf_name_change *changes = calloc(load->count, sizeof(*changes));
    size_t count = 0;
    int result = 0;

    if (changes == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    for (size_t i = 0; i < load->count && result == 0; i++) {
        const struct vf_object *object = find_made(made, i, load->specs[i]);

        if (object == NULL)
            result = vf_error_set_param(err, EBADMSG, "credentials",
                                        "the service's reply is not what it "
                                        "promises: credentials[%zu] is missing",
                                        i);
        else if (load->specs[i]->stored_name != NULL)
            changes[count++] = (struct vf_name_change){
                object->id, load->specs[i]->stored_name};
    }
    if (result == 0)
        result = vf_names_change(api->names, vault_id, changes, count,
                                 deadline_ms, err);
    if (result == 0)
        result = vf_names_fill(api->names, vault_id, made->objects, made->count,
                               err);
    free(changes);
    return result;
}

/* One creation as one table has it. */
static int create_in(struct vf_api *api, const struct vf_dialect *dialect,
                     const struct vf_vault_spec *spec, const struct load *load,
                     struct vf_operation *operation, struct vf_error *err)
{
    const struct vf_new_vault *made = operation->ret;
    struct vf_json_writer writer;
    int result = check_load(dialect, load, err);

    if (result == 0 && load->count > 0 && dialect->keeps_no_names)
        result = vf_names_check(api->names, operation->deadline_ms, err);
    if (result == 0)
        result = vf_operation_begin_body(&writer, err);
    if (result < 0)
        return result;
    operation->dialect = dialect;
    operation->secrets = load->secrets;
    operation->secrets_count = load->secrets_count;
    dialect->write_vault(&writer, spec);
    result = vf_operation_run_written(api, operation, &writer, err);
    if (result < 0 || load->count == 0)
        return result;
    result = settle_load(api, load, made->vault->id, operation->deadline_ms,
                         made->credentials, err);
    if (result < 0) {
        vf_failure_set_unknown(err);
        vf_object_done(made->vault);
        vf_page_done(made->credentials);
    }
    return result;
}

static int create(struct vf_api *api, const struct vf_dialect *dialect,
                  const struct vf_vault_spec *spec, struct vf_key *key,
                  int64_t deadline_ms, struct vf_object *ret,
                  struct vf_page *ret_credentials, struct vf_error *err)
{
    struct vf_object vault;
    struct vf_page credentials;
    struct vf_new_vault made = {&vault, &credentials};
    struct vf_operation operation = {.kind = VF_CREATE_VAULT,
                                     .key = key,
                                     .deadline_ms = deadline_ms,
                                     .ret = &made};
    struct load load = {0};
    int result = 0;

    if (dialect->takes_credentials_with_vault)
        result = gather(spec, &load, err);
    if (result == 0)
        result = create_in(api, dialect, spec, &load, &operation, err);
    free(load.secrets);
    if (result < 0)
        return result;
    *ret = vault;
    *ret_credentials = credentials;
    return 0;
}

/* "credentials", or something in it. */
static bool is_credentials(const char *param)
{
    static const char member[] = "credentials";
    size_t size = sizeof(member) - 1;

    return strncmp(param, member, size) == 0 &&
           (param[size] == '\0' || strchr("[.", param[size]) != NULL);
}

/*
 * A refusal of a vault without any credential that asks for one. Words alone
 * prove little ("your credentials do not match"), and what follows is a vault
 * that only seems to be made; so it is the field at fault that tells. Where
 * none is named, a service that is known to be of the kind may say it in the
 * words of its reference page.
 */
static bool is_about_credentials(const struct vf_dialect *dialect,
                                 const struct vf_error *reason)
{
    bool is_known = dialect->tell == NULL;

    if (reason->http_status != 400 && reason->http_status != 422)
        return false;
    if (reason->param[0] != '\0')
        return is_credentials(reason->param);
    return is_known &&
           strcasestr(reason->message, "at least one credential") != NULL;
}

/* Whether the service is one that demands a first credential; it is told by
 * this, too. */
static bool demands_credential(struct vf_api *api,
                               const struct vf_dialect *dialect,
                               const struct vf_error *reason)
{
    return dialect->first_credential != NULL &&
           is_about_credentials(dialect, reason) &&
           vf_dialect_settle(&api->dialect, dialect, dialect->first_credential);
}

int vf_service_create_vault(void *service, const struct vf_vault_spec *spec,
                            struct vf_key *key, int64_t deadline_ms,
                            struct vf_object *ret,
                            struct vf_page *ret_credentials,
                            struct vf_error *err)
{
    struct vf_api *api = service;
    const struct vf_dialect *dialect = atomic_load(&api->dialect);
    struct vf_error reason = {0};
    int result = create(api, dialect, spec, key, deadline_ms, ret,
                        ret_credentials, &reason);

    if (result < 0 && demands_credential(api, dialect, &reason)) {
        if (spec->count == 0)
            result = -(reason.code = ENODATA);
        else if (!dialect->takes_credentials_with_vault)
            result = create(api, dialect->first_credential, spec, key,
                            deadline_ms, ret, ret_credentials, &reason);
    }
    if (result < 0 && err != NULL)
        *err = reason;
    return result;
}

static bool is_change(const struct vf_vault_spec *spec,
                      const struct vf_json *current)
{
    const char *shown = vf_json_get_string(current, "display_name");

    if (current == NULL ||
        vf_change_is_in_metadata(spec->metadata, current, NULL))
        return true;
    return spec->display_name != NULL &&
           (shown == NULL || strcmp(spec->display_name, shown) != 0);
}

static int send_update(struct vf_api *api, const struct vf_dialect *dialect,
                       const char *vault_id, const struct vf_vault_spec *spec,
                       const struct vf_json *current, int64_t deadline_ms,
                       struct vf_object *ret, struct vf_error *err)
{
    struct vf_json_writer writer;
    struct vf_operation operation = {
        .kind = VF_UPDATE_VAULT,
        .dialect = dialect,
        .vault_id = vault_id,
        .deadline_ms = deadline_ms,
        .ret = ret,
    };
    int result = vf_operation_begin_body(&writer, err);

    if (result < 0)
        return result;
    dialect->write_vault_update(&writer, spec, current);
    return vf_operation_run_written(api, &operation, &writer, err);
}

int vf_service_update_vault(void *service, const char *vault_id,
                            const struct vf_vault_spec *spec,
                            const char *current_text, size_t current_size,
                            int64_t deadline_ms, struct vf_object *ret,
                            struct vf_error *err)
{
    struct vf_api *api = service;
    const struct vf_dialect *dialect = atomic_load(&api->dialect);
    struct vf_json *current = NULL;
    int result = 0;

    if (dialect->write_vault_update == NULL)
        return vf_error_set(err, EOPNOTSUPP,
                            "this service cannot change a vault");
    if (current_text != NULL)
        result = vf_json_parse(current_text, current_size, &current, err);
    if (result < 0)
        return result;
    result = is_change(spec, current)
                 ? send_update(api, dialect, vault_id, spec, current,
                               deadline_ms, ret, err)
                 : vf_object_read(&dialect->vault,
                                  &(struct vf_expected){.id = vault_id},
                                  current, ret, err);
    vf_json_free(current);
    return result;
}

int vf_service_archive_vault(void *service, const char *vault_id,
                             int64_t deadline_ms, struct vf_error *err)
{
    const struct vf_operation operation = {.kind = VF_ARCHIVE_VAULT,
                                           .vault_id = vault_id,
                                           .deadline_ms = deadline_ms};

    return vf_operation_archive(service, operation, err);
}

int vf_service_delete_vault(void *service, const char *vault_id,
                            int64_t deadline_ms, struct vf_error *err)
{
    struct vf_api *api = service;
    const struct vf_operation operation = {
        .kind = VF_DELETE_VAULT,
        .dialect = atomic_load(&api->dialect),
        .vault_id = vault_id,
        .deadline_ms = deadline_ms,
    };
    int result = vf_operation_run(api, &operation, err);

    /* Names that stay are of no harm: ids do not come back. */
    if (result == 0 && operation.dialect->keeps_no_names)
        (void)!vf_names_forget(api->names, vault_id, deadline_ms, NULL);
    return result;
}
