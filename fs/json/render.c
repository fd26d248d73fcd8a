/* SPDX-License-Identifier: MIT */
#include "vaultfs/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include "internal.h"

/* Where text goes: a buffer, or locked memory. The first failure sticks. */
struct sink {
    int (*append)(void *to, const void *data, size_t size);
    void *to;
    int result;
};

#define COMPACT (-1) /* an indent that means no white space at all */

static void put_value(struct sink *sink, const struct vf_json *json,
                      int indent);

static int append_to_buf(void *to, const void *data, size_t size)
{
    struct vf_buf *buf = to;

    vf_buf_append(buf, data, size);
    return buf->is_broken ? -ENOMEM : 0;
}

static int append_to_secret(void *to, const void *data, size_t size)
{
    return vf_secret_append(to, data, size, NULL);
}

static void put(struct sink *sink, const void *data, size_t size)
{
    if (sink->result == 0 && size > 0)
        sink->result = sink->append(sink->to, data, size);
}

static void puts_to(struct sink *sink, const char *text)
{
    put(sink, text, strlen(text));
}

static void put_escape(struct sink *sink, unsigned char byte)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    for (const char *name = names; *name != '\0'; name += 2) {
        if ((unsigned char)*name == byte) {
            put(sink, (const char[]){'\\', name[1]}, 2);
            return;
        }
    }
    static const char digits[] = "0123456789abcdef";
    put(sink,
        (const char[]){'\\', 'u', '0', '0', digits[byte >> 4],
                       digits[byte & 15]},
        6);
}

/* Runs of bytes that need no escape go out as one piece: each append may
 * look at the size of a mapping. */
static void put_string(struct sink *sink, const char *text, size_t size)
{
    size_t begin = 0;

    if (!vf_utf8_is_valid(text, size)) {
        if (sink->result == 0)
            sink->result = -EINVAL;
        return;
    }
    puts_to(sink, "\"");
    for (size_t at = 0; at < size; at++) {
        unsigned char byte = (unsigned char)text[at];

        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        put(sink, text + begin, at - begin);
        put_escape(sink, byte);
        begin = at + 1;
    }
    put(sink, text + begin, size - begin);
    puts_to(sink, "\"");
}

static void put_break(struct sink *sink, int indent)
{
    static const char line[] = "\n                ";
    static const int deepest = (sizeof(line) - 2) / 2;
    int done = indent < deepest ? indent : deepest;

    if (indent == COMPACT)
        return;
    put(sink, line, 1 + 2 * (size_t)done);
    for (; done < indent; done++)
        puts_to(sink, "  ");
}

struct members {
    struct sink *sink;
    int indent;
    bool needs_comma;
};

static void begin_item(struct members *members)
{
    if (members->needs_comma)
        puts_to(members->sink, ",");
    members->needs_comma = true;
    put_break(members->sink, members->indent);
}

static int put_member(void *context, const char *key, struct vf_json *value)
{
    struct members *members = context;

    begin_item(members);
    put_string(members->sink, key, strlen(key));
    puts_to(members->sink, members->indent == COMPACT ? ":" : ": ");
    put_value(members->sink, value, members->indent);
    return 0;
}

static void put_container(struct sink *sink, const struct vf_json *json,
                          int indent)
{
    bool is_object = vf_json_type(json) == VF_JSON_OBJECT;
    struct members members = {
        .sink = sink, .indent = indent == COMPACT ? COMPACT : indent + 1};

    puts_to(sink, is_object ? "{" : "[");
    (void)vf_json_each(json, put_member, &members);
    for (size_t i = 0; !is_object && i < vf_json_count(json); i++) {
        begin_item(&members);
        put_value(sink, vf_json_at(json, i), members.indent);
    }
    if (vf_json_count(json) > 0)
        put_break(sink, indent);
    puts_to(sink, is_object ? "}" : "]");
}

static void put_value(struct sink *sink, const struct vf_json *json, int indent)
{
    char digits[32];
    size_t size = 0;
    const char *text;

    switch (vf_json_type(json)) {
    case VF_JSON_NULL:
        puts_to(sink, "null");
        break;
    case VF_JSON_BOOL:
        puts_to(sink, vf_json_bool(json) ? "true" : "false");
        break;
    case VF_JSON_INT:
        (void)snprintf(digits, sizeof(digits), "%" PRId64, vf_json_int(json));
        puts_to(sink, digits);
        break;
    case VF_JSON_DOUBLE:
        puts_to(sink, json_number_text(json));
        break;
    case VF_JSON_STRING:
        text = vf_json_string(json, &size);
        put_string(sink, text, size);
        break;
    case VF_JSON_ARRAY:
    case VF_JSON_OBJECT:
        put_container(sink, json, indent);
        break;
    }
}

static int render(const struct vf_json *json, int indent, const char *end,
                  char **ret, size_t *ret_size)
{
    struct vf_buf buf = VF_BUF_INIT;
    struct sink sink = {.append = append_to_buf, .to = &buf};

    put_value(&sink, json, indent);
    puts_to(&sink, end);
    if (sink.result < 0) {
        vf_buf_free(&buf);
        return sink.result;
    }
    *ret = buf.data;
    *ret_size = buf.size;
    return 0;
}

int vf_json_render_pretty(const struct vf_json *json, char **ret,
                          size_t *ret_size)
{
    return render(json, 0, "\n", ret, ret_size);
}

int vf_json_render_compact(const struct vf_json *json, char **ret,
                           size_t *ret_size)
{
    return render(json, COMPACT, "", ret, ret_size);
}

void vf_json_writer_init(struct vf_json_writer *writer, struct vf_secret *out)
{
    *writer = (struct vf_json_writer){.out = out};
}

static struct sink sink_of(struct vf_json_writer *writer)
{
    return (struct sink){.append = append_to_secret,
                         .to = writer->out,
                         .result = writer->result};
}

/* A comma if one is due, and the key if there is one. */
static struct sink begin_value(struct vf_json_writer *writer, const char *key)
{
    struct sink sink = sink_of(writer);

    if (writer->needs_comma)
        puts_to(&sink, ",");
    if (key != NULL) {
        put_string(&sink, key, strlen(key));
        puts_to(&sink, ":");
    }
    return sink;
}

static void end_value(struct vf_json_writer *writer, const struct sink *sink,
                      bool needs_comma)
{
    writer->result = sink->result;
    writer->needs_comma = needs_comma;
}

void vf_json_write_begin(struct vf_json_writer *writer, const char *key,
                         char bracket)
{
    assert(bracket == '{' || bracket == '[');
    struct sink sink = begin_value(writer, key);
    put(&sink, &bracket, 1);
    end_value(writer, &sink, false);
}

void vf_json_write_end(struct vf_json_writer *writer, char bracket)
{
    assert(bracket == '}' || bracket == ']');
    struct sink sink = sink_of(writer);
    put(&sink, &bracket, 1);
    end_value(writer, &sink, true);
}

void vf_json_write_string(struct vf_json_writer *writer, const char *key,
                          const void *value, size_t size)
{
    struct sink sink = begin_value(writer, key);

    put_string(&sink, value, size);
    end_value(writer, &sink, true);
}

void vf_json_write_null(struct vf_json_writer *writer, const char *key)
{
    vf_json_write_value(writer, key, NULL);
}

void vf_json_write_value(struct vf_json_writer *writer, const char *key,
                         const struct vf_json *value)
{
    struct sink sink = begin_value(writer, key);

    put_value(&sink, value, COMPACT);
    end_value(writer, &sink, true);
}
