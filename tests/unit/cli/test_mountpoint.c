/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/vaultfs-mountpoint-XXXXXX";

static void assert_resolves(const char *path, const char *below_root)
{
    char expected[PATH_MAX];
    char *resolved;
    struct vf_error err = {0};

    (void)snprintf(expected, sizeof(expected), "%s%s", root, below_root);
    if (vf_command_resolve(path, &resolved, &err) < 0)
        fail_msg("%s: %s", path, err.message);
    assert_string_equal(resolved, expected);
    free(resolved);
}

static void every_way_to_say_a_directory_is_one_path(void **state)
{
    assert_int_equal(mkdir("d", 0700), 0);
    assert_int_equal(symlink("d", "link"), 0);
    assert_resolves("d", "/d");
    assert_resolves("./d//", "/d");
    assert_resolves("link", "/d");
    assert_resolves("link/", "/d");
    assert_resolves("d/..", "");
    assert_resolves(".", "");
}

static void what_is_not_there_is_said_by_name(void **state)
{
    char *resolved = NULL;
    struct vf_error err = {0};

    assert_int_equal(vf_command_resolve("nowhere", &resolved, &err), -ENOENT);
    assert_null(resolved);
    assert_string_equal(err.message,
                        "mount point nowhere: No such file or directory");
    assert_int_equal(vf_command_resolve("", &resolved, &err), -ENOENT);
}

static int enter_root(void **state)
{
    return mkdtemp(root) != NULL ? chdir(root) : -1;
}

static int remove_root(void **state)
{
    (void)unlink("link");
    (void)rmdir("d");
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_say_a_directory_is_one_path),
        cmocka_unit_test(what_is_not_there_is_said_by_name),
    };

    return cmocka_run_group_tests_name("mountpoint", tests, enter_root,
                                       remove_root);
}
