/* SPDX-License-Identifier: MIT
 *
 * What the parts of the fake share: fake.c, fake_make.c and fake_change.c are
 * the service, fake_tell.c is the test's hold on it. Everything is guarded by
 * the fake's lock.
 */
#ifndef TEST_TREE_FAKE_INTERNAL_H
#define TEST_TREE_FAKE_INTERNAL_H

#include <pthread.h>

#include "fake.h"
#include "vaultfs/text.h"

struct vf_json;
struct vf_secret;

struct object {
    char id[VF_ID_MAX + 1];
    char vault[VF_ID_MAX + 1]; /* "": a vault */
    char *name;
    char *url;
    char *metadata; /* JSON */
    char secret[64];
    struct timespec created, updated;
    unsigned revision;
    bool is_variable, is_gone, is_archived;
    enum fake_lag lag;
    bool is_list_held; /* of a vault: its credentials' */
    int list_code;
    unsigned listed; /* requests for the first page */
};

/* What was made under an idempotency key. */
struct key {
    char key[VF_UUID_SIZE];
    uint64_t body;
    const struct object *made;
};

struct gate {
    bool is_held[2]; /* by enum fake_when */
    int code[2];
    unsigned times[2]; /* that code still counts; 0: for ever */
    unsigned good;     /* that pass before code[FAKE_BEFORE] counts */
    unsigned count, waiting;
};

struct fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct vf_service_traits traits;
    bool is_unique, wants_credential;
    const char *param; /* of refusals; borrowed, or NULL */
    struct gate gates[FAKE_OPS];
    struct object **objects;
    size_t count, page_size;
    struct key *keys;
    size_t keys_count;
    char last_key[VF_UUID_SIZE];
    enum fake_end end;
    unsigned pages; /* shown of lists that do not end */
    int64_t list_takes_ms;
    unsigned turns;
    int ahead_code; /* of lists that nobody waits for */
    int hasty_code; /* of these, and of impatient ones */
    unsigned listing;
    struct fake_lists lists;
    unsigned refreshes;
    long now; /* seconds; goes on by one with each change */
    struct vf_buf trace;
};

struct object *fake_object(struct fake *fake, const char *id);
struct object *fake_live_object(struct fake *fake, const char *id);
/* id NULL: a new one. */
struct object *fake_add_object(struct fake *fake, const char *vault,
                               const char *id, const char *name,
                               const char *url, long at);
size_t fake_active(const struct fake *fake, const char *vault);

/* fake.c: an object as it is shown; answers; a request, which takes the lock
 * when it comes and drops it when it ends */
void fake_show(const struct object *object, struct vf_object *ret);
int fake_refuse(int code, const char *why, struct vf_error *err);
int fake_pass(struct fake *fake, enum fake_op op, enum fake_when when,
              struct vf_error *err);
int fake_begin(struct fake *fake, enum fake_op op, struct vf_error *err);
int fake_end(struct fake *fake, int result);
int fake_absent(struct vf_error *err);
void fake_take_page(struct fake *fake, const char *vault, enum vf_list which,
                    const char *cursor, struct vf_page *ret);

/* fake_make.c: creations */
void fake_set_metadata(struct object *object, const struct vf_json *metadata);
void fake_set_secret(struct object *object, const struct vf_secret *secret);
int fake_create_credential(void *self, const char *vault_id, const char *name,
                           const struct vf_spec *spec, struct vf_key *key,
                           int64_t deadline_ms, struct vf_object *ret,
                           struct vf_error *err);
int fake_create_vault(void *self, const struct vf_vault_spec *spec,
                      struct vf_key *key, int64_t deadline_ms,
                      struct vf_object *ret, struct vf_page *ret_credentials,
                      struct vf_error *err);

/* fake_change.c: what is done to one object */
int fake_get_credential(void *self, const char *vault_id, const char *id,
                        int64_t deadline_ms, struct vf_object *ret,
                        struct vf_error *err);
int fake_update_credential(void *self, const char *vault_id, const char *id,
                           const char *name, const struct vf_spec *spec,
                           const char *current_text, size_t current_size,
                           int64_t deadline_ms, struct vf_object *ret,
                           struct vf_error *err);
int fake_rename_credential(void *self, const char *vault_id, const char *id,
                           const char *name, const char *current_text,
                           size_t current_size, int64_t deadline_ms,
                           struct vf_object *ret, struct vf_error *err);
int fake_update_vault(void *self, const char *vault_id,
                      const struct vf_vault_spec *spec,
                      const char *current_text, size_t current_size,
                      int64_t deadline_ms, struct vf_object *ret,
                      struct vf_error *err);
int fake_delete_vault(void *self, const char *vault_id, int64_t deadline_ms,
                      struct vf_error *err);
int fake_delete_credential(void *self, const char *vault_id, const char *id,
                           int64_t deadline_ms, struct vf_error *err);
int fake_archive_vault(void *self, const char *vault_id, int64_t deadline_ms,
                       struct vf_error *err);
int fake_archive_credential(void *self, const char *vault_id, const char *id,
                            int64_t deadline_ms, struct vf_error *err);

#endif
