/* SPDX-License-Identifier: MIT */
#include "stage.h"

static const char *dialect(void)
{
    struct vf_service_traits traits;

    stage.ops->traits(stage.service.self, &traits);
    return traits.dialect;
}

/* A list that came through, and is dropped. */
static void list(enum vf_list which, const char *cursor)
{
    struct vf_page page;

    assert_int_equal(list_vaults(which, cursor, &page, NULL), 0);
    vf_page_done(&page);
}

#define LIST(...) "{\"data\":[" __VA_ARGS__ "]}"
#define DEMAND(param)                                                          \
    "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"at least "   \
    "one credential\",\"param\":\"" param "\"}}"

static void the_traits_are_those_of_the_service(void **state)
{
    static const struct vf_service_traits expected[] = {
        {"qoder", true, false, true, false, 0},
        {"qoder-flat", true, false, false, true, 0},
        {"anthropic", false, true, true, false, 20},
    };

    for (size_t i = 0; i < 3; i++) {
        struct vf_service_traits traits;

        stage_close();
        stage_open(expected[i].dialect);
        stage.ops->traits(stage.service.self, &traits);
        assert_string_equal(traits.dialect, expected[i].dialect);
        assert_int_equal(traits.has_keys, expected[i].has_keys);
        assert_int_equal(traits.can_update_vault, expected[i].can_update_vault);
        assert_int_equal(traits.can_update_credential,
                         expected[i].can_update_credential);
        assert_int_equal(traits.takes_credentials_with_vault,
                         expected[i].takes_credentials_with_vault);
        assert_int_equal(traits.credentials_max, expected[i].credentials_max);
    }
}

static void auto_is_told_by_the_first_vault_in_a_list(void **state)
{
    static const struct {
        const char *body, *dialect;
    } cases[] = {
        {LIST(VAULT), "qoder"},
        {LIST(FLAT_VAULT), "qoder-flat"},
        {LIST(), "auto"},
        /* An archived one of either, and a future one. */
        {LIST(VAULT_WITH("a",
                         "\"status\":\"archived\"," ARCHIVED) "," FLAT_VAULT),
         "qoder-flat"},
        {LIST(VAULT_WITH("a", "\"status\":\"ok\"," TIMES)), "qoder"},
        {LIST(VAULT_WITH("a", MADE)), "auto"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        stage_close();
        stage_open("auto");
        SCRIPT({.status = 200, .body = cases[i].body});
        list(VF_LIST_ACTIVE, NULL);
        assert_string_equal(dialect(), cases[i].dialect);
    }
}

/* And the reply that tells is read as what it is. */
static void auto_reads_the_reply_that_tells_by_the_right_table(void **state)
{
    struct vf_page page;

    SCRIPT({.status = 200,
            .body = "{\"data\":[" FLAT_VAULT "],\"last_id\":\"v1\","
                    "\"has_more\":true}"},
           {.status = 200, .body = LIST()});
    assert_int_equal(list_vaults(VF_LIST_ACTIVE, NULL, &page, NULL), 0);
    assert_string_equal(page.next, "v1");
    vf_page_done(&page);
    list(VF_LIST_ACTIVE, "v1");
    assert_sent(1, VF_HTTP_GET, "/vaults?limit=100", "");
    assert_sent(2, VF_HTTP_GET, "/vaults?limit=100&status=active&after_id=v1",
                "");
}

static void auto_asks_again_when_its_filter_was_another_s(void **state)
{
    SCRIPT({.status = 200, .body = LIST(FLAT_VAULT)},
           {.status = 200, .body = LIST()});
    list(VF_LIST_ARCHIVED, NULL);
    assert_sent(1, VF_HTTP_GET, "/vaults?limit=100&include_archived=true", "");
    assert_sent(2, VF_HTTP_GET, "/vaults?limit=100&status=archived", "");
}

static void auto_is_told_by_the_vault_it_makes(void **state)
{
    struct vf_vault_spec *spec =
        parse_vault_spec("{\"display_name\":\"prod\"}");

    SCRIPT({.status = 201, .body = FLAT_VAULT});
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), 0);
    assert_string_equal(dialect(), "qoder-flat");
    vf_vault_spec_free(spec);
}

static void auto_is_told_by_the_demand_for_a_credential(void **state)
{
    struct vf_vault_spec *spec =
        parse_vault_spec("{\"display_name\":\"prod\"}");

    SCRIPT({.status = 400, .body = DEMAND("credentials")});
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -ENODATA);
    assert_string_equal(dialect(), "qoder-flat");
    vf_vault_spec_free(spec);
}

/* What is settled wrongly stays wrong as long as the mount. */
static void auto_is_not_told_by_words(void **state)
{
    static const char *const bodies[] = {
        DEMAND("metadata"),
        DEMAND("credentials_file"),
        "{\"error\":{\"type\":\"credential_error\",\"message\":\"your "
        "credentials do not match the workspace\"}}",
        "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"at "
        "least one credential is needed\"}}",
    };
    struct vf_vault_spec *spec =
        parse_vault_spec("{\"display_name\":\"prod\"}");

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        SCRIPT({.status = 400, .body = bodies[i]});
        assert_int_equal(create_vault(spec, NULL, NULL, NULL), -EINVAL);
        assert_string_equal(dialect(), "auto");
    }
    vf_vault_spec_free(spec);
}

static void auto_is_not_told_by_what_is_no_vault(void **state)
{
    static const char *const bodies[] = {
        "{\"status\":\"maintenance\"}",
        "{\"archived_at\":null}",
        "{\"type\":\"vault\",\"status\":\"maintenance\"}",
        "{\"id\":\"v1\",\"type\":\"page\",\"status\":\"active\"}",
        "{\"id\":\"../v1\",\"type\":\"vault\",\"status\":\"active\"}",
        LIST("{\"status\":\"maintenance\"}"),
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        SCRIPT({.status = 200, .body = bodies[i]});
        assert_int_equal(list_code(NULL), -EBADMSG);
        assert_string_equal(dialect(), "auto");
    }
}

/* What was told stays. */
static void auto_remembers(void **state)
{
    struct vf_vault_spec *spec =
        parse_vault_spec("{\"display_name\":\"prod\"}");

    SCRIPT({.status = 200, .body = LIST(VAULT)},
           {.status = 200, .body = LIST(FLAT_VAULT)},
           {.status = 400, .body = DEMAND("credentials")});
    list(VF_LIST_ACTIVE, NULL);
    list(VF_LIST_ACTIVE, NULL);
    assert_int_equal(create_vault(spec, NULL, NULL, NULL), -EINVAL);
    assert_string_equal(dialect(), "qoder");
    vf_vault_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_traits_are_those_of_the_service),
        TEST_OF("auto", auto_is_told_by_the_first_vault_in_a_list),
        TEST_OF("auto", auto_reads_the_reply_that_tells_by_the_right_table),
        TEST_OF("auto", auto_asks_again_when_its_filter_was_another_s),
        TEST_OF("auto", auto_is_told_by_the_vault_it_makes),
        TEST_OF("auto", auto_is_told_by_the_demand_for_a_credential),
        TEST_OF("auto", auto_is_not_told_by_words),
        TEST_OF("auto", auto_is_not_told_by_what_is_no_vault),
        TEST_OF("auto", auto_remembers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
