/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "file.h"
#include "sweep.h"
#include "vaultfs/clock.h"
#include "vaultfs/secret.h"
#include "vaultfs/spec.h"
#include "vaultfs/text.h"

#define PAGE_BYTES 4096
#define MEMLOCK_SHARE 4

struct vf_scratch {
    struct vf_secret *bytes; /* NULL: empty */
    uint64_t owner;          /* the file that wrote all of them; 0: none */
    size_t locked;           /* bytes of memory that they take */
    pid_t process;           /* who wrote last */
    int64_t touched_ms;      /* CLOCK_BOOTTIME: the last write or close */
    bool is_told;            /* of what it holds there is a record */
    bool is_sent;            /* committed, or on its way */
};

void vf_scratch_init(struct vf_tree *tree)
{
    struct rlimit limit;

    tree->scratch_locked_max = SIZE_MAX;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        tree->scratch_locked_max = (size_t)limit.rlim_cur / MEMLOCK_SHARE;
}

/* Two files never have one number: their names change hands too quickly. */
static uint64_t make_ino(struct vf_tree *tree, const struct vf_node *node)
{
    const uint64_t key[] = {node->parent->ino, ++tree->changes};

    return vf_hash64(key, sizeof(key)) | 2; /* neither 0 nor the root's */
}

int vf_scratch_check_room(const struct vf_tree *tree, struct vf_error *err)
{
    if (tree->scratch_files < VF_SCRATCH_FILES_MAX)
        return 0;
    return vf_error_set(err, ENOSPC, "there are %d scratch files: remove some",
                        VF_SCRATCH_FILES_MAX);
}

int vf_scratch_start(struct vf_tree *tree, struct vf_node *node,
                     struct vf_error *err)
{
    int result = vf_scratch_check_room(tree, err);

    if (result < 0)
        return result;
    node->scratch = calloc(1, sizeof(*node->scratch));
    if (node->scratch == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a scratch file");
    node->ino = make_ino(tree, node);
    tree->scratch_files++;
    return 0;
}

int vf_scratch_convert(struct vf_tree *tree, struct vf_node *node,
                       struct vf_error *err)
{
    int result = vf_scratch_start(tree, node, err);

    if (result < 0)
        return result;
    node->kind = VF_NODE_SCRATCH;
    vf_text_unref(node->text);
    node->text = NULL;
    node->version++;
    free(node->home);
    node->home = NULL;
    return 0;
}

static void drop_bytes(struct vf_tree *tree, struct vf_scratch *scratch)
{
    scratch->bytes = vf_secret_unref(scratch->bytes);
    tree->scratch_locked -= scratch->locked;
    scratch->locked = 0;
}

void vf_scratch_end(struct vf_tree *tree, struct vf_node *node)
{
    if (node->scratch == NULL)
        return;
    drop_bytes(tree, node->scratch);
    free(node->scratch);
    node->scratch = NULL;
    tree->scratch_files--;
}

void vf_scratch_end_unused(struct vf_tree *tree, struct vf_node *node)
{
    if (!node->is_linked && node->files == NULL)
        vf_scratch_end(tree, node);
}

size_t vf_scratch_size(const struct vf_scratch *scratch)
{
    return scratch->bytes != NULL ? vf_secret_size(scratch->bytes) : 0;
}

/* --- Reading and writing --- */

ssize_t vf_scratch_read(const struct vf_scratch *scratch,
                        const struct vf_file *file, void *buffer, size_t size,
                        off_t offset, struct vf_error *err)
{
    size_t held = vf_scratch_size(scratch);

    if (held == 0)
        return 0;
    if (scratch->owner != file->number)
        return vf_error_set(err, EACCES,
                            "a scratch file is read back only by what wrote "
                            "it, while it has it open");
    if (offset < 0 || (uint64_t)offset >= held)
        return 0;
    held -= (size_t)offset;
    if (size > held)
        size = held;
    memcpy(buffer, vf_secret_data(scratch->bytes) + offset, size);
    return (ssize_t)size;
}

/* As a secret grows: by doubling, from one page. */
static size_t locked_for(size_t size)
{
    size_t locked = PAGE_BYTES;

    while (locked < size)
        locked *= 2;
    return locked;
}

/* Make it at least that long, with zeros; or it stays as it was. */
static int extend(struct vf_tree *tree, struct vf_scratch *scratch, size_t size,
                  struct vf_error *err)
{
    size_t held = vf_scratch_size(scratch), locked = locked_for(size), more = 0;
    int result = 0;

