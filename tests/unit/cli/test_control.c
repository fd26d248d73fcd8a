/* SPDX-License-Identifier: MIT
 *
 * Control files that are not what they should be: the directory that stands
 * for the mount is an ordinary one here.
 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"
#include "vaultfs/json.h"

static char root[] = "/tmp/vaultfs-control-XXXXXX";

static void put(const char *text, size_t size)
{
    int fd = open(".vaultfs/status", O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(close(fd), 0);
}

static void a_file_is_read_to_its_end(void **state)
{
    size_t size = 0, long_size = 100000;
    char *text = NULL, *much = malloc(long_size);

    assert_non_null(much);
    memset(much, 'x', long_size);
    put(much, long_size);
    assert_int_equal(vf_control_read(root, "status", &text, &size, NULL), 0);
    assert_int_equal(size, long_size);
    assert_memory_equal(text, much, size);
    free(text);
    put("", 0);
    assert_int_equal(vf_control_read(root, "status", &text, &size, NULL), 0);
    assert_int_equal(size, 0);
    assert_string_equal(text, "");
    free(text);
    free(much);
}

static void one_without_an_end_is_not(void **state)
{
    struct vf_error err = {0};
    char *text = NULL;
    size_t size;

    put("", 0);
    assert_int_equal(truncate(".vaultfs/status", 1 << 30), 0);
    assert_int_equal(vf_control_read(root, "status", &text, &size, &err),
                     -EFBIG);
    assert_null(text);
    assert_non_null(strstr(err.message, root));
}

static void what_is_no_object_is_ebadmsg(void **state)
{
    static const char *const texts[] = {"", "[]", "1", "{", "{} {}"};
    struct vf_error err = {0};
    struct vf_json *json = NULL;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(texts[i], strlen(texts[i]));
        assert_int_equal(vf_control_read_object(root, "status", &json, &err),
                         -EBADMSG);
        assert_null(json);
    }
    put("{}\n", 3);
    assert_int_equal(vf_control_read_object(root, "status", &json, &err), 0);
    vf_json_free(json);
}

static void what_is_missing_is_said_with_its_place(void **state)
{
    struct vf_error err = {0};
    char *text = NULL, expected[PATH_MAX];
    size_t size;

    assert_int_equal(vf_control_read(root, "none", &text, &size, &err),
                     -ENOENT);
    (void)snprintf(expected, sizeof(expected), "%s: No such file or directory",
                   root);
    assert_string_equal(err.message, expected);
    assert_int_equal(vf_control_touch(root, "none", &err), -ENOENT);
    put("", 0);
    assert_int_equal(vf_control_touch(root, "status", &err), 0);
}

static void a_directory_is_no_mount(void **state)
{
    const struct vf_options options = {.operands = {root}, .operands_count = 1};
    struct vf_error err = {0};
    char *mountpoint = NULL;

    assert_int_equal(vf_control_mountpoint(&options, &mountpoint, &err),
                     -EINVAL);
    assert_null(mountpoint);
    assert_non_null(strstr(err.message, root));
}

static int enter_root(void **state)
{
    return mkdtemp(root) != NULL ? chdir(root) | mkdir(".vaultfs", 0700) : -1;
}

static int remove_root(void **state)
{
    (void)unlink(".vaultfs/status");
    (void)rmdir(".vaultfs");
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_to_its_end),
        cmocka_unit_test(one_without_an_end_is_not),
        cmocka_unit_test(what_is_no_object_is_ebadmsg),
        cmocka_unit_test(what_is_missing_is_said_with_its_place),
        cmocka_unit_test(a_directory_is_no_mount),
    };

    return cmocka_run_group_tests_name("control", tests, enter_root,
                                       remove_root);
}
