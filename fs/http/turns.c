/* SPDX-License-Identifier: MIT
 *
 * The limit halves when the origin has too much to do, and grows by one with as
 * many successes as it counts: that finds what an origin can do without asking
 * it. Requests that were in flight together are told the same thing many times;
 * it counts once. So each belongs to the generation of the limit that it began
 * under, and what it learns counts only while that lasts.
 *
 * Spare turns are counted apart: were they counted with the others, a few busy
 * groups could keep all above the limit, and nobody else would ever have a turn
 * of the limit again. They shrink with it, or they would go on asking as much
 * as before. One is always left: without it, a group that hangs at a limit of 1
 * would stop everybody else.
 */
#include "turns.h"

/* Of the limit, one in so many is there besides. */
#define SPARE_SHARE 4

/* Of the turns that one who is ahead could have had, the last of so many is
 * his. */
#define AHEAD_SHARE 4

void vf_http_turns_init(struct vf_http_turns *ret, unsigned concurrency)
{
    *ret = (struct vf_http_turns){.max = concurrency, .limit = concurrency};
}

unsigned vf_http_turns_spare(const struct vf_http_turns *turns)
{
    unsigned spare = turns->limit / SPARE_SHARE;

    return spare > 0 ? spare : 1;
}

bool vf_http_turns_are_free(const struct vf_http_turns *turns)
{
    return turns->active < turns->limit;
}

bool vf_http_turns_are_spare(const struct vf_http_turns *turns)
{
    return turns->spare < vf_http_turns_spare(turns);
}

bool vf_http_turns_is_for_ahead(const struct vf_http_turns *turns)
{
    return turns->passed >= AHEAD_SHARE - 1;
}

struct vf_http_turn vf_http_turns_begin(struct vf_http_turns *turns,
                                        bool is_ahead, bool has_passed)
{
    const struct vf_http_turn turn = {.generation = turns->generation,
                                      .is_spare =
                                          !vf_http_turns_are_free(turns)};

    if (is_ahead)
        turns->passed = 0;
    else if (has_passed)
        turns->passed++;
    if (turn.is_spare)
        turns->spare++;
    else
        turns->active++;
    return turn;
}

static void shrink(struct vf_http_turns *turns)
{
    turns->limit = turns->limit > 1 ? turns->limit / 2 : 1;
    turns->earned = 0;
    turns->generation++;
}

static void grow(struct vf_http_turns *turns)
{
    if (turns->limit == turns->max || ++turns->earned < turns->limit)
        return;
    turns->limit++;
    turns->earned = 0;
}

void vf_http_turns_end(struct vf_http_turns *turns, struct vf_http_turn turn,
                       enum vf_http_verdict verdict)
{
    if (turn.is_spare)
        turns->spare--;
    else
        turns->active--;
    if (turn.generation != turns->generation)
        return;
    if (verdict == VF_HTTP_TOO_MUCH)
        shrink(turns);
    else if (verdict == VF_HTTP_GOES_WELL)
        grow(turns);
}
