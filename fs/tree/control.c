/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "scratch.h"
#include "vaultfs/journal.h"
#include "vaultfs/text.h"

#define REFRESH_NAME "refresh"
#define BY_ID_NAME "by-id"

static const struct {
    enum vf_node_kind kind;
    const char *name;
} entries[] = {
    {VF_NODE_CONTROL, "status"},     {VF_NODE_CONTROL, "last_error"},
    {VF_NODE_CONTROL, "errors"},     {VF_NODE_CONTROL, "metrics"},
    {VF_NODE_CONTROL, REFRESH_NAME}, {VF_NODE_CONTROL_DIRECTORY, BY_ID_NAME},
};

static bool is_refresh(const struct vf_node *node)
{
    return node->kind == VF_NODE_CONTROL &&
           strcmp(node->name, REFRESH_NAME) == 0;
}

static bool is_by_id(const struct vf_node *directory)
{
    return strcmp(directory->name, BY_ID_NAME) == 0;
}

/* With all that is in it, or not at all. */
static void make_control(struct vf_tree *tree)
{
    tree->control = vf_node_new_aside(
        tree, tree->root, VF_NODE_CONTROL_DIRECTORY, VF_CONTROL_NAME);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        if (tree->control != NULL &&
            vf_node_new_child(tree, tree->control, entries[i].kind,
                              entries[i].name, NULL) == NULL)
            vf_node_drop_aside(tree, &tree->control);
}

int vf_control_of(struct vf_tree *tree, struct vf_node **ret,
                  struct vf_error *err)
{
    if (tree->control == NULL)
        make_control(tree);
    if (tree->control == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a directory");
    *ret = tree->control;
    return 0;
}

int vf_control_check(const struct vf_node *directory, const char *name,
                     struct vf_error *err)
{
    if (directory->kind == VF_NODE_CONTROL_DIRECTORY)
        return vf_error_set(err, EPERM,
                            "the control directory is as it is: nothing in it "
                            "is made, renamed or removed");
    if (strcmp(name, VF_ARCHIVE_NAME) == 0 ||
        (directory->kind == VF_NODE_ROOT && strcmp(name, VF_CONTROL_NAME) == 0))
        return vf_error_set(err, EPERM,
                            "%s is always there: it is not made, renamed or "
                            "removed",
                            name);
    return 0;
}

/* --- Links from a vault's id to its directory --- */

/* The vault that an id is of, or NULL. */
static struct vf_node *find_vault(const struct vf_tree *tree, const char *id)
{
    struct vf_node *node = vf_node_child_by_id(tree->root, id);

    return node != NULL && node->kind == VF_NODE_VAULT ? node : NULL;
}

static int set_target(struct vf_tree *tree, struct vf_node *link,
                      const struct vf_node *vault)
{
    struct vf_buf target = VF_BUF_INIT;

    vf_buf_printf(&target, "../../%s", vault->name);
    int result = target.is_broken
                     ? -ENOMEM
                     : vf_node_set_text(tree, link, target.data, target.size);
    vf_buf_free(&target);
    return result;
}

static int make_link(struct vf_tree *tree, struct vf_node *directory,
                     const struct vf_node *vault, struct vf_node **ret)
{
    struct vf_node *link = vf_node_child(directory, vault->id);

    if (link == NULL)
        link =
            vf_node_new_child(tree, directory, VF_NODE_LINK, vault->id, NULL);
    if (link == NULL)
        return -ENOMEM;
    *ret = link;
    return set_target(tree, link, vault);
}

static int make_links(struct vf_tree *tree, struct vf_node *directory)
{
    struct vf_node **vaults = vf_node_children(tree->root);
    int result = vaults != NULL ? 0 : -ENOMEM;
    struct vf_node *link;

    for (struct vf_node **vault = vaults; result == 0 && *vault != NULL;
         vault++)
        if ((*vault)->kind == VF_NODE_VAULT && (*vault)->id != NULL)
            result = make_link(tree, directory, *vault, &link);
    free(vaults);
    return result;
}

static int drop_dead_links(struct vf_tree *tree, struct vf_node *directory)
{
    struct vf_node **links = vf_node_children(directory);

    if (links == NULL)
        return -ENOMEM;
    for (struct vf_node **link = links; *link != NULL; link++)
        if (find_vault(tree, (*link)->name) == NULL)
            vf_node_unlink(tree, *link);
    free(links);
    return 0;
}

/* --- Looking --- */

int vf_control_list(struct vf_tree *tree, struct vf_node *directory,
                    struct vf_caller *caller, struct vf_error *err)
{
    if (!is_by_id(directory))
        return 0;
    int result = vf_listing_ensure(tree, tree->root, false, caller, err);
    if (result < 0)
        return result;
    result = drop_dead_links(tree, directory);
    if (result == 0)
        result = make_links(tree, directory);
    return result == 0 ? 0 : vf_error_set(err, ENOMEM, "no memory to list");
}

static int find_link(struct vf_tree *tree, struct vf_node *directory,
                     const char *id, struct vf_caller *caller,
                     struct vf_node **ret, struct vf_error *err)
{
    int result = vf_listing_ensure(tree, tree->root, false, caller, err);

