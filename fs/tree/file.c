/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/clock.h"
#include "vaultfs/text.h"

/* --- Opening --- */

/* The process that a thread belongs to; 0: unknown. */
static pid_t process_of(const struct vf_caller *caller)
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

static int check_open(const struct vf_tree *tree, const struct vf_node *node,
                      int flags, struct vf_error *err)
{
    if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_TRUNC) == 0)
        return 0;
    int result = vf_tree_check_writable(tree, err);
    if (result == 0 && node->kind == VF_NODE_INFO)
        result =
            vf_error_set(err, EOPNOTSUPP, "this service cannot change a vault");
    return result;
}

static struct vf_file *new_file(struct vf_node *node, int flags, pid_t opener)
{
    struct vf_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    file->node = vf_node_ref(node);
    file->is_writable = (flags & O_ACCMODE) != O_RDONLY;
    file->is_append = (flags & O_APPEND) != 0;
    file->was_truncated = file->is_writable && (flags & O_TRUNC) != 0;
    file->opener = opener;
    file->next_file = node->files;
    node->files = file;
    return file;
}

static void free_file(struct vf_tree *tree, struct vf_file *file)
{
    struct vf_node *node = file->node;
    struct vf_file **link = &node->files;

    while (*link != file)
        link = &(*link)->next_file;
    *link = file->next_file;
    vf_draft_drop(&file->draft);
    vf_job_unref(file->commit);
    vf_text_unref(file->pinned);
    free(file);
    vf_node_unref(tree, node, 1);
}

void vf_file_free_all(struct vf_tree *tree)
{
    struct vf_node *node = tree->nodes;

    while (node != NULL) {
        if (node->files == NULL) {
            node = node->next_node;
        } else {
            free_file(tree, node->files); /* the node may go with it */
            node = tree->nodes;
        }
    }
}

void vf_node_drop_drafts(struct vf_node *node)
{
    for (struct vf_file *file = node->files; file != NULL;
         file = file->next_file)
        vf_draft_drop(&file->draft);
}

bool vf_node_has_writer(const struct vf_node *node)
{
    const struct vf_file *file = node->files;

    while (file != NULL && !file->is_writable)
        file = file->next_file;
    return file != NULL;
}

