/* SPDX-License-Identifier: MIT
 *
 * What requests ask the database, over the real schema: nothing that takes
 * longer the more there is of what is not asked for.
 */
#include "auth_form.h"
#include "db.h"
#include "dialect.h"
#include "routes.h"
#include "store.h"
#include "token.h"
#include "usage.h"

#include "vaultfs/secret.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    struct vf_store *store;
    struct vf_grant grant;
    const struct vf_dialect *dialect;
    char vault[VF_ID_SIZE], credential[VF_ID_SIZE];
    int keys; /* used so far */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct vf_secret *token;

    strcpy(fixture->dir, "/tmp/vaultd-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    assert_int_equal(vf_store_open(fixture->dir, true, &fixture->store, NULL),
                     0);
    fixture->grant =
        (struct vf_grant){.kind = VF_TOKEN_PERSONAL, .scopes = VF_SCOPE_ALL};
    assert_int_equal(
        vf_token_create(fixture->store, &fixture->grant, "t", &token, NULL), 0);
    struct vf_grant found;
    assert_int_equal(
        vf_token_check(fixture->store, vf_secret_data(token), &found, NULL), 0);
    vf_secret_unref(token);
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

static const char *query(void *context, const char *name)
{
    const char *const *pair = context; /* a name and its value, or NULL */

    return pair != NULL && strcmp(pair[0], name) == 0 ? pair[1] : NULL;
}

static void keep_id(char ret[static VF_ID_SIZE], const char *id)
{
    if (id[0] != '\0')
        vf_error_copy(ret, VF_ID_SIZE, id);
}

/* V and C stand for the ids that the requests before left. */
static char *make_path(const struct fixture *fixture, const char *form)
{
    struct vf_buf path = VF_BUF_INIT;

    for (; *form != '\0'; form++)
        if (*form == 'V')
            vf_buf_puts(&path, fixture->vault);
        else if (*form == 'C')
            vf_buf_puts(&path, fixture->credential);
        else
            vf_buf_append(&path, form, 1);
    assert_false(path.is_broken);
    return path.data;
}

static void request(struct fixture *fixture, const char *method,
                    const char *form, const char *body,
                    const char *const *asked)
{
    const struct vf_route *route;
    char *path = make_path(fixture, form), key[16];
    struct vf_error err = {0};
    struct vf_secret *raw = NULL;

    (void)snprintf(key, sizeof(key), "key-%d", fixture->keys++);
    if (body != NULL)
        assert_int_equal(vf_secret_from(body, strlen(body), &raw, &err), 0);
    struct vf_call call = {.dialect = fixture->dialect,
                           .rules = &fixture->dialect->rules,
                           .grant = &fixture->grant,
                           .url = path,
                           .method = method,
                           .path = path,
                           .raw_body = raw,
                           .idempotency_key = key,
                           .query = query,
                           .query_context = (void *)(uintptr_t)asked};

    assert_int_equal(vf_route_find(&call, &route, &err), 0);
    int result = vf_route_run(route, &call, fixture->store, &err);
    if (result < 0)
        fail_msg("%s %s: %s", method, path, err.message);
    keep_id(fixture->vault, call.vault_id);
    keep_id(fixture->credential, call.credential_id);
    vf_buf_free(&call.reply);
    vf_secret_unref(raw);
    free(path);
}

/* Both directions, both filters, from the start and from a cursor. */
static void request_lists(struct fixture *fixture, const char *form,
                          const char *cursor)
{
    const struct vf_list_style *style = &fixture->dialect->list;
    const char *const pairs[][2] = {{"limit", "2"},
                                    {style->filter, style->words[0].word},
                                    {style->filter, style->words[1].word},
                                    {"name", "x"}};

    request(fixture, "GET", form, NULL, NULL);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        request(fixture, "GET", form, NULL, pairs[i]);
    for (size_t i = 0; style->cursors[i] != NULL; i++) {
        const char *const *name = &style->cursors[i];
        char page[VF_ID_SIZE + 1];

        for (const char *way = "ab"; *way != '\0'; way++) {
            (void)snprintf(page, sizeof(page), "%c%s", *way,
                           cursor + strlen(cursor) - VF_ID_DIGITS);
            const char *const pair[] = {*name, **name == 'p' ? page : cursor};
            request(fixture, "GET", form, NULL, pair);
        }
    }
}

