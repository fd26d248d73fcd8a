/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "vaultfs/clock.h"

#define BLOCK_SIZE 4096
#define DIRECTORY_SIZE 4096

bool vf_node_is_directory(const struct vf_node *node)
{
    return node->kind == VF_NODE_ROOT || node->kind == VF_NODE_VAULT ||
           node->kind == VF_NODE_ARCHIVE ||
           node->kind == VF_NODE_CONTROL_DIRECTORY;
}

const char *vf_node_vault_id(const struct vf_node *directory)
{
    if (directory->kind == VF_NODE_ARCHIVE)
        directory = directory->parent;
    return directory->kind == VF_NODE_VAULT ? directory->id : NULL;
}

bool vf_node_holds_vaults(const struct vf_node *directory)
{
    if (directory->kind == VF_NODE_ARCHIVE)
        directory = directory->parent;
    return directory->kind == VF_NODE_ROOT;
}

bool vf_node_is_archived(const struct vf_node *node)
{
    while (node != NULL && node->kind != VF_NODE_ARCHIVE)
        node = node->parent;
    return node != NULL;
}

enum vf_name_class vf_node_class(const struct vf_node *directory,
                                 const char *name)
{
    if (directory->kind == VF_NODE_VAULT && strcmp(name, VF_INFO_NAME) == 0)
        return VF_CLASS_INFO;
    return vf_name_is_scratch(name) ? VF_CLASS_SCRATCH : VF_CLASS_ORDINARY;
}

int64_t vf_node_expires_ms(const struct vf_node *node)
{
    if (node->kind != VF_NODE_DRAFT || !node->is_linked ||
        vf_node_has_writer(node))
        return INT64_MAX;
    return node->changed_ms + 1 +
           (node->is_spent ? VF_SPENT_DRAFT_MS : VF_EMPTY_DRAFT_MS);
}

bool vf_node_is_expired_draft(const struct vf_node *node)
{
    int64_t expires_ms = vf_node_expires_ms(node);

    return expires_ms != INT64_MAX && expires_ms <= vf_clock_boottime_ms();
}

/* Nobody above has anything of a node yet that only its name refers to. */
static void tell_new_text(struct vf_tree *tree, const struct vf_node *node)
{
    if (node->references > 1)
        vf_node_tell_content(tree, node);
}

int vf_node_set_text(struct vf_tree *tree, struct vf_node *node,
                     const char *data, size_t size)
{
    if (node->text != NULL && node->text->size == size &&
        memcmp(node->text->data, data, size) == 0)
        return 0;
    if (size > UINT_MAX)
        return -ENOMEM;
    struct vf_text *text = malloc(sizeof(*text) + size);
    if (text == NULL)
        return -ENOMEM;
    text->references = 1;
    text->size = (unsigned)size;
    memcpy(text->data, data, size);
    vf_text_unref(node->text);
    node->text = text;
    node->version++;
    tell_new_text(tree, node);
    return 0;
}

int vf_node_set_object(struct vf_tree *tree, struct vf_node *node,
                       const struct vf_object *object)
{
    node->mtime = object->updated;
    if (node->kind != VF_NODE_VAULT)
        return vf_node_set_text(tree, node, object->text, object->size);
    node->listing->info->mtime = object->updated;
    return vf_node_set_text(tree, node->listing->info, object->text,
                            object->size);
}

size_t vf_node_size(const struct vf_node *node)
{
    if (node->listing != NULL)
        return DIRECTORY_SIZE;
    if (node->scratch != NULL)
        return vf_scratch_size(node->scratch);
    return node->text != NULL ? node->text->size : 0;
}

static struct timespec later(struct timespec a, struct timespec b)
{
    if (a.tv_sec != b.tv_sec)
        return a.tv_sec > b.tv_sec ? a : b;
    return a.tv_nsec > b.tv_nsec ? a : b;
}

/* How long the kernel may go on without asking: what is left of the life of the
 * listing that the node came with. */
static int64_t valid_ms(const struct vf_tree *tree, const struct vf_node *node)
{
    const struct vf_node *source = node->parent;

    if (!node->is_linked)
        return 0;
    switch (node->kind) {
    case VF_NODE_ROOT:
        return tree->options.ttl_ms;
    case VF_NODE_DRAFT:
    case VF_NODE_SCRATCH:
    case VF_NODE_PARKED:
    case VF_NODE_CONTROL_DIRECTORY:
    case VF_NODE_CONTROL:
    case VF_NODE_LINK:
        return 0;
    case VF_NODE_INFO:
        source = source->parent;
        break;
    case VF_NODE_VAULT:
    case VF_NODE_CREDENTIAL:
    case VF_NODE_ARCHIVE:
        break;
    }
    int64_t left = source->listing->expires_ms - vf_clock_boottime_ms();
    return left > 0 ? left : 0;
}

bool vf_tree_can_change_vaults(const struct vf_tree *tree)
{
    const struct vf_service *service = &tree->options.service;
    struct vf_service_traits traits;

    service->ops->traits(service->self, &traits);
    return traits.can_update_vault;
}

static mode_t mode_of(const struct vf_tree *tree, const struct vf_node *node)
{
    switch (node->kind) {
    case VF_NODE_ROOT:
    case VF_NODE_VAULT:
    case VF_NODE_ARCHIVE:
    case VF_NODE_CONTROL_DIRECTORY:
        return S_IFDIR | 0700;
    case VF_NODE_INFO:
        return S_IFREG |
               (vf_tree_can_change_vaults(tree) && !vf_node_is_archived(node)
                    ? 0600
                    : 0400);
    case VF_NODE_LINK:
        return S_IFLNK | 0777;
    case VF_NODE_CREDENTIAL:
    case VF_NODE_DRAFT:
    case VF_NODE_SCRATCH:
    case VF_NODE_PARKED:
    case VF_NODE_CONTROL:
        break;
    }
    return S_IFREG | 0600;
}

void vf_node_fill_entry(struct vf_tree *tree, struct vf_node *node,
                        struct vf_entry *ret)
{
    struct timespec mtime = node->mtime;
    size_t size = vf_node_size(node);

    if (node->listing != NULL)
        mtime = later(mtime, node->listing->changed);
    *ret = (struct vf_entry){
        .node = node,
        .valid_ms = valid_ms(tree, node),
        .attr =
            {
                .st_ino = node->ino,
                .st_mode = mode_of(tree, node),
                .st_nlink = node->is_linked ? 1 : 0,
                .st_uid = tree->options.uid,
                .st_gid = tree->options.gid,
                .st_size = (off_t)size,
                .st_blksize = BLOCK_SIZE,
                .st_blocks = (blkcnt_t)((size + 511) / 512),
                .st_atim = mtime,
                .st_mtim = mtime,
                .st_ctim = mtime,
            },
    };
}
