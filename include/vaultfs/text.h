/* SPDX-License-Identifier: MIT
 *
 * Text without secrets: a growable buffer, UTF-8, hex, hashes, and the form in
 * which names and messages of others are shown to people.
 */
#ifndef VAULTFS_TEXT_H
#define VAULTFS_TEXT_H

#include "vaultfs/error.h"

#include <stdbool.h>

/*
 * A growable string. Start from VF_BUF_INIT; data is NUL-terminated once
 * something was appended. A failed append sets is_broken and every later call
 * does nothing, so that one check at the end is enough.
 */
struct vf_buf {
    char *data; /* owned; take it over by setting it to NULL */
    size_t size;
    size_t capacity;
    bool is_broken;
};

#define VF_BUF_INIT ((struct vf_buf){0})

void vf_buf_append(struct vf_buf *buf, const void *data, size_t size);
void vf_buf_puts(struct vf_buf *buf, const char *text);
void vf_buf_printf(struct vf_buf *buf, const char *format, ...) VF_PRINTF(2, 3);
void vf_buf_free(struct vf_buf *buf);

/* Appends text with control bytes, escapes, line breaks, bidirectional
 * controls and malformed UTF-8 as \xNN: safe for a terminal and for one line
 * of a log. */
void vf_buf_put_escaped(struct vf_buf *buf, const char *text, size_t size);

/* Appends text as a JSON string, quotes included. The same bytes are escaped,
 * and malformed UTF-8 is U+FFFD: any text makes a string that is one line. */
void vf_buf_put_json(struct vf_buf *buf, const char *text);

/* Appends text percent-encoded for one URL path segment or query value. */
void vf_buf_put_url(struct vf_buf *buf, const char *text);

/*
 * Decode the character at the start of text. Returns its length in bytes, or
 * 0 when the bytes are not well-formed UTF-8 (overlong forms, surrogates and
 * values above U+10FFFF are not). size must be above 0.
 */
size_t vf_utf8_decode(const char *text, size_t size, uint32_t *ret_code);

bool vf_utf8_is_valid(const char *text, size_t size);

/* Controls, line and paragraph separators, and the controls that reorder text:
 * what makes a terminal or a line of a log show something that is not there. */
bool vf_utf8_is_deceptive(uint32_t code);

/* Characters, not bytes. text must be valid UTF-8. */
size_t vf_utf8_length(const char *text, size_t size);

/* 64 bits, the same on every machine and in every version: inode numbers come
 * from it. Not for hash tables that a stranger fills. */
uint64_t vf_hash64(const void *data, size_t size);

/* Bytes from the kernel's generator; does not fail once the system is up. */
void vf_random_bytes(void *ret, size_t size);

/* A random UUID (version 4) in its 36-character form. */
#define VF_UUID_SIZE 37
void vf_uuid4(char ret[static VF_UUID_SIZE]);

/* The value of a hex digit, or -1. */
int vf_hex_value(char digit);

#endif