int vf_tree_open(struct vf_tree *tree, struct vf_node *node, int flags,
                 struct vf_caller *caller, struct vf_file **ret,
                 bool *ret_is_unchanged, struct vf_error *err)
{
    pid_t opener = 0;

    if ((flags & O_ACCMODE) != O_RDONLY)
        opener = process_of(caller);
    pthread_mutex_lock(&tree->lock);
    int result = check_open(tree, node, flags, err);
    if (result == 0 && node->kind != VF_NODE_INFO)
        result = vf_job_settle(tree, node->parent, node->name, caller);
    if (result == 0 && !node->is_linked)
        result = -ESTALE; /* the kernel looks the name up again */
    if (result == 0) {
        struct vf_file *file = new_file(node, flags, opener);

        if (file != NULL) {
            *ret = file;
            *ret_is_unchanged = node->read_version == node->version;
            if (!file->is_writable)
                node->read_version = node->version;
        } else {
            result = vf_error_set(err, ENOMEM, "no memory to open a file");
        }
    }
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* Lock held. A new name, or (NULL) no memory. */
static struct vf_node *new_draft(struct vf_tree *tree,
                                 struct vf_node *directory, const char *name)
{
    struct vf_node *node =
        vf_node_new_child(tree, directory, VF_NODE_DRAFT, name, NULL);

    if (node != NULL)
        vf_node_changed_here(tree, node);
    return node;
}

static int create_locked(struct vf_tree *tree, struct vf_node *directory,
                         const char *name, int flags, pid_t opener,
                         struct vf_entry *ret_entry, struct vf_file **ret_file,
                         struct vf_error *err)
{
    struct vf_node *node = vf_node_child(directory, name);

    if (node != NULL && vf_node_is_expired_draft(node)) {
        vf_node_unlink(tree, node);
        node = NULL;
    }
    if (node != NULL && (flags & O_EXCL) != 0)
        return vf_error_set(err, EEXIST, "the file is there");
    if (!directory->is_linked || directory->listing->is_going)
        return vf_error_set(err, ENOENT, "the vault is gone");
    bool is_new = node == NULL;
    if (is_new)
        node = new_draft(tree, directory, name);
    struct vf_file *file = node != NULL ? new_file(node, flags, opener) : NULL;
    if (file == NULL) {
        if (is_new && node != NULL)
            vf_node_unlink(tree, node);
        return vf_error_set(err, ENOMEM, "no memory for a file");
    }
    vf_node_fill_entry(tree, vf_node_ref(node), ret_entry);
    *ret_file = file;
    return 0;
}

int vf_tree_create(struct vf_tree *tree, struct vf_node *directory,
                   const char *name, int flags, struct vf_caller *caller,
                   struct vf_entry *ret_entry, struct vf_file **ret_file,
                   struct vf_error *err)
{
    int result = vf_tree_check_writable(tree, err);

    if (result < 0)
        return result;
    if (directory->kind != VF_NODE_VAULT)
        return vf_error_set(err, EPERM,
                            "credentials live in vaults: make one with mkdir");
    result = vf_check_new_name(directory, name, NULL, err);
    if (result < 0)
        return result;
    pid_t opener = process_of(caller);
    pthread_mutex_lock(&tree->lock);
    result = vf_job_settle(tree, directory, name, caller);
    if (result == 0)
        result = create_locked(tree, directory, name, flags, opener, ret_entry,
                               ret_file, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* --- Reading --- */

size_t vf_file_read(struct vf_tree *tree, struct vf_file *file, void *buffer,
                    size_t size, off_t offset)
{
    size_t copied = 0;

    pthread_mutex_lock(&tree->lock);
    if (offset == 0 || file->pinned == NULL) {
        vf_text_unref(file->pinned);
        file->pinned = file->node->text;
        if (file->pinned != NULL)
            file->pinned->references++;
    }
    if (file->pinned != NULL && offset >= 0 &&
        (uint64_t)offset < file->pinned->size) {
        copied = file->pinned->size - (size_t)offset;
        if (copied > size)
            copied = size;
        memcpy(buffer, file->pinned->data + offset, copied);
    }
    pthread_mutex_unlock(&tree->lock);
    return copied;
}

/* --- Writing --- */

static struct vf_write_mark mark_of(const void *data, size_t size, off_t offset)
{
    return (struct vf_write_mark){
        .hash = vf_hash64(data, size), .size = size, .offset = offset};
}

static bool is_same_write(const struct vf_write_mark *a,
                          const struct vf_write_mark *b)
{
    return a->hash == b->hash && a->size == b->size && a->offset == b->offset;
}

static bool is_white_space(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (strchr(" \t\r\n", data[i]) == NULL || data[i] == '\0')
            return false;
    return true;
}

/* Where the bytes go in the draft. */
static int place_write(const struct vf_file *file, off_t *offset,
                       struct vf_error *err)
{
    bool is_credential = file->node->kind == VF_NODE_CREDENTIAL;

    if (is_credential && vf_draft_size(&file->draft) == 0 &&
        (file->is_append || *offset > 0))
        return vf_error_set(err, EINVAL,
                            "a credential is replaced as a whole: nothing can "
                            "be added to it");
    if (file->is_append)
        *offset = (off_t)vf_draft_size(&file->draft);
    return 0;
}

/* The draft changed: see whether it is a document now. */
static int consider_draft(struct vf_tree *tree, struct vf_file *file,
                          struct vf_caller *caller, struct vf_error *err)
{
    switch (vf_draft_state(&file->draft)) {
    case VF_SPEC_SCAN_BAD:
        return vf_file_fail(tree, file,
                            vf_error_set(err, EINVAL,
                                         "not one JSON object: trouble at "
                                         "byte %zu",
                                         file->draft.scan.offset));
    case VF_SPEC_SCAN_COMPLETE:
        return vf_file_commit(tree, file, caller, err);
    case VF_SPEC_SCAN_START:
    case VF_SPEC_SCAN_PARTIAL:
        break;
    }
    return 0;
}

static int write_draft(struct vf_tree *tree, struct vf_file *file,
                       const void *data, size_t size, off_t offset,
                       struct vf_caller *caller, struct vf_error *err)
{
    int result;

    file->was_written = true;
    file->mark = mark_of(data, size, offset);
    result = place_write(file, &offset, err);
    if (result == 0)
        result = vf_draft_write(&file->draft, data, size, offset, err);
    if (result < 0)
        return vf_file_fail(tree, file, result);
    file->end_bytes = vf_draft_size(&file->draft);
    return consider_draft(tree, file, caller, err);
}

static int write_committed(struct vf_file *file, const void *data, size_t size,
                           struct vf_error *err)
{
    if (is_white_space(data, size)) {
        file->end_bytes += size;
        return 0;
    }
    return vf_error_set(err, EINVAL,
                        "the document was complete, and is committed: only "
                        "white space may follow");
}

static int write_locked(struct vf_tree *tree, struct vf_file *file,
                        const void *data, size_t size, off_t offset,
                        struct vf_caller *caller, struct vf_error *err)
{
    if (file->state == VF_FILE_COMMITTING) {
        const struct vf_write_mark mark = mark_of(data, size, offset);
        int result = vf_file_join(tree, file, caller, err);

        if (result < 0 || is_same_write(&mark, &file->mark))
            return result;
    }
    if (file->state == VF_FILE_FAILED)
        return file->failure;
    if (file->state == VF_FILE_COMMITTED)
        return write_committed(file, data, size, err);
    if (file->node->is_removed || !file->node->parent->is_linked)
        return vf_file_fail(tree, file,
                            vf_error_set(err, ENOENT,
                                         "the file was removed while it was "
                                         "written"));
    return write_draft(tree, file, data, size, offset, caller, err);
}

int vf_file_write(struct vf_tree *tree, struct vf_file *file, const void *data,
                  size_t size, off_t offset, struct vf_caller *caller,
                  struct vf_error *err)
{
    pthread_mutex_lock(&tree->lock);
    int result = write_locked(tree, file, data, size, offset, caller, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* --- Truncating --- */

static int start_over(struct vf_file *file)
{
    vf_draft_drop(&file->draft);
    vf_job_unref(file->commit); /* left, and over: its outcome is recorded */
    file->commit = NULL;
    file->state = VF_FILE_DRAFTING;
    file->failure = 0;
    file->was_truncated |= file->node->text != NULL;
    file->was_written = false;
    return 0;
}

static int check_size(const struct vf_node *node, off_t size,
                      struct vf_error *err)
{
    if (size == 0 || (uint64_t)size == vf_node_size(node))
        return 0;
    return vf_error_set(err, EINVAL,
                        "a credential cannot be cut or made longer: write the "
                        "whole document");
}

static int truncate_locked(struct vf_tree *tree, struct vf_file *file,
                           off_t size, struct vf_caller *caller,
                           struct vf_error *err)
{
    int result = 0;

    if (file->state == VF_FILE_COMMITTING && size == 0)
        result = vf_job_wait(tree, file->commit, caller);
    else if (file->state == VF_FILE_COMMITTING)
        result = vf_file_join(tree, file, caller, err);
    if (result < 0)
        return result;
    if (size == 0)
        return start_over(file);
    if (file->state == VF_FILE_FAILED)
        return file->failure;
    if (file->state == VF_FILE_COMMITTED)
        return (uint64_t)size == file->end_bytes
                   ? 0
                   : check_size(file->node, size, err);
    if (!file->was_written)
        return check_size(file->node, size, err);
    result = vf_draft_truncate(&file->draft, size, err);
    return result < 0 ? result : consider_draft(tree, file, caller, err);
}

int vf_file_truncate(struct vf_tree *tree, struct vf_file *file, off_t size,
                     struct vf_caller *caller, struct vf_error *err)
{
    pthread_mutex_lock(&tree->lock);
    int result = truncate_locked(tree, file, size, caller, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* A redirection whose command failed, or a caller that meant to empty it. */
static int nothing_written(const struct vf_node *node, struct vf_error *err)
{
    return vf_error_set(err, EINVAL, "nothing was written: %s",
                        node->text != NULL
                            ? "the credential is as it was"
                            : "the name is an empty draft that the service "
                              "does not know");
}

int vf_tree_truncate(struct vf_tree *tree, struct vf_node *node, off_t size,
                     struct vf_error *err)
{
    pthread_mutex_lock(&tree->lock);
    int result = check_open(tree, node, O_WRONLY, err);
    if (result == 0)
        result = check_size(node, size, err);
    if (result == 0 && size == 0 && node->text != NULL)
        (void)nothing_written(node, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* --- Closing --- */

static bool is_unfinished(const struct vf_file *file)
{
    return file->is_writable && file->state == VF_FILE_DRAFTING &&
           vf_draft_size(&file->draft) > 0;
}

static int unfinished(const struct vf_file *file, struct vf_error *err)
{
    if (vf_draft_gap(&file->draft) < vf_draft_size(&file->draft))
        return vf_error_set(err, EINVAL,
                            "the document has a gap: nothing was written at "
                            "byte %zu",
                            vf_draft_gap(&file->draft));
    if (vf_draft_state(&file->draft) == VF_SPEC_SCAN_START)
        return vf_error_set(err, EINVAL,
                            "only white space was written, no document");
    return vf_error_set(err, EINVAL,
                        "the document is unfinished: it ends at byte %zu "
                        "inside the object",
                        vf_draft_size(&file->draft));
}

int vf_file_flush(struct vf_tree *tree, struct vf_file *file,
                  struct vf_caller *caller)
{
    int result = 0;

    if (!file->is_writable)
        return 0;
    pid_t process = process_of(caller);
    pthread_mutex_lock(&tree->lock);
    if (is_unfinished(file) &&
        (process == file->opener || process == 0 || file->opener == 0))
        result = -EINVAL;
    pthread_mutex_unlock(&tree->lock);
    return result;
}

int vf_file_sync(struct vf_tree *tree, struct vf_file *file,
                 struct vf_caller *caller, struct vf_error *err)
{
    int result = 0;

    pthread_mutex_lock(&tree->lock);
    if (file->state == VF_FILE_COMMITTING)
        result = vf_file_join(tree, file, caller, err);
    else if (file->state == VF_FILE_FAILED)
        result = file->failure;
    pthread_mutex_unlock(&tree->lock);
    return result;
}

/* What the last close loses. */
static int loss(const struct vf_file *file, struct vf_error *err)
{
    if (is_unfinished(file))
        return unfinished(file, err);
    if (file->was_truncated && !file->was_written && file->node->is_linked &&
        file->state == VF_FILE_DRAFTING)
        return nothing_written(file->node, err);
    return 0;
}

pid_t vf_file_opener(const struct vf_file *file)
{
    return file->opener;
}

int vf_file_release(struct vf_tree *tree, struct vf_file *file,
                    struct vf_error *err)
{
    pthread_mutex_lock(&tree->lock);
    struct vf_node *node = vf_node_ref(file->node);
    int result = loss(file, err);
    bool is_dropped = is_unfinished(file);

    if (file->is_writable && node->kind == VF_NODE_DRAFT)
        node->changed_ms = vf_clock_boottime_ms();
    free_file(tree, file);
    if (is_dropped && !vf_node_has_writer(node) && node->kind == VF_NODE_DRAFT)
        vf_node_unlink(tree, node);
    vf_node_unref(tree, node, 1);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
