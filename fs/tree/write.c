/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "control.h"
#include "scratch.h"
#include "vaultfs/text.h"

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
    if (file->node->text != NULL && vf_draft_size(&file->draft) == 0 &&
        (file->is_append || *offset > 0))
        return vf_error_set(err, EINVAL,
                            "what is there is replaced as a whole: nothing "
                            "can be added to it");
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

static int write_scratch(struct vf_tree *tree, struct vf_file *file,
                         const void *data, size_t size, off_t offset,
                         struct vf_error *err)
{
    if (file->is_append)
        offset = (off_t)vf_node_size(file->node);
    return vf_scratch_write(tree, file->node, file, data, size, offset, err);
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
    if (file->node->kind == VF_NODE_CONTROL)
        return 0; /* opening it has done what there is to do */
    if (file->node->kind == VF_NODE_SCRATCH)
        return write_scratch(tree, file, data, size, offset, err);
    int result = vf_archive_check(file->node, err);
    if (result < 0)
        return vf_file_fail(tree, file, result);
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
                        "a document cannot be cut or made longer here: write "
                        "it whole");
}

static int truncate_locked(struct vf_tree *tree, struct vf_file *file,
                           off_t size, struct vf_caller *caller,
                           struct vf_error *err)
{
    int result = 0;

    if (file->node->kind == VF_NODE_SCRATCH)
        return vf_scratch_truncate(tree, file->node, file, size, err);
    if (file->state == VF_FILE_COMMITTING && size == 0)
        result = vf_job_wait(tree, file->commit, caller);
    else if (file->state == VF_FILE_COMMITTING)
        result = vf_file_join(tree, file, caller, err);
    if (result < 0)
        return result;
    if (size == 0 || file->node->kind == VF_NODE_CONTROL)
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

int vf_file_nothing_written(const struct vf_node *node, struct vf_error *err)
{
    return vf_error_set(err, EINVAL, "nothing was written: %s",
                        node->text != NULL
                            ? "the file is as it was"
                            : "the name is an empty draft that the service "
                              "does not know");
}

static int truncate_by_path(struct vf_tree *tree, struct vf_node *node,
                            off_t size, struct vf_error *err)
{
    int result = vf_file_check_change(tree, node, err);

    if (result == 0 && node->kind == VF_NODE_SCRATCH)
        return vf_scratch_truncate(tree, node, NULL, size, err);
    if (result == 0)
        result = check_size(node, size, err);
    if (result == 0 && size == 0 && node->text != NULL)
        (void)vf_file_nothing_written(node, err);
    return result;
}

int vf_tree_truncate(struct vf_tree *tree, struct vf_node *node, off_t size,
                     struct vf_error *err)
{
    pthread_mutex_lock(&tree->lock);
    int result = node->kind == VF_NODE_CONTROL
                     ? vf_control_open(tree, node, O_WRONLY, err)
                     : truncate_by_path(tree, node, size, err);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
