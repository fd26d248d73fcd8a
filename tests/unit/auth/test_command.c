/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vaultfs/secret.h"

/* Long enough to never be reached by a test that works. */
#define PATIENCE_MS 60000

#define OUTPUT_MAX 200000

static struct vf_secret *output;
static struct vf_error err;

static unsigned open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    (void)closedir(directory);
    return count;
}

/* Whatever comes of a command, nothing of it is left in this process. */
static int run(struct vf_auth_command command)
{
    unsigned before = open_descriptors();

    output = vf_secret_unref(output);
    assert_int_equal(vf_secret_new(0, &output, NULL), 0);
    command.output = output;
    if (command.output_max == 0)
        command.output_max = OUTPUT_MAX;
    if (command.timeout_ms == 0)
        command.timeout_ms = PATIENCE_MS;
    if (command.cancel_fd == 0)
        command.cancel_fd = -1;
    err = (struct vf_error){0};
    int result = vf_auth_command_run(&command, &err);
    assert_int_equal(err.code, -result);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    return result;
}

static int run_text(const char *text)
{
    return run((struct vf_auth_command){.text = text});
}

static void assert_output(const char *expected)
{
    assert_string_equal(err.message, "");
    assert_int_equal(vf_secret_size(output), strlen(expected));
    assert_memory_equal(vf_secret_data(output), expected, strlen(expected));
}

static int drop_output(void **state)
{
    output = vf_secret_unref(output);
    return 0;
}

static void what_it_prints_is_appended(void **state)
{
    assert_int_equal(run_text("echo one; echo two"), 0);
    assert_output("one\ntwo\n");
    assert_int_equal(run_text("exec >&-; exit 0"), 0);
    assert_output("");
    assert_int_equal(vf_secret_append(output, "before", 6, NULL), 0);
    const struct vf_auth_command command = {.text = "printf after",
                                            .output = output,
                                            .output_max = 5,
                                            .timeout_ms = PATIENCE_MS,
                                            .cancel_fd = -1};
    assert_int_equal(vf_auth_command_run(&command, &err), 0);
    assert_output("beforeafter");
}

static void more_than_a_pipe_holds_is_taken_whole(void **state)
{
    assert_int_equal(run_text("head -c 150000 /dev/zero | tr '\\0' x"), 0);
    assert_int_equal(vf_secret_size(output), 150000);
}

static void too_much_output_ends_it(void **state)
{
    assert_int_equal(
        run((struct vf_auth_command){.text = "yes", .output_max = 1000}),
        -EINVAL);
    assert_non_null(strstr(err.message, "1000 bytes"));
    assert_int_equal(
        run((struct vf_auth_command){.text = "printf 12345", .output_max = 4}),
        -EINVAL);
}

static void nobody_has_to_want_its_output(void **state)
{
    const struct vf_auth_command command = {.text = "echo lost",
                                            .shows_errors = true,
                                            .timeout_ms = PATIENCE_MS,
                                            .cancel_fd = -1};

    assert_int_equal(vf_auth_command_run(&command, &err), 0);
}

static void it_starts_in_a_clean_place(void **state)
{
    sigset_t all, before;

    assert_int_equal(dup2(STDERR_FILENO, 50), 50); /* not close-on-exec */
    assert_int_equal(run_text("pwd; cat; test ! -e /proc/$$/fd/50"), 0);
    assert_output("/\n");
    assert_int_equal(close(50), 0);

    sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    assert_ptr_not_equal(signal(SIGTERM, SIG_IGN), SIG_ERR);
    /* Signals 1 to 28: the C library ignores two of its own above them. */
    assert_int_equal(run_text("exec grep -cE '^Sig(Blk|Ign):.*0000000$' "
                              "/proc/self/status"),
                     0);
    assert_output("2\n");
    assert_int_equal(run_text("kill -TERM $$; sleep 1000"), -ECHILD);
    assert_string_equal(err.message, "the command ended with signal SIGTERM");
}

static void it_has_our_environment_and_what_is_added(void **state)
{
    static const char *const added[] = {"VF_TEST_B=two words; $(false)",
                                        "VF_TEST_NEW=", NULL};

    assert_int_equal(setenv("VF_TEST_A", "ours", 1), 0);
    assert_int_equal(setenv("VF_TEST_B", "replaced", 1), 0);
    assert_int_equal(setenv("VF_TEST_B2", "kept", 1), 0);
    assert_int_equal(setenv("VF_TEST_N", "kept", 1), 0);
    assert_int_equal(
        run((struct vf_auth_command){
            .text = "tr '\\0' '\\n' </proc/$$/environ | grep '^VF_TEST_' | "
                    "LC_ALL=C sort",
            .variables = added}),
        0);
    assert_output("VF_TEST_A=ours\nVF_TEST_B2=kept\n"
                  "VF_TEST_B=two words; $(false)\nVF_TEST_N=kept\n"
                  "VF_TEST_NEW=\n");
}

