/* SPDX-License-Identifier: MIT */
#include "row.h"

#include <sched.h>
#include <stdio.h>

#include "control.h"

struct row_vault vaults[VAULTS];

void row_make(struct harness *h, const char *(*name_of)(int))
{
    for (int i = 0; i < VAULTS; i++) {
        snprintf(vaults[i].name, sizeof(vaults[i].name), "%s", name_of(i));
        vaults[i].id = fake_add_vault(h->fake, vaults[i].name);
        fake_add(h->fake, vaults[i].id, "a.json", HARNESS_URL);
    }
    for (int i = 0; i < VAULTS; i++)
        vaults[i].node = look(h, h->root, vaults[i].name);
}

const char *numbered(int i)
{
    static char name[8];

    snprintf(name, sizeof(name), "v%02d", i);
    return name;
}

int row_setup(void **state)
{
    harness_setup(state);
    row_make(*state, numbered);
    return 0;
}

int open_vault(struct harness *h, int i)
{
    struct task task = {.h = h, .node = vaults[i].node};

    return run_opendir(&task);
}

/* One look that is over, with all that it caused. */
void visit(struct harness *h, int i)
{
    assert_int_equal(open_vault(h, i), 0);
    harness_wait_idle(h);
}

struct vf_tree_stats stats(struct harness *h)
{
    struct vf_tree_stats stats;

    pthread_mutex_lock(&h->tree->lock);
    vf_control_count(h->tree, &stats);
    pthread_mutex_unlock(&h->tree->lock);
    return stats;
}

void let_go(struct harness *h, int from, int to)
{
    for (int i = from; i < to; i++)
        fake_let_go_list(h->fake, vaults[i].id);
}

/* Until the service was asked for a listing that nobody waits for. */
void wait_listed(struct harness *h, int i)
{
    while (fake_listed(h->fake, vaults[i].id) == 0)
        sched_yield();
}
