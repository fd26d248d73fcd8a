/* SPDX-License-Identifier: MIT */
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "pt-9f3c-canary"

static struct vf_auth_source *open_file(const char *path)
{
    struct vf_auth_options options = sources_nothing();

    options.token_file = path;
    return sources_find(&options);
}

static void refuse_file(const char *path, int code, const char *words)
{
    struct vf_auth_source *source = open_file(path);
    struct vf_error err;

    sources_refuse(source, code, words, &err);
    vf_auth_source_free(source);
}

static void take_file(const char *path, const char *token)
{
    struct vf_auth_source *source = open_file(path);

    sources_expect(source, token, 0);
    vf_auth_source_free(source);
}

static void a_token_file_is_one_line_with_or_without_its_end(void **state)
{
    static const char *const contents[] = {TOKEN, TOKEN "\n", TOKEN "\r\n"};

    for (size_t i = 0; i < 3; i++)
        take_file(sources_write("token", contents[i]), TOKEN);
}

static void what_cannot_be_a_token_is_refused_and_not_quoted(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"", 0},
        {"\n", 1},
        {"\r\n", 2},
        {"pt-canary x", 11},
        {"pt-canary\n\n", 11},
        {" pt-canary", 10},
        {"pt-canary\tx", 11},
        {"pt-canary\0x", 11},
        {"pt-canary\x7F", 10},
        {"pt-canary\xC3\xA9", 11},
        {"pt-canary\r\nX-Injected: 1", 24},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refuse_file(
            sources_write_bytes("token", bad[i].bytes, bad[i].size, 0600),
            EINVAL, "token");
}

static void the_longest_token_is_taken_and_one_byte_more_is_refused(
    void **state)
{
    static char bytes[VF_AUTH_TOKEN_MAX + 4];
    static const size_t too_long[] = {1, 2, 3};

    memset(bytes, 'x', sizeof(bytes) - 1);
    for (size_t i = 0; i < 3; i++)
        refuse_file(sources_write_bytes("token", bytes,
                                        VF_AUTH_TOKEN_MAX + too_long[i], 0600),
                    EINVAL, NULL);
    (void)strcpy(bytes + VF_AUTH_TOKEN_MAX, "\r\n");
    const char *path = sources_write("token", bytes);
    bytes[VF_AUTH_TOKEN_MAX] = '\0';
    take_file(path, bytes);
}

static void a_token_file_that_others_may_open_is_refused(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        refuse_file(
            sources_write_bytes("token", TOKEN, strlen(TOKEN), modes[i]),
            EACCES, "chmod 600");
    take_file(sources_write_bytes("token", TOKEN, strlen(TOKEN), 0400), TOKEN);
}

static void a_token_file_of_another_user_is_refused(void **state)
{
    const char *path = sources_write("token", TOKEN);

    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
    refuse_file(path, EACCES, "another user");
}

static void a_symbolic_link_is_judged_by_what_it_points_to(void **state)
{
    const char *target = sources_write("target", TOKEN);
    const char *link = sources_path("link");

    assert_int_equal(symlink(target, link), 0);
    take_file(link, TOKEN);
    assert_int_equal(chmod(target, 0644), 0);
    refuse_file(link, EACCES, "chmod 600");
    assert_int_equal(unlink(link), 0);
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
    const char *fifo = sources_path("fifo");

    assert_int_equal(mkfifo(fifo, 0600), 0);
    refuse_file(fifo, EINVAL, "regular");
    refuse_file("/dev/null", EINVAL, "regular");
    refuse_file(sources_path(""), EINVAL, "regular");
    refuse_file(sources_path("absent"), ENOENT, "absent");
}

static void a_relative_path_holds_after_the_directory_changed(void **state)
{
    assert_int_equal(chdir(sources_path("")), 0);
    struct vf_auth_source *source = open_file("token");
    assert_int_equal(chdir("/"), 0);
    const char *path = sources_write("token", TOKEN);
    char description[300];

    sources_expect(source, TOKEN, 0);
    (void)snprintf(description, sizeof(description), "token file %s", path);
    /* The working directory may have a doubled slash at its end or not. */
    assert_memory_equal(vf_auth_source_description(source), description, 16);
    assert_non_null(strstr(vf_auth_source_description(source), "/token"));
    assert_true(vf_auth_source_can_change(source));
    vf_auth_source_free(source);
}

