/* SPDX-License-Identifier: MIT
 *
 * One write is one credential, whatever becomes of the answer (W-idempotent).
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "vaultfs/journal.h"

#define OTHER_URL "https://other.example.com/mcp"

static const struct vf_service_traits keyless = {.dialect = "keyless",
                                                 .can_update_credential = true};

static char directory[64];
static struct vf_journal *journal;

static void open_journal(void)
{
    assert_int_equal(vf_journal_open(directory, "fake", &journal, NULL), 0);
}

static struct harness *new_harness(void)
{
    struct vf_tree_options options = harness_options();

    options.journal = journal;
    struct harness *h = harness_new(&options);
    harness_look_at_vault(h);
    return h;
}

static int setup_journal(void **state)
{
    strcpy(directory, "/tmp/vaultfs-once-XXXXXX");
    assert_non_null(mkdtemp(directory));
    open_journal();
    *state = new_harness();
    return 0;
}

static int teardown_journal(void **state)
{
    harness_teardown(state);
    assert_int_equal(vf_journal_count(journal), 0);
    vf_journal_close(journal);
    return rmdir(directory);
}

/* Made, but the answer is lost, and lists do not have it yet. */
static void lose(struct harness *h, const char *name, const char *spec)
{
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(save(h, name, spec), -EREMOTEIO);
    assert_int_equal(vf_journal_count(journal), 1);
    fake_set_lag(h->fake, fake_find(h->fake, name), FAKE_NOT_YET);
    fake_reset_counts(h->fake);
}

static void w_idempotent_a_write_that_comes_again_has_the_same_key(void **state)
{
    struct harness *h = *state;
    char key[40];

    lose(h, "a.json", SPEC);
    strcpy(key, fake_last_key(h->fake));
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_string_equal(fake_last_key(h->fake), key);
    assert_int_equal(fake_count(h->fake, FAKE_CREATE), 1);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_names(h, h->vault, "a.json ");
}

static void w_idempotent_writes_that_were_answered_have_new_keys(void **state)
{
    struct harness *h = *state;
    char key[40];

    assert_int_equal(save(h, "a.json", SPEC), 0);
    strcpy(key, fake_last_key(h->fake));
    assert_int_equal(unlink_name(h, "a.json"), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_string_not_equal(fake_last_key(h->fake), key);
    strcpy(key, fake_last_key(h->fake));
    fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, EINVAL);
    assert_int_equal(save(h, "b.json", SPEC), -EINVAL);
    assert_int_equal(save(h, "b.json", SPEC), 0);
    assert_string_not_equal(fake_last_key(h->fake), key);
    assert_int_equal(fake_size(h->fake, h->vault_id), 2);
}

