/* SPDX-License-Identifier: MIT
 *
 * Readers of values: JSON -> a place in the reader's struct. What is equal to
 * what is shown is not checked; see walk.c.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

static void *place_of(const struct spec_reader *reader,
                      const struct spec_field *field)
{
    return (char *)reader->base + field->place;
}

static int fail_count(struct spec_reader *reader, const char *param, size_t max,
                      const char *what)
{
    return vf_error_set_param(reader->err, EINVAL, param,
                              "\"%s\" must have at most %zu %s", param, max,
                              what);
}

/* Whether a string is as its kind demands. */
static int check_string(struct spec_reader *reader,
                        const struct spec_kind *kind,
                        const struct spec_value *value)
{
    size_t size = 0;
    const char *text = vf_json_string(value->json, &size);

    if (value->is_same)
        return 0;
    if (kind->max > 0 && vf_utf8_length(text, size) > kind->max)
        return vf_error_set_param(reader->err, EINVAL, value->param,
                                  "\"%s\" is longer than %zu characters",
                                  value->param, kind->max);
    const char *trouble = kind->check(text, size);
    return trouble != NULL ? spec_fail(reader, value->param, trouble) : 0;
}

int spec_read_string(struct spec_reader *reader, const struct spec_field *field,
                     const struct spec_value *value)
{
    size_t size = 0;
    const char *text = vf_json_string(value->json, &size);
    int result = check_string(reader, field->kind, value);

    /* A NUL byte comes so far only in what is shown. */
    if (result < 0 || memchr(text, '\0', size) != NULL)
        return result;
    char *copy = strndup(text, size);
    if (copy == NULL)
        return spec_fail_memory(reader);
    *(char **)place_of(reader, field) = copy;
    return 0;
}

int spec_read_expiry(struct spec_reader *reader, const struct spec_field *field,
                     const struct spec_value *value)
{
    struct vf_spec *spec = reader->base;

    spec->is_expiry_cleared = value->json == NULL;
    return value->json == NULL ? 0 : spec_read_string(reader, field, value);
}

/* A credential's display_name. No service changes it on its own; where none is
 * shown, the service may keep none, and nothing is guessed. */
int spec_read_label(struct spec_reader *reader, const struct spec_field *field,
                    const struct spec_value *value)
{
    if (value->json == NULL)
        return 0;
    if (reader->purpose == SPEC_EDITS && value->shown != NULL &&
        !value->is_same)
        return spec_fail(reader, value->param,
                         "cannot be changed: rename the file with mv");
    return spec_read_string(reader, field, value);
}

int spec_read_secret(struct spec_reader *reader, const struct spec_field *field,
                     const struct spec_value *value)
{
    size_t size = 0;
    const char *text = vf_json_string(value->json, &size);
    int result = check_string(reader, field->kind, value);

    if (result < 0)
        return result;
    return vf_secret_from(text, size, place_of(reader, field), reader->err);
}

/* What was checked already, or has only a type. */
int spec_read_nothing(struct spec_reader *reader,
                      const struct spec_field *field,
                      const struct spec_value *value)
{
    return 0;
}

int spec_read_hosts(struct spec_reader *reader, const struct spec_field *field,
                    const struct spec_value *value)
{
    static const struct spec_kind host = {spec_read_nothing, VF_JSON_STRING,
                                          spec_check_host, 255};
    size_t count = vf_json_count(value->json);
    int result = 0;

    if (value->is_same)
        return 0;
    if (count < 1)
        return spec_fail(reader, value->param, "must not be empty");
    if (count > field->kind->max)
        return fail_count(reader, value->param, field->kind->max, "elements");
    for (size_t i = 0; i < count && result == 0; i++) {
        const struct spec_value element = spec_element(value, i);

        result = vf_json_type(element.json) == VF_JSON_STRING
                     ? check_string(reader, &host, &element)
                     : spec_fail_type(reader, &element, VF_JSON_STRING);
    }
    return result;
}

struct metadata_check {
    struct spec_reader *reader;
    const struct spec_value *metadata;
    size_t position;
};

