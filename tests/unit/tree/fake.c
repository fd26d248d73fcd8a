/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_internal.h"
#include "harness.h"

_Thread_local bool fake_is_busy;

/* --- Objects; lock held --- */

struct object *fake_object(struct fake *fake, const char *id)
{
    for (size_t i = 0; i < fake->count; i++)
        if (strcmp(fake->objects[i]->id, id) == 0)
            return fake->objects[i];
    return NULL;
}

struct object *fake_live_object(struct fake *fake, const char *id)
{
    struct object *object = fake_object(fake, id);

    return object != NULL && !object->is_gone ? object : NULL;
}

size_t fake_active(const struct fake *fake, const char *vault)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->count; i++)
        if (strcmp(fake->objects[i]->vault, vault) == 0 &&
            !fake->objects[i]->is_gone && !fake->objects[i]->is_archived)
            count++;
    return count;
}

struct object *fake_add_object(struct fake *fake, const char *vault,
                               const char *id, const char *name,
                               const char *url, long at)
{
    struct object *object = calloc(1, sizeof(*object));

    if (id != NULL)
        snprintf(object->id, sizeof(object->id), "%s", id);
    else
        snprintf(object->id, sizeof(object->id), "%s_%06zu",
                 vault[0] == '\0' ? "vault" : "vcred", fake->count + 1);
    snprintf(object->vault, sizeof(object->vault), "%s", vault);
    object->name = name != NULL ? strdup(name) : NULL;
    object->url = strdup(url);
    object->metadata = strdup("{}");
    object->created.tv_sec = at;
    object->updated.tv_sec = at;
    fake->objects =
        reallocarray(fake->objects, fake->count + 1, sizeof(struct object *));
    fake->objects[fake->count++] = object;
    return object;
}

static void show_text(const struct object *object, struct vf_buf *text)
{
    vf_buf_printf(text, "{\"id\": \"%s\", \"revision\": %u, \"metadata\": %s",
                  object->id, object->revision, object->metadata);
    if (object->vault[0] == '\0')
        vf_buf_printf(text, ", \"display_name\": \"%s\"}\n", object->name);
    else if (object->is_variable)
        vf_buf_printf(text,
                      ", \"auth\": {\"type\": \"environment_variable\", "
                      "\"secret_name\": \"%s\"}}\n",
                      object->url);
    else
        vf_buf_printf(text,
                      ", \"auth\": {\"type\": \"static_bearer\", "
                      "\"mcp_server_url\": \"%s\"}}\n",
                      object->url);
}

void fake_show(const struct object *object, struct vf_object *ret)
{
    struct vf_buf text = VF_BUF_INIT;

    show_text(object, &text);
    *ret = (struct vf_object){.created = object->created,
                              .updated = object->updated,
                              .is_archived = object->is_archived,
                              .text = text.data,
                              .size = text.size};
    memcpy(ret->id, object->id, sizeof(ret->id));
    if (object->name != NULL)
        ret->name = strdup(object->name);
    else
        ret->label = strdup("label.json");
}

static void show_in_list(const struct object *object, struct vf_object *ret)
{
    struct object old = *object;

    if (object->lag == FAKE_OLD) {
        old.revision = 0;
        old.updated = old.created;
    }
    fake_show(&old, ret);
}

static bool is_shown(const struct object *object, const char *vault,
                     enum vf_list which)
{
    if (strcmp(object->vault, vault) != 0 || object->lag == FAKE_NOT_YET)
        return false;
    bool is_archived = object->is_archived && object->lag != FAKE_STILL;
    if (which != VF_LIST_ALL && is_archived != (which == VF_LIST_ARCHIVED))
        return false;
    return !object->is_gone || object->lag == FAKE_STILL;
}

/* --- Gates; lock held, dropped while a request waits --- */

static int status_of(int code)
{
    static const struct {
        int code, status;
    } rows[] = {
        {EINVAL, 400},     {EKEYREJECTED, 401}, {EACCES, 403}, {ENOENT, 404},
        {EOPNOTSUPP, 405}, {EEXIST, 409},       {EBUSY, 409},  {EREMOTEIO, 500},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].code == code)
            return rows[i].status;
    return 0;
}