    if (locked > scratch->locked)
        more = locked - scratch->locked;
    if (more > tree->scratch_locked_max - tree->scratch_locked)
        return vf_error_set(err, ENOSPC,
                            "the scratch files have all of their share of "
                            "locked memory: remove some, or raise "
                            "RLIMIT_MEMLOCK (ulimit -l)");
    if (scratch->bytes == NULL)
        result = vf_secret_new(PAGE_BYTES, &scratch->bytes, err);
    if (result == 0)
        result = vf_draft_fill(scratch->bytes, size, err);
    if (scratch->bytes == NULL)
        return result;
    locked = locked_for(vf_secret_size(scratch->bytes));
    if (locked > scratch->locked) {
        tree->scratch_locked += locked - scratch->locked;
        scratch->locked = locked;
    }
    if (result < 0)
        vf_secret_truncate(scratch->bytes, held);
    return result;
}

static int check_open(const struct vf_scratch *scratch, struct vf_error *err)
{
    if (scratch->is_sent)
        return vf_error_set(err, EINVAL,
                            "this file was renamed, and what it held is "
                            "committed: nothing can be added to it");
    return 0;
}

/* It changed by this hand, from what had that size. */
static void touch(struct vf_tree *tree, struct vf_node *node,
                  const struct vf_file *file, size_t held)
{
    struct vf_scratch *scratch = node->scratch;
    const uint64_t writer = file != NULL ? file->number : 0;

    if (held == 0)
        scratch->owner = writer;
    else if (scratch->owner != writer)
        scratch->owner = 0;
    if (file != NULL)
        scratch->process = file->opener;
    scratch->touched_ms = vf_clock_boottime_ms();
    scratch->is_told = false;
    (void)clock_gettime(CLOCK_REALTIME, &node->mtime);
    node->version++;
    vf_sweep_at(tree, scratch->touched_ms + VF_SCRATCH_UNSENT_MS);
}

static int too_big(struct vf_error *err)
{
    return vf_error_set(err, EFBIG, "a scratch file has at most %d bytes",
                        VF_SPEC_MAX);
}

int vf_scratch_write(struct vf_tree *tree, struct vf_node *node,
                     const struct vf_file *file, const void *data, size_t size,
                     off_t offset, struct vf_error *err)
{
    struct vf_scratch *scratch = node->scratch;
    size_t held = vf_scratch_size(scratch);

    if (size == 0)
        return 0;
    if (offset < 0 || size > VF_SPEC_MAX ||
        (uint64_t)offset > VF_SPEC_MAX - size)
        return too_big(err);
    int result = check_open(scratch, err);
    if (result == 0)
        result = extend(tree, scratch, (size_t)offset + size, err);
    if (result == 0)
        result =
            vf_secret_write(scratch->bytes, (size_t)offset, data, size, err);
    if (result == 0)
        touch(tree, node, file, held);
    return result;
}

int vf_scratch_truncate(struct vf_tree *tree, struct vf_node *node,
                        const struct vf_file *file, off_t size,
                        struct vf_error *err)
{
    struct vf_scratch *scratch = node->scratch;

    if (scratch == NULL)
        return -ESTALE; /* by path, and the path is gone */
    if (size < 0 || size > VF_SPEC_MAX)
        return too_big(err);
    int result = check_open(scratch, err);
    if (result < 0)
        return result;
    if (size == 0)
        drop_bytes(tree, scratch); /* so that its owner starts from empty */
    size_t held = vf_scratch_size(scratch);
    if ((size_t)size > held)
        result = extend(tree, scratch, (size_t)size, err);
    else if ((size_t)size < held)
        vf_secret_truncate(scratch->bytes, (size_t)size);
    if (result == 0)
        touch(tree, node, file, held);
    return result;
}

void vf_scratch_release(struct vf_tree *tree, struct vf_node *node)
{
    struct vf_scratch *scratch = node->scratch;

    scratch->touched_ms = vf_clock_boottime_ms();
    if (!scratch->is_told)
        vf_sweep_at(tree, scratch->touched_ms + VF_SCRATCH_UNSENT_MS);
}

/* --- Sending --- */

static enum vf_spec_scan_state scan(const struct vf_scratch *scratch)
{
    struct vf_spec_scan scan = VF_SPEC_SCAN_INIT;

