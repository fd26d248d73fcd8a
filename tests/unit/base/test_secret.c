/* SPDX-License-Identifier: MIT
 *
 * Looks at the mappings as the kernel shows them, and at what they hold when
 * they are given back (munmap() is wrapped by the linker). What needs limits of
 * its own runs in a child, which exits with 0, 1 or SKIPPED.
 */
#include "vaultfs/secret.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIPPED 77
#define NOBODY 65534

static size_t unmapped_bytes, unmapped_unwiped;

int __real_munmap(void *data, size_t size);
int __wrap_munmap(void *data, size_t size);

int __wrap_munmap(void *data, size_t size)
{
    const char *bytes = data;

    unmapped_bytes += size;
    for (size_t i = 0; i < size; i++)
        unmapped_unwiped += bytes[i] != 0;
    return __real_munmap(data, size);
}

static int forget_unmapped(void **state)
{
    unmapped_bytes = unmapped_unwiped = 0;
    return 0;
}

/* A value in kB from this process's /proc/self/status, or -1. */
static long status_kb(const char *field)
{
    char line[256];
    long value = -1;
    FILE *status = fopen("/proc/self/status", "r");

    if (status == NULL)
        return -1;
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            value = strtol(line + strlen(field), NULL, 10);
    (void)fclose(status);
    return value;
}

/* Sanitizers make mlock() do nothing. */
static bool is_mlock_real(void)
{
    static char page[8192];
    long before = status_kb("VmLck:");

    if (mlock(page, sizeof(page)) < 0)
        return true;
    long after = status_kb("VmLck:");
    (void)munlock(page, sizeof(page));
    return after > before;
}

/* The flags of the mapping that holds an address, " rd wr ... ". */
static void mapping_flags(const void *address, char ret[static 256])
{
    char line[256];
    bool is_ours = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");

    assert_non_null(smaps);
    ret[0] = '\0';
    while (fgets(line, sizeof(line), smaps) != NULL) {
        uintptr_t start, end;

        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            is_ours = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (is_ours && strncmp(line, "VmFlags:", 8) == 0)
            (void)snprintf(ret, 256, "%s", line + 8);
    }
    (void)fclose(smaps);
}

static void a_secret_starts_empty(void **state)
{
    struct vf_secret *secret;

    assert_int_equal(vf_secret_new(0, &secret, NULL), 0);
    assert_int_equal(vf_secret_size(secret), 0);
    assert_non_null(vf_secret_data(secret));
    assert_null(vf_secret_unref(secret));
    assert_int_equal(vf_secret_from(NULL, 0, &secret, NULL), 0);
    assert_int_equal(vf_secret_size(secret), 0);
    assert_null(vf_secret_unref(secret));
    assert_null(vf_secret_unref(NULL));
}

static void growth_keeps_the_content_and_wipes_what_it_leaves(void **state)
{
    enum { STEP = 7, STEPS = 20000 };
    struct vf_secret *secret;
    char piece[STEP];

    assert_int_equal(vf_secret_new(1, &secret, NULL), 0);
    for (int i = 0; i < STEPS; i++) {
        memset(piece, 1 + i % 250, sizeof(piece));
        assert_int_equal(vf_secret_append(secret, piece, STEP, NULL), 0);
    }
    assert_int_equal(vf_secret_size(secret), STEP * STEPS);
    for (int i = 0; i < STEP * STEPS; i++)
        if ((unsigned char)vf_secret_data(secret)[i] != 1 + i / STEP % 250)
            fail_msg("byte %d is wrong", i);
    assert_true(unmapped_bytes > 0);
    assert_int_equal(unmapped_unwiped, 0);
    vf_secret_unref(secret);
}