static void w_idempotent_another_document_rotates_what_is_there(void **state)
{
    struct harness *h = *state;
    static const char second[] =
        "{\"mcp_server_url\": \"" HARNESS_URL "\", \"protocol\": \"sse\", "
        "\"type\": \"static_bearer\", \"access_token\": \"second\"}";

    lose(h, "a.json", SPEC);
    const char *id = fake_find(h->fake, "a.json");
    /* The tree's listing has it not, but the service's now has. */
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    struct task write = {
        .h = h, .file = create(h, "a.json"), .text = second, .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_set_lag(h->fake, id, FAKE_TRUE);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_string_equal(fake_secret(h->fake, id), "second");
    assert_content(h, look(h, h->vault, "a.json"), id);
    assert_names(h, h->vault, "a.json ");
}

static void w_idempotent_another_identity_replaces_what_is_there(void **state)
{
    struct harness *h = *state;

    lose(h, "a.json", SPEC);
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    struct task write = {.h = h,
                         .file = create(h, "a.json"),
                         .text = spec_for(OTHER_URL),
                         .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_set_lag(h->fake, "vcred_000002", FAKE_TRUE);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_trace(h, "create a.json; create a.json; delete vcred_000002; ");
    assert_content(h, look(h, h->vault, "a.json"), OTHER_URL);
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
}

static void w_idempotent_another_document_for_what_never_came_is_made(
    void **state)
{
    struct harness *h = *state;

    lose(h, "a.json", SPEC);
    fake_remove(h->fake, "vcred_000002");
    assert_int_equal(save(h, "a.json", spec_for(OTHER_URL)), 0);
    assert_trace(h, "create a.json; create a.json; ");
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
    assert_names(h, h->vault, "a.json ");
}

/* The other document's own failure is not about it. */
static void w_idempotent_what_never_came_is_known_when_its_key_is_spent(
    void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    lose(h, "a.json", SPEC);
    fake_remove(h->fake, "vcred_000002");
    fake_fail_after(h->fake, FAKE_CREATE, 1, EINVAL);
    assert_int_equal(save_in(h, h->vault, "a.json", spec_for(OTHER_URL), &err),
                     -EINVAL);
    assert_false(err.is_unknown);
    assert_trace(h, "create a.json; create a.json; ");
    assert_int_equal(vf_journal_count(journal), 0);
}

static void w_idempotent_an_answer_about_what_is_gone_is_not_believed(
    void **state)
{
    struct harness *h = *state;

    lose(h, "a.json", SPEC);
    fake_remove(h->fake, "vcred_000002");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_true(fake_has(h->fake, "vcred_000003"));
    assert_content(h, look(h, h->vault, "a.json"), "vcred_000003");
    vf_tree_refresh(h->tree);
    assert_names(h, h->vault, "a.json ");
}

static void w_idempotent_an_answer_about_what_was_renamed_is_not_believed(
    void **state)
{
    struct harness *h = *state;

    lose(h, "a.json", SPEC);
    fake_set_lag(h->fake, "vcred_000002", FAKE_TRUE);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(rename_name(h, "a.json", "b.json"), 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 2);
    assert_names(h, h->vault, "a.json b.json ");
}

static void w_idempotent_an_answer_that_cannot_be_checked_stays_unknown(
    void **state)
{
    struct harness *h = *state;
    char key[40];

    lose(h, "a.json", SPEC);
    strcpy(key, fake_last_key(h->fake));
    fake_fail_once(h->fake, FAKE_GET, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_int_equal(vf_journal_count(journal), 1);
    fake_fail_once(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_string_equal(fake_last_key(h->fake), key);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

static void w_idempotent_the_next_daemon_has_the_key_too(void **state)
{
    struct harness *h = *state;
    char key[40];

    fake_fail_once(h->fake, FAKE_CREATE, FAKE_AFTER, ETIMEDOUT);
    assert_int_equal(save(h, "a.json", SPEC), -ETIMEDOUT);
    strcpy(key, fake_last_key(h->fake));
    harness_teardown(state);
    vf_journal_close(journal);
    open_journal();
    *state = h = new_harness();
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_string_equal(fake_last_key(h->fake), key);
}

static void w_idempotent_what_a_listing_showed_is_known(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_names(h, h->vault, "a.json ");
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(vf_journal_count(journal), 0);
    assert_trace(h, "create a.json; update vcred_000002; ");
}

static void w_idempotent_a_vault_that_comes_again_is_one_vault(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(make_vault(h, "v"), -EREMOTEIO);
    const char *id = fake_find(h->fake, "v");
    fake_set_lag(h->fake, id, FAKE_NOT_YET);
    /* Only the look that makes sure of it finds it. */
    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE);
    struct task again = {
        .h = h, .node = h->root, .name = "v", .run = run_mkdir};
    task_start(&again);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    fake_set_lag(h->fake, id, FAKE_TRUE);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&again), 0);
    assert_int_equal(fake_size(h->fake, ""), 2);
    assert_names(h, h->root, "prod v ");
}

/* The name is another's by now, which is no answer to what became of ours. */
static void w_idempotent_what_is_to_be_replaced_is_not_taken_for_it(
    void **state)
{
    struct harness *h = *state;

    lose(h, "a.json", SPEC);
    const char *other =
        fake_add(h->fake, h->vault_id, "a.json", "https://third.example.com/");
    vf_tree_refresh(h->tree);
    assert_content(h, look(h, h->vault, "a.json"), other);
    assert_int_equal(save(h, "a.json", spec_for(OTHER_URL)), 0);
    assert_trace(h, "create a.json; create a.json; delete vcred_000003; ");
    assert_content(h, look(h, h->vault, "a.json"), OTHER_URL);
}

static void w_idempotent_an_old_key_stays_until_a_look_was_had(void **state)
{
    struct harness *h = *state;
    char key[40];

    lose(h, "a.json", SPEC);
    strcpy(key, fake_last_key(h->fake));
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    struct task write = {.h = h,
                         .file = create(h, "a.json"),
                         .text = spec_for(OTHER_URL),
                         .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, EREMOTEIO);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), -EREMOTEIO);
    assert_true(write.err.is_unknown);
    assert_int_equal(close_file(h, write.file), 0);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_string_equal(fake_last_key(h->fake), key);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

/* Whatever it is: the earlier attempt may still be under way. */
static void w_idempotent_a_refusal_is_no_answer_about_an_earlier_attempt(
    void **state)
{
    static const int codes[] = {EACCES,    EBUSY,        EINVAL,
                                EREMOTEIO, ECONNREFUSED, EKEYREJECTED};
    struct harness *h = *state;
    struct vf_error err;
    char key[40];

    lose(h, "a.json", SPEC);
    strcpy(key, fake_last_key(h->fake));
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fake_fail_once(h->fake, FAKE_CREATE, FAKE_BEFORE, codes[i]);
        assert_int_equal(save_in(h, h->vault, "a.json", SPEC, &err), -codes[i]);
        assert_true(err.is_unknown);
        assert_int_equal(vf_journal_count(journal), 1);
    }
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_string_equal(fake_last_key(h->fake), key);
    assert_int_equal(vf_journal_count(journal), 0);
    assert_int_equal(fake_size(h->fake, h->vault_id), 1);
}