static int check_metadata_member(void *context, const char *key,
                                 struct vf_json *json)
{
    struct metadata_check *check = context;
    const struct spec_value value = spec_member(check->metadata, key, json);
    size_t key_length = vf_utf8_length(key, strlen(key));
    size_t size = 0;
    const char *text = vf_json_string(json, &size);
    const char *trouble = NULL;

    check->position++;
    if (value.is_same)
        return 0;
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
    return spec_fail_member(check->reader, check->metadata, check->position,
                            key, trouble);
}

/* Keys but for one, which may be NULL. */
static size_t count_keys(const struct vf_json *json, const char *without)
{
    return vf_json_count(json) -
           (without != NULL && vf_json_get(json, without, NULL));
}

/* Copies all but one key, which may be NULL. As many keys as are shown may
 * stay. */
static int copy_metadata(struct spec_reader *reader,
                         const struct spec_field *field,
                         const struct spec_value *value, const char *without)
{
    struct metadata_check check = {.reader = reader, .metadata = value};
    struct vf_json **place = place_of(reader, field);
    size_t count = count_keys(value->json, without);
    size_t max = field->kind->max;
    int result = vf_json_each(value->json, check_metadata_member, &check);

    if (result < 0)
        return result;
    if (count > max && count > count_keys(value->shown, without))
        return fail_count(reader, value->param, max, "keys");
    if (vf_json_copy(value->json, place) < 0)
        return spec_fail_memory(reader);
    if (without != NULL)
        vf_json_remove(*place, without);
    return 0;
}

int spec_read_metadata(struct spec_reader *reader,
                       const struct spec_field *field,
                       const struct spec_value *value)
{
    return copy_metadata(reader, field, value, NULL);
}

/* One of the keys is the file's name. */
int spec_read_credential_metadata(struct spec_reader *reader,
                                  const struct spec_field *field,
                                  const struct spec_value *value)
{
    static const struct spec_kind kind = {spec_read_string, VF_JSON_STRING,
                                          spec_check_name};
    static const struct spec_field name = {VF_SPEC_NAME_KEY, &kind, OPTIONAL,
                                           AT(stored_name)};
    struct vf_json *json;
    int result = copy_metadata(reader, field, value, VF_SPEC_NAME_KEY);

    if (result < 0 || !reader->keeps_name ||
        !vf_json_get(value->json, name.key, &json))
        return result;
    const struct spec_value member = spec_member(value, name.key, json);
    return spec_read_string(reader, &name, &member);
}

int spec_read_auth_type(struct spec_reader *reader,
                        const struct spec_field *field,
                        const struct spec_value *value)
{
    struct vf_spec *spec = reader->base;
    size_t size;

    return vf_auth_type_parse(vf_json_string(value->json, &size), &spec->type);
}

static bool parse_time(const struct vf_json *json, struct timespec *ret)
{
    size_t size;
    const char *text = vf_json_string(json, &size);

    return text != NULL && vf_time_parse(text, ret) == 0;
}

/* updated_at. Who reads once and writes twice has the time of an earlier read:
 * that is no change, or no editor could save again. */
int spec_read_version(struct spec_reader *reader,
                      const struct spec_field *field,
                      const struct spec_value *value)
{
    struct timespec given, shown;

    if (value->is_same)
        return 0;
    if (!value->is_shown)
        return spec_fail(reader, value->param, "is an unknown field");
    if (parse_time(value->json, &given) && parse_time(value->shown, &shown) &&
        (given.tv_sec < shown.tv_sec ||
         (given.tv_sec == shown.tv_sec && given.tv_nsec < shown.tv_nsec)))
        return 0;
    return spec_fail(reader, value->param, "cannot be changed");
}

/* A field of the flat form in the nested one. */
int spec_read_misplaced(struct spec_reader *reader,
                        const struct spec_field *field,
                        const struct spec_value *value)
{
    if (value->is_same)
        return 0;
    return spec_fail(reader, value->param,
                     value->is_shown ? "cannot be changed"
                                     : "has no place beside \"auth\"");
}
