/* SPDX-License-Identifier: MIT
 *
 * Who walks the vaults looks at one after another, and would pay a round trip
 * for each. So the listings of the next ones are fetched before he comes there.
 *
 * What a walk looks like from here: tools open the root, read it, and then open
 * the vaults in the order in which they were shown (find, tar, grep), or sorted
 * by name (ls, rsync; a locale may differ from us here and there), or by inode
 * (cp). A shell's loop looks up names in one vault after another; and bash
 * expands a pattern from the last vault to the first. Several walks
 * may be under way; and where a locale shuffles two runs of names into each
 * other, one walk looks like two. So the places of the last few looks are kept,
 * and a look at a neighbour of one of them adds to its points. Two vaults
 * opened one right after the other, in the order of names, make a walk; looking
 * up names in them takes four, for two cats are none. What any other way and
 * the looks before the last one say may be chance, and takes twice as many.
 *
 * A walk has a window: that many listings behind its place may be in flight, or
 * at hand and not looked at. Each step doubles it, up to what the service takes
 * at a time, and fills it up. A walk remembers how far it has seen to that, so
 * that over listings that are fresh a step costs next to nothing. When it comes
 * to one that is neither at hand nor in flight, or not to the next, it begins
 * anew from there: the listings themselves tell what they are, and which walk
 * asked for them last. So one that stops has wasted a window at most, listings
 * that are fresh are passed by, and none is asked for twice by a walk, not even
 * one that has failed or that lives no longer than it takes to come there.
 *
 * Nobody is told when such a fetch fails: who comes there asks again. But when
 * a few have failed no more is fetched ahead until some listing arrives.
 */
#include "ahead.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "vaultfs/clock.h"

/* How far a walk looks. */
#define PLACES_MAX 64

/* Fetches ahead that may fail in a row before no more are made. */
#define FAILURES_MAX 2

#define POINTS_OF_LOOK 1
#define POINTS_OF_OPEN 2
#define POINTS_OF_WALK 4
#define POINTS_OF_OTHER_WALK 8

struct look {
    struct vf_node *vault;
    unsigned weight;
    bool has_to_ask; /* its listing is neither at hand nor in flight */
    int64_t now_ms;
};

static struct vf_ahead *ahead_of(struct vf_tree *tree,
                                 const struct vf_node *directory)
{
    return &tree->ahead[directory->kind == VF_NODE_ARCHIVE];
}

/* --- The orders --- */

static int compare_inodes(const void *a, const void *b)
{
    const struct vf_node *left = *(struct vf_node *const *)a;
    const struct vf_node *right = *(struct vf_node *const *)b;

    return (left->ino > right->ino) - (left->ino < right->ino);
}

/* Vaults that there is something to ask for, in place of all children. */
static size_t pick_vaults(struct vf_node **nodes)
{
    size_t count = 0;

    for (struct vf_node **node = nodes; *node != NULL; node++)
        if ((*node)->kind == VF_NODE_VAULT && (*node)->id != NULL)
            nodes[count++] = vf_node_ref(*node);
    return count;
}

/* False: no memory. */
static bool make_orders(struct vf_ahead *ahead, const struct vf_node *directory)
{
    if (ahead->vaults[VF_ORDER_NAME] != NULL)
        return true;
    struct vf_node **by_name = vf_node_children(directory);
    struct vf_node **by_inode =
        calloc(directory->listing->by_name.count + 1, sizeof(struct vf_node *));
    if (by_name == NULL || by_inode == NULL) {
        free(by_name);
        free(by_inode);
        return false;
    }
    ahead->count = pick_vaults(by_name);
    memcpy(by_inode, by_name, ahead->count * sizeof(struct vf_node *));
    qsort(by_inode, ahead->count, sizeof(struct vf_node *), compare_inodes);
    ahead->vaults[VF_ORDER_NAME] = by_name;
    ahead->vaults[VF_ORDER_INODE] = by_inode;
    for (int order = 0; order < VF_ORDERS; order++)
        for (size_t i = 0; i < ahead->count; i++)
            ahead->vaults[order][i]->listing->places[order] = i;
    return true;
}

/* Others may have come, or been there, since the orders were made. */
static bool has_place(const struct vf_ahead *ahead, const struct vf_node *vault)
{
    size_t place = vault->listing->places[VF_ORDER_NAME];

    return place < ahead->count && ahead->vaults[VF_ORDER_NAME][place] == vault;
}

static void drop_orders(struct vf_tree *tree, struct vf_ahead *ahead)
{
    for (size_t i = 0; i < ahead->count; i++)
        vf_node_unref(tree, ahead->vaults[VF_ORDER_NAME][i], 1);
    for (int order = 0; order < VF_ORDERS; order++) {
        free(ahead->vaults[order]);
        ahead->vaults[order] = NULL;
    }
    ahead->count = 0;
}

