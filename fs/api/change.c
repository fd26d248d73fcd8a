/* SPDX-License-Identifier: MIT
 *
 * A full spec written over a credential says all that the credential is to be.
 * Most of it an update cannot set, and a service may pass over in silence what
 * it cannot. So each field is compared with what a read shows before anything
 * is sent: what is equal need not be sent, and what differs and cannot be made
 * equal is refused by name. Only a difference that is there to be seen counts:
 * where the service does not show a field, nothing is guessed. A spec without
 * its secret says only what it says: what it leaves out stays.
 */
#include "change.h"

#include "vaultfs/spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A field on both sides; NULL or false: it has none. */
struct sides {
    const void *given;
    const void *shown; /* struct vf_json */
    bool is_equal;     /* when both have one */
};

/* Whether there is a place for the field: an object that it is in. *ret is NULL
 * when it is null or not there. */
static bool find(const struct vf_json *object, const char *param,
                 struct vf_json **ret)
{
    struct vf_json *value = NULL;
    char key[64];

    for (;;) {
        size_t size = strcspn(param, ".");

        (void)snprintf(key, sizeof(key), "%.*s", (int)size, param);
        if (vf_json_type(object) != VF_JSON_OBJECT)
            return false;
        if (!vf_json_get(object, key, &value))
            value = NULL;
        if (param[size] == '\0')
            break;
        object = value;
        param += size + 1;
    }
    *ret = value;
    return true;
}

bool vf_change_is_shown(const struct vf_json *current, const char *param)
{
    struct vf_json *value;

    return find(current, param, &value) && value != NULL;
}

static bool is_text(const struct vf_json *shown, const char *text)
{
    size_t size = 0;
    const char *other = vf_json_string(shown, &size);

    return other != NULL && size == strlen(text) &&
           memcmp(other, text, size) == 0;
}

bool vf_change_is_shown_as(const struct vf_json *current, const char *param,
                           const char *text)
{
    struct vf_json *value;

    return find(current, param, &value) && is_text(value, text);
}

bool vf_change_can_set(const struct vf_field *fields, const char *param)
{
    while (fields->param != NULL && strcmp(fields->param, param) != 0)
        fields++;
    return fields->param != NULL && (fields->flags & VF_FIELD_CAN_SET) != 0;
}

static const struct vf_json *given_value(const struct vf_json *value)
{
    return vf_json_count(value) > 0 ? value : NULL;
}

static struct sides compare(const struct vf_field *field,
                            const struct vf_spec *spec,
                            const struct vf_json *shown)
{
    const char *place = (const char *)spec + field->place;
    struct sides sides = {.shown = shown};

    switch (field->kind) {
    case VF_FIELD_TEXT:
        sides.given = *(char *const *)place;
        sides.is_equal = sides.given != NULL && is_text(shown, sides.given);
        break;
    case VF_FIELD_VALUE:
        sides.given = given_value(*(struct vf_json *const *)place);
        sides.is_equal = vf_json_equal(shown, sides.given);
        break;
    case VF_FIELD_PART: /* its fields have rows of their own */
        sides.given = *(const bool *)place ? place : NULL;
        sides.is_equal = true;
        break;
    }
    return sides;
}

/* What an update would have to do and cannot, or NULL. */
static const char *find_trouble(const struct vf_field *field,
                                const struct sides *sides, bool is_full)
{
    bool has_one_side = (sides->given == NULL) != (sides->shown == NULL);

    if (sides->given == NULL && (sides->shown == NULL || !is_full))
        return NULL;
    if (has_one_side && (field->flags & VF_FIELD_IS_TACIT) != 0)
        return NULL;
    if (sides->given == NULL)
        return (field->flags & VF_FIELD_CAN_CLEAR) != 0 ? NULL : "taken away";
    if ((field->flags & VF_FIELD_CAN_SET) != 0)
        return NULL;
    if (sides->shown == NULL)
        return "added";
    return sides->is_equal ? NULL : "changed";
}

int vf_change_check(const struct vf_field *fields, const struct vf_spec *spec,
                    const struct vf_json *current, struct vf_error *err)
{
    for (; fields->param != NULL; fields++) {
        struct vf_json *shown;

        if (!find(current, fields->param, &shown))
            continue;
        const struct sides sides = compare(fields, spec, shown);
        const char *trouble = find_trouble(fields, &sides, spec->value != NULL);
        if (trouble != NULL)
            return vf_error_set_param(err, EINVAL, fields->param,
                                      "%s cannot be %s: delete the credential "
                                      "and create it again",
                                      fields->param, trouble);
    }
    return 0;
}

static bool is_field_asked(const struct vf_field *field,
                           const struct vf_spec *spec,
                           const struct vf_json *current)
{
    struct vf_json *shown;

    if (!find(current, field->param, &shown))
        shown = NULL;
    const struct sides sides = compare(field, spec, shown);
    if ((field->flags & VF_FIELD_CAN_CLEAR) != 0 && spec->is_expiry_cleared)
        return shown != NULL || current == NULL;
    return (field->flags & VF_FIELD_CAN_SET) != 0 && sides.given != NULL &&
           !sides.is_equal;
}

bool vf_change_is_asked(const struct vf_field *fields,
                        const struct vf_spec *spec,
                        const struct vf_json *current)
{
    for (; fields->param != NULL; fields++)
        if (is_field_asked(fields, spec, current))
            return true;
    return false;
}

struct comparison {
    const struct vf_json *other;
    const char *ours; /* a key that does not count, or NULL */
};

static int is_missing(void *context, const char *key, struct vf_json *value)
{
    const struct comparison *comparison = context;
    struct vf_json *theirs;

    if (comparison->ours != NULL && strcmp(key, comparison->ours) == 0)
        return 0;
    return !(vf_json_get(comparison->other, key, &theirs) &&
             vf_json_equal(theirs, value));
}

bool vf_change_is_in_metadata(const struct vf_json *metadata,
                              const struct vf_json *current, const char *ours)
{
    struct vf_json *shown = NULL;

    if (metadata == NULL)
        return false;
    if (current == NULL)
        return true;
    (void)vf_json_get(current, "metadata", &shown);
    struct comparison to_shown = {shown, ours}, to_given = {metadata, ours};
    return vf_json_each(metadata, is_missing, &to_shown) != 0 ||
           vf_json_each(shown, is_missing, &to_given) != 0;
}
