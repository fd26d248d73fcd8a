/* SPDX-License-Identifier: MIT
 *
 * JSON objects, written as text. What is told here are paths and other people's
 * words, which may be no UTF-8 and must never be lost for it: vf_buf_put_json()
 * takes any bytes, which a tree of JSON values does not.
 */
#ifndef REPORT_WRITER_H
#define REPORT_WRITER_H

#include "vaultfs/text.h"

struct writer {
    struct vf_buf *out; /* borrowed */
    bool is_pretty;     /* two spaces a level; else one line */
    unsigned depth;
    bool needs_comma;
};

/* key is NULL for the outermost object. */
void writer_begin(struct writer *writer, const char *key);
void writer_end(struct writer *writer);
void writer_string(struct writer *writer, const char *key, const char *value);
void writer_number(struct writer *writer, const char *key, uint64_t value);
void writer_bool(struct writer *writer, const char *key, bool value);

#endif
