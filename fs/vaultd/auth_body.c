/* SPDX-License-Identifier: MIT
 *
 * One table a kind of object says which fields there are; one walk over a table
 * serves creation and merge patch alike. It takes a request's object and the
 * object that replies show, which is empty for a new credential, and carries
 * fields from the first to the second, or, if they are secrets, to the side.
 */
#include "auth_body.h"

#include "dialect.h"
#include "problem.h"
#include "validate.h"

#include "vaultfs/clock.h"
#include "vaultfs/json.h"

#include <errno.h>
#include <string.h>

enum kind { TEXT, URL, VARIABLE, TIME, WORD, BOOLEAN, HOSTS, SECRET, OBJECT };

enum {
    REQUIRED = 1, /* in a new credential */
    CHANGES = 2,  /* by an update */
    NULLABLE = 4, /* null stands for none, in requests and in replies */
    HIDDEN = 8    /* checked, and then not kept */
};

struct field {
    const char *name; /* NULL ends a table */
    enum kind kind;
    unsigned flags;
    const char *const *words;   /* WORD: what it may be */
    const struct field *fields; /* OBJECT */
    const char *secret;         /* SECRET: the dotted name it is kept under */
};

#define HOSTS_MAX 16

static const char *const client_auth_types[] = {"none", "client_secret_basic",
                                                "client_secret_post", NULL};
static const char *const networking_types[] = {"unrestricted", "limited", NULL};

static const struct field client_auth_fields[] = {
    {"type", WORD, REQUIRED | CHANGES, .words = client_auth_types},
    {"client_secret", SECRET, CHANGES,
     .secret = "refresh.token_endpoint_auth.client_secret"},
    {0}};

static const struct field refresh_fields[] = {
    {"client_id", TEXT, REQUIRED},
    {"token_endpoint", URL, REQUIRED},
    {"token_endpoint_auth", OBJECT, REQUIRED | CHANGES,
     .fields = client_auth_fields},
    {"refresh_token", SECRET, REQUIRED | CHANGES,
     .secret = "refresh.refresh_token"},
    {"resource", TEXT, NULLABLE},
    {"scope", TEXT, NULLABLE | CHANGES},
    {0}};

static const struct field networking_fields[] = {
    {"type", WORD, REQUIRED | HIDDEN, .words = networking_types},
    {"allowed_hosts", HOSTS, HIDDEN},
    {0}};

static const struct field injection_fields[] = {
    {"header", BOOLEAN, HIDDEN}, {"body", BOOLEAN, HIDDEN}, {0}};

static const struct field static_bearer_fields[] = {
    {"type", TEXT, REQUIRED},
    {"mcp_server_url", URL, REQUIRED},
    {"token", SECRET, REQUIRED | CHANGES, .secret = "token"},
    {0}};

static const struct field mcp_oauth_fields[] = {
    {"type", TEXT, REQUIRED},
    {"mcp_server_url", URL, REQUIRED},
    {"access_token", SECRET, REQUIRED | CHANGES, .secret = "access_token"},
    {"expires_at", TIME, NULLABLE | CHANGES},
    {"refresh", OBJECT, CHANGES, .fields = refresh_fields},
    {0}};

static const struct field environment_variable_fields[] = {
    {"type", TEXT, REQUIRED},
    {"secret_name", VARIABLE, REQUIRED},
    {"secret_value", SECRET, REQUIRED | CHANGES, .secret = "secret_value"},
    {"networking", OBJECT, HIDDEN, .fields = networking_fields},
    {"injection_location", OBJECT, HIDDEN, .fields = injection_fields},
    {0}};

static const struct {
    const char *name;
    const struct field *fields;
    const char *identity;
} types[] = {
    {"static_bearer", static_bearer_fields, "mcp_server_url"},
    {"mcp_oauth", mcp_oauth_fields, "mcp_server_url"},
    {"environment_variable", environment_variable_fields, "secret_name"},
};

#define TYPES (sizeof(types) / sizeof(types[0]))

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

