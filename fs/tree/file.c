/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "sweep.h"
#include "vaultfs/clock.h"

void vf_file_free(struct vf_tree *tree, struct vf_file *file)
{
    struct vf_node *node = file->node;
    struct vf_file **link = &node->files;

    while (*link != file)
        link = &(*link)->next_file;
    *link = file->next_file;
    if (node->scratch != NULL)
        vf_scratch_release(tree, node);
    vf_draft_drop(&file->draft);
    vf_job_unref(file->commit);
    vf_text_unref(file->pinned);
    free(file);
    vf_scratch_end_unused(tree, node);
    vf_node_unref(tree, node, 1);
}

void vf_file_free_all(struct vf_tree *tree)
{
    struct vf_node *node = tree->nodes;

    while (node != NULL) {
        if (node->files == NULL) {
            node = node->next_node;
        } else {
            vf_file_free(tree, node->files); /* the node may go with it */
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

/* --- Reading --- */

/* A cache above gets a part of a text that is not true any more, while another
 * reader has already filled it with parts of the one that is. */
static void distrust_cache(struct vf_tree *tree, const struct vf_file *file)
{
    if (file->is_live || file->is_writable)
        return; /* nothing read through these is cached */
    file->node->read_version = file->node->version - 1;
    vf_node_tell_content(tree, file->node);
}

static size_t read_text(struct vf_tree *tree, struct vf_file *file,
                        void *buffer, size_t size, off_t offset)
{
    size_t copied = 0;

    if (offset == 0 || file->pinned == NULL) {
        vf_text_unref(file->pinned);
        file->pinned = file->node->text;
        if (file->pinned != NULL)
            file->pinned->references++;
    }
    if (file->pinned != file->node->text)
        distrust_cache(tree, file);
    if (file->pinned != NULL && offset >= 0 &&
        (uint64_t)offset < file->pinned->size) {
        copied = file->pinned->size - (size_t)offset;
        if (copied > size)
            copied = size;
        memcpy(buffer, file->pinned->data + offset, copied);
    }
    return copied;
}

ssize_t vf_file_read(struct vf_tree *tree, struct vf_file *file, void *buffer,
                     size_t size, off_t offset, struct vf_error *err)
{
    pthread_mutex_lock(&tree->lock);
    const struct vf_scratch *scratch = file->node->scratch;
    ssize_t result =
        scratch != NULL
            ? vf_scratch_read(scratch, file, buffer, size, offset, err)
            : (ssize_t)read_text(tree, file, buffer, size, offset);
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
    pthread_mutex_lock(&tree->lock);
    const bool is_bad = is_unfinished(file);
    pthread_mutex_unlock(&tree->lock);
    if (!is_bad)
        return 0;
    pid_t process = vf_caller_process(caller);
    return process == file->opener || process == 0 || file->opener == 0
               ? -EINVAL
               : 0;
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
        file->state == VF_FILE_DRAFTING &&
        file->node->kind != VF_NODE_SCRATCH &&
        file->node->kind != VF_NODE_CONTROL)
        return vf_file_nothing_written(file->node, err);
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
    vf_file_free(tree, file);
    vf_sweep_at(tree, vf_node_expires_ms(node));
    if (is_dropped && !vf_node_has_writer(node) && node->kind == VF_NODE_DRAFT)
        vf_node_unlink(tree, node);
    vf_node_unref(tree, node, 1);
    pthread_mutex_unlock(&tree->lock);
    return result;
}
