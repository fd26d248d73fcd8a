/* SPDX-License-Identifier: MIT
 *
 * A reply is cleaned as text, before it is parsed: so no secret gets into an
 * object, wherever in it the service put one, under whatever name.
 *
 * But what a user wrote in the open stays: a server's URL may hold the token
 * that is also the credential's, and an object without its URL is no use. So a
 * string that the request's body has too, more often than as a secret, is left
 * as it is.
 */
#include "redact.h"

#include "vaultfs/json.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is being cleaned: text up to done is in out. */
struct cleaning {
    const struct vf_in_flight *in_flight;
    struct vf_sieve sieve;
    const char *text;
    size_t size;
    size_t done;
    struct vf_buf out;
};

/* How often the body has a string, given with its quotes. A quote after a
 * backslash does not begin one. */
static size_t count_in(const struct vf_secret *body,
                       const struct vf_secret *quoted)
{
    const char *start = vf_secret_data(body), *at = start;
    const char *end = start + vf_secret_size(body);
    size_t count = 0;

    for (;;) {
        at = memmem(at, (size_t)(end - at), vf_secret_data(quoted),
                    vf_secret_size(quoted));
        if (at == NULL)
            return count;
        count += at == start || at[-1] != '\\';
        at++;
    }
}

/* How many of the secrets are the string. */
static size_t count_secrets(const struct vf_in_flight *in_flight,
                            const char *string, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < in_flight->count; i++) {
        const struct vf_secret *secret = in_flight->secrets[i];

        count += secret != NULL && vf_secret_size(secret) == size &&
                 memcmp(vf_secret_data(secret), string, size) == 0;
    }
    return count;
}

/* A string as the writer of the body writes it, quotes and all. */
static int write_again(const struct vf_json *string, struct vf_secret **ret)
{
    struct vf_json_writer writer;
    struct vf_secret *out;
    int result = vf_secret_new(0, &out, NULL);

    if (result < 0)
        return result;
    vf_json_writer_init(&writer, out);
    vf_json_write_value(&writer, NULL, string);
    if (writer.result < 0)
        vf_secret_unref(out);
    else
        *ret = out;
    return writer.result;
}

/* Whether the request had this string, given with its quotes, in the open. */
static bool was_sent_openly(const struct vf_in_flight *in_flight,
                            const char *quoted, size_t size)
{
    struct vf_json *string;
    struct vf_secret *again = NULL;
    bool was_sent = false;

    if (in_flight->body == NULL ||
        vf_json_parse(quoted, size, &string, NULL) < 0)
        return false;
    if (write_again(string, &again) == 0) {
        size_t string_size = 0;
        const char *bytes = vf_json_string(string, &string_size);

        was_sent = count_in(in_flight->body, again) >
                   count_secrets(in_flight, bytes, string_size);
        vf_secret_unref(again);
    }
    vf_json_free(string);
    return was_sent;
}

static void put_clean(struct vf_buf *out, const char *text, size_t size,
                      const bool *is_struck)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_struck[i])
            vf_buf_append(out, text + i, 1);
        else if (i == 0 || !is_struck[i - 1])
            vf_buf_puts(out, VF_REDACT_MARK);
    }
}

/* Up to where text was not cleaned yet. */
static void put_rest(struct cleaning *cleaning, size_t end)
{
    vf_buf_append(&cleaning->out, cleaning->text + cleaning->done,
                  end - cleaning->done);
    cleaning->done = end;
}

/* The text of a string between its quotes, or of a number. */
static int clean_part(struct cleaning *cleaning, size_t start, size_t end)
{
    const char *part = cleaning->text + start;
    size_t size = end - start;
    bool is_string = start > 0 && part[-1] == '"';
    bool is_whole = is_string && end < cleaning->size; /* with both quotes */

    if (!vf_sieve_may_have(&cleaning->sieve, part, size))
        return 0;
    bool *is_struck = calloc(size, sizeof(bool));
    if (is_struck == NULL)
        return -ENOMEM;
    vf_redact_mark(part, size, cleaning->in_flight, VF_REDACT_INSIDE_MIN,
                   is_struck);
    bool is_found = memchr(is_struck, true, size) != NULL;
    bool is_open = is_found && is_whole &&
                   was_sent_openly(cleaning->in_flight, part - 1, size + 2);
    if (is_found && is_string && !is_open) {
        put_rest(cleaning, start);
        put_clean(&cleaning->out, part, size, is_struck);
        cleaning->done = end;
    } else if (is_found && !is_string && size >= VF_REDACT_INSIDE_MIN) {
        put_rest(cleaning, start);
        vf_buf_puts(&cleaning->out, "\"" VF_REDACT_MARK "\"");
        cleaning->done = end;
    }
    free(is_struck);
    return 0;
}

/* The end of the string whose first byte is given; of one that does not end,
 * the end of the text. */
static size_t end_of_string(const struct cleaning *cleaning, size_t at)
{
    const char *start = cleaning->text + at;
    const char *quote = memchr(start, '"', cleaning->size - at);

    if (quote != NULL && memchr(start, '\\', (size_t)(quote - start)) == NULL)
        return (size_t)(quote - cleaning->text);
    while (at < cleaning->size && cleaning->text[at] != '"')
        at += cleaning->text[at] == '\\' ? 2 : 1;
    return at < cleaning->size ? at : cleaning->size;
}

static size_t end_of_scalar(const struct cleaning *cleaning, size_t at)
{
    static const bool is_break[UCHAR_MAX + 1] = {
        [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true,
        [','] = true, [':'] = true,  ['['] = true,  [']'] = true,
        ['{'] = true, ['}'] = true,  ['"'] = true,
    };

    while (at < cleaning->size && !is_break[(unsigned char)cleaning->text[at]])
        at++;
    return at;
}

static int clean_all(struct cleaning *cleaning)
{
    size_t at = 0;
    int result = 0;

    while (result == 0 && at < cleaning->size) {
        bool is_string = cleaning->text[at] == '"';
        size_t start = is_string ? at + 1 : at;
        size_t end = is_string ? end_of_string(cleaning, start)
                               : end_of_scalar(cleaning, start);

        if (end > start)
            result = clean_part(cleaning, start, end);
        at = is_string || end == start ? end + 1 : end;
    }
    if (result == 0 && cleaning->out.size > 0)
        put_rest(cleaning, cleaning->size);
    return cleaning->out.is_broken ? -ENOMEM : result;
}

int vf_redact_json(const char *text, size_t size,
                   const struct vf_in_flight *in_flight, char **ret,
                   size_t *ret_size)
{
    struct cleaning cleaning = {
        .in_flight = in_flight, .text = text, .size = size};

    vf_sieve_init(&cleaning.sieve, in_flight);
    int result = clean_all(&cleaning);
    vf_wipe(&cleaning.sieve, sizeof(cleaning.sieve));
    if (result < 0) {
        vf_buf_free(&cleaning.out);
        return result;
    }
    *ret = cleaning.out.data;
    *ret_size = cleaning.out.size;
    return 0;
}
