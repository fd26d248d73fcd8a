/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vaultfs/log.h"
#include "vaultfs/text.h"

/* Run both parts of a daemon's start in processes of their own. Returns what
 * the first exits with; *ret_said is what it says on standard error. */
static int start_with(int kept_fd, void (*background)(int fd), char *ret_said,
                      size_t said_size)
{
    FILE *said = tmpfile();
    int status, fd;
    pid_t child;

    assert_non_null(said);
    pid_t first = fork();
    assert_true(first >= 0);
    if (first == 0) {
        (void)dup2(fileno(said), STDERR_FILENO);
        if (vf_daemon_fork(kept_fd, &child, &fd, NULL) < 0)
            _exit(99);
        if (child > 0)
            _exit(vf_daemon_wait(child, fd));
        background(fd);
        _exit(77);
    }
    assert_int_equal(waitpid(first, &status, 0), first);
    ssize_t size = pread(fileno(said), ret_said, said_size - 1, 0);
    ret_said[size > 0 ? size : 0] = '\0';
    (void)fclose(said);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int start(void (*background)(int fd), char *ret_said, size_t said_size)
{
    return start_with(-1, background, ret_said, said_size);
}

static void report_success(int fd)
{
    if (vf_daemon_report(fd, 0, NULL) < 0)
        _exit(98);
}

static void report_trouble(int fd)
{
    if (vf_daemon_report(fd, 2, "no access \xC3\xA4") < 0)
        _exit(98);
}

static void end_silently(int fd)
{
    _exit(0);
}

static void end_by_signal(int fd)
{
    (void)signal(SIGTERM, SIG_DFL);
    (void)raise(SIGTERM);
}

/* Where it must not be seen: descriptors of who started us, the terminal. */
static void report_inheritance_of(int fd, int kept_fd)
{
    bool is_clean = getsid(0) == getpid();

    for (int other = 3; other < 200; other++)
        if (other != fd && (fcntl(other, F_GETFD) >= 0) != (other == kept_fd))
            is_clean = false;
    if (vf_daemon_report(fd, is_clean ? 0 : 1, is_clean ? "" : "unclean") < 0)
        _exit(98);
}

static void report_inheritance(int fd)
{
    report_inheritance_of(fd, -1);
}

static void report_inheritance_of_3(int fd)
{
    report_inheritance_of(fd, 3);
}

static void report_inheritance_of_150(int fd)
{
    report_inheritance_of(fd, 150);
}

/* Whether what is in our environment is in that of who waits for us. */
static bool has_parent_environment(void)
{
    char path[64], block[65536];

    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)getppid());
    int fd = open(path, O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, block, sizeof(block)) : -1;
    (void)close(fd);
    if (size < 0)
        _exit(96);
    return memmem(block, (size_t)size, "FAKE_VAULTD", 11) != NULL ||
           memmem(block, (size_t)size, "fake_vaultd", 11) != NULL;
}

/* Who waits is to forget it while it waits, and not only at its end. */
static void report_parents_environment(int fd)
{
    int tries = 1000;

    while (has_parent_environment() && --tries > 0)
        (void)poll(NULL, 0, 10);
    bool is_wiped = tries > 0 && getenv("FAKE_VAULTD") != NULL;
    if (vf_daemon_report(fd, is_wiped ? 0 : 1, "") < 0)
        _exit(98);
}

/* Settle, and report the notice; the log's place gets a line. */
static void settle(int fd, bool is_stderr_kept)
{
    struct stat null, in, out, before, after;
    struct vf_buf notice = VF_BUF_INIT;
    char directory[8];

    if (fstat(STDERR_FILENO, &before) < 0 ||
        vf_daemon_settle(&notice, NULL) < 0 || stat("/dev/null", &null) < 0 ||
        fstat(0, &in) < 0 || fstat(1, &out) < 0 || fstat(2, &after) < 0 ||
        getcwd(directory, sizeof(directory)) == NULL)
        _exit(98);
    bool is_kept = after.st_ino == before.st_ino;
    bool is_good = in.st_rdev == null.st_rdev && out.st_rdev == null.st_rdev &&
                   strcmp(directory, "/") == 0 && is_kept == is_stderr_kept;
    vf_log(VF_LOG_ERROR, "a line");
    if (vf_daemon_report(fd, is_good ? 0 : 1, notice.data) < 0)
        _exit(98);
    vf_buf_free(&notice);
}

static void settle_with_a_file(int fd)
{
    settle(fd, true);
}