static void rewrite(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

/* Each change is one, and none is told twice once it was read. */
static void a_change_is_told_until_it_is_read(void **state)
{
    const char *path = sources_write("token", "pt-one");
    struct vf_auth_source *source = open_file(path);
    struct vf_error err;

    sources_expect(source, "pt-one", 0);
    assert_false(vf_auth_source_has_changed(source));

    rewrite(path, "pt-two");
    assert_true(vf_auth_source_has_changed(source));
    assert_true(vf_auth_source_has_changed(source));
    sources_expect(source, "pt-two", 0);
    assert_false(vf_auth_source_has_changed(source));

    assert_int_equal(rename(sources_write("new", "pt-6th"), path), 0);
    assert_true(vf_auth_source_has_changed(source));
    sources_expect(source, "pt-6th", 0);

    assert_int_equal(unlink(path), 0);
    assert_true(vf_auth_source_has_changed(source));
    sources_refuse(source, ENOENT, NULL, &err);
    assert_false(vf_auth_source_has_changed(source));

    (void)sources_write("token", "");
    assert_true(vf_auth_source_has_changed(source));
    sources_refuse(source, EINVAL, "no token", &err);
    assert_false(vf_auth_source_has_changed(source));
    rewrite(path, "pt-end");
    assert_true(vf_auth_source_has_changed(source));
    sources_expect(source, "pt-end", 0);
    vf_auth_source_free(source);
}

static void a_change_of_rights_is_one(void **state)
{
    const char *path = sources_write("token", TOKEN);
    struct vf_auth_source *source = open_file(path);
    struct vf_error err;

    assert_int_equal(chmod(path, 0644), 0);
    sources_refuse(source, EACCES, NULL, &err);
    assert_false(vf_auth_source_has_changed(source));
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(vf_auth_source_has_changed(source));
    sources_expect(source, TOKEN, 0);
    vf_auth_source_free(source);
}

static void a_link_that_points_elsewhere_is_a_change(void **state)
{
    const char *link = sources_path("link");

    assert_int_equal(symlink(sources_write("a", "pt-a"), link), 0);
    struct vf_auth_source *source = open_file(link);
    sources_expect(source, "pt-a", 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(sources_write("b", "pt-b"), link), 0);
    assert_true(vf_auth_source_has_changed(source));
    sources_expect(source, "pt-b", 0);
    assert_int_equal(unlink(link), 0);
    vf_auth_source_free(source);
}

/* Or each request would make a look, for ever. */
static void a_file_that_cannot_be_opened_is_no_change_for_ever(void **state)
{
    const char *path = sources_write("token", TOKEN);
    struct vf_error err;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(sources_path(""), 0711), 0);
    struct vf_auth_source *source = open_file(path);
    assert_int_equal(seteuid(12345), 0);
    sources_refuse(source, EACCES, "cannot open", &err);
    bool has_changed = vf_auth_source_has_changed(source);
    assert_int_equal(seteuid(0), 0);
    assert_false(has_changed);
    vf_auth_source_free(source);
}

static int forget_credentials(void **state)
{
    return unsetenv("CREDENTIALS_DIRECTORY");
}

static void credentials_in(const char *directory)
{
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", directory, 1), 0);
}

static struct vf_auth_source *open_credential(const char *text, mode_t mode)
{
    const struct vf_auth_options options = sources_nothing();

    credentials_in(sources_path(""));
    (void)sources_write_bytes("vaultfs-token", text, strlen(text), mode);
    return sources_find(&options);
}

static void a_credential_of_systemd_is_a_token_file(void **state)
{
    struct vf_auth_source *source = open_credential(TOKEN "\n", 0400);

    sources_expect(source, TOKEN, 0);
    assert_string_equal(vf_auth_source_description(source),
                        "credential vaultfs-token");
    assert_true(vf_auth_source_can_change(source));
    assert_false(vf_auth_source_has_changed(source));
    assert_int_equal(unlink(sources_path("vaultfs-token")), 0);
    assert_true(vf_auth_source_has_changed(source));
    vf_auth_source_free(source);
}

static void where_there_is_no_credential_there_is_no_such_source(void **state)
{
    const struct vf_auth_options options = sources_nothing();
    const char *const directories[] = {"", sources_path("absent"),
                                       sources_path("")};
    struct vf_auth_source *source = NULL;
    struct vf_error err;

    (void)unlink(sources_path("vaultfs-token"));
    for (size_t i = 0; i < 3; i++) {
        credentials_in(directories[i]);
        assert_int_equal(vf_auth_source_find(&options, &source, &err), -ENOKEY);
        assert_null(source);
    }
    credentials_in("relative");
    assert_int_equal(vf_auth_source_find(&options, &source, &err), -EINVAL);
    assert_non_null(strstr(err.message, "CREDENTIALS_DIRECTORY"));
}

/* The mask of an access list looks like a right of the group. */
static void a_credential_of_root_may_be_readable_by_its_group(void **state)
{
    static const mode_t refused[] = {0444, 0460, 0450, 0442};
    struct vf_auth_source *source;
    struct vf_error err;

    if (geteuid() != 0)
        skip();
    source = open_credential(TOKEN, 0440);
    sources_expect(source, TOKEN, 0);
    vf_auth_source_free(source);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        source = open_credential(TOKEN, refused[i]);
        sources_refuse(source, EACCES, "open to others", &err);
        vf_auth_source_free(source);
    }
    refuse_file(sources_write_bytes("token", TOKEN, strlen(TOKEN), 0440),
                EACCES, "open to others");
}

