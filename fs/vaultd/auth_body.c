/* SPDX-License-Identifier: MIT
 *
 * One walk over a table of fields serves creation and merge patch alike. It
 * takes a request's object and the object that replies show, which is empty for
 * a new credential and NULL where nothing is kept, and carries fields from the
 * first to the second, or, if they are secrets, to the side.
 */
#include "auth_body.h"

#include "auth_form.h"
#include "dialect.h"
#include "id.h"
#include "problem.h"
#include "validate.h"

#include "vaultfs/clock.h"
#include "vaultfs/json.h"

#include <errno.h>
#include <string.h>

#define HOSTS_MAX 16

struct walk {
    const struct vf_dialect *dialect;
    bool is_new;
    struct vf_auth_body *body;
    struct vf_error *err;
};

static int invalid(const struct walk *walk, const char *param, const char *why)
{
    return vf_refuse(walk->err, VF_PROBLEM_INVALID, param, "%s", why);
}

static int no_memory(const struct walk *walk)
{
    return vf_error_set(walk->err, ENOMEM, "no memory for a credential");
}

static int check_sized(const struct walk *walk, const char *param, size_t max,
                       const struct vf_json *value, const char **ret)
{
    return vf_check_string(value, param, 1, max, ret, walk->err);
}

static int check_text(const struct walk *walk, const char *param,
                      const struct vf_json *value, const char **ret)
{
    return check_sized(walk, param, 0, value, ret);
}

static int check_url(const struct walk *walk, const char *param,
                     const struct vf_json *value, const char **ret)
{
    const char *text;
    int result = check_sized(walk, param, walk->dialect->url_max, value, &text);

    if (result == 0 && !vf_is_http_url(text))
        return invalid(walk, param,
                       "must be an absolute http or https URL without a user");
    if (result == 0)
        *ret = text;
    return result;
}

static int check_variable(const struct walk *walk, const char *param,
                          const struct vf_json *value, const char **ret)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz_0123456789";
    const char *text;
    int result = check_text(walk, param, value, &text);

    if (result < 0)
        return result;
    if (strspn(text, allowed) != strlen(text) || strchr("0123456789", text[0]))
        return invalid(walk, param,
                       "must be letters, digits and underscores, and not begin "
                       "with a digit");
    *ret = text;
    return 0;
}

static int check_word(const struct walk *walk, const char *param,
                      const char *const *words, const struct vf_json *value,
                      const char **ret)
{
    const char *text;
    int result = check_text(walk, param, value, &text);

    if (result < 0)
        return result;
    for (; *words != NULL; words++)
        if (strcmp(*words, text) == 0) {
            *ret = *words;
            return 0;
        }
    return invalid(walk, param, "is not one of the known values");
}

static int check_hosts(const struct walk *walk, const char *param,
                       const struct vf_json *value)
{
    const char *text;
    int result = 0;

    if (vf_json_type(value) != VF_JSON_ARRAY)
        return invalid(walk, param, "must be an array");
    if (vf_json_count(value) > HOSTS_MAX)
        return invalid(walk, param, "must have at most 16 elements");
    for (size_t i = 0; result == 0 && i < vf_json_count(value); i++)
        result = check_text(walk, param, vf_json_at(value, i), &text);
    return result;
}

static int check_time(const struct walk *walk, const char *param,
                      const struct vf_json *value,
                      char ret[static VF_TIME_SIZE])
{
    struct timespec time;
    const char *text;
    int result = check_text(walk, param, value, &text);

    if (result < 0)
        return result;
    if (vf_time_parse(text, &time) < 0)
        return invalid(walk, param, "must be an RFC 3339 time");
    if (walk->is_new && walk->dialect->is_expiry_ahead &&
        time.tv_sec <= vf_now_us() / 1000000)
        return invalid(walk, param, "must be in the future");
    vf_time_format(time, ret);
    return 0;
}

/* Put a checked text where replies show it, or compare it with what is there.
 */
static int show(const struct walk *walk, const struct vf_field *field,
                const char *param, struct vf_json *shown, const char *text)
{
    if (shown == NULL)
        return 0;
    if (!walk->is_new && (field->flags & VF_FIELD_CHANGES) == 0) {
        const char *stored = vf_json_get_string(shown, field->name);
        bool is_same = stored == NULL || text == NULL
                           ? stored == text
                           : strcmp(stored, text) == 0;

        return is_same ? 0 : invalid(walk, param, "cannot be changed");
    }
    return vf_json_set_string(shown, field->name, text) < 0 ? no_memory(walk)
                                                            : 0;
}

/* The same for what is no text; all of that may change. */
static int show_copy(const struct walk *walk, const struct vf_field *field,
                     struct vf_json *shown, const struct vf_json *value)
{
    struct vf_json *copy;

