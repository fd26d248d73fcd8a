/* SPDX-License-Identifier: MIT */
#include "dotenv.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vaultfs/secret.h"

struct reader {
    const char *text; /* borrowed from a secret */
    size_t size;
    size_t at;
    size_t line; /* counts from 1; of the assignment's beginning */
    const char *file;
    struct vf_error *err;
};

static int malformed(const struct reader *reader, const char *what)
{
    return vf_error_set(reader->err, EINVAL, "line %zu of %s is malformed: %s",
                        reader->line, reader->file, what);
}

/* The byte at an offset from here; a line's end past the end. */
static char peek(const struct reader *reader, size_t offset)
{
    return reader->at + offset < reader->size
               ? reader->text[reader->at + offset]
               : '\n';
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* "\r\n" ends a line, and so does a "\r" at the end of the text. */
static bool is_at_end(const struct reader *reader)
{
    return peek(reader, 0) == '\n' ||
           (peek(reader, 0) == '\r' && peek(reader, 1) == '\n');
}

static void skip_blanks(struct reader *reader)
{
    while (is_blank(peek(reader, 0)))
        reader->at++;
}

static void skip_line(struct reader *reader)
{
    while (peek(reader, 0) != '\n')
        reader->at++;
    reader->at++;
}

static size_t name_size(const struct reader *reader)
{
    size_t size = 0;

    if (isdigit((unsigned char)peek(reader, 0)))
        return 0;
    while (isalnum((unsigned char)peek(reader, size)) ||
           memchr("_.-", peek(reader, size), 3) != NULL)
        size++;
    return size;
}

static void skip_export(struct reader *reader)
{
    if (name_size(reader) == 6 && is_blank(peek(reader, 6)) &&
        memcmp(reader->text + reader->at, "export", 6) == 0) {
        reader->at += 6;
        skip_blanks(reader);
    }
}

/* Up to the "="; *ret is borrowed from the text. */
static int read_name(struct reader *reader, const char **ret, size_t *ret_size)
{
    skip_export(reader);
    const char *name = reader->text + reader->at;
    size_t size = name_size(reader);

    if (size == 0)
        return malformed(reader, "a name was expected");
    reader->at += size;
    skip_blanks(reader);
    if (peek(reader, 0) != '=')
        return malformed(reader, "there is no = after the name");
    reader->at++;
    skip_blanks(reader);
    *ret = name;
    *ret_size = size;
    return 0;
}

/* value: NULL for one that nobody wants, here and below. */
static int put(const struct reader *reader, struct vf_secret *value,
               const char *bytes, size_t size)
{
    return value != NULL ? vf_secret_append(value, bytes, size, reader->err)
                         : 0;
}

static int read_plain(struct reader *reader, struct vf_secret *value)
{
    const char *begin = reader->text + reader->at;
    size_t size = 0;

    for (; !is_at_end(reader); reader->at++) {
        const char *here = reader->text + reader->at;

        if (*here == '#' && (here == begin || is_blank(here[-1])))
            break;
        if (!is_blank(*here))
            size = (size_t)(here - begin) + 1;
    }
    return put(reader, value, begin, size);
}

/* What an escape stands for; NULL: the backslash stands for itself. */
static const char *unescape(char byte)
{
    switch (byte) {
    case '\\':
        return "\\";
    case '"':
        return "\"";
    case 'n':
        return "\n";
    case '$':
        return "$";
    default:
        return NULL;
    }
}

/* Whether the rest of the line may stand behind a quote. */
static bool is_rest_empty(struct reader *reader)
{
    char first = peek(reader, 0);

    skip_blanks(reader);
    return is_at_end(reader) || (is_blank(first) && peek(reader, 0) == '#');
}

static int read_quoted(struct reader *reader, struct vf_secret *value)
{
    const char quote = peek(reader, 0);
    int result = 0;

    for (reader->at++; result == 0; reader->at++) {
        if (reader->at >= reader->size)
            return malformed(reader, "a quote without an end");
        const char *here = reader->text + reader->at;
        if (*here == quote)
            break;
        const char *escaped =
            quote == '"' && *here == '\\' ? unescape(peek(reader, 1)) : NULL;
        result = put(reader, value, escaped != NULL ? escaped : here, 1);
        if (escaped != NULL)
            reader->at++;
    }
    reader->at++;
    if (result == 0 && !is_rest_empty(reader))
        return malformed(reader, "text after a quote");
    return result;
}

/* One line, or several that a quote holds together. */
static int read_assignment(struct reader *reader, const char *wanted,
                           struct vf_secret *value)
{
    const char *name = NULL;
    size_t size = 0;
    int result = read_name(reader, &name, &size);

    if (result < 0)
        return result;
    bool is_wanted = strlen(wanted) == size && memcmp(name, wanted, size) == 0;
    if (is_wanted)
        vf_secret_truncate(value, 0);
    else
        value = NULL;
    if (peek(reader, 0) == '"' || peek(reader, 0) == '\'')
        return read_quoted(reader, value);
    return read_plain(reader, value);
}

static int read_all(struct reader *reader, const char *wanted,
                    struct vf_secret *value)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* some editors begin with it */
    size_t counted = 0;

    if (reader->size >= 3 && memcmp(reader->text, mark, 3) == 0)
        reader->at = 3;
    while (reader->at < reader->size) {
        skip_blanks(reader);
        for (; counted < reader->at; counted++)
            reader->line += reader->text[counted] == '\n';
        if (!is_at_end(reader) && peek(reader, 0) != '#') {
            int result = read_assignment(reader, wanted, value);

            if (result < 0)
                return result;
        }
        skip_line(reader);
    }
    return 0;
}

int vf_auth_dotenv_find(const struct vf_secret *text, const char *name,
                        const char *file, struct vf_secret **ret,
                        struct vf_error *err)
{
    struct reader reader = {
        .text = vf_secret_data(text),
        .size = vf_secret_size(text),
        .line = 1,
        .file = file,
        .err = err,
    };
    struct vf_secret *value = NULL;
    int result = vf_secret_new(0, &value, err);

    if (result < 0)
        return result;
    result = read_all(&reader, name, value);
    if (result < 0 || vf_secret_size(value) == 0)
        value = vf_secret_unref(value);
    if (result == 0)
        *ret = value;
    return result;
}
