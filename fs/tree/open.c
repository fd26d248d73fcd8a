/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "control.h"
#include "scratch.h"
#include "vaultfs/clock.h"

pid_t vf_caller_process(const struct vf_caller *caller)
{
    char path[64], line[256];
    long tgid = 0;

    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)caller->tid);
    FILE *status = caller->tid > 0 ? fopen(path, "re") : NULL;
    if (status == NULL)
        return 0;
    while (tgid == 0 && fgets(line, sizeof(line), status) != NULL)
        (void)sscanf(line, "Tgid: %ld", &tgid);
    (void)fclose(status);
    return (pid_t)tgid;
}

static bool is_for_writing(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

int vf_file_check_change(const struct vf_tree *tree, const struct vf_node *node,
                         struct vf_error *err)
{
    int result = vf_tree_check_writable(tree, err);

    if (result == 0)
        result = vf_archive_check(node, err);
    if (result == 0 && node->kind == VF_NODE_INFO &&
        !vf_tree_can_change_vaults(tree))
        result =
            vf_error_set(err, EOPNOTSUPP, "this service cannot change a vault");
    return result;
}

static int check_open(const struct vf_tree *tree, const struct vf_node *node,
                      int flags, struct vf_error *err)
{
    if (is_for_writing(flags))
        return vf_file_check_change(tree, node, err);
    /* An answer that tools expect of a file of theirs, and no failure: rsync
     * asks for a handle to set the mode, and goes on without. */
    if (node->kind == VF_NODE_SCRATCH)
        return -EACCES;
    return 0;
}

static struct vf_file *new_file(struct vf_tree *tree, struct vf_node *node,
                                int flags, pid_t opener)
{
    struct vf_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    file->node = vf_node_ref(node);
    file->number = ++tree->changes;
    file->is_live = node->kind == VF_NODE_CONTROL;
    file->is_writable = (flags & O_ACCMODE) != O_RDONLY;
    file->is_append = (flags & O_APPEND) != 0;
    file->was_truncated = file->is_writable && (flags & O_TRUNC) != 0;
    file->opener = opener;
    file->next_file = node->files;
    node->files = file;
    return file;
}

/* What is left of a parked credential holds no secret, and is what its reader
 * saw; who writes to it makes a scratch file of it. */
static int prepare_node(struct vf_tree *tree, struct vf_node *node, int flags,
                        struct vf_error *err)
{
    if (!is_for_writing(flags) || node->kind != VF_NODE_PARKED ||
        vf_park_is_live(node))
        return 0;
    struct vf_text *text = node->text;
    node->text = NULL;
    int result = vf_scratch_convert(tree, node, err);
    if (result == 0 && text != NULL && (flags & O_TRUNC) == 0)
        result =
            vf_scratch_write(tree, node, NULL, text->data, text->size, 0, err);
    vf_text_unref(text);
    return result;
}

/* Lock held. */
static int open_node(struct vf_tree *tree, struct vf_node *node, int flags,
                     pid_t opener, struct vf_file **ret, struct vf_error *err)
{
    int result = check_open(tree, node, flags, err);

    if (result == 0)
        result = prepare_node(tree, node, flags, err);
    if (result < 0)
        return result;
    struct vf_file *file = new_file(tree, node, flags, opener);
    if (file == NULL)
        return vf_error_set(err, ENOMEM, "no memory to open a file");
    if (node->kind == VF_NODE_SCRATCH && (flags & O_TRUNC) != 0)
        result = vf_scratch_truncate(tree, node, file, 0, err);
    if (result == 0)
        *ret = file;
    else
        vf_file_free(tree, file);
    return result;
}

static int open_locked(struct vf_tree *tree, struct vf_node *node, int flags,
                       pid_t opener, struct vf_caller *caller,
                       struct vf_file **ret, struct vf_error *err)
{
    int result;

    if (node->kind == VF_NODE_CONTROL) {
        result = vf_control_open(tree, node, flags, err);
        if (result < 0)
            return result;
        *ret = new_file(tree, node, flags, opener);
        return *ret != NULL
                   ? 0
                   : vf_error_set(err, ENOMEM, "no memory to open a file");
    }
    result = vf_job_settle(tree, node->parent,
                           vf_park_key(node->parent, node->name), caller);
    if (result == 0 && !node->is_linked)
        return -ESTALE; /* the kernel looks the name up again */
    return result == 0 ? open_node(tree, node, flags, opener, ret, err)
                       : result;
}

int vf_tree_open(struct vf_tree *tree, struct vf_node *node, int flags,
                 struct vf_caller *caller, struct vf_file **ret,
                 bool *ret_is_unchanged, struct vf_error *err)
{
    struct vf_file *file = NULL;
    pid_t opener = 0;

    if ((flags & O_ACCMODE) != O_RDONLY)
        opener = vf_caller_process(caller);
    pthread_mutex_lock(&tree->lock);
    int result = open_locked(tree, node, flags, opener, caller, &file, err);
    if (result == 0) {
        *ret = file;
        *ret_is_unchanged = node->read_version == node->version;
        if (!file->is_writable)
            node->read_version = node->version;
    }
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* --- Creating --- */

/* Lock held. */
static int new_name(struct vf_tree *tree, struct vf_node *directory,
                    const char *name, enum vf_name_class name_class,
                    struct vf_node **ret, struct vf_error *err)
{
    bool is_scratch = name_class == VF_CLASS_SCRATCH;
    int result = 0;

    if (!directory->is_linked || directory->listing->is_going)
        return vf_error_set(err, ENOENT, "the vault is gone");
    struct vf_node *node = vf_node_new_child(
        tree, directory, is_scratch ? VF_NODE_SCRATCH : VF_NODE_DRAFT, name,
        NULL);
    if (node == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a file");
    if (is_scratch)
        result = vf_scratch_start(tree, node, err);
    if (result < 0) {
        vf_node_unlink(tree, node);
        return result;
    }
    vf_node_changed_here(tree, node);
    *ret = node;
    return 0;
}

/* Lock held. What has the name; an own metadata that was removed comes back. */
static struct vf_node *find_name(struct vf_tree *tree,
                                 struct vf_node *directory, const char *name,
                                 enum vf_name_class name_class,
                                 bool *ret_is_new)
{
    struct vf_node *node = vf_node_child(directory, name);

    if (name_class == VF_CLASS_INFO) {
        node = directory->listing->info;
        *ret_is_new = node != NULL && node->is_hidden;
    } else if (node != NULL && vf_node_is_expired_draft(node)) {
        vf_node_unlink(tree, node);
        node = NULL;
    }
    return node;
}

static int create_locked(struct vf_tree *tree, struct vf_node *directory,
                         const char *name, int flags, pid_t opener,
                         struct vf_entry *ret_entry, struct vf_file **ret_file,
                         struct vf_error *err)
{
    const enum vf_name_class name_class = vf_node_class(directory, name);
    bool is_new = false, is_made = false;
    struct vf_node *node =
        find_name(tree, directory, name, name_class, &is_new);
    int result = 0;

    if (node != NULL && (flags & O_EXCL) != 0 && !is_new)
        return vf_error_set(err, EEXIST, "the file is there");
    if (node != NULL && node->listing != NULL)
        return vf_error_set(err, EISDIR, "it is a vault");
    if (node == NULL) {
        result = new_name(tree, directory, name, name_class, &node, err);
        is_made = result == 0;
    }
    if (result == 0)
        result = open_node(tree, node, flags, opener, ret_file, err);
    if (result < 0) {
        if (is_made)
            vf_node_unlink(tree, node);
        return result;
    }
    vf_node_set_hidden(node, false);
    vf_node_fill_entry(tree, vf_node_ref(node), ret_entry);
    return 0;
}

static int check_create(const struct vf_tree *tree,
                        const struct vf_node *directory, const char *name,
                        struct vf_error *err)
{
    int result = vf_tree_check_writable(tree, err);

    if (result == 0)
        result = vf_control_check(directory, name, err);
    if (result == 0)
        result = vf_archive_check(directory, err);
    if (result == 0 && strlen(name) > VF_NAME_MAX)
        result = vf_error_set(err, ENAMETOOLONG, "a name has at most %d bytes",
                              VF_NAME_MAX);
    if (result == 0 && vf_node_class(directory, name) == VF_CLASS_ORDINARY)
        result = vf_check_new_name(directory, name, NULL, err);
    return result;
}

int vf_tree_create(struct vf_tree *tree, struct vf_node *directory,
                   const char *name, int flags, struct vf_caller *caller,
                   struct vf_entry *ret_entry, struct vf_file **ret_file,
                   struct vf_error *err)
{
    int result = check_create(tree, directory, name, err);

    if (result < 0)
        return result;
    pid_t opener = vf_caller_process(caller);
    pthread_mutex_lock(&tree->lock);
    result =
        vf_job_settle(tree, directory, vf_park_key(directory, name), caller);
    if (result == 0)
        result = create_locked(tree, directory, name, flags, opener, ret_entry,
                               ret_file, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