    if (shown == NULL)
        return 0;
    return vf_json_copy(value, &copy) < 0 ||
                   vf_json_set(shown, field->name, copy) < 0
               ? no_memory(walk)
               : 0;
}

static int put_aside(const struct walk *walk, const char *param,
                     const struct vf_field *field, const struct vf_json *value)
{
    const char *text;
    int result =
        check_sized(walk, param, walk->dialect->secret_max, value, &text);

    if (result < 0)
        return result;
    walk->body->secrets[walk->body->secrets_count++] =
        (struct vf_auth_secret){field->secret, text, strlen(text)};
    return 0;
}

static int take_object(const struct walk *walk, const struct vf_field *field,
                       const char *param, const struct vf_json *given,
                       struct vf_json *shown);

static int take_value(const struct walk *walk, const struct vf_field *field,
                      const char *param, const struct vf_json *value,
                      struct vf_json *shown)
{
    char time[VF_TIME_SIZE];
    const char *text = NULL;
    int result = 0;

    switch (field->kind) {
    case VF_FIELD_TEXT:
        result = check_text(walk, param, value, &text);
        break;
    case VF_FIELD_CLIENT_ID:
        result = check_sized(walk, param, walk->dialect->client_id_max, value,
                             &text);
        break;
    case VF_FIELD_URL:
        result = check_url(walk, param, value, &text);
        break;
    case VF_FIELD_VARIABLE:
        result = check_variable(walk, param, value, &text);
        break;
    case VF_FIELD_WORD:
        result = check_word(walk, param, field->words, value, &text);
        break;
    case VF_FIELD_TIME:
        result = check_time(walk, param, value, time);
        text = time;
        break;
    case VF_FIELD_BOOLEAN:
        return vf_json_type(value) == VF_JSON_BOOL
                   ? show_copy(walk, field, shown, value)
                   : invalid(walk, param, "must be true or false");
    case VF_FIELD_HOSTS:
        result = check_hosts(walk, param, value);
        return result < 0 ? result : show_copy(walk, field, shown, value);
    case VF_FIELD_SECRET:
        return put_aside(walk, param, field, value);
    case VF_FIELD_OBJECT:
    case VF_FIELD_CLIENT_AUTH:
        return take_object(walk, field, param, value, shown);
    }
    return result < 0 ? result : show(walk, field, param, shown, text);
}

static int take_field(const struct walk *walk, const struct vf_field *field,
                      const char *parent, const struct vf_json *given,
                      struct vf_json *shown)
{
    const struct vf_param param = vf_param(parent, field->name);
    bool is_nullable = (field->flags & VF_FIELD_NULLABLE) != 0;
    struct vf_json *value = NULL;
    bool is_given = vf_json_get(given, field->name, &value);

    if (!is_given && walk->is_new && (field->flags & VF_FIELD_REQUIRED) != 0)
        return invalid(walk, param.text, "is required");
    if (!is_given && !(walk->is_new && is_nullable))
        return 0;
    if (vf_json_type(value) == VF_JSON_NULL && is_nullable)
        return show(walk, field, param.text, shown, NULL);
    if (!walk->is_new && (field->flags & VF_FIELD_HIDDEN) != 0)
        return invalid(walk, param.text, "cannot be changed");
    return take_value(walk, field, param.text, value, shown);
}

static int refuse_unknown(const struct walk *walk,
                          const struct vf_field *fields, const char *parent,
                          const struct vf_json *given)
{
    const char *names[VF_FIELDS_MAX + 1] = {NULL};

    for (size_t i = 0; fields[i].name != NULL; i++)
        names[i] = fields[i].name;
    return vf_check_members(given, parent, names, walk->err);
}

static int take_fields(const struct walk *walk, const struct vf_field *fields,
                       const char *parent, const struct vf_json *given,
                       struct vf_json *shown)
{
    int result = refuse_unknown(walk, fields, parent, given);

    for (; result == 0 && fields->name != NULL; fields++)
        result = take_field(walk, fields, parent, given, shown);
    return result;
}

/* A client authenticates with a secret or with none; a stored one stays good
 * while the type only moves between the kinds that have one. */
static int check_client_auth(const struct walk *walk, const char *parent,
                             const struct vf_json *given, const char *before,
                             const char *type)
{
    const struct vf_param param = vf_param(parent, "client_secret");
    bool is_given = vf_json_get(given, "client_secret", NULL);
    bool is_stored = before != NULL && strcmp(before, "none") != 0;

    if (strcmp(type, "none") == 0) {
        if (is_given)
            return invalid(walk, param.text, "does not go with this type");
        walk->body->secrets[walk->body->secrets_count++] =
            (struct vf_auth_secret){VF_FIELD_CLIENT_SECRET, NULL, 0};
        return 0;
    }
    return is_given || is_stored ? 0 : invalid(walk, param.text, "is required");
}

