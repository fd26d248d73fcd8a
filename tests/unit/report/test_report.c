/* SPDX-License-Identifier: MIT */
#include "vaultfs/report.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vaultfs/json.h"
#include "vaultfs/text.h"

static const struct vf_report_count asked[] = {{"lookup", 3}, {"read", 0}};

static const struct vf_report_state usual = {
    .mountpoint = "/mnt",
    .source = "qoder",
    .dialect = "qoder",
    .token_source = "token file /t",
    .token_state = "ok",
    .vaults = 2,
    .requests = 7,
    .request_limit = 16,
    .fuse_requests = asked,
    .fuse_requests_count = sizeof(asked) / sizeof(asked[0]),
};

static int setup(void **state)
{
    return vf_report_new((struct vf_report **)state);
}

static int teardown(void **state)
{
    vf_report_free(*state);
    return 0;
}

static void note(struct vf_report *report, const char *operation,
                 const char *path, int code)
{
    const struct vf_error error = {.code = code, .message = "because"};
    const struct vf_record record = {
        .operation = operation, .path = path, .error = &error};

    vf_report_add(report, &record);
}

/* Freed by the caller. */
static char *render_state(struct vf_report *report, const char *name,
                          const struct vf_report_state *state)
{
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(vf_report_render(report, name, state, &text, &size), 0);
    assert_int_equal(strlen(text), size);
    return text;
}

static char *render(struct vf_report *report, const char *name)
{
    return render_state(report, name, &usual);
}

static struct vf_json *parse(const char *text, size_t size)
{
    struct vf_json *json = NULL;
    struct vf_error err = {0};

    if (vf_json_parse(text, size, &json, &err) < 0)
        fail_msg("%s: %s", err.message, text);
    assert_int_equal(vf_json_type(json), VF_JSON_OBJECT);
    return json;
}

static struct vf_json *render_object(struct vf_report *report, const char *name)
{
    char *text = render(report, name);
    struct vf_json *json = parse(text, strlen(text));

    free(text);
    return json;
}

static int64_t number(const struct vf_json *object, const char *key)
{
    struct vf_json *value = NULL;

    assert_true(vf_json_get(object, key, &value));
    assert_int_equal(vf_json_type(value), VF_JSON_INT);
    return vf_json_int(value);
}

static void nothing_has_failed_at_first(void **state)
{
    char *last = render(*state, "last_error"), *all = render(*state, "errors");

    assert_string_equal(last, "{}\n");
    assert_string_equal(all, "");
    free(last);
    free(all);
}

static void a_failure_is_told_with_all_that_is_known(void **state)
{
    const struct vf_error error = {.code = EEXIST,
                                   .http_status = 409,
                                   .is_unknown = true,
                                   .type = "conflict_error",
                                   .message = "it is there",
                                   .param = "auth.mcp_server_url",
                                   .request_id = "req-1"};
    const struct vf_record record = {.operation = "write",
                                     .path = "/prod/a.json",
                                     .pid = getpid(),
                                     .error = &error};
    const char *const expected[][2] = {
        {"operation", "write"},     {"path", "/prod/a.json"},
        {"process", "test_report"}, {"errno", "EEXIST"},
        {"type", "conflict_error"}, {"message", "it is there"},
        {"param", error.param},     {"request_id", "req-1"},
    };
    struct vf_json *value = NULL;

    vf_report_add(*state, &record);
    struct vf_json *last = render_object(*state, "last_error");
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_string_equal(vf_json_get_string(last, expected[i][0]),
                            expected[i][1]);
    assert_int_equal(number(last, "pid"), getpid());
    assert_int_equal(number(last, "http_status"), 409);
    assert_true(vf_json_get(last, "outcome_unknown", &value));
    assert_true(vf_json_bool(value));
    struct vf_json *only = render_object(*state, "errors"); /* one line */
    assert_true(vf_json_equal(only, last));
    vf_json_free(only);
    vf_json_free(last);
}

/* Which failures are told of, as their paths. */
static void assert_lines(struct vf_report *report, int first, int count)
{
    char *text = render(report, "errors"), *line = text, path[32];

    for (int i = first; i < first + count; i++) {
        char *end = strchr(line, '\n');

        assert_non_null(end);
        struct vf_json *failure = parse(line, (size_t)(end - line));
        (void)snprintf(path, sizeof(path), "/%d", i);
        assert_string_equal(vf_json_get_string(failure, "path"), path);
        vf_json_free(failure);
        line = end + 1;
    }
    assert_string_equal(line, "");
    free(text);
}

