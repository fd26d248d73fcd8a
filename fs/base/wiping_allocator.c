/* SPDX-License-Identifier: MIT
 *
 * free() and realloc() that wipe.
 *
 * A secret in transit passes through memory that is not ours: a parser's
 * strings, the HTTP library's send buffer, the TLS library's records. None of
 * them wipes what it frees. These two take the place of the C library's for the
 * whole process (a definition in the executable wins), so that nothing outlives
 * its last use. It costs nanoseconds for small blocks.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own entry points; they are exported for interposers like this one. */
extern void __libc_free(void *block);

void free(void *block)
{
    int saved_errno = errno;

    if (block != NULL) {
        explicit_bzero(block, malloc_usable_size(block));
        __libc_free(block);
    }
    errno = saved_errno;
}

/* Never in place beyond the block and never by moving without a wipe. */
void *realloc(void *block, size_t size)
{
    if (block == NULL)
        return malloc(size);
    size_t usable = malloc_usable_size(block);
    if (size != 0 && size <= usable && size >= usable / 2) {
        memset((char *)block + size, 0, usable - size);
        return block;
    }
    if (size == 0) {
        free(block);
        return NULL;
    }
    void *moved = malloc(size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, size < usable ? size : usable);
    free(block);
    return moved;
}
