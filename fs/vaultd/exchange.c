/* SPDX-License-Identifier: MIT
 *
 * A service-account key for a token of short life. The token can do what the
 * key can, ends with it, and is revoked with it; those that have ended are
 * swept with each exchange, so that they do not gather. An Idempotency-Key does
 * nothing here: the reply, which is a secret, would have to be kept for it.
 */
#include "call.h"
#include "db.h"
#include "validate.h"

#include "vaultfs/json.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <string.h>

#define TTL_DEFAULT_S 3600
#define TTL_MAX_S 43200
#define SECOND_US 1000000LL
#define SCOPE "qca.access"

/* Members that can only have one value. */
static int check_words(const struct vf_json *body, struct vf_error *err)
{
    static const char *const words[][2] = {{"grant_type", "client_credentials"},
                                           {"audience", "qoder"},
                                           {"scope", SCOPE}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *given = vf_json_get_string(body, words[i][0]);

        if (given == NULL || strcmp(given, words[i][1]) != 0)
            return vf_refuse(err, VF_PROBLEM_INVALID, words[i][0],
                             "must be \"%s\"", words[i][1]);
    }
    return 0;
}

static int check_ttl(const struct vf_json *body, int64_t *ret,
                     struct vf_error *err)
{
    struct vf_json *given;

    if (!vf_json_get(body, "ttl_seconds", &given))
        return 0;
    int64_t seconds = vf_json_int(given);
    if (seconds < 1 || seconds > TTL_MAX_S) /* 0 for what is no integer */
        return vf_refuse(err, VF_PROBLEM_INVALID, "ttl_seconds",
                         "must be a whole number from 1 to %d", TTL_MAX_S);
    *ret = seconds;
    return 0;
}

static int sweep(const struct vf_access *access, int64_t now_us,
                 struct vf_error *err)
{
    return vf_db_run(
        access->db,
        "DELETE FROM issued WHERE kind = 'exchanged' AND expires_us <= ?1",
        VF_VALUES(VF_INT(now_us)), err);
}

static void answer(struct vf_call *call, const struct vf_secret *token,
                   int64_t seconds)
{
    vf_buf_puts(&call->reply, "{\"access_token\":\"");
    vf_buf_append(&call->reply, vf_secret_data(token), vf_secret_size(token));
    vf_buf_printf(&call->reply,
                  "\",\"token_type\":\"Bearer\",\"expires_in\":%lld,"
                  "\"scope\":\"" SCOPE "\"}",
                  (long long)seconds);
}

int vf_token_exchange(struct vf_call *call, const struct vf_access *access,
                      struct vf_error *err)
{
    static const char *const members[] = {"grant_type", "audience", "scope",
                                          "ttl_seconds", NULL};
    int64_t seconds = TTL_DEFAULT_S, now_us = vf_now_us();
    const struct vf_grant *key = call->grant;
    struct vf_grant grant = {.kind = VF_TOKEN_EXCHANGED};
    struct vf_secret *token;
    int result = vf_check_members(call->body, "", members, err);

    if (result == 0)
        result = check_words(call->body, err);
    if (result == 0)
        result = check_ttl(call->body, &seconds, err);
    if (result == 0)
        result = sweep(access, now_us, err);
    if (result == 0)
        result = vf_token_used(access, key->id, now_us, err);
    if (result < 0)
        return result;
    grant.scopes = key->scopes;
    grant.expires_us = now_us + seconds * SECOND_US;
    if (key->expires_us != 0 && key->expires_us < grant.expires_us)
        grant.expires_us = key->expires_us;
    result = vf_token_insert(access, &grant, "", key->id, &token, err);
    if (result < 0)
        return result;
    answer(call, token, (grant.expires_us - now_us) / SECOND_US);
    vf_secret_unref(token);
    return 0;
}
