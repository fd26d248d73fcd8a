/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/vaultfs-place-XXXXXX";

static int make_root(void **state)
{
    return mkdtemp(root) == NULL || chdir(root) < 0;
}

static int remove_root(void **state)
{
    char command[PATH_MAX];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command) == 0 ? 0 : -1;
}

static char *at_root(const char *name)
{
    static char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void assert_found(const char *want)
{
    char *path = vf_place_find("XDG_TEST_HOME", ".local/test");

    assert_non_null(path);
    assert_string_equal(path, want);
    free(path);
}

static void only_an_absolute_path_in_a_variable_counts(void **state)
{
    setenv("HOME", "/h", 1);
    unsetenv("XDG_TEST_HOME");
    assert_found("/h/.local/test/vaultfs");
    setenv("XDG_TEST_HOME", "relative", 1);
    assert_found("/h/.local/test/vaultfs");
    setenv("XDG_TEST_HOME", "", 1);
    assert_found("/h/.local/test/vaultfs");
    setenv("XDG_TEST_HOME", "/x", 1);
    assert_found("/x/vaultfs");
}

static void a_directory_is_made_with_its_parents_for_nobody_else(void **state)
{
    int fd, again;

    (void)umask(0);
    assert_int_equal(vf_place_open(at_root("a/b/c"), &fd, NULL), 0);
    assert_mode("a", 0700);
    assert_mode("a/b/c", 0700);
    assert_int_equal(vf_place_open(at_root("a/b/c"), &again, NULL), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void)close(fd);
    (void)close(again);
}

static void a_directory_that_others_write_to_is_no_place(void **state)
{
    struct vf_error err = {0};
    int fd = 42;

    assert_int_equal(mkdir("open", 0700), 0);
    assert_int_equal(chmod("open", 0720), 0);
    assert_int_equal(vf_place_open(at_root("open"), &fd, &err), -EACCES);
    assert_non_null(strstr(err.message, at_root("open")));
    assert_int_equal(fd, 42);
}

static void a_file_in_the_way_is_named(void **state)
{
    struct vf_error err = {0};
    int fd = open("file", O_CREAT | O_WRONLY, 0600);

    (void)close(fd);
    assert_int_equal(vf_place_open(at_root("file/sub"), &fd, &err), -ENOTDIR);
    assert_non_null(strstr(err.message, at_root("file/sub")));
    assert_int_equal(vf_place_open(at_root("file"), &fd, &err), -ENOTDIR);
}

static int open_log(const char *text)
{
    int fd, directory = open(root, O_RDONLY | O_DIRECTORY);

    assert_int_equal(vf_place_open_log(directory, "log", &fd, NULL), 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(directory);
    return fd;
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void a_log_goes_on_until_it_is_large(void **state)
{
    int first = open_log("one\n"), second = open_log("two\n");

    assert_mode("log", 0600);
    assert_int_equal(write(first, "3\n", 2),
                     2); /* at the end, not over "two" */
    assert_int_equal(size_of("log"), 10);
    assert_int_equal(ftruncate(first, VF_PLACE_LOG_MAX), 0);
    (void)close(second);
    second = open_log("x"); /* not above the limit yet; now it is */
    assert_int_equal(size_of("log"), VF_PLACE_LOG_MAX + 1);
    assert_int_equal(size_of("log.old"), -1);
    int third = open_log("new\n");
    assert_int_equal(size_of("log"), 4);
    assert_int_equal(size_of("log.old"), VF_PLACE_LOG_MAX + 1);
    (void)close(first);
    (void)close(second);
    (void)close(third);
}

static void a_log_is_not_written_through_a_link(void **state)
{
    int fd, directory = open(root, O_RDONLY | O_DIRECTORY);

    assert_int_equal(symlink("elsewhere", "link"), 0);
    assert_int_equal(vf_place_open_log(directory, "link", &fd, NULL), -ELOOP);
    assert_int_equal(access("elsewhere", F_OK), -1);
    (void)close(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_an_absolute_path_in_a_variable_counts),
        cmocka_unit_test(a_directory_is_made_with_its_parents_for_nobody_else),
        cmocka_unit_test(a_directory_that_others_write_to_is_no_place),
        cmocka_unit_test(a_file_in_the_way_is_named),
        cmocka_unit_test(a_log_goes_on_until_it_is_large),
        cmocka_unit_test(a_log_is_not_written_through_a_link),
    };

    return cmocka_run_group_tests_name("place", tests, make_root, remove_root);
}