/* Three of three kinds: the lost one has the name, and the parked one, which
 * had it before, stays. */
static void w_idempotent_what_is_there_is_replaced_beside_a_parked_one(
    void **state)
{
    struct harness *h = *state;

    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_int_equal(rename_name(h, "a.json", "a.json~"), 0);
    lose(h, "a.json", spec_for(OTHER_URL));
    const char *id = fake_find(h->fake, "a.json");
    fake_hold(h->fake, FAKE_CREATE, FAKE_BEFORE);
    struct task write = {.h = h,
                         .file = create(h, "a.json"),
                         .text = spec_for("https://c.example.com/"),
                         .run = run_write};
    task_start(&write);
    fake_wait_held(h->fake, FAKE_CREATE, 1);
    fake_set_lag(h->fake, id, FAKE_TRUE);
    fake_let_go(h->fake, FAKE_CREATE);
    assert_int_equal(task_join(&write), 0);
    assert_int_equal(close_file(h, write.file), 0);
    assert_false(fake_has(h->fake, id));
    assert_int_equal(fake_size(h->fake, h->vault_id), 2);
    assert_names(h, h->vault, "a.json a.json~ ");
}

static void w_idempotent_a_vault_that_was_seen_is_known(void **state)
{
    struct harness *h = *state;

    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(make_vault(h, "v"), -EREMOTEIO);
    assert_int_equal(vf_journal_count(journal), 1);
    assert_names(h, h->root, "prod v ");
    assert_int_equal(vf_journal_count(journal), 0);
}

#define BEARER(host)                                                           \
    "{\"auth\": {\"type\": \"static_bearer\", \"mcp_server_url\": "            \
    "\"https://" host "/\", \"token\": \"t\"}, \"metadata\": "                 \
    "{\"vaultfs.name\": \"" host ".json\"}}"

