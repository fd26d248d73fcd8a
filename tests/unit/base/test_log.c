/* SPDX-License-Identifier: MIT */
#include "vaultfs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "vaultfs/clock.h"
#include "vaultfs/json.h"
#include "vaultfs/text.h"

static int real_stderr, captured;

/* Until release() standard error is a file in memory. */
static int capture(void **state)
{
    real_stderr = dup(STDERR_FILENO);
    captured = memfd_create("stderr", MFD_CLOEXEC);
    /* Unlike a file, it has no position that several writers can share. */
    return real_stderr < 0 || captured < 0 ||
           fcntl(captured, F_SETFL, O_APPEND) < 0 ||
           dup2(captured, STDERR_FILENO) < 0;
}

static int release(void **state)
{
    (void)dup2(real_stderr, STDERR_FILENO);
    (void)close(real_stderr);
    return close(captured);
}

/* What was written since, as a string to be freed; starts over. */
static char *take(void)
{
    off_t size = lseek(captured, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);

    assert_non_null(text);
    assert_int_equal(pread(captured, text, (size_t)size, 0), size);
    assert_int_equal(ftruncate(captured, 0), 0);
    assert_int_equal(lseek(captured, 0, SEEK_SET), 0);
    return text;
}

/* One line of text format, of now; what comes after its time. Freed by the
 * caller as *ret_line. */
static char *take_line(char **ret_line)
{
    struct timespec time;
    char *line = take();
    char *end = strchr(line, '\n');
    char *space = strchr(line, ' ');

    assert_non_null(end);
    assert_string_equal(end, "\n");
    *end = '\0';
    assert_non_null(space);
    *space = '\0';
    assert_int_equal(vf_time_parse(line, &time), 0);
    *ret_line = line;
    return space + 1;
}

/* What comes after the program's name and our process id. */
static void assert_text_line(const char *want)
{
    char *line, name[32];
    const char *rest = take_line(&line);
    size_t size =
        (size_t)snprintf(name, sizeof(name), "prog[%ld] ", (long)getpid());

    assert_memory_equal(rest, name, size);
    assert_string_equal(rest + size, want);
    free(line);
}

/* One line of JSON format, parsed. Freed by the caller. */
static struct vf_json *take_json(void)
{
    struct vf_json *json;
    struct timespec time;
    char *line = take();
    size_t size = strlen(line);

    assert_true(size > 0 && strchr(line, '\n') == line + size - 1);
    if (vf_json_parse(line, size, &json, NULL) != 0)
        fail_msg("not JSON: %s", line);
    assert_int_equal(vf_time_parse(vf_json_get_string(json, "time"), &time), 0);
    free(line);
    return json;
}

static void assert_member(const struct vf_json *json, const char *key,
                          const char *want)
{
    const char *value = vf_json_get_string(json, key);

    assert_non_null(value);
    assert_string_equal(value, want);
}

static const struct vf_error refused = {
    .code = EKEYREJECTED,
    .http_status = 401,
    .type = "authentication_error",
    .message = "no \"such\" token\n\x1B[31m",
    .param = "x\\y",
    .request_id = "req-1",
};

static const struct vf_record record = {
    .operation = "create",
    .path = "/prod/a\nb.json",
    .pid = 77,
    .error = &refused,
};

static void an_event_is_one_line(void **state)
{
    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_INFO);
    vf_log(VF_LOG_WARNING, "%s %d", "number", 7);
    assert_text_line("warning: number 7");
    vf_log(VF_LOG_INFO, "a\nb\x1B[31m\xE2\x80\xAE\xFF \xC3\xA9");
    assert_text_line("info: a\\x0Ab\\x1B[31m\\xE2\\x80\\xAE\\xFF \xC3\xA9");
}

static void what_is_below_the_level_is_left_out(void **state)
{
    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_WARNING);
    vf_log(VF_LOG_DEBUG, "x");
    vf_log(VF_LOG_INFO, "x");
    char *nothing = take();
    assert_string_equal(nothing, "");
    free(nothing);
    vf_log(VF_LOG_ERROR, "y");
    assert_text_line("error: y");
}

static void a_record_in_text_says_all_it_has(void **state)
{
    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_ERROR);
    vf_log_record(&record);
    assert_text_line("error: create /prod/a\\x0Ab.json: EKEYREJECTED: "
                     "no \"such\" token\\x0A\\x1B[31m [pid 77, HTTP 401, type "
                     "authentication_error, param x\\y, request id req-1]");
}

static void a_record_in_text_leaves_out_what_it_has_not(void **state)
{
    const struct vf_error error = {.code = ETIMEDOUT, .message = "late"};
    const struct vf_record plain = {
        .operation = "list", .path = "/", .error = &error};

    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_ERROR);
    vf_log_record(&plain);
    assert_text_line("error: list /: ETIMEDOUT: late [pid 0]");
}