static int take_client_auth(const struct walk *walk,
                            const struct vf_field *fields, const char *param,
                            const struct vf_json *given, struct vf_json *shown)
{
    char before[32] = "";
    const char *stored = vf_json_get_string(shown, "type");

    if (stored != NULL)
        vf_error_copy(before, sizeof(before), stored);
    int result = take_fields(walk, fields, param, given, shown);
    return result < 0 ? result
                      : check_client_auth(walk, param, given,
                                          stored != NULL ? before : NULL,
                                          vf_json_get_string(shown, "type"));
}

/* The object that goes into what is shown: the one that is there, or a new one.
 */
static int open_inner(const struct walk *walk, const struct vf_field *field,
                      const char *param, struct vf_json *shown,
                      struct vf_json **ret)
{
    const unsigned may_begin = VF_FIELD_WHOLE | VF_FIELD_LATER;
    struct vf_json *inner;

    if ((field->flags & VF_FIELD_WHOLE) == 0 &&
        vf_json_get(shown, field->name, ret))
        return 0;
    if (!walk->is_new && (field->flags & may_begin) == 0)
        return invalid(walk, param, "the credential was made without it");
    if (vf_json_new_object(&inner) < 0 ||
        vf_json_set(shown, field->name, inner) < 0)
        return no_memory(walk);
    *ret = inner;
    return 0;
}

static int take_object(const struct walk *walk, const struct vf_field *field,
                       const char *param, const struct vf_json *given,
                       struct vf_json *shown)
{
    struct walk below = *walk;
    struct vf_json *inner = NULL;
    int result = 0;

    if (vf_json_type(given) != VF_JSON_OBJECT)
        return invalid(walk, param, "must be an object");
    if ((field->flags & VF_FIELD_HIDDEN) == 0)
        result = open_inner(walk, field, param, shown, &inner);
    if (result < 0)
        return result;
    below.is_new |= (field->flags & VF_FIELD_WHOLE) != 0;
    return field->kind == VF_FIELD_CLIENT_AUTH
               ? take_client_auth(&below, field->fields, param, given, inner)
               : take_fields(&below, field->fields, param, given, inner);
}

/* NULL with err filled when a request names no type of the dialect. */
static const struct vf_spec_type *find_type(const struct walk *walk,
                                            const char *where,
                                            const struct vf_json *given)
{
    const struct vf_spec_form *form = walk->dialect->form;
    const struct vf_param param = vf_param(where, "type");
    struct vf_json *value;
    const char *text;

    if (vf_json_type(given) != VF_JSON_OBJECT)
        (void)invalid(walk, where, "must be an object");
    else if (!vf_json_get(given, "type", &value))
        (void)invalid(walk, param.text, "is required");
    else if (check_text(walk, param.text, value, &text) == 0) {
        for (const struct vf_spec_type *type = form->types; type->name != NULL;
             type++)
            if (strcmp(type->name, text) == 0)
                return type;
        (void)invalid(walk, param.text, form->types_text);
    }
    return NULL;
}

/* The whole, over what walk->body->shown has. */
static int take_spec(const struct walk *walk, const char *where,
                     const struct vf_json *given)
{
    const struct vf_spec_type *type = find_type(walk, where, given);

    if (type == NULL)
        return -EINVAL;
    int result =
        take_fields(walk, type->fields, where, given, walk->body->shown);
    if (result < 0)
        return result;
    walk->body->type = type->name;
    walk->body->identity_field = type->identity;
    walk->body->identity =
        vf_json_get_string(walk->body->shown, type->identity);
    return 0;
}

void vf_auth_body_done(struct vf_auth_body *body)
{
    vf_json_free(body->shown);
    *body = (struct vf_auth_body){0};
}

int vf_auth_body_new(const struct vf_dialect *dialect,
                     const struct vf_json *given, const char *where,
                     struct vf_auth_body *ret, struct vf_error *err)
{
    struct vf_auth_body body = {0};
    const struct walk walk = {dialect, true, &body, err};

    if (vf_json_new_object(&body.shown) < 0)
        return no_memory(&walk);
    int result = take_spec(&walk, where, given);
    if (result < 0)
        vf_auth_body_done(&body);
    else
        *ret = body;
    return result;
}

int vf_auth_body_merge(const struct vf_dialect *dialect, const char *stored,
                       const struct vf_json *patch, const char *where,
                       struct vf_auth_body *ret, struct vf_error *err)
{
    struct vf_auth_body body = {0};
    const struct walk walk = {dialect, false, &body, err};
    int result = vf_json_parse(stored, strlen(stored), &body.shown, err);

    if (result < 0)
        return vf_error_set(err, EIO, "a stored credential cannot be read");
    result = take_spec(&walk, where, patch);
    if (result < 0)
        vf_auth_body_done(&body);
    else
        *ret = body;
    return result;
}
