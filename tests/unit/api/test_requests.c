/* SPDX-License-Identifier: MIT */
#include "stage.h"

static void a_list_asks_for_full_pages_and_passes_the_cursor(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 200,
            .body = "{\"data\":[" VAULT "],\"next_page\":\"a&b=c/d\"}"},
           {.status = 200, .body = "{\"data\":[],\"next_page\":null}"});
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    assert_int_equal(page.count, 1);
    char *cursor = page.next;
    page.next = NULL;
    vf_page_done(&page);
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, cursor, &page, NULL), 0);
    assert_null(page.next);
    vf_page_done(&page);
    free(cursor);

    const struct fake_request *first = fake_http_request(1);
    assert_int_equal(first->method, VF_HTTP_GET);
    assert_string_equal(first->path, "/vaults?limit=100");
    assert_string_equal(first->token, "Authorization: Bearer pt-first-token");
    assert_string_equal(first->accept, "application/json");
    assert_string_equal(first->key, "");
    assert_true(is_uuid4(first->request_id));
    assert_string_equal(fake_http_request(2)->path,
                        "/vaults?limit=100&page=a%26b%3Dc%2Fd");
    assert_string_not_equal(first->request_id,
                            fake_http_request(2)->request_id);
}

static void a_cursor_that_does_not_advance_is_an_error(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 200, .body = "{\"data\":[],\"next_page\":\"c\"}"});
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, "c", &page, NULL), -EBADMSG);
}

static void each_operation_is_one_request_of_its_kind(void **state)
{
    const struct vf_service_ops *ops = stage.ops;
    void *self = stage.service.self;
    int64_t deadline = now_ms + DEADLINE_MS;
    struct vf_object object;
    char name[] = "a\"b";
    const struct vf_vault_spec spec = {.display_name = name};
    struct vf_page page;

    SCRIPT({.status = 201, .body = VAULT}, {.status = 204},
           {.status = 200, .body = CREDENTIAL},
           {.status = 200,
            .body = "{\"id\":\"c1\",\"type\":\"vault_credential_deleted\"}"},
           {.status = 200, .body = "{\"data\":[" CREDENTIAL "]}"});
    assert_int_equal(create_vault(&spec, NULL, &page, NULL), 0);
    assert_int_equal(page.count, 0);
    assert_null(page.next);
    vf_page_done(&page);
    assert_int_equal(ops->delete_vault(self, "v1", deadline, NULL), 0);
    assert_int_equal(
        ops->get_credential(self, "v1", "c1", deadline, &object, NULL), 0);
    vf_object_done(&object);
    assert_int_equal(ops->delete_credential(self, "v1", "c1", deadline, NULL),
                     0);
    assert_int_equal(list_credentials(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    vf_page_done(&page);

    assert_sent(1, VF_HTTP_POST, "/vaults", "{\"display_name\":\"a\\\"b\"}");
    assert_sent(2, VF_HTTP_DELETE, "/vaults/v1", "");
    assert_sent(3, VF_HTTP_GET, "/vaults/v1/credentials/c1", "");
    assert_sent(4, VF_HTTP_DELETE, "/vaults/v1/credentials/c1", "");
    assert_sent(5, VF_HTTP_GET, "/vaults/v1/credentials?limit=100", "");
    for (unsigned i = 1; i <= 5; i++)
        assert_int_equal(is_uuid4(fake_http_request(i)->key),
                         fake_http_request(i)->method != VF_HTTP_GET);
}

static void archiving_is_a_post_that_is_confirmed(void **state)
{
    struct vf_error err;

    SCRIPT(
        {.status = 200,
         .body = CREDENTIAL_WITH("https://a/b", "\"metadata\":{}," ARCHIVED)},
        {.status = 200, .body = VAULT_WITH("prod", ARCHIVED)},
        {.status = 200, .body = CREDENTIAL});
    assert_int_equal(archive(NULL), 0);
    assert_int_equal(stage.ops->archive_vault(stage.service.self, "v1",
                                              now_ms + DEADLINE_MS, NULL),
                     0);
    assert_int_equal(archive(&err), -EBADMSG);
    assert_string_equal(err.param, "archived_at");
    assert_true(err.is_unknown);
    assert_sent(1, VF_HTTP_POST, "/vaults/v1/credentials/c1/archive", "{}");
    assert_sent(2, VF_HTTP_POST, "/vaults/v1/archive", "{}");
}

static void a_list_has_what_was_asked_for(void **state)
{
    static const char active[] = VAULT;
    static const char archived[] =
        "{\"id\":\"v2\",\"type\":\"vault\",\"display_name\":\"old\"," ARCHIVED
        "}";
    static const struct {
        enum vf_list which;
        const char *path;
        size_t count;
        const char *first;
    } cases[] = {
        {VF_LIST_ACTIVE, "/vaults?limit=100", 1, "v1"},
        {VF_LIST_ARCHIVED, "/vaults?limit=100&include_archived=true", 1, "v2"},
        {VF_LIST_ALL, "/vaults?limit=100&include_archived=true", 2, "v1"},
    };
    char body[1024];

    (void)snprintf(body, sizeof(body), "{\"data\":[%s,%s]}", active, archived);
    for (size_t i = 0; i < 3; i++) {
        struct vf_page page;

        SCRIPT({.status = 200, .body = body});
        assert_int_equal(list_vaults(cases[i].which, NULL, &page, NULL), 0);
        assert_sent(1, VF_HTTP_GET, cases[i].path, "");
        assert_int_equal(page.count, cases[i].count);
        assert_string_equal(page.objects[0].id, cases[i].first);
        vf_page_done(&page);
    }
}

static void a_name_that_json_cannot_carry_is_not_sent(void **state)
{
    char name[] = "a\xFF";
    const struct vf_vault_spec spec = {.display_name = name};
    struct vf_error err;

    fake_http_script(NULL, 0);
    assert_int_equal(create_vault(&spec, NULL, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.message, "UTF-8"));
}

static void a_vault_is_made_with_its_metadata(void **state)
{
    struct vf_vault_spec *spec = parse_vault_spec(
        "{\"display_name\":\"prod\",\"metadata\":{\"team\":\"a\"}}");

    SCRIPT({.status = 200, .body = VAULT});
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), 0);
    assert_sent(1, VF_HTTP_POST, "/vaults",
                "{\"display_name\":\"prod\",\"metadata\":{\"team\":\"a\"}}");
    vf_vault_spec_free(spec);
}

