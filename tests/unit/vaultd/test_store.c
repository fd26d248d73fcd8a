/* SPDX-License-Identifier: MIT */
#include "db.h"
#include "seal.h"
#include "store.h"

#include "vaultfs/clock.h"
#include "vaultfs/secret.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* SQLite's calls come here. */
static atomic_int syncs;

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return fsync(fd);
}

struct fixture {
    char dir[64];
    struct vf_store *store;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->dir, "/tmp/vaultd-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    assert_int_equal(vf_store_open(fixture->dir, true, &fixture->store, NULL),
                     0);
    *state = fixture;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    vf_store_close(fixture->store);
    nftw(fixture->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

/* A job that adds a vault of this name, and then fails if it is told to; or
 * before. */
struct add {
    struct vf_store *store;
    const char *name;
    int fails_with;
    bool fails_early;
    int runs;
    bool rolls_all_back;
    int result;
    struct vf_error err;
};

static int add_vault(void *context, const struct vf_access *access,
                     struct vf_error *err)
{
    struct add *add = context;
    char id[VF_ID_SIZE];

    add->runs++;
    if (add->fails_early)
        return vf_error_set(err, add->fails_with, "as told");
    vf_ids_next(access->ids, "vault_", vf_now_us(), id);
    int result = vf_db_run(access->db,
                           "INSERT INTO vault (id, display_name, metadata,"
                           " created_us, updated_us) VALUES (?1, ?2, '{}', 0, "
                           "0)",
                           VF_VALUES(VF_TEXT(id), VF_TEXT(add->name)), err);
    assert_int_equal(result, 0);
    /* What SQLite does by itself when the disk is full. */
    if (add->rolls_all_back)
        assert_int_equal(vf_db_script(access->db, "ROLLBACK;", err), 0);
    if (add->fails_with != 0)
        return vf_error_set(err, add->fails_with, "as told");
    return 0;
}

static int count(void *context, const struct vf_access *access,
                 struct vf_error *err)
{
    return vf_db_get_int(access->db, "SELECT count(*) FROM vault", NULL, 0,
                         context, err);
}

static int64_t vaults(struct vf_store *store)
{
    int64_t number = -1;

    assert_int_equal(vf_store_read(store, count, &number, NULL), 0);
    return number;
}

/* Holds the writer until the gate opens, so that what comes meanwhile is one
 * group. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool is_entered, is_open;
};

static int wait_at_gate(void *context, const struct vf_access *access,
                        struct vf_error *err)
{
    struct gate *gate = context;

    pthread_mutex_lock(&gate->lock);
    gate->is_entered = true;
    pthread_cond_broadcast(&gate->moved);
    while (!gate->is_open)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

static void enter(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_entered)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
}

struct guard {
    struct vf_store *store;
    struct gate *gate;
};

static void *run_gate(void *context)
{
    struct guard *guard = context;

    assert_int_equal(vf_store_write(guard->store, VF_STORE_GROWS, wait_at_gate,
                                    guard->gate, NULL),
                     0);
    return NULL;
}

static void *run_add(void *context)
{
    struct add *add = context;

    add->result =
        vf_store_write(add->store, VF_STORE_GROWS, add_vault, add, &add->err);
    return NULL;
}

/* All adds are queued behind a closed gate, in any order. */
static void write_as_a_group(struct vf_store *store, struct add *adds,
                             size_t adds_count)
{
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                        false, false};
    struct guard guard = {store, &gate};
    pthread_t holder, threads[16];

    pthread_create(&holder, NULL, run_gate, &guard);
    enter(&gate);
    for (size_t i = 0; i < adds_count; i++) {
        adds[i].store = store;
        pthread_create(&threads[i], NULL, run_add, &adds[i]);
    }
    while (vf_store_queued(store) < adds_count)
        sched_yield();
    open_gate(&gate);
    for (size_t i = 0; i < adds_count; i++)
        pthread_join(threads[i], NULL);
    pthread_join(holder, NULL);
}

