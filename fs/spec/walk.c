/* SPDX-License-Identifier: MIT
 *
 * Walking a document beside what is shown.
 *
 * What was read can be written back changed (W-edit), so each value is looked
 * at together with the value that a read shows in the same place. Two rules
 * make an edit out of that, at any depth:
 *
 *   - What is equal is accepted, known or not, good or not by our measure: it
 *     came from the service. What is known is still taken into the spec, for
 *     who compares must find no difference, and a rotation to be repeated as a
 *     creation must lack nothing.
 *   - What is absent on both sides is equal too. No read shows a secret, so a
 *     secret is always absent there, and need not be given: in an object that
 *     is shown, of the same type, of the same credential.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool find_shown(const struct spec_value *object, const char *key,
                       struct vf_json **ret)
{
    return vf_json_get(object->shown, key, ret) ||
           vf_json_get(object->shown_outside, key, ret);
}

/* Room for a parent and as much again; what is longer is cut in the copy. */
#define LONG_PARAM_SIZE (2 * VF_ERROR_PARAM_MAX + 2)

struct spec_value spec_member(const struct spec_value *object, const char *key,
                              const struct vf_json *json)
{
    struct spec_value value = {.json = json};
    struct vf_json *shown = NULL;
    char param[LONG_PARAM_SIZE];

    value.is_shown = find_shown(object, key, &shown);
    value.shown = shown;
    value.is_same = value.is_shown && vf_json_equal(json, shown);
    (void)snprintf(param, sizeof(param), "%s%s%.*s", object->param,
                   object->param[0] != '\0' ? "." : "", VF_ERROR_PARAM_MAX,
                   key);
    vf_error_copy(value.param, sizeof(value.param), param);
    return value;
}

struct spec_value spec_element(const struct spec_value *array, size_t index)
{
    struct spec_value value = {.json = vf_json_at(array->json, index)};
    char param[LONG_PARAM_SIZE];

    (void)snprintf(param, sizeof(param), "%s[%zu]", array->param, index);
    vf_error_copy(value.param, sizeof(value.param), param);
    return value;
}

struct unknown_check {
    struct spec_reader *reader;
    const struct spec_value *object;
    const struct spec_field *fields;
    size_t position;
};

static int check_known(void *context, const char *key, struct vf_json *json)
{
    struct unknown_check *check = context;

    check->position++;
    for (const struct spec_field *field = check->fields; field->key != NULL;
         field++)
        if (strcmp(field->key, key) == 0)
            return 0;
    const struct spec_value value = spec_member(check->object, key, json);
    if (value.is_same)
        return 0;
    if (value.is_shown)
        return spec_fail(check->reader, value.param, "cannot be changed");
    return spec_fail_member(check->reader, check->object, check->position, key,
                            "is an unknown field");
}

static int read_member(struct spec_reader *reader,
                       const struct spec_field *field,
                       const struct spec_value *value)
{
    const struct spec_kind *kind = field->kind;
    enum vf_json_type type = vf_json_type(value->json);

    if (kind->type == VF_JSON_NULL || kind->type == type)
        return kind->read(reader, field, value);
    if (value->is_same)
        return 0; /* there is nothing to take */
    if (type == VF_JSON_NULL && kind->takes_null)
        return kind->read(reader, field, value);
    return spec_fail_type(reader, value, kind->type);
}

/* Both have the same type, or none. */
static bool is_same_type(const struct spec_value *object)
{
    struct vf_json *given = NULL, *shown = NULL;
    bool is_given = vf_json_get(object->json, "type", &given);

    return find_shown(object, "type", &shown) == is_given &&
           vf_json_equal(given, shown);
}

static bool may_be_missing(const struct spec_reader *reader,
                           const struct spec_value *object,
                           const struct spec_field *field)
{
    if (field->need == OPTIONAL)
        return true;
    return reader->purpose == SPEC_EDITS &&
           vf_json_type(object->shown) == VF_JSON_OBJECT &&
           is_same_type(object) && !find_shown(object, field->key, NULL);
}