    if (scratch->bytes == NULL)
        return VF_SPEC_SCAN_START;
    return vf_spec_scan_feed(&scan, vf_secret_data(scratch->bytes),
                             vf_secret_size(scratch->bytes));
}

static int check_whole(const struct vf_scratch *scratch, struct vf_error *err)
{
    switch (scan(scratch)) {
    case VF_SPEC_SCAN_COMPLETE:
        return 0;
    case VF_SPEC_SCAN_START:
        return vf_error_set(err, EINVAL,
                            "the scratch file holds no document: it stays as "
                            "it is");
    case VF_SPEC_SCAN_PARTIAL:
        return vf_error_set(err, EINVAL,
                            "the document in the scratch file is unfinished: "
                            "it ends at byte %zu, and stays as it is",
                            vf_scratch_size(scratch));
    case VF_SPEC_SCAN_BAD:
        break;
    }
    return vf_error_set(err, EINVAL,
                        "what the scratch file holds is not one JSON object: "
                        "it stays as it is");
}

int vf_scratch_copy(struct vf_scratch *scratch, struct vf_secret **ret,
                    struct vf_error *err)
{
    if (scratch->is_sent)
        return vf_error_set(err, EBUSY,
                            "what the scratch file holds is on its way, and "
                            "whether it arrives is not known yet");
    int result = check_whole(scratch, err);
    return result < 0
               ? result
               : vf_secret_from(vf_secret_data(scratch->bytes),
                                vf_secret_size(scratch->bytes), ret, err);
}

void vf_scratch_send(struct vf_scratch *scratch)
{
    scratch->is_sent = true;
}

void vf_scratch_sent(struct vf_tree *tree, struct vf_node *node,
                     bool is_committed)
{
    struct vf_scratch *scratch = node->scratch;

    if (scratch == NULL)
        return; /* its name went meanwhile, or its vault, and it was not open */
    scratch->is_sent = is_committed;
    if (!is_committed) {
        vf_sweep_at(tree, vf_scratch_due(node));
        return;
    }
    drop_bytes(tree, scratch);
    vf_node_unlink(tree, node);
    node->version++;
    vf_node_tell_content(tree, node);
}

int64_t vf_scratch_due(const struct vf_node *node)
{
    const struct vf_scratch *scratch = node->scratch;

    if (!node->is_linked || scratch->is_told || scratch->is_sent ||
        scratch->bytes == NULL)
        return INT64_MAX;
    return scratch->touched_ms + VF_SCRATCH_UNSENT_MS;
}

bool vf_scratch_tell(struct vf_node *node, struct vf_error *ret, pid_t *ret_pid)
{
    node->scratch->is_told = true;
    if (scan(node->scratch) != VF_SPEC_SCAN_COMPLETE)
        return false;
    *ret_pid = node->scratch->process;
    (void)vf_error_set(ret, EINVAL,
                       "a whole spec was written to a scratch name, and never "
                       "sent: rename it to the name that it is for");
    return true;
}

void vf_scratch_count(const struct vf_tree *tree, struct vf_tree_stats *ret)
{
    ret->scratch_files = tree->scratch_files;
    ret->scratch_bytes = 0;
    ret->scratch_unsent = 0;
    for (const struct vf_node *node = tree->nodes;
         node != NULL && tree->scratch_files > 0; node = node->next_node) {
        if (node->scratch == NULL)
            continue;
        ret->scratch_bytes += vf_scratch_size(node->scratch);
        ret->scratch_unsent +=
            node->is_linked && scan(node->scratch) == VF_SPEC_SCAN_COMPLETE;
    }
}
