/* SPDX-License-Identifier: MIT */
#include "object.h"

#include "vaultfs/secret.h"
#include "vaultfs/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIMES                                                                  \
    "\"archived_at\":null,\"created_at\":\"2026-05-18T15:34:16.874877Z\","     \
    "\"updated_at\":\"2026-05-19T00:00:00Z\""
#define VAULT(id, name)                                                        \
    "{\"id\":\"" id "\",\"type\":\"vault\",\"display_name\":" name ","         \
    "\"metadata\":{\"team\":\"docs\"}," TIMES "}"
#define CREDENTIAL(id, auth, metadata)                                         \
    "{\"id\":\"" id "\",\"type\":\"vault_credential\","                        \
    "\"vault_id\":\"vault_1\",\"auth\":" auth ",\"display_name\":null,"        \
    "\"metadata\":" metadata "," TIMES "}"
#define BEARER                                                                 \
    "{\"type\":\"static_bearer\",\"mcp_server_url\":\"https://a.b/c\"}"

static const struct vf_expected anything = {0};
static const struct vf_shape *const vault = &vf_dialect_qoder.vault;
static const struct vf_shape *const credential = &vf_dialect_qoder.credential;

static struct vf_json *parse(const char *text)
{
    struct vf_json *json = NULL;

    assert_int_equal(vf_json_parse(text, strlen(text), &json, NULL), 0);
    return json;
}

static struct vf_object read_good(const struct vf_shape *shape,
                                  const char *text)
{
    struct vf_json *json = parse(text);
    struct vf_object object;

    assert_int_equal(vf_object_read(shape, &anything, json, &object, NULL), 0);
    vf_json_free(json);
    return object;
}

static void refuse(const struct vf_shape *shape,
                   const struct vf_expected *expected, const char *text,
                   const char *param)
{
    struct vf_json *json = parse(text);
    struct vf_object object = {.is_archived = true};
    struct vf_error err = {0};

    assert_int_equal(vf_object_read(shape, expected, json, &object, &err),
                     -EBADMSG);
    assert_string_equal(err.param, param);
    assert_non_null(strstr(err.message, param));
    assert_true(object.is_archived && object.text == NULL);
    vf_json_free(json);
}

static void a_vault_is_read_whole(void **state)
{
    struct vf_object object = read_good(vault, VAULT("vault_1", "\"a/b\""));

    assert_string_equal(object.id, "vault_1");
    assert_string_equal(object.name, "a/b");
    assert_null(object.label);
    assert_false(object.is_archived);
    assert_int_equal(object.created.tv_sec, 1779118456);
    assert_int_equal(object.created.tv_nsec, 874877000);
    assert_int_equal(object.updated.tv_sec, 1779148800);
    assert_int_equal(object.size, strlen(object.text));
    assert_int_equal(object.text[object.size - 1], '\n');
    vf_object_done(&object);
}

/* One vault with an odd name must not hide all the others. */
static void a_vault_looks_the_same_when_created_and_when_listed(void **state)
{
    struct vf_object listed =
        read_good(vault, "{\"id\":\"v1\",\"type\":\"vault\","
                         "\"display_name\":\"a\"," TIMES "}");
    struct vf_object created =
        read_good(vault, "{\"id\":\"v1\",\"type\":\"vault\","
                         "\"display_name\":\"a\"," TIMES
                         ",\"credentials\":[{\"id\":\"c1\"}]}");

    assert_string_equal(created.text, listed.text);
    vf_object_done(&listed);
    vf_object_done(&created);
}

static void a_vault_whose_name_no_file_can_have_goes_by_its_id(void **state)
{
    static const char *const texts[] = {VAULT("vault_1", "\"\""),
                                        VAULT("vault_1", "\"a\\u0000b\"")};

    for (size_t i = 0; i < 2; i++) {
        struct vf_object object = read_good(vault, texts[i]);

        assert_string_equal(object.name, "vault_1");
        vf_object_done(&object);
    }
}

static void a_secret_in_a_reply_is_not_kept(void **state)
{
    struct vf_object object = read_good(
        credential,
        CREDENTIAL("c1",
                   "{\"type\":\"mcp_oauth\",\"mcp_server_url\":\"https://a\","
                   "\"access_token\":\"canary\",\"refresh\":{\"refresh_token\":"
                   "\"canary\",\"token_endpoint_auth\":{\"client_secret\":"
                   "\"canary\",\"type\":\"none\"}}}",
                   "{\"future\":[{\"token\":\"canary\"},1]}"));

    assert_null(strstr(object.text, "canary"));
    assert_non_null(strstr(object.text, "\"future\""));
    assert_non_null(strstr(object.text, "\"token_endpoint_auth\""));
    vf_object_done(&object);
}

