/* SPDX-License-Identifier: MIT */
#include "vaultfs/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Room for size more bytes and a NUL. */
static bool reserve(struct vf_buf *buf, size_t size)
{
    size_t needed, capacity = buf->capacity;

    if (buf->is_broken)
        return false;
    if (__builtin_add_overflow(buf->size, size, &needed) ||
        __builtin_add_overflow(needed, 1, &needed) || needed > SIZE_MAX / 4) {
        buf->is_broken = true;
        return false;
    }
    if (needed <= capacity)
        return true;
    if (capacity < 64)
        capacity = 64;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->is_broken = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void vf_buf_append(struct vf_buf *buf, const void *data, size_t size)
{
    if (!reserve(buf, size))
        return;
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void vf_buf_puts(struct vf_buf *buf, const char *text)
{
    vf_buf_append(buf, text, strlen(text));
}

void vf_buf_printf(struct vf_buf *buf, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    if (size < 0) {
        buf->is_broken = true;
    } else if (reserve(buf, (size_t)size)) {
        (void)vsnprintf(buf->data + buf->size, (size_t)size + 1, format, again);
        buf->size += (size_t)size;
    }
    va_end(again);
    va_end(args);
}

void vf_buf_free(struct vf_buf *buf)
{
    free(buf->data);
    *buf = VF_BUF_INIT;
}

void vf_buf_put_escaped(struct vf_buf *buf, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t length = vf_utf8_decode(text + i, size - i, &code);

        if (length > 0 && !vf_utf8_is_deceptive(code)) {
            vf_buf_append(buf, text + i, length);
            i += length;
            continue;
        }
        for (size_t end = i + (length > 0 ? length : 1); i < end; i++)
            vf_buf_printf(buf, "\\x%02X", (unsigned char)text[i]);
    }
}

void vf_buf_put_json(struct vf_buf *buf, const char *text)
{
    size_t size = strlen(text);

    vf_buf_puts(buf, "\"");
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t length = vf_utf8_decode(text + i, size - i, &code);

        if (length == 0) {
            vf_buf_puts(buf, "\xEF\xBF\xBD"); /* U+FFFD */
            length = 1;
        } else if (code == '"' || code == '\\') {
            vf_buf_printf(buf, "\\%c", (char)code);
        } else if (vf_utf8_is_deceptive(code)) { /* all below U+10000 */
            vf_buf_printf(buf, "\\u%04x", (unsigned)code);
        } else {
            vf_buf_append(buf, text + i, length);
        }
        i += length;
    }
    vf_buf_puts(buf, "\"");
}

void vf_buf_put_url(struct vf_buf *buf, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "abcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";

    for (; *text != '\0'; text++) {
        if (strchr(unreserved, *text) != NULL)
            vf_buf_append(buf, text, 1);
        else
            vf_buf_printf(buf, "%%%02X", (unsigned char)*text);
    }
}

size_t vf_utf8_decode(const char *text, size_t size, uint32_t *ret_code)
{
    const unsigned char *bytes = (const unsigned char *)text;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code;
    size_t length;

    if (bytes[0] < 0x80) {
        *ret_code = bytes[0];
        return 1;
    }
    if ((bytes[0] & 0xE0) == 0xC0) {
        length = 2;
        code = bytes[0] & 0x1F;
    } else if ((bytes[0] & 0xF0) == 0xE0) {
        length = 3;
        code = bytes[0] & 0x0F;
    } else if ((bytes[0] & 0xF8) == 0xF0) {
        length = 4;
        code = bytes[0] & 0x07;
    } else {
        return 0;
    }
    if (length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3F);
    }
    if (code < smallest[length] || code > 0x10FFFF ||
        (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *ret_code = code;
    return length;
}

/* Most text is: eight bytes are looked at at once. */
static size_t skip_ascii(const char *text, size_t size)
{
    size_t at = 0;
    uint64_t bytes;

    for (; size - at >= sizeof(bytes); at += sizeof(bytes)) {
        memcpy(&bytes, text + at, sizeof(bytes));
        if ((bytes & 0x8080808080808080) != 0)
            break;
    }
    return at;
}

bool vf_utf8_is_valid(const char *text, size_t size)
{
    uint32_t code;

    for (size_t i = skip_ascii(text, size); i < size;) {
        size_t length = vf_utf8_decode(text + i, size - i, &code);

        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

bool vf_utf8_is_deceptive(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C ||
           code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

size_t vf_utf8_length(const char *text, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            length++;
    return length;
}

/* FNV-1a, with the finalizer of MurmurHash3 because FNV leaves the high bits of
 * short input almost alone. Both are in the public domain. */
uint64_t vf_hash64(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xCBF29CE484222325;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3;
    hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCD;
    hash = (hash ^ hash >> 33) * 0xC4CEB9FE1A85EC53;
    return hash ^ hash >> 33;
}

void vf_random_bytes(void *ret, size_t size)
{
    char *out = ret;

    while (size > 0) {
        ssize_t got = getrandom(out, size, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort(); /* no key and no id can be made without it */
        }
        out += got;
        size -= (size_t)got;
    }
}

void vf_uuid4(char ret[static VF_UUID_SIZE])
{
    unsigned char bytes[16];
    char *out = ret;

    vf_random_bytes(bytes, sizeof(bytes));
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        (void)snprintf(out, 3, "%02x", bytes[i]);
        out += 2;
    }
}

int vf_hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}
