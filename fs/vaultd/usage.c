/* SPDX-License-Identifier: MIT */
#include "usage.h"

#include "id.h"
#include "store.h"
#include "token.h"

#include "vaultfs/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS 60000
#define SLOTS_STEP 16

/* A token that was noted less than a minute ago; older slots are free. */
struct slot {
    char id[VF_ID_SIZE];
    int64_t noted_ms; /* CLOCK_BOOTTIME */
};

struct vf_usage {
    struct vf_store *store;
    pthread_mutex_t lock; /* guards what follows; held for moments only */
    struct slot *slots;
    size_t count;
};

struct note {
    char id[VF_ID_SIZE];
    int64_t now_us;
};

int vf_usage_new(struct vf_store *store, struct vf_usage **ret,
                 struct vf_error *err)
{
    struct vf_usage *usage = calloc(1, sizeof(*usage));

    if (usage == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the use of tokens");
    usage->store = store;
    pthread_mutex_init(&usage->lock, NULL);
    *ret = usage;
    return 0;
}

void vf_usage_free(struct vf_usage *usage)
{
    if (usage == NULL)
        return;
    pthread_mutex_destroy(&usage->lock);
    free(usage->slots);
    free(usage);
}

/* More slots, all free; the first of them. NULL without memory. */
static struct slot *grow(struct vf_usage *usage, int64_t now_ms)
{
    size_t count = usage->count + SLOTS_STEP;
    struct slot *slots = realloc(usage->slots, count * sizeof(*slots));

    if (slots == NULL)
        return NULL;
    for (size_t i = usage->count; i < count; i++)
        slots[i] = (struct slot){.noted_ms = now_ms - QUIET_MS};
    usage->slots = slots;
    usage->count = count;
    return &slots[count - SLOTS_STEP];
}

/* Whether it is time to note a token again; then it is taken as noted. */
static bool is_due(struct vf_usage *usage, const char *id, int64_t now_ms)
{
    struct slot *unused = NULL;

    for (size_t i = 0; i < usage->count; i++) {
        struct slot *slot = &usage->slots[i];

        if (now_ms - slot->noted_ms >= QUIET_MS)
            unused = slot;
        else if (strcmp(slot->id, id) == 0)
            return false;
    }
    if (unused == NULL)
        unused = grow(usage, now_ms);
    if (unused == NULL)
        return false;
    vf_error_copy(unused->id, sizeof(unused->id), id);
    unused->noted_ms = now_ms;
    return true;
}

static int write_note(void *context, const struct vf_access *access,
                      struct vf_error *err)
{
    const struct note *note = context;

    return vf_token_used(access, note->id, note->now_us, err);
}

void vf_usage_note(struct vf_usage *usage, const char *id)
{
    pthread_mutex_lock(&usage->lock);
    bool is_wanted = is_due(usage, id, vf_clock_boottime_ms());
    pthread_mutex_unlock(&usage->lock);
    if (!is_wanted)
        return;
    struct note *note = malloc(sizeof(*note));
    if (note == NULL)
        return;
    note->now_us = vf_now_us();
    vf_error_copy(note->id, sizeof(note->id), id);
    if (vf_store_post(usage->store, VF_STORE_GROWS, write_note, note) < 0)
        return; /* it is lost, and told again in a minute */
}
