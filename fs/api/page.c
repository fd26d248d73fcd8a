/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A service may give more than it was asked for, but not without end. */
#define OBJECTS_MAX 1000
#define CURSOR_MAX 4096

void vf_page_done(struct vf_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        vf_object_done(&page->objects[i]);
    free(page->objects);
    free(page->next);
    *page = (struct vf_page){0};
}

static int bad_page(struct vf_error *err, const char *member, const char *what)
{
    return vf_error_set_param(err, EBADMSG, member,
                              "the service's list is not what it promises: "
                              "%s %s",
                              member, what);
}

static bool has_object(const struct vf_page *page, const char *id)
{
    for (size_t i = 0; i < page->count; i++)
        if (strcmp(page->objects[i].id, id) == 0)
            return true;
    return false;
}

static bool is_wanted(enum vf_list which, const struct vf_object *object)
{
    return which == VF_LIST_ALL ||
           object->is_archived == (which == VF_LIST_ARCHIVED);
}

/* Into a page that has room. */
static int read_object(const struct vf_shape *shape,
                       const struct vf_page_wanted *wanted,
                       struct vf_json *json, struct vf_page *page,
                       struct vf_error *err)
{
    const struct vf_expected expected = {.parent_id = wanted->parent_id};
    struct vf_object object;
    int result = vf_object_read(shape, &expected, json, &object, err);

    if (result < 0)
        return result;
    if (is_wanted(wanted->which, &object) && !has_object(page, object.id))
        page->objects[page->count++] = object;
    else
        vf_object_done(&object);
    return 0;
}

int vf_objects_read(const struct vf_shape *shape,
                    const struct vf_page_wanted *wanted,
                    const struct vf_json *array, struct vf_page *ret,
                    struct vf_error *err)
{
    struct vf_page page = {0};
    size_t count = vf_json_count(array);
    int result = 0;

    if (count > OBJECTS_MAX)
        return bad_page(err, "data", "has far more objects than asked for");
    page.objects = calloc(count > 0 ? count : 1, sizeof(page.objects[0]));
    if (page.objects == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    for (size_t i = 0; i < count && result == 0; i++)
        result = read_object(shape, wanted, vf_json_at(array, i), &page, err);
    if (result < 0)
        vf_page_done(&page);
    else
        *ret = page;
    return result;
}

/* Whether this was the last page, as far as has_more tells. */
static int read_has_more(const struct vf_dialect *dialect,
                         const struct vf_json *json, bool *ret_is_last,
                         struct vf_error *err)
{
    struct vf_json *has_more;

    *ret_is_last = dialect->needs_has_more;
    if (!vf_json_get(json, "has_more", &has_more) || has_more == NULL)
        return 0;
    if (vf_json_type(has_more) != VF_JSON_BOOL)
        return bad_page(err, "has_more", "is neither true nor false");
    *ret_is_last = !vf_json_bool(has_more);
    return 0;
}

static int read_next(const struct vf_dialect *dialect, const char *cursor,
                     const struct vf_json *json, char **ret,
                     struct vf_error *err)
{
    const char *member = dialect->next_member;
    struct vf_json *value;
    bool is_last;
    int result = read_has_more(dialect, json, &is_last, err);

    if (result < 0)
        return result;
    if (!vf_json_get(json, member, &value) || value == NULL || is_last)
        return 0;
    const char *next = vf_json_get_string(json, member);
    if (next == NULL || strlen(next) > CURSOR_MAX)
        return bad_page(err, member, "is not a cursor");
    if (next[0] == '\0')
        return 0;
    if (cursor != NULL && strcmp(next, cursor) == 0)
        return bad_page(err, member, "is a cursor that does not advance");
    *ret = strdup(next);
    return *ret != NULL ? 0 : vf_error_set(err, ENOMEM, "no memory");
}

int vf_page_read(const struct vf_dialect *dialect, const struct vf_shape *shape,
                 const struct vf_page_wanted *wanted, struct vf_json *json,
                 struct vf_page *ret, struct vf_error *err)
{
    struct vf_page page;
    struct vf_json *data;

    if (!vf_json_get(json, "data", &data))
        return bad_page(err, "data", "is missing");
    if (vf_json_type(data) != VF_JSON_ARRAY)
        return bad_page(err, "data", "is not an array");
    int result = vf_objects_read(shape, wanted, data, &page, err);
    if (result < 0)
        return result;
    result = read_next(dialect, wanted->cursor, json, &page.next, err);
    if (result < 0) {
        vf_page_done(&page);
        return result;
    }
    *ret = page;
    return 0;
}
