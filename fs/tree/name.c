/* SPDX-License-Identifier: MIT
 *
 * Why the escape is reversible: in a name, "%" before two hex digits is always
 * an escape. A "%" of the text that stands before two hex digits is escaped
 * itself, and one that does not cannot come to stand before two by the escaping
 * of its neighbours, because an escape begins with "%". So undoing the escapes
 * gives the text back; and a name is somebody's spelling of a text only if
 * doing them again gives the name back: "%41" is no name, "A" is.
 *
 * A text that looks scratch gets its first character escaped, and a name that
 * begins with an escape is never scratch: no tool makes such a name.
 */
#include "vaultfs/name.h"

#include "vaultfs/api.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MIN 6
#define HASH_DIGITS 16
#define DIGITS_MAX (HASH_DIGITS + VF_ID_MAX)

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static const struct {
    const char *noun;
    const char *extension;
} kinds[] = {
    [VF_NAME_VAULT] = {"vault", ""},
    [VF_NAME_FILE] = {"credential", ".json"},
};

/* Whole names that tools make: a fixed start and some characters of a set. */
static const struct {
    const char *start;
    const char *set;
    size_t min;
    size_t max;
} scratch_shapes[] = {
    {"4913", "", 0, 0},               /* vim */
    {"sed", LOWER UPPER DIGIT, 6, 6}, /* sed -i */
    {"tmp", LOWER DIGIT "_", 8, 8},   /* Python's tempfile */
    {"XX", LOWER UPPER DIGIT, 6, 8},  /* perl -i */
    {"0", "0", 0, VF_NAME_MAX},       /* shred */
};

