/* SPDX-License-Identifier: MIT
 *
 * Lists are ordered by id, and a cursor is an id: it stays good when its object
 * is deleted, and what is created meanwhile neither repeats nor hides a row.
 * `after` and `after_id` give what follows an id in the list's order,
 * `before_id` what comes before it. `page` is one of the two in an opaque form:
 * a letter for the direction and the id's digits.
 */
#include "list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The bounds of all ids, for a scan without a cursor. */
#define BEFORE_ALL ""
#define AFTER_ALL "~"

#define ROWS_MAX 100

struct query {
    int limit;
    enum vf_wanted wanted;
    const char *name; /* or NULL */
    bool is_backward;
    char cursor[VF_ID_SIZE]; /* "" for none */
};

static const char *ask(const struct vf_call *call, const char *name)
{
    return call->query(call->query_context, name);
}

static int parse_limit(const struct vf_call *call, struct query *query,
                       struct vf_error *err)
{
    const char *text = ask(call, "limit");
    char *end;

    query->limit = call->dialect->limit_default;
    if (text == NULL)
        return 0;
    long value = strtol(text, &end, 10);
    if (strspn(text, "0123456789") != strlen(text) || end == text ||
        value < 1 || value > call->dialect->limit_max)
        return vf_refuse(err, VF_PROBLEM_INVALID, "limit",
                         "must be a number from 1 to %d",
                         call->dialect->limit_max);
    query->limit = (int)value;
    return 0;
}

static int parse_filter(const struct vf_call *call, struct query *query,
                        struct vf_error *err)
{
    const struct vf_list_style *style = &call->dialect->list;
    const char *text = ask(call, style->filter);

    if (text == NULL)
        return 0;
    for (size_t i = 0; i < 2; i++)
        if (strcmp(style->words[i].word, text) == 0) {
            query->wanted = style->words[i].wanted;
            return 0;
        }
    return vf_refuse(err, VF_PROBLEM_INVALID, style->filter, "must be %s or %s",
                     style->words[0].word, style->words[1].word);
}

/* Whichever of the cursors is given, as direction and id. */
static int parse_cursor(const struct vf_list *list, const struct vf_call *call,
                        struct query *query, struct vf_error *err)
{
    const char *const *names = call->dialect->list.cursors;
    const char *used = NULL, *text = NULL;

    for (size_t i = 0; names[i] != NULL; i++) {
        const char *value = ask(call, names[i]);

        if (value == NULL)
            continue;
        if (used != NULL)
            return vf_refuse(err, VF_PROBLEM_INVALID, names[i],
                             "cannot be used together with %s", used);
        used = names[i];
        text = value;
    }
    if (used == NULL)
        return 0;
    struct vf_buf id = VF_BUF_INIT;
    query->is_backward = used[0] == 'b' || (used[0] == 'p' && text[0] == 'b');
    if (used[0] == 'p' && (text[0] == 'a' || text[0] == 'b'))
        vf_buf_printf(&id, "%s%s", list->id_prefix, text + 1);
    else if (used[0] != 'p')
        vf_buf_puts(&id, text);
    bool is_valid = id.data != NULL && vf_id_is_valid(list->id_prefix, id.data);
    if (is_valid)
        memcpy(query->cursor, id.data, id.size + 1);
    vf_buf_free(&id);
    return is_valid
               ? 0
               : vf_refuse(err, VF_PROBLEM_INVALID, used, "is not a cursor");
}

static int parse(const struct vf_list *list, const struct vf_call *call,
                 struct query *query, struct vf_error *err)
{
    int result = parse_limit(call, query, err);

    if (result == 0)
        result = parse_filter(call, query, err);
    if (result == 0)
        result = parse_cursor(list, call, query, err);
    query->name = call->dialect->list.has_name ? ask(call, "name") : NULL;
    if (query->name != NULL && query->name[0] == '\0')
        query->name = NULL;
    if (result == 0 && query->name != NULL &&
        !vf_utf8_is_valid(query->name, strlen(query->name)))
        result = vf_refuse(err, VF_PROBLEM_INVALID, "name", "is not UTF-8");
    return result;
}

