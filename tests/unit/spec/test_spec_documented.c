/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultfs/json.h"
#include "vaultfs/secret.h"

#include "bodies.h"

/* Each kind of credential: what makes it, and what a read shows of it then. */
static const struct {
    const char *body;
    const char *shown;
} documented[] = {
    {NESTED(""), BEARER_AS_READ},
    {FLAT(",\"protocol\":\"sse\""), FLAT_AS_READ("")},
    {OAUTH(""), AS_READ(GRANT)},
    {OAUTH(",\"expires_at\":\"2030-01-01T00:00:00Z\""),
     AS_READ(GRANT ",\"expires_at\":\"2030-01-01T00:00:00Z\"")},
    {REFRESH(CLIENT "," ENDPOINT "," NO_AUTH ",\"scope\":\"a\""),
     AS_READ(SCOPED("\"type\":\"none\"", "a"))},
    {ENDPOINT_AUTH(POST ",\"client_secret\":\"" CANARY "\""), GRANT_AS_READ},
    {VARIABLE(""), VARIABLE_AS_READ("")},
    {VARIABLE(",\"networking\":" LIMITED
              ",\"injection_location\":{\"header\":true,\"body\":false}"),
     VARIABLE_AS_READ(",\"networking\":" LIMITED
                      ",\"injection_location\":{\"header\":true}")},
};

/* The members of a document that are of one sort, in order. */
struct members {
    bool (*is_wanted)(const char *key, const struct vf_json *value);
    struct {
        struct vf_json *object;
        char key[64];
        char path[128];
    } found[64];
    size_t count;
};

struct visit {
    struct members *members;
    struct vf_json *object;
    const char *path;
};

static int visit_member(void *context, const char *key, struct vf_json *value)
{
    const struct visit *visit = context;
    struct members *members = visit->members;
    struct visit inner = {.members = members, .object = value};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s%s%s", visit->path,
                   visit->path[0] != '\0' ? "." : "", key);
    inner.path = path;
    if (members->is_wanted(key, value)) {
        assert_true(members->count < COUNT(members->found));
        members->found[members->count].object = visit->object;
        vf_error_copy(members->found[members->count].key,
                      sizeof(members->found[0].key), key);
        vf_error_copy(members->found[members->count++].path,
                      sizeof(members->found[0].path), path);
    }
    return vf_json_each(value, visit_member, &inner);
}

/* Of a document that is freed with vf_json_free(). */
static struct vf_json *find_members(const char *text, struct members *members)
{
    struct vf_json *json = NULL;

    assert_int_equal(vf_json_parse(text, strlen(text), &json, NULL), 0);
    struct visit visit = {.members = members, .object = json, .path = ""};
    assert_int_equal(vf_json_each(json, visit_member, &visit), 0);
    return json;
}

static bool is_secret(const char *key, const struct vf_json *value)
{
    return vf_json_is_secret_key(key);
}

static bool is_leaf(const char *key, const struct vf_json *value)
{
    return vf_json_count(value) == 0;
}

static char *render(const struct vf_json *json)
{
    char *text = NULL;
    size_t size;

    assert_int_equal(vf_json_render_compact(json, &text, &size), 0);
    return text;
}

static void the_document_as_read_is_a_spec_without_secrets(void **state)
{
    for (size_t i = 0; i < COUNT(documented); i++)
        assert_edits_itself(documented[i].shown);
}

static void a_full_spec_rotates_what_it_made(void **state)
{
    for (size_t i = 0; i < COUNT(documented); i++) {
        struct vf_spec *made = parse(documented[i].body, NULL);
        struct vf_spec *spec = parse(documented[i].body, documented[i].shown);

        assert_secret(spec->value, CANARY);
        assert_true(is_same(made, documented[i].shown));
        assert_true(is_same(spec, documented[i].shown));
        vf_spec_free(spec);
        vf_spec_free(made);
    }
}

/* Without each secret by itself. */
static void check_need(const char *body, const char *shown)
{
    size_t count = 1;

    for (size_t i = 0; i < count; i++) {
        struct members members = {.is_wanted = is_secret};
        struct vf_json *json = find_members(body, &members);

        count = members.count;
        assert_true(count > 0);
        vf_json_remove(members.found[i].object, members.found[i].key);
        char *text = render(json);
        assert_refused(text, NULL, members.found[i].path, "is missing");
        struct vf_spec *spec = parse(text, shown);
        assert_true(is_same(spec, shown));
        assert_int_equal(vf_spec_has_secret(spec), count > 1);
        vf_spec_free(spec);
        free(text);
        vf_json_free(json);
    }
}

static void each_secret_is_needed_for_a_new_name_only(void **state)
{
    for (size_t i = 0; i < COUNT(documented); i++)
        check_need(documented[i].body, documented[i].shown);
}

/* Each leaf of a document as read, changed to a URL: the field that is refused,
 * or NULL where the spec takes it. */
