/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include "fake_internal.h"
#include "harness.h"

struct fake *fake_new(void)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->page_size = 100;
    fake->turns = 16;
    fake->now = 1000;
    fake->traits = (struct vf_service_traits){
        .dialect = "fake", .has_keys = true, .can_update_credential = true};
    return fake;
}

void fake_free(struct fake *fake)
{
    for (size_t i = 0; i < fake->count; i++) {
        free(fake->objects[i]->name);
        free(fake->objects[i]->url);
        free(fake->objects[i]->metadata);
        free(fake->objects[i]);
    }
    free(fake->objects);
    free(fake->keys);
    vf_buf_free(&fake->trace);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

void fake_set_traits(struct fake *fake, const struct vf_service_traits *traits)
{
    pthread_mutex_lock(&fake->lock);
    fake->traits = *traits;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_unique(struct fake *fake, bool is_unique)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_unique = is_unique;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_wants_credential(struct fake *fake, bool wants_credential)
{
    pthread_mutex_lock(&fake->lock);
    fake->wants_credential = wants_credential;
    pthread_mutex_unlock(&fake->lock);
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

void fake_set_turns(struct fake *fake, unsigned count)
{
    pthread_mutex_lock(&fake->lock);
    fake->turns = count;
    pthread_mutex_unlock(&fake->lock);
}

static void set_list_held(struct fake *fake, const char *vault, bool is_held)
{
    pthread_mutex_lock(&fake->lock);
    fake_object(fake, vault)->is_list_held = is_held;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

void fake_hold_list(struct fake *fake, const char *vault)
{
    set_list_held(fake, vault, true);
}

void fake_let_go_list(struct fake *fake, const char *vault)
{
    set_list_held(fake, vault, false);
}

void fake_fail_list(struct fake *fake, const char *vault, int code)
{
    pthread_mutex_lock(&fake->lock);
    fake_object(fake, vault)->list_code = code;
    pthread_mutex_unlock(&fake->lock);
}

void fake_fail_ahead(struct fake *fake, int code)
{
    pthread_mutex_lock(&fake->lock);
    fake->ahead_code = code;
    pthread_mutex_unlock(&fake->lock);
}

void fake_fail_hasty(struct fake *fake, int code)
{
    pthread_mutex_lock(&fake->lock);
    fake->hasty_code = code;
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_listed(struct fake *fake, const char *vault)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = fake_object(fake, vault)->listed;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

struct fake_lists fake_lists(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_lists lists = fake->lists;
    pthread_mutex_unlock(&fake->lock);
    return lists;
}

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
    fake->gates[op].times[when] = 0;
    fake->gates[op].good = 0;
    pthread_mutex_unlock(&fake->lock);
}

void fake_fail_once(struct fake *fake, enum fake_op op, enum fake_when when,
                    int code)
{
    pthread_mutex_lock(&fake->lock);
    fake->gates[op].code[when] = code;
    fake->gates[op].times[when] = 1;
    pthread_mutex_unlock(&fake->lock);
}

void fake_fail_after(struct fake *fake, enum fake_op op, unsigned good,
                     int code)
{
    pthread_mutex_lock(&fake->lock);
    fake->gates[op].good = good;
    fake->gates[op].code[FAKE_BEFORE] = code;
    fake->gates[op].times[FAKE_BEFORE] = 0;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_param(struct fake *fake, const char *param)
{
    pthread_mutex_lock(&fake->lock);
    fake->param = param;
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
    const char *id =
        fake_add_object(fake, vault, NULL, name, url, fake->now++)->id;
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
    const char *kept =
        fake_add_object(fake, vault, id, name, HARNESS_URL, at)->id;
    pthread_mutex_unlock(&fake->lock);
    return kept;
}

void fake_touch(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    struct object *object = fake_object(fake, id);
    object->revision++;
    object->updated.tv_sec = fake->now++;
    pthread_mutex_unlock(&fake->lock);
}

void fake_remove(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    fake_object(fake, id)->is_gone = true;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_lag(struct fake *fake, const char *id, enum fake_lag lag)
{
    pthread_mutex_lock(&fake->lock);
    fake_object(fake, id)->lag = lag;
    pthread_mutex_unlock(&fake->lock);
}

size_t fake_size(struct fake *fake, const char *vault)
{
    pthread_mutex_lock(&fake->lock);
    size_t size = fake_active(fake, vault);
    pthread_mutex_unlock(&fake->lock);
    return size;
}

bool fake_has(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    bool is_there = fake_live_object(fake, id) != NULL;
    pthread_mutex_unlock(&fake->lock);
    return is_there;
}

const char *fake_find(struct fake *fake, const char *name)
{
    const char *id = NULL;

    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->count; i++)
        if (fake->objects[i]->name != NULL &&
            strcmp(fake->objects[i]->name, name) == 0)
            id = fake->objects[i]->id;
    pthread_mutex_unlock(&fake->lock);
    return id;
}

unsigned fake_revision(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    unsigned revision = fake_object(fake, id)->revision;
    pthread_mutex_unlock(&fake->lock);
    return revision;
}

bool fake_is_archived(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    bool is_archived = fake_object(fake, id)->is_archived;
    pthread_mutex_unlock(&fake->lock);
    return is_archived;
}

const char *fake_secret(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    const char *secret = fake_object(fake, id)->secret;
    pthread_mutex_unlock(&fake->lock);
    return secret;
}

const char *fake_metadata(struct fake *fake, const char *id)
{
    pthread_mutex_lock(&fake->lock);
    const char *metadata = fake_object(fake, id)->metadata;
    pthread_mutex_unlock(&fake->lock);
    return metadata;
}

const char *fake_last_key(struct fake *fake)
{
    return fake->last_key;
}
