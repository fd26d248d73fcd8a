/* SPDX-License-Identifier: MIT
 *
 * The start protocol of the embedded service, with a server that notes what it
 * sees (fake_vaultd.py, its path in FAKE_VAULTD).
 */
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/vaultfs-local-XXXXXX";

static char *at_root(const char *name)
{
    static char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void read_file(const char *name, char *ret, size_t ret_size)
{
    int fd = open(at_root(name), O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, ret, ret_size - 1) : 0;

    ret[size > 0 ? size : 0] = '\0';
    if (fd >= 0)
        (void)close(fd);
}

/* The server ends when it gets the lock, and holds it to its end: to wait for
 * the lock again is to wait for that. */
static void wait_for_the_end_of(const char *name)
{
    char notes[4096], lock[64];

    (void)snprintf(lock, sizeof(lock), "data/vaultfs/local/%s/mounts.lock",
                   name);
    int fd = open(at_root(lock), O_RDWR);

    assert_true(fd >= 0);
    do {
        assert_int_equal(flock(fd, LOCK_EX), 0);
        read_file("notes", notes, sizeof(notes));
        (void)flock(fd, LOCK_UN);
    } while (strstr(notes, "end\n") == NULL);
    (void)close(fd);
}

static void wait_for_the_end(void)
{
    wait_for_the_end_of("t");
}

static size_t count(const char *text, const char *word)
{
    size_t found = 0;

    for (; (text = strstr(text, word)) != NULL; text += strlen(word))
        found++;
    return found;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(at_root(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)unlink(at_root("notes"));
    (void)unlink(at_root("refuse"));
    return 0;
}

static void the_server_starts_clean_and_ends_with_its_last_user(void **state)
{
    struct vf_local first, second;
    struct vf_error err = {0};
    struct stat st;
    char notes[4096];
    int left_open = open("/dev/null", O_RDONLY); /* not close-on-exec */

    assert_true(left_open >= 0);
    setenv("QODER_PAT", "pt-canary", 1);
    setenv("MY_TOKEN", "pt-canary", 1);
    if (vf_local_open("t", NULL, &first, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(vf_local_open("t", NULL, &second, &err), 0);
    assert_true(first.is_started);
    assert_false(second.is_started);
    read_file("notes", notes, sizeof(notes));
    assert_string_equal(
        notes, "start leader=True extra=[] tokens=[] dialect=qoder\ntoken\n");
    assert_string_equal(first.socket, at_root("data/vaultfs/local/t/socket"));

    assert_int_equal(stat(first.token_file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    read_file("data/vaultfs/local/t/token", notes, sizeof(notes));
    assert_string_equal(notes, "pt-of-a-test\n");
    assert_int_equal(stat(at_root("data/vaultfs/local/t"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);

    vf_local_close(&first);
    int fd = open(at_root("data/vaultfs/local/t/mounts.lock"), O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1); /* still in use */
    (void)close(fd);
    vf_local_close(&second);
    wait_for_the_end();
    (void)close(left_open);
}

static void the_token_is_made_once(void **state)
{
    struct vf_local local;
    char notes[4096];

    assert_int_equal(vf_local_open("t", NULL, &local, NULL), 0);
    read_file("notes", notes, sizeof(notes));
    assert_int_equal(count(notes, "start"), 1);
    assert_int_equal(count(notes, "token\n"), 0);
    vf_local_close(&local);
    wait_for_the_end();
}

static void a_service_speaks_one_dialect_for_ever(void **state)
{
    struct vf_local local, other;
    struct vf_error err = {0};
    char notes[4096];

    assert_int_equal(vf_local_open("o", "anthropic", &local, &err), 0);
    assert_string_equal(local.dialect, "anthropic");
    read_file("notes", notes, sizeof(notes));
    assert_non_null(strstr(notes, "dialect=anthropic\n"));

    assert_int_equal(vf_local_open("o", NULL, &other, &err), 0);
    assert_string_equal(other.dialect, "anthropic");
    vf_local_close(&other);
    assert_int_equal(vf_local_open("o", "anthropic", &other, &err), 0);
    vf_local_close(&other);
    assert_int_equal(vf_local_open("o", "qoder", &other, &err), -EINVAL);
    assert_non_null(strstr(err.message, "--dialect anthropic"));

    vf_local_close(&local);
    wait_for_the_end_of("o");

    /* And when nobody listens any more. */
    (void)unlink(at_root("notes"));
    assert_int_equal(vf_local_open("o", NULL, &local, &err), 0);
    read_file("notes", notes, sizeof(notes));
    assert_non_null(strstr(notes, "dialect=anthropic\n"));
    vf_local_close(&local);
    wait_for_the_end_of("o");

    /* The server is the judge then. */
    write_file("refuse", "vaultd: it was made with another");
    assert_int_equal(vf_local_open("o", "qoder", &local, &err), -ECONNREFUSED);
    assert_non_null(strstr(err.message, "made with another"));
}

static void users_at_the_same_moment_start_one_server(void **state)
{
    pid_t children[6];
    struct vf_local local;
    char notes[4096];
    int status;

    for (size_t i = 0; i < 6; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            int result = vf_local_open("t", NULL, &local, NULL);
            if (result == 0)
                (void)pause();
            _exit(1);
        }
    }
    assert_int_equal(vf_local_open("t", NULL, &local, NULL), 0);
    for (size_t i = 0; i < 6; i++) {
        (void)kill(children[i], SIGKILL); /* however they end */
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFSIGNALED(status));
    }
    read_file("notes", notes, sizeof(notes));
    assert_int_equal(count(notes, "start"), 1);
    assert_int_equal(count(notes, "end"), 0);
    vf_local_close(&local);
    wait_for_the_end();
}

static void assert_fails_in_directory(const struct vf_error *err,
                                      const char *reason)
{
    char want[PATH_MAX * 2];

    (void)snprintf(want, sizeof(want), "cannot start the service in %s: %s",
                   at_root("data/vaultfs/local/t"), reason);
    assert_string_equal(err->message, want);
}

static void a_server_that_does_not_start_gives_its_reason(void **state)
{
    struct vf_local local = {.use_fd = 42};
    struct vf_error err = {0};

    write_file("refuse", "vaultd: the disk is full");
    assert_int_equal(vf_local_open("t", NULL, &local, &err), -ECONNREFUSED);
    assert_fails_in_directory(&err, "vaultd: the disk is full");
    assert_int_equal(local.use_fd, 42);
}

static void an_earlier_reason_is_kept_and_not_taken_for_a_new_one(void **state)
{
    struct vf_local local;
    struct vf_error err = {0};
    char log[4096];

    write_file("refuse", "vaultd: the disk is full");
    assert_int_equal(vf_local_open("t", NULL, &local, &err), -ECONNREFUSED);
    write_file("refuse", "");
    assert_int_equal(vf_local_open("t", NULL, &local, &err), -ECONNREFUSED);
    assert_fails_in_directory(&err, "vaultd gave no reason");
    read_file("data/vaultfs/local/t/vaultd.log", log, sizeof(log));
    assert_non_null(strstr(log, "the disk is full"));
}

static void a_missing_program_is_named(void **state)
{
    struct vf_local local;
    struct vf_error err = {0};
    char *path = strdup(getenv("PATH"));

    setenv("PATH", "/nonexistent", 1);
    assert_int_equal(vf_local_open("t", NULL, &local, &err), -ENOENT);
    assert_fails_in_directory(&err,
                              "cannot run vaultd: No such file or directory");
    setenv("PATH", path, 1);
    free(path);
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
    struct vf_local local;
    struct vf_error err = {0};
    char data[256];

    (void)snprintf(data, sizeof(data), "%s/%080d", root, 0);
    setenv("XDG_DATA_HOME", data, 1);
    assert_int_equal(vf_local_open("t", NULL, &local, &err), -ENAMETOOLONG);
    assert_non_null(strstr(err.message, "XDG_DATA_HOME"));
    assert_int_equal(access(data, F_OK), -1); /* nothing was made */
    setenv("XDG_DATA_HOME", at_root("data"), 1);
}

static void a_directory_that_others_write_to_is_refused(void **state)
{
    struct vf_local local;
    struct vf_error err = {0};
    char *directory = strdup(at_root("data/vaultfs/local/t"));

    assert_int_equal(chmod(directory, 0770), 0);
    assert_int_equal(vf_local_open("t", NULL, &local, &err), -EACCES);
    assert_int_equal(chmod(directory, 0700), 0);
    free(directory);
}

static int make_root(void **state)
{
    char path[PATH_MAX];
    const char *fake = getenv("FAKE_VAULTD");

    if (fake == NULL || mkdtemp(root) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "install -m 755 '%s' '%s/vaultd'", fake,
                   root);
    if (system(path) != 0)
        return -1;
    (void)snprintf(path, sizeof(path), "%s:%s", root, getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("XDG_DATA_HOME", at_root("data"), 1);
    return 0;
}

static int remove_root(void **state)
{
    char command[PATH_MAX];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command) == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_server_starts_clean_and_ends_with_its_last_user),
        TEST(the_token_is_made_once),
        TEST(a_service_speaks_one_dialect_for_ever),
        TEST(users_at_the_same_moment_start_one_server),
        TEST(a_server_that_does_not_start_gives_its_reason),
        TEST(an_earlier_reason_is_kept_and_not_taken_for_a_new_one),
        TEST(a_missing_program_is_named),
        TEST(a_path_too_long_for_a_socket_is_refused),
        TEST(a_directory_that_others_write_to_is_refused),
    };

    return cmocka_run_group_tests_name("local", tests, make_root, remove_root);
}