static const struct {
    const char *path;
    const char *refused;
    const char *part;
} leaves[] = {
    {"id", "id", "cannot be changed"},
    {"type", "type", "cannot be changed"},
    {"vault_id", "vault_id", "cannot be changed"},
    {"auth.type", "auth.type", "must be"},
    {"auth.mcp_server_url", "auth.access_token", "another credential"},
    {"auth.expires_at", "auth.expires_at", "RFC 3339"},
    {"auth.refresh.client_id", NULL, NULL},
    {"auth.refresh.token_endpoint", NULL, NULL},
    {"auth.refresh.token_endpoint_auth.type",
     "auth.refresh.token_endpoint_auth.type", "must be"},
    {"auth.refresh.scope", NULL, NULL},
    {"display_name", NULL, NULL},
    {"metadata." VF_SPEC_NAME_KEY, NULL, NULL},
    {"metadata.team", NULL, NULL},
    {"archived_at", "archived_at", "cannot be changed"},
    {"created_at", "created_at", "cannot be changed"},
    {"updated_at", "updated_at", "cannot be changed"},
};

static void each_leaf_of_what_was_read_may_change_or_is_named(void **state)
{
    struct members members = {.is_wanted = is_leaf};

    vf_json_free(find_members(GRANT_AS_READ, &members));
    assert_int_equal(members.count, COUNT(leaves));
    for (size_t i = 0; i < COUNT(leaves); i++) {
        struct members again = {.is_wanted = is_leaf};
        struct vf_json *json = find_members(GRANT_AS_READ, &again);

        assert_string_equal(again.found[i].path, leaves[i].path);
        assert_int_equal(vf_json_set_string(again.found[i].object,
                                            again.found[i].key,
                                            "https://changed/"),
                         0);
        char *text = render(json);
        if (leaves[i].refused != NULL)
            assert_refused(text, GRANT_AS_READ, leaves[i].refused,
                           leaves[i].part);
        else
            vf_spec_free(parse(text, GRANT_AS_READ));
        free(text);
        vf_json_free(json);
    }
}

/* Each member may be left out but those that say which credential it is. */
static void what_was_read_need_not_come_back_whole(void **state)
{
    struct members members = {.is_wanted = is_leaf};

    vf_json_free(find_members(BEARER_AS_READ, &members));
    for (size_t i = 0; i < members.count; i++) {
        struct members again = {.is_wanted = is_leaf};
        struct vf_json *json = find_members(BEARER_AS_READ, &again);
        const char *path = again.found[i].path;

        vf_json_remove(again.found[i].object, again.found[i].key);
        char *text = render(json);
        if (strcmp(path, "auth.type") == 0)
            assert_refused(text, BEARER_AS_READ, path, "is missing");
        else if (strcmp(path, "auth.mcp_server_url") == 0)
            assert_refused(text, BEARER_AS_READ, "auth.token",
                           "another credential");
        else
            vf_spec_free(parse(text, BEARER_AS_READ));
        free(text);
        vf_json_free(json);
    }
}

/* Whatever a slip makes of an edit: without a secret it is of the credential
 * that is there, or it is refused. */
static void a_damaged_edit_is_refused_or_of_the_same_credential(void **state)
{
    static const char bytes[] = "{}[]\",:\\u0 n7.a@#/xt";
    unsigned edits = 0, replacements = 0;

    srand(17);
    for (int round = 0; round < 40000; round++) {
        size_t row = (size_t)rand() % COUNT(documented);
        const char *seed =
            rand() % 2 > 0 ? documented[row].shown : documented[row].body;
        const char *shown =
            documented[(size_t)rand() % COUNT(documented)].shown;
        size_t size = strlen(seed);
        struct vf_spec *spec;
        char text[1024];

        assert_true(size < sizeof(text));
        memcpy(text, seed, size);
        for (int n = rand() % 3; n > 0; n--)
            text[(size_t)rand() % size] =
                bytes[(size_t)rand() % (sizeof(bytes) - 1)];
        if (vf_spec_parse(text, size, shown, strlen(shown), &spec, NULL) < 0)
            continue;
        bool is_edit = is_same(spec, shown);
        assert_true(is_edit || vf_secret_size(spec->value) > 0);
        edits += is_edit;
        replacements += !is_edit;
        vf_spec_free(spec);
    }
    assert_true(edits > 1000);
    assert_true(replacements > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_as_read_is_a_spec_without_secrets),
        cmocka_unit_test(a_full_spec_rotates_what_it_made),
        cmocka_unit_test(each_secret_is_needed_for_a_new_name_only),
        cmocka_unit_test(each_leaf_of_what_was_read_may_change_or_is_named),
        cmocka_unit_test(what_was_read_need_not_come_back_whole),
        cmocka_unit_test(a_damaged_edit_is_refused_or_of_the_same_credential),
    };

    return cmocka_run_group_tests_name("documented bodies", tests, NULL, NULL);
}
