/* SPDX-License-Identifier: MIT
 *
 * A credential that is there and becomes another: its secret, its metadata, its
 * name. What is not different is not sent, and where nothing is, the service is
 * not asked: the reply is made of what was last seen.
 */
#include "service.h"

#include "body.h"
#include "change.h"
#include "identity.h"
#include "names.h"
#include "operation.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* One update on its way. Everything is borrowed but current. */
struct update {
    struct vf_api *api;
    const struct vf_dialect *dialect;
    const char *vault_id;
    const char *id;
    const char *name; /* NULL: it stays */
    const struct vf_spec *spec;
    struct vf_json *current; /* NULL: unknown */
    int64_t deadline_ms;
    struct vf_object *ret;
};

static int cannot_update(const struct update *update, struct vf_error *err)
{
    return vf_error_set(err, EOPNOTSUPP,
                        "this service cannot change a credential: write it "
                        "whole, with its secret");
}

/* The name that the credential has now, to be freed: the stored one, or what it
 * goes by without one. */
static int find_name(const struct update *update, char **ret,
                     struct vf_error *err)
{
    const char *stored =
        vf_object_name_in(&update->dialect->credential, update->current);
    char *name = NULL;
    int result = 0;

    if (stored != NULL) {
        name = strdup(stored);
        result = name != NULL ? 0 : vf_error_set(err, ENOMEM, "no memory");
    } else if (update->dialect->keeps_no_names) {
        result = vf_names_find(update->api->names, update->vault_id, update->id,
                               &name, err);
    }
    if (result == 0 && name == NULL)
        result = vf_identity_label(update->current, update->id, &name, err);
    if (result == 0)
        *ret = name;
    return result;
}

/* Forget a name that is no change. */
static int compare_name(struct update *update, struct vf_error *err)
{
    char *now = NULL;

    if (update->name == NULL || update->current == NULL)
        return 0;
    int result = find_name(update, &now, err);
    if (result < 0)
        return result;
    if (strcmp(now, update->name) == 0)
        update->name = NULL;
    free(now);
    return 0;
}

/* What was last seen, as a reply. */
static int show_current(const struct update *update, struct vf_error *err)
{
    const struct vf_expected expected = {update->id, update->vault_id};
    struct vf_object object;
    int result = vf_object_read(&update->dialect->credential, &expected,
                                update->current, &object, err);

    if (result < 0)
        return result;
    if (update->dialect->keeps_no_names)
        result = vf_names_fill(update->api->names, update->vault_id, &object, 1,
                               err);
    if (result < 0)
        vf_object_done(&object);
    else
        *update->ret = object;
    return result;
}

static int send(const struct update *update, struct vf_error *err)
{
    const struct vf_secret *secrets[VF_BODY_SECRETS_MAX];
    struct vf_operation operation = {
        .kind = VF_UPDATE_CREDENTIAL,
        .dialect = update->dialect,
        .vault_id = update->vault_id,
        .id = update->id,
        .secrets = secrets,
        .secrets_count = vf_body_secrets(update->spec, secrets),
        .deadline_ms = update->deadline_ms,
        .ret = update->ret,
    };
    struct vf_json_writer writer;

    if (update->dialect->write_update == NULL)
        return cannot_update(update, err);
    int result = vf_operation_begin_body(&writer, err);
    if (result < 0)
        return result;
    update->dialect->write_update(&writer, update->name, update->spec,
                                  update->current);
    return vf_operation_run_written(update->api, &operation, &writer, err);
}

/* Nothing but the name is another one, or not even that. */
static int change_name(const struct update *update, struct vf_error *err)
{
    const struct vf_name_change change = {update->id, update->name};

    if (update->name == NULL)
        return show_current(update, err);
    if (!update->dialect->keeps_no_names)
        return send(update, err);
    if (update->api->names == NULL)
        return vf_error_set(err, EOPNOTSUPP,
                            "this service cannot keep a file's name, and there "
                            "is no directory to keep it in here");
    int result = vf_names_change(update->api->names, update->vault_id, &change,
                                 1, update->deadline_ms, err);
    return result < 0 ? result : show_current(update, err);
}

static int run(struct update *update, struct vf_error *err)
{
    const struct vf_field *fields = update->dialect->fields;
    const struct vf_spec *spec = update->spec;
    bool has_secret = vf_spec_has_secret(spec);

    if (has_secret && update->dialect->write_update == NULL)
        return cannot_update(update, err);
    int result = vf_change_check(fields, spec, update->current, err);
    if (result == 0)
        result = compare_name(update, err);
    if (result < 0)
        return result;
    if (update->current == NULL || has_secret ||
        vf_change_is_asked(fields, spec, update->current) ||
        vf_change_is_in_metadata(spec->metadata, update->current,
                                 VF_SPEC_NAME_KEY))
        return send(update, err);
    return change_name(update, err);
}

/* The rest of the update, and its end. */
static int run_over(struct update *update, const char *current_text,
                    size_t current_size, struct vf_error *err)
{
    int result = 0;

    update->dialect = atomic_load(&update->api->dialect);
    if (current_text != NULL)
        result =
            vf_json_parse(current_text, current_size, &update->current, err);
    if (result < 0)
        return result;
    result = run(update, err);
    vf_json_free(update->current);
    return result;
}

int vf_service_update_credential(void *service, const char *vault_id,
                                 const char *id, const char *name,
                                 const struct vf_spec *spec,
                                 const char *current_text, size_t current_size,
                                 int64_t deadline_ms, struct vf_object *ret,
                                 struct vf_error *err)
{
    struct update update = {.api = service,
                            .vault_id = vault_id,
                            .id = id,
                            .name = name,
                            .spec = spec,
                            .deadline_ms = deadline_ms,
                            .ret = ret};

    return run_over(&update, current_text, current_size, err);
}

int vf_service_rename_credential(void *service, const char *vault_id,
                                 const char *id, const char *name,
                                 const char *current_text, size_t current_size,
                                 int64_t deadline_ms, struct vf_object *ret,
                                 struct vf_error *err)
{
    static const struct vf_spec nothing;

    return vf_service_update_credential(service, vault_id, id, name, &nothing,
                                        current_text, current_size, deadline_ms,
                                        ret, err);
}