/* As when a terminal is there: standard error is no file. */
static void settle_without_a_file(int fd)
{
    int fds[2];

    if (pipe(fds) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
        _exit(97);
    settle(fd, false);
}

static void settle_without_any_place(int fd)
{
    int fds[2];

    if (setenv("XDG_STATE_HOME", "/proc/none", 1) < 0 || pipe(fds) < 0 ||
        dup2(fds[1], STDERR_FILENO) < 0)
        _exit(97);
    settle(fd, false);
}

static void the_user_sees_the_daemons_status_and_reason(void **state)
{
    char said[256];

    assert_int_equal(start(report_success, said, sizeof(said)), 0);
    assert_string_equal(said, "");
    assert_int_equal(start(report_trouble, said, sizeof(said)), 2);
    assert_string_equal(said, "vaultfs: no access \xC3\xA4\n");
}

static void a_daemon_that_dies_without_a_word_is_a_failure(void **state)
{
    char said[256];

    assert_int_equal(start(end_silently, said, sizeof(said)), 1);
    assert_non_null(strstr(said, "without a reason"));
    assert_int_equal(start(end_by_signal, said, sizeof(said)), 1);
    assert_non_null(strstr(said, "signal 15"));
}

static void nothing_is_inherited_by_the_daemon(void **state)
{
    char said[256];
    int fd = open("/dev/null", O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(dup2(fd, 150), 150);
    assert_int_equal(start(report_inheritance, said, sizeof(said)), 0);
    (void)close(fd);
    (void)close(150);
}

/* The first that could be kept, and one with others on both sides. */
static void a_descriptor_that_is_wanted_is_kept(void **state)
{
    char said[256];
    int fd = open("/dev/null", O_RDONLY);

    assert_true(fd >= 0);
    for (int other = 149; other <= 151; other++)
        assert_int_equal(dup2(fd, other), other);
    assert_true(dup2(fd, 3) == 3);
    assert_int_equal(
        start_with(150, report_inheritance_of_150, said, sizeof(said)), 0);
    assert_int_equal(start_with(3, report_inheritance_of_3, said, sizeof(said)),
                     0);
    assert_int_equal(start_with(0, report_inheritance, said, sizeof(said)), 0);
    for (int other = 149; other <= 151; other++)
        (void)close(other);
    (void)close(fd);
}

static void who_waits_forgets_the_environment(void **state)
{
    char said[256];

    assert_non_null(getenv("FAKE_VAULTD"));
    assert_int_equal(start(report_parents_environment, said, sizeof(said)), 0);
}

static void a_log_in_a_file_stays_and_the_rest_is_let_go(void **state)
{
    char said[256];

    assert_int_equal(start(settle_with_a_file, said, sizeof(said)), 0);
    assert_non_null(strstr(said, "error: a line\n"));
    assert_null(strstr(said, "logged"));
}

/* In a name space where /dev has what the test puts there, or skip: only root
 * may. */
static void enter_own_dev(void)
{
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip();
    assert_int_equal(mount("none", "/dev", "tmpfs", 0, NULL), 0);
    assert_int_equal(mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)), 0);
}

/* Without syslog, in a directory that is yet to be made. */
static void assert_logged_to_own_file(const char *root)
{
    char path[128], said[512], want[256], line[128] = "";
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/state", root);
    setenv("XDG_STATE_HOME", path, 1);
    assert_int_equal(start(settle_without_a_file, said, sizeof(said)), 0);
    (void)snprintf(path, sizeof(path), "%s/state/vaultfs/vaultfs.log", root);
    (void)snprintf(want, sizeof(want), "vaultfs: errors are logged to %s\n",
                   path);
    assert_string_equal(said, want);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    assert_non_null(strstr(line, "error: a line\n"));
    (void)close(fd);
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *place)
{
    return remove(path);
}

static void without_syslog_the_log_is_a_file_of_our_own(void **state)
{
    char said[512], root[] = "/tmp/vaultfs-daemon-XXXXXX";

    enter_own_dev();
    assert_non_null(mkdtemp(root));
    assert_logged_to_own_file(root);
    assert_int_equal(start(settle_without_any_place, said, sizeof(said)), 0);
    assert_string_equal(said, "vaultfs: errors are logged nowhere: there is no "
                              "syslog, and no place for a file\n");
    assert_int_equal(nftw(root, remove_entry, 4, FTW_DEPTH), 0);
}

static void where_syslog_is_the_log_goes_there(void **state)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX,
                                        .sun_path = "/dev/log"};
    char said[512], line[512] = "";

    enter_own_dev();
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(
        bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(start(settle_without_a_file, said, sizeof(said)), 0);
    assert_string_equal(said, "vaultfs: errors are logged to syslog\n");
    assert_true(recv(fd, line, sizeof(line) - 1, 0) > 0);
    assert_non_null(strstr(line, "a line"));
    (void)close(fd);
}

static void a_report_that_nobody_reads_is_an_error(void **state)
{
    int fds[2];

    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(fds), 0);
    (void)close(fds[0]);
    assert_int_equal(vf_daemon_report(fds[1], 0, NULL), -EPIPE);
}

static void closed_standard_descriptors_are_filled(void **state)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        (void)close(0);
        (void)close(2);
        vf_daemon_fill_standard();
        _exit(fcntl(0, F_GETFD) == 0 && fcntl(2, F_GETFD) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_user_sees_the_daemons_status_and_reason),
        cmocka_unit_test(a_daemon_that_dies_without_a_word_is_a_failure),
        cmocka_unit_test(nothing_is_inherited_by_the_daemon),
        cmocka_unit_test(a_descriptor_that_is_wanted_is_kept),
        cmocka_unit_test(who_waits_forgets_the_environment),
        cmocka_unit_test(a_log_in_a_file_stays_and_the_rest_is_let_go),
        cmocka_unit_test(without_syslog_the_log_is_a_file_of_our_own),
        cmocka_unit_test(where_syslog_is_the_log_goes_there),
        cmocka_unit_test(a_report_that_nobody_reads_is_an_error),
        cmocka_unit_test(closed_standard_descriptors_are_filled),
    };

    return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
