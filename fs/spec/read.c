/* SPDX-License-Identifier: MIT
 *
 * Readers of fields: JSON value -> struct vf_spec.
 *
 * Messages name fields and never quote a value. A name that no table has may be
 * one: who wrote {"$TOKEN": ""} in a shell put the token there. So an unknown
 * name is shown only if it reads like one of ours with a slip of the finger:
 * short, and without the digits that nearly every token has. Any other is told
 * by its position.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/json.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#define HOSTS_MAX 16
#define SHOWN_NAME_MAX 24

struct param {
    char text[VF_ERROR_PARAM_MAX + 1];
};

static struct param join(const char *parent, const char *key)
{
    struct param param;

    (void)snprintf(param.text, sizeof(param.text), "%s%s%s", parent,
                   parent[0] != '\0' ? "." : "", key);
    return param;
}

static int fail(struct spec_reader *reader, const char *param, const char *what)
{
    return vf_error_set_param(reader->err, EINVAL, param, "\"%s\" %s", param,
                              what);
}

static int fail_memory(struct spec_reader *reader)
{
    return vf_error_set(reader->err, ENOMEM, "no memory for a spec");
}

static bool is_showable(const char *name)
{
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz_.-";
    size_t size = strlen(name);

    return size > 0 && size <= SHOWN_NAME_MAX && strspn(name, harmless) == size;
}

/* Something is wrong with a member whose name was not ours to choose. Its
 * position in the parent counts from 1. */
static int fail_member(struct spec_reader *reader, const char *parent,
                       size_t position, const char *key, const char *what)
{
    if (is_showable(key)) {
        struct param param = join(parent, key);

        return fail(reader, param.text, what);
    }
    return vf_error_set_param(
        reader->err, EINVAL, parent, "field %zu of %s (name not shown) %s",
        position, parent[0] != '\0' ? parent : "the document", what);
}

static int expect(struct spec_reader *reader, const char *param,
                  const struct vf_json *value, enum vf_json_type wanted)
{
    enum vf_json_type type = vf_json_type(value);

    if (type == wanted)
        return 0;
    return vf_error_set_param(
        reader->err, EINVAL, param, "\"%s\" must be %s, not %s", param,
        vf_json_type_name(wanted), vf_json_type_name(type));
}

static void *place_of(struct spec_reader *reader,
                      const struct spec_field *field)
{
    return (char *)reader->spec + field->place;
}

/* The bytes of a string that is as its kind demands; borrowed. */
static int check_string(struct spec_reader *reader,
                        const struct spec_kind *kind, const char *param,
                        const struct vf_json *value, const char **ret,
                        size_t *ret_size)
{
    size_t size = 0;
    int result = expect(reader, param, value, VF_JSON_STRING);

    if (result < 0)
        return result;
    const char *text = vf_json_string(value, &size);
    if (kind->max > 0 && vf_utf8_length(text, size) > kind->max)
        return vf_error_set_param(reader->err, EINVAL, param,
                                  "\"%s\" is longer than %zu characters", param,
                                  kind->max);
    const char *trouble = kind->check(text, size);
    if (trouble != NULL)
        return fail(reader, param, trouble);
    *ret = text;
    *ret_size = size;
    return 0;
}

int spec_read_string(struct spec_reader *reader, const struct spec_field *field,
                     const char *param, const struct vf_json *value)
{
    const char *text = NULL;
    size_t size = 0;
    int result = check_string(reader, field->kind, param, value, &text, &size);

    if (result < 0)
        return result;
    char *copy = strndup(text, size);
    if (copy == NULL)
        return fail_memory(reader);
    *(char **)place_of(reader, field) = copy;
    return 0;
}

int spec_read_string_or_null(struct spec_reader *reader,
                             const struct spec_field *field, const char *param,
                             const struct vf_json *value)
{
    return value == NULL ? 0 : spec_read_string(reader, field, param, value);
}

