/* SPDX-License-Identifier: MIT */
#include "leak.h"

#include "auth_form.h"
#include "boxes.h"

#include "vaultfs/json.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct leak {
    struct vf_call *call;
    struct vf_json *reply;
    const struct vf_access *access;
    struct vf_error *err;
};

/* The object that a dotted name is a member of; *name is then its last part.
 * NULL when there is none. */
static struct vf_json *find_parent(struct vf_json *object, const char **name)
{
    char part[32];

    for (const char *dot; (dot = strchr(*name, '.')) != NULL; *name = dot + 1) {
        size_t size = (size_t)(dot - *name);

        if (size >= sizeof(part))
            return NULL;
        memcpy(part, *name, size);
        part[size] = '\0';
        if (!vf_json_get(object, part, &object))
            return NULL;
    }
    return object;
}

static int add_secret(void *context, const char *field,
                      const struct vf_secret *secret, struct vf_error *err)
{
    struct vf_json *parent = find_parent(context, &field);

    return parent == NULL
               ? 0
               : vf_json_set_string_sized(parent, field, vf_secret_data(secret),
                                          vf_secret_size(secret));
}

static int leak_object(const struct leak *leak, struct vf_json *object)
{
    const struct vf_dialect *dialect = leak->call->dialect;
    const char *id = vf_json_get_string(object, "id");
    struct vf_json *spec = object;

    if (id == NULL || !vf_id_is_valid(dialect->credential_prefix, id))
        return 0;
    if (dialect->form->member != NULL &&
        !vf_json_get(object, dialect->form->member, &spec))
        return 0;
    return vf_boxes_each(leak->access, id, add_secret, spec, leak->err);
}

static int leak_array(const struct leak *leak, const char *member)
{
    struct vf_json *array = NULL;
    int result = 0;

    (void)vf_json_get(leak->reply, member, &array);
    for (size_t i = 0; result == 0 && i < vf_json_count(array); i++)
        result = leak_object(leak, vf_json_at(array, i));
    return result;
}

static int leak_all(void *context, const struct vf_access *access,
                    struct vf_error *err)
{
    struct leak *leak = context;

    leak->access = access;
    leak->err = err;
    int result = leak_object(leak, leak->reply);
    if (result == 0)
        result = leak_array(leak, "data");
    if (result == 0)
        result = leak_array(leak, "credentials");
    return result;
}

int vf_leak_secrets(struct vf_call *call, struct vf_store *store,
                    struct vf_error *err)
{
    struct leak leak = {.call = call};
    char *text;
    size_t size;

    if (call->reply.size == 0)
        return 0;
    int result =
        vf_json_parse(call->reply.data, call->reply.size, &leak.reply, err);
    if (result < 0)
        return result;
    result = vf_store_read(store, leak_all, &leak, err);
    if (result == 0)
        result = vf_json_render_compact(leak.reply, &text, &size);
    vf_json_free(leak.reply);
    if (result < 0)
        return result;
    vf_buf_free(&call->reply);
    vf_buf_append(&call->reply, text, size);
    free(text);
    return 0;
}
