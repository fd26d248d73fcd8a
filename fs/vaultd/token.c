/* SPDX-License-Identifier: MIT */
#include "token.h"

#include "db.h"
#include "problem.h"
#include "seal.h"
#include "store.h"

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_MAX 4
#define RANDOM_SIZE 32
/* Characters after the prefix; the library counts a NUL. */
#define DIGITS                                                                 \
    (sodium_base64_ENCODED_LEN(RANDOM_SIZE,                                    \
                               sodium_base64_VARIANT_URLSAFE_NO_PADDING) -     \
     1)

static const struct {
    const char *word;
    const char *noun;
    const char *prefix;
    const char *id_prefix;
} kinds[] = {
    [VF_TOKEN_PERSONAL] = {"token", "token", "pt-", "tok_"},
    [VF_TOKEN_KEY] = {"key", "key", "sak-", "key_"},
    [VF_TOKEN_EXCHANGED] = {"exchanged", "token", "sat-", "sat_"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *vf_token_noun(enum vf_token_kind kind)
{
    return kinds[kind].noun;
}

const char *vf_token_word(enum vf_token_kind kind)
{
    return kinds[kind].word;
}

bool vf_token_is_one(const char *text)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t size = strlen(kinds[i].prefix);

        if (strncmp(text, kinds[i].prefix, size) == 0 &&
            strlen(text + size) >= DIGITS)
            return true;
    }
    return false;
}

static int make(enum vf_token_kind kind, struct vf_secret **ret,
                struct vf_error *err)
{
    const char *prefix = kinds[kind].prefix;
    size_t size = strlen(prefix);
    unsigned char bytes[RANDOM_SIZE];
    char text[PREFIX_MAX + DIGITS + 1];

    memcpy(text, prefix, size);
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2base64(text + size, DIGITS + 1, bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int result = vf_secret_from(text, size + DIGITS, ret, err);
    vf_wipe(bytes, sizeof(bytes));
    vf_wipe(text, sizeof(text));
    return result;
}

static void hash_token(const struct vf_seal *seal, const char *token,
                       size_t size, unsigned char ret[static VF_SEAL_HASH_SIZE])
{
    const struct vf_seal_part part = {token, size};

    vf_seal_hash(seal, VF_SEAL_TOKEN, &part, 1, ret);
}

int vf_token_insert(const struct vf_access *access, struct vf_grant *grant,
                    const char *name, const char *key_id,
                    struct vf_secret **ret, struct vf_error *err)
{
    static const char sql[] =
        "INSERT INTO issued (id, kind, hash, name, scopes, created_us,"
        " expires_us, key_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
        " nullif(?7, 0), ?8)";
    unsigned char hash[VF_SEAL_HASH_SIZE];
    int64_t now_us = vf_now_us();
    struct vf_secret *token;
    int result = make(grant->kind, &token, err);

    if (result < 0)
        return result;
    hash_token(access->seal, vf_secret_data(token), vf_secret_size(token),
               hash);
    vf_ids_next(access->ids, kinds[grant->kind].id_prefix, now_us, grant->id);
    result = vf_db_run(access->db, sql,
                       VF_VALUES(VF_TEXT(grant->id),
                                 VF_TEXT(kinds[grant->kind].word),
                                 VF_BLOB(hash, sizeof(hash)), VF_TEXT(name),
                                 VF_INT(grant->scopes), VF_INT(now_us),
                                 VF_INT(grant->expires_us), VF_TEXT(key_id)),
                       err);
    if (result < 0) {
        vf_secret_unref(token);
        return result;
    }
    *ret = token;
    return 0;
}

struct creation {
    struct vf_grant *grant;
    const char *name;
    struct vf_secret *token;
};

/* May run twice; the token of a run that came to nothing is none. */
static int create(void *context, const struct vf_access *access,
                  struct vf_error *err)
{
    struct creation *creation = context;

    creation->token = vf_secret_unref(creation->token);
    return vf_token_insert(access, creation->grant, creation->name, NULL,
                           &creation->token, err);
}

int vf_token_create(struct vf_store *store, struct vf_grant *grant,
                    const char *name, struct vf_secret **ret,
                    struct vf_error *err)
{
    struct creation creation = {.grant = grant, .name = name};
    int result = vf_store_write(store, VF_STORE_GROWS, create, &creation, err);

    if (result < 0)
        vf_secret_unref(creation.token);
    else
        *ret = creation.token;
    return result;
}

static enum vf_token_kind kind_of(const char *word)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].word, word) == 0)
            return (enum vf_token_kind)i;
    return VF_TOKEN_KEY; /* what is good for the least */
}

/* The row of one that is known: whether it is still good. */
static int judge(sqlite3_stmt *row, struct vf_grant *ret, struct vf_error *err)
{
    struct vf_grant grant = {.kind = kind_of(vf_db_text(row, 1)),
                             .scopes = (unsigned)sqlite3_column_int(row, 2),
                             .expires_us = sqlite3_column_int64(row, 3)};
    const char *noun = kinds[grant.kind].noun;
    char time[VF_TIME_SIZE];

    if (sqlite3_column_type(row, 4) != SQLITE_NULL)
        return vf_refuse(err, VF_PROBLEM_UNAUTHENTICATED, "",
                         "the %s was revoked", noun);
    if (grant.expires_us != 0 && grant.expires_us <= vf_now_us()) {
        vf_time_format((struct timespec){.tv_sec = grant.expires_us / 1000000},
                       time);
        return vf_refuse(err, VF_PROBLEM_UNAUTHENTICATED, "",
                         "the %s expired on %s", noun, time);
    }
    vf_error_copy(grant.id, sizeof(grant.id), vf_db_text(row, 0));
    *ret = grant;
    return 0;
}

#define SELECT                                                                 \
    "SELECT id, kind, scopes, expires_us, revoked_us FROM issued WHERE "

static int find(const struct vf_access *access, const char *sql,
                struct vf_value by, struct vf_grant *ret, struct vf_error *err)
{
    sqlite3_stmt *row;
    int result = vf_db_query(access->db, sql, &by, 1, &row, err);

    if (result < 0)
        return result;
    result = vf_db_step(access->db, row, err);
    if (result > 0)
        result = judge(row, ret, err);
    else if (result == 0)
        result = vf_refuse(err, VF_PROBLEM_UNAUTHENTICATED, "",
                           "the token is not known here");
    vf_db_end(row);
    return result;
}

int vf_token_find(const struct vf_access *access, const char *id,
                  struct vf_grant *ret, struct vf_error *err)
{
    return find(access, SELECT "id = ?1", VF_TEXT(id), ret, err);
}

struct look {
    unsigned char hash[VF_SEAL_HASH_SIZE];
    struct vf_grant *ret;
};

static int look_up(void *context, const struct vf_access *access,
                   struct vf_error *err)
{
    const struct look *look = context;

    return find(access, SELECT "hash = ?1",
                VF_BLOB(look->hash, sizeof(look->hash)), look->ret, err);
}

int vf_token_check(struct vf_store *store, const char *token,
                   struct vf_grant *ret, struct vf_error *err)
{
    struct look look = {.ret = ret};

    hash_token(vf_store_seal(store), token, strlen(token), look.hash);
    return vf_store_read(store, look_up, &look, err);
}

int vf_token_used(const struct vf_access *access, const char *id,
                  int64_t now_us, struct vf_error *err)
{
    return vf_db_run(access->db, "UPDATE issued SET used_us = ?2 WHERE id = ?1",
                     VF_VALUES(VF_TEXT(id), VF_INT(now_us)), err);
}