static void a_secret_is_wiped_with_its_last_reference(void **state)
{
    struct vf_secret *secret;
    char canary[5000];

    memset(canary, 'C', sizeof(canary));
    assert_int_equal(vf_secret_from(canary, sizeof(canary), &secret, NULL), 0);
    assert_ptr_equal(vf_secret_ref(secret), secret);
    assert_null(vf_secret_unref(secret));
    assert_int_equal(unmapped_bytes, 0);
    assert_memory_equal(vf_secret_data(secret), canary, sizeof(canary));
    assert_null(vf_secret_unref(secret));
    assert_true(unmapped_bytes >= sizeof(canary));
    assert_int_equal(unmapped_unwiped, 0);
}

static void a_write_overwrites_and_extends_but_leaves_no_gap(void **state)
{
    struct vf_secret *secret;
    struct vf_error err;

    assert_int_equal(vf_secret_from("abcdef", 6, &secret, NULL), 0);
    assert_int_equal(vf_secret_write(secret, 1, "BC", 2, NULL), 0);
    assert_int_equal(vf_secret_size(secret), 6);
    assert_int_equal(vf_secret_write(secret, 5, "Fgh", 3, NULL), 0);
    assert_int_equal(vf_secret_write(secret, 8, "i", 1, NULL), 0);
    assert_int_equal(vf_secret_size(secret), 9);
    assert_memory_equal(vf_secret_data(secret), "aBCdeFghi", 9);
    assert_int_equal(vf_secret_write(secret, 10, "x", 1, &err), -EINVAL);
    assert_int_equal(vf_secret_write(secret, 9, "x", SIZE_MAX, &err), -EINVAL);
    assert_int_equal(vf_secret_write(secret, 9, NULL, 0, NULL), 0);
    assert_int_equal(vf_secret_size(secret), 9);
    assert_memory_equal(vf_secret_data(secret), "aBCdeFghi", 9);
    vf_secret_unref(secret);
}

static void truncation_wipes_the_rest(void **state)
{
    struct vf_secret *secret;

    assert_int_equal(vf_secret_from("abcdef", 6, &secret, NULL), 0);
    vf_secret_truncate(secret, 7);
    assert_int_equal(vf_secret_size(secret), 6);
    vf_secret_truncate(secret, 2);
    assert_int_equal(vf_secret_size(secret), 2);
    assert_memory_equal(vf_secret_data(secret), "ab\0\0\0\0", 6);
    vf_secret_unref(secret);
}

static void the_mapping_is_locked_and_in_no_dump_and_no_child(void **state)
{
    struct vf_secret *secret;
    char flags[256];
    bool is_real = is_mlock_real();

    assert_int_equal(vf_secret_from("x", 1, &secret, NULL), 0);
    for (int round = 0; round < 2; round++) {
        mapping_flags(vf_secret_data(secret), flags);
        assert_non_null(strstr(flags, " dd ")); /* not in a dump */
        assert_non_null(strstr(flags, " dc ")); /* not in a child */
        if (is_real)
            assert_non_null(strstr(flags, " lo "));
        char more[9000] = {0}; /* and again after it grew */
        assert_int_equal(vf_secret_append(secret, more, sizeof(more), NULL), 0);
    }
    vf_secret_unref(secret);
}

static void an_absurd_size_is_no_memory(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2};
    char place;
    struct vf_secret *const untouched = (struct vf_secret *)&place;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct vf_secret *secret = untouched;
        struct vf_error err;

        assert_int_equal(vf_secret_new(sizes[i], &secret, &err), -ENOMEM);
        assert_ptr_equal(secret, untouched);
        assert_int_equal(err.code, ENOMEM);
    }
}

static int in_child(int (*body)(void))
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            print_error("line %d: not so: %s\n", __LINE__, #condition);        \
            return 1;                                                          \
        }                                                                      \
    } while (0)

