/* SPDX-License-Identifier: MIT
 *
 * What proves a token. Any success; and a refusal that only somebody makes who
 * knows whose request it is: no permission (403), nothing of that id is yours
 * (404), a conflict with what is yours (409), in the service's own words, for a
 * gateway says 403 and 404, too, and never looks at tokens. All else tells
 * nothing: a form can be wrong (400), or a limit reached (429), before the
 * token is looked at, and what failed (5xx) may have been just that look.
 */
#include "access.h"

#include "failure.h"
#include "redact.h"
#include "vaultfs/auth.h"
#include "vaultfs/secret.h"

#include <errno.h>

void vf_access_done(struct vf_access *access)
{
    access->token = vf_secret_unref(access->token);
}

/* What a caller is told who waited in vain: access had expired before. */
static int judge_wait(struct vf_api *api, struct vf_error *err)
{
    struct vf_auth_status status;

    vf_auth_status(api->auth, &status);
    if (status.state == VF_AUTH_REFUSED)
        err->code = EKEYREJECTED;
    else if (status.state == VF_AUTH_EXPIRED)
        err->code = EKEYEXPIRED;
    return -err->code;
}

int vf_access_take(struct vf_api *api, struct vf_access *access,
                   int64_t deadline_ms, struct vf_error *err)
{
    struct vf_secret *token;
    struct vf_error reason = {0};
    int result = vf_auth_token(api->auth, deadline_ms, &token,
                               &access->generation, &reason);

    if (result == -ETIMEDOUT)
        result = judge_wait(api, &reason);
    if (result < 0) {
        *err = reason;
        return result;
    }
    vf_secret_unref(access->token);
    access->token = token;
    return 0;
}

int vf_access_renew(struct vf_api *api, struct vf_access *access,
                    int64_t deadline_ms, struct vf_error *err)
{
    struct vf_error reason = {0};
    int result = vf_auth_refused(api->auth, access->generation, err,
                                 deadline_ms, &reason);

    if (result == 0 && access->is_renewed)
        return -EKEYREJECTED;
    if (result == 0)
        result = vf_access_take(api, access, deadline_ms, &reason);
    if (result == 0) {
        access->is_renewed = true;
        return 0;
    }
    if (result == -ECANCELED) {
        *err = reason;
        return result;
    }
    /* Late or not, the answer was 401. */
    err->code = result == -EKEYEXPIRED ? EKEYEXPIRED : EKEYREJECTED;
    vf_failure_add(err, "; ");
    vf_failure_add(err, reason.message);
    return -err->code;
}

static bool proves_token(const struct vf_http_reply *reply)
{
    switch (reply->status) {
    case 403:
    case 404:
    case 409:
        return vf_failure_is_told(reply);
    default:
        return reply->status / 100 == 2;
    }
}

static void note_account(struct vf_api *api, const struct vf_http_reply *reply,
                         const struct vf_in_flight *secrets)
{
    struct vf_api_account *account = &api->account;

    pthread_mutex_lock(&api->lock);
    if (reply->account[0] != '\0')
        vf_redact_copy(account->name, sizeof(account->name), reply->account,
                       secrets);
    if (reply->scopes[0] != '\0')
        vf_redact_copy(account->scopes, sizeof(account->scopes), reply->scopes,
                       secrets);
    pthread_mutex_unlock(&api->lock);
}

void vf_access_note(struct vf_api *api, const struct vf_access *access,
                    const struct vf_http_reply *reply,
                    const struct vf_in_flight *secrets)
{
    if (!proves_token(reply))
        return;
    vf_auth_accepted(api->auth, access->generation);
    if (reply->account[0] != '\0' || reply->scopes[0] != '\0')
        note_account(api, reply, secrets);
}