#define URL "\"mcp_server_url\":\"https://example.com/a\""
#define FLAT                                                                   \
    "{" URL ",\"protocol\":\"sse\",\"type\":\"static_bearer\","                \
    "\"access_token\":\"t\"}"
#define NESTED "{\"auth\":{\"type\":\"static_bearer\"," URL ",\"token\":\"t\"}}"
#define ROTATED "{\"auth\":{\"type\":\"static_bearer\",\"token\":\"u\"}}"
#define CREDENTIALS "/vaults/V/credentials"
#define CREDENTIAL CREDENTIALS "/C"

/* Everything that the dialect has, but the exchange of a key. */
static void request_everything(struct fixture *fixture)
{
    const struct vf_dialect *dialect = fixture->dialect;
    const char *body = dialect->form->member != NULL ? NESTED : FLAT;

    request(fixture, "POST", "/vaults", "{\"display_name\":\"v\"}", NULL);
    request(fixture, "GET", "/vaults/V", NULL, NULL);
    request_lists(fixture, "/vaults", fixture->vault);
    if ((dialect->calls & VF_CALL_VAULT_UPDATE) != 0)
        request(fixture, "POST", "/vaults/V",
                "{\"display_name\":\"w\",\"metadata\":{\"a\":\"b\"}}", NULL);
    request(fixture, "POST", CREDENTIALS, body, NULL);
    request(fixture, "GET", CREDENTIAL, NULL, NULL);
    request_lists(fixture, CREDENTIALS, fixture->credential);
    if ((dialect->calls & VF_CALL_UPDATE) != 0)
        request(fixture, "POST", CREDENTIAL, ROTATED, NULL);
    request(fixture, "POST", CREDENTIAL "/archive", NULL, NULL);
    request(fixture, "DELETE", CREDENTIAL, NULL, NULL);
    request(fixture, "POST", "/vaults/V/archive", NULL, NULL);
    request(fixture, "DELETE", "/vaults/V", NULL, NULL);
}

/* The steps of a statement's plan that look at more than they must. */
static int count_scans(sqlite3 *handle, const char *sql)
{
    struct vf_buf text = VF_BUF_INIT;
    sqlite3_stmt *steps;
    int scans = 0;

    vf_buf_printf(&text, "EXPLAIN QUERY PLAN %s", sql);
    assert_false(text.is_broken);
    assert_int_equal(sqlite3_prepare_v2(handle, text.data, -1, &steps, NULL),
                     SQLITE_OK);
    while (sqlite3_step(steps) == SQLITE_ROW) {
        const char *detail = vf_db_text(steps, 3);

        if (strncmp(detail, "SCAN", 4) == 0 ||
            strstr(detail, "TEMP B-TREE") != NULL) {
            print_error("%s: %s\n", detail, sql);
            scans++;
        }
    }
    sqlite3_finalize(steps);
    vf_buf_free(&text);
    return scans;
}

struct tally {
    int statements, scans;
};

/* Everything that was prepared on this connection, but for the one row that is
 * read when a store is opened. */
static int explain_all(void *context, const struct vf_access *access,
                       struct vf_error *err)
{
    struct tally *tally = context;
    sqlite3_stmt *own, *each = NULL;

    assert_int_equal(
        vf_db_query(access->db, "PRAGMA user_version", NULL, 0, &own, err), 0);
    sqlite3 *handle = sqlite3_db_handle(own);
    vf_db_end(own);
    while ((each = sqlite3_next_stmt(handle, each)) != NULL) {
        const char *sql = sqlite3_sql(each);

        if (strncmp(sql, "PRAGMA", 6) == 0 || strstr(sql, "key_check") != NULL)
            continue;
        tally->statements++;
        tally->scans += count_scans(handle, sql);
    }
    return 0;
}

static void no_request_scans_a_table_or_sorts(void **state)
{
    struct fixture *fixture = *state;
    struct tally reader = {0}, writer = {0};

    for (size_t i = 0; vf_dialects[i] != NULL; i++) {
        fixture->dialect = vf_dialects[i];
        request_everything(fixture);
    }
    assert_int_equal(vf_store_read(fixture->store, explain_all, &reader, NULL),
                     0);
    assert_int_equal(vf_store_write(fixture->store, VF_STORE_GROWS, explain_all,
                                    &writer, NULL),
                     0);
    assert_in_range(reader.statements, 8, 64);
    assert_in_range(writer.statements, 20, 64);
    assert_int_equal(reader.scans + writer.scans, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_request_scans_a_table_or_sorts,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
