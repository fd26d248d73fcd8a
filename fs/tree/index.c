/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4

void vf_index_done(struct vf_index *index)
{
    free(index->nodes);
    *index = (struct vf_index){0};
}

/* Where the first node stands whose text is not before this one. */
static size_t place_of(const struct vf_index *index, vf_index_key *key,
                       const char *text)
{
    size_t low = 0, high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(key(index->nodes[middle]), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct vf_node *vf_index_find(const struct vf_index *index, vf_index_key *key,
                              const char *text)
{
    size_t at = place_of(index, key, text);

    if (at == index->count || strcmp(key(index->nodes[at]), text) != 0)
        return NULL;
    return index->nodes[at];
}

static int make_room(struct vf_index *index)
{
    if (index->count < index->capacity)
        return 0;
    size_t capacity = index->capacity + index->capacity / 2;
    if (capacity < FIRST_CAPACITY)
        capacity = FIRST_CAPACITY;
    struct vf_node **nodes =
        reallocarray(index->nodes, capacity, sizeof(*nodes));
    if (nodes == NULL)
        return -ENOMEM;
    index->nodes = nodes;
    index->capacity = capacity;
    return 0;
}

int vf_index_add(struct vf_index *index, vf_index_key *key,
                 struct vf_node *node)
{
    if (make_room(index) < 0)
        return -ENOMEM;
    size_t at = place_of(index, key, key(node));
    memmove(index->nodes + at + 1, index->nodes + at,
            (index->count - at) * sizeof(*index->nodes));
    index->nodes[at] = node;
    index->count++;
    return 0;
}

void vf_index_remove(struct vf_index *index, vf_index_key *key,
                     const struct vf_node *node)
{
    size_t at = place_of(index, key, key(node));

    while (at < index->count && index->nodes[at] != node)
        at++;
    if (at == index->count)
        return;
    index->count--;
    memmove(index->nodes + at, index->nodes + at + 1,
            (index->count - at) * sizeof(*index->nodes));
}