static const char *const scratch_ends[] = {
    "~",    ".tmp", ".swp",  ".swx", ".swo",
    ".new", ".bak", ".orig", ".old", ".part",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* Whether text begins with "%" and two hex digits. Stops at its NUL. */
static bool is_escape(const char *text)
{
    return text[0] == '%' && vf_hex_value(text[1]) >= 0 &&
           vf_hex_value(text[2]) >= 0;
}

bool vf_name_is_scratch(const char *name)
{
    if (is_escape(name))
        return false;
    if (name[0] == '.' || name[0] == '#')
        return true;
    for (size_t i = 0; i < COUNT(scratch_shapes); i++) {
        size_t start = strlen(scratch_shapes[i].start);

        if (strncmp(name, scratch_shapes[i].start, start) != 0)
            continue;
        size_t rest = strlen(name + start);
        if (rest >= scratch_shapes[i].min && rest <= scratch_shapes[i].max &&
            strspn(name + start, scratch_shapes[i].set) == rest)
            return true;
    }
    for (size_t i = 0; i < COUNT(scratch_ends); i++)
        if (ends_with(name, scratch_ends[i]))
            return true;
    return false;
}

/* Whether the character that begins at text needs to be escaped. */
static bool is_unsafe(const char *text, uint32_t code, bool is_first,
                      bool is_last)
{
    if (code == '/' || vf_utf8_is_deceptive(code) || is_escape(text))
        return true;
    if (is_first && (code == '.' || code == '-'))
        return true;
    return code == ' ' && (is_first || is_last);
}

/*
 * Escape the first size bytes of text into ret, whole characters, as many as
 * give at most limit bytes. Returns how many bytes of text that took.
 */
static size_t escape(const char *text, size_t size, bool is_first_escaped,
                     size_t limit, char *ret)
{
    size_t done = 0;

    while (done < size) {
        uint32_t code = 0;
        size_t length = vf_utf8_decode(text + done, size - done, &code);
        bool is_valid = length > 0;

        if (!is_valid)
            length = 1;
        bool is_first = done == 0, is_last = done + length == size;
        bool is_plain = is_valid && !(is_first && is_first_escaped) &&
                        !is_unsafe(text + done, code, is_first, is_last);
        size_t needed = is_plain ? length : 3 * length;
        if (needed > limit)
            break;
        limit -= needed;
        for (size_t end = done + length; done < end; done++) {
            if (is_plain)
                *ret++ = text[done];
            else
                ret += sprintf(ret, "%%%02X", (unsigned char)text[done]);
        }
    }
    *ret = '\0';
    return done;
}

/* The name for text without digits; false if it would be too long, or empty. */
static bool encode_plain(const char *text, char ret[static VF_NAME_MAX + 1])
{
    size_t size = strlen(text);

    if (escape(text, size, false, VF_NAME_MAX, ret) < size)
        return false;
    if (vf_name_is_scratch(ret) &&
        escape(text, size, true, VF_NAME_MAX, ret) < size)
        return false;
    return size > 0;
}

/* "~" and the last letters and digits of id, after those of its hash. */
static void make_tag(const char *id, unsigned digits,
                     char ret[static DIGITS_MAX + 2])
{
    char all[DIGITS_MAX + 1];
    size_t id_size = strlen(id);
    size_t size = HASH_DIGITS;

    (void)snprintf(all, sizeof(all), "%016" PRIx64, vf_hash64(id, id_size));
    if (id_size > VF_ID_MAX)
        id += id_size - VF_ID_MAX;
    for (; *id != '\0'; id++)
        if (strchr(LOWER UPPER DIGIT, *id) != NULL)
            all[size++] = *id;
    all[size] = '\0';
    if (digits > size)
        digits = (unsigned)size;
    ret[0] = '~';
    memcpy(ret + 1, all + size - digits, digits + 1);
}

static void encode_tagged(enum vf_name_kind kind, const char *text,
                          const char *id, unsigned digits,
                          char ret[static VF_NAME_MAX + 1])
{
    const char *extension = kinds[kind].extension;
    char tag[DIGITS_MAX + 2];

    make_tag(id, digits, tag);
    size_t size = strlen(text);
    if (size == 0) {
        text = kinds[kind].noun;
        size = strlen(text);
    } else if (size > strlen(extension) && ends_with(text, extension)) {
        size -= strlen(extension);
    } else {
        extension = "";
    }
    /* The tag keeps its end from looking scratch; the start is our affair. */
    (void)escape(text, size, text[0] == '#',
                 VF_NAME_MAX - strlen(tag) - strlen(extension), ret);
    (void)sprintf(ret + strlen(ret), "%s%s", tag, extension);
}

void vf_name_encode(enum vf_name_kind kind, const char *text, const char *id,
                    unsigned digits, char ret[static VF_NAME_MAX + 1])
{
    if (digits == 0 && encode_plain(text, ret))
        return;
    encode_tagged(kind, text, id, digits == 0 ? DIGITS_MIN : digits, ret);
}

/* Undo every escape, in place. False if one of them is a NUL. */
static bool unescape(char *text)
{
    char *out = text;

    while (*text != '\0') {
        if (!is_escape(text)) {
            *out++ = *text++;
            continue;
        }
        int byte = vf_hex_value(text[1]) << 4 | vf_hex_value(text[2]);
        if (byte == 0)
            return false;
        *out++ = (char)byte;
        text += 3;
    }
    *out = '\0';
    return true;
}

int vf_name_decode(enum vf_name_kind kind, const char *name, char **ret,
                   struct vf_error *err)
{
    const char *noun = kinds[kind].noun;
    char right[VF_NAME_MAX + 1];
    int result = 0;

    if (strlen(name) > VF_NAME_MAX)
        return vf_error_set(err, ENAMETOOLONG,
                            "a %s's name has at most %d bytes", noun,
                            VF_NAME_MAX);
    char *text = strdup(name);
    if (text == NULL)
        return vf_error_set(err, ENOMEM, "no memory for a name");
    if (!unescape(text))
        result = vf_error_set(err, EINVAL, "no %s's name can hold a NUL", noun);
    else if (!encode_plain(text, right))
        result = vf_error_set(err, EINVAL,
                              "no %s has this name: escaped, it is empty or "
                              "longer than %d bytes",
                              noun, VF_NAME_MAX);
    else if (strcmp(right, name) != 0)
        result = vf_error_set(
            err, EINVAL, "a %s of this name is written \"%s\"", noun, right);
    if (result < 0) {
        free(text);
        return result;
    }
    *ret = text;
    return 0;
}
