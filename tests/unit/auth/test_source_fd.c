/* SPDX-License-Identifier: MIT */
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "pt-9f3c-canary"

static struct vf_auth_source *open_descriptor(int fd)
{
    struct vf_auth_options options = sources_nothing();

    options.token_fd = fd;
    return sources_find(&options);
}

static int pipe_with(const char *text)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(ends[1]), 0);
    return ends[0];
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void a_pipe_is_read_to_its_end_once_and_closed(void **state)
{
    int fd = pipe_with(TOKEN "\n");
    struct vf_auth_source *source = open_descriptor(fd);
    struct vf_error err;
    char description[32];

    sources_expect(source, TOKEN, 0);
    assert_false(is_open(fd));
    assert_false(vf_auth_source_can_change(source));
    assert_false(vf_auth_source_has_changed(source));
    (void)snprintf(description, sizeof(description), "descriptor %d", fd);
    assert_string_equal(vf_auth_source_description(source), description);
    sources_refuse(source, ENOKEY, "once", &err);
    vf_auth_source_free(source);
}

static void a_file_will_do_whatever_its_rights(void **state)
{
    const char *path = sources_write_bytes("token", TOKEN, strlen(TOKEN), 0644);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct vf_auth_source *source = open_descriptor(fd);

    sources_expect(source, TOKEN, 0);
    assert_false(is_open(fd));
    vf_auth_source_free(source);
}

/* A closed one would be taken by the next file that is opened. */
static void a_standard_descriptor_is_left_open_on_nothing(void **state)
{
    int before = dup(STDIN_FILENO), fd = pipe_with(TOKEN);
    struct stat st;

    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(close(fd), 0);
    struct vf_auth_source *source = open_descriptor(STDIN_FILENO);
    sources_expect(source, TOKEN, 0);
    vf_auth_source_free(source);
    assert_int_equal(fstat(STDIN_FILENO, &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(st.st_rdev, makedev(1, 3)); /* /dev/null */
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(close(before), 0);
}

static void several_lines_are_refused_and_the_message_helps(void **state)
{
    int fd = pipe_with(TOKEN "\nuser: me\n");
    struct vf_auth_source *source = open_descriptor(fd);
    struct vf_error err;

    sources_refuse(source, EINVAL, "| head -n1", &err);
    assert_non_null(strstr(err.message, "one line"));
    assert_false(is_open(fd));
    vf_auth_source_free(source);
}

static void a_pipe_with_nothing_in_it_has_no_token(void **state)
{
    struct vf_auth_source *source = open_descriptor(pipe_with(""));
    struct vf_error err;

    sources_refuse(source, EINVAL, "no token", &err);
    vf_auth_source_free(source);
}

static void what_never_ends_is_not_read_for_ever(void **state)
{
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    struct vf_auth_source *source = open_descriptor(fd);
    struct vf_error err;

    sources_refuse(source, EINVAL, "bytes", &err);
    assert_false(is_open(fd));
    vf_auth_source_free(source);
}

static void a_terminal_is_refused_and_stays(void **state)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    struct vf_error err;

    assert_true(terminal >= 0);
    struct vf_auth_source *source = open_descriptor(terminal);
    sources_refuse(source, EINVAL, "terminal", &err);
    assert_non_null(strstr(err.message, "pipe"));
    assert_true(is_open(terminal));
    vf_auth_source_free(source);
    assert_int_equal(close(terminal), 0);
}

static void what_is_not_open_for_reading_is_refused(void **state)
{
    int writing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct {
        int fd;
        int code;
    } bad[] = {{1000, EBADF}, {writing, EBADF}, {directory, EISDIR}};
    struct vf_error err;

    for (size_t i = 0; i < 3; i++) {
        struct vf_auth_source *source = open_descriptor(bad[i].fd);

        sources_refuse(source, bad[i].code, "descriptor", &err);
        vf_auth_source_free(source);
    }
    assert_int_equal(close(writing), 0);
}

struct writer {
    int fd;
    pid_t reader; /* the number of its thread */
};

static char state_of(pid_t thread)
{
    char path[64], line[256] = "";

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    (void)close(fd);
    return strrchr(line, ')')[2];
}

static void *write_when_waited_for(void *data)
{
    const struct writer *writer = data;

    while (state_of(writer->reader) != 'S')
        (void)sched_yield();
    assert_int_equal(write(writer->fd, TOKEN, strlen(TOKEN)), strlen(TOKEN));
    (void)close(writer->fd);
    return NULL;
}

static void a_pipe_that_does_not_block_is_waited_for(void **state)
{
    int ends[2];
    pthread_t thread;

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct vf_auth_source *source = open_descriptor(ends[0]);
    struct writer writer = {.fd = ends[1], .reader = gettid()};
    assert_int_equal(
        pthread_create(&thread, NULL, write_when_waited_for, &writer), 0);
    sources_expect(source, TOKEN, 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    vf_auth_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_is_read_to_its_end_once_and_closed),
        cmocka_unit_test(a_file_will_do_whatever_its_rights),
        cmocka_unit_test(a_standard_descriptor_is_left_open_on_nothing),
        cmocka_unit_test(several_lines_are_refused_and_the_message_helps),
        cmocka_unit_test(a_pipe_with_nothing_in_it_has_no_token),
        cmocka_unit_test(what_never_ends_is_not_read_for_ever),
        cmocka_unit_test(a_terminal_is_refused_and_stays),
        cmocka_unit_test(what_is_not_open_for_reading_is_refused),
        cmocka_unit_test(a_pipe_that_does_not_block_is_waited_for),
    };

    return cmocka_run_group_tests(tests, sources_make_directory,
                                  sources_remove_directory);
}
