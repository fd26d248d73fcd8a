/* SPDX-License-Identifier: MIT */
#include "object.h"

#include "identity.h"
#include "vaultfs/clock.h"
#include "vaultfs/spec.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void vf_object_done(struct vf_object *object)
{
    free(object->name);
    free(object->label);
    free(object->text);
    *object = (struct vf_object){0};
}

static int bad_member(struct vf_error *err, const char *member,
                      const char *what)
{
    return vf_error_set_param(err, EBADMSG, member,
                              "the service's reply is not what it promises: "
                              "%s %s",
                              member, what);
}

/* The member must be a string. */
static int read_string(const struct vf_json *json, const char *member,
                       const char **ret, struct vf_error *err)
{
    struct vf_json *value;
    size_t size;

    if (!vf_json_get(json, member, &value))
        return bad_member(err, member, "is missing");
    const char *text = vf_json_string(value, &size);
    if (text == NULL)
        return bad_member(err, member, "is not a string");
    if (strlen(text) != size)
        return bad_member(err, member, "holds a NUL character");
    *ret = text;
    return 0;
}

bool vf_object_is_id(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t size = strlen(text);

    return size >= 1 && size <= VF_ID_MAX && strspn(text, allowed) == size;
}

static int read_id(const struct vf_json *json, const char *expected,
                   struct vf_object *object, struct vf_error *err)
{
    const char *id;
    int result = read_string(json, "id", &id, err);

    if (result < 0)
        return result;
    if (!vf_object_is_id(id))
        return bad_member(err, "id", "is not an id");
    if (expected != NULL && strcmp(id, expected) != 0)
        return bad_member(err, "id", "is of another object");
    vf_error_copy(object->id, sizeof(object->id), id);
    return 0;
}

static int read_time(const struct vf_json *json, const char *member,
                     struct timespec *ret, struct vf_error *err)
{
    const char *text;
    int result = read_string(json, member, &text, err);

    if (result < 0)
        return result;
    if (vf_time_parse(text, ret) < 0)
        return bad_member(err, member, "is not a time");
    return 0;
}

/* archived_at is null, or when it happened. */
static int read_archived(const struct vf_shape *shape,
                         const struct vf_json *json, bool *ret,
                         struct vf_error *err)
{
    const char *status = "";
    struct vf_json *value;
    struct timespec time;
    int result = 0;

    if (shape->status != NULL)
        result = read_string(json, shape->status, &status, err);
    if (result < 0)
        return result;
    *ret = strcmp(status, "archived") == 0;
    if (!vf_json_get(json, "archived_at", &value) || value == NULL)
        return 0;
    *ret = true;
    return read_time(json, "archived_at", &time, err);
}

/* What the object is and where it belongs. */
static int check_kind(const struct vf_shape *shape, const char *parent_id,
                      const struct vf_json *json, struct vf_error *err)
{
    const char *text;
    int result;

    if (vf_json_type(json) != VF_JSON_OBJECT)
        return vf_error_set(err, EBADMSG,
                            "the service's reply is not what it promises: %s "
                            "where there should be an object",
                            vf_json_type_name(vf_json_type(json)));
    result = read_string(json, "type", &text, err);
    if (result < 0)
        return result;
    if (shape->type != NULL && strcmp(text, shape->type) != 0)
        return bad_member(err, "type", "is not that of what was asked for");
    if (shape->parent == NULL || parent_id == NULL)
        return 0;
    result = read_string(json, shape->parent, &text, err);
    if (result < 0)
        return result;
    if (strcmp(text, parent_id) != 0)
        return bad_member(err, shape->parent, "is another one's");
    return 0;
}

static int check_auth(const struct vf_shape *shape, const struct vf_json *json,
                      struct vf_error *err)
{
    struct vf_json *auth;

    if (shape->auth == NULL)
        return 0;
    if (!vf_json_get(json, shape->auth, &auth))
        return bad_member(err, shape->auth, "is missing");
    if (vf_json_type(auth) != VF_JSON_OBJECT)
        return bad_member(err, shape->auth, "is not an object");
    if (vf_json_get_string(auth, "type") == NULL)
        return bad_member(err, "auth.type", "is not a string");
    return 0;
}

static int copy_text(const char *text, char **ret, struct vf_error *err)
{
    *ret = strdup(text);
    return *ret != NULL ? 0 : vf_error_set(err, ENOMEM, "no memory");
}

