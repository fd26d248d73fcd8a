/* SPDX-License-Identifier: MIT
 *
 * A row of vaults with a credential each, and what a walk along it does.
 */
#ifndef TEST_ROW_H
#define TEST_ROW_H

#include "harness.h"
#include "internal.h"

#define VAULTS 40

struct row_vault {
    const char *id;
    struct vf_node *node;
    char name[8];
};

/* In the order of names, behind "prod". */
extern struct row_vault vaults[VAULTS];

/* Of the names that a function gives; row_setup(): "v00" to "v39". */
void row_make(struct harness *h, const char *(*name_of)(int));
int row_setup(void **state);
const char *numbered(int i);

int open_vault(struct harness *h, int i);
/* One look that is over, with all that it caused. */
void visit(struct harness *h, int i);
struct vf_tree_stats stats(struct harness *h);

/* Listings that the service holds back. */
void let_go(struct harness *h, int from, int to);
/* Until the service was asked for a listing that nobody waits for. */
void wait_listed(struct harness *h, int i);

#endif