int spec_read_expiry(struct spec_reader *reader, const struct spec_field *field,
                     const char *param, const struct vf_json *value)
{
    reader->spec->is_expiry_cleared = value == NULL;
    return spec_read_string_or_null(reader, field, param, value);
}

int spec_read_secret(struct spec_reader *reader, const struct spec_field *field,
                     const char *param, const struct vf_json *value)
{
    const char *text = NULL;
    size_t size = 0;
    int result = check_string(reader, field->kind, param, value, &text, &size);

    if (result < 0)
        return result;
    return vf_secret_from(text, size, place_of(reader, field), reader->err);
}

/* The "type" of an object whose shape was picked by it. */
int spec_read_picked(struct spec_reader *reader, const struct spec_field *field,
                     const char *param, const struct vf_json *value)
{
    return 0;
}

int spec_read_boolean(struct spec_reader *reader,
                      const struct spec_field *field, const char *param,
                      const struct vf_json *value)
{
    return expect(reader, param, value, VF_JSON_BOOL);
}

int spec_read_hosts(struct spec_reader *reader, const struct spec_field *field,
                    const char *param, const struct vf_json *value)
{
    size_t count = vf_json_count(value);
    const char *text;
    size_t size;

    int result = expect(reader, param, value, VF_JSON_ARRAY);
    if (result == 0 && (count < 1 || count > HOSTS_MAX))
        return vf_error_set_param(reader->err, EINVAL, param,
                                  "\"%s\" must have 1 to %d elements", param,
                                  HOSTS_MAX);
    for (size_t i = 0; i < count && result == 0; i++) {
        struct param element;

        (void)snprintf(element.text, sizeof(element.text), "%s[%zu]", param, i);
        result = check_string(reader, field->kind, element.text,
                              vf_json_at(value, i), &text, &size);
    }
    return result;
}

struct metadata_check {
    struct spec_reader *reader;
    const char *param;
    size_t position;
    size_t keys; /* the users' own */
};

static int check_metadata_member(void *context, const char *key,
                                 struct vf_json *value)
{
    struct metadata_check *check = context;
    size_t key_length = vf_utf8_length(key, strlen(key));
    size_t size = 0;
    const char *trouble = NULL;

    check->position++;
    check->keys += strcmp(key, VF_SPEC_NAME_KEY) != 0;
    const char *text = vf_json_string(value, &size);
    if (key_length < 1 || key_length > VF_SPEC_METADATA_KEY_MAX)
        trouble = "must have a name of 1 to 64 characters";
    else if (vf_json_is_secret_key(key))
        trouble = "is a secret's name, and metadata is there to be read";
    else if (text == NULL)
        trouble = "must be a string";
    else if (vf_utf8_length(text, size) > VF_SPEC_METADATA_VALUE_MAX)
        trouble = "is longer than 512 characters";
    if (trouble == NULL)
        return 0;
    return fail_member(check->reader, check->param, check->position, key,
                       trouble);
}

int spec_read_metadata(struct spec_reader *reader,
                       const struct spec_field *field, const char *param,
                       const struct vf_json *value)
{
    struct metadata_check check = {.reader = reader, .param = param};
    struct vf_json **place = place_of(reader, field);

    int result = expect(reader, param, value, VF_JSON_OBJECT);
    if (result == 0)
        result = vf_json_each(value, check_metadata_member, &check);
    if (result < 0)
        return result;
    if (check.keys >= VF_SPEC_METADATA_KEYS_MAX)
        return vf_error_set_param(reader->err, EINVAL, param,
                                  "\"%s\" must have at most %d keys", param,
                                  VF_SPEC_METADATA_KEYS_MAX - 1);
    if (vf_json_copy(value, place) < 0)
        return fail_memory(reader);
    vf_json_remove(*place, VF_SPEC_NAME_KEY);
    return 0;
}

struct unknown_check {
    struct spec_reader *reader;
    const char *param;
    size_t position;
    const struct spec_field *fields;
};

