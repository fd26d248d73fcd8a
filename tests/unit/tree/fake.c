/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"
#include "vaultfs/text.h"

struct object {
    char id[VF_ID_MAX + 1];
    char vault[VF_ID_MAX + 1]; /* "": a vault */
    char *name;
    char *url;
    struct timespec created, updated;
    unsigned revision;
    bool is_gone;
    enum fake_lag lag;
};

struct gate {
    bool is_held[2]; /* by enum fake_when */
    int code[2];
    unsigned good; /* that pass before code[FAKE_BEFORE] counts */
    unsigned count, waiting;
};

struct fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct gate gates[FAKE_OPS];
    struct object **objects;
    size_t count, page_size;
    enum fake_end end;
    unsigned pages; /* shown of lists that do not end */
    int64_t list_takes_ms;
    long now; /* seconds; goes on by one with each change */
    struct vf_buf trace;
};

_Thread_local bool fake_is_busy;

struct fake *fake_new(void)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->page_size = 100;
    fake->now = 1000;
    return fake;
}

void fake_free(struct fake *fake)
{
    for (size_t i = 0; i < fake->count; i++) {
        free(fake->objects[i]->name);
        free(fake->objects[i]->url);
        free(fake->objects[i]);
    }
    free(fake->objects);
    vf_buf_free(&fake->trace);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

void fake_set_page_size(struct fake *fake, size_t size)
{
    pthread_mutex_lock(&fake->lock);
    fake->page_size = size;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_end(struct fake *fake, enum fake_end end)
{
    pthread_mutex_lock(&fake->lock);
    fake->end = end;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_list_takes_ms(struct fake *fake, int64_t ms)
{
    pthread_mutex_lock(&fake->lock);
    fake->list_takes_ms = ms;
    pthread_mutex_unlock(&fake->lock);
}

/* --- Objects; lock held --- */

static struct object *find(struct fake *fake, const char *id)
{
    for (size_t i = 0; i < fake->count; i++)
        if (strcmp(fake->objects[i]->id, id) == 0)
            return fake->objects[i];
    return NULL;
}

static struct object *find_live(struct fake *fake, const char *id)
{
    struct object *object = find(fake, id);

    return object != NULL && !object->is_gone ? object : NULL;
}

static struct object *add(struct fake *fake, const char *vault, const char *id,
                          const char *name, const char *url, long at)
{
    struct object *object = calloc(1, sizeof(*object));

    if (id != NULL)
        snprintf(object->id, sizeof(object->id), "%s", id);
    else
        snprintf(object->id, sizeof(object->id), "%s_%06zu",
                 vault[0] == '\0' ? "vault" : "vcred", fake->count + 1);
    snprintf(object->vault, sizeof(object->vault), "%s", vault);
    object->name = strdup(name);
    object->url = strdup(url);
    object->created.tv_sec = at;
    object->updated.tv_sec = at;
    fake->objects =
        reallocarray(fake->objects, fake->count + 1, sizeof(struct object *));
    fake->objects[fake->count++] = object;
    return object;
}

static void show(const struct object *object, struct vf_object *ret)
{
    struct vf_buf text = VF_BUF_INIT;

    vf_buf_printf(&text,
                  "{\"id\": \"%s\", \"revision\": %u, \"auth\": {\"type\": "
                  "\"static_bearer\", \"mcp_server_url\": \"%s\"}}\n",
                  object->id, object->revision, object->url);
    *ret = (struct vf_object){.name = strdup(object->name),
                              .created = object->created,
                              .updated = object->updated,
                              .text = text.data,
                              .size = text.size};
    memcpy(ret->id, object->id, sizeof(ret->id));
}

static void show_in_list(const struct object *object, struct vf_object *ret)
{
    struct object old = *object;

    if (object->lag == FAKE_OLD) {
        old.revision = 0;
        old.updated = old.created;
    }
    show(&old, ret);
}

static bool is_shown(const struct object *object, const char *vault)
{
    if (strcmp(object->vault, vault) != 0 || object->lag == FAKE_NOT_YET)
        return false;
    return !object->is_gone || object->lag == FAKE_STILL;
}

/* --- Gates; lock held, dropped while a request waits --- */

static int pass(struct fake *fake, enum fake_op op, enum fake_when when,
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
    int code = gate->code[when];
    if (code == 0)
        return 0;
    if (when == FAKE_BEFORE && gate->good > 0) {
        gate->good--;
        return 0;
    }
    return vf_error_set(err, code, "the service says %s", vf_errno_name(code));
}

static int begin(struct fake *fake, enum fake_op op, struct vf_error *err)
{
    fake_is_busy = true;
    pthread_mutex_lock(&fake->lock);
    return pass(fake, op, FAKE_BEFORE, err);
}

static int end(struct fake *fake, int result)
{
    pthread_mutex_unlock(&fake->lock);
    fake_is_busy = false;
    return result;
}

static int absent(struct vf_error *err)
{
    return vf_error_set(err, ENOENT, "there is no such object");
}

/* --- The service --- */

static void take_page(struct fake *fake, const char *vault, const char *cursor,
                      struct vf_page *ret)
{
    size_t skip = cursor != NULL ? strtoul(cursor, NULL, 10) : 0, seen = 0;
    char next[32];

    *ret = (struct vf_page){
        .objects = calloc(fake->page_size + 1, sizeof(struct vf_object))};
    /* Newest first, as services are likely to do. */
    for (size_t i = fake->count; i-- > 0;) {
        if (!is_shown(fake->objects[i], vault) || seen++ < skip)
            continue;
        if (ret->count == fake->page_size) {
            snprintf(next, sizeof(next), "%zu", skip + ret->count);
            ret->next = strdup(next);
            break;
        }
        show_in_list(fake->objects[i], &ret->objects[ret->count++]);
    }
}

/* As take_page(); the cursor is fresh each time, and means nothing. */
static void take_endless_page(struct fake *fake, const char *vault,
                              struct vf_page *ret)
{
    char id[32], cursor[32];

    snprintf(cursor, sizeof(cursor), "more-%u", ++fake->pages);
    if (fake->end == FAKE_GROWS) {
        struct object object = {.name = id, .url = id};

        snprintf(id, sizeof(id), "grown_%u", fake->pages);
        memcpy(object.id, id, sizeof(id));
        *ret = (struct vf_page){.objects = calloc(1, sizeof(struct vf_object)),
                                .count = 1};
        show(&object, ret->objects);
    } else {
        take_page(fake, vault, NULL, ret);
        free(ret->next);
    }
    ret->next = strdup(cursor);
}

static int list(struct fake *fake, enum fake_op op, const char *vault,
                const char *cursor, struct vf_page *ret, struct vf_error *err)
{
    struct vf_page page;
    int result = begin(fake, op, err);

    if (result == 0 && vault[0] != '\0' && find_live(fake, vault) == NULL)
        result = absent(err);
    if (result < 0)
        return end(fake, result);
    if (fake->end == FAKE_ENDS)
        take_page(fake, vault, cursor, &page);
    else
        take_endless_page(fake, vault, &page);
    harness_advance_ms(fake->list_takes_ms);
    result = pass(fake, op, FAKE_AFTER, err);
    if (result < 0)
        vf_page_done(&page);
    else
        *ret = page;
    return end(fake, result);
}

static int list_vaults(void *self, const char *cursor, int64_t deadline_ms,
                       struct vf_page *ret, struct vf_error *err)
{
    return list(self, FAKE_LIST_VAULTS, "", cursor, ret, err);
}

static int list_credentials(void *self, const char *vault_id,
                            const char *cursor, int64_t deadline_ms,
                            struct vf_page *ret, struct vf_error *err)
{
    return list(self, FAKE_LIST_CREDENTIALS, vault_id, cursor, ret, err);
}

static int make(struct fake *fake, enum fake_op op, const char *vault,
                const char *name, const char *url, struct vf_object *ret,
                struct vf_error *err)
{
    int result = begin(fake, op, err);

    vf_buf_printf(&fake->trace, "create %s; ", name);
    if (result == 0 && vault[0] != '\0' && find_live(fake, vault) == NULL)
        result = absent(err);
    if (result < 0)
        return end(fake, result);
    const struct object *object =
        add(fake, vault, NULL, name, url, fake->now++);
    result = pass(fake, op, FAKE_AFTER, err);
    if (result == 0)
        show(object, ret);
    return end(fake, result);
}

static int create_vault(void *self, const char *display_name,
                        int64_t deadline_ms, struct vf_object *ret,
                        struct vf_error *err)
{
    return make(self, FAKE_CREATE_VAULT, "", display_name, "", ret, err);
}

static int create_credential(void *self, const char *vault_id, const char *name,
                             const struct vf_spec *spec, int64_t deadline_ms,
                             struct vf_object *ret, struct vf_error *err)
{
    return make(self, FAKE_CREATE, vault_id, name, spec->mcp_server_url, ret,
                err);
}

static int get_credential(void *self, const char *vault_id, const char *id,
                          int64_t deadline_ms, struct vf_object *ret,
                          struct vf_error *err)
{
    struct fake *fake = self;
    int result = begin(fake, FAKE_GET, err);
    const struct object *object = find_live(fake, id);

    if (result == 0 && object == NULL)
        result = absent(err);
    if (result == 0)
        show(object, ret);
    return end(fake, result);
}

static int update_credential(void *self, const char *vault_id, const char *id,
                             const char *name, const struct vf_spec *spec,
                             const char *current_text, size_t current_size,
                             int64_t deadline_ms, struct vf_object *ret,
                             struct vf_error *err)
{
    struct fake *fake = self;
    int result = begin(fake, FAKE_UPDATE, err);
    struct object *object = find_live(fake, id);

    vf_buf_printf(&fake->trace, "update %s; ", id);
    if (result == 0 && object == NULL)
        result = absent(err);
    if (result < 0)
        return end(fake, result);
    object->revision++;
    object->updated.tv_sec = fake->now++;
    result = pass(fake, FAKE_UPDATE, FAKE_AFTER, err);
    if (result == 0)
        show(object, ret);
    return end(fake, result);
}

/* Absent is as good as removed, as struct vf_service_ops says. */
static int take_away(struct fake *fake, enum fake_op op, const char *id,
                     struct vf_error *err)
{
    int result = begin(fake, op, err);
    struct object *object = find_live(fake, id);

    vf_buf_printf(&fake->trace, "delete %s; ", id);
    if (result < 0)
        return end(fake, result);
    if (object != NULL)
        object->is_gone = true;
    return end(fake, pass(fake, op, FAKE_AFTER, err));
}

static int delete_vault(void *self, const char *vault_id, int64_t deadline_ms,
                        struct vf_error *err)
{
    return take_away(self, FAKE_DELETE_VAULT, vault_id, err);
}

static int delete_credential(void *self, const char *vault_id, const char *id,
                             int64_t deadline_ms, struct vf_error *err)
{
    return take_away(self, FAKE_DELETE, id, err);
}

static int archive_credential(void *self, const char *vault_id, const char *id,
                              int64_t deadline_ms, struct vf_error *err)
{
    return take_away(self, FAKE_ARCHIVE, id, err);
}

struct vf_service fake_service(struct fake *fake)
{
    static const struct vf_service_ops ops = {
        .list_vaults = list_vaults,
        .list_credentials = list_credentials,
        .create_vault = create_vault,
        .delete_vault = delete_vault,
        .create_credential = create_credential,
        .get_credential = get_credential,
        .update_credential = update_credential,
        .delete_credential = delete_credential,
        .archive_credential = archive_credential,
    };

    return (struct vf_service){.ops = &ops, .self = fake};
}

/* --- What the test does and sees --- */

unsigned fake_count(struct fake *fake, enum fake_op op)
{
    unsigned count = 0;

    pthread_mutex_lock(&fake->lock);
    for (int i = 0; i < FAKE_OPS; i++)
        if (op == FAKE_OPS || (int)op == i)
            count += fake->gates[i].count;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

void fake_reset_counts(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    for (int i = 0; i < FAKE_OPS; i++)
        fake->gates[i].count = 0;
    vf_buf_free(&fake->trace);
    fake->trace = VF_BUF_INIT;
    pthread_mutex_unlock(&fake->lock);
}

char *fake_trace(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    char *trace = strdup(fake->trace.data != NULL ? fake->trace.data : "");
    pthread_mutex_unlock(&fake->lock);
    return trace;
}

void fake_fail(struct fake *fake, enum fake_op op, enum fake_when when,
               int code)
{
    pthread_mutex_lock(&fake->lock);
    fake->gates[op].code[when] = code;
    pthread_mutex_unlock(&fake->lock);
}

void fake_fail_after(struct fake *fake, enum fake_op op, unsigned good,
                     int code)
{
    pthread_mutex_lock(&fake->lock);
    fake->gates[op].good = good;
    fake->gates[op].code[FAKE_BEFORE] = code;
    pthread_mutex_unlock(&fake->lock);
}

void fake_hold(struct fake *fake, enum fake_op op, enum fake_when when)
{
    pthread_mutex_lock(&fake->lock);
    fake->gates[op].is_held[when] = true;
    pthread_mutex_unlock(&fake->lock);
}

void fake_wait_held(struct fake *fake, enum fake_op op, unsigned count)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->gates[op].waiting < count)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

void fake_let_go(struct fake *fake, enum fake_op op)
{
    pthread_mutex_lock(&fake->lock);
    fake->gates[op].is_held[FAKE_BEFORE] = false;
    fake->gates[op].is_held[FAKE_AFTER] = false;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static const char *add_now(struct fake *fake, const char *vault,
                           const char *name, const char *url)
{
    pthread_mutex_lock(&fake->lock);
    const char *id = add(fake, vault, NULL, name, url, fake->now++)->id;
    pthread_mutex_unlock(&fake->lock);
    return id;
}

const char *fake_add_vault(struct fake *fake, const char *name)
{
    return add_now(fake, "", name, "");
}

const char *fake_add(struct fake *fake, const char *vault, const char *name,
                     const char *url)
{
    return add_now(fake, vault, name, url);
}

const char *fake_add_with_id(struct fake *fake, const char *vault,
                             const char *id, const char *name, long at)
{
    pthread_mutex_lock(&fake->lock);
    const char *kept = add(fake, vault, id, name, HARNESS_URL, at)->id;
    pthread_mutex_unlock(&fake->lock);
    return kept;
}

void fake_touch(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    struct object *object = find(fake, id);
    object->revision++;
    object->updated.tv_sec = fake->now++;
    pthread_mutex_unlock(&fake->lock);
}

void fake_remove(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    find(fake, id)->is_gone = true;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_lag(struct fake *fake, const char *id, enum fake_lag lag)
{
    pthread_mutex_lock(&fake->lock);
    find(fake, id)->lag = lag;
    pthread_mutex_unlock(&fake->lock);
}

size_t fake_size(struct fake *fake, const char *vault)
{
    size_t size = 0;

    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->count; i++)
        if (strcmp(fake->objects[i]->vault, vault) == 0 &&
            !fake->objects[i]->is_gone)
            size++;
    pthread_mutex_unlock(&fake->lock);
    return size;
}

bool fake_has(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    bool is_there = find_live(fake, id) != NULL;
    pthread_mutex_unlock(&fake->lock);
    return is_there;
}

const char *fake_find(struct fake *fake, const char *name)
{
    const char *id = NULL;

    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->count; i++)
        if (strcmp(fake->objects[i]->name, name) == 0)
            id = fake->objects[i]->id;
    pthread_mutex_unlock(&fake->lock);
    return id;
}

unsigned fake_revision(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    unsigned revision = find(fake, id)->revision;
    pthread_mutex_unlock(&fake->lock);
    return revision;
}