/* An answer. */
int fake_refuse(int code, const char *why, struct vf_error *err)
{
    (void)vf_error_set(err, code, "the service says %s", why);
    if (err != NULL)
        err->http_status = status_of(code);
    return -code;
}

static bool is_failure_due(struct gate *gate, enum fake_when when)
{
    if (gate->code[when] == 0)
        return false;
    if (when == FAKE_BEFORE && gate->good > 0) {
        gate->good--;
        return false;
    }
    return true;
}

int fake_pass(struct fake *fake, enum fake_op op, enum fake_when when,
              struct vf_error *err)
{
    struct gate *gate = &fake->gates[op];

    if (when == FAKE_BEFORE)
        gate->count++;
    if (gate->is_held[when]) {
        gate->waiting++;
        pthread_cond_broadcast(&fake->changed);
        while (gate->is_held[when])
            pthread_cond_wait(&fake->changed, &fake->lock);
        gate->waiting--;
    }
    if (!is_failure_due(gate, when))
        return 0;
    int code = gate->code[when];
    if (gate->times[when] > 0 && --gate->times[when] == 0)
        gate->code[when] = 0;
    (void)fake_refuse(code, vf_errno_name(code), err);
    if (err != NULL && fake->param != NULL)
        vf_error_copy(err->param, sizeof(err->param), fake->param);
    if (err != NULL && (when == FAKE_AFTER || code == ETIMEDOUT)) {
        err->http_status = 0;
        err->is_unknown = true;
    }
    return -code;
}

int fake_begin(struct fake *fake, enum fake_op op, struct vf_error *err)
{
    fake_is_busy = true;
    pthread_mutex_lock(&fake->lock);
    return fake_pass(fake, op, FAKE_BEFORE, err);
}

int fake_end(struct fake *fake, int result)
{
    pthread_mutex_unlock(&fake->lock);
    fake_is_busy = false;
    return result;
}

int fake_absent(struct vf_error *err)
{
    return fake_refuse(ENOENT, "there is no such object", err);
}

/* --- Lists --- */

void fake_take_page(struct fake *fake, const char *vault, enum vf_list which,
                    const char *cursor, struct vf_page *ret)
{
    size_t skip = cursor != NULL ? strtoul(cursor, NULL, 10) : 0, seen = 0;
    char next[32];

    *ret = (struct vf_page){
        .objects = calloc(fake->page_size + 1, sizeof(struct vf_object))};
    /* Newest first, as services are likely to do. */
    for (size_t i = fake->count; i-- > 0;) {
        if (!is_shown(fake->objects[i], vault, which) || seen++ < skip)
            continue;
        if (ret->count == fake->page_size) {
            snprintf(next, sizeof(next), "%zu", skip + ret->count);
            ret->next = strdup(next);
            break;
        }
        show_in_list(fake->objects[i], &ret->objects[ret->count++]);
    }
}

/* As fake_take_page(); the cursor is fresh each time, and means nothing. */
static void take_endless_page(struct fake *fake, const char *vault,
                              enum vf_list which, struct vf_page *ret)
{
    char id[32], cursor[32], metadata[] = "{}";

    snprintf(cursor, sizeof(cursor), "more-%u", ++fake->pages);
    if (fake->end == FAKE_GROWS) {
        struct object object = {.name = id, .url = id, .metadata = metadata};

        snprintf(id, sizeof(id), "grown_%u", fake->pages);
        memcpy(object.id, id, sizeof(id));
        *ret = (struct vf_page){.objects = calloc(1, sizeof(struct vf_object)),
                                .count = 1};
        fake_show(&object, ret->objects);
    } else {
        fake_take_page(fake, vault, which, NULL, ret);
        free(ret->next);
    }
    ret->next = strdup(cursor);
}