/* Two pages may be locked: one for the secret, one while it grows to two. */
static int run_out_of_locked_memory(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const struct rlimit limit = {2 * page, 2 * page};
    struct vf_secret *secret, *other;
    struct vf_error err;
    char bytes[100] = "kept";

    if (!is_mlock_real() || setrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
        (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0))
        return SKIPPED;
    CHECK(vf_secret_from(bytes, sizeof(bytes), &secret, &err) == 0);
    CHECK(vf_secret_new(2 * page, &other, &err) == -ENOMEM);
    CHECK(err.code == ENOMEM);
    CHECK(strstr(err.message, "RLIMIT_MEMLOCK") != NULL);
    while (vf_secret_size(secret) + sizeof(bytes) <= page)
        CHECK(vf_secret_append(secret, bytes, sizeof(bytes), NULL) == 0);
    size_t size = vf_secret_size(secret);
    char *data = vf_secret_data(secret);
    CHECK(vf_secret_append(secret, bytes, sizeof(bytes), &err) == -ENOMEM);
    CHECK(strstr(err.message, "RLIMIT_MEMLOCK") != NULL);
    CHECK(vf_secret_write(secret, 0, data, page + 1, &err) == -ENOMEM);
    CHECK(vf_secret_size(secret) == size && vf_secret_data(secret) == data);
    for (size_t i = 0; i < size; i++)
        CHECK(data[i] == bytes[i % sizeof(bytes)]);
    /* What failed left no lock behind: there is room for one more page. */
    CHECK(vf_secret_new(1, &other, &err) == 0);
    vf_secret_unref(other);
    vf_secret_unref(secret);
    return 0;
}

static void without_locked_memory_there_is_no_secret(void **state)
{
    int result = in_child(run_out_of_locked_memory);

    if (result == SKIPPED) {
        print_message("mlock() does nothing here, or limits cannot be set\n");
        skip();
    }
    assert_int_equal(result, 0);
}

static int be_hardened(void)
{
    struct rlimit core = {1, 1};

    vf_secret_harden_process();
    CHECK(getrlimit(RLIMIT_CORE, &core) == 0);
    CHECK(core.rlim_cur == 0 && core.rlim_max == 0);
    /* A build with a sanitizer stays dumpable; there mlock() is not real. */
    CHECK(prctl(PR_GET_DUMPABLE) == (is_mlock_real() ? 0 : 1));
    return 0;
}

static void a_hardened_process_leaves_no_core(void **state)
{
    int result = in_child(be_hardened);

    assert_int_equal(result, 0);
}

static void *take_and_drop(void *context)
{
    struct vf_secret *secret = context;

    for (int i = 0; i < 100000; i++) {
        vf_secret_ref(secret);
        vf_secret_unref(secret);
    }
    return vf_secret_unref(secret);
}

static void references_of_many_threads_are_counted(void **state)
{
    pthread_t threads[4];
    struct vf_secret *secret;

    assert_int_equal(vf_secret_from("x", 1, &secret, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_drop,
                                        vf_secret_ref(secret)),
                         0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_memory_equal(vf_secret_data(secret), "x", 1);
    unmapped_bytes = 0;
    vf_secret_unref(secret);
    assert_int_equal(unmapped_bytes, sysconf(_SC_PAGESIZE));
}

static void wiping_wipes(void **state)
{
    char bytes[] = "abcdef";

    vf_wipe(bytes + 1, 3);
    assert_memory_equal(bytes, "a\0\0\0ef", 6);
    vf_wipe(NULL, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_starts_empty),
        cmocka_unit_test_setup(
            growth_keeps_the_content_and_wipes_what_it_leaves, forget_unmapped),
        cmocka_unit_test_setup(a_secret_is_wiped_with_its_last_reference,
                               forget_unmapped),
        cmocka_unit_test(a_write_overwrites_and_extends_but_leaves_no_gap),
        cmocka_unit_test(truncation_wipes_the_rest),
        cmocka_unit_test(the_mapping_is_locked_and_in_no_dump_and_no_child),
        cmocka_unit_test(an_absurd_size_is_no_memory),
        cmocka_unit_test(without_locked_memory_there_is_no_secret),
        cmocka_unit_test(a_hardened_process_leaves_no_core),
        cmocka_unit_test(references_of_many_threads_are_counted),
        cmocka_unit_test(wiping_wipes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
