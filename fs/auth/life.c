/* SPDX-License-Identifier: MIT
 *
 * Generations. Many requests are in flight with one token when it ends, and all
 * of them come back refused. A generation is one taking-up of a token: who was
 * refused says in which, so that the first to come makes the source be asked,
 * the others wait for the same answer, and who comes late, with a generation
 * that is over, has its answer already. To take up the token that one had is a
 * generation too: only what the service says of this new try then counts.
 *
 *   TRYING --- accepted ---> PROVED
 *    ^  ^ |                    |
 *    |  | +---- refused -------+
 *    |  |                      v
 *    |  +--- another token -- ASKING
 *    |                         |
 *    |                         | the same token, or none
 *    |                         v
 *    +------ any token ------ ENDED
 *
 * A token that was taken up because the one before it was refused has one try:
 * refused in its turn it goes from TRYING to ENDED at once, or a command that
 * makes up a new token each time would be asked for ever.
 *
 * What a visit to the source gave is judged by how things are when it is back.
 * Another token is always taken up. But an answer that was on its way before
 * the refusal may be older than what made the service refuse: if it is the same
 * token, or none, the source is asked anew.
 *
 * Who decides that a token has ended is the service. Its known end only decides
 * when to renew it, and how a refusal is called.
 */
#include "life.h"

#include <errno.h>
#include <string.h>

#include "hook.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

/* Between two looks that nothing else gives reason to, once access has ended.
 */
#define LOOK_INTERVAL_MS 30000

int64_t vf_auth_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_same_token(const struct vf_secret *a, const struct vf_secret *b)
{
    return vf_secret_size(a) == vf_secret_size(b) &&
           memcmp(vf_secret_data(a), vf_secret_data(b), vf_secret_size(a)) == 0;
}

static bool is_in_use(const struct vf_auth_life *life)
{
    return life->phase == VF_AUTH_TRYING || life->phase == VF_AUTH_PROVED;
}

static bool has_end_passed(const struct vf_auth_life *life)
{
    return vf_auth_now_ms() >= life->renewal.expires_ms;
}

static void plan_renewal(struct vf_auth_life *life, int64_t expires_s)
{
    life->expires_s = expires_s;
    vf_auth_renewal_begin(&life->renewal, vf_auth_now_ms(), expires_s);
}

void vf_auth_take_up(struct vf_auth_life *life, struct vf_auth_reading *reading)
{
    life->is_last_try = !is_in_use(life);
    life->phase = VF_AUTH_TRYING;
    life->generation++;
    vf_secret_unref(life->token);
    life->token = reading->token;
    reading->token = NULL;
    plan_renewal(life, reading->expires_s);
}

/* The service's words first, then ours. */
static void tell_hook(struct vf_auth_life *life)
{
    struct vf_error reason;

    if (life->is_told || !life->has_user)
        return;
    life->is_told = true;
    (void)vf_error_set(&reason, life->ended.code, "%s%s%s", life->refusal,
                       life->refusal[0] != '\0' ? "; " : "",
                       life->ended.message);
    if (life->hook != NULL)
        vf_auth_hook_run(life->hook, &reason);
}

void vf_auth_note_user(struct vf_auth_life *life)
{
    life->has_user = true;
    if (life->phase == VF_AUTH_ENDED)
        tell_hook(life);
}

/* why is NULL when the source has no other token. */
static void end_access(struct vf_auth_life *life, const struct vf_error *why)
{
    const bool is_over =
        has_end_passed(life) || (why != NULL && why->code == EKEYEXPIRED);
    const int code = is_over ? EKEYEXPIRED : EKEYREJECTED;
    const char *what = is_over ? "has expired" : "was refused";

    life->phase = VF_AUTH_ENDED;
    life->next_look_ms = vf_clock_boottime_ms() + LOOK_INTERVAL_MS;
    vf_auth_renewal_stop(&life->renewal);
    if (why != NULL)
        (void)vf_error_set(&life->ended, code,
                           "the access token %s, and no other can be had: %s",
                           what, why->message);
    else if (life->can_change)
        (void)vf_error_set(&life->ended, code,
                           "the access token %s, and %s has no better one",
                           what, life->source);
    else
        (void)vf_error_set(&life->ended, code,
                           "the access token %s, and %s is read only at the "
                           "start",
                           what, life->source);
    tell_hook(life);
}

void vf_auth_note_accepted(struct vf_auth_life *life, unsigned generation)
{
    if (generation != life->generation || life->phase != VF_AUTH_TRYING)
        return;
    life->phase = VF_AUTH_PROVED;
    life->is_told = false;
}

void vf_auth_note_refused(struct vf_auth_life *life, unsigned generation,
                          const struct vf_error *refusal)
{
    if (generation != life->generation || !is_in_use(life))
        return;
    vf_error_copy(life->refusal, sizeof(life->refusal),
                  refusal != NULL ? refusal->message : "");
    if (life->phase == VF_AUTH_TRYING && life->is_last_try)
        end_access(life, NULL);
    else
        life->phase = VF_AUTH_ASKING;
}

/* Nothing ends or replaces the token in use. A renewal's failure wants a record
 * once in a token's life. */
static bool keep(struct vf_auth_life *life, const struct vf_auth_visit *visit)
{
    const int64_t now = vf_auth_now_ms();
    const bool is_first = !life->renewal.has_failed;
    const bool is_failure = visit->result < 0;

    if (!is_failure && visit->reading.expires_s != life->expires_s) {
        plan_renewal(life, visit->reading.expires_s);
    } else if (life->renewal.due_ms <= now) {
        vf_auth_renewal_postpone(&life->renewal, now);
        life->renewal.has_failed |= is_failure;
    }
    return is_failure && (is_first || !visit->is_renewal);
}

bool vf_auth_note_visit(struct vf_auth_life *life, struct vf_auth_visit *visit)
{
    const bool is_failure = visit->result < 0;
    const bool is_another =
        !is_failure && !is_same_token(visit->reading.token, life->token);

    if (is_another || (!is_failure && life->phase == VF_AUTH_ENDED))
        vf_auth_take_up(life, &visit->reading);
    else if (life->phase == VF_AUTH_ENDED || visit->before == VF_AUTH_ASKING)
        end_access(life, is_failure ? &visit->why : NULL);
    else if (is_in_use(life))
        return keep(life, visit);
    return false;
}

bool vf_auth_is_look_due(const struct vf_auth_life *life)
{
    return life->phase == VF_AUTH_ENDED &&
           vf_clock_boottime_ms() >= life->next_look_ms;
}

enum vf_auth_state vf_auth_state(const struct vf_auth_life *life)
{
    switch (life->phase) {
    case VF_AUTH_TRYING:
        return VF_AUTH_UNUSED;
    case VF_AUTH_PROVED:
        return VF_AUTH_OK;
    case VF_AUTH_ASKING:
        return has_end_passed(life) ? VF_AUTH_EXPIRED : VF_AUTH_REFUSED;
    case VF_AUTH_ENDED:
        break;
    }
    return life->ended.code == EKEYEXPIRED ? VF_AUTH_EXPIRED : VF_AUTH_REFUSED;
}