/* The rows of a page in the order of the scan. */
struct rows {
    struct vf_buf text; /* all of them, one after another */
    size_t end[ROWS_MAX];
    char id[ROWS_MAX][VF_ID_SIZE];
    int count;
    bool has_more;
};

static int scan(const struct vf_list *list, const struct vf_call *call,
                const struct query *query, const struct vf_access *access,
                struct rows *rows, struct vf_error *err)
{
    bool is_descending = query->is_backward == call->rules->is_oldest_first;
    const char *start = query->cursor[0] != '\0' ? query->cursor
                        : is_descending          ? AFTER_ALL
                                                 : BEFORE_ALL;
    sqlite3_stmt *row;
    int result = vf_db_query(
        access->db, is_descending ? list->descending : list->ascending,
        VF_VALUES(VF_TEXT(start), VF_INT(query->wanted), VF_TEXT(query->name),
                  VF_INT(query->limit + 1), VF_TEXT(call->vault_id)),
        &row, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(access->db, row, err)) > 0) {
        rows->has_more = rows->count == query->limit;
        if (rows->has_more)
            break;
        list->put(row, &rows->text);
        vf_buf_puts(&rows->text, "}");
        vf_error_copy(rows->id[rows->count], VF_ID_SIZE, vf_db_text(row, 0));
        rows->end[rows->count++] = rows->text.size;
    }
    vf_db_end(row);
    return result < 0 ? result : 0;
}

static void put_id(struct vf_buf *reply, const char *key, const char *id)
{
    if (id != NULL)
        vf_buf_printf(reply, ",\"%s\":\"%s\"", key, id);
    else
        vf_buf_printf(reply, ",\"%s\":null", key);
}

static void put_data(const struct query *query, const struct rows *rows,
                     struct vf_buf *reply)
{
    vf_buf_puts(reply, "{\"data\":[");
    for (int i = 0; i < rows->count; i++) {
        int at = query->is_backward ? rows->count - 1 - i : i;
        size_t begin = at > 0 ? rows->end[at - 1] : 0;

        vf_buf_puts(reply, i > 0 ? "," : "");
        vf_buf_append(reply, rows->text.data + begin, rows->end[at] - begin);
    }
    vf_buf_puts(reply, "]");
}

static void put_next_page(const struct vf_list *list, const struct query *query,
                          const struct rows *rows, struct vf_buf *reply)
{
    if (rows->has_more)
        vf_buf_printf(reply, ",\"next_page\":\"%c%s\"",
                      query->is_backward ? 'b' : 'a',
                      rows->id[rows->count - 1] + strlen(list->id_prefix));
    else
        vf_buf_puts(reply, ",\"next_page\":null");
}

static void put_ends(const struct query *query, const struct rows *rows,
                     struct vf_buf *reply)
{
    const char *ends[2] = {NULL, NULL}; /* first and last of the scan */

    if (rows->count > 0) {
        ends[0] = rows->id[0];
        ends[1] = rows->id[rows->count - 1];
    }
    put_id(reply, "first_id", ends[query->is_backward ? 1 : 0]);
    put_id(reply, "last_id", ends[query->is_backward ? 0 : 1]);
    vf_buf_printf(reply, ",\"has_more\":%s", rows->has_more ? "true" : "false");
}

static void put_page(const struct vf_list *list, const struct query *query,
                     const struct rows *rows, struct vf_call *call)
{
    put_data(query, rows, &call->reply);
    if (call->dialect->list.has_next_page)
        put_next_page(list, query, rows, &call->reply);
    if (call->dialect->list.has_ends)
        put_ends(query, rows, &call->reply);
    vf_buf_puts(&call->reply, "}");
}

int vf_list_answer(const struct vf_list *list, struct vf_call *call,
                   const struct vf_access *access, struct vf_error *err)
{
    struct query query = {0};
    struct rows rows = {.text = VF_BUF_INIT};
    int result = parse(list, call, &query, err);

    if (result < 0)
        return result;
    result = scan(list, call, &query, access, &rows, err);
    if (result == 0 && rows.text.is_broken)
        result = vf_error_set(err, ENOMEM, "no memory for a page");
    if (result == 0)
        put_page(list, &query, &rows, call);
    vf_buf_free(&rows.text);
    return result;
}
