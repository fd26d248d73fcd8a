/* SPDX-License-Identifier: MIT */
#include "register.h"

#include "db.h"
#include "store.h"

#include "vaultfs/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    enum vf_token_kind kind;
    struct vf_register found;
};

static int add(struct vf_register *all, sqlite3_stmt *row, struct vf_error *err)
{
    size_t size = (all->count + 1) * sizeof(*all->entries);
    struct vf_issued *entries = realloc(all->entries, size);

    if (entries == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the list");
    all->entries = entries;
    char *name = strdup(vf_db_text(row, 1));
    if (name == NULL)
        return vf_error_set(err, ENOMEM, "no memory for the list");
    struct vf_issued *entry = &entries[all->count++];
    *entry = (struct vf_issued){.name = name,
                                .scopes = (unsigned)sqlite3_column_int(row, 2),
                                .created_us = sqlite3_column_int64(row, 3),
                                .expires_us = sqlite3_column_int64(row, 4),
                                .revoked_us = sqlite3_column_int64(row, 5),
                                .used_us = sqlite3_column_int64(row, 6)};
    vf_error_copy(entry->id, sizeof(entry->id), vf_db_text(row, 0));
    return 0;
}

static int list(void *context, const struct vf_access *access,
                struct vf_error *err)
{
    static const char sql[] =
        "SELECT id, name, scopes, created_us, expires_us, revoked_us, used_us"
        " FROM issued WHERE kind = ?1 ORDER BY created_us, id";
    struct listing *listing = context;
    sqlite3_stmt *row;
    int result = vf_db_query(access->db, sql,
                             VF_VALUES(VF_TEXT(vf_token_word(listing->kind))),
                             &row, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(access->db, row, err)) > 0)
        if ((result = add(&listing->found, row, err)) < 0)
            break;
    vf_db_end(row);
    return result;
}

int vf_register_read(struct vf_store *store, enum vf_token_kind kind,
                     struct vf_register *ret, struct vf_error *err)
{
    struct listing listing = {.kind = kind};
    int result = vf_store_read(store, list, &listing, err);

    if (result < 0)
        vf_register_done(&listing.found);
    else
        *ret = listing.found;
    return result;
}

void vf_register_done(struct vf_register *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->entries[i].name);
    free(all->entries);
    *all = (struct vf_register){0};
}

struct revocation {
    enum vf_token_kind kind;
    const char *const *names;
    size_t count;
};

/* Which one a name means. */
struct match {
    char id[VF_ID_SIZE]; /* "" for none that is active */
    size_t active;
    size_t known;
};

/* An id before a name: nobody can take it away by a name like it. */
static int match(const struct vf_access *access, enum vf_token_kind kind,
                 const char *name, struct match *ret, struct vf_error *err)
{
    static const char sql[] =
        "SELECT id, id = ?1, revoked_us IS NULL AND"
        " coalesce(expires_us > ?3, 1) FROM issued"
        " WHERE kind = ?2 AND (id = ?1 OR (name = ?1 AND name <> ''))"
        " ORDER BY id = ?1 DESC";
    sqlite3_stmt *row;
    int result =
        vf_db_query(access->db, sql,
                    VF_VALUES(VF_TEXT(name), VF_TEXT(vf_token_word(kind)),
                              VF_INT(vf_now_us())),
                    &row, err);

    if (result < 0)
        return result;
    while ((result = vf_db_step(access->db, row, err)) > 0) {
        bool is_id = sqlite3_column_int(row, 1) != 0;

        ret->known++;
        if (!is_id && sqlite3_column_int(row, 2) == 0)
            continue;
        ret->active++;
        vf_error_copy(ret->id, sizeof(ret->id), vf_db_text(row, 0));
        if (is_id)
            break;
    }
    vf_db_end(row);
    return result < 0 ? result : 0;
}

/* Who pasted a token where its id belongs shall not see it in a log. */
static int refuse(const char *name, enum vf_token_kind kind, const char *why,
                  struct vf_error *err)
{
    struct vf_buf shown = VF_BUF_INIT;
    const char *noun = vf_token_noun(kind);

    if (vf_token_is_one(name))
        return vf_error_set(err, EINVAL,
                            "that is a %s, not its id or name: it was seen on "
                            "a command line; find its id with `list`",
                            noun);
    vf_buf_put_escaped(&shown, name, strlen(name));
    vf_error_set(err, EINVAL, "%s: %s %s; nothing was revoked",
                 shown.data != NULL ? shown.data : "''", why, noun);
    vf_buf_free(&shown);
    return -EINVAL;
}

static int revoke_one(const struct vf_access *access, enum vf_token_kind kind,
                      const char *name, struct vf_error *err)
{
    struct match found = {0};
    int result = match(access, kind, name, &found, err);

    if (result < 0)
        return result;
    if (found.known == 0)
        return refuse(name, kind, "no such", err);
    if (found.active > 1)
        return refuse(name, kind, "the name of more than one active", err);
    return vf_db_run(access->db,
                     "UPDATE issued SET revoked_us = ?2"
                     " WHERE (id = ?1 OR key_id = ?1) AND revoked_us IS NULL",
                     VF_VALUES(VF_TEXT(found.id), VF_INT(vf_now_us())), err);
}

static int revoke(void *context, const struct vf_access *access,
                  struct vf_error *err)
{
    const struct revocation *revocation = context;
    int result = 0;

    for (size_t i = 0; result == 0 && i < revocation->count; i++)
        result =
            revoke_one(access, revocation->kind, revocation->names[i], err);
    return result;
}

/* It makes nothing smaller, but what is kept for a full disk is well spent. */
int vf_register_revoke(struct vf_store *store, enum vf_token_kind kind,
                       const char *const *names, size_t count,
                       struct vf_error *err)
{
    struct revocation revocation = {kind, names, count};

    return vf_store_write(store, VF_STORE_SHRINKS, revoke, &revocation, err);
}