static void a_job_that_fails_leaves_the_others_of_its_group(void **state)
{
    struct fixture *fixture = *state;
    struct add adds[] = {{.name = "a"},
                         {.name = "b", .fails_with = EINVAL},
                         {.name = "c"},
                         {.name = "d", .fails_with = ENOENT},
                         {.name = "e"}};

    write_as_a_group(fixture->store, adds, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(adds[i].result, -adds[i].fails_with);
    assert_string_equal(adds[1].err.message, "as told");
    assert_int_equal(vaults(fixture->store), 3);
}

static void jobs_that_fail_before_they_change_anything_cost_no_second_run(
    void **state)
{
    struct fixture *fixture = *state;
    struct add adds[] = {
        {.name = "a"},
        {.name = "b", .fails_with = EINVAL, .fails_early = true},
        {.name = "c"}};

    write_as_a_group(fixture->store, adds, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(adds[i].result, -adds[i].fails_with);
        assert_int_equal(adds[i].runs, 1);
    }
    assert_int_equal(vaults(fixture->store), 2);
}

static void a_group_of_writes_waits_for_the_disk_once(void **state)
{
    struct fixture *fixture = *state;
    struct add adds[16] = {0};
    struct add first = {.store = fixture->store, .name = "first"};

    for (size_t i = 0; i < 16; i++)
        adds[i].name = "v";
    run_add(&first); /* what a new log costs */
    int before = syncs;
    write_as_a_group(fixture->store, adds, 16);
    assert_int_equal(vaults(fixture->store), 17);
    assert_in_range(syncs - before, 1, 2); /* the gate's, and theirs */
}

/* Reads that overlap: each lasts until another has begun and a write was made,
 * or, where none can begin, for a moment. So there is always one from before
 * the last write. */
struct relay {
    struct vf_store *store;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int begins, writes;
    atomic_bool is_over;
};

static int read_in_relay(void *context, const struct vf_access *access,
                         struct vf_error *err)
{
    const struct timespec end = vf_clock_timespec(vf_clock_monotonic_ms() + 99);
    struct relay *relay = context;
    int64_t number;
    int result = count(&number, access, err);

    pthread_mutex_lock(&relay->lock);
    int begins = ++relay->begins, writes = relay->writes;
    pthread_cond_broadcast(&relay->moved);
    while ((relay->begins == begins || relay->writes == writes) &&
           !relay->is_over &&
           pthread_cond_timedwait(&relay->moved, &relay->lock, &end) == 0)
        continue;
    pthread_mutex_unlock(&relay->lock);
    return result;
}

static void tell(struct relay *relay, int writes, bool is_over)
{
    pthread_mutex_lock(&relay->lock);
    relay->writes += writes;
    relay->is_over = is_over;
    pthread_cond_broadcast(&relay->moved);
    while (relay->begins == 0)
        pthread_cond_wait(&relay->moved, &relay->lock);
    pthread_mutex_unlock(&relay->lock);
}

static void *run_relay(void *context)
{
    struct relay *relay = context;

    while (!relay->is_over)
        assert_int_equal(
            vf_store_read(relay->store, read_in_relay, relay, NULL), 0);
    return NULL;
}

static int change_much(void *context, const struct vf_access *access,
                       struct vf_error *err)
{
    return vf_db_run(access->db,
                     "INSERT OR REPLACE INTO vault (id, display_name, metadata,"
                     " created_us, updated_us)"
                     " VALUES ('v', '', hex(zeroblob(524288)), 0, 0)",
                     NULL, 0, err);
}

static void readers_that_always_overlap_do_not_let_the_log_grow(void **state)
{
    struct fixture *fixture = *state;
    struct relay relay = {.store = fixture->store,
                          .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[3];
    struct stat log;
    char path[128];

    assert_int_equal(vf_clock_init_cond(&relay.moved), 0);
    for (size_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, run_relay, &relay);
    for (int i = 0; i < 40; i++) { /* 1 MiB each */
        tell(&relay, i > 0, false);
        assert_int_equal(vf_store_write(fixture->store, VF_STORE_GROWS,
                                        change_much, NULL, NULL),
                         0);
    }
    tell(&relay, 1, true);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    pthread_cond_destroy(&relay.moved);
    (void)snprintf(path, sizeof(path), "%s/vaults.db-wal", fixture->dir);
    assert_int_equal(stat(path, &log), 0);
    assert_in_range(log.st_size, 1, 24 * 1024 * 1024);
}

static void when_the_transaction_is_lost_every_job_in_it_failed(void **state)
{
    struct fixture *fixture = *state;
    struct add adds[] = {
        {.name = "a"}, {.name = "b", .rolls_all_back = true}, {.name = "c"}};
    struct add after = {.store = fixture->store, .name = "after"};

    write_as_a_group(fixture->store, adds, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(adds[i].result, -EIO);
    assert_int_equal(vaults(fixture->store), 0);
    run_add(&after);
    assert_int_equal(after.result, 0);
    assert_int_equal(vaults(fixture->store), 1);
}

static void *run_gate_of_reader(void *context)
{
    struct guard *guard = context;

    assert_int_equal(
        vf_store_read(guard->store, wait_at_gate, guard->gate, NULL), 0);
    return NULL;
}

static void a_read_and_a_write_do_not_wait_for_each_other(void **state)
{
    struct fixture *fixture = *state;
    struct gate gates[2] = {
        {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false},
        {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false}};
    struct guard reader = {fixture->store, &gates[0]};
    struct guard writer = {fixture->store, &gates[1]};
    struct add add = {.store = fixture->store, .name = "a"};
    pthread_t threads[2];

    pthread_create(&threads[0], NULL, run_gate_of_reader, &reader);
    enter(&gates[0]);
    run_add(&add);
    assert_int_equal(add.result, 0);
    pthread_create(&threads[1], NULL, run_gate, &writer);
    enter(&gates[1]);
    assert_int_equal(vaults(fixture->store), 1);
    for (size_t i = 0; i < 2; i++) {
        open_gate(&gates[i]);
        pthread_join(threads[i], NULL);
    }
}

static void readers_cannot_write(void **state)
{
    struct fixture *fixture = *state;
    struct vf_db *reader;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/vaults.db", fixture->dir);
    assert_int_equal(vf_db_open(path, true, &reader, NULL), 0);
    assert_int_equal(vf_db_script(reader, "DELETE FROM vault;", NULL), -EIO);
    vf_db_close(reader);
}

static const struct vf_seal_place place = {"vcred_1", "token", 1};

static void a_box_opens_in_its_place_only(void **state)
{
    struct fixture *fixture = *state;
    const struct vf_seal *seal = vf_store_seal(fixture->store);
    const struct vf_seal_place others[] = {{"vcred_2", "token", 1},
                                           {"vcred_1", "access_token", 1},
                                           {"vcred_1", "token", 2}};
    unsigned char box[5 + VF_SEAL_OVERHEAD];
    struct vf_secret *secret = NULL;

    vf_seal_close_box(seal, &place, "hello", 5, box);
    assert_int_equal(
        vf_seal_open_box(seal, &place, box, sizeof(box), &secret, NULL), 0);
    assert_int_equal(vf_secret_size(secret), 5);
    assert_memory_equal(vf_secret_data(secret), "hello", 5);
    secret = vf_secret_unref(secret);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(
            vf_seal_open_box(seal, &others[i], box, sizeof(box), &secret, NULL),
            -EBADMSG);
    for (size_t i = 0; i < sizeof(box); i++) {
        box[i] ^= 1;
        assert_int_equal(
            vf_seal_open_box(seal, &place, box, sizeof(box), &secret, NULL),
            -EBADMSG);
        box[i] ^= 1;
        assert_int_equal(vf_seal_open_box(seal, &place, box, i, &secret, NULL),
                         -EBADMSG);
    }
    assert_null(secret);
}

static void two_boxes_of_one_secret_differ(void **state)
{
    struct fixture *fixture = *state;
    unsigned char one[VF_SEAL_OVERHEAD + 1], two[VF_SEAL_OVERHEAD + 1];

    vf_seal_close_box(vf_store_seal(fixture->store), &place, "x", 1, one);
    vf_seal_close_box(vf_store_seal(fixture->store), &place, "x", 1, two);
    assert_memory_not_equal(one, two, sizeof(one));
}

static void a_hash_tells_purposes_and_borders_of_parts_apart(void **state)
{
    struct fixture *fixture = *state;
    const struct vf_seal *seal = vf_store_seal(fixture->store);
    const struct vf_seal_part lists[][2] = {
        {{"ab", 2}, {"c", 1}}, {{"a", 1}, {"bc", 2}}, {{"abc", 3}, {"", 0}}};
    unsigned char hashes[4][VF_SEAL_HASH_SIZE], again[VF_SEAL_HASH_SIZE];

    for (size_t i = 0; i < 3; i++)
        vf_seal_hash(seal, VF_SEAL_IDEMPOTENCY, lists[i], 2, hashes[i]);
    vf_seal_hash(seal, VF_SEAL_TOKEN, lists[0], 2, hashes[3]);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(hashes[i], hashes[k], sizeof(again));
    vf_seal_hash(seal, VF_SEAL_IDEMPOTENCY, lists[0], 2, again);
    assert_memory_equal(hashes[0], again, sizeof(again));
}

static void ids_grow_while_the_clock_stands_or_goes_back(void **state)
{
    static const int64_t clock[] = {1000000000, 1000000000, 1000000001,
                                    999000000,  5,          1000000000};
    struct vf_ids ids = {0}, later = {0};
    char last[VF_ID_SIZE] = "", id[VF_ID_SIZE];

    for (int i = 0; i < 10000; i++) {
        vf_ids_next(&ids, "vault_", clock[i % 6], id);
        assert_true(vf_id_is_valid("vault_", id));
        assert_int_equal(id[strlen("vault_") + 12], '7');
        assert_non_null(strchr("89ab", id[strlen("vault_") + 16]));
        assert_true(strcmp(last, id) < 0);
        strcpy(last, id);
    }
    vf_ids_resume(&later, last);
    vf_ids_next(&later, "vault_", 7, id);
    assert_true(strcmp(last, id) < 0);
}

static void what_is_no_id_is_told_from_one(void **state)
{
    static const char *const texts[] = {
        "",
        "vault_",
        "vault_0123456789abcdef0123456789abcde",
        "vault_0123456789abcdef0123456789abcdef0",
        "vault_0123456789ABCDEF0123456789ABCDEF",
        "vcred_0123456789abcdef0123456789abcdef",
        "vault_0123456789abcdef0123456789abcde\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(vf_id_is_valid("vault_", texts[i]));
    assert_true(
        vf_id_is_valid("vault_", "vault_0123456789abcdef0123456789abcdef"));
}

static void a_change_is_later_than_what_it_changes(void **state)
{
    int64_t future_us = vf_now_us() + 1000000000;

    assert_int_equal(vf_moved_us(future_us), future_us + 1);
    assert_true(vf_moved_us(5) > 5);
}

int main(void)
{
#define STORE_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_job_that_fails_leaves_the_others_of_its_group),
        STORE_TEST(
            jobs_that_fail_before_they_change_anything_cost_no_second_run),
        STORE_TEST(a_group_of_writes_waits_for_the_disk_once),
        STORE_TEST(readers_that_always_overlap_do_not_let_the_log_grow),
        STORE_TEST(when_the_transaction_is_lost_every_job_in_it_failed),
        STORE_TEST(a_read_and_a_write_do_not_wait_for_each_other),
        STORE_TEST(readers_cannot_write),
        STORE_TEST(a_box_opens_in_its_place_only),
        STORE_TEST(two_boxes_of_one_secret_differ),
        STORE_TEST(a_hash_tells_purposes_and_borders_of_parts_apart),
        cmocka_unit_test(ids_grow_while_the_clock_stands_or_goes_back),
        cmocka_unit_test(what_is_no_id_is_told_from_one),
        cmocka_unit_test(a_change_is_later_than_what_it_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