static void end_walk(struct vf_tree *tree, struct vf_walk *walk)
{
    struct vf_node *at = walk->at;

    *walk = (struct vf_walk){0};
    if (at != NULL)
        vf_node_unref(tree, at, 1);
}

static void forget_scan(struct vf_walk *walk)
{
    walk->scanned = 0;
    walk->pending = 0;
}

void vf_ahead_forget(struct vf_tree *tree, const struct vf_node *directory)
{
    struct vf_ahead *ahead = ahead_of(tree, directory);

    drop_orders(tree, ahead);
    for (size_t i = 0; i < VF_WALKS; i++) {
        forget_scan(&ahead->walks[i]);
        if (ahead->walks[i].at != NULL && !ahead->walks[i].at->is_linked)
            end_walk(tree, &ahead->walks[i]);
    }
}

void vf_ahead_done(struct vf_tree *tree)
{
    for (size_t i = 0; i < sizeof(tree->ahead) / sizeof(tree->ahead[0]); i++) {
        drop_orders(tree, &tree->ahead[i]);
        for (size_t walk = 0; walk < VF_WALKS; walk++)
            end_walk(tree, &tree->ahead[i].walks[walk]);
    }
}

/* --- Walks --- */

static enum vf_order order_of(unsigned way)
{
    return way % VF_ORDERS;
}

static long step_of(unsigned way)
{
    return way < VF_ORDERS ? 1 : -1;
}

/* How far a vault is beyond where a walk is. */
static long distance(const struct vf_walk *walk, unsigned way,
                     const struct vf_node *vault)
{
    long from = (long)walk->at->listing->places[order_of(way)];
    long to = (long)vault->listing->places[order_of(way)];

    return step_of(way) * (to - from);
}

#define NO_STEP LONG_MAX

/* How unlikely it is that a look is a step of a walk. One that is known has
 * asked for all within its window; so it may well be led astray, but not back
 * to what it has left behind for so long that it has to be asked for again. */
static long rate_step(const struct vf_ahead *ahead, const struct vf_walk *walk,
                      const struct look *look)
{
    if (walk->at == NULL || !has_place(ahead, walk->at))
        return NO_STEP;
    if (walk->window > 0) {
        long by = distance(walk, walk->way, look->vault);
        bool is_left = by < 0 && look->has_to_ask;

        return labs(by) <= (long)walk->window && !is_left ? labs(by) : NO_STEP;
    }
    for (unsigned way = 0; way < VF_WAYS; way++) {
        long by = distance(walk, way, look->vault);

        if (by == 0 || by == 1)
            return NO_STEP - 2 + by;
    }
    return NO_STEP;
}

/* The walk that a look is most likely a step of, put first; else a new one, in
 * place of the one that has not moved for longest. */
static struct vf_walk *find_walk(struct vf_tree *tree, struct vf_ahead *ahead,
                                 const struct look *look, bool *ret_was_first)
{
    size_t found = VF_WALKS - 1;
    long best = NO_STEP;

    for (size_t i = 0; i < VF_WALKS && best > 1; i++) {
        long rate = rate_step(ahead, &ahead->walks[i], look);

        if (rate < best) {
            found = i;
            best = rate;
        }
    }
    if (best == NO_STEP)
        end_walk(tree, &ahead->walks[found]);
    *ret_was_first = found == 0;
    struct vf_walk walk = ahead->walks[found];
    memmove(ahead->walks + 1, ahead->walks, found * sizeof(walk));
    ahead->walks[0] = walk;
    return ahead->walks;
}

static void move_to(struct vf_tree *tree, struct vf_walk *walk,
                    struct vf_node *vault, unsigned weight)
{
    struct vf_node *left = walk->at;

    walk->at = vf_node_ref(vault);
    walk->weight = weight;
    if (left != NULL)
        vf_node_unref(tree, left, 1);
}

/* A look that may begin a walk: whether it does. */
static bool begin(struct vf_tree *tree, struct vf_walk *walk,
                  const struct look *look, bool was_first)
{
    unsigned old = walk->at == look->vault ? walk->weight : 0;
    unsigned weight = look->weight > old ? look->weight : old;

    for (unsigned way = VF_WAYS; way-- > 0;) {
        bool is_next = walk->at != NULL &&
                       distance(walk, way, look->vault) >= 0 &&
                       distance(walk, way, look->vault) <= 1;

        walk->points[way] = is_next ? walk->points[way] + weight - old : weight;
        if (walk->points[way] < (way == VF_ORDER_NAME && was_first
                                     ? POINTS_OF_WALK
                                     : POINTS_OF_OTHER_WALK))
            continue;
        walk->way = way;
        walk->window = 1;
    }
    move_to(tree, walk, look->vault, weight);
    if (walk->window == 0)
        return false;
    walk->number = ++tree->walks;
    return true;
}