static int read_fields(struct spec_reader *reader,
                       const struct spec_field *fields,
                       const struct spec_value *object)
{
    struct unknown_check check = {
        .reader = reader, .object = object, .fields = fields};
    int result = vf_json_each(object->json, check_known, &check);

    for (; result == 0 && fields->key != NULL; fields++) {
        struct vf_json *json;

        if (vf_json_get(object->json, fields->key, &json)) {
            const struct spec_value value =
                spec_member(object, fields->key, json);

            result = read_member(reader, fields, &value);
        } else if (!may_be_missing(reader, object, fields)) {
            result = spec_fail_missing(reader, object, fields);
        }
    }
    return result;
}

static int fail_shape(struct spec_reader *reader, const char *param,
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
    return spec_fail(reader, param, what);
}

const struct spec_shape *spec_find_shape(const struct spec_shape *shapes,
                                         const char *type)
{
    for (; type != NULL && shapes->fields != NULL; shapes++)
        if (strcmp(shapes->type, type) == 0)
            return shapes;
    return NULL;
}

/* Find the shape whose type the object's "type" names. */
static int pick_shape(struct spec_reader *reader,
                      const struct spec_shape *shapes,
                      const struct spec_value *object,
                      const struct spec_shape **ret)
{
    struct vf_json *json = NULL;
    bool has_type = vf_json_get(object->json, "type", &json);
    const struct spec_value type = spec_member(object, "type", json);

    if (!has_type)
        return spec_fail(reader, type.param, "is missing");
    if (vf_json_type(json) != VF_JSON_STRING)
        return spec_fail_type(reader, &type, VF_JSON_STRING);
    const struct spec_shape *shape =
        spec_find_shape(shapes, vf_json_get_string(object->json, "type"));
    if (shape == NULL)
        return fail_shape(reader, type.param, shapes);
    *ret = shape;
    return 0;
}

int spec_read_shapes(struct spec_reader *reader,
                     const struct spec_shape *shapes,
                     const struct spec_value *object)
{
    const struct spec_shape *shape = shapes;

    if (shapes->type != NULL) {
        int result = pick_shape(reader, shapes, object, &shape);

        if (result < 0)
            return result;
    }
    return read_fields(reader, shape->fields, object);
}

int spec_read_object(struct spec_reader *reader, const struct spec_field *field,
                     const struct spec_value *value)
{
    return spec_read_shapes(reader, field->kind->shapes, value);
}

/* Shown in either form, this is what it is held against. */
int spec_read_auth(struct spec_reader *reader, const struct spec_field *field,
                   const struct spec_value *value)
{
    struct spec_value auth = *value;

    auth.shown = reader->auth_shown;
    return spec_read_object(reader, field, &auth);
}

int spec_read_refresh(struct spec_reader *reader,
                      const struct spec_field *field,
                      const struct spec_value *value)
{
    struct vf_spec *spec = reader->base;

    spec->refresh.is_present = true;
    return spec_read_object(reader, field, value);
}

/* One of a type that we do not know stays as it is. */
int spec_read_endpoint_auth(struct spec_reader *reader,
                            const struct spec_field *field,
                            const struct spec_value *value)
{
    const char *type = vf_json_get_string(value->json, "type");

    if (value->is_same && spec_find_shape(field->kind->shapes, type) == NULL)
        return 0;
    return spec_read_object(reader, field, value);
}

int spec_read_copied_object(struct spec_reader *reader,
                            const struct spec_field *field,
                            const struct spec_value *value)
{
    struct vf_json **place =
        (struct vf_json **)((char *)reader->base + field->place);
    int result = value->is_same ? 0 : spec_read_object(reader, field, value);

    if (result < 0)
        return result;
    return vf_json_copy(value->json, place) < 0 ? spec_fail_memory(reader) : 0;
}
