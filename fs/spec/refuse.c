/* SPDX-License-Identifier: MIT
 *
 * Refusals name fields and never quote a value. A name that no table has may be
 * one: who wrote {"$TOKEN": ""} in a shell put the token there. So an unknown
 * name is shown only if it reads like one of ours with a slip of the finger:
 * short, and without the digits that nearly every token has. Any other is told
 * by its position.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

#define SHOWN_NAME_MAX 24

int spec_fail(struct spec_reader *reader, const char *param, const char *what)
{
    return vf_error_set_param(reader->err, EINVAL, param, "\"%s\" %s", param,
                              what);
}

int spec_fail_memory(struct spec_reader *reader)
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

int spec_fail_member(struct spec_reader *reader,
                     const struct spec_value *object, size_t position,
                     const char *key, const char *what)
{
    const char *in = object->param;

    if (is_showable(key)) {
        struct spec_value member = spec_member(object, key, NULL);

        return spec_fail(reader, member.param, what);
    }
    return vf_error_set_param(reader->err, EINVAL, in,
                              "field %zu of %s (name not shown) %s", position,
                              in[0] != '\0' ? in : "the document", what);
}

int spec_fail_missing(struct spec_reader *reader,
                      const struct spec_value *object,
                      const struct spec_field *field)
{
    struct spec_value member = spec_member(object, field->key, NULL);

    if (reader->purpose != SPEC_REPLACES || !vf_json_is_secret_key(field->key))
        return spec_fail(reader, member.param, "is missing");
    return vf_error_set_param(reader->err, EINVAL, member.param,
                              "this describes another credential than the one "
                              "that is there, and needs its secret, \"%s\"",
                              member.param);
}

int spec_fail_type(struct spec_reader *reader, const struct spec_value *value,
                   enum vf_json_type wanted)
{
    return vf_error_set_param(reader->err, EINVAL, value->param,
                              "\"%s\" must be %s, not %s", value->param,
                              vf_json_type_name(wanted),
                              vf_json_type_name(vf_json_type(value->json)));
}
