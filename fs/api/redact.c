/* SPDX-License-Identifier: MIT
 *
 * Each way in which an echo may be written is undone, one after another, on a
 * copy of the text that remembers where in the text each byte came from. The
 * secret is then looked for in the copy, in windows of a few bytes, and what a
 * window came from is marked. A secret in which every third character is
 * escaped is found like one in which none is, and no form of it has to be made
 * up, least of all on the heap.
 */
#include "redact.h"

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <string.h>

#define TEXT_MAX 2048
/* What a window takes at most: \u0041, each character of it percent-encoded.
 * What begins before the last MARGIN bytes of a text is seen whole. */
#define MARGIN (VF_REDACT_PART_MIN * 18)

struct view {
    size_t size;
    char bytes[TEXT_MAX];
    uint16_t from[TEXT_MAX + 1]; /* where each byte's source begins; the end */
};

/* Decodes what stands at in, at most 4 bytes; returns the bytes consumed, or 0
 * when no escape stands there. */
typedef size_t decoder(const char *in, size_t size, char out[static 4],
                       size_t *ret_size);

static int hex_number(const char *in, size_t digits)
{
    int value = 0;

    for (size_t i = 0; i < digits; i++) {
        int digit = vf_hex_value(in[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t decode_percent(const char *in, size_t size, char out[static 4],
                             size_t *ret_size)
{
    if (in[0] != '%' || size < 3 || hex_number(in + 1, 2) < 0)
        return 0;
    out[0] = (char)hex_number(in + 1, 2);
    *ret_size = 1;
    return 3;
}

/* As percent-encoding in forms and query strings. */
static size_t decode_form(const char *in, size_t size, char out[static 4],
                          size_t *ret_size)
{
    if (in[0] != '+')
        return decode_percent(in, size, out, ret_size);
    out[0] = ' ';
    *ret_size = 1;
    return 1;
}

static size_t encode_utf8(uint32_t code, char out[static 4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(leads[size] | code);
    return size;
}

/* \uXXXX, or the two of a surrogate pair. */
static size_t decode_unicode(const char *in, size_t size, char out[static 4],
                             size_t *ret_size)
{
    int code, low;

    if (size < 6 || (code = hex_number(in + 2, 4)) < 0)
        return 0;
    if (code >= 0xD800 && code < 0xDC00 && size >= 12 && in[6] == '\\' &&
        in[7] == 'u' && (low = hex_number(in + 8, 4)) >= 0xDC00 &&
        low < 0xE000) {
        *ret_size = encode_utf8(
            0x10000U + ((uint32_t)(code - 0xD800) << 10 | (low - 0xDC00)), out);
        return 12;
    }
    *ret_size = encode_utf8((uint32_t)code, out);
    return 6;
}

static size_t decode_json(const char *in, size_t size, char out[static 4],
                          size_t *ret_size)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";

    if (in[0] != '\\' || size < 2 || in[1] == '\0')
        return 0;
    if (in[1] == 'u')
        return decode_unicode(in, size, out, ret_size);
    const char *letter = strchr(letters, in[1]);
    if (letter == NULL)
        return 0;
    out[0] = meanings[letter - letters];
    *ret_size = 1;
    return 2;
}

/* Never longer than what it came from. */
static void decode(struct view *view, decoder *decode_one)
{
    size_t in = 0, out = 0;

    while (in < view->size) {
        char decoded[4];
        size_t size = 1;
        size_t used =
            decode_one(view->bytes + in, view->size - in, decoded, &size);

        if (used == 0) {
            decoded[0] = view->bytes[in];
            used = size = 1;
        }
        for (size_t i = 0; i < size; i++, out++) {
            view->bytes[out] = decoded[i];
            view->from[out] = view->from[in];
        }
        in += used;
    }
    view->from[out] = view->from[view->size];
    view->size = out;
}

/* --- Most text is passed over --- */

static size_t window_of(const struct vf_secret *secret)
{
    size_t size = vf_secret_size(secret);

    return size < VF_REDACT_PART_MIN ? size : VF_REDACT_PART_MIN;
}

static void add_to_sieve(struct vf_sieve *sieve, const struct vf_secret *secret)
{
    size_t size = secret != NULL ? vf_secret_size(secret) : 0;

    if (size == 0)
        return;
    const char *data = vf_secret_data(secret);
    for (size_t i = 0; i < size; i++)
        sieve->is_in_secret[(unsigned char)data[i]] = true;
    if (window_of(secret) < sieve->window)
        sieve->window = window_of(secret);
}

void vf_sieve_init(struct vf_sieve *sieve, const struct vf_in_flight *in_flight)
{
    *sieve = (struct vf_sieve){.window = SIZE_MAX};
    for (size_t i = 0; i < in_flight->count; i++)
        add_to_sieve(sieve, in_flight->secrets[i]);
    add_to_sieve(sieve, in_flight->token);
}

/* Whether a whole window of such bytes stands somewhere. Each window is looked
 * at from its end, so that one byte that no secret has rules out all windows
 * around it. */
static bool has_window(const struct vf_sieve *sieve, const char *text,
                       size_t size)
{
    size_t at = 0; /* no window begins before it */

    while (size - at >= sieve->window) {
        size_t left = sieve->window;

        while (left > 0 &&
               sieve->is_in_secret[(unsigned char)text[at + left - 1]])
            left--;
        if (left == 0)
            return true;
        at += left;
    }
    return false;
}

/* What is decoded is never longer, and is something else only with a sign. */
bool vf_sieve_may_have(const struct vf_sieve *sieve, const char *text,
                       size_t size)
{
    if (size < sieve->window)
        return false;
    return has_window(sieve, text, size) || memchr(text, '\\', size) != NULL ||
           memchr(text, '%', size) != NULL || memchr(text, '+', size) != NULL;
}

/* --- Marking --- */

/* Where a part of the secret ends that begins at start; at least a window. 0:
 * no part begins there. Taking all of it at once keeps a long echo from costing
 * its square. */
static size_t find_part(const struct view *view, size_t start,
                        const struct vf_secret *secret, size_t window)
{
    const char *data = vf_secret_data(secret);
    const char *limit = data + vf_secret_size(secret);
    const char *in =
        memmem(data, vf_secret_size(secret), view->bytes + start, window);

    if (in == NULL)
        return 0;
    size_t end = start;
    while (end < view->size && in < limit && view->bytes[end] == *in) {
        end++;
        in++;
    }
    return end;
}

/* Each window of the view that is a part of the secret. */
static void mark(const struct view *view, const struct vf_secret *secret,
                 bool *is_struck)
{
    struct vf_sieve sieve = {.window = SIZE_MAX};
    size_t window = window_of(secret);
    size_t run = 0; /* of bytes that the secret has, up to here */

    add_to_sieve(&sieve, secret);
    for (size_t at = 0; at < view->size; at++) {
        run = sieve.is_in_secret[(unsigned char)view->bytes[at]] ? run + 1 : 0;
        if (run < window)
            continue;
        size_t start = at + 1 - window;
        size_t end = find_part(view, start, secret, window);
        if (end == 0)
            continue;
        memset(is_struck + view->from[start], true,
               (size_t)view->from[end] - view->from[start]);
        at = end - 1;
    }
    vf_wipe(&sieve, sizeof(sieve));
}

/* Secrets shorter than inside_min must be all of the text. */
static void mark_secret(const struct view *view, const struct vf_secret *secret,
                        size_t inside_min, bool *is_struck)
{
    size_t size = secret != NULL ? vf_secret_size(secret) : 0;

    if (size > 0 && (size >= inside_min || size == view->size))
        mark(view, secret, is_struck);
}

struct decoding {
    decoder *first, *second;
    char sign; /* without it in the text, there is nothing to undo */
};

static const struct decoding decodings[] = {
    {NULL, NULL, '\0'},
    {decode_json, NULL, '\\'},
    {decode_percent, NULL, '%'},
    {decode_form, NULL, '+'},
    {decode_json, decode_json, '\\'},
    {decode_json, decode_percent, '\\'},
    {decode_percent, decode_json, '%'},
};

/* A block is at most TEXT_MAX bytes. */
static void mark_block(const char *text, size_t size,
                       const struct vf_in_flight *in_flight, size_t inside_min,
                       bool *is_struck)
{
    struct view view;

    for (size_t i = 0; i < sizeof(decodings) / sizeof(decodings[0]); i++) {
        const struct decoding *way = &decodings[i];

        if (way->sign != '\0' && memchr(text, way->sign, size) == NULL)
            continue;
        view.size = size;
        memcpy(view.bytes, text, size);
        for (size_t at = 0; at <= size; at++)
            view.from[at] = (uint16_t)at;
        if (way->first != NULL)
            decode(&view, way->first);
        if (way->second != NULL)
            decode(&view, way->second);
        for (size_t j = 0; j < in_flight->count; j++)
            mark_secret(&view, in_flight->secrets[j], inside_min, is_struck);
        mark_secret(&view, in_flight->token, inside_min, is_struck);
    }
    vf_wipe(view.bytes, size);
}

/* Blocks overlap, so that each window is whole in one of them. */
void vf_redact_mark(const char *text, size_t size,
                    const struct vf_in_flight *in_flight, size_t inside_min,
                    bool *is_struck)
{
    for (size_t at = 0;; at += TEXT_MAX - MARGIN) {
        size_t left = size - at;

        mark_block(text + at, left < TEXT_MAX ? left : TEXT_MAX, in_flight,
                   inside_min, is_struck + at);
        if (left <= TEXT_MAX)
            return;
    }
}

void vf_redact_copy(char *field, size_t field_size, const char *text,
                    const struct vf_in_flight *in_flight)
{
    bool is_struck[TEXT_MAX] = {false};
    char clean[TEXT_MAX + sizeof(VF_REDACT_MARK)];
    size_t size = strnlen(text, TEXT_MAX), out = 0;
    size_t shown = size < TEXT_MAX ? size : TEXT_MAX - MARGIN;

    while (shown < size && ((unsigned char)text[shown] & 0xC0) == 0x80)
        shown--; /* to the start of a character */
    vf_redact_mark(text, size, in_flight, 0, is_struck);
    for (size_t i = 0; i < shown && out < TEXT_MAX; i++) {
        if (!is_struck[i]) {
            clean[out++] = text[i];
        } else if (i == 0 || !is_struck[i - 1]) {
            memcpy(clean + out, VF_REDACT_MARK, sizeof(VF_REDACT_MARK) - 1);
            out += sizeof(VF_REDACT_MARK) - 1;
        }
    }
    clean[out] = '\0';
    vf_error_copy(field, field_size, clean);
}
