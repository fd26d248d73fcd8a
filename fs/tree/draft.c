/* SPDX-License-Identifier: MIT */
#include "draft.h"

#include <errno.h>

#include "vaultfs/secret.h"

size_t vf_draft_size(const struct vf_draft *draft)
{
    return draft->bytes != NULL ? vf_secret_size(draft->bytes) : 0;
}

bool vf_draft_is_empty(const struct vf_draft *draft)
{
    return draft->scan.state == VF_SPEC_SCAN_START;
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
                            vf_secret_size(draft->bytes));
}

int vf_draft_write(struct vf_draft *draft, const void *data, size_t size,
                   off_t offset, struct vf_error *err)
{
    size_t have = vf_draft_size(draft);
    int result = 0;

    if (offset < 0 || (uint64_t)offset > have)
        return vf_error_set(err, EINVAL,
                            "a gap: %zu bytes were written so far, and this "
                            "write is at offset %jd",
                            have, (intmax_t)offset);
    if (size > VF_SPEC_MAX || (size_t)offset > VF_SPEC_MAX - size)
        return vf_error_set(err, EFBIG, "a spec has at most %d bytes",
                            VF_SPEC_MAX);
    if (draft->bytes == NULL)
        result = vf_secret_new(size, &draft->bytes, err);
    if (result == 0)
        result = vf_secret_write(draft->bytes, (size_t)offset, data, size, err);
    if (result < 0)
        return result;
    if ((size_t)offset == have)
        (void)vf_spec_scan_feed(&draft->scan, data, size);
    else
        scan_again(draft);
    return 0;
}

int vf_draft_truncate(struct vf_draft *draft, off_t size, struct vf_error *err)
{
    if (size == 0) {
        vf_draft_drop(draft);
        return 0;
    }
    if (size < 0 || (uint64_t)size > vf_draft_size(draft))
        return vf_error_set(err, EINVAL,
                            "a document cannot be made longer "
                            "than what was written of it");
    if ((uint64_t)size < vf_draft_size(draft)) {
        vf_secret_truncate(draft->bytes, (size_t)size);
        scan_again(draft);
    }
    return 0;
}
