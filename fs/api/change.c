/* SPDX-License-Identifier: MIT
 *
 * A full spec written over a credential says all that the credential is to be.
 * Most of it an update cannot set, and a service may pass over in silence what
 * it cannot. So each field is compared with what a read shows before anything
 * is sent: what is equal need not be sent, and what differs and cannot be made
 * equal is refused by name. Only a difference that is there to be seen counts:
 * where the service does not show a field, nothing is guessed.
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
        sides.given = *(struct vf_json *const *)place;
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
                                const struct sides *sides)
{
    bool has_one_side = (sides->given == NULL) != (sides->shown == NULL);

    if (sides->given == NULL && sides->shown == NULL)
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
        const char *trouble = find_trouble(fields, &sides);
        if (trouble != NULL)
            return vf_error_set_param(err, EINVAL, fields->param,
                                      "%s cannot be %s: delete the credential "
                                      "and create it again",
                                      fields->param, trouble);
    }
    return 0;
}
