/* SPDX-License-Identifier: MIT */
#include "grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/json.h"
#include "vaultfs/secret.h"

/* Nobody means an end that is further away. */
#define LIFE_MAX_S INT32_MAX

/* 0 would say that no end is known. */
#define LONG_AGO_S 1

static int refuse_type(const char *member, const struct vf_json *value,
                       const char *wanted, struct vf_error *err)
{
    return vf_error_set_param(err, EINVAL, member, "%s is %s: it must be %s",
                              member, vf_json_type_name(vf_json_type(value)),
                              wanted);
}

/* Whole seconds; a number that is no integer is known by its text alone. */
static int read_seconds(const struct vf_json *value, int64_t *ret,
                        struct vf_error *err)
{
    static const char member[] = "expires_in";
    size_t size;
    char *text;

    if (vf_json_type(value) == VF_JSON_INT) {
        *ret = vf_json_int(value);
        return 0;
    }
    if (vf_json_type(value) != VF_JSON_DOUBLE)
        return refuse_type(member, value, "a number of seconds", err);
    if (vf_json_render_compact(value, &text, &size) < 0)
        return vf_error_set(err, ENOMEM, "no memory");
    double seconds = strtod(text, NULL);
    free(text);
    if (!(seconds >= -LIFE_MAX_S))
        seconds = -LIFE_MAX_S;
    *ret = seconds < LIFE_MAX_S ? (int64_t)seconds : LIFE_MAX_S;
    return 0;
}

static int read_life(const struct vf_json *value, int64_t asked_s, int64_t *ret,
                     struct vf_error *err)
{
    int64_t life = 0;
    int result = read_seconds(value, &life, err);

    if (result < 0)
        return result;
    if (life <= 0)
        return vf_error_set_param(err, EINVAL, "expires_in",
                                  "expires_in is not positive");
    *ret = asked_s + (life < LIFE_MAX_S ? life : LIFE_MAX_S);
    return 0;
}

static int read_end(const struct vf_json *value, int64_t *ret,
                    struct vf_error *err)
{
    static const char member[] = "expires_at";
    struct timespec end;
    size_t size = 0;
    const char *text = vf_json_string(value, &size);

    if (text == NULL)
        return refuse_type(member, value, "a string", err);
    if (strlen(text) != size || vf_time_parse(text, &end) < 0)
        return vf_error_set_param(err, EINVAL, member,
                                  "%s is not a time as 2030-01-31T12:00:00Z",
                                  member);
    *ret = end.tv_sec > 0 ? end.tv_sec : LONG_AGO_S;
    return 0;
}

static int read_expiry(const struct vf_json *grant, int64_t asked_s,
                       int64_t *ret, struct vf_error *err)
{
    struct vf_json *value = NULL;

    if (asked_s != 0 && vf_json_get(grant, "expires_in", &value) &&
        value != NULL)
        return read_life(value, asked_s, ret, err);
    if (vf_json_get(grant, "expires_at", &value) && value != NULL)
        return read_end(value, ret, err);
    *ret = 0;
    return 0;
}

static int read_grant(const struct vf_json *grant, int64_t asked_s,
                      struct vf_auth_reading *ret, struct vf_error *err)
{
    static const char member[] = "access_token";
    struct vf_json *value = NULL;
    int64_t expires_s = 0;
    size_t size = 0;

    if (vf_json_type(grant) != VF_JSON_OBJECT)
        return vf_error_set(err, EINVAL, "it is %s: it must be an object",
                            vf_json_type_name(vf_json_type(grant)));
    if (!vf_json_get(grant, member, &value))
        return vf_error_set_param(err, EINVAL, member, "it has no %s", member);
    const char *token = vf_json_string(value, &size);
    if (token == NULL)
        return refuse_type(member, value, "a string", err);
    int result = read_expiry(grant, asked_s, &expires_s, err);
    if (result == 0)
        result = vf_secret_from(token, size, &ret->token, err);
    if (result == 0)
        ret->expires_s = expires_s;
    return result;
}

int vf_auth_grant_parse(const char *text, size_t size, int64_t asked_s,
                        struct vf_auth_reading *ret, struct vf_error *err)
{
    struct vf_json *grant = NULL;
    int result = vf_json_parse(text, size, &grant, err);

    if (result < 0)
        return result;
    result = read_grant(grant, asked_s, ret, err);
    vf_json_free(grant);
    return result;
}