static void a_record_of_what_did_not_fail_is_information(void **state)
{
    const struct vf_error none = {.message = "done, late"};
    const struct vf_record done = {
        .operation = "unlink", .path = "/a", .error = &none};

    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_INFO);
    vf_log_record(&done);
    assert_text_line("info: unlink /a: done, late [pid 0]");
    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_WARNING);
    vf_log_record(&done);
    char *nothing = take();
    assert_string_equal(nothing, "");
    free(nothing);
    vf_log_init("prog", VF_LOG_JSON, VF_LOG_INFO);
    vf_log_record(&done);
    struct vf_json *json = take_json();
    assert_member(json, "level", "info");
    assert_member(json, "errno", "");
    vf_json_free(json);
}

static void a_record_in_json_has_every_field(void **state)
{
    vf_log_init("prog", VF_LOG_JSON, VF_LOG_ERROR);
    vf_log_record(&record);
    struct vf_json *json = take_json(), *number;
    assert_member(json, "level", "error");
    assert_member(json, "operation", "create");
    assert_member(json, "path", "/prod/a\nb.json");
    assert_member(json, "errno", "EKEYREJECTED");
    assert_member(json, "type", "authentication_error");
    assert_member(json, "message", "no \"such\" token\n\x1B[31m");
    assert_member(json, "param", "x\\y");
    assert_member(json, "request_id", "req-1");
    assert_true(vf_json_get(json, "pid", &number));
    assert_int_equal(vf_json_int(number), 77);
    assert_true(vf_json_get(json, "http_status", &number));
    assert_int_equal(vf_json_int(number), 401);
    assert_true(vf_json_get(json, "outcome_unknown", &number));
    assert_int_equal(vf_json_type(number), VF_JSON_BOOL);
    assert_false(vf_json_bool(number));
    vf_json_free(json);
}

static void json_escapes_what_a_terminal_would_act_on(void **state)
{
    vf_log_init("prog", VF_LOG_JSON, VF_LOG_INFO);
    vf_log(VF_LOG_INFO, "\x01\x1B\x7F\xC2\x9B\xE2\x80\xAE\xFF\xC3\xA9");
    char *line = take();
    assert_non_null(strstr(line, "\"message\":\"\\u0001\\u001b\\u007f\\u009b"
                                 "\\u202e\xEF\xBF\xBD\xC3\xA9\"}\n"));
    free(line);
}

static void any_bytes_make_one_line_of_json(void **state)
{
    vf_log_init("prog", VF_LOG_JSON, VF_LOG_INFO);
    srandom(1);
    for (int round = 0; round < 5000; round++) {
        char bytes[64] = {0};

        for (long i = random() % 63; i > 0; i--)
            bytes[i - 1] = (char)(1 + random() % 255);
        vf_log(VF_LOG_INFO, "%s", bytes);
        struct vf_json *json = take_json();
        const char *message = vf_json_get_string(json, "message");
        assert_non_null(message);
        if (vf_utf8_is_valid(bytes, strlen(bytes)))
            assert_string_equal(message, bytes);
        vf_json_free(json);
    }
}

static void a_long_message_is_cut_and_still_a_line(void **state)
{
    char text[9000];
    char *line;

    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[sizeof(text) - 2] = '\0';
    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_INFO);
    vf_log(VF_LOG_INFO, "%s", text);
    char *rest = take_line(&line);
    assert_true(strlen(rest) > 4000 && strlen(rest) < 4200);
    free(line);
    vf_log_init("prog", VF_LOG_JSON, VF_LOG_INFO);
    vf_log(VF_LOG_INFO, "%s", text);
    vf_json_free(take_json());
}

#define THREADS 4
#define LINES 1000

static void *log_lines(void *context)
{
    for (int i = 0; i < LINES; i++)
        vf_log(VF_LOG_INFO, "%s", (const char *)context);
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    static const char *const words[THREADS] = {"aaaa", "bbbbbbbb", "cc", "d"};
    pthread_t threads[THREADS];
    size_t counts[THREADS] = {0};

    vf_log_init("prog", VF_LOG_TEXT, VF_LOG_INFO);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines,
                                        (void *)(uintptr_t)words[i]),
                         0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    char *all = take(), *position = all;
    for (char *line; (line = strsep(&position, "\n")) != NULL;) {
        const char *message = strstr(line, "] info: ");

        for (size_t i = 0; message != NULL && i < THREADS; i++)
            counts[i] += strcmp(message + 8, words[i]) == 0;
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(counts[i], LINES);
    free(all);
}

#define captured_test(test)                                                    \
    cmocka_unit_test_setup_teardown(test, capture, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        captured_test(an_event_is_one_line),
        captured_test(what_is_below_the_level_is_left_out),
        captured_test(a_record_in_text_says_all_it_has),
        captured_test(a_record_in_text_leaves_out_what_it_has_not),
        captured_test(a_record_of_what_did_not_fail_is_information),
        captured_test(a_record_in_json_has_every_field),
        captured_test(json_escapes_what_a_terminal_would_act_on),
        captured_test(any_bytes_make_one_line_of_json),
        captured_test(a_long_message_is_cut_and_still_a_line),
        captured_test(lines_of_several_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