static void a_credential_of_ours_may_not(void **state)
{
    struct vf_error err;

    struct vf_auth_source *source = open_credential(TOKEN, 0440);
    if (geteuid() == 0) {
        assert_int_equal(chmod(sources_path(""), 0711), 0);
        assert_int_equal(chown(sources_path("vaultfs-token"), 12345, 12345), 0);
        assert_int_equal(seteuid(12345), 0);
    }
    struct vf_auth_reading reading;
    int result = vf_auth_source_read(source, &reading, &err);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(result, -EACCES);
    assert_non_null(strstr(err.message, "open to others"));
    vf_auth_source_free(source);
}

static void expect_hidden(const char *path, bool is_hidden)
{
    struct vf_auth_options options = sources_nothing();
    struct vf_auth_source *source = NULL;
    struct vf_error err = {0};

    options.token_file = path;
    options.mountpoint = sources_path("point");
    int result = vf_auth_source_find(&options, &source, &err);
    assert_int_equal(result, is_hidden ? -EINVAL : 0);
    assert_int_equal(source == NULL, is_hidden);
    if (is_hidden) {
        assert_non_null(strstr(err.message, "would be hidden by the mount"));
        assert_non_null(strstr(err.message, path));
    }
    vf_auth_source_free(source);
}

static void make_link(const char *to, const char *name)
{
    assert_int_equal(symlink(to, sources_path(name)), 0);
}

/* Every read of it would wait for a mount that waits for it. */
static void a_file_that_the_mount_would_hide_is_refused(void **state)
{
    assert_int_equal(mkdir(sources_path("point"), 0700), 0);
    assert_int_equal(mkdir(sources_path("point/below"), 0700), 0);
    assert_int_equal(mkdir(sources_path("point.d"), 0700), 0);
    (void)sources_write("point/below/token", TOKEN);
    (void)sources_write("point.d/token", TOKEN);
    (void)sources_write("beside", TOKEN);
    make_link("point/below", "into");
    make_link("into/token", "into.token");
    make_link("../beside", "point/out.token");

    expect_hidden(sources_path("point"), true);
    expect_hidden(sources_path("point/below/token"), true);
    expect_hidden(sources_path("point/below/not.there"), true);
    expect_hidden(sources_path("point/../point/below/token"), true);
    expect_hidden(sources_path("into/token"), true);
    expect_hidden(sources_path("into/not.there"), true);
    expect_hidden(sources_path("into.token"), true);
    expect_hidden(sources_path("point/out.token"), true);

    expect_hidden(sources_path("beside"), false);
    expect_hidden(sources_path("not.there"), false);
    expect_hidden(sources_path("point.d/token"), false);
    expect_hidden(sources_path("point/../beside"), false);
    expect_hidden(sources_path("no.directory/token"), false);
}

static void nothing_is_hidden_by_a_mount_that_is_not_to_be(void **state)
{
    struct vf_auth_options options = sources_nothing();

    options.token_file = sources_write("beside", TOKEN);
    options.mountpoint = sources_path("no.point");
    vf_auth_source_free(sources_find(&options));
    options.mountpoint = "";
    vf_auth_source_free(sources_find(&options));
    options.mountpoint = NULL;
    vf_auth_source_free(sources_find(&options));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_file_is_one_line_with_or_without_its_end),
        cmocka_unit_test(what_cannot_be_a_token_is_refused_and_not_quoted),
        cmocka_unit_test(
            the_longest_token_is_taken_and_one_byte_more_is_refused),
        cmocka_unit_test(a_token_file_that_others_may_open_is_refused),
        cmocka_unit_test(a_token_file_of_another_user_is_refused),
        cmocka_unit_test(a_symbolic_link_is_judged_by_what_it_points_to),
        cmocka_unit_test(what_is_no_regular_file_is_refused_without_waiting),
        cmocka_unit_test(a_relative_path_holds_after_the_directory_changed),
        cmocka_unit_test(a_change_is_told_until_it_is_read),
        cmocka_unit_test(a_change_of_rights_is_one),
        cmocka_unit_test(a_link_that_points_elsewhere_is_a_change),
        cmocka_unit_test(a_file_that_cannot_be_opened_is_no_change_for_ever),
        cmocka_unit_test(a_file_that_the_mount_would_hide_is_refused),
        cmocka_unit_test(nothing_is_hidden_by_a_mount_that_is_not_to_be),
        cmocka_unit_test_teardown(a_credential_of_systemd_is_a_token_file,
                                  forget_credentials),
        cmocka_unit_test_teardown(
            where_there_is_no_credential_there_is_no_such_source,
            forget_credentials),
        cmocka_unit_test_teardown(
            a_credential_of_root_may_be_readable_by_its_group,
            forget_credentials),
        cmocka_unit_test_teardown(a_credential_of_ours_may_not,
                                  forget_credentials),
    };

    return cmocka_run_group_tests(tests, sources_make_directory,
                                  sources_remove_directory);
}