static void the_last_256_are_kept_oldest_first(void **state)
{
    char path[32];

    for (int i = 0; i < VF_REPORT_FAILURES + 10; i++) {
        (void)snprintf(path, sizeof(path), "/%d", i);
        note(*state, "write", path, EINVAL);
        if (i == 2)
            assert_lines(*state, 0, 3);
    }
    assert_lines(*state, 10, VF_REPORT_FAILURES);
    struct vf_json *last = render_object(*state, "last_error");
    assert_string_equal(vf_json_get_string(last, "path"), path);
    vf_json_free(last);
    struct vf_json *status = render_object(*state, "status");
    assert_int_equal(number(status, "failures"), VF_REPORT_FAILURES + 10);
    vf_json_free(status);
}

static void what_was_done_late_is_counted_and_is_no_failure(void **state)
{
    note(*state, "commit", "/a", 0);
    nothing_has_failed_at_first(state);
    char *metrics = render(*state, "metrics");
    assert_non_null(strstr(
        metrics, "\nvaultfs_late_changes_total{operation=\"commit\"} 1\n"));
    assert_null(strstr(metrics, "\nvaultfs_failures_total{"));
    free(metrics);
}

/* A path may hold any byte. None of it may end a line, end a string, or make a
 * terminal do something. */
static void strange_text_stays_in_its_place(void **state)
{
    static const char path[] = "/a\"b\\c\nd\x1B[31m\xFF\xE2\x80\xAE.json";
    static const struct vf_report_state strange = {
        .mountpoint = path,
        .source = path,
        .dialect = "qoder",
        .token_source = path,
        .token_state = "ok",
    };
    static const char *const names[] = {"last_error", "errors", "status"};

    note(*state, path, path, EINVAL);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *text = render_state(*state, names[i], &strange);

        assert_null(strchr(text, '\x1B'));
        assert_null(strstr(text, "\xE2\x80\xAE"));
        assert_true(vf_utf8_is_valid(text, strlen(text)));
        vf_json_free(parse(text, strlen(text)));
        free(text);
    }
    struct vf_json *last = render_object(*state, "last_error");
    assert_string_equal(vf_json_get_string(last, "path"),
                        "/a\"b\\c\nd\x1B[31m\xEF\xBF\xBD\xE2\x80\xAE.json");
    vf_json_free(last);
    char *metrics = render_state(*state, "metrics", &strange);
    assert_true(vf_utf8_is_valid(metrics, strlen(metrics)));
    assert_non_null(strstr(metrics, ",source=\"/a\\\"b\\\\c\\nd\x1B[31m"));
    free(metrics);
}

static void a_long_path_is_cut_and_not_kept_whole(void **state)
{
    char path[10000];

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    note(*state, "write", path, EINVAL);
    char *errors = render(*state, "errors");
    assert_in_range(strlen(errors), 2000, 5000);
    free(errors);
}

static void the_status_has_every_number_once(void **state)
{
    static const char *const top[] = {
        "pid",           "uptime_seconds", "failures",
        "requests",      "request_limit",  "scratch_files",
        "scratch_bytes", "scratch_unsent", "unknown_outcomes",
    };
    struct vf_json *status = render_object(*state, "status"), *part = NULL;

    for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
        assert_true(number(status, top[i]) >= 0);
    assert_int_equal(number(status, "requests"), 7);
    assert_true(vf_json_get(status, "cache", &part));
    assert_int_equal(number(part, "vaults"), 2);
    assert_int_equal(vf_json_count(part), 8);
    assert_true(vf_json_get(status, "account", &part));
    assert_string_equal(vf_json_get_string(part, "token"), "token file /t");
    assert_string_equal(vf_json_get_string(part, "state"), "ok");
    vf_json_free(status);
}

/* What there is to see of an account in the status and in the metrics. */
static void assert_token(struct vf_report *report,
                         const struct vf_report_state *state,
                         const char *expires_at, bool is_refused)
{
    char *text = render_state(report, "status", state), expected[32];
    char *metrics = render_state(report, "metrics", state);
    struct vf_json *status = parse(text, strlen(text)), *account = NULL;

    assert_true(vf_json_get(status, "account", &account));
    assert_string_equal(vf_json_get_string(account, "state"),
                        state->token_state);
    if (expires_at != NULL)
        assert_string_equal(vf_json_get_string(account, "expires_at"),
                            expires_at);
    assert_int_equal(vf_json_count(account), expires_at != NULL ? 3 : 2);
    (void)snprintf(expected, sizeof(expected), "\nvaultfs_token_refused %d\n",
                   is_refused);
    assert_non_null(strstr(metrics, expected));
    assert_int_equal(
        strstr(metrics, "\nvaultfs_token_expires_timestamp_seconds ") != NULL,
        expires_at != NULL);
    vf_json_free(status);
    free(metrics);
    free(text);
}