static void a_credential_has_its_stored_name_or_a_label(void **state)
{
    static const struct {
        const char *text;
        const char *name;
        const char *label;
    } cases[] = {
        {CREDENTIAL("c1", BEARER, "{\"vaultfs.name\":\"x.json\"}"), "x.json",
         NULL},
        {CREDENTIAL("c1", BEARER, "{\"vaultfs.name\":\"\"}"), NULL,
         "a.b_c.json"},
        {CREDENTIAL("c1", BEARER, "{\"vaultfs.name\":\"a\\u0000\"}"), NULL,
         "a.b_c.json"},
        {CREDENTIAL("c1", BEARER, "{}"), NULL, "a.b_c.json"},
        {CREDENTIAL("c1", BEARER, "null"), NULL, "a.b_c.json"},
        {CREDENTIAL("c1",
                    "{\"type\":\"environment_variable\",\"secret_name\":\"A\"}",
                    "{}"),
         NULL, "A.json"},
        {CREDENTIAL("c1", "{\"type\":\"of the future\"}", "{}"), NULL,
         "c1.json"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_object object = read_good(credential, cases[i].text);

        assert_int_equal(object.name == NULL, cases[i].name == NULL);
        if (object.name != NULL)
            assert_string_equal(object.name, cases[i].name);
        assert_int_equal(object.label == NULL, cases[i].label == NULL);
        if (object.label != NULL)
            assert_string_equal(object.label, cases[i].label);
        vf_object_done(&object);
    }
}

static void a_label_is_host_and_path_of_the_url(void **state)
{
    static const char *const cases[][2] = {
        {"https://mcp.github.com/sse", "mcp.github.com_sse.json"},
        {"https://h:8443/a/b/", "h_8443_a_b.json"},
        {"https://h", "h.json"},
        {"https://h/", "h.json"},
        {"https://h//", "h.json"},
        {"https://h?key=canary", "h.json"},
        {"https://h/a?key=canary/x", "h_a.json"},
        {"https://h/a#canary", "h_a.json"},
        {"https://user:canary@h/a@b:c", "h_a@b:c.json"},
        {"https://[::1]:80/x", "[__1]_80_x.json"},
        {"h/a", "h_a.json"},
        {"https:///", "c1.json"},
        {"", "c1.json"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1024];

        (void)snprintf(text, sizeof(text),
                       CREDENTIAL("c1",
                                  "{\"type\":\"static_bearer\","
                                  "\"mcp_server_url\":\"%s\"}",
                                  "{}"),
                       cases[i][0]);
        struct vf_object object = read_good(credential, text);
        assert_string_equal(object.label, cases[i][1]);
        vf_object_done(&object);
    }
}

static void a_malformed_object_is_refused_by_the_member_at_fault(void **state)
{
    /* From a good vault: a text to replace, what to put there, who is named. */
    static const char *const cases[][3] = {
        {"\"id\":\"vault_1\",", "", "id"},
        {"\"vault_1\"", "7", "id"},
        {"\"vault_1\"", "\"\"", "id"},
        {"\"vault_1\"", "\"../x\"", "id"},
        {"\"vault_1\"", "\"a.b\"", "id"},
        {"\"vault_1\"", "\"a\\u0000\"", "id"},
        {"\"vault_1\"",
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "\"",
         "id"},
        {"\"type\":\"vault\",", "", "type"},
        {"\"vault\"", "\"vault_deleted\"", "type"},
        {"\"vault\"", "null", "type"},
        {"\"display_name\":\"n\",", "", "display_name"},
        {"\"n\"", "null", "display_name"},
        {"\"n\"", "{}", "display_name"},
        {"\"archived_at\":null", "\"archived_at\":true", "archived_at"},
        {"\"archived_at\":null", "\"archived_at\":\"yes\"", "archived_at"},
        {"\"created_at\":", "\"made_at\":", "created_at"},
        {"\"2026-05-19T00:00:00Z\"", "1779148800", "updated_at"},
        {"\"2026-05-19T00:00:00Z\"", "\"2026-05-19\"", "updated_at"},
    };
    const char *good = VAULT("vault_1", "\"n\"");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *at = strstr(good, cases[i][0]);
        char text[1024];

        assert_non_null(at);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good,
                       cases[i][1], at + strlen(cases[i][0]));
        refuse(vault, &anything, text, cases[i][2]);
    }
    refuse(vault, &anything, "[]", "");
    refuse(vault, &anything, "null", "");
    refuse(vault, &anything, "\"x\"", "");
}

