/* SPDX-License-Identifier: MIT
 *
 * Text -> values, as RFC 8259 says and no further.
 *
 * json-c's own parser, strict mode included, takes more than JSON and loses
 * some of it on the way: NaN and Infinity, raw control characters, a name cut
 * at its NUL byte, integers bent to the nearest of 64 bits, -0 as 0, a lone
 * surrogate as U+FFFD, and of two members with one name the last without a
 * word. For a file that carries secrets each of these is a document that means
 * something else than what was written. So the grammar is walked here, values
 * are json-c's, and its parser is left with what it does well: the escapes of
 * one string that is known to be well-formed.
 *
 * An integer that fits int64_t is VF_JSON_INT. Every other number is a
 * VF_JSON_DOUBLE that keeps its text; its numeric value is of no use to anyone
 * here, so it is not computed (strtod() would also depend on the locale).
 */
#include "vaultfs/json.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "vaultfs/text.h"

#include "internal.h"

#define PLAIN_NAME_SIZE 32

struct parser {
    const char *text; /* borrowed */
    size_t size;
    size_t at;
    unsigned depth;
    struct vf_error *err;
};

static int parse_value(struct parser *parser, struct json_object **ret);

static int fail(struct parser *parser, size_t at, const char *what)
{
    return vf_error_set(parser->err, EINVAL, "malformed JSON at byte %zu: %s",
                        at, what);
}

static int fail_memory(struct parser *parser)
{
    return vf_error_set(parser->err, ENOMEM, "no memory to read JSON");
}

/* The byte at an index; NUL, which no rule accepts, past the end. */
static char byte_at(const struct parser *parser, size_t index)
{
    return index < parser->size ? parser->text[index] : '\0';
}

static void skip_space(struct parser *parser)
{
    for (;; parser->at++) {
        switch (byte_at(parser, parser->at)) {
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            break;
        default:
            return;
        }
    }
}

/* Skip space, then take one byte if it is the wanted one. */
static bool take(struct parser *parser, char wanted)
{
    skip_space(parser);
    if (byte_at(parser, parser->at) != wanted)
        return false;
    parser->at++;
    return true;
}