static int check_text(const struct walk *walk, const char *param,
                      const struct vf_json *value, const char **ret)
{
    return vf_check_string(value, param, 1, 0, ret, walk->err);
}

static int check_url(const struct walk *walk, const char *param,
                     const struct vf_json *value, const char **ret)
{
    const char *text;
    int result = vf_check_string(value, param, 1, walk->dialect->url_max, &text,
                                 walk->err);

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
    vf_time_format(time, ret);
    return 0;
}

/* Put a checked text where replies show it, or compare it with what is there.
 */
static int show(const struct walk *walk, const struct field *field,
                const char *param, struct vf_json *shown, const char *text)
{
    if ((field->flags & HIDDEN) != 0)
        return 0;
    if (!walk->is_new && (field->flags & CHANGES) == 0) {
        const char *stored = vf_json_get_string(shown, field->name);
        bool is_same = stored == NULL || text == NULL
                           ? stored == text
                           : strcmp(stored, text) == 0;

        return is_same ? 0 : invalid(walk, param, "cannot be changed");
    }
    return vf_json_set_string(shown, field->name, text) < 0 ? no_memory(walk)
                                                            : 0;
}

static int put_aside(const struct walk *walk, const char *param,
                     const struct field *field, const struct vf_json *value)
{
    const char *text;
    int result = check_text(walk, param, value, &text);

    if (result < 0)
        return result;
    walk->body->secrets[walk->body->secrets_count++] =
        (struct vf_auth_secret){field->secret, text, strlen(text)};
    return 0;
}

static int take_object(const struct walk *walk, const struct field *field,
                       const char *param, const struct vf_json *given,
                       struct vf_json *shown);

static int take_value(const struct walk *walk, const struct field *field,
                      const char *param, const struct vf_json *value,
                      struct vf_json *shown)
{
    char time[VF_TIME_SIZE];
    const char *text = NULL;
    int result = 0;

    switch (field->kind) {
    case TEXT:
        result = check_text(walk, param, value, &text);
        break;
    case URL:
        result = check_url(walk, param, value, &text);
        break;
    case VARIABLE:
        result = check_variable(walk, param, value, &text);
        break;
    case WORD:
        result = check_word(walk, param, field->words, value, &text);
        break;
    case TIME:
        result = check_time(walk, param, value, time);
        text = time;
        break;
    case BOOLEAN:
        return vf_json_type(value) == VF_JSON_BOOL
                   ? 0
                   : invalid(walk, param, "must be true or false");
    case HOSTS:
        return check_hosts(walk, param, value);
    case SECRET:
        return put_aside(walk, param, field, value);
    case OBJECT:
        return take_object(walk, field, param, value, shown);
    }
    return result < 0 ? result : show(walk, field, param, shown, text);
}

static int take_field(const struct walk *walk, const struct field *field,
                      const char *parent, const struct vf_json *given,
                      struct vf_json *shown)
{
    const struct vf_param param = vf_param(parent, field->name);
    bool is_nullable = (field->flags & NULLABLE) != 0;
    struct vf_json *value = NULL;
    bool is_given = vf_json_get(given, field->name, &value);

    if (!is_given && walk->is_new && (field->flags & REQUIRED) != 0)
        return invalid(walk, param.text, "is required");
    if (!is_given && !(walk->is_new && is_nullable))
        return 0;
    if (vf_json_type(value) == VF_JSON_NULL && is_nullable)
        return show(walk, field, param.text, shown, NULL);
    if (!walk->is_new && (field->flags & HIDDEN) != 0)
        return invalid(walk, param.text, "cannot be changed");
    return take_value(walk, field, param.text, value, shown);
}

static int refuse_unknown(const struct walk *walk, const struct field *fields,
                          const char *parent, const struct vf_json *given)
{
    const char *names[16] = {NULL};

    for (size_t i = 0; fields[i].name != NULL; i++)
        names[i] = fields[i].name;
    return vf_check_members(given, parent, names, walk->err);
}

