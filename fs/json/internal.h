/* SPDX-License-Identifier: MIT
 *
 * Private to fs/json: struct vf_json is json-c's object under another name.
 */
#ifndef VAULTFS_JSON_INTERNAL_H
#define VAULTFS_JSON_INTERNAL_H

#include "vaultfs/json.h"

#include <json-c/json.h>

/* json-c caches text inside values, so most of its getters are not const. */
static inline struct json_object *to_json_c(const struct vf_json *json)
{
    return (struct json_object *)(uintptr_t)json;
}

static inline struct vf_json *from_json_c(struct json_object *object)
{
    return (struct vf_json *)object;
}

/* Bytes at the start of a text that stand for themselves in a string: ASCII
 * that needs no escape. */
static inline size_t json_plain_run(const char *text, size_t size)
{
    size_t at = 0;

    for (; at < size; at++) {
        unsigned char byte = (unsigned char)text[at];

        if (byte < 0x20 || byte > 0x7E || byte == '"' || byte == '\\')
            break;
    }
    return at;
}

/* The text of a VF_JSON_DOUBLE as it was written; borrowed. */
const char *json_number_text(const struct vf_json *json);

#endif