static void a_credential_needs_an_auth_object_with_a_type(void **state)
{
    refuse(credential, &anything, CREDENTIAL("c1", "null", "{}"), "auth");
    refuse(credential, &anything, CREDENTIAL("c1", "[]", "{}"), "auth");
    refuse(credential, &anything, CREDENTIAL("c1", "{}", "{}"), "auth.type");
    refuse(credential, &anything,
           CREDENTIAL("c1", "{\"type\":\"x\",\"mcp_server_url\":7}", "{}"),
           "mcp_server_url");
    refuse(credential, &anything,
           CREDENTIAL("c1", BEARER, "{\"vaultfs.name\":7}"), "vaultfs.name");
}

static void an_object_that_was_not_asked_for_is_refused(void **state)
{
    const struct vf_expected other_id = {.id = "c2"};
    const struct vf_expected other_vault = {.parent_id = "vault_2"};

    refuse(credential, &other_id, CREDENTIAL("c1", BEARER, "{}"), "id");
    refuse(credential, &other_vault, CREDENTIAL("c1", BEARER, "{}"),
           "vault_id");
}

static int read_page(const char *cursor, const char *text, struct vf_page *ret,
                     struct vf_error *err)
{
    const struct vf_page_wanted wanted = {
        .which = VF_LIST_ACTIVE, .parent_id = "vault_1", .cursor = cursor};
    struct vf_json *json = parse(text);
    int result =
        vf_page_read(&vf_dialect_qoder, credential, &wanted, json, ret, err);

    vf_json_free(json);
    return result;
}

static void a_page_ends_where_the_service_says_so(void **state)
{
    static const struct {
        const char *text;
        const char *next;
    } cases[] = {
        {"{\"data\":[],\"next_page\":\"n\",\"has_more\":true}", "n"},
        {"{\"data\":[],\"next_page\":\"n\"}", "n"},
        {"{\"data\":[],\"next_page\":\"n\",\"has_more\":null}", "n"},
        {"{\"data\":[],\"next_page\":\"n\",\"has_more\":false}", NULL},
        {"{\"data\":[],\"next_page\":\"c\",\"has_more\":false}", NULL},
        {"{\"data\":[],\"next_page\":null}", NULL},
        {"{\"data\":[],\"next_page\":\"\"}", NULL},
        {"{\"data\":[]}", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_page page;

        assert_int_equal(read_page("c", cases[i].text, &page, NULL), 0);
        assert_int_equal(page.count, 0);
        if (cases[i].next == NULL)
            assert_null(page.next);
        else
            assert_string_equal(page.next, cases[i].next);
        vf_page_done(&page);
    }
}

static void a_malformed_page_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"{}", "data"},
        {"[]", "data"},
        {"{\"data\":null}", "data"},
        {"{\"data\":{}}", "data"},
        {"{\"data\":[],\"next_page\":\"c\"}", "next_page"},
        {"{\"data\":[],\"next_page\":7}", "next_page"},
        {"{\"data\":[],\"next_page\":\"a\\u0000\"}", "next_page"},
        {"{\"data\":[],\"has_more\":\"false\",\"next_page\":\"n\"}",
         "has_more"},
        {"{\"data\":[" CREDENTIAL("c1", BEARER, "{}") ",7]}", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_page page = {.count = 77};
        struct vf_error err = {0};

        assert_int_equal(read_page("c", cases[i][0], &page, &err), -EBADMSG);
        assert_string_equal(err.param, cases[i][1]);
        assert_int_equal(page.count, 77);
    }
}