static void the_token_s_state_and_end_are_told_where_known(void **state)
{
    static const struct {
        const char *token_state;
        bool is_refused;
    } cases[] = {
        {"unused", false}, {"ok", false}, {"refused", true}, {"expired", true}};
    struct vf_report_state told = usual;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        told.token_state = cases[i].token_state;
        told.token_expires_s = 0;
        assert_token(*state, &told, NULL, cases[i].is_refused);
        told.token_expires_s = 1779117256;
        assert_token(*state, &told, "2026-05-18T15:14:16Z",
                     cases[i].is_refused);
    }
    char *metrics = render_state(*state, "metrics", &told);
    assert_non_null(strstr(metrics, "_expires_timestamp_seconds 1779117256\n"));
    free(metrics);
}

/* By the text exposition format: each metric has its HELP and TYPE, once,
 * before its samples, and a sample is a name, labels, a number. */
static void the_metrics_are_in_prometheus_format(void **state)
{
    char metric[64] = "", name[64], word[16], *rest, *line;
    unsigned long long value;

    note(*state, "write", "/a", EINVAL);
    note(*state, "write", "/b", EINVAL);
    note(*state, "write", "/b", EEXIST);
    note(*state, "commit", "/b", 0);
    char *metrics = render(*state, "metrics");
    assert_non_null(strstr(metrics, "\nvaultfs_failures_total{operation="
                                    "\"write\",errno=\"EINVAL\"} 2\n"));
    assert_non_null(
        strstr(metrics, "{operation=\"write\",errno=\"EEXIST\"} 1"));
    assert_non_null(strstr(
        metrics, "\nvaultfs_fuse_requests_total{operation=\"lookup\"} 3\n"
                 "vaultfs_fuse_requests_total{operation=\"read\"} 0\n"));
    assert_non_null(strstr(metrics, "\nvaultfs_request_limit 16\n"));
    for (line = strtok_r(metrics, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, "# HELP %63s %*c", metric) == 1) {
            line = strtok_r(NULL, "\n", &rest);
            assert_int_equal(sscanf(line, "# TYPE %63s %15s", name, word), 2);
            assert_string_equal(name, metric);
            bool is_counter = strcmp(word, "counter") == 0;
            assert_true(is_counter || strcmp(word, "gauge") == 0);
            assert_int_equal(strstr(name, "_total") != NULL, is_counter);
            continue;
        }
        size_t size = strcspn(line, " {");
        assert_int_equal(size, strlen(metric));
        assert_memory_equal(line, metric, size);
        assert_int_equal(sscanf(strrchr(line, ' '), " %llu", &value), 1);
    }
    free(metrics);
}

/* Operations are a few; but memory is bounded all the same. */
static void kinds_of_failures_without_end_are_counted_together(void **state)
{
    char operation[32];
    unsigned long long sum = 0, count;

    for (int i = 0; i < 1000; i++) {
        (void)snprintf(operation, sizeof(operation), "operation%d", i);
        note(*state, operation, "/a", EINVAL);
    }
    char *metrics = render(*state, "metrics");
    assert_true(strlen(metrics) < 20000);
    for (char *at = strstr(metrics, "\nvaultfs_failures_total{"); at != NULL;
         at = strstr(at + 1, "\nvaultfs_failures_total{")) {
        assert_int_equal(sscanf(strstr(at, "} "), "} %llu", &count), 1);
        sum += count;
    }
    assert_int_equal(sum, 1000);
    free(metrics);
}

static void *fail_often(void *report)
{
    for (int i = 0; i < 500; i++)
        note(report, "write", "/a", EINVAL);
    return NULL;
}

static void threads_may_report_and_read_at_once(void **state)
{
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fail_often, *state),
                         0);
    for (int i = 0; i < 50; i++)
        free(render(*state, "errors"));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct vf_json *status = render_object(*state, "status");
    assert_int_equal(number(status, "failures"), 2000);
    vf_json_free(status);
}

static void another_name_is_enoent(void **state)
{
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(vf_report_render(*state, "refresh", &usual, &text, &size),
                     -ENOENT);
    assert_null(text);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_has_failed_at_first),
        TEST(a_failure_is_told_with_all_that_is_known),
        TEST(the_last_256_are_kept_oldest_first),
        TEST(what_was_done_late_is_counted_and_is_no_failure),
        TEST(strange_text_stays_in_its_place),
        TEST(a_long_path_is_cut_and_not_kept_whole),
        TEST(the_status_has_every_number_once),
        TEST(the_token_s_state_and_end_are_told_where_known),
        TEST(the_metrics_are_in_prometheus_format),
        TEST(kinds_of_failures_without_end_are_counted_together),
        TEST(threads_may_report_and_read_at_once),
        TEST(another_name_is_enoent),
    };

    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