    if (result < 0)
        return result;
    const struct vf_node *vault = find_vault(tree, id);
    if (vault != NULL)
        return make_link(tree, directory, vault, ret) == 0
                   ? 0
                   : vf_error_set(err, ENOMEM, "no memory for a link");
    struct vf_node *dead = vf_node_child(directory, id);
    if (dead != NULL)
        vf_node_unlink(tree, dead);
    return -ENOENT;
}

int vf_control_find(struct vf_tree *tree, struct vf_node *directory,
                    const char *name, struct vf_caller *caller,
                    struct vf_node **ret, struct vf_error *err)
{
    if (is_by_id(directory))
        return find_link(tree, directory, name, caller, ret, err);
    struct vf_node *node = vf_node_child(directory, name);
    if (node == NULL)
        return -ENOENT;
    *ret = node;
    return vf_control_update(tree, node, err);
}

int vf_tree_readlink(struct vf_tree *tree, struct vf_node *node, char **ret)
{
    char *target = NULL;
    int result = -EINVAL;

    pthread_mutex_lock(&tree->lock);
    if (node->kind == VF_NODE_LINK) {
        target = strndup(node->text->data, node->text->size);
        result = target != NULL ? 0 : -ENOMEM;
    }
    pthread_mutex_unlock(&tree->lock);
    if (result == 0)
        *ret = target;
    return result;
}

/* --- Files --- */

/* Control nodes live as long as the tree: the lock may go meanwhile. */
static int render(struct vf_tree *tree, struct vf_node *node,
                  struct vf_error *err)
{
    struct vf_tree_stats stats;
    char *text = NULL;
    size_t size = 0;
    unsigned version = node->version;

    vf_control_count(tree, &stats);
    pthread_mutex_unlock(&tree->lock);
    int result = tree->options.render(tree->options.render_context, node->name,
                                      &stats, &text, &size);
    pthread_mutex_lock(&tree->lock);
    if (result == 0)
        result = vf_node_set_text(tree, node, text, size);
    free(text);
    if (result < 0)
        return vf_error_set(err, -result, "cannot tell: %s", strerror(-result));
    if (node->version != version)
        (void)clock_gettime(CLOCK_REALTIME, &node->mtime);
    return 0;
}

int vf_control_update(struct vf_tree *tree, struct vf_node *node,
                      struct vf_error *err)
{
    if (node->kind == VF_NODE_LINK) {
        const struct vf_node *vault = find_vault(tree, node->name);

        return vault != NULL ? set_target(tree, node, vault) : 0;
    }
    if (node->kind != VF_NODE_CONTROL || is_refresh(node) ||
        tree->options.render == NULL)
        return 0;
    return render(tree, node, err);
}

int vf_control_open(struct vf_tree *tree, struct vf_node *node, int flags,
                    struct vf_error *err)
{
    if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_TRUNC) == 0)
        return vf_control_update(tree, node, err);
    if (!is_refresh(node))
        return vf_error_set(err, EACCES, "%s is for reading", node->name);
    vf_refresh_all(tree);
    return 0;
}

bool vf_file_is_live(const struct vf_file *file)
{
    return file->is_live;
}

int vf_tree_touch(struct vf_tree *tree, struct vf_node *node,
                  struct vf_error *err)
{
    int result = 0;

    pthread_mutex_lock(&tree->lock);
    if (node->kind != VF_NODE_CONTROL)
        result = vf_tree_check_writable(tree, err);
    else if (is_refresh(node))
        vf_refresh_all(tree);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* --- Counting --- */

static void count_node(const struct vf_node *node, struct vf_tree_stats *stats)
{
    if (!node->is_linked)
        return;
    stats->vaults += node->kind == VF_NODE_VAULT;
    stats->credentials += node->kind == VF_NODE_CREDENTIAL ||
                          (node->kind == VF_NODE_PARKED && node->id != NULL);
    if (node->listing == NULL || !node->listing->is_known)
        return;
    if (vf_listing_is_fresh(node->listing))
        stats->fresh_listings++;
    else
        stats->stale_listings++;
}

void vf_control_count(struct vf_tree *tree, struct vf_tree_stats *ret)
{
    *ret = (struct vf_tree_stats){
        .is_degraded = tree->is_degraded,
        .lookups_cached = tree->lookups_cached,
        .listings_fetched = tree->listings_fetched,
        .listings_ahead = tree->listings_ahead,
        .ahead_unused = tree->ahead_unused,
        .unknown_outcomes = vf_journal_count(tree->options.journal),
    };
    for (const struct vf_node *node = tree->nodes; node != NULL;
         node = node->next_node)
        count_node(node, ret);
    vf_scratch_count(tree, ret);
}
