/* SPDX-License-Identifier: MIT */
#include "vaultfs/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "internal.h"
#include "scratch.h"
#include "sweep.h"
#include "vaultfs/clock.h"
#include "vaultfs/text.h"

int vf_tree_new(const struct vf_tree_options *options, struct vf_tree **ret,
                struct vf_error *err)
{
    struct vf_tree *tree = calloc(1, sizeof(*tree));

    if (tree == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a tree");
    tree->options = *options;
    tree->root = vf_node_new_root(tree);
    if (tree->root == NULL || vf_pool_init(&tree->pool) < 0) {
        if (tree->root != NULL)
            vf_node_unref(tree, tree->root, 1);
        free(tree);
        return vf_error_set(err, ENOMEM, "no memory for a tree");
    }
    (void)pthread_mutex_init(&tree->lock, NULL);
    vf_scratch_init(tree);
    *ret = tree;
    return 0;
}

int vf_tree_probe(struct vf_tree *tree, struct vf_error *err)
{
    const struct vf_service *service = &tree->options.service;
    const struct vf_list_query query = {.which = VF_LIST_ACTIVE,
                                        .deadline_ms = vf_deadline(tree)};
    struct vf_page page;
    int result = service->ops->list_vaults(service->self, &query, &page, err);

    if (result < 0)
        return result;
    pthread_mutex_lock(&tree->lock);
    if (tree->is_probed)
        vf_page_done(&tree->probe);
    tree->probe = page;
    tree->is_probed = true;
    tree->probed_ms = vf_clock_boottime_ms();
    pthread_mutex_unlock(&tree->lock);
    return 0;
}

void vf_tree_set_watch(struct vf_tree *tree, const struct vf_tree_watch *watch)
{
    pthread_mutex_lock(&tree->lock);
    tree->watch = *watch;
    pthread_mutex_unlock(&tree->lock);
}

/* The kernel may hold names for what is left of their listing's life: dropping
 * a directory's name drops all below it. */
static void refresh_directory(struct vf_tree *tree, struct vf_node *directory)
{
    struct vf_node **children = vf_node_children(directory);

    for (struct vf_node **child = children; child != NULL && *child != NULL;
         child++)
        if ((*child)->kind == VF_NODE_VAULT)
            refresh_directory(tree, *child);
    free(children);
    if (directory->listing->archive != NULL)
        refresh_directory(tree, directory->listing->archive);
    vf_listing_expire(tree, directory);
    if (directory->parent != NULL)
        vf_listing_distrust(tree, directory->parent, directory->name);
}

void vf_refresh_all(struct vf_tree *tree)
{
    const struct vf_service *service = &tree->options.service;

    service->ops->refresh(service->self);
    if (tree->is_probed)
        vf_page_done(&tree->probe);
    tree->is_probed = false;
    refresh_directory(tree, tree->root);
}

void vf_tree_refresh(struct vf_tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    vf_refresh_all(tree);
    pthread_mutex_unlock(&tree->lock);
}

void vf_tree_shutdown(struct vf_tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    tree->is_shut_down = true;
    vf_pool_wake_all(&tree->pool);
    vf_sweep_wake(tree);
    pthread_mutex_unlock(&tree->lock);
}

void vf_tree_free(struct vf_tree *tree)
{
    if (tree == NULL)
        return;
    vf_sweep_end(tree);
    pthread_mutex_lock(&tree->lock);
    vf_pool_close(tree);
    vf_file_free_all(tree);
    vf_ahead_done(tree);
    vf_node_free_all(tree);
    pthread_mutex_unlock(&tree->lock);
    if (tree->is_probed)
        vf_page_done(&tree->probe);
    vf_pool_done(&tree->pool);
    (void)pthread_mutex_destroy(&tree->lock);
    free(tree);
}

struct vf_node *vf_tree_root(struct vf_tree *tree)
{
    return tree->root;
}

void vf_tree_forget(struct vf_tree *tree, struct vf_node *node, uint64_t count)
{
    pthread_mutex_lock(&tree->lock);
    vf_node_unref(tree, node, count);
    pthread_mutex_unlock(&tree->lock);
}

uint64_t vf_tree_count(struct vf_tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    uint64_t count = tree->count;
    pthread_mutex_unlock(&tree->lock);
    return count;
}

static void put_path(struct vf_buf *path, const struct vf_node *node)
{
    if (node->parent == NULL)
        return;
    put_path(path, node->parent);
    vf_buf_puts(path, "/");
    vf_buf_puts(path, node->name);
}

char *vf_tree_path(struct vf_tree *tree, const struct vf_node *node,
                   const char *name)
{
    struct vf_buf path = VF_BUF_INIT;

    pthread_mutex_lock(&tree->lock);
    put_path(&path, node);
    pthread_mutex_unlock(&tree->lock);
    if (name != NULL) {
        vf_buf_puts(&path, "/");
        vf_buf_puts(&path, name);
    } else if (path.size == 0) {
        vf_buf_puts(&path, "/");
    }
    if (path.is_broken)
        vf_buf_free(&path);
    return path.data;
}