static int check_known(void *context, const char *key, struct vf_json *value)
{
    struct unknown_check *check = context;

    check->position++;
    for (const struct spec_field *field = check->fields; field->key != NULL;
         field++)
        if (strcmp(field->key, key) == 0)
            return 0;
    return fail_member(check->reader, check->param, check->position, key,
                       "is an unknown field");
}

static int read_fields(struct spec_reader *reader,
                       const struct spec_field *fields, const char *param,
                       const struct vf_json *object)
{
    struct unknown_check check = {
        .reader = reader, .param = param, .fields = fields};
    int result = vf_json_each(object, check_known, &check);

    for (; result == 0 && fields->key != NULL; fields++) {
        struct param inner = join(param, fields->key);
        struct vf_json *value;

        if (vf_json_get(object, fields->key, &value))
            result = fields->kind->read(reader, fields, inner.text, value);
        else if (fields->need == REQUIRED)
            result = fail(reader, inner.text, "is missing");
    }
    return result;
}

static int fail_type(struct spec_reader *reader, const char *param,
                     const struct spec_shape *shapes)
{
    char what[128] = "must be ";

    for (const struct spec_shape *shape = shapes; shape->fields != NULL;
         shape++) {
        size_t size = strlen(what);

        (void)snprintf(what + size, sizeof(what) - size, "%s%s",
                       shape == shapes           ? ""
                       : shape[1].fields == NULL ? " or "
                                                 : ", ",
                       shape->type);
    }
    return fail(reader, param, what);
}

/* Find the shape whose type the object's "type" names. */
static int pick_shape(struct spec_reader *reader,
                      const struct spec_shape *shapes, const char *param,
                      const struct vf_json *object,
                      const struct spec_shape **ret)
{
    struct param inner = join(param, "type");
    struct vf_json *type;

    if (!vf_json_get(object, "type", &type))
        return fail(reader, inner.text, "is missing");
    int result = expect(reader, inner.text, type, VF_JSON_STRING);
    if (result < 0)
        return result;
    const char *name = vf_json_get_string(object, "type");
    for (const struct spec_shape *shape = shapes; shape->fields != NULL;
         shape++) {
        if (name != NULL && strcmp(shape->type, name) == 0) {
            *ret = shape;
            return 0;
        }
    }
    return fail_type(reader, inner.text, shapes);
}

int spec_read_shapes(struct spec_reader *reader,
                     const struct spec_shape *shapes, const char *param,
                     const struct vf_json *object)
{
    const struct spec_shape *shape = shapes;

    if (shapes->type != NULL) {
        int result = pick_shape(reader, shapes, param, object, &shape);

        if (result < 0)
            return result;
    }
    return read_fields(reader, shape->fields, param, object);
}

int spec_read_object(struct spec_reader *reader, const struct spec_field *field,
                     const char *param, const struct vf_json *value)
{
    int result = expect(reader, param, value, VF_JSON_OBJECT);

    if (result < 0)
        return result;
    return spec_read_shapes(reader, field->kind->shapes, param, value);
}

int spec_read_copied_object(struct spec_reader *reader,
                            const struct spec_field *field, const char *param,
                            const struct vf_json *value)
{
    int result = spec_read_object(reader, field, param, value);

    if (result < 0)
        return result;
    if (vf_json_copy(value, place_of(reader, field)) < 0)
        return fail_memory(reader);
    return 0;
}

int spec_read_refresh(struct spec_reader *reader,
                      const struct spec_field *field, const char *param,
                      const struct vf_json *value)
{
    reader->spec->refresh.is_present = true;
    return spec_read_object(reader, field, param, value);
}

int spec_read_auth_type(struct spec_reader *reader,
                        const struct spec_field *field, const char *param,
                        const struct vf_json *value)
{
    size_t size;

    return vf_auth_type_parse(vf_json_string(value, &size),
                              &reader->spec->type);
}