/* The value of "\uXXXX" at an index, or -1 when that is not what is there. */
static int hex_escape(const struct parser *parser, size_t at)
{
    int code = 0;

    if (byte_at(parser, at) != '\\' || byte_at(parser, at + 1) != 'u')
        return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        int digit = vf_hex_value(byte_at(parser, i));

        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* Bytes of the escape at an index (of both halves of a surrogate pair), or 0
 * when it is malformed. */
static size_t escape_length(const struct parser *parser, size_t at)
{
    char kind = byte_at(parser, at + 1);

    if (kind != 'u')
        return kind != '\0' && strchr("\"\\/bfnrt", kind) != NULL ? 2 : 0;
    int code = hex_escape(parser, at);
    if (code < 0xD800 || code > 0xDFFF)
        return code < 0 ? 0 : 6;
    int low = hex_escape(parser, at + 6);
    return code <= 0xDBFF && low >= 0xDC00 && low <= 0xDFFF ? 12 : 0;
}

/* Bytes of UTF-8 that a well-formed escape of that length stands for. */
static size_t unescaped_length(const struct parser *parser, size_t at,
                               size_t length)
{
    if (length != 6)
        return length == 12 ? 4 : 1;
    int code = hex_escape(parser, at);
    return code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
}

/* Check the string whose quote is at the current place, up to its end, and
 * count the bytes of its value. */
static int scan_string(struct parser *parser, size_t *ret_end, size_t *ret_size)
{
    size_t at = parser->at + 1;
    size_t value_size = json_plain_run(parser->text + at, parser->size - at);

    for (at += value_size; at < parser->size && parser->text[at] != '"';) {
        size_t length;
        uint32_t code;

        if ((unsigned char)parser->text[at] < 0x20)
            return fail(parser, at, "a control character in a string");
        if (parser->text[at] == '\\') {
            length = escape_length(parser, at);
            if (length == 0)
                return fail(parser, at, "a malformed escape");
            value_size += unescaped_length(parser, at, length);
        } else {
            length =
                vf_utf8_decode(parser->text + at, parser->size - at, &code);
            if (length == 0)
                return fail(parser, at, "not UTF-8");
            value_size += length;
        }
        at += length;
    }
    if (at >= parser->size)
        return fail(parser, parser->size, "a string without an end");
    *ret_end = at + 1;
    *ret_size = value_size;
    return 0;
}

/* Have json-c resolve the escapes of a well-formed string, quotes included.
 * When memory is short its buffer drops bytes without a word, so they are
 * counted. NULL is no memory. */
static struct json_object *unescape(const char *text, size_t size,
                                    size_t value_size)
{
    struct json_tokener *tokener = json_tokener_new_ex(1);

    if (tokener == NULL)
        return NULL;
    json_tokener_set_flags(tokener,
                           JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *string =
        json_tokener_parse_ex(tokener, text, (int)size);
    json_tokener_free(tokener);
    if (string != NULL &&
        (size_t)json_object_get_string_len(string) != value_size) {
        json_object_put(string);
        return NULL;
    }
    return string;
}

static int parse_string(struct parser *parser, struct json_object **ret)
{
    const char *begin = parser->text + parser->at;
    struct json_object *string;
    size_t end = 0, value_size = 0;

    int result = scan_string(parser, &end, &value_size);
    if (result < 0)
        return result;
    size_t size = end - parser->at;
    if (value_size == size - 2) /* an escape is longer than its value */
        string = json_object_new_string_len(begin + 1, (int)value_size);
    else
        string = unescape(begin, size, value_size);
    if (string == NULL)
        return fail_memory(parser);
    parser->at = end;
    *ret = string;
    return 0;
}

static size_t skip_digits(const struct parser *parser, size_t at)
{
    while (byte_at(parser, at) >= '0' && byte_at(parser, at) <= '9')
        at++;
    return at;
}

/* The end of the number that begins here, 0 when there is none. */
static size_t number_end(const struct parser *parser, bool *ret_is_integer)
{
    size_t begin = parser->at + (byte_at(parser, parser->at) == '-');
    size_t at = skip_digits(parser, begin);
    bool is_integer = true;

    if (at == begin || (byte_at(parser, begin) == '0' && at > begin + 1))
        return 0;
    if (byte_at(parser, at) == '.') {
        begin = at + 1;
        at = skip_digits(parser, begin);
        if (at == begin)
            return 0;
        is_integer = false;
    }
    if (byte_at(parser, at) == 'e' || byte_at(parser, at) == 'E') {
        begin = at + 1;
        begin += byte_at(parser, begin) == '+' || byte_at(parser, begin) == '-';
        at = skip_digits(parser, begin);
        if (at == begin)
            return 0;
        is_integer = false;
    }
    *ret_is_integer = is_integer;
    return at;
}

static struct json_object *make_number(const char *text, bool is_integer)
{
    if (is_integer && strcmp(text, "-0") != 0) {
        errno = 0;
        long long value = strtoll(text, NULL, 10);
        if (errno == 0)
            return json_object_new_int64(value);
    }
    return json_object_new_double_s(0, text);
}

static int parse_number(struct parser *parser, struct json_object **ret)
{
    bool is_integer = false;
    size_t end = number_end(parser, &is_integer);

    if (end == 0)
        return fail(parser, parser->at, "a malformed number");
    char *text = strndup(parser->text + parser->at, end - parser->at);
    if (text == NULL)
        return fail_memory(parser);
    struct json_object *number = make_number(text, is_integer);
    free(text);
    if (number == NULL)
        return fail_memory(parser);
    parser->at = end;
    *ret = number;
    return 0;
}

static bool take_word(struct parser *parser, const char *word)
{
    size_t size = strlen(word);

    if (parser->size - parser->at < size ||
        memcmp(parser->text + parser->at, word, size) != 0)
        return false;
    parser->at += size;
    return true;
}

static int parse_word(struct parser *parser, struct json_object **ret)
{
    struct json_object *word = NULL;

    if (take_word(parser, "null")) {
        *ret = NULL;
        return 0;
    }
    if (take_word(parser, "true"))
        word = json_object_new_boolean(1);
    else if (take_word(parser, "false"))
        word = json_object_new_boolean(0);
    else
        return fail(parser, parser->at, "a value was expected");
    if (word == NULL)
        return fail_memory(parser);
    *ret = word;
    return 0;
}

static int parse_element(struct parser *parser, struct json_object *array)
{
    struct json_object *value = NULL;
    int result = parse_value(parser, &value);

    if (result < 0)
        return result;
    if (json_object_array_add(array, value) == 0)
        return 0;
    json_object_put(value);
    return fail_memory(parser);
}

/* A name that stands for itself and is short, as most are: no need to make a
 * value of it. */
static bool take_plain_name(struct parser *parser,
                            char ret[static PLAIN_NAME_SIZE])
{
    const char *begin = parser->text + parser->at + 1;
    size_t size = json_plain_run(begin, parser->size - parser->at - 1);

    if (size >= PLAIN_NAME_SIZE ||
        byte_at(parser, parser->at + 1 + size) != '"')
        return false;
    memcpy(ret, begin, size);
    ret[size] = '\0';
    parser->at += size + 2;
    return true;
}

/* A name's value, to be put; *ret is borrowed from it. */
static int parse_name(struct parser *parser, struct json_object **ret_key,
                      const char **ret)
{
    size_t at = parser->at;
    struct json_object *key = NULL;
    int result = parse_string(parser, &key);

    if (result < 0)
        return result;
    *ret_key = key;
    *ret = json_object_get_string(key);
    if (strlen(*ret) != (size_t)json_object_get_string_len(key))
        return fail(parser, at, "a NUL byte in a name");
    return 0;
}

/* Whether a member may be added under this name. */
static int check_name(struct parser *parser, size_t at,
                      struct json_object *object, const char *name)
{
    if (json_object_object_get_ex(object, name, NULL))
        return fail(parser, at, "a second member of the same name");
    return 0;
}

static int parse_member_value(struct parser *parser, struct json_object *object,
                              const char *name)
{
    struct json_object *value = NULL;

    if (!take(parser, ':'))
        return fail(parser, parser->at, "a colon was expected");
    int result = parse_value(parser, &value);
    if (result < 0)
        return result;
    if (json_object_object_add_ex(object, name, value,
                                  JSON_C_OBJECT_ADD_KEY_IS_NEW) == 0)
        return 0;
    json_object_put(value);
    return fail_memory(parser);
}

static int parse_member(struct parser *parser, struct json_object *object)
{
    char plain[PLAIN_NAME_SIZE];
    const char *name = plain;
    struct json_object *key = NULL;
    int result = 0;

    skip_space(parser);
    size_t at = parser->at;
    if (byte_at(parser, at) != '"')
        return fail(parser, at, "a name in quotes was expected");
    if (!take_plain_name(parser, plain))
        result = parse_name(parser, &key, &name);
    if (result == 0)
        result = check_name(parser, at, object, name);
    if (result == 0)
        result = parse_member_value(parser, object, name);
    json_object_put(key);
    return result;
}

/* What stands between brackets; the open one was taken. */
static int parse_items(struct parser *parser, struct json_object *container,
                       char close,
                       int (*parse_item)(struct parser *, struct json_object *))
{
    if (take(parser, close))
        return 0;
    do {
        int result = parse_item(parser, container);

        if (result < 0)
            return result;
    } while (take(parser, ','));
    if (!take(parser, close))
        return fail(parser, parser->at, "a comma or a bracket was expected");
    return 0;
}

static int parse_container(struct parser *parser, struct json_object **ret)
{
    bool is_object = parser->text[parser->at] == '{';

    if (parser->depth == VF_JSON_DEPTH_MAX)
        return fail(parser, parser->at, "nested too deep");
    struct json_object *container =
        is_object ? json_object_new_object() : json_object_new_array();
    if (container == NULL)
        return fail_memory(parser);
    parser->at++;
    parser->depth++;
    int result = is_object ? parse_items(parser, container, '}', parse_member)
                           : parse_items(parser, container, ']', parse_element);
    parser->depth--;
    if (result < 0) {
        json_object_put(container);
        return result;
    }
    *ret = container;
    return 0;
}

static int parse_value(struct parser *parser, struct json_object **ret)
{
    skip_space(parser);
    char first = byte_at(parser, parser->at);
    if (first == '{' || first == '[')
        return parse_container(parser, ret);
    if (first == '"')
        return parse_string(parser, ret);
    if (first == '-' || (first >= '0' && first <= '9'))
        return parse_number(parser, ret);
    return parse_word(parser, ret);
}

int vf_json_parse(const void *text, size_t size, struct vf_json **ret,
                  struct vf_error *err)
{
    struct parser parser = {.text = text, .size = size, .err = err};
    struct json_object *value = NULL;

    if (size > INT_MAX) /* json-c counts in int */
        return fail(&parser, INT_MAX, "too long");
    int result = parse_value(&parser, &value);
    if (result < 0)
        return result;
    skip_space(&parser);
    if (parser.at < size) {
        json_object_put(value);
        return fail(&parser, parser.at, "text after the end of the value");
    }
    *ret = from_json_c(value);
    return 0;
}