/* What a request for a vault's credentials meets. */
static int pass_vault(struct fake *fake, const char *vault,
                      const struct vf_list_query *query, struct vf_error *err)
{
    struct object *object = fake_object(fake, vault);
    bool is_hasty = query->is_ahead || query->is_impatient;

    object->listed += query->cursor == NULL;
    while (object->is_list_held)
        pthread_cond_wait(&fake->changed, &fake->lock);
    if (object->is_gone)
        return fake_absent(err);
    if (object->list_code != 0)
        return fake_refuse(object->list_code, "no", err);
    if (query->is_ahead && fake->ahead_code != 0)
        return fake_refuse(fake->ahead_code, "not now", err);
    if (is_hasty && fake->hasty_code != 0)
        return fake_refuse(fake->hasty_code, "later", err);
    return 0;
}

static int begin_list(struct fake *fake, enum fake_op op, const char *vault,
                      const struct vf_list_query *query, struct vf_error *err)
{
    struct fake_lists *lists = &fake->lists;

    fake_is_busy = true;
    pthread_mutex_lock(&fake->lock);
    if (vault[0] == '\0')
        return fake_pass(fake, op, FAKE_BEFORE, err);
    lists->ahead += query->is_ahead;
    lists->impatient += query->is_impatient;
    if (++fake->listing > lists->most)
        lists->most = fake->listing;
    int result = fake_pass(fake, op, FAKE_BEFORE, err);
    return result < 0 ? result : pass_vault(fake, vault, query, err);
}

static int end_list(struct fake *fake, const char *vault, int result)
{
    fake->listing -= vault[0] != '\0';
    return fake_end(fake, result);
}

static int list(struct fake *fake, enum fake_op op, const char *vault,
                const struct vf_list_query *query, struct vf_page *ret,
                struct vf_error *err)
{
    struct vf_page page;
    int result = begin_list(fake, op, vault, query, err);

    if (result < 0)
        return end_list(fake, vault, result);
    if (fake->end == FAKE_ENDS)
        fake_take_page(fake, vault, query->which, query->cursor, &page);
    else
        take_endless_page(fake, vault, query->which, &page);
    harness_advance_ms(fake->list_takes_ms);
    page.took_ms = fake->list_takes_ms;
    result = fake_pass(fake, op, FAKE_AFTER, err);
    if (result < 0)
        vf_page_done(&page);
    else
        *ret = page;
    return end_list(fake, vault, result);
}

static int list_vaults(void *self, const struct vf_list_query *query,
                       struct vf_page *ret, struct vf_error *err)
{
    return list(self, FAKE_LIST_VAULTS, "", query, ret, err);
}

static int list_credentials(void *self, const char *vault_id,
                            const struct vf_list_query *query,
                            struct vf_page *ret, struct vf_error *err)
{
    return list(self, FAKE_LIST_CREDENTIALS, vault_id, query, ret, err);
}

static unsigned turns(void *self)
{
    struct fake *fake = self;

    pthread_mutex_lock(&fake->lock);
    unsigned count = fake->turns;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

static void traits(void *self, struct vf_service_traits *ret)
{
    struct fake *fake = self;

    pthread_mutex_lock(&fake->lock);
    *ret = fake->traits;
    pthread_mutex_unlock(&fake->lock);
}

static void refresh(void *self)
{
    struct fake *fake = self;

    pthread_mutex_lock(&fake->lock);
    fake->refreshes++;
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_refreshes(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = fake->refreshes;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

struct vf_service fake_service(struct fake *fake)
{
    static const struct vf_service_ops ops = {
        .traits = traits,
        .refresh = refresh,
        .turns = turns,
        .list_vaults = list_vaults,
        .list_credentials = list_credentials,
        .create_vault = fake_create_vault,
        .update_vault = fake_update_vault,
        .archive_vault = fake_archive_vault,
        .delete_vault = fake_delete_vault,
        .create_credential = fake_create_credential,
        .get_credential = fake_get_credential,
        .update_credential = fake_update_credential,
        .rename_credential = fake_rename_credential,
        .delete_credential = fake_delete_credential,
        .archive_credential = fake_archive_credential,
    };

    return (struct vf_service){.ops = &ops, .self = fake};
}
