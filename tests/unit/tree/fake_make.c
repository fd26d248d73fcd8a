/* SPDX-License-Identifier: MIT */
#include "fake_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/json.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"

void fake_set_metadata(struct object *object, const struct vf_json *metadata)
{
    size_t size;

    if (metadata == NULL)
        return;
    free(object->metadata);
    (void)!vf_json_render_compact(metadata, &object->metadata, &size);
}

void fake_set_secret(struct object *object, const struct vf_secret *secret)
{
    if (secret != NULL)
        snprintf(object->secret, sizeof(object->secret), "%.*s",
                 (int)vf_secret_size(secret), vf_secret_data(secret));
}

static const char *url_of(const struct vf_spec *spec)
{
    return spec->mcp_server_url != NULL ? spec->mcp_server_url
                                        : spec->secret_name;
}

static struct object *add_credential(struct fake *fake, const char *vault,
                                     const char *name,
                                     const struct vf_spec *spec)
{
    struct object *object =
        fake_add_object(fake, vault, NULL, name, url_of(spec), fake->now++);

    object->is_variable = spec->type == VF_AUTH_ENVIRONMENT_VARIABLE;
    fake_set_metadata(object, spec->metadata);
    fake_set_secret(object, spec->value);
    return object;
}

static uint64_t hash_spec(const char *name, const struct vf_spec *spec)
{
    uint64_t hash = vf_hash64(url_of(spec), strlen(url_of(spec)));

    if (spec->value != NULL)
        hash ^= vf_hash64(vf_secret_data(spec->value),
                          vf_secret_size(spec->value)) *
                3;
    return name != NULL ? hash ^ vf_hash64(name, strlen(name)) * 5 : hash;
}

/* What an earlier creation under this key made; or *ret is NULL. */
static int look_for_key(struct fake *fake, const char *key, uint64_t body,
                        const struct object **ret, struct vf_error *err)
{
    *ret = NULL;
    memcpy(fake->last_key, key, sizeof(fake->last_key));
    for (size_t i = 0; fake->traits.has_keys && i < fake->keys_count; i++) {
        if (strcmp(fake->keys[i].key, key) != 0)
            continue;
        if (fake->keys[i].body != body)
            return fake_refuse(EEXIST, "this key had another body", err);
        *ret = fake->keys[i].made;
    }
    return 0;
}

static void note_key(struct fake *fake, const char *key, uint64_t body,
                     const struct object *made)
{
    fake->keys =
        reallocarray(fake->keys, fake->keys_count + 1, sizeof(struct key));
    struct key *noted = &fake->keys[fake->keys_count++];

    *noted = (struct key){.body = body, .made = made};
    memcpy(noted->key, key, sizeof(noted->key));
}

/* As the real one: another key once an answer has decided, which none does
 * under an old one. */
static int end_create(struct fake *fake, int result, struct vf_key *key,
                      struct vf_error *err)
{
    bool is_refused = result < 0 && err != NULL && err->http_status != 0;

    if (is_refused && key->is_old)
        err->is_unknown = true;
    else if (is_refused && err->http_status < 500)
        vf_uuid4(key->text);
    return fake_end(fake, result);
}

static bool is_taken(const struct fake *fake, const char *vault,
                     const char *url)
{
    for (size_t i = 0; i < fake->count; i++) {
        const struct object *object = fake->objects[i];

        if (strcmp(object->vault, vault) == 0 && !object->is_gone &&
            !object->is_archived && strcmp(object->url, url) == 0)
            return true;
    }
    return false;
}

static int check_credential(struct fake *fake, const char *vault,
                            const struct vf_spec *spec, struct vf_error *err)
{
    unsigned max = fake->traits.credentials_max;

    if (fake_live_object(fake, vault) == NULL)
        return fake_absent(err);
    if (fake->is_unique && is_taken(fake, vault, url_of(spec)))
        return fake_refuse(EEXIST, "there is one for this URL", err);
    if (max > 0 && fake_active(fake, vault) >= max)
        return fake_refuse(EINVAL, "the vault is full", err);
    return 0;
}

int fake_create_credential(void *self, const char *vault_id, const char *name,
                           const struct vf_spec *spec, struct vf_key *key,
                           int64_t deadline_ms, struct vf_object *ret,
                           struct vf_error *err)
{
    struct fake *fake = self;
    const struct object *object = NULL;
    uint64_t body = hash_spec(name, spec);
    int result = fake_begin(fake, FAKE_CREATE, err);

    vf_buf_printf(&fake->trace, "create %s; ", name != NULL ? name : "?");
    if (result == 0)
        result = look_for_key(fake, key->text, body, &object, err);
    if (result == 0 && object == NULL) {
        result = check_credential(fake, vault_id, spec, err);
        if (result == 0) {
            object = add_credential(fake, vault_id, name, spec);
            note_key(fake, key->text, body, object);
        }
    }
    if (result == 0)
        result = fake_pass(fake, FAKE_CREATE, FAKE_AFTER, err);
    if (result == 0)
        fake_show(object, ret);
    return end_create(fake, result, key, err);
}

static void add_credentials(struct fake *fake, const struct object *vault,
                            const struct vf_vault_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        (void)add_credential(fake, vault->id, spec->credentials[i]->stored_name,
                             spec->credentials[i]);
}

static const struct object *add_vault(struct fake *fake,
                                      const struct vf_vault_spec *spec)
{
    struct object *vault =
        fake_add_object(fake, "", NULL, spec->display_name, "", fake->now++);

    fake_set_metadata(vault, spec->metadata);
    if (fake->traits.takes_credentials_with_vault)
        add_credentials(fake, vault, spec);
    return vault;
}

int fake_create_vault(void *self, const struct vf_vault_spec *spec,
                      struct vf_key *key, int64_t deadline_ms,
                      struct vf_object *ret, struct vf_page *ret_credentials,
                      struct vf_error *err)
{
    struct fake *fake = self;
    const struct object *vault = NULL;
    uint64_t body =
        vf_hash64(spec->display_name, strlen(spec->display_name)) + spec->count;
    int result = fake_begin(fake, FAKE_CREATE_VAULT, err);

    vf_buf_printf(&fake->trace, "create %s; ", spec->display_name);
    if (result == 0 && fake->wants_credential && spec->count == 0) {
        (void)fake_refuse(EINVAL, "a vault has a credential", err);
        result = -ENODATA;
    }
    if (result == 0)
        result = look_for_key(fake, key->text, body, &vault, err);
    if (result == 0 && vault == NULL) {
        vault = add_vault(fake, spec);
        note_key(fake, key->text, body, vault);
    }
    if (result == 0)
        result = fake_pass(fake, FAKE_CREATE_VAULT, FAKE_AFTER, err);
    if (result == 0) {
        fake_show(vault, ret);
        fake_take_page(fake, vault->id, VF_LIST_ACTIVE, NULL, ret_credentials);
    }
    return end_create(fake, result, key, err);
}
