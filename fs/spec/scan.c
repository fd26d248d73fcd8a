/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include "vaultfs/json.h"

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static enum vf_spec_scan_state step_in_string(struct vf_spec_scan *scan,
                                              char byte)
{
    if (scan->is_escaped)
        scan->is_escaped = false;
    else if (byte == '\\')
        scan->is_escaped = true;
    else if (byte == '"')
        scan->is_in_string = false;
    return VF_SPEC_SCAN_PARTIAL;
}

static enum vf_spec_scan_state step_in_object(struct vf_spec_scan *scan,
                                              char byte)
{
    switch (byte) {
    case '"':
        scan->is_in_string = true;
        return VF_SPEC_SCAN_PARTIAL;
    case '{':
    case '[':
        if (scan->depth == VF_JSON_DEPTH_MAX)
            return VF_SPEC_SCAN_BAD;
        scan->depth++;
        return VF_SPEC_SCAN_PARTIAL;
    case '}':
    case ']':
        scan->depth--;
        return scan->depth == 0 ? VF_SPEC_SCAN_COMPLETE : VF_SPEC_SCAN_PARTIAL;
    default:
        return VF_SPEC_SCAN_PARTIAL;
    }
}

static enum vf_spec_scan_state step(struct vf_spec_scan *scan, char byte)
{
    switch (scan->state) {
    case VF_SPEC_SCAN_START:
        if (is_space(byte))
            return VF_SPEC_SCAN_START;
        return byte == '{' ? step_in_object(scan, byte) : VF_SPEC_SCAN_BAD;
    case VF_SPEC_SCAN_PARTIAL:
        return scan->is_in_string ? step_in_string(scan, byte)
                                  : step_in_object(scan, byte);
    case VF_SPEC_SCAN_COMPLETE:
        return is_space(byte) ? VF_SPEC_SCAN_COMPLETE : VF_SPEC_SCAN_BAD;
    case VF_SPEC_SCAN_BAD:
        break;
    }
    return VF_SPEC_SCAN_BAD;
}

enum vf_spec_scan_state vf_spec_scan_feed(struct vf_spec_scan *scan,
                                          const void *bytes, size_t size)
{
    const char *text = bytes;

    for (size_t i = 0; i < size && scan->state != VF_SPEC_SCAN_BAD; i++) {
        scan->state = step(scan, text[i]);
        if (scan->state != VF_SPEC_SCAN_BAD)
            scan->offset++;
    }
    return scan->state;
}