static void archived_objects_and_repetitions_are_left_out(void **state)
{
    struct vf_page page;

    assert_int_equal(
        read_page(
            NULL,
            "{\"data\":[" CREDENTIAL("c1", BEARER, "{}") "," CREDENTIAL(
                "c2", BEARER,
                "{}") "," CREDENTIAL("c1", BEARER,
                                     "{\"again\":\"\"}") ","
                                                         "{\"id\":\"c3\","
                                                         "\"type\":\"vault_"
                                                         "credential\","
                                                         "\"vault_id\":\"vault_"
                                                         "1\",\"auth\":" BEARER
                                                         ","
                                                         "\"archived_at\":"
                                                         "\"2026-01-01T00:00:"
                                                         "00Z\","
                                                         "\"created_at\":"
                                                         "\"2026-01-01T00:00:"
                                                         "00Z\","
                                                         "\"updated_at\":"
                                                         "\"2026-01-01T00:00:"
                                                         "00Z\"}]}",
            &page, NULL),
        0);
    assert_int_equal(page.count, 2);
    assert_string_equal(page.objects[0].id, "c1");
    assert_null(strstr(page.objects[0].text, "again"));
    assert_string_equal(page.objects[1].id, "c2");
    vf_page_done(&page);
}

static void a_page_without_end_is_refused(void **state)
{
    char *text = malloc(8192);
    struct vf_page page;
    struct vf_error err;

    assert_non_null(text);
    (void)strcpy(text, "{\"data\":[0");
    for (size_t i = 0; i < 1000; i++)
        (void)strcpy(text + 10 + 2 * i, ",0");
    (void)strcpy(text + 2010, "]}");
    assert_int_equal(read_page(NULL, text, &page, &err), -EBADMSG);
    assert_string_equal(err.param, "data");
    free(text);
}

static void a_deletion_is_confirmed_for_this_object(void **state)
{
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"{\"id\":\"v\",\"type\":\"vault_deleted\"}", 0},
        {"{\"id\":\"w\",\"type\":\"vault_deleted\"}", -EBADMSG},
        {"{\"id\":\"v\",\"type\":\"vault\"}", -EBADMSG},
        {"{\"id\":\"v\"}", -EBADMSG},
        {"[]", -EBADMSG},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_json *json = parse(cases[i].text);

        assert_int_equal(vf_deletion_read(vault, "v", json, NULL),
                         cases[i].result);
        vf_json_free(json);
    }
}

static bool is_same(const char *text, const struct vf_spec *spec)
{
    return vf_spec_is_same_identity(spec, text, strlen(text));
}

static void identity_is_the_type_and_what_it_is_for(void **state)
{
    char url[] = "https://a.b/c", name[] = "A";
    const struct vf_spec bearer = {.type = VF_AUTH_STATIC_BEARER,
                                   .mcp_server_url = url};
    const struct vf_spec oauth = {.type = VF_AUTH_MCP_OAUTH,
                                  .mcp_server_url = url};
    const struct vf_spec variable = {.type = VF_AUTH_ENVIRONMENT_VARIABLE,
                                     .secret_name = name};
    const char *nested = CREDENTIAL("c1", BEARER, "{}");
    const char *flat = BEARER;
    const char *named =
        "{\"auth\":{\"type\":\"environment_variable\",\"secret_name\":\"A\"}}";

    assert_true(is_same(nested, &bearer));
    assert_true(is_same(flat, &bearer));
    assert_false(is_same(nested, &oauth));
    assert_false(is_same(nested, &variable));
    assert_true(is_same(named, &variable));
    assert_false(is_same(named, &bearer));
    url[8] = 'x';
    assert_false(is_same(nested, &bearer));
    name[0] = 'B';
    assert_false(is_same(named, &variable));
    assert_false(is_same("not JSON", &bearer));
    assert_false(is_same("{}", &bearer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vault_is_read_whole),
        cmocka_unit_test(a_vault_looks_the_same_when_created_and_when_listed),
        cmocka_unit_test(a_vault_whose_name_no_file_can_have_goes_by_its_id),
        cmocka_unit_test(a_secret_in_a_reply_is_not_kept),
        cmocka_unit_test(a_credential_has_its_stored_name_or_a_label),
        cmocka_unit_test(a_label_is_host_and_path_of_the_url),
        cmocka_unit_test(a_malformed_object_is_refused_by_the_member_at_fault),
        cmocka_unit_test(a_credential_needs_an_auth_object_with_a_type),
        cmocka_unit_test(an_object_that_was_not_asked_for_is_refused),
        cmocka_unit_test(a_page_ends_where_the_service_says_so),
        cmocka_unit_test(a_malformed_page_is_refused),
        cmocka_unit_test(archived_objects_and_repetitions_are_left_out),
        cmocka_unit_test(a_page_without_end_is_refused),
        cmocka_unit_test(a_deletion_is_confirmed_for_this_object),
        cmocka_unit_test(identity_is_the_type_and_what_it_is_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