/* One place further: what was seen to there is not beyond any more. */
static void leave_place(struct vf_walk *walk, const struct vf_listing *listing)
{
    if (walk->scanned > 0)
        walk->scanned--;
    if (walk->pending > 0 && listing->asked_by == walk->number)
        walk->pending--;
    if (walk->pending > walk->scanned) /* another walk asked since */
        walk->pending = walk->scanned;
}

/* A look at or near the place of a walk: whether that moves it. */
static bool go_on(struct vf_tree *tree, struct vf_walk *walk,
                  const struct look *look, unsigned turns)
{
    long by = distance(walk, walk->way, look->vault);

    if (by <= 0)
        return false;
    if (by == 1 && !look->has_to_ask)
        leave_place(walk, look->vault->listing);
    else
        forget_scan(walk);
    move_to(tree, walk, look->vault, POINTS_OF_OPEN);
    walk->window = 2 * walk->window < turns ? 2 * walk->window : turns;
    return true;
}

/* --- Fetching --- */

static bool is_fresh(const struct vf_listing *listing, int64_t now_ms)
{
    return listing->is_known && now_ms < listing->expires_ms;
}

static bool has_to_ask(const struct vf_listing *listing, int64_t now_ms)
{
    return listing->fetch == NULL && !is_fresh(listing, now_ms);
}

static bool is_at_hand(const struct vf_listing *listing, int64_t now_ms)
{
    return listing->fetch != NULL ||
           (listing->is_ahead && is_fresh(listing, now_ms));
}

static bool is_wanted(const struct vf_walk *walk, const struct vf_node *vault,
                      int64_t now_ms)
{
    const struct vf_listing *listing = vault->listing;

    return vault->is_linked && !listing->is_going &&
           listing->asked_by != walk->number && !is_fresh(listing, now_ms);
}

/* See to the next place: false when that has to wait. */
static bool see_to(struct vf_tree *tree, struct vf_walk *walk,
                   struct vf_node *vault, unsigned turns, int64_t now_ms)
{
    bool is_asked = is_at_hand(vault->listing, now_ms);

    if (!is_asked && is_wanted(walk, vault, now_ms)) {
        if (tree->ahead_flights >= turns)
            return false;
        vf_listing_fetch_ahead(tree, vault);
        is_asked = true;
    }
    if (is_asked) {
        vault->listing->asked_by = walk->number;
        walk->pending++;
    }
    walk->scanned++;
    return true;
}

/* One turn is for the look itself, if it has to ask. */
static void fill_window(struct vf_tree *tree, const struct vf_ahead *ahead,
                        struct vf_walk *walk, const struct look *look,
                        unsigned turns)
{
    struct vf_node *const *vaults = ahead->vaults[order_of(walk->way)];
    long at = (long)walk->at->listing->places[order_of(walk->way)];
    bool goes_on = true;

    turns -= look->has_to_ask;
    while (goes_on && walk->scanned < PLACES_MAX &&
           walk->pending < walk->window && walk->pending < turns) {
        long place = at + step_of(walk->way) * ((long)walk->scanned + 1);

        if (place < 0 || place >= (long)ahead->count)
            return;
        goes_on = see_to(tree, walk, vaults[place], turns, look->now_ms);
    }
}

void vf_ahead_use(struct vf_tree *tree, struct vf_listing *listing)
{
    if (!listing->is_ahead)
        return;
    listing->is_ahead = false;
    if (vf_listing_is_fresh(listing))
        tree->ahead_unused--;
}

void vf_ahead_look(struct vf_tree *tree, struct vf_node *vault, bool is_opened)
{
    const struct vf_service *service = &tree->options.service;
    struct look look = {.vault = vault,
                        .weight = is_opened ? POINTS_OF_OPEN : POINTS_OF_LOOK};
    bool was_first;

    if (vault->kind != VF_NODE_VAULT)
        return;
    vf_ahead_use(tree, vault->listing);
    struct vf_ahead *ahead = ahead_of(tree, vault->parent);
    if (ahead->walks[0].at == vault && ahead->walks[0].weight >= look.weight)
        return;
    if (!make_orders(ahead, vault->parent) || !has_place(ahead, vault))
        return;
    look.now_ms = vf_clock_boottime_ms();
    look.has_to_ask = has_to_ask(vault->listing, look.now_ms);
    struct vf_walk *walk = find_walk(tree, ahead, &look, &was_first);
    unsigned turns = service->ops->turns(service->self);
    bool is_step = walk->window == 0 ? begin(tree, walk, &look, was_first)
                                     : go_on(tree, walk, &look, turns);
    if (is_step && tree->ahead_failures < FAILURES_MAX)
        fill_window(tree, ahead, walk, &look, turns);
}