static void the_name_is_kept_in_the_metadata_on_create(void **state)
{
    char url[] = "https://a/b";
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .value = secret_of("s\"1")};
    const char *metadata = "{\"team\":\"core\"}";

    assert_int_equal(
        vf_json_parse(metadata, strlen(metadata), &spec.metadata, NULL), 0);
    SCRIPT({.status = 201, .body = CREDENTIAL});
    assert_int_equal(create("git hub.json", &spec, NULL, NULL), 0);
    assert_string_equal(
        fake_http_request(1)->body,
        "{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":"
        "\"https://a/b\",\"token\":\"s\\\"1\"},\"metadata\":{\"team\":"
        "\"core\",\"vaultfs.name\":\"git hub.json\"}}");
    assert_true(fake_http_request(1)->is_body_secret);
    vf_json_free(spec.metadata);
    vf_secret_unref(spec.value);
}

static void an_oauth_spec_is_written_whole_on_create(void **state)
{
    char url[] = "https://a/b", expiry[] = "2030-01-01T00:00:00Z";
    char client[] = "id", endpoint[] = "https://a/t", scope[] = "r";
    char type[] = "client_secret_post", resource[] = "res";
    struct vf_spec spec = {
        .type = VF_AUTH_MCP_OAUTH,
        .mcp_server_url = url,
        .expires_at = expiry,
        .value = secret_of("at"),
        .refresh = {.is_present = true,
                    .client_id = client,
                    .token_endpoint = endpoint,
                    .token_endpoint_auth_type = type,
                    .resource = resource,
                    .scope = scope,
                    .refresh_token = secret_of("rt"),
                    .client_secret = secret_of("cs")},
    };

    SCRIPT({.status = 200, .body = CREDENTIAL});
    assert_int_equal(create("git hub.json", &spec, NULL, NULL), 0);
    assert_string_equal(
        fake_http_request(1)->body,
        "{\"auth\":{\"type\":\"mcp_oauth\",\"mcp_server_url\":\"https://a/b\","
        "\"access_token\":\"at\",\"expires_at\":\"2030-01-01T00:00:00Z\","
        "\"refresh\":{\"client_id\":\"id\",\"refresh_token\":\"rt\","
        "\"token_endpoint\":\"https://a/t\",\"token_endpoint_auth\":{\"type\":"
        "\"client_secret_post\",\"client_secret\":\"cs\"},\"resource\":\"res\","
        "\"scope\":\"r\"}},\"metadata\":{\"vaultfs.name\":\"git hub.json\"}}");

    vf_secret_unref(spec.value);
    vf_secret_unref(spec.refresh.refresh_token);
    vf_secret_unref(spec.refresh.client_secret);
}

static void requests_about_one_vault_are_a_group(void **state)
{
    const struct vf_service_ops *ops = stage.ops;
    void *self = stage.service.self;
    const struct vf_list_query query = {.deadline_ms = now_ms + DEADLINE_MS};
    struct vf_page page;

    SCRIPT({.status = 404}, {.status = 204}, {.status = 400}, {.status = 400},
           {.status = 400});
    (void)list_code(NULL);
    assert_int_equal(delete_vault(NULL), 0);
    (void)create_bearer("s", NULL);
    assert_true(ops->list_credentials(self, "v1", &query, &page, NULL) < 0);
    assert_true(ops->list_credentials(self, "v2", &query, &page, NULL) < 0);
    assert_true(fake_http_request(1)->group == 0);
    assert_true(fake_http_request(2)->group != 0);
    assert_true(fake_http_request(3)->group == fake_http_request(2)->group);
    assert_true(fake_http_request(4)->group == fake_http_request(2)->group);
    assert_true(fake_http_request(5)->group != fake_http_request(2)->group);
}

static void an_unknown_dialect_is_refused(void **state)
{
    struct vf_api *api = NULL;
    struct vf_error err;

    assert_int_equal(vf_api_new(&(struct vf_api_options){.dialect = "klingon"},
                                NULL, fake_auth_handle(), &api, &err),
                     -EINVAL);
    assert_null(api);
    assert_non_null(strstr(err.message, "klingon"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_asks_for_full_pages_and_passes_the_cursor),
        TEST(a_cursor_that_does_not_advance_is_an_error),
        TEST(each_operation_is_one_request_of_its_kind),
        TEST(archiving_is_a_post_that_is_confirmed),
        TEST(a_list_has_what_was_asked_for),
        TEST(a_vault_is_made_with_its_metadata),
        TEST(a_name_that_json_cannot_carry_is_not_sent),
        TEST(the_name_is_kept_in_the_metadata_on_create),
        TEST(an_oauth_spec_is_written_whole_on_create),
        TEST(requests_about_one_vault_are_a_group),
        TEST(an_unknown_dialect_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