/* The member that a path leads to, or NULL. */
static const struct vf_json *follow(const vf_path path,
                                    const struct vf_json *json)
{
    for (size_t i = 0; i < VF_PATH_MAX && path[i] != NULL; i++) {
        struct vf_json *inner = NULL;

        (void)vf_json_get(json, path[i], &inner);
        json = inner;
    }
    return json;
}

/* What somebody called a thing, if a file can be called so as it stands. */
static bool is_file_name(const char *title)
{
    size_t size = strlen(title);

    if (size > NAME_MAX || title[0] == '.' || strchr(title, '/') != NULL)
        return false;
    for (size_t at = 0; at < size;) {
        uint32_t code;
        size_t length = vf_utf8_decode(title + at, size - at, &code);

        if (length == 0 || vf_utf8_is_deceptive(code))
            return false;
        at += length;
    }
    return true;
}

/* A name that no file can be made from (empty, or with a NUL) is none: one odd
 * object must not hide the others. */
const char *vf_object_name_in(const struct vf_shape *shape,
                              const struct vf_json *json)
{
    size_t size = 0;

    if (shape->name[0] == NULL)
        return NULL;
    const char *name = vf_json_string(follow(shape->name, json), &size);
    if (name == NULL || size == 0 || strlen(name) != size ||
        (shape->is_name_a_title && !is_file_name(name)))
        return NULL;
    return name;
}

static int check_name(const struct vf_shape *shape, const struct vf_json *json,
                      struct vf_error *err)
{
    const struct vf_json *name = follow(shape->name, json);
    const char *member = NULL;

    for (size_t i = 0; i < VF_PATH_MAX && shape->name[i] != NULL; i++)
        member = shape->name[i];
    if (member == NULL || vf_json_type(name) == VF_JSON_STRING ||
        (name == NULL && !shape->is_name_required))
        return 0;
    return bad_member(err, member, "is not a string");
}

static int read_name(const struct vf_shape *shape, const struct vf_json *json,
                     struct vf_object *object, struct vf_error *err)
{
    int result = check_name(shape, json, err);

    if (result < 0)
        return result;
    const char *name = vf_object_name_in(shape, json);
    if (name == NULL && shape->is_name_required)
        name = object->id;
    return name != NULL ? copy_text(name, &object->name, err) : 0;
}

static int read_members(const struct vf_shape *shape,
                        const struct vf_expected *expected,
                        const struct vf_json *json, struct vf_object *object,
                        struct vf_error *err)
{
    int result = check_kind(shape, expected->parent_id, json, err);

    if (result == 0)
        result = read_id(json, expected->id, object, err);
    if (result == 0)
        result = read_time(json, "created_at", &object->created, err);
    if (result == 0)
        result = read_time(json, "updated_at", &object->updated, err);
    if (result == 0)
        result = read_archived(shape, json, &object->is_archived, err);
    if (result == 0)
        result = check_auth(shape, json, err);
    if (result == 0)
        result = read_name(shape, json, object, err);
    if (result == 0 && shape->has_label && object->name == NULL)
        result = vf_identity_label(json, object->id, &object->label, err);
    return result;
}

int vf_object_read(const struct vf_shape *shape,
                   const struct vf_expected *expected, struct vf_json *json,
                   struct vf_object *ret, struct vf_error *err)
{
    struct vf_object object = {0};
    int result = read_members(shape, expected, json, &object, err);

    if (result == 0) {
        if (shape->embedded != NULL)
            vf_json_remove(json, shape->embedded);
        vf_json_strip_secrets(json);
        result = vf_json_render_pretty(json, &object.text, &object.size);
        if (result < 0)
            (void)vf_error_set(err, -result, "cannot show the object");
    }
    if (result < 0) {
        vf_object_done(&object);
        return result;
    }
    *ret = object;
    return 0;
}

/* A reply of another page, a portal's say, must not pass for a deletion. */
int vf_deletion_read(const struct vf_shape *shape, const char *id,
                     const struct vf_json *json, struct vf_error *err)
{
    const char *text = NULL;
    int result = read_string(json, "id", &text, err);

    if (result < 0)
        return result;
    if (strcmp(text, id) != 0)
        return bad_member(err, "id", "is of another object");
    result = read_string(json, "type", &text, err);
    if (result < 0)
        return result;
    if (strcmp(text, shape->deleted_type) != 0)
        return bad_member(err, "type", "does not say that it is deleted");
    return 0;
}