/* A spec for "v", once more, whose vault is there and was seen by nobody. */
static int write_again(struct harness *h, struct vf_error *err)
{
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct task spec = {
        .h = h,
        .text = "{\"credentials\": [" BEARER("a") ", " BEARER("b") "]}",
        .run = run_write};

    fake_set_lag(h->fake, fake_find(h->fake, "v"), FAKE_NOT_YET);
    assert_int_equal(vf_tree_create(h->tree, h->root, "v.json", O_WRONLY,
                                    &caller, &entry, &spec.file, NULL),
                     0);
    vf_tree_forget(h->tree, entry.node, 1);
    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE);
    task_start(&spec);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    fake_set_lag(h->fake, fake_find(h->fake, "v"), FAKE_TRUE);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    int result = task_join(&spec);
    *err = spec.err;
    assert_int_equal(close_file(h, spec.file), 0);
    return result;
}

/* Its answer is lost before any credential. */
static void lose_vault(struct harness *h)
{
    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(
        save_in(h, h->root, "v.json",
                "{\"credentials\": [" BEARER("a") ", " BEARER("b") "]}", NULL),
        -EREMOTEIO);
}

static void w_vault_what_an_earlier_attempt_lacks_is_made(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    lose_vault(h);
    fake_add(h->fake, fake_find(h->fake, "v"), "a.json", "https://a/");
    assert_int_equal(write_again(h, &err), 0);
    assert_trace(h, "create v; create v; create b.json; ");
    assert_names(h, look(h, h->root, "v"), "a.json b.json ");
    assert_int_equal(fake_size(h->fake, ""), 2);
}

static void w_vault_what_an_earlier_attempt_made_is_not_deleted(void **state)
{
    struct harness *h = *state;
    struct vf_error err;

    lose_vault(h);
    fake_fail_after(h->fake, FAKE_CREATE, 1, EINVAL);
    assert_int_equal(write_again(h, &err), -EINVAL);
    assert_string_equal(err.param, "credentials[1]");
    assert_non_null(strstr(err.message, "is left as it is"));
    assert_trace(h, "create v; create v; create a.json; create b.json; ");
    assert_names(h, h->root, "prod v ");
    assert_names(h, look(h, h->root, "v"), "a.json ");
}

static void w_idempotent_a_first_credential_that_comes_again_is_one_vault(
    void **state)
{
    const struct vf_service_traits taking = {
        .has_keys = true, .takes_credentials_with_vault = true};
    struct harness *h = *state;

    fake_set_traits(h->fake, &taking);
    fake_set_wants_credential(h->fake, true);
    assert_int_equal(make_vault(h, "v"), 0);
    struct vf_node *vault = look(h, h->root, "v");
    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(save_in(h, vault, "a.json", SPEC, NULL), -EREMOTEIO);
    assert_int_equal(save_in(h, vault, "a.json", SPEC, NULL), 0);
    assert_int_equal(fake_size(h->fake, ""), 2);
    assert_int_equal(fake_size(h->fake, fake_find(h->fake, "v")), 1);
    assert_names(h, vault, "a.json ");
    vf_tree_refresh(h->tree);
    assert_names(h, h->root, "prod v ");
}

static void w_idempotent_another_body_for_a_vault_finds_it_there(void **state)
{
    struct harness *h = *state;
    const struct vf_service_traits taking = {
        .has_keys = true, .takes_credentials_with_vault = true};
    struct vf_caller caller = {0};
    struct vf_entry entry;
    struct task spec = {.h = h,
                        .text =
                            "{\"credentials\": [{\"auth\": {\"type\": "
                            "\"static_bearer\", \"mcp_server_url\": "
                            "\"https://a.example.com/\", \"token\": \"t\"}}]}",
                        .run = run_write};

    fake_set_traits(h->fake, &taking);
    fake_fail_once(h->fake, FAKE_CREATE_VAULT, FAKE_AFTER, EREMOTEIO);
    assert_int_equal(make_vault(h, "v"), -EREMOTEIO);
    fake_set_lag(h->fake, fake_find(h->fake, "v"), FAKE_NOT_YET);
    assert_names(h, h->root, "prod ");
    assert_int_equal(vf_tree_create(h->tree, h->root, "v.json", O_WRONLY,
                                    &caller, &entry, &spec.file, NULL),
                     0);
    vf_tree_forget(h->tree, entry.node, 1);
    fake_hold(h->fake, FAKE_CREATE_VAULT, FAKE_BEFORE);
    task_start(&spec);
    fake_wait_held(h->fake, FAKE_CREATE_VAULT, 1);
    fake_set_lag(h->fake, fake_find(h->fake, "v"), FAKE_TRUE);
    fake_let_go(h->fake, FAKE_CREATE_VAULT);
    assert_int_equal(task_join(&spec), -EEXIST);
    assert_int_equal(close_file(h, spec.file), 0);
    assert_names(h, h->root, "prod v ");
    assert_int_equal(fake_size(h->fake, ""), 2);
}