static int take_fields(const struct walk *walk, const struct field *fields,
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
            (struct vf_auth_secret){client_auth_fields[1].secret, NULL, 0};
        return 0;
    }
    return is_given || is_stored ? 0 : invalid(walk, param.text, "is required");
}

static int take_client_auth(const struct walk *walk, const char *param,
                            const struct vf_json *given, struct vf_json *shown)
{
    char before[32] = "";
    const char *stored = vf_json_get_string(shown, "type");

    if (stored != NULL)
        vf_error_copy(before, sizeof(before), stored);
    int result = take_fields(walk, client_auth_fields, param, given, shown);
    return result < 0 ? result
                      : check_client_auth(walk, param, given,
                                          stored != NULL ? before : NULL,
                                          vf_json_get_string(shown, "type"));
}

static int take_object(const struct walk *walk, const struct field *field,
                       const char *param, const struct vf_json *given,
                       struct vf_json *shown)
{
    struct vf_json *inner = NULL;

    if (vf_json_type(given) != VF_JSON_OBJECT)
        return invalid(walk, param, "must be an object");
    if ((field->flags & HIDDEN) != 0)
        return take_fields(walk, field->fields, param, given, NULL);
    if (!vf_json_get(shown, field->name, &inner)) {
        if (!walk->is_new)
            return invalid(walk, param, "the credential was made without it");
        if (vf_json_new_object(&inner) < 0 ||
            vf_json_set(shown, field->name, inner) < 0)
            return no_memory(walk);
    }
    return field->fields == client_auth_fields
               ? take_client_auth(walk, param, given, inner)
               : take_fields(walk, field->fields, param, given, inner);
}

/* Which type a request means, as an index; or TYPES with err filled. */
static size_t find_type(const struct walk *walk, const struct vf_json *given)
{
    struct vf_json *value;
    const char *text;

    if (vf_json_type(given) != VF_JSON_OBJECT)
        (void)invalid(walk, "auth", "must be an object");
    else if (!vf_json_get(given, "type", &value))
        (void)invalid(walk, "auth.type", "is required");
    else if (check_text(walk, "auth.type", value, &text) == 0) {
        for (size_t i = 0; i < TYPES; i++)
            if (strcmp(types[i].name, text) == 0)
                return i;
        (void)invalid(walk, "auth.type",
                      "must be static_bearer, mcp_oauth or "
                      "environment_variable");
    }
    return TYPES;
}

/* The whole, over what walk->body->shown has. */
static int take_auth(const struct walk *walk, const struct vf_json *given)
{
    size_t type = find_type(walk, given);

    if (type == TYPES)
        return -EINVAL;
    int result =
        take_fields(walk, types[type].fields, "auth", given, walk->body->shown);
    if (result < 0)
        return result;
    walk->body->type = types[type].name;
    walk->body->identity =
        vf_json_get_string(walk->body->shown, types[type].identity);
    return 0;
}

void vf_auth_body_done(struct vf_auth_body *body)
{
    vf_json_free(body->shown);
    *body = (struct vf_auth_body){0};
}

int vf_auth_body_new(const struct vf_dialect *dialect,
                     const struct vf_json *given, struct vf_auth_body *ret,
                     struct vf_error *err)
{
    struct vf_auth_body body = {0};
    const struct walk walk = {dialect, true, &body, err};

    if (vf_json_new_object(&body.shown) < 0)
        return no_memory(&walk);
    int result = take_auth(&walk, given);
    if (result < 0)
        vf_auth_body_done(&body);
    else
        *ret = body;
    return result;
}

int vf_auth_body_merge(const struct vf_dialect *dialect, const char *stored,
                       const struct vf_json *patch, struct vf_auth_body *ret,
                       struct vf_error *err)
{
    struct vf_auth_body body = {0};
    const struct walk walk = {dialect, false, &body, err};
    int result = vf_json_parse(stored, strlen(stored), &body.shown, err);

    if (result < 0)
        return vf_error_set(err, EIO, "a stored credential cannot be read");
    result = take_auth(&walk, patch);
    if (result < 0)
        vf_auth_body_done(&body);
    else
        *ret = body;
    return result;
}
