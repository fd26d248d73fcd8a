/* SPDX-License-Identifier: MIT
 *
 * File names for what the service calls things, and back.
 *
 * A vault's display_name and a credential's stored name may hold anything but
 * NUL; a file name may not. What a file system or a terminal cannot take is
 * written %XX, byte by byte, with upper-case digits: "/", control characters,
 * separators and bidirectional controls, bytes that are not UTF-8, a leading
 * "." or "-", a leading or trailing space, "%" before two hex digits, and the
 * first character of a name that would be scratch. All else stays as it is. The
 * mapping is reversible, and each text has exactly one spelling.
 *
 * Nothing here blocks, does I/O or takes a lock.
 */
#ifndef VAULTFS_NAME_H
#define VAULTFS_NAME_H

#include "vaultfs/error.h"

#include <stdbool.h>

/* Bytes of a file name, the terminating NUL not counted. */
#define VF_NAME_MAX 255

enum vf_name_kind {
    VF_NAME_VAULT, /* a vault's directory */
    VF_NAME_FILE   /* a credential's file */
};

/*
 * The file name for the service's text.
 *
 * digits is 0, or how many of the last letters and digits of id (6, 8, 10...;
 * hex digits, as ids are made) are put after a "~" because the plain name is
 * taken: at the end, and before a trailing ".json" of a file
 * ("github~a1b2c3.json"). From an id that is too short, digits of its hash fill
 * up, so that different ids get different names when digits grows. Above 80 it
 * counts as 80.
 *
 * A name that would be longer than VF_NAME_MAX is cut at a character, never
 * inside an escape, and then has at least six such digits. So has the name for
 * empty text, "vault~a1b2c3" or "credential~a1b2c3.json".
 *
 * Always succeeds, whatever the bytes of text. The name is never empty, ".",
 * "..", ".vault.json", ".archive" or ".vaultfs", begins with no "." and no "-",
 * holds no "/", is valid UTF-8, and is never scratch.
 */
void vf_name_encode(enum vf_name_kind kind, const char *text, const char *id,
                    unsigned digits, char ret[static VF_NAME_MAX + 1]);

/*
 * The service's text for a name that somebody typed: the one for which
 * vf_name_encode() gives this name, with no digits. *ret is freed with free().
 * Errors:
 *   -EINVAL        there is no such text; the message has the right spelling of
 *                  what was meant, where there is one
 *   -ENAMETOOLONG  the name is longer than VF_NAME_MAX
 *   -ENOMEM
 */
VF_MUST_CHECK int vf_name_decode(enum vf_name_kind kind, const char *name,
                                 char **ret, struct vf_error *err);

/*
 * Whether tools write such a name on their way to another one: never sent to
 * the service. True of each name that begins with ".", so look for "." and
 * "..", ".vault.json", ".archive" and ".vaultfs" before asking.
 */
bool vf_name_is_scratch(const char *name);

#endif
