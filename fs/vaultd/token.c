/* SPDX-License-Identifier: MIT */
#include "token.h"

#include "db.h"
#include "problem.h"
#include "seal.h"
#include "store.h"

#include "vaultfs/secret.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define PREFIX "pt-"
#define RANDOM_SIZE 32
/* Characters after the prefix; the library counts a NUL. */
#define DIGITS                                                                 \
    (sodium_base64_ENCODED_LEN(RANDOM_SIZE,                                    \
                               sodium_base64_VARIANT_URLSAFE_NO_PADDING) -     \
     1)

struct entry {
    const char *name;
    unsigned char hash[VF_SEAL_HASH_SIZE];
    int64_t is_known;
};

static void hash_token(const struct vf_seal *seal, const char *token,
                       size_t size, struct entry *ret)
{
    const struct vf_seal_part part = {token, size};

    vf_seal_hash(seal, VF_SEAL_TOKEN, &part, 1, ret->hash);
}

static int add(void *context, const struct vf_access *access,
               struct vf_error *err)
{
    const struct entry *entry = context;

    return vf_db_run(
        access->db,
        "INSERT INTO token (hash, name, created_us) VALUES (?1, ?2, ?3)",
        VF_VALUES(VF_BLOB(entry->hash, sizeof(entry->hash)),
                  VF_TEXT(entry->name), VF_INT(vf_now_us())),
        err);
}

static int look_up(void *context, const struct vf_access *access,
                   struct vf_error *err)
{
    struct entry *entry = context;

    return vf_db_get_int(access->db,
                         "SELECT count(*) FROM token WHERE hash = ?1",
                         VF_VALUES(VF_BLOB(entry->hash, sizeof(entry->hash))),
                         &entry->is_known, err);
}

static int make(struct vf_secret **ret, struct vf_error *err)
{
    unsigned char bytes[RANDOM_SIZE];
    char text[sizeof(PREFIX) + DIGITS] = PREFIX;

    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2base64(text + strlen(PREFIX), DIGITS + 1, bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int result = vf_secret_from(text, strlen(text), ret, err);
    vf_wipe(bytes, sizeof(bytes));
    vf_wipe(text, sizeof(text));
    return result;
}

int vf_token_create(struct vf_store *store, const char *name,
                    struct vf_secret **ret, struct vf_error *err)
{
    struct entry entry = {.name = name};
    struct vf_secret *token;
    int result = make(&token, err);

    if (result < 0)
        return result;
    hash_token(vf_store_seal(store), vf_secret_data(token),
               vf_secret_size(token), &entry);
    result = vf_store_write(store, VF_STORE_GROWS, add, &entry, err);
    if (result < 0) {
        vf_secret_unref(token);
        return result;
    }
    *ret = token;
    return 0;
}

int vf_token_check(struct vf_store *store, const char *token,
                   struct vf_error *err)
{
    struct entry entry = {0};

    hash_token(vf_store_seal(store), token, strlen(token), &entry);
    int result = vf_store_read(store, look_up, &entry, err);
    if (result == 0 && entry.is_known == 0)
        return vf_refuse(err, VF_PROBLEM_UNAUTHENTICATED, "",
                         "the token is not known here");
    return result;
}
