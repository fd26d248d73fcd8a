/* SPDX-License-Identifier: MIT */
#include "stage.h"

#define LIST(...) "{\"data\":[" __VA_ARGS__ "]}"

#define FLAT_SPEC                                                              \
    "{\"mcp_server_url\":\"https://a/b\",\"protocol\":\"sse\",\"type\":"       \
    "\"static_bearer\",\"access_token\":\"s\"}"

static void flat_a_credential_is_four_fields(void **state)
{
    struct vf_spec *spec = parse_spec(FLAT_SPEC, NULL);
    struct vf_object object;

    SCRIPT({.status = 201,
            .body = FLAT_CREDENTIAL("c1", "https://a/b", "active")});
    assert_int_equal(create("git.json", spec, &object, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials", FLAT_SPEC);
    assert_true(is_uuid4(fake_http_request(1)->key));
    assert_string_equal(object.name, "git.json");
    assert_null(object.label);
    assert_non_null(strstr(object.text, "\"protocol\": \"sse\""));
    vf_object_done(&object);
    vf_spec_free(spec);
}

static void flat_what_has_no_place_is_refused_by_name(void **state)
{
#define AUTH(more)                                                             \
    "\"auth\":{\"mcp_server_url\":\"https://a/b\",\"type\":" more "}"
#define FOUR                                                                   \
    "\"mcp_server_url\":\"https://a/b\",\"type\":\"static_bearer\","           \
    "\"access_token\":\"s\""
    static const struct {
        const char *document, *param;
    } cases[] = {
        {"{" AUTH("\"mcp_oauth\",\"access_token\":\"s\"") "}", "auth.type"},
        {"{" AUTH("\"static_bearer\",\"token\":\"s\"") "}", "protocol"},
        {"{" FOUR "}", "protocol"},
        {"{" FOUR ",\"protocol\":\"sse\",\"metadata\":{\"a\":\"b\"}}",
         "metadata"},
        {"{" FOUR ",\"protocol\":\"sse\",\"display_name\":\"other\"}",
         "display_name"},
    };
    struct vf_error err;

    fake_http_script(NULL, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vf_spec *spec = parse_spec(cases[i].document, NULL);

        assert_int_equal(create("f.json", spec, NULL, &err), -EINVAL);
        assert_string_equal(err.param, cases[i].param);
        vf_spec_free(spec);
    }
}

/* What another service showed of it can be written back to this one. */
static void flat_nothing_and_the_file_s_name_have_a_place(void **state)
{
    struct vf_spec *spec =
        parse_spec("{" FOUR ",\"protocol\":\"sse\",\"display_name\":\"f.json\","
                   "\"metadata\":{\"vaultfs.name\":\"g.json\"}}",
                   NULL);

    SCRIPT({.status = 201,
            .body = FLAT_CREDENTIAL("c1", "https://a/b", "active")});
    assert_int_equal(create("f.json", spec, NULL, NULL), 0);
    vf_spec_free(spec);
}

static void flat_names_are_kept_here_until_the_credential_goes(void **state)
{
    static const char page_body[] =
        LIST(FLAT_CREDENTIAL("c1", "https://a/b", "active"));
    struct vf_object object;
    struct vf_page page;

    SCRIPT(
        {.status = 201, .body = FLAT_CREDENTIAL("c1", "https://a/b", "active")},
        {.status = 200, .body = page_body},
        {.status = 200, .body = FLAT_CREDENTIAL("c1", "https://a/b", "active")},
        {.status = 204}, {.status = 200, .body = page_body});
    assert_int_equal(create_bearer("s", NULL), 0);

    stage_close();
    stage_open("qoder-flat"); /* another mount */
    assert_int_equal(list_credentials(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    assert_string_equal(page.objects[0].name, "git hub.json");
    vf_page_done(&page);
    assert_int_equal(stage.ops->get_credential(stage.service.self, "v1", "c1",
                                               now_ms + DEADLINE_MS, &object,
                                               NULL),
                     0);
    assert_string_equal(object.name, "git hub.json");
    vf_object_done(&object);

    assert_int_equal(stage.ops->delete_credential(stage.service.self, "v1",
                                                  "c1", now_ms + DEADLINE_MS,
                                                  NULL),
                     0);
    assert_int_equal(list_credentials(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    assert_null(page.objects[0].name);
    assert_string_equal(page.objects[0].label, "a_b.json");
    vf_page_done(&page);
}

static void flat_a_name_that_cannot_be_kept_is_told_before_any_request(
    void **state)
{
    char directory[sizeof(stage.directory)];
    struct vf_error err;

    stage_close();
    memcpy(directory, stage.directory, sizeof(directory));
    (void)snprintf(stage.directory, sizeof(stage.directory),
                   "/dev/null/in/a/directory");
    stage_open("qoder-flat");
    fake_http_script(NULL, 0);
    assert_int_equal(create_bearer("s", &err), -ENOTDIR);
    assert_false(err.is_unknown);
    memcpy(stage.directory, directory, sizeof(directory));
}

static void damage_names(unsigned number)
{
    char command[128];

    (void)snprintf(command, sizeof(command),
                   "for f in %s/*.json; do : > $f; "
                   "done",
                   stage.directory);
    assert_int_equal(system(command), 0);
}

/* The credential is there: whoever tries again has to look first. */
static void flat_a_name_that_could_not_be_kept_is_no_success(void **state)
{
    const struct fake_answer made = {
        .status = 201, .body = FLAT_CREDENTIAL("c1", "https://a/b", "active")};
    struct vf_error err;

    SCRIPT(made);
    assert_int_equal(create_bearer("s", NULL), 0);
    SCRIPT(made);
    fake_http_hook = damage_names;
    assert_int_equal(create_bearer("s", &err), -EBADMSG);
    assert_true(err.is_unknown);
    assert_non_null(strstr(err.message, stage.directory));
}

static void flat_a_rename_is_done_here(void **state)
{
    static const char shown[] = FLAT_CREDENTIAL("c1", "https://a/b", "active");
    struct vf_object object;

    fake_http_script(NULL, 0);
    assert_int_equal(rename_to("new.json", shown, &object, NULL), 0);
    assert_string_equal(object.name, "new.json");
    vf_object_done(&object);
}

static void flat_a_credential_cannot_be_changed_in_place(void **state)
{
    static const char shown[] = FLAT_CREDENTIAL("c1", "https://a/b", "active");
    struct vf_spec *rotation = parse_spec(FLAT_SPEC, shown);
    struct vf_spec *same = parse_spec(shown, shown);
    struct vf_spec *edit = parse_spec(
        "{\"mcp_server_url\":\"https://a/b\",\"type\":\"static_bearer\","
        "\"protocol\":\"streamable_http\"}",
        shown);
    struct vf_object object;
    struct vf_error err;

    fake_http_script(NULL, 0);
    assert_int_equal(update("a_b.json", rotation, shown, NULL, NULL),
                     -EOPNOTSUPP);
    assert_int_equal(update("a_b.json", edit, shown, NULL, &err), -EINVAL);
    assert_string_equal(err.param, "protocol");
    assert_int_equal(update("a_b.json", same, shown, &object, NULL), 0);
    vf_object_done(&object);
    vf_spec_free(rotation);
    vf_spec_free(same);
    vf_spec_free(edit);
}

static void flat_the_next_page_begins_after_the_last_id(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 200,
            .body = "{\"data\":[" FLAT_VAULT "],\"first_id\":\"v1\","
                    "\"last_id\":\"v1\",\"has_more\":true}"},
           {.status = 200,
            .body = "{\"data\":[],\"last_id\":\"v9\",\"has_more\":false}"},
           {.status = 200, .body = "{\"data\":[],\"last_id\":\"v9\"}"},
           {.status = 200,
            .body = "{\"data\":[],\"last_id\":\"v1\",\"has_more\":true}"},
           {.status = 200,
            .body = "{\"data\":[],\"last_id\":\"v1\",\"has_more\":true}"});
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    assert_string_equal(page.next, "v1");
    vf_page_done(&page);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(list_vaults(VF_LIST_ACTIVE, "v1", &page, NULL), 0);
        assert_null(page.next);
        vf_page_done(&page);
    }
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, "v1", &page, NULL), -EBADMSG);
    assert_sent(1, VF_HTTP_GET, "/vaults?limit=100&status=active", "");
    assert_sent(2, VF_HTTP_GET, "/vaults?limit=100&status=active&after_id=v1",
                "");
}

/* The first servers know another parameter, pass over ours, and begin again. */
static void flat_an_older_server_is_asked_in_its_own_way(void **state)
{
#define FIRST "{\"data\":[" FLAT_VAULT "],\"last_id\":\"v1\",\"has_more\":true}"
    static const struct fake_answer signs[] = {
        {.status = 200, .body = FIRST},
        {.status = 400,
         .body = "{\"error\":{\"type\":\"t\",\"param\":\"after_id\"}}"},
    };
    static const char after[] = "/vaults?limit=100&status=active&after=v1";

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        struct vf_page page;

        stage_close();
        stage_open("qoder-flat");
        SCRIPT({.status = 200, .body = FIRST}, signs[i],
               {.status = 200, .body = LIST()},
               {.status = 200, .body = LIST()});
        assert_int_equal(list_vaults(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
        vf_page_done(&page);
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(list_vaults(VF_LIST_ACTIVE, "v1", &page, NULL), 0);
            assert_null(page.next);
            vf_page_done(&page);
        }
        assert_sent(2, VF_HTTP_GET,
                    "/vaults?limit=100&status=active&after_id=v1", "");
        assert_sent(3, VF_HTTP_GET, after, "");
        assert_sent(4, VF_HTTP_GET, after, ""); /* remembered */
        assert_int_equal(fake_http_count(), 4);
    }
}

static void flat_a_rename_without_a_place_says_so(void **state)
{
    static const char shown[] = FLAT_CREDENTIAL("c1", "https://a/b", "active");
    const struct vf_api_options options = {.dialect = "qoder-flat"};
    struct vf_error err;

    vf_api_free(stage.api);
    assert_int_equal(
        vf_api_new(&options, NULL, fake_auth_handle(), &stage.api, NULL), 0);
    stage.service = vf_api_service(stage.api);
    fake_http_script(NULL, 0);
    assert_int_equal(rename_to("new.json", shown, NULL, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.message, "no directory to keep it in"));
}

/* The service lists the one or the other. */
static void flat_all_are_the_active_and_then_the_archived_ones(void **state)
{
    static const char *const paths[] = {
        "/vaults/v1/credentials?limit=100&status=active",
        "/vaults/v1/credentials?limit=100&status=active&after_id=c1",
        "/vaults/v1/credentials?limit=100&status=archived",
        "/vaults/v1/credentials?limit=100&status=archived&after_id=c3",
    };
    static const char ids[] = "1234";
    char *cursor = NULL;

    SCRIPT({.status = 200,
            .body = "{\"data\":[" FLAT_CREDENTIAL(
                "c1", "https://a/1",
                "active") "],\"last_id\":\"c1\",\"has_more\":true}"},
           {.status = 200,
            .body = LIST(FLAT_CREDENTIAL("c2", "https://a/2", "active"))},
           {.status = 200,
            .body = "{\"data\":[" FLAT_CREDENTIAL(
                "c3", "https://a/3",
                "archived") "],\"last_id\":\"c3\",\"has_more\":true}"},
           {.status = 200,
            .body = LIST(FLAT_CREDENTIAL("c4", "https://a/4", "archived"))});
    for (unsigned i = 0; i < 4; i++) {
        struct vf_page page;

        assert_int_equal(list_credentials(VF_LIST_ALL, cursor, &page, NULL), 0);
        assert_sent(i + 1, VF_HTTP_GET, paths[i], "");
        assert_int_equal(page.count, 1);
        assert_int_equal(page.objects[0].id[1], ids[i]);
        assert_int_equal(page.objects[0].is_archived, i >= 2);
        free(cursor);
        cursor = page.next;
        page.next = NULL;
        vf_page_done(&page);
        assert_int_equal(cursor == NULL, i == 3);
    }
}

static void flat_archiving_is_told_by_the_status(void **state)
{
    SCRIPT({.status = 200,
            .body = FLAT_CREDENTIAL("c1", "https://a/b", "archived")},
           {.status = 200,
            .body = FLAT_CREDENTIAL("c1", "https://a/b", "active")});
    assert_int_equal(archive(NULL), 0);
    assert_int_equal(archive(NULL), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF("qoder-flat", flat_a_credential_is_four_fields),
        TEST_OF("qoder-flat", flat_what_has_no_place_is_refused_by_name),
        TEST_OF("qoder-flat", flat_nothing_and_the_file_s_name_have_a_place),
        TEST_OF("qoder-flat",
                flat_names_are_kept_here_until_the_credential_goes),
        TEST_OF("qoder-flat",
                flat_a_name_that_cannot_be_kept_is_told_before_any_request),
        TEST_OF("qoder-flat", flat_a_name_that_could_not_be_kept_is_no_success),
        TEST_OF("qoder-flat", flat_a_rename_is_done_here),
        TEST_OF("qoder-flat", flat_a_credential_cannot_be_changed_in_place),
        TEST_OF("qoder-flat", flat_the_next_page_begins_after_the_last_id),
        TEST_OF("qoder-flat",
                flat_all_are_the_active_and_then_the_archived_ones),
        TEST_OF("qoder-flat", flat_an_older_server_is_asked_in_its_own_way),
        TEST_OF("qoder-flat", flat_a_rename_without_a_place_says_so),
        TEST_OF("qoder-flat", flat_archiving_is_told_by_the_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
