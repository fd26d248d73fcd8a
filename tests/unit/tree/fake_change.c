/* SPDX-License-Identifier: MIT */
#include "fake_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/json.h"
#include "vaultfs/spec.h"

int fake_get_credential(void *self, const char *vault_id, const char *id,
                        int64_t deadline_ms, struct vf_object *ret,
                        struct vf_error *err)
{
    struct fake *fake = self;
    int result = fake_begin(fake, FAKE_GET, err);
    const struct object *object = fake_live_object(fake, id);

    if (result == 0 && object == NULL)
        result = fake_absent(err);
    if (result == 0)
        fake_show(object, ret);
    return fake_end(fake, result);
}

static bool is_same_metadata(const char *current_text, size_t current_size,
                             const struct vf_json *metadata)
{
    struct vf_json *current, *shown = NULL;

    if (metadata == NULL)
        return true;
    if (vf_json_parse(current_text, current_size, &current, NULL) < 0)
        return false;
    (void)vf_json_get(current, "metadata", &shown);
    bool is_same = vf_json_equal(shown, metadata);
    vf_json_free(current);
    return is_same;
}

/* Without a request, when there is nothing to be changed. */
static bool show_unchanged(struct fake *fake, const char *id, const char *name,
                           bool is_same, struct vf_object *ret)
{
    pthread_mutex_lock(&fake->lock);
    const struct object *object = fake_object(fake, id);
    bool is_done = is_same && object != NULL &&
                   (name == NULL ||
                    (object->name != NULL && strcmp(object->name, name) == 0));
    if (is_done)
        fake_show(object, ret);
    pthread_mutex_unlock(&fake->lock);
    return is_done;
}

/* The request has come; fake->lock is held until end_change(). */
static int begin_change(struct fake *fake, enum fake_op op, const char *verb,
                        const char *id, struct object **ret,
                        struct vf_error *err)
{
    int result = fake_begin(fake, op, err);
    struct object *object = fake_live_object(fake, id);

    vf_buf_printf(&fake->trace, "%s %s; ", verb, id);
    if (result == 0 && object == NULL)
        result = fake_absent(err);
    if (result == 0) {
        object->revision++;
        object->updated.tv_sec = fake->now++;
        *ret = object;
    }
    return result;
}

static int end_change(struct fake *fake, enum fake_op op, int result,
                      const struct object *object, struct vf_object *ret,
                      struct vf_error *err)
{
    if (result == 0)
        result = fake_pass(fake, op, FAKE_AFTER, err);
    if (result == 0)
        fake_show(object, ret);
    return fake_end(fake, result);
}

static void rename_object(struct object *object, const char *name)
{
    if (name == NULL)
        return;
    free(object->name);
    object->name = strdup(name);
}

int fake_update_credential(void *self, const char *vault_id, const char *id,
                           const char *name, const struct vf_spec *spec,
                           const char *current_text, size_t current_size,
                           int64_t deadline_ms, struct vf_object *ret,
                           struct vf_error *err)
{
    struct fake *fake = self;
    struct object *object = NULL;
    bool is_same = !vf_spec_has_secret(spec) &&
                   is_same_metadata(current_text, current_size, spec->metadata);

    if (show_unchanged(fake, id, name, is_same, ret))
        return 0;
    if (!fake->traits.can_update_credential)
        return vf_error_set(err, EOPNOTSUPP, "there is no such call");
    int result = begin_change(fake, FAKE_UPDATE, "update", id, &object, err);
    if (result == 0) {
        rename_object(object, name);
        fake_set_metadata(object, spec->metadata);
        fake_set_secret(object, spec->value);
    }
    return end_change(fake, FAKE_UPDATE, result, object, ret, err);
}

int fake_rename_credential(void *self, const char *vault_id, const char *id,
                           const char *name, const char *current_text,
                           size_t current_size, int64_t deadline_ms,
                           struct vf_object *ret, struct vf_error *err)
{
    struct fake *fake = self;
    struct object *object = NULL;

    if (!fake->traits.can_update_credential)
        return vf_error_set(err, EOPNOTSUPP, "there is no such call");
    int result = begin_change(fake, FAKE_RENAME, "rename", id, &object, err);
    if (result == 0)
        rename_object(object, name);
    return end_change(fake, FAKE_RENAME, result, object, ret, err);
}

int fake_update_vault(void *self, const char *vault_id,
                      const struct vf_vault_spec *spec,
                      const char *current_text, size_t current_size,
                      int64_t deadline_ms, struct vf_object *ret,
                      struct vf_error *err)
{
    struct fake *fake = self;
    struct object *object = NULL;

    if (!fake->traits.can_update_vault)
        return vf_error_set(err, EOPNOTSUPP, "there is no such call");
    if (show_unchanged(
            fake, vault_id, spec->display_name,
            is_same_metadata(current_text, current_size, spec->metadata), ret))
        return 0;
    int result =
        begin_change(fake, FAKE_UPDATE_VAULT, "update", vault_id, &object, err);
    if (result == 0) {
        rename_object(object, spec->display_name);
        fake_set_metadata(object, spec->metadata);
    }
    return end_change(fake, FAKE_UPDATE_VAULT, result, object, ret, err);
}

/* --- Taking away --- */

/* Absent is as good as removed, as struct vf_service_ops says. */
static int take_away(struct fake *fake, enum fake_op op, const char *id,
                     struct vf_error *err)
{
    int result = fake_begin(fake, op, err);
    struct object *object = fake_live_object(fake, id);

    vf_buf_printf(&fake->trace, "delete %s; ", id);
    if (result < 0)
        return fake_end(fake, result);
    if (object != NULL)
        object->is_gone = true;
    return fake_end(fake, fake_pass(fake, op, FAKE_AFTER, err));
}

static int archive(struct fake *fake, enum fake_op op, const char *id,
                   struct vf_error *err)
{
    int result = fake_begin(fake, op, err);
    struct object *object = fake_live_object(fake, id);

    vf_buf_printf(&fake->trace, "archive %s; ", id);
    if (result == 0 && object == NULL)
        result = fake_absent(err);
    if (result < 0)
        return fake_end(fake, result);
    object->is_archived = true;
    object->updated.tv_sec = fake->now++;
    return fake_end(fake, fake_pass(fake, op, FAKE_AFTER, err));
}

int fake_delete_vault(void *self, const char *vault_id, int64_t deadline_ms,
                      struct vf_error *err)
{
    return take_away(self, FAKE_DELETE_VAULT, vault_id, err);
}

int fake_delete_credential(void *self, const char *vault_id, const char *id,
                           int64_t deadline_ms, struct vf_error *err)
{
    return take_away(self, FAKE_DELETE, id, err);
}

int fake_archive_vault(void *self, const char *vault_id, int64_t deadline_ms,
                       struct vf_error *err)
{
    return archive(self, FAKE_ARCHIVE_VAULT, vault_id, err);
}

int fake_archive_credential(void *self, const char *vault_id, const char *id,
                            int64_t deadline_ms, struct vf_error *err)
{
    return archive(self, FAKE_ARCHIVE, id, err);
}
