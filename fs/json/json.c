/* SPDX-License-Identifier: MIT */
#include "vaultfs/json.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "vaultfs/text.h"

#include "internal.h"

static const char *const secret_keys[] = {
    "token", "access_token", "secret_value", "refresh_token", "client_secret",
};
#define SECRET_KEYS (sizeof(secret_keys) / sizeof(secret_keys[0]))

void vf_json_free(struct vf_json *json)
{
    json_object_put(to_json_c(json));
}

enum vf_json_type vf_json_type(const struct vf_json *json)
{
    static const enum vf_json_type types[] = {
        [json_type_null] = VF_JSON_NULL,     [json_type_boolean] = VF_JSON_BOOL,
        [json_type_double] = VF_JSON_DOUBLE, [json_type_int] = VF_JSON_INT,
        [json_type_object] = VF_JSON_OBJECT, [json_type_array] = VF_JSON_ARRAY,
        [json_type_string] = VF_JSON_STRING,
    };

    return types[json_object_get_type(to_json_c(json))];
}

const char *vf_json_type_name(enum vf_json_type type)
{
    static const char *const names[] = {
        [VF_JSON_NULL] = "null",        [VF_JSON_BOOL] = "a boolean",
        [VF_JSON_INT] = "a number",     [VF_JSON_DOUBLE] = "a number",
        [VF_JSON_STRING] = "a string",  [VF_JSON_ARRAY] = "an array",
        [VF_JSON_OBJECT] = "an object",
    };

    return names[type];
}

static bool is_type(const struct vf_json *json, enum vf_json_type type)
{
    return vf_json_type(json) == type;
}

bool vf_json_get(const struct vf_json *object, const char *key,
                 struct vf_json **ret)
{
    struct json_object *value;

    if (!is_type(object, VF_JSON_OBJECT) ||
        !json_object_object_get_ex(to_json_c(object), key, &value))
        return false;
    if (ret != NULL)
        *ret = from_json_c(value);
    return true;
}

const char *vf_json_get_string(const struct vf_json *object, const char *key)
{
    struct vf_json *value;
    size_t size;

    if (!vf_json_get(object, key, &value))
        return NULL;
    const char *text = vf_json_string(value, &size);
    return text != NULL && strlen(text) == size ? text : NULL;
}

const char *vf_json_string(const struct vf_json *json, size_t *ret_size)
{
    if (!is_type(json, VF_JSON_STRING))
        return NULL;
    *ret_size = (size_t)json_object_get_string_len(to_json_c(json));
    return json_object_get_string(to_json_c(json));
}

int64_t vf_json_int(const struct vf_json *json)
{
    return is_type(json, VF_JSON_INT) ? json_object_get_int64(to_json_c(json))
                                      : 0;
}

bool vf_json_bool(const struct vf_json *json)
{
    return is_type(json, VF_JSON_BOOL) &&
           json_object_get_boolean(to_json_c(json));
}

const char *json_number_text(const struct vf_json *json)
{
    return json_object_get_userdata(to_json_c(json));
}

size_t vf_json_count(const struct vf_json *json)
{
    if (is_type(json, VF_JSON_ARRAY))
        return json_object_array_length(to_json_c(json));
    if (is_type(json, VF_JSON_OBJECT))
        return (size_t)json_object_object_length(to_json_c(json));
    return 0;
}

struct vf_json *vf_json_at(const struct vf_json *array, size_t index)
{
    if (!is_type(array, VF_JSON_ARRAY))
        return NULL;
    return from_json_c(json_object_array_get_idx(to_json_c(array), index));
}

int vf_json_each(const struct vf_json *object,
                 int (*each)(void *context, const char *key,
                             struct vf_json *value),
                 void *context)
{
    struct json_object_iter member;

    if (!is_type(object, VF_JSON_OBJECT))
        return 0;
    json_object_object_foreachC(to_json_c(object), member)
    {
        int result = each(context, member.key, from_json_c(member.val));

        if (result != 0)
            return result;
    }
    return 0;
}

static int differs_from(void *other, const char *key, struct vf_json *value)
{
    struct vf_json *theirs;

    return !vf_json_get(other, key, &theirs) || !vf_json_equal(value, theirs);
}

static bool is_equal_string(const struct vf_json *a, const struct vf_json *b)
{
    size_t a_size = 0, b_size = 0;
    const char *a_text = vf_json_string(a, &a_size);
    const char *b_text = vf_json_string(b, &b_size);

    return a_size == b_size && memcmp(a_text, b_text, a_size) == 0;
}