static void a_failure_tells_the_status_and_the_last_line(void **state)
{
    assert_int_equal(run_text("exit 3"), -ECHILD);
    assert_string_equal(err.message, "the command ended with exit status 3");
    assert_int_equal(
        run_text("printf 'first\\nnot \\033[31mred\\n\\n\\n' >&2; exit 1"),
        -ECHILD);
    assert_string_equal(err.message, "the command ended with exit status 1: "
                                     "not \\x1B[31mred");
    assert_int_equal(run_text("/vf-no-such-program"), -ECHILD);
    assert_non_null(strstr(err.message, "exit status 127: "));
    assert_non_null(strstr(err.message, "not found"));
}

static void a_long_line_is_cut(void **state)
{
    assert_int_equal(
        run_text("head -c 150000 /dev/zero | tr '\\0' e >&2; exit 1"), -ECHILD);
    assert_int_equal(strspn(strchr(err.message, ':') + 2, "e"), 200);
    assert_null(strchr(err.message, '\n'));
}

static void what_it_printed_is_struck_out_of_the_last_line(void **state)
{
    assert_int_equal(run_text("echo pt-secret-canary-0123456789; "
                              "echo no: secret-canary-0123 >&2; exit 1"),
                     -ECHILD);
    assert_string_equal(err.message,
                        "the command ended with exit status 1: no: [...]");
    assert_int_equal(run_text("echo 'no: pt-0123456789abcdefghij' >&2; exit 1"),
                     -ECHILD);
    assert_string_equal(err.message,
                        "the command ended with exit status 1: no: [...]");
}

static void its_errors_are_ours_when_they_are_shown(void **state)
{
    int before = dup(STDERR_FILENO), ends[2];
    char shown[64] = "";

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    int result = run((struct vf_auth_command){.text = "echo reason >&2; exit 1",
                                              .shows_errors = true});
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(before), 0);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(read(ends[0], shown, sizeof(shown) - 1), 7);
    assert_string_equal(shown, "reason\n");
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(result, -ECHILD);
    assert_string_equal(err.message, "the command ended with exit status 1");
}

static void a_slow_one_is_killed(void **state)
{
    assert_int_equal(run((struct vf_auth_command){
                         .text = "echo begun; sleep 1000", .timeout_ms = 50}),
                     -ETIMEDOUT);
    assert_non_null(strstr(err.message, "50 ms"));
}

/* The children that a shell leaves behind are nobody's to wait for. */
static void a_child_that_holds_the_pipes_does_not_hold_us(void **state)
{
    int pid = 0;

    assert_int_equal(run_text("sleep 1000 & echo $!"), 0);
    assert_int_equal(vf_secret_append(output, "", 1, NULL), 0);
    assert_int_equal(sscanf(vf_secret_data(output), "%d", &pid), 1);
    assert_int_equal(kill(pid, SIGKILL), 0); /* it lives */
    assert_int_equal(run_text("yes >&2 & echo done"), 0);
    assert_output("done\n");
}

struct runner {
    struct vf_auth_command command;
    int result;
};

static void *run_in_thread(void *data)
{
    struct runner *runner = data;

    runner->result = vf_auth_command_run(&runner->command, &err);
    return NULL;
}

static void to_cancel_ends_the_whole_group(void **state)
{
    int ends[2], pid = 0;
    char text[128], line[32] = "";
    pthread_t thread;
    struct runner runner = {0};

    assert_int_equal(pipe(ends), 0);
    int cancel_fd = eventfd(0, EFD_CLOEXEC);
    (void)snprintf(text, sizeof(text),
                   "sleep 1000 & echo $! >/proc/%d/fd/%d; wait", (int)getpid(),
                   ends[1]);
    runner.command = (struct vf_auth_command){
        .text = text, .timeout_ms = PATIENCE_MS, .cancel_fd = cancel_fd};
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &runner), 0);
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    assert_int_equal(sscanf(line, "%d", &pid), 1);
    struct pollfd ended = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    assert_true(ended.fd >= 0);

    assert_int_equal(eventfd_write(cancel_fd, 1), 0);
    assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(ended.fd);
    assert_int_equal(runner.result, -ECANCELED);

    assert_int_equal(run(runner.command), -ECANCELED);
    (void)close(cancel_fd);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_prints_is_appended),
        cmocka_unit_test(more_than_a_pipe_holds_is_taken_whole),
        cmocka_unit_test(too_much_output_ends_it),
        cmocka_unit_test(nobody_has_to_want_its_output),
        cmocka_unit_test(it_starts_in_a_clean_place),
        cmocka_unit_test(it_has_our_environment_and_what_is_added),
        cmocka_unit_test(a_failure_tells_the_status_and_the_last_line),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(what_it_printed_is_struck_out_of_the_last_line),
        cmocka_unit_test(its_errors_are_ours_when_they_are_shown),
        cmocka_unit_test(a_slow_one_is_killed),
        cmocka_unit_test(a_child_that_holds_the_pipes_does_not_hold_us),
        cmocka_unit_test(to_cancel_ends_the_whole_group),
    };

    return cmocka_run_group_tests(tests, NULL, drop_output);
}
