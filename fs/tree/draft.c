/* SPDX-License-Identifier: MIT */
#include "draft.h"

#include <errno.h>
#include <string.h>

#include "vaultfs/secret.h"

size_t vf_draft_size(const struct vf_draft *draft)
{
    return draft->count > 0 ? draft->extents[draft->count - 1].end : 0;
}

size_t vf_draft_gap(const struct vf_draft *draft)
{
    if (draft->count == 0 || draft->extents[0].begin > 0)
        return 0;
    return draft->extents[0].end;
}

enum vf_spec_scan_state vf_draft_state(const struct vf_draft *draft)
{
    bool has_gap = vf_draft_gap(draft) < vf_draft_size(draft);

    if (has_gap && draft->scan.state != VF_SPEC_SCAN_BAD)
        return VF_SPEC_SCAN_PARTIAL;
    return draft->scan.state;
}

void vf_draft_drop(struct vf_draft *draft)
{
    vf_secret_unref(draft->bytes);
    *draft = (struct vf_draft){0};
}

static void scan_again(struct vf_draft *draft)
{
    draft->scan = VF_SPEC_SCAN_INIT;
    (void)vf_spec_scan_feed(&draft->scan, vf_secret_data(draft->bytes),
                            vf_draft_gap(draft));
}

/* The extents with one more, which swallows those that it touches. False when
 * they are too many. */
static bool add_extent(const struct vf_draft *draft,
                       struct vf_draft_extent added, struct vf_draft *ret)
{
    unsigned before = 0, after = draft->count;

    while (before < draft->count && draft->extents[before].end < added.begin)
        before++;
    while (after > before && draft->extents[after - 1].begin > added.end)
        after--;
    if (before < after) {
        if (draft->extents[before].begin < added.begin)
            added.begin = draft->extents[before].begin;
        if (draft->extents[after - 1].end > added.end)
            added.end = draft->extents[after - 1].end;
    }
    unsigned left = draft->count - after;
    if (before + 1 + left > VF_DRAFT_EXTENTS_MAX)
        return false;
    memmove(ret->extents, draft->extents, before * sizeof(added));
    memmove(ret->extents + before + 1, draft->extents + after,
            left * sizeof(added));
    ret->extents[before] = added;
    ret->count = before + 1 + left;
    return true;
}

int vf_draft_fill(struct vf_secret *bytes, size_t size, struct vf_error *err)
{
    static const char zeros[4096];
    int result = 0;

    while (result == 0 && vf_secret_size(bytes) < size) {
        size_t missing = size - vf_secret_size(bytes);

        result = vf_secret_append(
            bytes, zeros, missing < sizeof(zeros) ? missing : sizeof(zeros),
            err);
    }
    return result;
}

int vf_draft_write(struct vf_draft *draft, const void *data, size_t size,
                   off_t offset, struct vf_error *err)
{
    size_t scanned = vf_draft_gap(draft), at = (size_t)offset;
    struct vf_draft next = *draft;
    int result = 0;

    if (size == 0)
        return 0;
    if (offset < 0 || size > VF_SPEC_MAX || at > VF_SPEC_MAX - size)
        return vf_error_set(err, EFBIG, "a spec has at most %d bytes",
                            VF_SPEC_MAX);
    if (!add_extent(draft, (struct vf_draft_extent){at, at + size}, &next))
        return vf_error_set(err, EINVAL, "too many gaps between what is here");
    if (draft->bytes == NULL)
        result = vf_secret_new(at + size, &draft->bytes, err);
    if (result == 0)
        result = vf_draft_fill(draft->bytes, at, err);
    if (result == 0)
        result = vf_secret_write(draft->bytes, at, data, size, err);
    if (result < 0) {
        if (draft->bytes != NULL)
            vf_secret_truncate(draft->bytes, vf_draft_size(draft));
        return result;
    }
    next.bytes = draft->bytes;
    *draft = next;
    if (at == scanned && vf_draft_gap(draft) == at + size)
        (void)vf_spec_scan_feed(&draft->scan, data, size);
    else if (at <= scanned)
        scan_again(draft);
    return 0;
}

/* Whether a document may end there: behind a byte that was written. */
static bool is_end(const struct vf_draft *draft, uint64_t size)
{
    unsigned i = 0;

    while (i < draft->count && draft->extents[i].end < size)
        i++;
    return i < draft->count && draft->extents[i].begin < size;
}

int vf_draft_truncate(struct vf_draft *draft, off_t size, struct vf_error *err)
{
    if (size == 0) {
        vf_draft_drop(draft);
        return 0;
    }
    if (size < 0 || !is_end(draft, (uint64_t)size))
        return vf_error_set(err, EINVAL,
                            "a document cannot end where nothing was written");
    while (draft->extents[draft->count - 1].begin >= (size_t)size)
        draft->count--;
    draft->extents[draft->count - 1].end = (size_t)size;
    vf_secret_truncate(draft->bytes, (size_t)size);
    scan_again(draft);
    return 0;
}