/* What a daemon left that was killed is looked for before anything is sent. */
static void w_idempotent_without_keys_the_next_daemon_looks_first(void **state)
{
    struct harness *h = *state;

    fake_set_traits(h->fake, &keyless);
    fake_fail(h->fake, FAKE_CREATE, FAKE_AFTER, ETIMEDOUT);
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, EREMOTEIO);
    assert_int_equal(save(h, "a.json", SPEC), -ETIMEDOUT);
    assert_int_equal(vf_journal_count(journal), 1);
    fake_fail(h->fake, FAKE_CREATE, FAKE_AFTER, 0);
    fake_reset_counts(h->fake);
    /* The tree's own listing cannot be had. */
    assert_int_equal(save(h, "a.json", SPEC), -EREMOTEIO);
    assert_trace(h, "");
    fake_fail(h->fake, FAKE_LIST_CREDENTIALS, FAKE_BEFORE, 0);
    assert_int_equal(save(h, "a.json", SPEC), 0);
    assert_trace(h, "update vcred_000002; ");
    assert_names(h, h->vault, "a.json ");
}

#define TEST(test)                                                             \
    cmocka_unit_test_setup_teardown(test, setup_journal, teardown_journal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(w_idempotent_a_write_that_comes_again_has_the_same_key),
        TEST(w_idempotent_writes_that_were_answered_have_new_keys),
        TEST(w_idempotent_another_document_rotates_what_is_there),
        TEST(w_idempotent_another_identity_replaces_what_is_there),
        TEST(w_idempotent_another_document_for_what_never_came_is_made),
        TEST(w_idempotent_what_never_came_is_known_when_its_key_is_spent),
        TEST(w_idempotent_an_answer_about_what_is_gone_is_not_believed),
        TEST(w_idempotent_an_answer_about_what_was_renamed_is_not_believed),
        TEST(w_idempotent_an_answer_that_cannot_be_checked_stays_unknown),
        TEST(w_idempotent_the_next_daemon_has_the_key_too),
        TEST(w_idempotent_what_a_listing_showed_is_known),
        TEST(w_idempotent_a_vault_that_comes_again_is_one_vault),
        TEST(w_idempotent_what_is_to_be_replaced_is_not_taken_for_it),
        TEST(w_idempotent_an_old_key_stays_until_a_look_was_had),
        TEST(w_idempotent_a_refusal_is_no_answer_about_an_earlier_attempt),
        TEST(w_idempotent_what_is_there_is_replaced_beside_a_parked_one),
        TEST(w_idempotent_a_vault_that_was_seen_is_known),
        TEST(w_vault_what_an_earlier_attempt_lacks_is_made),
        TEST(w_vault_what_an_earlier_attempt_made_is_not_deleted),
        TEST(w_idempotent_a_first_credential_that_comes_again_is_one_vault),
        TEST(w_idempotent_another_body_for_a_vault_finds_it_there),
        TEST(w_idempotent_without_keys_the_next_daemon_looks_first),
    };

    return cmocka_run_group_tests_name("tree once", tests, NULL, NULL);
}
