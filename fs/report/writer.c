/* SPDX-License-Identifier: MIT */
#include "writer.h"

#include <inttypes.h>

static void put_line(struct writer *writer)
{
    if (!writer->is_pretty)
        return;
    vf_buf_puts(writer->out, "\n");
    for (unsigned i = 0; i < writer->depth; i++)
        vf_buf_puts(writer->out, "  ");
}

static void put_key(struct writer *writer, const char *key)
{
    if (key == NULL)
        return;
    if (writer->needs_comma)
        vf_buf_puts(writer->out, ",");
    put_line(writer);
    vf_buf_put_json(writer->out, key);
    vf_buf_puts(writer->out, writer->is_pretty ? ": " : ":");
    writer->needs_comma = true;
}

void writer_begin(struct writer *writer, const char *key)
{
    put_key(writer, key);
    vf_buf_puts(writer->out, "{");
    writer->depth++;
    writer->needs_comma = false;
}

void writer_end(struct writer *writer)
{
    writer->depth--;
    if (writer->needs_comma)
        put_line(writer);
    vf_buf_puts(writer->out, "}");
    writer->needs_comma = true;
    if (writer->depth == 0)
        vf_buf_puts(writer->out, "\n");
}

void writer_string(struct writer *writer, const char *key, const char *value)
{
    put_key(writer, key);
    vf_buf_put_json(writer->out, value);
}

void writer_number(struct writer *writer, const char *key, uint64_t value)
{
    put_key(writer, key);
    vf_buf_printf(writer->out, "%" PRIu64, value);
}

void writer_bool(struct writer *writer, const char *key, bool value)
{
    put_key(writer, key);
    vf_buf_puts(writer->out, value ? "true" : "false");
}
