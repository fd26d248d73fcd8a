/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <errno.h>
#include <stdlib.h>

#include "scratch.h"
#include "vaultfs/clock.h"

/* A suspended machine's clock of waits stands still: look at least that often.
 */
#define WAIT_MAX_MS 60000

/* Lock held; dropped for the sink. */
static void tell_unsent(struct vf_tree *tree, struct vf_node *node)
{
    struct vf_error error;
    struct vf_record record = {.operation = "write", .error = &error};

    if (!vf_scratch_tell(node, &error, &record.pid))
        return;
    vf_node_ref(node);
    pthread_mutex_unlock(&tree->lock);
    char *path = vf_tree_path(tree, node, NULL);
    record.path = path != NULL ? path : "?";
    tree->options.sink(tree->options.sink_context, &record);
    free(path);
    pthread_mutex_lock(&tree->lock);
    vf_node_unref(tree, node, 1);
}

static int64_t due_at(const struct vf_node *node)
{
    if (node->kind == VF_NODE_SCRATCH)
        return vf_scratch_due(node);
    return vf_node_expires_ms(node);
}

/* Something that is due, or NULL and when the next will be. */
static struct vf_node *find_due(const struct vf_tree *tree, int64_t *ret_next)
{
    int64_t now = vf_clock_boottime_ms(), next = INT64_MAX;

    for (struct vf_node *node = tree->nodes; node != NULL;
         node = node->next_node) {
        int64_t due = due_at(node);

        if (due <= now)
            return node;
        if (due < next)
            next = due;
    }
    *ret_next = next;
    return NULL;
}

int64_t vf_sweep(struct vf_tree *tree)
{
    struct vf_node *node;
    int64_t next = INT64_MAX;

    while ((node = find_due(tree, &next)) != NULL) {
        if (node->kind == VF_NODE_SCRATCH)
            tell_unsent(tree, node);
        else
            vf_node_unlink(tree, node);
    }
    return next;
}

static void *run(void *context)
{
    struct vf_tree *tree = context;
    struct vf_sweeper *sweeper = &tree->sweeper;

    pthread_mutex_lock(&tree->lock);
    while (!tree->is_shut_down && !sweeper->is_ending) {
        int64_t left = sweeper->next_ms - vf_clock_boottime_ms();

        if (left <= 0) {
            sweeper->next_ms = INT64_MAX;
            vf_sweep_at(tree, vf_sweep(tree));
            continue;
        }
        const struct timespec until =
            vf_clock_timespec(vf_clock_monotonic_ms() +
                              (left < WAIT_MAX_MS ? left : WAIT_MAX_MS));
        (void)pthread_cond_timedwait(&sweeper->wanted, &tree->lock, &until);
    }
    pthread_mutex_unlock(&tree->lock);
    return NULL;
}

static void start(struct vf_tree *tree)
{
    struct vf_sweeper *sweeper = &tree->sweeper;

    if (sweeper->is_running || sweeper->is_ending || tree->is_shut_down ||
        vf_clock_init_cond(&sweeper->wanted) < 0)
        return;
    if (pthread_create(&sweeper->thread, NULL, run, tree) == 0)
        sweeper->is_running = true;
    else
        (void)pthread_cond_destroy(&sweeper->wanted);
}

void vf_sweep_at(struct vf_tree *tree, int64_t when_ms)
{
    struct vf_sweeper *sweeper = &tree->sweeper;
    bool is_sooner = !sweeper->is_running || when_ms < sweeper->next_ms;

    if (!is_sooner || when_ms == INT64_MAX)
        return;
    sweeper->next_ms = when_ms;
    start(tree);
    vf_sweep_wake(tree);
}

void vf_sweep_wake(struct vf_tree *tree)
{
    if (tree->sweeper.is_running)
        (void)pthread_cond_signal(&tree->sweeper.wanted);
}

void vf_sweep_end(struct vf_tree *tree)
{
    struct vf_sweeper *sweeper = &tree->sweeper;

    pthread_mutex_lock(&tree->lock);
    sweeper->is_ending = true;
    vf_sweep_wake(tree);
    pthread_mutex_unlock(&tree->lock);
    if (!sweeper->is_running)
        return;
    (void)pthread_join(sweeper->thread, NULL);
    (void)pthread_cond_destroy(&sweeper->wanted);
    sweeper->is_running = false;
}
