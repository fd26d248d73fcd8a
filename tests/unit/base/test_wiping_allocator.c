/* SPDX-License-Identifier: MIT
 *
 * Linked with the allocator, as the programs are. Memory that was given back is
 * read through the kernel: to look at it directly is undefined.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* In bytes: tiny, the heap's small and large bins, and a mapping of its own. */
static const size_t sizes[] = {24, 100, 1000, 5000, 60000, 200000, 3000000};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static unsigned char seen[4 * 1024 * 1024];

/* How many bytes of the canary are at an address that may be unmapped. */
static size_t canaries_at(uintptr_t address, size_t size)
{
    size_t count = 0;
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

    assert_true(memory >= 0);
    ssize_t got = pread(memory, seen, size, (off_t)address);
    for (ssize_t i = 0; i < got; i++)
        count += seen[i] == 0xC5;
    (void)close(memory);
    return count;
}

static void *new_block(size_t size)
{
    void *block = malloc(size);

    assert_non_null(block);
    memset(block, 0xC5, size);
    return block;
}

static void assert_begins_with_canaries(const void *block, size_t size)
{
    const unsigned char *bytes = block;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0xC5)
            fail_msg("byte %zu of %zu is lost", i, size);
}

static void the_look_through_the_kernel_sees_canaries(void **state)
{
    void *block = new_block(1000);

    assert_int_equal(canaries_at((uintptr_t)block, 1000), 1000);
    free(block);
}

static void freed_memory_holds_nothing(void **state)
{
    for (size_t i = 0; i < SIZES; i++) {
        void *block = new_block(sizes[i]);
        uintptr_t address = (uintptr_t)block;

        free(block);
        /* One stray byte may be part of a pointer of the heap's own. */
        assert_true(canaries_at(address, sizes[i]) <= 2);
    }
}

static void growing_keeps_the_content_and_wipes_the_old_place(void **state)
{
    for (size_t i = 0; i + 1 < SIZES; i++) {
        void *block = new_block(sizes[i]);
        uintptr_t address = (uintptr_t)block;
        void *grown = realloc(block, sizes[i + 1]);

        assert_non_null(grown);
        assert_begins_with_canaries(grown, sizes[i]);
        if ((uintptr_t)grown != address)
            assert_true(canaries_at(address, sizes[i]) <= 2);
        free(grown);
    }
}

static void growing_takes_nothing_from_the_neighbours(void **state)
{
    unsigned char *blocks[20];

    for (size_t i = 0; i < 20; i++)
        blocks[i] = new_block(100);
    for (size_t i = 0; i < 20; i++) {
        size_t size = malloc_usable_size(blocks[i]);

        blocks[i] = realloc(blocks[i], 2000);
        assert_non_null(blocks[i]);
        for (size_t at = size; at < 2000; at++)
            assert_int_not_equal(blocks[i][at], 0xC5);
    }
    for (size_t i = 0; i < 20; i++)
        free(blocks[i]);
}

static void shrinking_keeps_the_start_and_wipes_the_rest(void **state)
{
    for (size_t i = 0; i < SIZES; i++)
        for (size_t part = 1; part < 8; part++) {
            size_t size = sizes[i] * part / 8;
            void *block = new_block(sizes[i]);
            uintptr_t address = (uintptr_t)block;
            void *shrunk = realloc(block, size);
            uintptr_t rest = address + (uintptr_t)size;

            assert_non_null(shrunk);
            assert_begins_with_canaries(shrunk, size);
            if ((uintptr_t)shrunk != address)
                rest = address;
            assert_true(canaries_at(rest, sizes[i] * (8 - part) / 8) <= 2);
            free(shrunk);
        }
}

static void realloc_does_what_the_standard_says(void **state)
{
    char *block = realloc(NULL, 10);

    assert_non_null(block);
    assert_true(malloc_usable_size(block) >= 10);
    strcpy(block, "012345678");
    char *volatile still_ours = block; /* which the compiler cannot know */
    volatile size_t absurd = PTRDIFF_MAX;
    errno = 0;
    assert_null(realloc(block, absurd));
    assert_int_equal(errno, ENOMEM);
    block = still_ours;
    assert_string_equal(block, "012345678");
    block = realloc(block, 4000);
    assert_string_equal(block, "012345678");
    block = realloc(block, 4000);
    assert_string_equal(block, "012345678");
    assert_null(realloc(block, 0)); /* freed */
    free(NULL);
}

static void free_leaves_errno_alone(void **state)
{
    void *small = malloc(10), *large = malloc(3000000);

    errno = EXDEV;
    free(small);
    free(large);
    free(NULL);
    assert_int_equal(errno, EXDEV);
}

/* The C library's own buffers go through ours as well. */
static void the_library_s_own_allocations_are_wiped(void **state)
{
    char text[2000];
    char *data = NULL;
    size_t size = 0;

    memset(text, 0xC5, sizeof(text));
    FILE *stream = open_memstream(&data, &size);
    assert_non_null(stream);
    (void)fwrite(text, 1, 500, stream);
    assert_int_equal(fflush(stream), 0);
    uintptr_t before = (uintptr_t)data;
    for (int i = 0; i < 50; i++)
        (void)fwrite(text, 1, sizeof(text), stream);
    assert_int_equal(fflush(stream), 0);
    if ((uintptr_t)data != before)
        assert_true(canaries_at(before, 500) <= 2);
    assert_int_equal(fclose(stream), 0);
    assert_begins_with_canaries(data, size);

    uintptr_t address = (uintptr_t)data;
    char *grown = reallocarray(data, 2, size);
    assert_non_null(grown);
    assert_begins_with_canaries(grown, size);
    if ((uintptr_t)grown != address)
        assert_true(canaries_at(address, size) <= 2);
    free(grown);
}

static void aligned_memory_can_be_freed_and_grown(void **state)
{
    void *block = NULL;

    assert_int_equal(posix_memalign(&block, 4096, 5000), 0);
    memset(block, 0xC5, 5000);
    uintptr_t address = (uintptr_t)block;
    void *grown = realloc(block, 20000);
    assert_non_null(grown);
    assert_begins_with_canaries(grown, 5000);
    if ((uintptr_t)grown != address)
        assert_true(canaries_at(address, 5000) <= 2);
    free(grown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_look_through_the_kernel_sees_canaries),
        cmocka_unit_test(freed_memory_holds_nothing),
        cmocka_unit_test(growing_keeps_the_content_and_wipes_the_old_place),
        cmocka_unit_test(growing_takes_nothing_from_the_neighbours),
        cmocka_unit_test(shrinking_keeps_the_start_and_wipes_the_rest),
        cmocka_unit_test(realloc_does_what_the_standard_says),
        cmocka_unit_test(free_leaves_errno_alone),
        cmocka_unit_test(the_library_s_own_allocations_are_wiped),
        cmocka_unit_test(aligned_memory_can_be_freed_and_grown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
