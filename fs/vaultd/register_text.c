/* SPDX-License-Identifier: MIT */
#include "register.h"

#include "problem.h"

#include "vaultfs/clock.h"
#include "vaultfs/text.h"

#include <string.h>

static const char *state_of(const struct vf_issued *entry, int64_t now_us)
{
    if (entry->revoked_us != 0)
        return "revoked";
    return entry->expires_us != 0 && entry->expires_us <= now_us ? "expired"
                                                                 : "active";
}

/* To the second: nobody compares them by eye to the microsecond. */
static void put_time(int64_t us, struct vf_buf *ret)
{
    char text[VF_TIME_SIZE] = "-";

    if (us != 0)
        vf_time_format((struct timespec){.tv_sec = us / 1000000}, text);
    vf_buf_puts(ret, text);
}

static void put_id(const struct vf_issued *entry, int64_t now_us,
                   struct vf_buf *ret)
{
    vf_buf_puts(ret, entry->id);
}

static void put_name(const struct vf_issued *entry, int64_t now_us,
                     struct vf_buf *ret)
{
    const char *name = entry->name[0] != '\0' ? entry->name : "-";

    vf_buf_put_escaped(ret, name, strlen(name));
}

static void put_scopes(const struct vf_issued *entry, int64_t now_us,
                       struct vf_buf *ret)
{
    vf_scopes_put(entry->scopes, "", ",", ret);
}

static void put_created(const struct vf_issued *entry, int64_t now_us,
                        struct vf_buf *ret)
{
    put_time(entry->created_us, ret);
}

static void put_expires(const struct vf_issued *entry, int64_t now_us,
                        struct vf_buf *ret)
{
    put_time(entry->expires_us, ret);
}

static void put_used(const struct vf_issued *entry, int64_t now_us,
                     struct vf_buf *ret)
{
    put_time(entry->used_us, ret);
}

static void put_state(const struct vf_issued *entry, int64_t now_us,
                      struct vf_buf *ret)
{
    vf_buf_puts(ret, state_of(entry, now_us));
}

static const struct {
    const char *title;
    void (*put)(const struct vf_issued *entry, int64_t now_us,
                struct vf_buf *ret);
} columns[] = {
    {"ID", put_id},           {"NAME", put_name},       {"SCOPES", put_scopes},
    {"CREATED", put_created}, {"EXPIRES", put_expires}, {"LAST USED", put_used},
    {"STATE", put_state},
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* A cell's width on a terminal, as far as a character is a column. */
static size_t width_of(const struct vf_buf *cell)
{
    return cell->data != NULL ? vf_utf8_length(cell->data, cell->size) : 0;
}

/* entry NULL: the titles. */
static void put_cell(const struct vf_issued *entry, size_t column,
                     int64_t now_us, struct vf_buf *ret)
{
    if (entry == NULL)
        vf_buf_puts(ret, columns[column].title);
    else
        columns[column].put(entry, now_us, ret);
}

static void measure(const struct vf_issued *entry, int64_t now_us,
                    size_t widths[static COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++) {
        struct vf_buf cell = VF_BUF_INIT;

        put_cell(entry, i, now_us, &cell);
        if (width_of(&cell) > widths[i])
            widths[i] = width_of(&cell);
        vf_buf_free(&cell);
    }
}

static void put_row(const struct vf_issued *entry, int64_t now_us,
                    const size_t widths[static COLUMNS], struct vf_buf *ret)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        struct vf_buf cell = VF_BUF_INIT;

        put_cell(entry, i, now_us, &cell);
        vf_buf_append(ret, cell.data, cell.size);
        if (i + 1 < COLUMNS)
            vf_buf_printf(ret, "%*s", (int)(widths[i] - width_of(&cell) + 2),
                          "");
        vf_buf_free(&cell);
    }
    vf_buf_puts(ret, "\n");
}

void vf_register_put_table(const struct vf_register *all, int64_t now_us,
                           struct vf_buf *ret)
{
    size_t widths[COLUMNS] = {0};

    measure(NULL, now_us, widths);
    for (size_t i = 0; i < all->count; i++)
        measure(&all->entries[i], now_us, widths);
    put_row(NULL, now_us, widths, ret);
    for (size_t i = 0; i < all->count; i++)
        put_row(&all->entries[i], now_us, widths, ret);
}

static void put_json_time(const char *key, int64_t us, struct vf_buf *ret)
{
    vf_buf_printf(ret, ",\"%s\":", key);
    if (us != 0)
        vf_put_json_time(ret, us);
    else
        vf_buf_puts(ret, "null");
}

static void put_object(const struct vf_issued *entry, int64_t now_us,
                       struct vf_buf *ret)
{
    vf_buf_printf(ret, "{\"id\":\"%s\",\"name\":", entry->id);
    vf_buf_put_json(ret, entry->name);
    vf_buf_puts(ret, ",\"scopes\":[");
    vf_scopes_put(entry->scopes, "\"", ",", ret);
    vf_buf_puts(ret, "]");
    put_json_time("created_at", entry->created_us, ret);
    put_json_time("expires_at", entry->expires_us, ret);
    put_json_time("last_used_at", entry->used_us, ret);
    put_json_time("revoked_at", entry->revoked_us, ret);
    vf_buf_printf(ret, ",\"state\":\"%s\"}", state_of(entry, now_us));
}

void vf_register_put_json(const struct vf_register *all, int64_t now_us,
                          struct vf_buf *ret)
{
    const char *before = "[";

    for (size_t i = 0; i < all->count; i++) {
        vf_buf_puts(ret, before);
        put_object(&all->entries[i], now_us, ret);
        before = ",\n ";
    }
    vf_buf_puts(ret, all->count > 0 ? "]\n" : "[]\n");
}
