/* SPDX-License-Identifier: MIT
 *
 * A vault service in memory that does what a test tells it: every operation is
 * counted, can be held before or after it acts, made to fail before or after it
 * acts, and lists can lag behind. From any thread.
 */
#ifndef TEST_TREE_FAKE_H
#define TEST_TREE_FAKE_H

#include "vaultfs/api.h"

enum fake_op {
    FAKE_LIST_VAULTS,
    FAKE_LIST_CREDENTIALS,
    FAKE_CREATE_VAULT,
    FAKE_UPDATE_VAULT,
    FAKE_ARCHIVE_VAULT,
    FAKE_DELETE_VAULT,
    FAKE_CREATE,
    FAKE_GET,
    FAKE_UPDATE,
    FAKE_RENAME,
    FAKE_DELETE,
    FAKE_ARCHIVE,
    FAKE_OPS
};

/* AFTER: the service has acted, and its reply is late or lost: a failure then
 * says that the outcome is unknown, as ETIMEDOUT does always. */
enum fake_when { FAKE_BEFORE, FAKE_AFTER };

/* What lists show of an object. */
enum fake_lag { FAKE_TRUE, FAKE_NOT_YET, FAKE_STILL, FAKE_OLD };

struct fake;

/* While this thread is inside the service. */
extern _Thread_local bool fake_is_busy;

struct fake *fake_new(void);
void fake_free(struct fake *fake);
struct vf_service fake_service(struct fake *fake);

/* As it starts: has_keys and can_update_credential, nothing else. */
void fake_set_traits(struct fake *fake, const struct vf_service_traits *traits);
/* A second active credential for an URL in a vault is refused: EEXIST. */
void fake_set_unique(struct fake *fake, bool is_unique);
/* A vault without a first credential is refused: ENODATA. */
void fake_set_wants_credential(struct fake *fake, bool wants_credential);
void fake_set_page_size(struct fake *fake, size_t size);
/* Lists say for ever that there is more: the first page again and again, or
 * objects that were not there before. */
enum fake_end { FAKE_ENDS, FAKE_REPEATS, FAKE_GROWS };
void fake_set_end(struct fake *fake, enum fake_end end);
/* Each list request makes the test's clock go on by this much. */
void fake_set_list_takes_ms(struct fake *fake, int64_t ms);
/* How many requests it takes at a time; 16 at first. */
void fake_set_turns(struct fake *fake, unsigned count);

/* Lists of one vault wait, or fail. */
void fake_hold_list(struct fake *fake, const char *vault);
void fake_let_go_list(struct fake *fake, const char *vault);
void fake_fail_list(struct fake *fake, const char *vault, int code);
/* Lists of credentials that nobody waits for fail, and those whose asker has
 * something to go by. */
void fake_fail_ahead(struct fake *fake, int code);
void fake_fail_hasty(struct fake *fake, int code);
/* How often a vault's list was asked for, its first page counted. */
unsigned fake_listed(struct fake *fake, const char *vault);
/* Requests for lists of credentials. */
struct fake_lists {
    unsigned ahead, impatient;
    unsigned most; /* at a time */
};
struct fake_lists fake_lists(struct fake *fake);

/* How many requests came; FAKE_OPS: of all kinds. */
unsigned fake_count(struct fake *fake, enum fake_op op);
void fake_reset_counts(struct fake *fake);
/* How often it was told to look at its access again, which is no request. */
unsigned fake_refreshes(struct fake *fake);
/* The mutations in order, as "create a.json; delete vcred_1; ", to be freed. */
char *fake_trace(struct fake *fake);

/* Requests of a kind fail with a positive errno; 0 ends that. */
void fake_fail(struct fake *fake, enum fake_op op, enum fake_when when,
               int code);
/* The next one alone. */
void fake_fail_once(struct fake *fake, enum fake_op op, enum fake_when when,
                    int code);
/* As fake_fail(), BEFORE, and the first few still succeed. */
void fake_fail_after(struct fake *fake, enum fake_op op, unsigned good,
                     int code);
/* The field that failures name from now on; borrowed. */
void fake_set_param(struct fake *fake, const char *param);
/* Requests of a kind wait until fake_let_go(). */
void fake_hold(struct fake *fake, enum fake_op op, enum fake_when when);
/* Until that many requests of a kind wait. */
void fake_wait_held(struct fake *fake, enum fake_op op, unsigned count);
void fake_let_go(struct fake *fake, enum fake_op op);

/* What other clients do. The id of an object is "vault_..." or "vcred_...";
 * borrowed until fake_free(). at: seconds of its birth. */
const char *fake_add_vault(struct fake *fake, const char *name);
const char *fake_add(struct fake *fake, const char *vault, const char *name,
                     const char *url);
const char *fake_add_with_id(struct fake *fake, const char *vault,
                             const char *id, const char *name, long at);
void fake_touch(struct fake *fake, const char *id);
void fake_remove(struct fake *fake, const char *id);
void fake_set_lag(struct fake *fake, const char *id, enum fake_lag lag);

/* What is there: active objects; whether it was not deleted. The id under which
 * the newest object of a name was made. */
size_t fake_size(struct fake *fake, const char *vault);
bool fake_has(struct fake *fake, const char *id);
const char *fake_find(struct fake *fake, const char *name);
/* Times that an object was changed. */
unsigned fake_revision(struct fake *fake, const char *id);
bool fake_is_archived(struct fake *fake, const char *id);
/* Borrowed until it changes. */
const char *fake_secret(struct fake *fake, const char *id);
const char *fake_metadata(struct fake *fake, const char *id);
/* The idempotency key that the last creation came under. */
const char *fake_last_key(struct fake *fake);

#endif