static bool is_equal_array(const struct vf_json *a, const struct vf_json *b)
{
    for (size_t i = 0; i < vf_json_count(a); i++)
        if (!vf_json_equal(vf_json_at(a, i), vf_json_at(b, i)))
            return false;
    return true;
}

bool vf_json_equal(const struct vf_json *a, const struct vf_json *b)
{
    if (vf_json_type(a) != vf_json_type(b) ||
        vf_json_count(a) != vf_json_count(b))
        return false;
    switch (vf_json_type(a)) {
    case VF_JSON_NULL:
        return true;
    case VF_JSON_BOOL:
        return vf_json_bool(a) == vf_json_bool(b);
    case VF_JSON_INT:
        return vf_json_int(a) == vf_json_int(b);
    case VF_JSON_DOUBLE:
        return strcmp(json_number_text(a), json_number_text(b)) == 0;
    case VF_JSON_STRING:
        return is_equal_string(a, b);
    case VF_JSON_ARRAY:
        return is_equal_array(a, b);
    case VF_JSON_OBJECT:
        return vf_json_each(a, differs_from, to_json_c(b)) == 0;
    }
    return false;
}

static int take(struct json_object *object, struct vf_json **ret)
{
    if (object == NULL)
        return -ENOMEM;
    *ret = from_json_c(object);
    return 0;
}

int vf_json_new_object(struct vf_json **ret)
{
    return take(json_object_new_object(), ret);
}

int vf_json_new_array(struct vf_json **ret)
{
    return take(json_object_new_array(), ret);
}

int vf_json_copy(const struct vf_json *json, struct vf_json **ret)
{
    struct json_object *copy = NULL;

    if (json == NULL) {
        *ret = NULL;
        return 0;
    }
    if (json_object_deep_copy(to_json_c(json), &copy, NULL) < 0)
        return -ENOMEM;
    *ret = from_json_c(copy);
    return 0;
}

int vf_json_set(struct vf_json *object, const char *key, struct vf_json *value)
{
    assert(is_type(object, VF_JSON_OBJECT));
    if (json_object_object_add(to_json_c(object), key, to_json_c(value)) == 0)
        return 0;
    vf_json_free(value);
    return -ENOMEM;
}

/* As vf_json_set(), for a value that was just made: NULL is no memory. */
static int set_new(struct vf_json *object, const char *key,
                   struct json_object *value)
{
    return value == NULL ? -ENOMEM
                         : vf_json_set(object, key, from_json_c(value));
}

int vf_json_set_string(struct vf_json *object, const char *key,
                       const char *value)
{
    if (value == NULL)
        return vf_json_set(object, key, NULL);
    return vf_json_set_string_sized(object, key, value, strlen(value));
}

int vf_json_set_string_sized(struct vf_json *object, const char *key,
                             const void *value, size_t size)
{
    if (!vf_utf8_is_valid(value, size))
        return -EINVAL;
    if (size > INT_MAX)
        return -ENOMEM;
    return set_new(object, key, json_object_new_string_len(value, (int)size));
}

int vf_json_set_int(struct vf_json *object, const char *key, int64_t value)
{
    return set_new(object, key, json_object_new_int64(value));
}

int vf_json_set_bool(struct vf_json *object, const char *key, bool value)
{
    return set_new(object, key, json_object_new_boolean(value));
}

void vf_json_remove(struct vf_json *object, const char *key)
{
    assert(is_type(object, VF_JSON_OBJECT));
    json_object_object_del(to_json_c(object), key);
}

int vf_json_push(struct vf_json *array, struct vf_json *value)
{
    assert(is_type(array, VF_JSON_ARRAY));
    if (json_object_array_add(to_json_c(array), to_json_c(value)) == 0)
        return 0;
    vf_json_free(value);
    return -ENOMEM;
}

bool vf_json_is_secret_key(const char *key)
{
    for (size_t i = 0; i < SECRET_KEYS; i++)
        if (strcmp(key, secret_keys[i]) == 0)
            return true;
    return false;
}

static int strip_member(void *context, const char *key, struct vf_json *value)
{
    vf_json_strip_secrets(value);
    return 0;
}

void vf_json_strip_secrets(struct vf_json *json)
{
    if (is_type(json, VF_JSON_ARRAY)) {
        for (size_t i = 0; i < vf_json_count(json); i++)
            vf_json_strip_secrets(vf_json_at(json, i));
    } else if (is_type(json, VF_JSON_OBJECT)) {
        for (size_t i = 0; i < SECRET_KEYS; i++)
            vf_json_remove(json, secret_keys[i]);
        (void)vf_json_each(json, strip_member, NULL);
    }
}
