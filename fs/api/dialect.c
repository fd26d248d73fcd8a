/* SPDX-License-Identifier: MIT */
#include "dialect.h"

#include "object.h"

#include <stdatomic.h>
#include <string.h>

static const struct vf_dialect *const dialects[] = {
    &vf_dialect_auto,
    &vf_dialect_qoder,
    &vf_dialect_flat,
    &vf_dialect_anthropic,
};

const struct vf_dialect *vf_dialect_find(const char *name)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        if (strcmp(dialects[i]->name, name) == 0)
            return dialects[i];
    return NULL;
}

bool vf_dialect_settle(vf_dialect_slot *slot, const struct vf_dialect *from,
                       const struct vf_dialect *table)
{
    return atomic_compare_exchange_strong(slot, &from, table) || from == table;
}

/* Any other reply, of a gateway under repair say, must not settle for good
 * which service this is. */
static const struct vf_dialect *tell(const struct vf_dialect *now,
                                     const struct vf_json *object)
{
    const char *type = vf_json_get_string(object, "type");
    const char *id = vf_json_get_string(object, "id");

    if (type == NULL || strcmp(type, now->vault.type) != 0 || id == NULL ||
        !vf_object_is_id(id))
        return NULL;
    return now->tell(object);
}

void vf_dialect_tell(vf_dialect_slot *slot, const struct vf_json *reply)
{
    const struct vf_dialect *now = atomic_load(slot);
    const struct vf_dialect *told = NULL;
    struct vf_json *page = NULL;

    if (now->tell == NULL)
        return;
    if (!vf_json_get(reply, "data", &page))
        told = tell(now, reply);
    for (size_t i = 0; told == NULL && i < vf_json_count(page); i++)
        told = tell(now, vf_json_at(page, i));
    if (told != NULL)
        (void)vf_dialect_settle(slot, now, told);
}
